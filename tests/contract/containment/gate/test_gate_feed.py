"""The feed over real HTTP: `tocsin serve` as a process of its own, and the gate's own follower on the other side."""

import http.client
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.ports import free_port

from tocsin.containment import commands, gate_changes, gate_list, queries
from tocsin.containment.values import DoneBy, DoneFact, DoneKind
from tocsin.journal.values import MACHINE
from tocsin.kernel import clock
from tocsin.kernel.loading import lazily
from tocsin_gate import Gate, Trust
from tocsin_gate.feed import Source
from tocsin_gate.following import Follower, first_list

models = lazily("tocsin.containment.models")

ASKS = {"measures": [{"kind": "reset_password"}, {"kind": "reauthenticate"}],
        "systems": {"reset_password": ["gate"], "reauthenticate": ["gate"]}}  # fmt: skip


def eventually(condition, *, seconds: float = 60.0):
    ends, waiting = time.monotonic() + seconds, threading.Event()
    while time.monotonic() < ends:
        if found := condition():
            return found
        waiting.wait(0.02)
    raise AssertionError("it never became true")


class Serve:
    """The server process on a port of its own."""

    def __init__(self, port: int) -> None:
        self.port, self.url = port, f"http://127.0.0.1:{port}"
        self.process = subprocess.Popen(
            [sys.executable, "-c", "from tocsin.project.main import main; main()", "serve", "--listen", f"127.0.0.1:{port}"],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=dict(os.environ),
        )  # fmt: skip

    def answers(self) -> bool:
        assert self.process.poll() is None, self.process.stdout.read()
        try:
            return self.ask("GET", "/healthz", token=None)[0] == 200
        except OSError:
            return False

    def ask(self, method: str, path: str, *, token: str | None = "own", body: bytes | None = None, **headers: str):
        if token is not None:
            headers["Authorization"] = f"Bearer {queries.feed_token() if token == 'own' else token}"
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path, body=body, headers={k.replace("_", "-"): v for k, v in headers.items()})
            answer = connection.getresponse()
            return answer.status, answer.read(), {k.lower(): v for k, v in answer.getheaders()}
        finally:
            connection.close()

    def stop(self) -> str:
        self.process.send_signal(signal.SIGTERM)
        out, _ = self.process.communicate(timeout=60)
        return out


@contextmanager
def serving(port: int | None = None) -> Iterator[Serve]:
    server = Serve(port or free_port())
    try:
        eventually(server.answers, seconds=120)
        yield server
    finally:
        if server.process.poll() is None:
            server.process.kill()
            server.process.communicate()


@pytest.fixture
def serve(rows: None) -> Iterator[Serve]:
    with serving() as server:
        yield server


def progress(plan, account: str, *, state: str, done: tuple[str, ...] = ()) -> None:
    models.ContainmentProgress.objects.update_or_create(
        plan=plan, account=account,
        defaults={"combination": 0, "wave": 1, "state": state, "state_at": clock.now(),
                  "measures_done": dict.fromkeys(done, "2026-03-02T12:00:00+00:00")},
    )  # fmt: skip


@contextmanager
def following(server: Serve, path: Path) -> Iterator[Gate]:
    source = Source(server.url, token=queries.feed_token())
    if not path.exists():
        eventually(lambda: server.ask("GET", "/gate/v1/snapshot")[0] == 200)
        first_list(path, trust=Trust.of(queries.trust()), source=source)
    gate = Gate(path, trust=queries.trust())
    follower = Follower(gate, source=source, name="edge-1", pause=lambda _tries: 0.05)
    follower.start()
    try:
        yield gate
    finally:
        follower.stop()


def test_a_started_plan_reaches_a_gate_and_one_account_that_is_done_soon_after(plans, serve: Serve, tmp_path: Path):
    plan = plans([ASKS], {"a": 0, "b": 0})
    token = plan.since_at.timestamp()
    with following(serve, tmp_path / "list.tcs") as gate:
        assert not gate.check("a", token_issued_at=token).allow and gate.check("c").allow
        eventually(lambda: [each.gate for each in queries.gates()] == ["edge-1"])
        fact = DoneFact("a", DoneKind.PASSWORD_CHANGED, clock.now(), DoneBy.EVENTS, "sign-ins")
        commands.record_done([fact], by=MACHINE)
        eventually(lambda: gate.check("a", token_issued_at=token).allow)
        assert not gate.check("b", token_issued_at=token).allow
        eventually(lambda: [(each.epoch, each.seq, each.current) for each in queries.gates()] == [(1, 1, True)])
    assert "Stopped." in serve.stop() and serve.process.returncode == 0


def test_while_the_source_is_away_the_gate_goes_on_and_afterwards_it_resumes(plans, rows, tmp_path: Path):
    plan = plans([ASKS], {"a": 0, "b": 0, "c": 0})
    token, port = plan.since_at.timestamp(), free_port()
    with serving(port) as server, following(server, tmp_path / "list.tcs") as gate:
        progress(plan, "a", state="undone")
        eventually(lambda: gate.check("a").allow)
        server.stop()
        assert gate.check("a").allow and not gate.check("b", token_issued_at=token).allow
        progress(plan, "b", state="undone")
        commands.publish_changes(by=MACHINE)
        with serving(port):
            eventually(lambda: gate.check("b").allow)
            assert gate.position == (1, 2) and not gate.check("c", token_issued_at=token).allow


