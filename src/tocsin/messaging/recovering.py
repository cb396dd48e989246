"""What senders left behind when they died: queued again where it is proven that nothing left, unknown otherwise."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from django.db import connection, transaction

from tocsin.kernel import clock
from tocsin.messaging import attempts, settling, spool, waking
from tocsin.messaging.attempts import Ended
from tocsin.messaging.states import MessageState
from tocsin.messaging.values import Reason
from tocsin.messaging.waking import Bell

LEASE_MARGIN = timedelta(seconds=30)  # an answer that was in time may still be on its way to the database
ROWS_AT_ONCE_MAX = 1_000
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


def recover(*, now: datetime | None = None) -> int:
    """Take up what dead senders held, and return how many messages were moved.

    Of a sender of this machine its own notes say what it had not begun: that is queued again at once, and what it had
    been answered is settled. All else whose lease ran out is unknown: it may have been sent, and is never sent again
    by itself.
    """
    moved = 0
    for left in spool.left_behind():
        moved += settling.settle(list(left.answered.values()), sender=left.sender)
        if left.begun is not None:
            moved += settling.release_all_but(left.begun, sender=left.sender)
        moved += _close(_HELD, {"sender": left.sender})
        left.forget()
    if moved:
        waking.ring(Bell.OUTBOX)
    return moved + _close_run_out(now or clock.now())


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
