"""The doors over real HTTP: `tocsin serve` as a process of its own takes tokens and what connected products report."""

import base64
import hashlib
import hmac
import http.client
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from typing import Any

import pytest
from tests.ports import free_port

from tocsin.containment import commands
from tocsin.journal.values import Assurance, Author
from tocsin.kernel import clock
from tocsin.kernel.loading import lazily

models = lazily("tocsin.containment.models")
REVOKED = "https://schemas.openid.net/secevent/caep/event-type/session-revoked"
SECRET = base64.b64encode(b"s" * 32).decode()
ADA = Author(name="ada", assurance=Assurance.ASSERTED)


def eventually(condition: Callable[[], Any], *, seconds: float = 60.0) -> Any:
    ends, waiting = time.monotonic() + seconds, threading.Event()
    while time.monotonic() < ends:
        if found := condition():
            return found
        waiting.wait(0.05)
    raise AssertionError("it never became true")


class Served:
    """`tocsin serve` on a free port."""

    def __init__(self) -> None:
        self.port = free_port()
        self.process = subprocess.Popen(
            [sys.executable, "-c", "from tocsin.project.main import main; main()", "serve", "--listen", f"127.0.0.1:{self.port}"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=dict(os.environ),
        )  # fmt: skip
        eventually(self.answers)

    def answers(self) -> bool:
        assert self.process.poll() is None
        try:
            return self.post("/healthz", b"", method="GET")[0] == 200
        except OSError:
            return False

    def post(self, path: str, body: bytes, *, method: str = "POST", **headers: str) -> tuple[int, bytes]:
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)) as connection:
            connection.request(method, path, body=body, headers={k.replace("_", "-"): v for k, v in headers.items()})
            answer = connection.getresponse()
            return answer.status, answer.read()


@pytest.fixture
def served(rows: None) -> Iterator[Served]:
    server = Served()
    yield server
    server.process.send_signal(signal.SIGTERM)
    server.process.wait(60)


def test_a_token_pushed_over_http_is_taken_and_makes_an_account_safe(
    received: Any, transmitter: Any, plans: Callable[..., Any], served: Served
):
    received()
    ends = {"measures": [{"kind": "revoke_sessions"}], "systems": {}}
    plan = plans([ends], {"u1": 0}, since=clock.now() - timedelta(hours=1))
    known = {"Content_Type": "application/secevent+jwt", "Authorization": "Bearer push-secret"}
    token = transmitter.token(REVOKED, "u1").encode()
    assert served.post("/signals/v1/sso", token, **known) == (202, b"")
    status, body = served.post("/signals/v1/sso", b"x" + token, **known)
    assert (status, json.loads(body)["err"]) == (400, "invalid_request")
    for path, wrong in (("/signals/v1/sso", known | {"Authorization": "Bearer no"}), ("/signals/v1/other", known)):
        status, body = served.post(path, token, **wrong)
        assert (status, json.loads(body)["err"]) == (400, "authentication_failed")
    assert served.post("/signals/v1/sso", b"x" * 70_000, **known)[0] == 413
    assert served.post("/signals/v1/sso", b"", method="GET")[0] == 405
    commands.record_news()
    eventually(lambda: models.ContainmentProgress.objects.filter(plan=plan, state="closed").exists())


def webhook(body: bytes, *, key: bytes = b"s" * 32, at: float | None = None) -> dict[str, str]:
    """Return the headers of Standard Webhooks 1.0.0 for a body."""
    stamp = str(int(at or time.time()))
    signed = hmac.new(key, b"msg_1." + stamp.encode() + b"." + body, hashlib.sha256).digest()
    return {
        "webhook_id": "msg_1", "webhook_timestamp": stamp,
        "webhook_signature": "v1," + base64.b64encode(signed).decode(), "content_type": "application/json",
    }  # fmt: skip


def test_what_a_connected_product_reports_is_taken_only_when_it_is_signed(plans: Callable[..., Any], served: Served):
    commands.add_system("shop", kind="webhook", settings={}, secrets={"secret": f"whsec_{SECRET}"}, by=ADA)
    commands.add_system("dir", kind="ldap", settings={}, secrets={"secret": f"whsec_{SECRET}"}, by=ADA)
    resets = {"measures": [{"kind": "reset_password"}], "systems": {"reset_password": ["gate"]}}
    plan = plans([resets], {"u1": 0, "u2": 0}, since=clock.now() - timedelta(hours=1))
    told = [
        {"account": name, "kind": "password_changed", "at": clock.now().isoformat()} for name in ("u1", "stranger")
    ]  # fmt: skip
    body = json.dumps({"done": told}).encode()
    path = "/connectors/v1/shop/done"
    status, answer = served.post(path, body, **webhook(body))
    assert (status, json.loads(answer)) == (200, {"new": 1, "repeated": 0, "in_no_plan": 1, "before_since": 0})
    assert json.loads(served.post(path, body, **webhook(body))[1])["repeated"] == 1
    assert models.ContainmentProgress.objects.get(plan=plan).state == "closed"
    other = json.dumps({"done": [told[0] | {"account": "u2"}]}).encode()
    refused = [
        served.post(path, other),
        served.post(path, other, **webhook(body)),
        served.post(path, other, **webhook(other, key=b"t" * 32)),
        served.post(path, other, **webhook(other, at=time.time() - 4000)),
        served.post("/connectors/v1/dir/done", other, **webhook(other)),
        served.post("/connectors/v1/nobody/done", other, **webhook(other)),
    ]
    assert {status for status, _body in refused} == {401} and len({body for _status, body in refused}) == 1
    wrong = json.dumps({"done": [told[0] | {"kind": "old_session_active"}]}).encode()
    status, answer = served.post(path, wrong, **webhook(wrong))
    assert status == 400 and "done[0].kind" in json.loads(answer)["detail"]
    assert models.ContainmentDone.objects.count() == 1
