"""What `tocsin message` prints: did she get it, how do we know, and everything that stands behind the answer."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from tocsin.cli import listing
from tocsin.customers import queries as customers
from tocsin.customers.values import AddressKind
from tocsin.kernel.language import format_datetime, format_number, gettext as _, gettext_noop, ngettext
from tocsin.messaging.queries import MessageState, Spent
from tocsin.messaging.values import Attempt, Message, Priority, Proven, Purpose, Reason, Status, StatusKind, Trace

STATES = {
    MessageState.QUEUED: gettext_noop("queued"),
    MessageState.CLAIMED: gettext_noop("being sent"),
    MessageState.RETRYING: gettext_noop("to be tried again"),
    MessageState.WITHHELD: gettext_noop("not sent"),
    MessageState.UNKNOWN: gettext_noop("unknown"),
    MessageState.SENT: gettext_noop("taken by the provider"),
    MessageState.FAILED: gettext_noop("failed"),
    MessageState.DELIVERED: gettext_noop("delivered"),
    MessageState.BOUNCED: gettext_noop("given back"),
    MessageState.READ: gettext_noop("read"),
}
REASONS = {
    Reason.WINDOW_SHUT: gettext_noop("the person has not written within 24 hours, and no template was given"),
    Reason.OPTED_OUT: gettext_noop("the person does not want to be written to"),
    Reason.TOO_LATE: gettext_noop("its time had passed before it could be sent"),
    Reason.CANCELLED: gettext_noop("somebody cancelled it"),
    Reason.POISONOUS: gettext_noop("it broke its sender again and again"),
    Reason.ADDRESS_GIVEN_UP: gettext_noop("somebody else has this address now, and the person's new one is not known"),
    Reason.NOT_REACHABLE: gettext_noop("the provider cannot reach anybody at this address"),
    Reason.REFUSED: gettext_noop("the provider does not bring this message"),
    Reason.REFUSED_BY_PERSON: gettext_noop("the person stopped or blocked us at the provider"),
    Reason.REFUSED_BY_POLICY: gettext_noop("the provider's rules do not allow it for this person"),
    Reason.TEMPLATE_NOT_USABLE: gettext_noop("the template cannot be used at present"),
    Reason.OUR_MISTAKE: gettext_noop("the provider does not accept what we sent"),
    Reason.TOO_MANY_TRIES: gettext_noop("it was tried too often"),
    Reason.TRY_LATER: gettext_noop("the provider could not be reached, or asked us to try later"),
    Reason.KEY_MISSING: gettext_noop("its text was sealed with a key that is not there"),
    Reason.RATE_LIMITED: gettext_noop("its channel has to wait, for its pace or for its provider"),
    Reason.LINE_FLAGGED: gettext_noop("the provider warns of this number, and campaigns wait"),
    Reason.LINE_SLOWED: gettext_noop("the provider warns of this number, and campaigns go slowly"),
    Reason.NO_ANSWER: gettext_noop("it left, and the provider's answer never came"),
    Reason.SENDER_DIED: gettext_noop("the sender died while it held the message"),
    Reason.NO_REPORT: gettext_noop("no report ever came, and somebody decided"),
}
PURPOSES = {
    Purpose.SECURITY: gettext_noop("security"),
    Purpose.SERVICE: gettext_noop("service"),
    Purpose.MARKETING: gettext_noop("marketing"),
    Purpose.TEST: gettext_noop("test"),
}
_PRIORITIES = {
    Priority.SECURITY: gettext_noop("before everything else"),
    Priority.CONVERSATION: gettext_noop("before service messages and campaigns"),
    Priority.SERVICE: gettext_noop("before campaigns"),
    Priority.BULK: gettext_noop("when nothing else waits"),
}
_REPORTS = {
    StatusKind.SENT: gettext_noop("sent"),
    StatusKind.DELIVERED: gettext_noop("delivered"),
    StatusKind.READ: gettext_noop("read"),
    StatusKind.FAILED: gettext_noop("failed"),
    StatusKind.BOUNCED: gettext_noop("given back"),
    StatusKind.COMPLAINED: gettext_noop("called spam"),
}
_PLACES = {kind: place for place, kind in enumerate(_REPORTS, start=1)}  # of reports of one second
OF_TEMPLATE = "template_"  # before the provider's word for a template that may not be sent with
WIDE_COLUMNS = 140
NARROW_COLUMNS = 100


class Answer(StrEnum):
    """Did she get it."""

    YES = "yes"
    NO = "no"
    NOT_YET = "not_yet"
    NOT_KNOWN = "not_known"


_ANSWERS = {
    MessageState.QUEUED: Answer.NOT_YET,
    MessageState.CLAIMED: Answer.NOT_YET,
    MessageState.RETRYING: Answer.NOT_YET,
    MessageState.WITHHELD: Answer.NO,
    MessageState.UNKNOWN: Answer.NOT_KNOWN,
    MessageState.SENT: Answer.NOT_KNOWN,
    MessageState.FAILED: Answer.NO,
    MessageState.DELIVERED: Answer.YES,
    MessageState.BOUNCED: Answer.NO,
    MessageState.READ: Answer.YES,
}
_COLOURS = {Answer.YES: "green", Answer.NO: "red", Answer.NOT_YET: "yellow", Answer.NOT_KNOWN: "yellow"}


def answer(message: Message) -> Answer:
    """Return whether the person got a message, as far as it is known."""
    return _ANSWERS[message.state]


def sentence(message: Message) -> str:
    """Return the answer and how it is known, in one sentence."""
    at = _said_at(message)
    sentences = {
        MessageState.READ: _("Yes: the provider reports that it was read ({time})."),
        MessageState.DELIVERED: _(
            "Yes: the provider reports that it arrived ({time}). Whether it was read is not known."
        ),
        MessageState.SENT: _("Not known: the provider took it ({time}) and has not said yet that it arrived."),
        MessageState.UNKNOWN: _("Not known: it left ({time}) and no answer came. It is not sent again by itself."),
        MessageState.FAILED: _("No: it failed ({time}), because {reason}."),
        MessageState.BOUNCED: _("No: the provider took it and gave it back ({time})."),
        MessageState.WITHHELD: _("No: it was not sent ({time}), because {reason}."),
        MessageState.QUEUED: _("Not yet: it waits to be sent."),
        MessageState.CLAIMED: _("Not yet: it is being sent."),
        MessageState.RETRYING: _("Not yet: it is tried again later, because {reason}."),
    }
    if message.state is MessageState.SENT and message.address_kind is AddressKind.EMAIL:
        mails = _("Not known: the mail server took it ({time}). Mail servers report failures only; none has come.")
        return mails.format(time=at)
    return sentences[message.state].format(time=at, reason=reason_words(message.reason) or _("nobody knows why"))


def _said_at(message: Message) -> str:
    exact = {
        MessageState.READ: message.read_at,
        MessageState.DELIVERED: message.delivered_at,
        MessageState.SENT: message.sent_at,
    }
    return format_datetime(exact.get(message.state) or message.state_at, seconds=True)


def reason_words(reason: str) -> str:
    """Return why, in the reader's language: of ``line_flagged``, ``template_paused``, ``template_not_usable 1``."""
    word, _space, code = reason.partition(" ")
    if word in set(Reason):
        words = _(REASONS[Reason(word)])
        return f"{words} ({code})" if code else words
    if word.startswith(OF_TEMPLATE):
        return _("the provider calls it {status}").format(status=word.removeprefix(OF_TEMPLATE).upper())
    return reason


