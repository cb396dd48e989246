"""Every provider by name: what reaches its interface, what its answers mean, and that only it is believed afterwards."""

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

import pytest
from aiohttp import web
from channel_peers import Loop, Mood, looping
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from http_stand_in import Answer, HttpStandIn

from tocsin.customers.values import AddressKind
from tocsin.integrations.email_provider import channel
from tocsin.integrations.email_provider.providers import PROVIDERS, Signed
from tocsin.integrations.email_provider.receiving import RECEIVING
from tocsin.kernel import clock
from tocsin.messaging.errors import ChannelNotUnderstood
from tocsin.messaging.ports import TransportError
from tocsin.messaging.values import Outgoing, Purpose, Reason, StatusKind, StatusUpdate
from tocsin.project import settings

pytest.importorskip("anymail")
OURS = UUID("0199d0c4-5a7c-7f3e-8d7e-6f3f0a1b2c3d")
BOB = "bob@example.org"
EXTRA = {"mailgun": {"sender_domain": "larkwave.example"}, "scaleway": {"project_id": "p-1"}}
TAKEN: dict[str, Answer] = {  # as their documents show a mail that was taken
    "brevo": (201, {"messageId": "<id-1@relay.example>"}, {}),
    "mailersend": (202, "", {"X-Message-Id": "id-1"}),
    "mailgun": (200, {"id": "<id-1@larkwave.example>", "message": "Queued. Thank you."}, {}),
    "mailjet": (
        200,
        {"Messages": [{"Status": "success", "To": [{"Email": BOB, "MessageID": 1, "MessageUUID": "u"}]}]},
        {},
    ),
    "mailtrap": (200, {"success": True, "message_ids": ["id-1"]}, {}),
    "mandrill": (200, json.dumps([{"email": BOB, "status": "sent", "_id": "id-1"}]), {}),
    "postal": (200, {"status": "success", "data": {"message_id": "x", "messages": {BOB: {"id": 1, "token": "t"}}}}, {}),
    "postmark": (200, {"To": BOB, "MessageID": "id-1", "ErrorCode": 0, "Message": "OK"}, {}),
    "resend": (200, {"id": "id-1"}, {}),
    "scaleway": (200, {"emails": [{"id": "id-1", "mail_rcpt": BOB, "status": "sending"}]}, {}),
    "sparkpost": (200, {"results": {"total_rejected_recipients": 0, "total_accepted_recipients": 1, "id": "1"}}, {}),
    "unisender_go": (200, {"status": "success", "job_id": "j", "emails": [BOB]}, {}),
}