def test_a_new_epoch_is_swapped_without_a_single_failed_or_wrong_check(plans, serve: Serve, tmp_path: Path):
    plans([ASKS], {f"a{n}": 0 for n in range(3000)})
    with following(serve, tmp_path / "list.tcs") as gate:
        wrong, checks, stop = [], [0], threading.Event()

        def check() -> None:
            while not stop.is_set():
                for n in range(0, 3000, 7):
                    checks[0] += 1
                    if gate.check(f"a{n}", token_issued_at=1).allow or not gate.check(f"b{n}").allow:
                        wrong.append(n)

        checking = threading.Thread(target=check)
        checking.start()
        try:
            for _ in range(3):
                epoch = commands.publish_list(reason="test", by=MACHINE).epoch
                eventually(lambda epoch=epoch: gate.position[0] == epoch)
        finally:
            stop.set()
            checking.join()
        assert not wrong and checks[0] > 1000


def test_the_list_is_handed_out_whole_in_parts_and_not_twice(plans, serve: Serve):
    plans([ASKS], {f"a{n}": 0 for n in range(500)})
    eventually(lambda: serve.ask("GET", "/gate/v1/snapshot")[0] == 200)
    whole = gate_list.path_of(1).read_bytes()
    status, body, headers = serve.ask("GET", "/gate/v1/snapshot")
    assert (status, body, headers["etag"], headers["content-length"]) == (200, whole, '"1"', str(len(whole)))
    assert serve.ask("GET", "/gate/v1/snapshot", If_None_Match='W/"7", "1"')[:2] == (304, b"")
    status, body, headers = serve.ask("GET", "/gate/v1/snapshot", Range="bytes=100-299", If_Range='"1"')
    assert (status, body, headers["content-range"]) == (206, whole[100:300], f"bytes 100-299/{len(whole)}")
    assert serve.ask("GET", "/gate/v1/snapshot", Range="bytes=-10")[1] == whole[-10:]
    assert serve.ask("GET", "/gate/v1/snapshot", Range="bytes=100-", If_Range='"0"')[:2] == (200, whole)
    assert serve.ask("GET", "/gate/v1/snapshot", Range=f"bytes={len(whole)}-")[0] == 416
    assert serve.ask("HEAD", "/gate/v1/snapshot")[1] == b""


def test_without_the_token_nothing_is_said_and_with_it_nonsense_is_refused(serve: Serve):
    for method, path in (
        ("GET", "/gate/v1/snapshot"),
        ("GET", "/gate/v1/changes?epoch=1"),
        ("POST", "/gate/v1/enforcing"),
    ):
        for token in (None, "", "wrong", queries.feed_token() + "x"):
            status, body, headers = serve.ask(method, path, token=token, body=b"{}" if method == "POST" else None)
            assert status == 401 and headers["www-authenticate"].startswith("Bearer")
            assert headers["content-type"] == "application/problem+json" and json.loads(body)["status"] == 401
    assert serve.ask("GET", "/gate/v1/snapshot")[0] == 404
    assert serve.ask("GET", "/gate/v1/changes?epoch=x")[0] == 400
    for body in (b"", b"[]", b"{", b'{"gate":"","epoch":1,"seq":1}', b'{"gate":"a b","epoch":1,"seq":1}',
                 b'{"gate":"a","epoch":"1","seq":1}', b'{"gate":"a","epoch":1,"seq":-1}'):  # fmt: skip
        assert serve.ask("POST", "/gate/v1/enforcing", body=body)[0] == 400
    assert serve.ask("POST", "/gate/v1/enforcing", body=b"x" * 5000)[0] == 413
    assert serve.ask("DELETE", "/gate/v1/snapshot")[0] == 405 and serve.ask("GET", "/nothing")[0] == 404
    assert serve.ask("GET", "/" + "x" * 600)[0] == 414
    assert serve.ask("GET", "/healthz", token=None, X_Big="y" * 17_000)[0] == 431
    assert queries.gates() == ()


def test_a_gate_of_another_epoch_is_told_to_fetch_and_one_of_this_gets_a_signed_heartbeat(plans, serve: Serve):
    plans([ASKS], {"a": 0})
    eventually(lambda: serve.ask("GET", "/gate/v1/snapshot")[0] == 200)
    status, body, headers = serve.ask("GET", "/gate/v1/changes?epoch=9")
    assert (status, headers["content-type"], body) == (200, "text/event-stream", b'event: epoch\ndata: {"epoch":1}\n\n')
    stream = Source(serve.url, token=queries.feed_token()).changes(epoch=1, seq=0)
    try:
        told = next(iter(stream))
        assert told.kind == "heartbeat" and (told.data["epoch"], told.data["seq"]) == (1, 0)
        assert json.loads(gate_changes.heartbeat(1, seq=0)).keys() == told.data.keys()
    finally:
        stream.close()


def test_an_address_that_is_taken_is_said_in_words(serve: Serve):
    again = subprocess.run(
        [sys.executable, "-c", "from tocsin.project.main import main; main()", "serve", "--listen", f"127.0.0.1:{serve.port}"],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert again.returncode == 2 and "Cannot listen there" in again.stderr and "Traceback" not in again.stderr