def print_trace(trace: Trace, *, beside: Sequence[tuple[str, object]], reveal: bool) -> None:
    """Print the answer first, then how it is known, then everything; ``beside`` are further facts of the message."""
    print_answer(trace)
    listing.lines("")
    listing.console().print(
        listing.pairs([*_facts(trace.message, reveal=reveal), *(each for each in beside if each[1])])
    )
    if trace.attempts or trace.statuses or trace.inbound:
        listing.lines("")
        _print_steps(trace)


def print_answer(trace: Trace) -> None:
    """Print whether the person got the message, and how that is known."""
    listing.lines(sentence(trace.message), style=f"bold {_COLOURS[answer(trace.message)]}")
    for line in _ground(trace):
        listing.lines(line)


def _ground(trace: Trace) -> list[str]:
    """Return how the answer is known: answers of the person, the template that went instead, the proofs."""
    message, told = trace.message, []
    replies = [each for each in trace.inbound if each.reply_to and each.reply_to == message.provider_id]
    after = [each for each in trace.inbound if message.sent_at and each.at >= message.sent_at]
    if replies:
        told.append(
            _("The person answered this very message ({time}).").format(
                time=format_datetime(replies[0].at, seconds=True)
            )
        )
    elif after:
        told.append(
            _("The person wrote to us afterwards ({time}).").format(time=format_datetime(after[0].at, seconds=True))
        )
    if any(attempt.fallback for attempt in trace.attempts):
        told.append(_("The 24 hours were over: the template went out instead of the text."))
    if trace.instead:
        text = _("The provider said afterwards that the 24 hours were over: the template was queued as message {id}.")
        told.append(text.format(id=trace.instead))
    return [*told, *_proofs(trace)]


