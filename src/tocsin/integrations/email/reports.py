"""Mails that mail servers send back: delivery status notifications (RFC 3464) and abuse reports (RFC 5965).

What servers wrote before there was a standard, and some still write, is read by ``plain_bounces``.

Anybody can write to the address bounces go to. So only our own unguessable id in the report makes it count, nothing in it
is believed but what became of that message, and the old, forgiving parser reads it, which no header can break.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from email.message import Message
from email.parser import BytesParser, Parser
from email.policy import compat32
from email.utils import parsedate_to_datetime
from typing import Any
from uuid import UUID

from tocsin.integrations.email import own_ids, plain_bounces, unsubscribing
from tocsin.integrations.email.replies import bounced, shown
from tocsin.kernel import clock
from tocsin.messaging.values import Aside, Reason, StatusKind, StatusUpdate, Update, Verdict

OCTETS_MAX = 2_000_000  # what is longer is a forwarded mail: its report stands at the beginning
PARTS_MAX = 50
_RETURNED = ("message/rfc822", "message/global", "text/rfc822-headers", "message/global-headers")
_STATUS = re.compile(r"\s*([245])\.(\d{1,3})\.(\d{1,3})")
_CODE = re.compile(r"\b([45]\d\d)\b")
_OUTLOOKS = "X-HmXmrOriginalRecipient"  # Outlook.com sends complaints in a form of its own (JMRP)
_UNWANTED = frozenset({"abuse", "fraud", "virus", "other", "opt-out", "opt-out-list"})


def updates(raw: bytes) -> Sequence[Update]:
    """Return what a mail says of our messages; of any other mail that it is one, without repeating what it says."""
    try:
        parts = list(_parts(BytesParser(policy=compat32).parsebytes(raw[:OCTETS_MAX])))
    except (RecursionError, ValueError, LookupError, TypeError, AttributeError):
        return (Aside("mail_unreadable", {"octets": len(raw)}),)  # the parser's own faults on hostile mails
    kinds = [part.get_content_type() for part in parts]
    if "message/feedback-report" in kinds:
        return _complaint(parts)
    if "message/delivery-status" in kinds or "message/global-delivery-status" in kinds:
        return _bounces(parts)
    mail = parts[0]
    if "message/rfc822" in kinds and mail.get(_OUTLOOKS):
        return _complaint(parts)
    if plain_bounces.is_of_a_server(mail):
        return _plain_bounce(mail, parts)
    if ours := unsubscribing.wanted(mail):
        return (unsubscribing.stopped(ours, at=_time(str(mail.get("Date", "")))),)
    if plain_bounces.is_automatic(mail):
        return (Aside("mail_is_automatic_answer", {"asks_for_proof": plain_bounces.asks_for_proof(mail, parts)}),)
    return (Aside("mail_is_no_report", {"kinds": kinds[:8]}),)


def _bounces(parts: Sequence[Message]) -> Sequence[Update]:
    blocks = [
        block
        for part in parts
        if part.get_content_type() in {"message/delivery-status", "message/global-delivery-status"}
        for block in _blocks(part)
    ]
    ours = _our_id(parts, blocks=blocks)
    if ours is None:
        return (Aside("bounce_of_no_message", {"blocks": len(blocks)}),)
    date = str(parts[0].get("Date", ""))
    words = plain_bounces.reason(plain_bounces.text(parts))[2]
    told = (_bounce(block, ours=ours, date=date, words=words) for block in blocks)
    found = [update for update in told if update is not None]
    return tuple(found[:1])  # a mail of ours has one recipient


def _plain_bounce(mail: Message, parts: Sequence[Message]) -> Sequence[Update]:
    """Return what a server's mail of no standard form says of ours."""
    told = plain_bounces.text(parts)
    returned = plain_bounces.returned(told)
    ours = own_ids.in_returned(returned) or _our_id(parts, blocks=[])
    if ours is None:
        return (Aside("bounce_of_no_message", {"blocks": 0}),)
    said = told.removesuffix(returned)
    if plain_bounces.is_still_trying(said, subject=str(mail.get("Subject", ""))):
        return ()
    enhanced, number, words = plain_bounces.reason(said)
    verdict, reason = bounced(enhanced, code=number, text=words)
    recipient = str(mail.get("X-Failed-Recipients", "")).strip()
    return (
        StatusUpdate(
            ours[0], StatusKind.BOUNCED, _time(str(mail.get("Date", ""))), message_id=ours[1], verdict=verdict,
            reason=reason, code=number, detail=shown(words, without=recipient),
        ),
    )  # fmt: skip


