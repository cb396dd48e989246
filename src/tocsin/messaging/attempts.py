"""Attempts as they ended: written once each, a batch at a time, with the journal's entry over them."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from django.db import connection

from tocsin.kernel import ids
from tocsin.messaging import batches, columns
from tocsin.messaging.batches import BatchKind
from tocsin.messaging.states import MessageState

CLOSED_BY_US = 1 << 15  # beside the number of an attempt that somebody else had to end: its sender may still tell
# What was written before is left: a commit whose answer was lost is repeated.
_INSERT = """
INSERT INTO tocsin_messageattempt (id, message_id, number, channel, claimed_at, begun_at, answered_at, state, reason,
  code, detail, provider_id, fallback, digest, batch_id)
SELECT given.*, %s::uuid
  FROM unnest(%s::uuid[], %s::uuid[], %s::int[], %s::text[], %s::timestamptz[], %s::timestamptz[],
              %s::timestamptz[], %s::text[], %s::text[], %s::int[], %s::text[], %s::text[], %s::bool[], %s::bytea[])
       AS given
ON CONFLICT (id) DO NOTHING RETURNING id
"""


class Ended(NamedTuple):
    """One attempt as it ended; ``closed_by_us`` when not its sender says so."""

    message_id: UUID
    number: int
    channel: str
    claimed_at: datetime
    state: MessageState
    begun_at: datetime | None = None
    answered_at: datetime | None = None
    reason: str = ""
    code: int = 0
    detail: str = ""
    provider_id: str = ""
    fallback: bool = False
    digest: bytes = b""
    closed_by_us: bool = False

    @property
    def id(self) -> UUID:
        """Return the id of its row: the same for the same attempt, and beside the message's own in the index."""
        return UUID(int=self.message_id.int ^ (self.number | (CLOSED_BY_US if self.closed_by_us else 0)))


def record(ended: Sequence[Ended]) -> set[UUID]:
    """Write attempts in the caller's transaction, and return the ids of messages whose attempt was not written yet."""
    if not ended:
        return set()
    batch_id = ids.new_id()
    rows = [
        each._replace(detail=columns.kept(each.detail), provider_id=columns.kept(each.provider_id)) for each in ended
    ]
    given = [
        columns.uuids(row.id for row in rows), columns.uuids(row.message_id for row in rows),
        columns.numbers(row.number for row in rows), columns.texts(row.channel for row in rows),
        columns.moments(row.claimed_at for row in rows), columns.moments(row.begun_at for row in rows),
        columns.moments(row.answered_at for row in rows), columns.texts(row.state for row in rows),
        columns.texts(row.reason for row in rows), columns.numbers(row.code for row in rows),
        columns.texts(row.detail for row in rows), columns.texts(row.provider_id for row in rows),
        columns.flags(row.fallback for row in rows), columns.digests(row.digest for row in rows),
    ]  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(_INSERT, [batch_id, *given])
        written = {row_id for (row_id,) in cursor.fetchall()}
    fresh = [row for row in rows if row.id in written]
    if fresh:
        batches.write(batch_id, kind=BatchKind.ATTEMPTS, leaves=[_leaf(row) for row in fresh])
    return {row.message_id for row in fresh}


def _leaf(row: Ended) -> bytes:
    return batches.attempt_leaf(
        message_id=row.message_id, number=row.number, channel=row.channel, claimed_at=row.claimed_at,
        begun_at=row.begun_at, answered_at=row.answered_at, state=row.state, reason=row.reason, code=row.code,
        detail=row.detail, provider_id=row.provider_id, fallback=row.fallback, digest=row.digest,
    )  # fmt: skip
