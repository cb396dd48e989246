"""The sidecar as proxies see it: a real process, raw HTTP."""

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from tests.contract.gate.conftest import eventually
from tests.unit.gate.conftest import OLD_ANDROID, RESET, SUSPEND, T0, Writer, combination

from tocsin_gate.files import append_line, changes_path
from tocsin_gate.sidecar import HEAD_BYTES_MAX, Refused, read_head

ROOT = Path(__file__).resolve().parents[3]
ACCOUNTS = {"ann": 1, "eve": 2, "old": 3, "voilà": 2}
GIVEN = {"combinations": [RESET, SUSPEND, combination(("update_client", None, 0))], "rules": [OLD_ANDROID]}


class Sidecar:
    """A running `tocsin-gate serve`."""

    def __init__(self, arguments):
        command = [sys.executable, "-m", "tocsin_gate", "serve", *map(str, arguments)]
        environment = {**os.environ, "PYTHONPATH": str(ROOT / "gate" / "src")}
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)
        self.first = next(line for line in self.process.stderr if " on " in line)
        self.where = self.first.rsplit(" ", 1)[-1].strip().rstrip(".")

    def connect(self):
        host, port = self.where.rsplit(":", 1)
        return socket.create_connection((host, int(port)), timeout=60)

    def ask(self, *headers, path="/gate/v1/check", method="GET"):
        lines = [f"{method} {path} HTTP/1.1", "Host: gate", "Connection: close", *headers]
        return self.raw("\r\n".join(lines).encode() + b"\r\n\r\n")

    def raw(self, data):
        with self.connect() as plug:
            plug.sendall(data)
            answer = b""
            while more := plug.recv(65536):
                answer += more
        return answers_in(answer)[0]

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        _, said = self.process.communicate(timeout=60)
        assert self.process.returncode == 0, said
        return said


def answers_in(data):
    """Take apart a row of answers: (status, headers, body)."""
    found = []
    while data:
        head, _, data = data.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines)
        size = int(headers["Content-Length"])
        found.append((int(first.split()[1]), headers, data[:size]))
        data = data[size:]
    return found


def started(writer):
    path, trust = writer.write(ACCOUNTS, **GIVEN), writer.trust_file()
    running = Sidecar([path, "--trust", trust, "--listen", "127.0.0.1:0", "--watch-seconds", "0.1"])
    assert "epoch 1 of 4 accounts (signature)" in running.first
    return running


@pytest.fixture(scope="module")
def sidecar(tmp_path_factory):
    """One for all who only ask."""
    running = started(Writer(tmp_path_factory.mktemp("sidecar")))
    yield running
    running.stop()


@pytest.fixture
def own_sidecar(writer):
    """One whose list may be changed."""
    running = started(writer)
    yield running
    running.stop()


def test_the_intruders_token_is_refused_and_a_neighbours_passes(sidecar):
    status, headers, body = sidecar.ask("X-Tocsin-Account: ann", f"X-Tocsin-Token-Issued-At: {T0 - 9}")
    assert (status, headers["Content-Type"]) == (403, "application/problem+json")
    assert (headers["X-Tocsin-Action"], headers["X-Tocsin-Code"]) == ("reset-password", "password_reset_required")
    assert json.loads(body)["measures"] == ["reset_password", "revoke_sessions"]
    status, headers, body = sidecar.ask("X-Tocsin-Account: bob", f"X-Tocsin-Token-Issued-At: {T0 - 9}")
    assert (status, headers["X-Tocsin-Code"], body) == (200, "allowed", b"")
    assert sidecar.ask()[0] == 200
    assert sidecar.ask("X-Tocsin-Account: voilà")[0] == 403


def test_old_android_is_told_to_update_and_ios_is_left_alone(sidecar):
    android = ("X-Tocsin-Account: old", "X-Tocsin-Platform: android", "X-Tocsin-Client-Version: 8.10")
    status, headers, _ = sidecar.ask(*android)
    assert (status, headers["X-Tocsin-Action"], headers["X-Tocsin-Version-Min"]) == (403, "update-client", "8.11")
    assert sidecar.ask("X-Tocsin-Account: old", "X-Tocsin-Platform: ios", "X-Tocsin-Client-Version: 1.0")[0] == 200


