"""What becomes of messages after their attempts: the answers of providers, hundreds at once.

Settling is repeatable: an attempt that is written already is left as it is. A status may have been faster than the
answer, and a lease may have run out meanwhile: an answer then only adds what it proves.
"""

import random
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection, transaction

from tocsin.kernel import clock
from tocsin.messaging import attempts, columns, holding, waking
from tocsin.messaging.attempts import Ended
from tocsin.messaging.ports import Outcome
from tocsin.messaging.states import RANK, MessageState
from tocsin.messaging.values import Reason, Verdict
from tocsin.messaging.waking import Bell

_TRIES_MAX = {Verdict.RETRY: 12, Verdict.RETRY_FEW: 3}  # twelve are about two and a half hours
PAUSE_SECONDS = 5.0  # doubled with each try
PAUSE_SECONDS_MAX = 3600.0
OUTAGE_SECONDS_MAX = 300.0  # the provider could not be reached: soon after it can be, all goes on
CRASHES_MAX = 3
_PAUSES = {  # seconds until the next try where the provider asked for none
    Verdict.SLOW_LINE: 1.0,
    Verdict.SLOW_PAIR: 6.0,
    Verdict.HOLD_LINE: 5.0,
    Verdict.HOLD_ACCOUNT: 5.0,
    Verdict.HOLD_TEMPLATE: 60.0,
    Verdict.LATER: 3600.0,
}
# In the order of ids, as everybody does who locks many messages: two who lock the same ones never block each other.
LOCK = """
SELECT id, state, tries, crashes, claimed_by, channel, needs_window, template, provider_id, sent_at
  FROM tocsin_outboundmessage WHERE id = ANY(%s::uuid[]) ORDER BY id FOR UPDATE
"""
_UPDATE = """
UPDATE tocsin_outboundmessage message
   SET state = given.state, state_at = CASE WHEN message.state = given.state THEN message.state_at ELSE %(now)s END,
       reason = given.reason, detail = given.detail, next_try_at = given.next_try_at, crashes = given.crashes,
       provider_id = given.provider_id, sent_at = given.sent_at, lease_until = NULL
  FROM unnest(%(ids)s::uuid[], %(states)s::text[], %(reasons)s::text[], %(details)s::text[],
              %(next)s::timestamptz[], %(crashes)s::int[], %(provider_ids)s::text[], %(sent_at)s::timestamptz[])
       AS given(id, state, reason, detail, next_try_at, crashes, provider_id, sent_at)
 WHERE message.id = given.id
"""
_ANSWERED = """
UPDATE tocsin_outboundmessage message
   SET provider_id = given.provider_id, sent_at = coalesce(message.sent_at, given.sent_at)
  FROM unnest(%(ids)s::uuid[], %(provider_ids)s::text[], %(sent_at)s::timestamptz[]) AS given(id, provider_id, sent_at)
 WHERE message.id = given.id
"""
# Where the provider said nothing (its code is 0) no byte left: an outage, however long, uses up no try.
_TRIED = """
SELECT message_id, count(*), count(*) FILTER (WHERE code <> 0) FROM tocsin_messageattempt
 WHERE message_id = ANY(%s::uuid[]) AND state = 'retrying' AND reason = %s GROUP BY message_id
"""
# Whatever is claimed has a lease, and few messages have one: the index of leases finds them among millions.
_RELEASE = """
UPDATE tocsin_outboundmessage message
   SET state = 'queued', state_at = %(now)s, tries = tries - 1, next_try_at = %(now)s, claimed_by = '',
       lease_until = NULL
  FROM (SELECT id FROM tocsin_outboundmessage
         WHERE state = 'claimed' AND lease_until IS NOT NULL AND claimed_by = %(sender)s
           AND {which} ORDER BY id FOR UPDATE) AS held
 WHERE message.id = held.id
"""


class Locked(NamedTuple):
    """A message as it stands, locked."""

    id: UUID
    state: str
    tries: int
    crashes: int
    claimed_by: str
    channel: str
    needs_window: bool
    template: str
    provider_id: str
    sent_at: datetime | None


class _Decided(NamedTuple):
    """What an outcome brings its message to."""

    state: MessageState
    reason: str = ""
    code: int = 0
    detail: str = ""
    next_try_at: datetime | None = None
    crashed: bool = False


class _End(NamedTuple):
    """One outcome, the message it is about as it stands, and what it brings that to."""

    outcome: Outcome
    row: Locked
    decided: _Decided

    @property
    def provider_id(self) -> str:
        """Return how the provider names the message now."""
        return columns.kept(self.outcome.accepted.provider_id) if self.outcome.accepted else self.row.provider_id


