"""What an SMS provider tells us: what became of messages, and what people answer. Signed as Twilio signs."""

import base64
import hmac
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from urllib.parse import parse_qs, parse_qsl, urlsplit, urlunsplit
from uuid import UUID

from tocsin.customers import queries as customers
from tocsin.customers.values import AddressKind
from tocsin.integrations.http_calls.moments import from_iso
from tocsin.integrations.sms.replies import meaning
from tocsin.integrations.sms.stop_words import is_stop
from tocsin.kernel import clock
from tocsin.messaging.values import Aside, InboundUpdate, Objection, StatusKind, StatusUpdate, Update

FIELDS_MAX = 300
_DONE = {
    "sent": StatusKind.SENT,
    "delivered": StatusKind.DELIVERED,
    "read": StatusKind.READ,
    "undelivered": StatusKind.FAILED,
    "failed": StatusKind.FAILED,
    "canceled": StatusKind.FAILED,
}
_UNDER_WAY = frozenset({"accepted", "scheduled", "queued", "sending", "receiving", "received"})
_PORTS = {"https": "443", "http": "80"}


class Reports:
    """Webhooks of an SMS provider: form-encoded, signed over the address and every field."""

    def verified(self, headers: Mapping[str, str], body: bytes, *, secrets: Sequence[str], address: str) -> bool:
        """Say whether one of the auth tokens signed (Twilio, "Webhooks security").

        Behind a proxy we may be asked under another scheme or port than the provider was told, so each form of the
        address is tried: a signature over any of them needs the token.
        """
        given = next((value for name, value in headers.items() if name.lower() == "x-twilio-signature"), "")
        fields = _fields(body)
        if not given or fields is None:
            return False
        values: dict[str, set[str]] = {}
        for name, value in fields:
            values.setdefault(name, set()).add(value)
        signed = "".join(name + value for name in sorted(values) for value in sorted(values[name]))
        matches = [
            hmac.compare_digest(
                base64.b64encode(hmac.digest(secret.encode(), (form + signed).encode(), "sha1")), given.encode()
            )
            for secret in secrets
            if secret
            for form in _forms(address)
        ]
        return any(matches)

    def updates(self, body: bytes, *, headers: Mapping[str, str]) -> Sequence[Update]:
        """Read one verified body."""
        told, at = dict(_fields(body) or ()), from_iso(headers.get(":received")) or clock.now()
        if "MessageStatus" in told or ("SmsStatus" in told and "Body" not in told):
            return _status(told, path=headers.get(":path", ""), at=at)
        if told.get("From") and told.get("MessageSid"):
            return tuple(_inbound(told, at=at))
        return (Aside("sms_not_understood", {"fields": sorted(told)[:40]}),)


def _status(told: Mapping[str, str], *, path: str, at: datetime) -> Sequence[Update]:
    word = (told.get("MessageStatus") or told.get("SmsStatus") or "").lower()
    if word in _UNDER_WAY:
        return ()
    kind = _DONE.get(word)
    if kind is None:
        return (Aside("sms_status_unknown", {"status": word[:40]}),)
    code = int(told["ErrorCode"]) if told.get("ErrorCode", "").isdigit() else 0
    verdict, reason = meaning(code) if kind is StatusKind.FAILED else (None, None)
    return (
        StatusUpdate(
            told.get("MessageSid", ""), kind, at, message_id=_our_id(path), verdict=verdict, reason=reason,
            code=code, detail=f"{word} {code}" if code else word, line=_line(told, ours="From"),
        ),
    )  # fmt: skip


def _inbound(told: Mapping[str, str], *, at: datetime) -> Iterator[Update]:
    number = customers.phone(told["From"])
    if number is None:
        yield Aside("sms_sender_unknown", {"fields": sorted(told)[:40]})
        return
    text, line = told.get("Body", ""), _line(told, ours="To")
    yield InboundUpdate(
        line=line, provider_id=told["MessageSid"], addresses={AddressKind.PHONE: number},
        kind="media" if told.get("MediaUrl0") else "text", at=at, text=text, part=dict(told),
    )  # fmt: skip
    # After a YES the provider lets messages through again (Twilio, "Support for opt-out keywords").
    stopped = is_stop(told.get("OptOutType") or text, also_start={"yes"})
    if stopped is not None:
        yield Objection({AddressKind.PHONE: number}, purpose=None, stopped=stopped, at=at, line=line)


def _line(told: Mapping[str, str], *, ours: str) -> str:
    return told.get("MessagingServiceSid") or told.get(ours, "")


def _our_id(path: str) -> UUID | None:
    given = parse_qs(urlsplit(path).query, max_num_fields=FIELDS_MAX).get("id", [""])[0]
    try:
        return UUID(given)
    except ValueError:
        return None


def _fields(body: bytes) -> list[tuple[str, str]] | None:
    try:
        return parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=FIELDS_MAX)
    except ValueError:
        return None


def _forms(address: str) -> Iterator[str]:
    """Yield the address as it was asked, and with the other scheme, and with and without the usual port."""
    try:
        parts = urlsplit(address)
        host = parts.hostname or ""
        host = f"[{host}]" if ":" in host else host
        port = str(parts.port or "")
    except ValueError:
        return
    for scheme in ("https", "http"):
        ports = {port, ""} if port in {*_PORTS.values(), ""} else {port}
        for each in sorted(ports | ({_PORTS[scheme]} if "" in ports else set())):
            yield urlunsplit((scheme, f"{host}:{each}" if each else host, parts.path, parts.query, ""))


RECEIVING = Reports()
