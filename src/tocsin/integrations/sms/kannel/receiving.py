"""What Kannel tells us: what became of messages, and what people answer. It asks an address that it fills in.

Kannel signs nothing. The address of a message's reports holds a token made for that message alone, and the one in its
configuration for people's answers holds the secret itself.
"""

import hashlib
import hmac
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl
from uuid import UUID

from tocsin.customers import queries as customers
from tocsin.customers.values import AddressKind
from tocsin.integrations.http_calls.moments import from_iso
from tocsin.integrations.sms.kannel import replies
from tocsin.integrations.sms.kannel.spelling import line_of, report_token
from tocsin.integrations.sms.stop_words import is_stop
from tocsin.kernel import clock
from tocsin.messaging.values import Aside, InboundUpdate, Objection, StatusKind, StatusUpdate, Update

FIELDS_MAX = 50
_KINDS = {
    1: StatusKind.DELIVERED,
    2: StatusKind.FAILED,
    8: StatusKind.SENT,
    16: StatusKind.FAILED,
    34: StatusKind.FAILED,  # it expired
    66: StatusKind.FAILED,  # the message centre does not know
}
_UNDER_WAY = 4  # the message centre tries again
_CHARSETS = {"utf-8": "utf-8", "utf-16be": "utf-16-be", "iso-8859-1": "latin-1", "windows-1252": "cp1252"}
_BINARY = "1"
_SECOND = timedelta(seconds=1)
_SECRET_FIELDS = frozenset({"token"})


class Reports:
    """What Kannel asks of us: the query it filled in is the body."""

    def verified(self, headers: Mapping[str, str], body: bytes, *, secrets: Sequence[str], address: str) -> bool:
        """Say in constant time whether the token is the one of this message's reports, or of people's answers."""
        told = _fields(body)
        if told is None:
            return False
        given, message = told.get("token", ""), told.get("id", "")
        matches = [
            _is_same(given, report_token(secret, message) if message else secret) for secret in secrets if secret
        ]
        return any(matches)

    def updates(self, body: bytes, *, headers: Mapping[str, str]) -> Sequence[Update]:
        """Read one verified query."""
        told, received = _fields(body) or {}, from_iso(headers.get(":received")) or clock.now()
        at = _moment(told.get("at", ""), received=received)
        if "id" in told:
            return (_status(told, at=at),) if told.get("type") != str(_UNDER_WAY) else ()
        if told.get("from") and told.get("message"):
            # Kannel tells whole seconds: what is told in the second it was written is of when it was told, or an answer
            # would seem to come before what it answers.
            return tuple(_inbound(told, at=received if received - at < _SECOND else at))
        return (_not_understood("kannel_not_understood", told),)


def _status(told: Mapping[str, str], *, at: datetime) -> Update:
    kind = _KINDS.get(int(told["type"])) if told.get("type", "").isdecimal() else None
    try:
        message_id = UUID(told["id"])
    except ValueError:
        return _not_understood("kannel_report_not_understood", told)
    if kind is None:
        return _not_understood("kannel_report_unknown", told)
    said = replies.report(told.get("said", ""))
    verdict, reason = said.meaning if kind is StatusKind.FAILED else (None, None)
    # With the last two the carrier finds it.
    words = filter(None, (said.words, told.get("smsc", ""), told.get("theirs", "")))
    return StatusUpdate(
        str(message_id), kind, at, message_id=message_id, verdict=verdict, reason=reason,
        code=said.code if kind is StatusKind.FAILED else 0, detail=" ".join(words),
    )  # fmt: skip


def _inbound(told: Mapping[str, str], *, at: datetime) -> Iterator[Update]:
    number = _number(told["from"], country=told.get("country", ""))
    if number is None:
        yield _not_understood("kannel_sender_unknown", told)
        return
    is_binary = told.get("coding") == _BINARY
    text, line = "" if is_binary else told.get("text", ""), line_of(told.get("to", ""))
    yield InboundUpdate(
        line=line, provider_id=told["message"], addresses={AddressKind.PHONE: number},
        kind="binary" if is_binary else "text", at=at, text=text,
        part={name: value for name, value in told.items() if name not in _SECRET_FIELDS},
    )  # fmt: skip
    stopped = is_stop(text)
    if stopped is not None:
        yield Objection({AddressKind.PHONE: number}, purpose=None, stopped=stopped, at=at, line=line)


def _number(text: str, *, country: str) -> str | None:
    """Return who wrote, in E.164: message centres leave out the + as they like, unless ``country`` is named."""
    bare = text.strip()
    if bare.startswith(("+", "00")):
        return customers.phone("+" + bare.removeprefix("+").removeprefix("00"))
    national = customers.phone(bare, country=country.upper()) if customers.known_country(country.upper()) else None
    return national or customers.phone("+" + bare)


def _not_understood(what: str, told: Mapping[str, str]) -> Aside:
    return Aside(what, {"fields": sorted(told)[:40], "type": told.get("type", "")[:8]})


def _moment(text: str, *, received: datetime) -> datetime:
    """Return the gateway's time of a report, the same however often it is told; never one to come."""
    if not text.isdecimal() or len(text) > 11:
        return received
    return min(datetime.fromtimestamp(int(text), UTC), received)


def _fields(body: bytes) -> dict[str, str] | None:
    """Return the fields of a query; the text in the letters that ``charset`` names, which Kannel fills in with %C."""
    try:
        raw = dict(
            parse_qsl(body.decode("ascii"), keep_blank_values=True, encoding="latin-1", max_num_fields=FIELDS_MAX)
        )
    except ValueError:
        return None
    charset = _CHARSETS.get(raw.get("charset", "utf-8").lower(), "utf-8")
    told = {name: _decoded(value, "utf-8") for name, value in raw.items()}
    if "text" in raw:
        told["text"] = _decoded(raw["text"], charset)
    return told


def _decoded(value: str, charset: str) -> str:
    return value.encode("latin-1").decode(charset, "replace").replace("\0", "")


def _is_same(given: str, expected: str) -> bool:
    digests = (hashlib.sha256(each.encode()).digest() for each in (given, expected))
    return hmac.compare_digest(*digests)


RECEIVING = Reports()