def settle(outcomes: Sequence[Outcome], *, sender: str) -> int:
    """Settle attempts, committed on return, with one journal entry; return how many were not settled before."""
    if not outcomes:
        return 0
    now = clock.now()
    with transaction.atomic():
        rows = locked([outcome.message_id for outcome in outcomes])
        known = [(outcome, rows[outcome.message_id]) for outcome in outcomes if outcome.message_id in rows]
        tried = _tried([outcome for outcome, _row in known])
        ends = [_End(outcome, row, _decide(outcome, row, tried=tried, now=now)) for outcome, row in known]
        fresh = attempts.record([_ended(end) for end in ends])
        written = [end for end in ends if end.row.id in fresh]
        _write(written, sender=sender, now=now)
        holding.take_refusals([_stopped(end) for end in written if _is_stop(end.outcome)], now=now)
    return len(written)


def _is_stop(outcome: Outcome) -> bool:
    return outcome.error is not None and outcome.error.verdict is Verdict.STOPPED


def _stopped(end: _End) -> holding.Refusal:
    """What a person said by a refusal is kept with it: no other message would ask them again."""
    error, at = end.outcome.error, end.outcome.answered_at
    reason, code = (error.reason, error.code) if error else ("", 0)
    return holding.Refusal(end.row.id, Verdict.STOPPED, reason, code=code, at=at)


def locked(message_ids: Collection[UUID]) -> dict[UUID, Locked]:
    """Lock messages and return them by id; those that do not exist are left out."""
    with connection.cursor() as cursor:
        cursor.execute(LOCK, [columns.uuids(message_ids)])
        return {row[0]: Locked._make(row) for row in cursor.fetchall()}


def _tried(outcomes: Sequence[Outcome]) -> dict[UUID, tuple[int, int]]:
    """Return how often each paused because of itself, and how often because the provider refused it.

    Waiting for a line or a pair uses up no try.
    """
    again = [each.message_id for each in outcomes if each.error and each.error.verdict in _TRIES_MAX]
    if not again:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(_TRIED, [columns.uuids(again), Reason.TRY_LATER.value])
        return {message_id: (paused, refused) for message_id, paused, refused in cursor.fetchall()}


def _decide(outcome: Outcome, row: Locked, *, tried: Mapping[UUID, tuple[int, int]], now: datetime) -> _Decided:
    if outcome.accepted:
        return _Decided(MessageState.SENT, detail="held" if outcome.accepted.held else "")
    if outcome.error is None:
        return _broken(outcome, row, now=now)
    error, code, detail = outcome.error, columns.code(outcome.error.code), outcome.error.detail
    state, reason, next_try_at = MessageState.FAILED, error.reason, None
    if error.verdict is Verdict.UNKNOWN:
        state, reason = MessageState.UNKNOWN, Reason.NO_ANSWER
    elif error.verdict is Verdict.WINDOW_SHUT:
        reason = Reason.WINDOW_SHUT
        if row.needs_window and row.template and not outcome.fallback:
            state, next_try_at = MessageState.RETRYING, now
    elif error.verdict in _PAUSES and not error.permanent:
        pause = error.wait_seconds if error.wait_seconds is not None else _PAUSES[error.verdict]
        state, next_try_at = MessageState.RETRYING, _after(now, max(pause, _patience(row.tries)))
        reason = Reason.RATE_LIMITED if reason is Reason.TRY_LATER else reason
    elif error.verdict in _TRIES_MAX and not error.permanent:
        paused, refused = tried.get(row.id, (0, 0))
        if code and refused + 1 >= _TRIES_MAX[error.verdict]:
            reason = Reason.TOO_MANY_TRIES
        else:
            state, reason = MessageState.RETRYING, Reason.TRY_LATER
            pause = _growing(paused + 1, at_most=PAUSE_SECONDS_MAX if code else OUTAGE_SECONDS_MAX)
            next_try_at = _after(now, max(pause, error.wait_seconds or 0, _patience(row.tries)))
    return _Decided(state, reason, code, detail, next_try_at)


