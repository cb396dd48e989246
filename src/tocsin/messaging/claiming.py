"""What a sender takes next: everything that may forbid a message is asked here, at the last moment, in one transaction.

Each channel is claimed for itself, so that the backlog of one line starves no other; within a channel the most urgent
priority goes first, each by the index ``message_due``. What must wait is moved to when it may go; what must not go at
all is withheld with its reason, as an attempt the journal proves.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection, transaction

from tocsin.customers.values import AddressKind
from tocsin.kernel import clock
from tocsin.messaging import addressing, attempts, bodies, columns, pacing, reachability
from tocsin.messaging.ports import Limits
from tocsin.messaging.rules import WhenFlagged
from tocsin.messaging.states import MessageState
from tocsin.messaging.values import Claimed, ClaimedMessage, Prepared, Priority, Purpose, Reason
from tocsin.staff.errors import SealBroken, SealedByAnotherKey

WINDOW = timedelta(hours=24)
WINDOW_MARGIN = timedelta(seconds=60)  # the provider's clock, and the time the message takes to get there
HELD_WAIT = timedelta(hours=6)  # until what is held is looked at all the same; it is let go as soon as nothing holds it
SLOWED_SHARE = 0.1
USUAL_PER_SECOND = 10.0  # of a line that states no pace
ROUNDS_MAX = 5  # of one claim: in each some were found that may not go now
SWITCH_LOCK = 0x6F757462  # "outb": claims share it, whoever throws a switch has it alone
# What becomes of a channel's campaigns now: send, slow or hold.
CAMPAIGNS = """CASE WHEN coalesce(health ->> 'warning', '') = '' THEN 'send'
            ELSE coalesce(rules ->> 'when_flagged', 'slow') END"""
_CHANNEL = f"""
SELECT account, coalesce(nullif(portfolio, ''), nullif(account, ''), name),
       {CAMPAIGNS},
       paused_at IS NOT NULL, held_until, held_reason,
       (SELECT count(*) FROM tocsin_messagingswitch)
  FROM tocsin_messagingchannel WHERE name = %(channel)s
"""
# The rows themselves come from the locking subquery: a second look at the table could see an older version of them.
_DUE = f"""
WITH due AS MATERIALIZED (
  SELECT found.* FROM (VALUES (0), (1), (2), (3)) AS asked(priority), LATERAL (
    SELECT id, priority, purpose, address, address_kind, reply_to, needs_window, template, reason, tries, expires_at,
           digest, body_id, queued_at, next_try_at
      FROM tocsin_outboundmessage
     WHERE channel = %(channel)s AND priority = asked.priority AND state IN ('queued', 'retrying')
       AND next_try_at <= %(now)s
     ORDER BY next_try_at, id LIMIT %(limit)s FOR UPDATE SKIP LOCKED) AS found
   LIMIT %(limit)s)
SELECT due.*, body.sealed,
       {addressing.MOVED} AS moved,{addressing.FACTS},
       CASE WHEN due.template <> '' AND %(account)s <> '' THEN
         (SELECT CASE WHEN held_until IS NULL AND held_reason <> '' THEN %(look_again)s
                      WHEN held_until > %(now)s THEN held_until END
            FROM tocsin_messagetemplate WHERE account = %(account)s AND name = split_part(due.template, '/', 1)
             AND language = split_part(due.template, '/', 2)) END AS template_held_until
  FROM due LEFT JOIN tocsin_messagebody body ON body.id = due.body_id
 ORDER BY due.priority, due.next_try_at, due.id
"""
_CLAIM = """
UPDATE tocsin_outboundmessage
   SET state = 'claimed', state_at = %(now)s, tries = tries + 1, claimed_by = %(sender)s, lease_until = %(until)s,
       next_try_at = NULL
 WHERE id = ANY(%(ids)s::uuid[])
"""
_WAIT = """
UPDATE tocsin_outboundmessage message SET next_try_at = waiting.until, reason = waiting.reason
  FROM unnest(%(ids)s::uuid[], %(until)s::timestamptz[], %(reasons)s::text[]) AS waiting(id, until, reason)
 WHERE message.id = waiting.id
