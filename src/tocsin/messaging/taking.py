"""What webhooks say takes its effect: many bodies at once, set by set, in the caller's transaction.

Nothing here may depend on the order or the number of times something is told: providers repeat and disorder.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from django.db import connection

from tocsin.kernel import clock
from tocsin.messaging import (
    holding,
    inbound,
    lines,
    naming,
    objecting,
    pacing,
    pricing,
    statuses,
    stop_words,
    templates,
)
from tocsin.messaging.naming import Line, Lines
from tocsin.messaging.states import IntakeState
from tocsin.messaging.values import (
    AddressChanged,
    Aside,
    InboundUpdate,
    LineUpdate,
    Objection,
    Reason,
    StatusKind,
    StatusUpdate,
    Taken,
    TemplateUpdate,
    Verdict,
)

REFUSAL_FRESH = timedelta(hours=1)
TELL_OF_EACH_OTHER = (frozenset({"email", "email_provider"}),)  # bounces come as mails, whoever sent the mail

# Changes of addresses move rows of all kinds, in an order of their own: no other body is taken in meanwhile. They are
# few. All others share the lock.
_CHANGES_LOCK = 0x6E616D65  # "name"
_LINES = """
SELECT line, name, account, portfolio
  FROM (SELECT pg_advisory_xact_lock_shared(%(lock)s)) AS locked, tocsin_messagingchannel WHERE kind = %(kind)s
