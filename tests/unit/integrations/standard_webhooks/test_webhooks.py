"""Webhooks to and from the operator's own product: guarded, signed, read strictly."""

import asyncio
import base64
import json
import socket
from uuid import UUID, uuid4

import pytest

from tocsin.customers.values import AddressKind
from tocsin.integrations.http_calls.calls import NotReached
from tocsin.integrations.http_calls.posting import Answer
from tocsin.integrations.standard_webhooks import channel
from tocsin.integrations.standard_webhooks.receiving import RECEIVING
from tocsin.integrations.webhook import signature
from tocsin.integrations.webhook.addresses import PublicOnly
from tocsin.kernel import clock
from tocsin.messaging.errors import ChannelNotUnderstood
from tocsin.messaging.ports import TransportError
from tocsin.messaging.values import Aside, InboundUpdate, Outgoing, Purpose, StatusKind, StatusUpdate, Verdict

KEY = b"k" * 32
SECRET = "whsec_" + base64.b64encode(KEY).decode()
OURS = UUID("0199d0c4-5a7c-7f3e-8d7e-6f3f0a1b2c3d")


def connected(url: str, **settings: object) -> channel.Webhook:
    return channel.connect("app", settings={"url": url, **settings}, secrets={"secret": SECRET})


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1/in", "https://10.1.2.3/in", "https://[::1]/in", "https://169.254.169.254/latest",
        "https://192.168.0.1/in", "https://[::ffff:10.0.0.1]/in", "https://2130706433/in", "https://[fd00::1]/in",
    ],
)  # fmt: skip
def test_a_private_address_is_refused_when_it_is_connected(url: str):
    with pytest.raises(ChannelNotUnderstood, match="own network"):
        connected(url)
    connected(url, allow_private=True)


def test_a_name_that_leads_to_a_private_address_is_refused_when_it_is_looked_up(monkeypatch: pytest.MonkeyPatch):
    class Lying:
        async def resolve(self, host: str, port: int = 0, family: int = socket.AF_UNSPEC) -> list[dict]:
            found = [{"hostname": host, "host": each, "port": port} for each in ("93.184.216.34", "10.0.0.1")]
            return [{**each, "family": socket.AF_INET, "proto": 0, "flags": 0} for each in found]

        async def close(self) -> None: ...

    async def work() -> TransportError:
        monkeypatch.setattr(channel, "PublicOnly", lambda: PublicOnly(Lying()))
        webhook = connected("https://app.example/in")
        sent = Outgoing(uuid4(), "c1", AddressKind.APP, {"type": "a.b", "data": {}}, 1, Purpose.SERVICE)
        try:
            with pytest.raises(TransportError) as caught:
                await webhook.send(sent)
            return caught.value
        finally:
            await webhook.close()

    error = asyncio.run(work())
    assert not error.permanent and error.verdict is Verdict.HOLD_LINE
    assert issubclass(NotReached, Exception)


@pytest.mark.parametrize(
    ("status", "verdict", "waits"),
    [
        (410, Verdict.HOLD_LINE, False),
        (404, Verdict.HOLD_LINE, True),
        (302, Verdict.HOLD_LINE, False),
        (500, Verdict.RETRY, False),
        (503, Verdict.RETRY, False),
        (418, Verdict.OUR_MISTAKE, False),
        (429, Verdict.SLOW_LINE, True),
    ],
)
def test_an_answer_that_is_no_success_means(status: int, verdict: Verdict, waits: bool):
    error = channel.error_of(Answer(status, {}, b""))
    assert error.verdict is verdict and (error.wait_seconds is not None) == waits
    assert channel.error_of(Answer(503, {"Retry-After": "9"}, b"")).wait_seconds == 9


def signed(body: bytes, *, keys: list[bytes] | None = None, seconds: int = 0) -> dict[str, str]:
    timestamp = int(clock.now().timestamp()) + seconds
    made = signature.signature("m1", timestamp=timestamp, body=body, keys=keys or [KEY])
    return {"webhook-id": "m1", "webhook-timestamp": str(timestamp), "webhook-signature": made}


def test_what_the_product_says_must_be_signed_and_fresh():
    body, other = b'{"type": "x"}', "whsec_" + base64.b64encode(b"o" * 32).decode()
    verified = RECEIVING.verified
    assert verified(signed(body), body, secrets=[SECRET], address="")
    assert verified(signed(body), body, secrets=[other, SECRET], address="")
    assert verified(signed(b"[]"), b"[]", secrets=[SECRET], address="")
    assert not verified(signed(body), body, secrets=[other], address="")
    assert not verified(signed(body), body + b" ", secrets=[SECRET], address="")
    assert not verified(signed(body, seconds=-600), body, secrets=[SECRET], address="")
    assert not verified({}, body, secrets=[SECRET], address="")
    assert not verified(signed(body), body, secrets=["no key at all"], address="")


@pytest.mark.parametrize(
    ("named", "kind"),
    [
        ("message.delivered", StatusKind.DELIVERED),
        ("message.read", StatusKind.READ),
        ("message.failed", StatusKind.FAILED),
    ],
)
def test_a_product_reports_by_our_id(named: str, kind: StatusKind):
    body = json.dumps({"type": named, "timestamp": "2026-09-01T10:00:00Z", "data": {"id": str(OURS)}}).encode()
    (update,) = RECEIVING.updates(body, headers={})
    assert isinstance(update, StatusUpdate) and (update.message_id, update.status) == (OURS, kind)


def test_a_product_hands_on_what_people_write():
    data = {"id": "in-7", "account": "c1", "text": "hello?", "line": "app"}
    body = json.dumps({"type": "message.received", "timestamp": "2026-09-01T10:00:00Z", "data": data}).encode()
    (update,) = RECEIVING.updates(body, headers={})
    assert isinstance(update, InboundUpdate)
    assert (update.line, update.provider_id, update.text) == ("app", "in-7", "hello?")
    assert update.addresses == {AddressKind.APP: "c1"}


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"{}", b'{"type": []}', b'{"type": "message.read", "data": {"id": "x"}}', b"\xff",
     b'{"type": "message.received", "data": {"id": 3}}', b'{"type": "message.read", "data": 7}'],
)  # fmt: skip
def test_what_nobody_understands_is_kept_aside(body: bytes):
    (update,) = RECEIVING.updates(body, headers={})
    assert isinstance(update, Aside)