def test_paths_below_the_check_and_every_method_are_answered(sidecar):
    for method in ("GET", "POST", "PUT", "DELETE", "OPTIONS", "PROPFIND"):
        status = sidecar.ask("X-Tocsin-Account: eve", path="/gate/v1/check/orders/7?x=1", method=method)[0]
        assert status == 403, method
    for path in ("/", "/gate/v1/checks", "/gate/v1/chec"):
        assert sidecar.ask("X-Tocsin-Account: eve", path=path)[0] == 404


def test_the_answer_to_head_has_no_body_so_the_next_answer_is_not_mistaken(sidecar):
    one = b"%b /gate/v1/check HTTP/1.1\r\nHost: g\r\nX-Tocsin-Account: eve\r\n%b\r\n"
    with sidecar.connect() as plug:
        plug.sendall(one % (b"HEAD", b"") + one % (b"GET", b"Connection: close\r\n"))
        answer = b""
        while more := plug.recv(65536):
            answer += more
    first, _, rest = answer.partition(b"\r\n\r\n")
    assert first.startswith(b"HTTP/1.1 403 ")
    assert b"Content-Length: 0" not in first
    assert [status for status, _, _ in answers_in(rest)] == [403]


def test_sensitive_acts_are_refused_while_the_list_is_old(sidecar):
    assert sidecar.ask("X-Tocsin-Account: bob")[0] == 200
    status, headers, _ = sidecar.ask("X-Tocsin-Account: bob", "X-Tocsin-Sensitive: 1")
    assert (status, headers["X-Tocsin-Code"]) == (403, "list_too_old")


def test_an_account_named_twice_is_refused(sidecar):
    status, headers, _ = sidecar.ask("X-Tocsin-Account: bob", "x-tocsin-account: ann")
    assert (status, headers["X-Tocsin-Code"]) == (403, "request_unclear")


def test_health_says_what_is_enforced_and_nothing_of_accounts(sidecar):
    status, headers, body = sidecar.ask(path="/healthz")
    told = json.loads(body)
    assert (status, headers["Content-Type"]) == (200, "application/json")
    assert (told["epoch"], told["accounts"], told["way"], told["stale"]) == (1, 4, "signature", True)
    assert b"ann" not in body


def test_requests_in_a_row_and_in_pieces_are_answered_in_order_on_one_connection(sidecar):
    one = b"GET /gate/v1/check HTTP/1.1\r\nHost: g\r\nX-Tocsin-Account: %b\r\n\r\n"
    posted = b"POST /gate/v1/check HTTP/1.1\r\nHost: g\r\nX-Tocsin-Account: eve\r\nContent-Length: 5\r\n\r\nabcde"
    data = one % b"bob" + posted + one % b"ann" + (one % b"bob").replace(b"Host: g", b"Connection: close")
    with sidecar.connect() as plug:
        plug.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for start in range(0, len(data), 7):
            plug.sendall(data[start : start + 7])
        answer = b""
        while more := plug.recv(65536):
            answer += more
    assert [status for status, _, _ in answers_in(answer)] == [200, 403, 403, 200]


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"GET /gate/v1/check HTTP/2.0\r\n\r\n", 400),
        (b"GET  /gate/v1/check HTTP/1.1\r\n\r\n", 400),
        (b"GET /gate/v1/check HTTP/1.1\r\nX-Tocsin-Account : ann\r\n\r\n", 400),
        (b"GET /gate/v1/check HTTP/1.1\r\nA: b\r\n folded\r\n\r\n", 400),
        (b"GET /gate/v1/check HTTP/1.1\r\nA: b\nX-Tocsin-Account: bob\r\n\r\n", 400),
        (b"GET /gate/v1/check HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
        (b"GET /gate/v1/check HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400),
        (b"GET /gate/v1/check HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n", 413),
        (b"GET /gate/v1/check HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", 501),
        (b"GET /gate/v1/check HTTP/1.1\r\nA: " + b"x" * HEAD_BYTES_MAX, 431),
    ],
)
def test_what_is_not_plain_http_is_refused_and_the_connection_closed(sidecar, data, status):
    assert sidecar.raw(data)[0] == status