@pytest.fixture(autouse=True, scope="module")
def _django(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = str(tmp_path_factory.mktemp("none"))
    settings.use_database(settings.parameters_of_socket(folder, role="nobody", database="none"))


@pytest.fixture(scope="module")
def loop() -> Iterator[Loop]:
    with looping() as running:
        yield running


class Interface:
    """The interface of one provider."""

    def __init__(self, loop: Loop, name: str) -> None:
        self.name, self.asked = name, list[tuple[dict[str, str], str]]()
        refusals = {Mood.NOT_NOW: (503, {"message": "busy"}, {}), Mood.WRONG_CREDENTIALS: (401, {"message": "no"}, {})}
        self.server = HttpStandIn(loop, take=self._take, refusals=refusals)
        self.server.be(Mood.TAKES)

    async def _take(self, request: web.Request, body: bytes) -> Answer:
        self.asked.append((dict(request.headers), body.decode()))
        return TAKEN[self.name]

    def send(self, *, purpose: Purpose = Purpose.SERVICE) -> Any:
        provider = PROVIDERS[self.name]
        given = {
            "provider": self.name, "from": "alarm@larkwave.example", "from_name": "Lärkwave", "timeout_seconds": 30,
            "unsubscribe_url": "https://larkwave.example/u/{message}",
            "base_url": f"http://127.0.0.1:{self.server.port}", **EXTRA.get(self.name, {}),
        }  # fmt: skip
        secrets = {"key": "hush-key"} | ({"second_key": "hush-second"} if provider.second_key else {})
        content = {"subject": "Grüße", "text": "hello", "html": "<p>hello</p>"}
        sent = Outgoing(OURS, BOB, AddressKind.EMAIL, content, 1, purpose, reply_to="abc@example.org")

        async def whole() -> Any:
            opened = channel.connect("api", settings=given, secrets=secrets)
            try:
                return await opened.send(sent)
            finally:
                await opened.close()

        return asyncio.run(whole())


@pytest.fixture(params=sorted(PROVIDERS))
def interface(request: pytest.FixtureRequest, loop: Loop) -> Iterator[Interface]:
    made = Interface(loop, request.param)
    yield made
    made.server.be(Mood.DOWN)


def test_each_provider_gets_the_mail_once_with_our_id_where_it_keeps_one(interface: Interface):
    provider = PROVIDERS[interface.name]
    assert interface.send().provider_id
    ((headers, body),) = interface.asked
    basic = base64.b64decode(headers.get("Authorization", "Basic ").partition(" ")[2] + "==", validate=False)
    assert "hush-key" in f"{headers} {body} {basic.decode('latin-1')}"
    assert (str(OURS) in body) == (provider.keeps_id or provider.takes_headers)
    assert BOB in body.replace("%40", "@") and "hello" in body
    interface.send(purpose=Purpose.MARKETING)
    _headers, body = interface.asked[1]
    assert "List-Unsubscribe" in body and "One-Click" in body


@pytest.mark.parametrize("mood", [Mood.NOT_NOW, Mood.WRONG_CREDENTIALS])
def test_each_providers_refusals_name_no_address(interface: Interface, mood: Mood):
    interface.server.be(mood)
    with pytest.raises(TransportError) as caught:
        interface.send()
    assert not caught.value.permanent and "bob" not in repr(caught.value) and interface.server.tries == 1


@pytest.mark.parametrize(
    ("name", "missing"), [("scaleway", "project_id"), ("postal", "base_url"), ("mailgun", "sender_domain")]
)
def test_what_a_provider_needs_is_asked_for(name: str, missing: str):
    with pytest.raises(ChannelNotUnderstood) as caught:
        channel.connect("api", settings={"provider": name, "from": "a@b.example"}, secrets={"key": "x"})
    assert missing in str(caught.value.where)


# What each says of a delivery, and of our id in it, as its documents show it.
AT = 1788256800  # 1 Sep 2026
DELIVERED: dict[str, Any] = {
    "brevo": {"event": "delivered", "email": BOB, "ts_epoch": AT * 1000, "message-id": "<id-1@relay.example>",
              "X-Mailin-custom": json.dumps({"tocsin_id": str(OURS)})},
    "mailersend": {"type": "activity.delivered", "created_at": "2026-09-01T10:00:00.000000Z",
                   "data": {"type": "delivered", "email": {"message": {"id": "id-1"}, "recipient": {"email": BOB}}}},
    "mailgun": {"event-data": {"event": "delivered", "id": "e", "timestamp": AT, "recipient": BOB,
                "message": {"headers": {"message-id": "id-1@larkwave.example"}}, "user-variables": {"tocsin_id": str(OURS)}}},
    "mailjet": {"event": "sent", "time": AT, "MessageID": 1, "email": BOB, "Payload": json.dumps({"tocsin_id": str(OURS)})},
    "mailtrap": {"events": [{"event": "delivery", "message_id": "id-1", "timestamp": AT, "event_id": "e", "email": BOB,
                             "custom_variables": {"tocsin_id": str(OURS)}}]},
    "mandrill": [{"event": "send", "_id": "id-1", "ts": AT,
                  "msg": {"_id": "id-1", "email": BOB, "metadata": {"tocsin_id": str(OURS)}}}],
    "postal": {"event": "MessageDelivered", "timestamp": AT, "uuid": "u",
               "payload": {"status": "Sent", "timestamp": AT, "message": {"id": 1, "token": "t", "to": BOB}}},
    "postmark": {"RecordType": "Delivery", "MessageID": "id-1", "Recipient": BOB, "Metadata": {"tocsin_id": str(OURS)},
                 "DeliveredAt": "2026-09-01T10:00:00Z"},
    "resend": {"type": "email.delivered", "created_at": "2026-09-01T10:00:00.000Z", "data": {"email_id": "id-1", "to": [BOB],
               "headers": [{"name": "X-Metadata", "value": json.dumps({"tocsin_id": str(OURS)})}]}},
    "sparkpost": [{"msys": {"message_event": {"type": "delivery", "event_id": "1", "transmission_id": "1", "rcpt_to": BOB,
                   "timestamp": str(AT), "rcpt_meta": {"tocsin_id": str(OURS)}}}}],
    "unisender_go": {"auth": "x" * 32, "events_by_user": [{"user_id": 1, "events": [{"event_name": "transactional_email_status",
                     "event_data": {"job_id": "j", "status": "delivered", "email": BOB, "event_time": "2026-09-01 10:00:00",
                                    "metadata": {"tocsin_id": str(OURS)}}}]}]},
}  # fmt: skip
POSTAL = rsa.generate_private_key(65537, 2048)
STANDARD_KEY = base64.b64encode(b"k" * 32).decode()


def public(key: rsa.RSAPrivateKey) -> str:
    return base64.b64encode(key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).decode()


OTHER = public(rsa.generate_private_key(65537, 2048))


def told(name: str) -> tuple[dict[str, str], bytes, str]:
    """Return the headers and body of a webhook as its provider signs it, and the secret that signed."""
    address, said = f"https://tocsin.example/webhooks/v1/app1?provider={name}", DELIVERED[name]
    headers, secret = {"content-type": "application/json"}, "hook:hush"
    body = json.dumps(said).encode()
    if name == "mailersend":
        secret = "signing"
        headers["signature"] = hmac.new(b"signing", body, hashlib.sha256).hexdigest()
    elif name == "mailgun":
        secret, made = "signing", hmac.new(b"signing", f"{AT}tok".encode(), hashlib.sha256).hexdigest()
        body = json.dumps({**said, "signature": {"timestamp": str(AT), "token": "tok", "signature": made}}).encode()
    elif name == "mailtrap":
        secret = "signing"
        headers["mailtrap-signature"] = hmac.new(b"signing", body, hashlib.sha256).hexdigest()
    elif name == "mandrill":
        secret, events = "signing", json.dumps(said)
        body, headers["content-type"] = (
            urlencode({"mandrill_events": events}).encode(),
            "application/x-www-form-urlencoded",
        )
        made = hmac.new(b"signing", f"{address}mandrill_events{events}".encode(), hashlib.sha1).digest()
        headers["x-mandrill-signature"] = base64.b64encode(made).decode()
    elif name == "postal":
        secret = public(POSTAL)
        made = POSTAL.sign(body, padding.PKCS1v15(), hashes.SHA1())
        headers["x-postal-signature"] = base64.b64encode(made).decode()
    elif name == "resend":
        secret, stamp = f"whsec_{STANDARD_KEY}", str(int(clock.now().timestamp()))
        made = hmac.new(b"k" * 32, f"m1.{stamp}.".encode() + body, hashlib.sha256).digest()
        headers |= {"svix-id": "m1", "svix-timestamp": stamp, "svix-signature": f"v1,{base64.b64encode(made).decode()}"}
    elif name == "unisender_go":
        secret = "api-key"
        made = hashlib.md5(body.replace(b"x" * 32, b"api-key")).hexdigest()
        body = body.replace(b"x" * 32, made.encode())
    else:
        headers["authorization"] = "Basic " + base64.b64encode(b"hook:hush").decode()
    return headers, body, secret


@pytest.mark.parametrize("name", sorted(DELIVERED))
def test_only_the_provider_itself_is_believed_and_its_word_is_of_our_message(name: str):
    headers, body, secret = told(name)
    address = f"https://tocsin.example/webhooks/v1/app1?provider={name}"
    assert RECEIVING.verified(headers, body, secrets=["old", secret], address=address)
    assert not RECEIVING.verified(headers, body, secrets=[OTHER], address=address)
    assert not RECEIVING.verified(
        {"content-type": headers["content-type"]}, body, secrets=["wrong:wrong"], address=address
    )
    if PROVIDERS[name].signed is Signed.ALWAYS and name not in {"mandrill", "mailgun"}:
        assert not RECEIVING.verified(headers, body + b" ", secrets=[secret], address=address)
    (update,) = RECEIVING.updates(body, headers={**headers, ":path": f"/webhooks/v1/app1?provider={name}"})
    assert isinstance(update, StatusUpdate)
    assert update.status is (StatusKind.SENT if name == "mandrill" else StatusKind.DELIVERED)
    assert update.message_id == (OURS if PROVIDERS[name].keeps_id else None)
    assert update.provider_id


@pytest.mark.parametrize("name", ["mailtrap", "resend"])
def test_where_a_signature_may_be_left_out_a_name_and_password_do(name: str):
    headers, body, _secret = told(name)
    address = f"https://tocsin.example/webhooks/v1/app1?provider={name}"
    basic = {"content-type": "application/json", "authorization": "Basic " + base64.b64encode(b"hook:hush").decode()}
    assert RECEIVING.verified(basic, body, secrets=["hook:hush"], address=address)
    assert not RECEIVING.verified(headers, body, secrets=["hook:hush"], address=address)


def test_who_has_no_webhooks_is_never_believed():
    basic = {"content-type": "application/json", "authorization": "Basic " + base64.b64encode(b"hook:hush").decode()}
    assert not RECEIVING.verified(basic, b"{}", secrets=["hook:hush"], address="https://x.example/?provider=scaleway")


@pytest.mark.parametrize(
    ("name", "said", "reason"),
    [
        (
            "postmark",
            {"RecordType": "Bounce", "Type": "SoftBounce", "Email": BOB, "Details": "smtp;550 quota"},
            Reason.TRY_LATER,
        ),
        (
            "postmark",
            {"RecordType": "Bounce", "Type": "HardBounce", "Email": BOB, "Details": "smtp;550 5.1.1 no"},
            Reason.NOT_REACHABLE,
        ),
        (
            "mandrill",
            [
                {
                    "event": "soft_bounce",
                    "_id": "1",
                    "ts": AT,
                    "msg": {
                        "email": BOB,
                        "diag": "552 5.2.2 over quota",
                        "bounce_description": "mailbox_full",
                        "metadata": {"tocsin_id": str(OURS)},
                    },
                }
            ],
            Reason.TRY_LATER,
        ),
        (
            "mandrill",
            [
                {
                    "event": "hard_bounce",
                    "_id": "1",
                    "ts": AT,
                    "msg": {
                        "email": BOB,
                        "diag": "550 5.1.1 user unknown",
                        "bounce_description": "bad_mailbox",
                        "metadata": {"tocsin_id": str(OURS)},
                    },
                }
            ],
            Reason.NOT_REACHABLE,
        ),
        (
            "mailjet",
            {
                "event": "bounce",
                "time": AT,
                "MessageID": 1,
                "email": BOB,
                "hard_bounce": False,
                "error": "system issue",
            },
            Reason.TRY_LATER,
        ),
        (
            "mailjet",
            {"event": "bounce", "time": AT, "MessageID": 1, "email": BOB, "hard_bounce": True, "error": "user unknown"},
            Reason.NOT_REACHABLE,
        ),
        (
            "brevo",
            {
                "event": "soft_bounce",
                "email": BOB,
                "ts_epoch": AT * 1000,
                "message-id": "<1>",
                "reason": "server is down",
            },
            Reason.TRY_LATER,
        ),
    ],
)
def test_a_soft_bounce_says_nothing_final_of_the_address(name: str, said: Any, reason: Reason):
    body, kind = json.dumps(said).encode(), "application/json"
    if name == "mandrill":
        body, kind = urlencode({"mandrill_events": json.dumps(said)}).encode(), "application/x-www-form-urlencoded"
    found = RECEIVING.updates(body, headers={"content-type": kind, ":path": f"/webhooks/v1/app1?provider={name}"})
    for update in found:
        assert isinstance(update, StatusUpdate) and (update.status, update.reason) == (StatusKind.BOUNCED, reason)
    assert found
