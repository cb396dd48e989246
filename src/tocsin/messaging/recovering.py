"""What senders left behind when they died: queued again where it is proven that nothing left, unknown otherwise."""

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from django.db import InterfaceError, OperationalError, connection, transaction

from tocsin.kernel import clock
from tocsin.messaging import attempts, settling, spool, waking
from tocsin.messaging.attempts import Ended
from tocsin.messaging.ports import Outcome
from tocsin.messaging.states import MessageState
from tocsin.messaging.values import Reason
from tocsin.messaging.waking import Bell

LEASE_MARGIN = timedelta(seconds=30)  # an answer that was in time may still be on its way to the database
CLOCKS_DIFFER = timedelta(minutes=1)  # of machines that are kept in time
ROWS_AT_ONCE_MAX = 1_000
_LOG = logging.getLogger("tocsin.messaging")
_HELD = """
SELECT id, tries, channel, state_at, digest FROM tocsin_outboundmessage
 WHERE state = 'claimed' AND lease_until IS NOT NULL AND claimed_by = %(sender)s
 ORDER BY id LIMIT %(limit)s FOR UPDATE
"""
_RAN_OUT = """
SELECT DISTINCT claimed_by FROM tocsin_outboundmessage WHERE state = 'claimed' AND lease_until < %(before)s
"""
_HELD_TOO_LONG = """
SELECT id, tries, channel, state_at, digest FROM tocsin_outboundmessage
 WHERE state = 'claimed' AND claimed_by = ANY(%(senders)s::text[]) AND lease_until < %(before)s
 ORDER BY id LIMIT %(limit)s FOR UPDATE
"""
# claimed_by stays: its sender may be slow and not dead, and then it still tells what became of it.
_UNKNOWN = """
UPDATE tocsin_outboundmessage
   SET state = 'unknown', state_at = %(now)s, reason = %(reason)s, lease_until = NULL
 WHERE id = ANY(%(ids)s::uuid[])
"""

# A state that was reached in the future was reached before the clock was set back. What somebody wanted to go later,
# and was not put off since, keeps its moment.
_DUE_AGAIN = """
WITH late AS (
  SELECT id FROM tocsin_outboundmessage
   WHERE state IN ('queued', 'retrying') AND next_try_at > %(soon)s AND state_at > %(soon)s
     AND (next_try_at <= state_at OR reason <> '')
   ORDER BY id FOR UPDATE SKIP LOCKED)
UPDATE tocsin_outboundmessage message SET next_try_at = %(now)s FROM late WHERE message.id = late.id
"""


def due_again(*, now: datetime | None = None) -> int:
    """Let messages go that a clock put off which was set back since, and return how many those were."""
    moment = now or clock.now()
    with connection.cursor() as cursor:
        cursor.execute(_DUE_AGAIN, {"now": moment, "soon": moment + CLOCKS_DIFFER})
        moved = int(cursor.rowcount)
    if moved:
        waking.ring(Bell.OUTBOX)
    return moved


def recover(*, now: datetime | None = None) -> int:
    """Take up what dead senders held, and return how many messages were moved.

    Of a sender of this machine its own notes say what it had not begun: that is queued again at once, and what it had
    been answered is settled. All else whose lease ran out is unknown: it may have been sent, and is never sent again
    by itself.
    """
    moved = 0
    for left in spool.left_behind():
        moved += _settled(list(left.answered.values()), sender=left.sender)
        if left.begun is not None:
            moved += settling.release_all_but(left.begun, sender=left.sender)
        moved += _close(_HELD, {"sender": left.sender})
        left.forget()
    if moved:
        waking.ring(Bell.OUTBOX)
    return moved + _close_run_out(now or clock.now())


def _settled(outcomes: Sequence[Outcome], *, sender: str) -> int:
    """Settle what a dead sender was answered; what cannot be settled ends as unknown, and keeps no other from it."""
    try:
        return settling.settle(outcomes, sender=sender)
    except (OperationalError, InterfaceError):
        raise  # the server's trouble: it is all done again
    except Exception as error:  # noqa: BLE001 - whatever is wrong with one answer, the others are settled
        if len(outcomes) > 1:
            return sum(_settled([each], sender=sender) for each in outcomes)
        _LOG.error("what a dead sender was answered cannot be settled: %s", type(error).__name__)
        return 0


def _close_run_out(now: datetime) -> int:
    before = now - LEASE_MARGIN
    with connection.cursor() as cursor:
        cursor.execute(_RAN_OUT, {"before": before})
        dead = [sender for (sender,) in cursor.fetchall() if not spool.alive(sender)]
    return _close(_HELD_TOO_LONG, {"senders": dead, "before": before}) if dead else 0


def _close(sql: str, given: dict[str, object]) -> int:
    """Say of claimed messages that nobody knows whether they were sent."""
    moved = 0
    while True:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(sql, {**given, "limit": ROWS_AT_ONCE_MAX})
            rows: Sequence[tuple[UUID, int, str, datetime, bytes]] = cursor.fetchall()
            if not rows:
                return moved
            attempts.record([_given_up(*row) for row in rows])
            reason = Reason.SENDER_DIED.value
            cursor.execute(_UNKNOWN, {"ids": [row[0] for row in rows], "now": clock.now(), "reason": reason})
        moved += len(rows)


def _given_up(message_id: UUID, number: int, channel: str, claimed_at: datetime, digest: bytes) -> Ended:
    return Ended(
        message_id, number, channel, claimed_at, MessageState.UNKNOWN, reason=Reason.SENDER_DIED, digest=bytes(digest),
        closed_by_us=True,
    )  # fmt: skip