def _bounce(block: Mapping[str, str], *, ours: tuple[str, UUID], date: str, words: str) -> StatusUpdate | None:
    """Return what one recipient's block says; None for what is still under way, or left our sight.

    ``words`` are those for people: Exim gives its reason nowhere else.
    """
    word = block.get("action", "").strip().lower()
    at, (provider_id, message_id) = _time(block.get("last-attempt-date", "") or date), ours
    if word == "delivered":
        return StatusUpdate(provider_id, StatusKind.DELIVERED, at, message_id=message_id)
    if word != "failed":
        return None
    status = _STATUS.match(block.get("status", ""))
    enhanced = ".".join(status.groups()) if status else ""
    said = block.get("diagnostic-code", "").partition(";")[2].strip() or words
    if enhanced in {"", "5.0.0"}:  # the words beside it often say more
        enhanced = plain_bounces.reason(said)[0] or enhanced
    code = _CODE.search(said)
    number = int(code[1]) if code else 550
    recipient = block.get("final-recipient", "").partition(";")[2].strip()
    verdict, reason = bounced(enhanced, code=number, text=said)
    short = " ".join(said.removeprefix(str(number)).lstrip("-").split())  # the code stands before them already
    detail = shown(short or enhanced, without=recipient)
    return StatusUpdate(
        provider_id,
        StatusKind.BOUNCED,
        at,
        message_id=message_id,
        verdict=verdict,
        reason=reason,
        code=number,
        detail=detail,
    )


def _complaint(parts: Sequence[Message]) -> Sequence[Update]:
    about = next((part for part in parts if part.get_content_type() == "message/feedback-report"), None)
    fields = next(iter(_blocks(about)), {}) if about else {}
    word = fields.get("feedback-type", "").strip().lower() if about else "abuse"
    ours = _our_id(parts, blocks=[])
    if ours is None or word not in _UNWANTED:
        return (Aside("complaint_of_no_message", {"type": word if word in _UNWANTED | {"not-spam"} else ""}),)
    at = _time(fields.get("arrival-date", "") or fields.get("received-date", ""))
    return (
        StatusUpdate(
            ours[0], StatusKind.COMPLAINED, max(at, _time(str(parts[0].get("Date", "")))), message_id=ours[1],
            verdict=Verdict.STOPPED, reason=Reason.REFUSED_BY_PERSON, detail=word,
        ),
    )  # fmt: skip


def _our_id(parts: Sequence[Message], *, blocks: Sequence[Mapping[str, str]]) -> tuple[str, UUID] | None:
    """Return the Message-ID, or nothing, and our id.

    From the mail that came back, what the report answers, the envelope's id, or the address the report was sent to.
    """
    for head in _returned(parts):
        if found := own_ids.in_headers(head):
            return found
    if found := own_ids.answered(parts[0]):
        return found
    for block in blocks:
        if ours := own_ids.alone(block.get("original-envelope-id", "")):
            return "", ours
    return ("", ours) if (ours := own_ids.in_recipients(parts[0])) else None


def _returned(parts: Sequence[Message]) -> Iterator[Message]:
    """Yield the headers of the mail that came back."""
    for part in parts:
        if part.get_content_type() not in _RETURNED:
            continue
        inner: Any = part.get_payload()
        if isinstance(inner, list):
            yield from inner[:1]
        else:
            head = part.get_payload(decode=True)
            yield BytesParser(policy=compat32).parsebytes(head if isinstance(head, bytes) else b"", headersonly=True)


def _blocks(part: Message) -> Iterator[Mapping[str, str]]:
    """Yield the groups of fields of a report's part, by their names in lower case."""
    inner: Any = part.get_payload()
    for group in inner if isinstance(inner, list) else []:
        yield {name.lower(): str(value) for name, value in group.items()}
        rest = group.get_payload()  # the parser splits the groups of one kind of report only (not of RFC 6533's)
        for text in re.split(r"\r?\n\r?\n", rest) if isinstance(rest, str) and rest.strip() else []:
            told = Parser(policy=compat32).parsestr(text.strip(), headersonly=True)
            yield {name.lower(): str(value) for name, value in told.items()}


def _parts(mail: Message) -> Iterator[Message]:
    for n, part in enumerate(mail.walk()):
        if n == PARTS_MAX:
            return
        yield part


def _time(text: str) -> datetime:
    """Return a time of the report, or now when it has none, or one that cannot be: it is somebody else's clock."""
    now = clock.now()
    try:
        told = parsedate_to_datetime(text)
        at = told.replace(tzinfo=UTC) if told.tzinfo is None else told.astimezone(UTC)
    except (ValueError, TypeError, IndexError, OverflowError):
        return now
    return min(at, now) if at.year >= 2000 else now