"""


@dataclass(slots=True)
class Remains:
    """What of a body nobody understands, and statuses of messages that are not (yet) ours."""

    taken: Taken
    asides: list[Aside] = field(default_factory=list)
    nobodys: list[StatusUpdate] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Settled:
    """How one body ended; one that waits is tried again after ``pause_seconds``."""

    id: int
    state: IntakeState
    reason: str = ""
    pause_seconds: float = 0.0


def apply(bodies: Sequence[Taken]) -> list[Remains]:
    """Let all that these bodies say take its effect, and return what is left of each."""
    if any(isinstance(update, AddressChanged) for each in bodies for update in each.updates):
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_CHANGES_LOCK])
    remains = [Remains(each) for each in bodies]
    for kind in sorted({each.kind for each in bodies}):
        _apply_kind([each for each in remains if each.taken.kind == kind], _lines(kind), kind=kind)
    return remains


def _apply_kind(remains: Sequence[Remains], lines_of: Lines, *, kind: str) -> None:
    """Apply what webhooks of one kind say.

    Rows are locked in the order in which claims and settlements do it, so that nobody waits for each other: messages,
    names, paces of lines, of pairs, windows, objections, channels, templates; each in the order of its keys.
    """
    told = _sorted_out(remains, lines_of)
    changes = naming.learn([(each, lines_of.get(each.line)) for _, each in told.changes])
    refusals = _statuses(told.statuses, lines_of, not_of=_channels_of_others(kind))
    said = [(lines_of.get(each.line), each.addresses, each.at) for _, each in told.inbound]
    said += [(lines_of.get(each.line), each.addresses, each.at) for _, each in told.statuses if each.addresses]
    named = naming.name(said)
    slow = [each for each in refusals if each.verdict in holding.PACES]
    if slow or changes.new or naming.apart(named):
        pacing.lock_lines({line.channel for line in lines_of.values()})
        holding.take_refusals(slow, now=clock.now())
        naming.join(named)
        naming.follow(changes)
    inbound.keep([(one.taken, each, lines_of[each.line]) for one, each in told.inbound], named=named)
    _objections(told, lines_of)
    holding.take_refusals([each for each in refusals if each.verdict not in holding.PACES], now=clock.now())
    lines.keep([each for _, each in told.lines])
    templates.keep([each for _, each in told.templates])


def _objections(told: "_Told", lines_of: Lines) -> None:
    """Keep what people said by the word alone, and what the provider says they said."""
    spoken = stop_words.spoken([(each, lines_of[each.line]) for _, each in told.inbound])
    by_word = [(objection, each.line.portfolio) for each in spoken for objection in each.objections]
    told_us = [(each, _portfolio(lines_of.get(each.line))) for _, each in told.objections]
    news = objecting.keep([*by_word, *told_us])
    stop_words.answer(spoken, news=news)


@dataclass(slots=True)
class _Told:
    """What the bodies say, by what it is, each with the body it is from."""

    statuses: list[tuple[Remains, StatusUpdate]] = field(default_factory=list)
    inbound: list[tuple[Remains, InboundUpdate]] = field(default_factory=list)
    changes: list[tuple[Remains, AddressChanged]] = field(default_factory=list)
    objections: list[tuple[Remains, Objection]] = field(default_factory=list)
    templates: list[tuple[Remains, TemplateUpdate]] = field(default_factory=list)
    lines: list[tuple[Remains, LineUpdate]] = field(default_factory=list)


def _sorted_out(remains: Sequence[Remains], lines_of: Lines) -> _Told:
    told = _Told()
    for one in remains:
        for each in one.taken.updates:
            match each:
                case StatusUpdate():
                    told.statuses.append((one, each))
                case InboundUpdate() if each.line in lines_of and each.addresses:
                    told.inbound.append((one, each))
                case InboundUpdate():
                    # Somebody may connect the line tomorrow: then the body is taken in again.
                    one.asides.append(Aside("message_on_unknown_line", {}))
                case AddressChanged():
                    told.changes.append((one, each))
                case Objection():
                    told.objections.append((one, each))
                case TemplateUpdate():
                    told.templates.append((one, each))
                case LineUpdate():
                    told.lines.append((one, each))
                case Aside():
                    one.asides.append(each)
    return told


def _statuses(
    told: Sequence[tuple[Remains, StatusUpdate]], lines_of: Lines, *, not_of: frozenset[str]
) -> list[holding.Refusal]:
    """Apply statuses, and return what those that refuse mean for other messages."""
    if not told:
        return []
    nobodys = statuses.apply_statuses(
        [each for _, each in told],
        channel_of_line={line: each.channel for line, each in lines_of.items()},
        intake_ids=[one.taken.id for one, _ in told],
        not_of=not_of,
    )
    unowned = {id(each) for each in nobodys}
    for one, each in told:
        if id(each) in unowned:
            one.nobodys.append(each)
    ours = [each for _, each in told if id(each) not in unowned]
    pricing.count(ours)
    return _refusals(ours)


def _refusals(ours: Iterable[StatusUpdate]) -> list[holding.Refusal]:
    """Return refusals told by status: they hold, slow and stop as those in an answer do.

    Only fresh ones: providers repeat for days, and what a person released since must not be held again.
    """
    now = clock.now()
    refused = [each for each in ours if each.verdict is not None]
    fresh = [each for each in refused if each.verdict is Verdict.STOPPED or now - each.at < REFUSAL_FRESH]
    message_ids = pricing.ids_of(fresh) if fresh else {}
    return [
        holding.Refusal(
            each.message_id or message_ids[each.provider_id], each.verdict or Verdict.DEAD,
            each.reason or Reason.REFUSED, each.code,
            complained=each.status is StatusKind.COMPLAINED, at=each.at,
        )
        for each in fresh if each.message_id or each.provider_id in message_ids
    ]  # fmt: skip


def _portfolio(line: Line | None) -> str:
    return line.portfolio if line else ""


def _channels_of_others(kind: str) -> frozenset[str]:
    """Return the channels of whose messages an application of this kind knows nothing."""
    kinds = next((kinds for kinds in TELL_OF_EACH_OTHER if kind in kinds), {kind})
    with connection.cursor() as cursor:
        cursor.execute("SELECT name FROM tocsin_messagingchannel WHERE kind <> ALL(%s)", [sorted(kinds)])
        return frozenset(name for (name,) in cursor.fetchall())


def _lines(kind: str) -> Mapping[str, Line]:
    with connection.cursor() as cursor:
        cursor.execute(_LINES, {"kind": kind, "lock": _CHANGES_LOCK})
        return {
            line: Line(channel=name, account=account, portfolio=portfolio or account or name)
            for line, name, account, portfolio in cursor.fetchall()
        }