def test_heads_are_read_to_their_end_and_no_further():
    names = frozenset({"x-tocsin-account"})
    head = b"GET /a?b HTTP/1.0\r\nX-Tocsin-Account:  ann\t\r\nOther: 1\r\nContent-Length: 3\r\n\r\n"
    assert read_head(head[:-1], names=names) is None
    found = read_head(head + b"abcGET", names=names)
    assert (found.path, found.headers, found.body) == (b"/a", [("x-tocsin-account", "ann")], 3)
    assert (found.keeps_alive, found.size) == (False, len(head))
    with pytest.raises(Refused):
        read_head(b"\r\n\r\n", names=names)


def test_a_new_list_is_adopted_by_itself_and_on_sighup(writer, own_sidecar):
    writer.write({"bob": 2}, epoch=2, **GIVEN)
    own_sidecar.process.send_signal(signal.SIGHUP)
    eventually(lambda: own_sidecar.ask("X-Tocsin-Account: bob")[0] == 403)
    assert own_sidecar.ask("X-Tocsin-Account: ann")[0] == 200
    writer.write({"ann": 2}, epoch=3, **GIVEN)
    eventually(lambda: own_sidecar.ask("X-Tocsin-Account: ann")[0] == 403)
    writer.path.write_bytes(b"nonsense")
    eventually(lambda: b'"cut_off"' in own_sidecar.ask(path="/healthz")[2])
    assert own_sidecar.ask("X-Tocsin-Account: ann")[0] == 403


def test_changes_beside_the_list_are_picked_up(writer, own_sidecar):
    append_line(changes_path(writer.path, epoch=1), json.dumps(writer.change(add=[[writer.hex_of("bob"), 2]])).encode())
    eventually(lambda: own_sidecar.ask("X-Tocsin-Account: bob")[0] == 403)


@pytest.mark.parametrize("there", ["nothing", "corrupt", "expired"])
def test_a_sidecar_with_a_source_begins_without_a_useful_file(writer, fake_source, there):
    fake_source.snapshot = writer.bytes_of(ACCOUNTS, **GIVEN)
    if there == "corrupt":
        writer.path.write_bytes(b"nonsense")
    elif there == "expired":
        writer.write({}, not_after=T0 * 1000)
    trust = writer.trust_file(feed_token="token-1")
    running = Sidecar(
        [writer.path, "--trust", trust, "--listen", "127.0.0.1:0", "--source", fake_source.url, "--name", "eu-1"]
    )
    assert running.ask("X-Tocsin-Account: eve")[0] == 403
    eventually(lambda: {"gate": "eu-1", "epoch": 1, "seq": 0} in fake_source.reports)
    eventually(lambda: fake_source.streams)
    fake_source.push("change", writer.change(add=[[writer.hex_of("bob"), 2]]))
    eventually(lambda: running.ask("X-Tocsin-Account: bob")[0] == 403)
    running.stop()


def test_it_listens_on_a_socket_file_too(writer):
    place = writer.folder / "gate.sock"
    running = Sidecar([writer.write(ACCOUNTS, **GIVEN), "--trust", writer.trust_file(), "--listen", f"unix:{place}"])
    with socket.socket(socket.AF_UNIX) as plug:
        plug.connect(str(place))
        plug.sendall(b"GET /gate/v1/check HTTP/1.0\r\nX-Tocsin-Account: eve\r\n\r\n")
        assert plug.recv(65536).startswith(b"HTTP/1.1 403 ")
    running.stop()


def test_without_a_list_that_can_be_believed_it_does_not_start(writer):
    path = writer.write(ACCOUNTS, signed=False, **GIVEN)
    command = [sys.executable, "-m", "tocsin_gate", "serve", str(path), "--trust", str(writer.trust_file())]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "gate" / "src")}
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment)
    assert done.returncode == 2
    assert (
        done.stderr
        == f"tocsin-gate: {path}: is not signed. Build it anew with `tocsin gate build`, or fetch it again.\n"
    )