"""
_WITHHOLD = """
UPDATE tocsin_outboundmessage message SET state = 'withheld', state_at = %(now)s, reason = given.reason,
       next_try_at = NULL
  FROM unnest(%(ids)s::uuid[], %(reasons)s::text[]) AS given(id, reason)
 WHERE message.id = given.id
"""
_NEXT = """
SELECT min(found.next_try_at) FROM (VALUES (0), (1), (2), (3)) AS asked(priority), LATERAL (
  SELECT next_try_at FROM tocsin_outboundmessage
   WHERE channel = %(channel)s AND priority = asked.priority AND state IN ('queued', 'retrying')
     AND next_try_at IS NOT NULL
   ORDER BY next_try_at LIMIT 1) AS found
"""


class Due(NamedTuple):
    """One due message, in the columns of ``_DUE``."""

    id: UUID
    priority: int
    purpose: str
    address: str
    address_kind: str
    reply_to: str
    needs_window: bool
    template: str
    reason: str
    tries: int
    expires_at: datetime | None
    digest: bytes
    body_id: UUID
    queued_at: datetime
    next_try_at: datetime
    sealed: bytes | None
    moved: bool  # its address became another one since
    in_window: bool
    objected: bool
    template_held_until: datetime | None

    @property
    def is_campaign(self) -> bool:
        """Whether it is of those that wait while the provider warns of the line; a warning to people never is."""
        is_bulk = self.purpose == Purpose.MARKETING or self.priority == Priority.BULK
        return is_bulk and self.purpose != Purpose.SECURITY

    @property
    def is_fallback(self) -> bool:
        """Whether only a template can go: the window is shut, or the provider said so."""
        return self.needs_window and (not self.in_window or self.reason == Reason.WINDOW_SHUT)


@dataclass(slots=True)
class _Sorted:
    """What is to become of due messages."""

    going: list[Due] = field(default_factory=list)
    texts: dict[UUID, Prepared] = field(default_factory=dict)
    waiting: dict[UUID, tuple[datetime, str]] = field(default_factory=dict)
    withheld: list[tuple[Due, Reason]] = field(default_factory=list)
    others: addressing.Others = field(default_factory=dict)


class _Line(NamedTuple):
    """A channel as a claim needs it."""

    name: str
    account: str
    portfolio: str
    limits: Limits
    campaigns: str  # send, slow or hold: what staff chose while the provider warns of the line


def claim(channel: str, *, limit: int, sender: str, lease_seconds: float, limits: Limits) -> Claimed:
    """Claim what is due on one channel for a sender, committed on return: at most ``limit``, the most urgent first.

    Nothing is claimed while the channel, or everything, is paused or held. A claimed message is the sender's until its
    lease ends; it must be begun within it, or released.
    """
    with transaction.atomic():
        line, wait_until = _line(channel, limits=limits)
        if line is None:
            return Claimed(next_due_at=wait_until)
        slots = pacing.take_slots(channel, wanted=limit, per_second=limits.per_second)
        now = clock.now()  # after the locks: others may have held them for a while
        if slots.count == 0:
            return Claimed(next_due_at=now + timedelta(seconds=slots.wait_seconds))
        until = now + timedelta(seconds=lease_seconds)
        messages = _choose(line, wanted=slots.count, sender=sender, now=now, until=until)
        pacing.give_back(channel, unused=slots.count - len(messages), slots=slots)
        next_due_at = _next_due_at(channel) if len(messages) < slots.count else None
    return Claimed(messages, next_due_at, slots.first_seconds, slots.every_seconds)


def _line(channel: str, *, limits: Limits) -> tuple[_Line | None, datetime | None]:
    """Return the channel, or None and until when nothing goes on it; whoever throws a switch waits for the claim."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock_shared(%s)", [SWITCH_LOCK])
        cursor.execute(_CHANNEL, {"channel": channel})
        row = cursor.fetchone()
    if row is None:
        return None, None
    account, portfolio, campaigns, paused, held_until, held_reason, all_paused = row
    held = held_reason and (held_until is None or held_until > clock.now())
    if paused or all_paused or held:
        return None, held_until if held and not (paused or all_paused) else None
    return _Line(channel, account, portfolio, limits, campaigns), None