def _proofs(trace: Trace) -> list[str]:
    proven = [proof for proof in trace.proofs if proof.proven is Proven.PROVEN]
    numbers = sorted({proof.entry_number for proof in proven if proof.entry_number is not None})
    wrong = [proof.what for proof in trace.proofs if proof.proven is not Proven.PROVEN]
    told = []
    if numbers:
        text = ngettext(
            "Proven by journal entry {entries}: every row was checked against it just now.",
            "Proven by the journal entries {entries}: every row was checked against them just now.",
            len(numbers),
        )
        told.append(text.format(entries=", ".join(str(number) for number in numbers)))
    elif proven:
        told.append(_("Proven by the journal, which numbers its newest entries in a moment."))
    if wrong:
        told.append(_("NOT what the journal says: {rows}.").format(rows=", ".join(wrong)))
    return told


def _address(address: str, *, reveal: bool) -> str:
    return address if reveal else customers.masked(address)


def _facts(message: Message, *, reveal: bool) -> list[tuple[str, object]]:
    address = _address(message.address, reveal=reveal)
    rows: list[tuple[str, object]] = [
        (_("message id"), message.id),
        (_("to"), address),
        (_("their address now"), _address(message.goes_to, reveal=reveal)),
        (_("account"), message.account),
        (_("channel"), message.channel),
        (_("purpose"), _(PURPOSES[message.purpose])),
        (_("priority"), _(_PRIORITIES[message.priority])),
        (_("template"), message.template),
        (_("digest"), message.digest),
        (_("queued"), format_datetime(message.queued_at, seconds=True)),
        (_("state"), _(STATES[message.state]) + (f", {message.detail}" if message.detail else "")),
        (_("next try"), format_datetime(message.next_try_at, seconds=True) if message.next_try_at else ""),
        (_("provider's id"), message.provider_id),
        (_("broadcast"), message.broadcast),
    ]
    return [(name, value) for name, value in rows if value]


def _print_steps(trace: Trace) -> None:
    """Print what happened in its order; providers tell whole seconds, and within one the usual order counts."""
    table = listing.table(_("when"), _("what"), _("details"))
    steps: list[tuple[datetime, int, str, str]] = [
        *((each.claimed_at, 0, _("attempt {n}").format(n=each.number), _attempt(each)) for each in trace.attempts),
        *(
            (each.at, _PLACES[each.status], _("provider: {status}").format(status=_(_REPORTS[each.status])),
             _status(each))
            for each in trace.statuses
        ),
        *((each.at, len(_PLACES), _("from the person"), each.kind) for each in trace.inbound),
    ]  # fmt: skip
    for at, _place, what, details in sorted(steps, key=lambda step: (step[0].replace(microsecond=0), *step[1:])):
        listing.add(table, format_datetime(at, seconds=True), what, details)
    listing.console().print(table)