def _patience(tries: int) -> float:
    """Return the seconds that are waited at least after so many tries: nothing after thirty, an hour after 1,800."""
    return min(PAUSE_SECONDS_MAX, tries**2 // 900)


def _growing(tries: int, *, at_most: float) -> float:
    """Return the seconds until the next try, doubled each time and scattered, so that not all come back at once."""
    return min(at_most, PAUSE_SECONDS * 2.0 ** min(tries - 1, 20)) * random.uniform(0.75, 1.25)  # noqa: S311


def _broken(outcome: Outcome, row: Locked, *, now: datetime) -> _Decided:
    """The channel itself broke over it: unknown once its bytes may have left, else tried again, at last quarantined."""
    if outcome.begun_at:
        return _Decided(MessageState.UNKNOWN, reason=Reason.NO_ANSWER, detail=outcome.detail)
    if row.crashes + 1 >= CRASHES_MAX:
        return _Decided(MessageState.WITHHELD, reason=Reason.POISONOUS, detail=outcome.detail, crashed=True)
    pause = PAUSE_SECONDS * 2**row.crashes
    return _Decided(MessageState.QUEUED, detail=outcome.detail, next_try_at=_after(now, pause), crashed=True)


def _after(now: datetime, seconds: float) -> datetime:
    return now + timedelta(seconds=seconds)


def _ended(end: _End) -> Ended:
    outcome, decided = end.outcome, end.decided
    return Ended(
        message_id=end.row.id, number=outcome.number, channel=end.row.channel, claimed_at=outcome.claimed_at,
        begun_at=outcome.begun_at, answered_at=outcome.answered_at, state=decided.state, reason=decided.reason,
        code=decided.code, detail=decided.detail, fallback=outcome.fallback, digest=outcome.digest,
        provider_id=outcome.accepted.provider_id if outcome.accepted else "",
    )  # fmt: skip


def _write(ends: Sequence[_End], *, sender: str, now: datetime) -> None:
    """Move those that may move; where a status was faster, only keep what the answer adds."""
    moved, answered = [], []
    for end in ends:
        if _moves(end, sender=sender):
            moved.append(end)
        elif end.outcome.accepted and end.row.tries == end.outcome.number:
            answered.append(end)
    with connection.cursor() as cursor:
        if moved:
            cursor.execute(_UPDATE, _given(moved, now=now))
        if answered:
            given = {
                "ids": columns.uuids(end.row.id for end in answered),
                "provider_ids": columns.texts(end.provider_id for end in answered),
                "sent_at": columns.moments(end.outcome.answered_at or now for end in answered),
            }
            cursor.execute(_ANSWERED, given)


def _moves(end: _End, *, sender: str) -> bool:
    """Whether it is still this attempt the message waits for, or one that tells more than is known."""
    row, state = end.row, end.decided.state
    if row.tries != end.outcome.number:
        return False
    if row.claimed_by != sender:
        # A person had it sent again before its slow sender told: what was taken does not go out once more.
        return bool(end.outcome.accepted) and not row.claimed_by and row.state == MessageState.QUEUED
    if row.state == MessageState.CLAIMED:
        return True
    final = state in (MessageState.SENT, MessageState.FAILED)
    return final and RANK[state] > RANK[MessageState(row.state)]


def _given(moved: Sequence[_End], *, now: datetime) -> dict[str, Any]:
    return {
        "now": now,
        "ids": columns.uuids(end.row.id for end in moved),
        "states": columns.texts(end.decided.state for end in moved),
        "reasons": columns.texts(end.decided.reason for end in moved),
        "details": columns.texts(told(end.decided.code, end.decided.detail) for end in moved),
        "next": columns.moments(end.decided.next_try_at for end in moved),
        "crashes": columns.numbers(end.row.crashes + end.decided.crashed for end in moved),
        "provider_ids": columns.texts(end.provider_id for end in moved),
        "sent_at": columns.moments(
            (end.outcome.answered_at or now) if end.outcome.accepted else end.row.sent_at for end in moved
        ),
    }


def told(code: int, detail: str) -> str:
    """Return the provider's code and words as one text."""
    return columns.kept(f"{code or ''} {detail}".strip())


def release(claims: Mapping[UUID, datetime], *, sender: str) -> int:
    """Give back messages a sender holds and did not begin, each with when it was claimed; no try is counted.

    Told twice, because the answer was lost, it gives back nothing that was claimed again meanwhile.
    """
    with connection.cursor() as cursor:
        given = {
            "now": clock.now(), "sender": sender, "ids": columns.uuids(claims), "at": columns.moments(claims.values()),
        }  # fmt: skip
        these = "(id, state_at) IN (SELECT * FROM unnest(%(ids)s::uuid[], %(at)s::timestamptz[]))"
        cursor.execute(_RELEASE.format(which=these), given)
        released = int(cursor.rowcount)
    if released:
        waking.ring(Bell.OUTBOX)  # another sender may have room for them
    return released


def release_all_but(held: Collection[UUID], *, sender: str) -> int:
    """Give back what a sender claimed in a commit whose answer it never got."""
    with connection.cursor() as cursor:
        given = {"now": clock.now(), "sender": sender, "ids": columns.uuids(held)}
        cursor.execute(_RELEASE.format(which="NOT id = ANY(%(ids)s::uuid[])"), given)
        return int(cursor.rowcount)