def _choose(line: _Line, *, wanted: int, sender: str, now: datetime, until: datetime) -> list[ClaimedMessage]:
    """Claim what goes; all others that are due are moved on, round by round, so that they hide nothing behind them."""
    messages: list[ClaimedMessage] = []
    for _round in range(ROUNDS_MAX):
        asked = wanted - len(messages)
        rows = _due(line, limit=asked, now=now)
        found = _sort(line, rows, now=now)
        if found.going:
            given = {"ids": columns.uuids(row.id for row in found.going), "now": now, "sender": sender, "until": until}
            _execute(_CLAIM, given)
            messages += _messages(found, now=now, until=until)
        if found.waiting:
            _wait(found.waiting)
        if found.withheld:
            _withhold(line, found.withheld, now=now)
        if len(rows) < asked or len(messages) >= wanted:
            break
    return messages


def _due(line: _Line, *, limit: int, now: datetime) -> list[Due]:
    given = {
        "channel": line.name, "account": line.account, "portfolio": line.portfolio, "now": now, "limit": limit,
        "open_since": now - WINDOW + WINDOW_MARGIN, "look_again": now + HELD_WAIT,
    }  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(_DUE, given)
        rows = [Due._make(row) for row in cursor.fetchall()]
    moved = [row for row in rows if row.moved]
    if not moved:
        return rows
    went = addressing.went_to(
        [(row.id, row.purpose, row.address_kind, row.address, row.queued_at) for row in moved], given
    )
    return [row._replace(**went[row.id]._asdict()) if row.id in went else row for row in rows]


def _sort(line: _Line, rows: Sequence[Due], *, now: datetime) -> _Sorted:
    """Decide about each: first what forbids it for good, then its template, then the paces all messages share."""
    found = _Sorted()
    for row in rows:
        try:
            text = _text(row)
        except SealedByAnotherKey:
            found.waiting[row.id] = (now + HELD_WAIT, Reason.KEY_MISSING)  # it may be brought back
            continue
        reason = text if isinstance(text, Reason) else _forbidden(row, now=now)
        if reason:
            found.withheld.append((row, reason))
        elif row.template_held_until and (row.is_fallback or not row.needs_window):
            found.waiting[row.id] = (row.template_held_until, Reason.TEMPLATE_NOT_USABLE)
        elif isinstance(text, Prepared):
            found.going.append(row)
            found.texts[row.id] = text
    _withhold_dead(found, now=now)
    asked = [(row.address_kind, row.address) for row in found.going]
    found.others = addressing.other_addresses(line.portfolio, asked)
    if line.campaigns != WhenFlagged.SEND:
        _hold_campaigns(line, found, now=now)
    _ask_paces(line, found, now=now)
    return found


def _text(row: Due) -> Prepared | Reason:
    """Return what the message says, or why that cannot be known: one broken text blocks nobody else."""
    if row.sealed is None:
        return Reason.TOO_LATE  # its retention ended before it could be sent
    try:
        return bodies.unseal(row.body_id, sealed=bytes(row.sealed))
    except (SealBroken, ValueError, LookupError, TypeError):
        return Reason.POISONOUS


def _forbidden(row: Due, *, now: datetime) -> Reason | None:
    if row.expires_at and row.expires_at <= now:
        return Reason.TOO_LATE
    if not row.address:
        return Reason.ADDRESS_GIVEN_UP
    if row.objected and row.purpose != Purpose.SECURITY:
        return Reason.OPTED_OUT
    if row.is_fallback and not row.template:
        return Reason.WINDOW_SHUT
    return None


def _withhold_dead(found: _Sorted, *, now: datetime) -> None:
    """Leave out what would go to e-mail addresses from which mails came back."""
    mails = [
        (row.id, row.address)
        for row in found.going if row.address_kind == AddressKind.EMAIL and row.purpose not in reachability.EVEN_SO
    ]  # fmt: skip
    if gone := reachability.dead(mails, now=now):
        found.withheld += [(row, Reason.NOT_REACHABLE) for row in found.going if row.id in gone]
        found.going = [row for row in found.going if row.id not in gone]