def _attempt(attempt: Attempt) -> str:
    parts = [_(STATES[attempt.state]), reason_words(attempt.reason), str(attempt.code or ""), attempt.detail]
    if attempt.begun_at is None and attempt.state is not MessageState.UNKNOWN:  # of a dead sender nobody knows that
        parts.append(_("no byte of it left"))
    if attempt.fallback:
        parts.append(_("as a template"))
    return ", ".join(part for part in (*parts, attempt.provider_id) if part)


def _status(status: Status) -> str:
    received = _("received {time}").format(time=format_datetime(status.received_at, seconds=True))
    parts = (str(status.code or ""), status.detail, status.category, status.price_type, received)
    return ", ".join(part for part in parts if part)


def price_words(price: Spent | None) -> str:
    """Return what a message cost, or why nobody knows."""
    if price is None:
        return ""
    if price.unpriced:
        return _("no rate is known for its category and country")
    if price.free:
        return _("free")
    return f"{format_number(price.micros / 1_000_000, decimals=4)} {price.currency}"


def print_list(messages: Sequence[Message], *, reveal: bool) -> None:
    """Print messages as a table, newest first; in a narrow terminal without the purpose, which `trace` says too."""
    columns = listing.console().width
    if messages and columns < NARROW_COLUMNS:
        _print_in_two_lines(messages, reveal=reveal)
        return
    wide = columns >= WIDE_COLUMNS
    more = (_("purpose"), _("state"), _("reason")) if wide else (_("state"),)
    table = listing.table(_("queued"), _("message id"), _("channel"), _("to"), *more)
    for column in table.columns[int(wide) : 2]:
        column.no_wrap = True  # an id is copied whole
    for each in messages:
        address = _address(each.address, reveal=reveal)
        state, reason = _(STATES[each.state]), reason_words(each.reason)
        if wide:
            cells = [format_datetime(each.queued_at), each.id, each.channel, address, _(PURPOSES[each.purpose]), state]
            listing.add(table, *cells, reason)
        else:
            listing.add(table, _queued(each), each.id, each.channel, address, _standing(each))
    listing.console().print(table)


def _print_in_two_lines(messages: Sequence[Message], *, reveal: bool) -> None:
    """Print messages where a table of them would break its words: which, when and to whom, then its state."""
    for each in messages:
        address = _address(each.address, reveal=reveal)
        listing.lines(f"{each.id}  {_queued(each)}  {address}", f"    {each.channel}: {_standing(each)}")


def _queued(message: Message) -> str:
    return f"{message.queued_at.astimezone(UTC):%Y-%m-%d %H:%MZ}"


def _standing(message: Message) -> str:
    return ": ".join(filter(None, (_(STATES[message.state]), reason_words(message.reason))))


def message_as_json(message: Message, *, reveal: bool) -> Mapping[str, Any]:
    """Return a message for programs, its addresses masked unless they may be shown."""
    return _plain(message) | {name: _address(getattr(message, name), reveal=reveal) for name in ("address", "goes_to")}


def as_json(trace: Trace, *, reveal: bool) -> Mapping[str, Any]:
    """Return a trace for programs: the answer, the rows, and whether each is proven."""
    message = trace.message
    return {
        "answer": answer(message).value,
        "sentence": sentence(message),
        "message": message_as_json(message, reveal=reveal),
        "attempts": [_plain(each) for each in trace.attempts],
        "statuses": [_plain(each) for each in trace.statuses],
        "inbound": [_plain(each) | {"address": ""} for each in trace.inbound],
        "proofs": [_plain(each) for each in trace.proofs],
        "instead": trace.instead,
    }


def _plain(value: Any) -> dict[str, Any]:
    return {name: getattr(value, name) for name in value.__dataclass_fields__}