def _hold_campaigns(line: _Line, found: _Sorted, *, now: datetime) -> None:
    """Let campaigns wait, or take turns, while the provider warns of the line; all else goes on."""
    campaigns = [row for row in found.going if row.is_campaign and row.reason != Reason.LINE_SLOWED]
    if line.campaigns == WhenFlagged.HOLD:
        campaigns = [row for row in found.going if row.is_campaign]
        turns: list[datetime | None] = [None] * len(campaigns)
    else:
        pace = (line.limits.per_second or USUAL_PER_SECOND) * SLOWED_SHARE
        turns = pacing.campaign_turns(line.name, len(campaigns), per_second=pace, now=now)
    for row, turn in zip(campaigns, turns, strict=True):
        if turn is None:
            found.waiting[row.id] = (now + HELD_WAIT, Reason.LINE_FLAGGED)
        elif turn > now:
            found.waiting[row.id] = (turn, Reason.LINE_SLOWED)
    found.going = [row for row in found.going if row.id not in found.waiting]


def _ask_paces(line: _Line, found: _Sorted, *, now: datetime) -> None:
    """Move on those whose person or portfolio has no room now; the pacing counts all others."""
    limits = line.limits
    person = {
        row.id: addressing.one_name(row.address_kind, row.address, others=found.others) for row in found.going
    }  # fmt: skip
    if limits.pair_seconds:
        asked = [(row.id, person[row.id]) for row in found.going]
        late = pacing.pairs(line.name, asked, seconds=limits.pair_seconds, burst=limits.pair_burst, now=now)
        _postpone(found, late)
    if limits.people_per_day is not None and line.portfolio:
        begun = [(row.id, person[row.id], row.priority) for row in found.going if not row.in_window]
        _postpone(found, pacing.people(line.portfolio, begun, per_day=limits.people_per_day, now=now))


def _postpone(found: _Sorted, late: Mapping[UUID, datetime]) -> None:
    if late:
        found.going = [row for row in found.going if row.id not in late]
        found.waiting |= {each: (until, Reason.RATE_LIMITED.value) for each, until in late.items()}


def _wait(waiting: Mapping[UUID, tuple[datetime, str]]) -> None:
    until = columns.moments(moment for moment, _reason in waiting.values())
    reasons = columns.texts(reason for _moment, reason in waiting.values())
    _execute(_WAIT, {"ids": columns.uuids(waiting), "until": until, "reasons": reasons})


def _withhold(line: _Line, withheld: Sequence[tuple[Due, Reason]], *, now: datetime) -> None:
    """Withhold for good, each with its reason, as an attempt that was not made."""
    rows, reasons = columns.uuids(row.id for row, _reason in withheld), columns.texts(why for _row, why in withheld)
    _execute(_WITHHOLD, {"ids": rows, "reasons": reasons, "now": now})
    attempts.record(
        [
            attempts.Ended(
                message_id=row.id, number=row.tries + 1, channel=line.name, claimed_at=now, state=MessageState.WITHHELD,
                reason=reason, digest=bytes(row.digest),
            )
            for row, reason in withheld
        ]
    )  # fmt: skip


def _messages(found: _Sorted, *, now: datetime, until: datetime) -> list[ClaimedMessage]:
    messages = []
    for row in found.going:
        text = found.texts[row.id]
        fallback = row.is_fallback and text.fallback is not None
        content = text.fallback if fallback and text.fallback is not None else text.content
        messages.append(
            ClaimedMessage(
                id=row.id, address=row.address, address_kind=AddressKind(row.address_kind), content=content,
                number=row.tries + 1, purpose=Purpose(row.purpose), reply_to=row.reply_to,
                other_addresses=found.others.get((row.address_kind, row.address), {}),
                claimed_at=now, lease_until=until,
                digest=bodies.digest_of(content) if fallback else bytes(row.digest), fallback=fallback,
            )
        )  # fmt: skip
    return messages


def _next_due_at(channel: str) -> datetime | None:
    with connection.cursor() as cursor:
        cursor.execute(_NEXT, {"channel": channel})
        next_due_at: datetime | None = cursor.fetchone()[0]
    return next_due_at


def _execute(sql: str, given: Mapping[str, Any]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql, given)
