"""What providers say became of messages: any order, any number of times, always to the same end.

A state is replaced only by one of higher rank (``states.RANK``), so that a late ``sent`` never revives what failed and
only what proves arrival goes beyond it. Each word is kept once, with a journal entry over a batch.
"""

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import repeat
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection, transaction

from tocsin.kernel import clock, ids
from tocsin.messaging import batches, columns, falling_back
from tocsin.messaging.batches import BatchKind
from tocsin.messaging.settling import told
from tocsin.messaging.states import RANK, MessageState
from tocsin.messaging.values import Reason, StatusKind, StatusUpdate

BRINGS = {
    StatusKind.SENT: MessageState.SENT,
    StatusKind.DELIVERED: MessageState.DELIVERED,
    StatusKind.READ: MessageState.READ,
    StatusKind.FAILED: MessageState.FAILED,
    StatusKind.BOUNCED: MessageState.BOUNCED,
    StatusKind.COMPLAINED: MessageState.DELIVERED,  # who complains has it
}
_STATES = {state.value: state for state in MessageState}
_WHEN = {  # which of its moments a state is
    MessageState.SENT: "sent_at",
    MessageState.DELIVERED: "delivered_at",
    MessageState.READ: "read_at",
}
_NEEDS_REASON = frozenset({MessageState.FAILED, MessageState.BOUNCED})
_FIND = """
SELECT provider_id, id, channel FROM tocsin_outboundmessage WHERE provider_id = ANY(%s::text[]) AND provider_id <> ''
"""
_LOCK = """
SELECT id, channel, state, provider_id, reason, detail, sent_at, delivered_at, read_at, next_try_at
  FROM tocsin_outboundmessage WHERE id = ANY(%s::uuid[]) ORDER BY id FOR UPDATE
"""
_INSERT = """
INSERT INTO tocsin_messagestatus (id, message_id, status, at, received_at, code, detail, category, price_type,
  intake_id, batch_id)
SELECT id, message_id, status, at, %s, code, detail, category, price_type, intake_id, %s::uuid
  FROM unnest(%s::uuid[], %s::uuid[], %s::text[], %s::timestamptz[], %s::int[], %s::text[], %s::text[], %s::text[],
              %s::bigint[]) AS given(id, message_id, status, at, code, detail, category, price_type, intake_id)
ON CONFLICT (id) DO NOTHING RETURNING id
"""
_UPDATE = """
UPDATE tocsin_outboundmessage message
   SET state = given.state, state_at = CASE WHEN message.state = given.state THEN message.state_at ELSE %(now)s END,
       reason = given.reason, detail = given.detail, provider_id = given.provider_id, next_try_at = given.next_try_at,
       lease_until = CASE WHEN given.state = 'claimed' THEN message.lease_until END,
       sent_at = given.sent_at, delivered_at = given.delivered_at, read_at = given.read_at
  FROM unnest(%(ids)s::uuid[], %(states)s::text[], %(provider_ids)s::text[], %(reasons)s::text[], %(details)s::text[],
              %(sent_at)s::timestamptz[], %(delivered_at)s::timestamptz[], %(read_at)s::timestamptz[],
              %(next)s::timestamptz[])
       AS given(id, state, provider_id, reason, detail, sent_at, delivered_at, read_at, next_try_at)
 WHERE message.id = given.id
"""


class Standing(NamedTuple):
    """What statuses can change of a message."""

    id: UUID
    channel: str
    state: MessageState
    provider_id: str
    reason: str
    detail: str
    sent_at: datetime | None
    delivered_at: datetime | None
    read_at: datetime | None
    next_try_at: datetime | None


def apply_statuses(
    updates: Sequence[StatusUpdate],
    *,
    channel_of_line: Mapping[str, str],
    intake_ids: Sequence[int | None] = (),
    not_of: Collection[str] = (),
) -> list[StatusUpdate]:
    """Apply providers' words, committed with the caller's transaction, and return those that are nobody's.

    ``channel_of_line`` names the channel of each line of the app that told them: a word about a message of another
    channel is nobody's, and so is one about a message of a channel in ``not_of``; ``intake_ids`` say what each came
    in. One that only has the provider's id may come before our own answer is stored: the caller is to try it again for
    a while.
    """
    if not updates:
        return []
    kept = [_kept(update) for update in updates]
    with transaction.atomic():
        named = _message_ids(kept, channel_of_line=channel_of_line)
        rows = _locked({each for each in named if each})
        ours: list[tuple[StatusUpdate, UUID, int | None]] = []
        nobodys = []
        for told_as, update, message_id, intake_id in zip(
            updates, kept, named, intake_ids or repeat(None), strict=False
        ):
            row = rows.get(message_id) if message_id else None
            if row and row.channel not in not_of and channel_of_line.get(update.line, row.channel) == row.channel:
                ours.append((update, row.id, intake_id))
            else:
                nobodys.append(told_as)
        if ours:
            _keep(ours)
            after = _brought(rows, ours)
            _move(after)
            shut = [
                row.id
                for row in after.values()
                if row.state == MessageState.FAILED and row.reason == Reason.WINDOW_SHUT
            ]
            if shut:
                falling_back.queue_instead(shut)
    return nobodys


def _kept(update: StatusUpdate) -> StatusUpdate:
    """Return an update whose texts can be kept; nearly always itself."""
    joined = f"{update.provider_id}{update.detail}{update.category}{update.price_type}"
    code = columns.code(update.code)
    if joined == columns.kept(joined) and code == update.code:
        return update
    return replace(
        update, code=code, provider_id=columns.kept(update.provider_id), detail=columns.kept(update.detail),
        category=columns.kept(update.category), price_type=columns.kept(update.price_type),
    )  # fmt: skip


def _message_ids(updates: Sequence[StatusUpdate], *, channel_of_line: Mapping[str, str]) -> list[UUID | None]:
    """Return whose each update is: by our own id, else by the provider's, which is only unique within a channel."""
    asked = sorted({update.provider_id for update in updates if update.message_id is None and update.provider_id})
    found: dict[tuple[str, str], UUID] = {}
    by_id: dict[str, UUID] = {}
    if asked:
        with connection.cursor() as cursor:
            cursor.execute(_FIND, [columns.texts(asked)])
            for provider_id, message_id, channel in cursor.fetchall():
                found[channel, provider_id] = message_id
                by_id[provider_id] = message_id
    return [
        update.message_id
        or found.get((channel_of_line.get(update.line, ""), update.provider_id))
        or by_id.get(update.provider_id)
        for update in updates
    ]


def _locked(message_ids: set[UUID]) -> dict[UUID, Standing]:
    with connection.cursor() as cursor:
        cursor.execute(_LOCK, [columns.uuids(message_ids)])
        return {row[0]: Standing(row[0], row[1], _STATES[row[2]], *row[3:]) for row in cursor.fetchall()}


def _row_id(message_id: UUID, update: StatusUpdate) -> UUID:
    """Return the id of a word's row: the same word has the same one, and it stands beside the message's in the index.

    Its last six bytes are those of SHA-256 over the word, mixed into the message's own.
    """
    word = f"{update.status}\0{update.at.timestamp()}\0{update.code}\0{update.provider_id}"
    mixed = int.from_bytes(hashlib.sha256(word.encode()).digest()[:6])
    return UUID(int=message_id.int ^ mixed)


def _keep(ours: Sequence[tuple[StatusUpdate, UUID, int | None]]) -> None:
    """Keep each word once, however often it is told."""
    now, batch_id = clock.now(), ids.new_id()
    told_now = {_row_id(each[1], each[0]): each for each in ours}
    words = [update for update, _message_id, _intake in told_now.values()]
    given = [
        columns.uuids(told_now),
        columns.uuids(message_id for _update, message_id, _intake in told_now.values()),
        columns.texts(update.status for update in words),
        columns.moments(update.at for update in words),
        columns.numbers(update.code for update in words),
        columns.texts(update.detail for update in words),
        columns.texts(update.category for update in words),
        columns.texts(update.price_type for update in words),
        columns.numbers(intake_id for _update, _message_id, intake_id in told_now.values()),
    ]
    with connection.cursor() as cursor:
        cursor.execute(_INSERT, [now, batch_id, *given])
        written = {row_id for (row_id,) in cursor.fetchall()}
    leaves = [
        batches.status_leaf(
            message_id=message_id, status=update.status, at=update.at, received_at=now, code=update.code,
            detail=update.detail, category=update.category, price_type=update.price_type,
        )
        for row_id, (update, message_id, _intake) in told_now.items() if row_id in written
    ]  # fmt: skip
    if leaves:
        batches.write(batch_id, kind=BatchKind.STATUSES, leaves=leaves)


def _brought(
    rows: Mapping[UUID, Standing], ours: Sequence[tuple[StatusUpdate, UUID, int | None]]
) -> dict[UUID, Standing]:
    """Return the messages that change, as they stand after all words about them."""
    after: dict[UUID, Standing] = {}
    for update, message_id, _intake in ours:
        after[message_id] = brought(after.get(message_id) or rows[message_id], update)
    return {message_id: row for message_id, row in after.items() if row != rows[message_id]}


def brought(row: Standing, update: StatusUpdate) -> Standing:
    """Return a message as it stands after one word about it."""
    state = BRINGS[update.status]
    fails = state in _NEEDS_REASON
    if fails and row.provider_id and update.provider_id and update.provider_id != row.provider_id:
        return row  # an earlier attempt failed; a later one is on its way
    changed: dict[str, Any] = {}
    if update.provider_id and not row.provider_id:
        changed["provider_id"] = update.provider_id
    when = _WHEN.get(state)
    if when and ((known := getattr(row, when)) is None or update.at < known):
        changed[when] = update.at
    reason = (update.reason or Reason.REFUSED).value if fails else ""
    detail = told(update.code, update.detail) if fails else ""
    if RANK[state] >= RANK[row.state] and _says_more(row, state, reason=reason, detail=detail):
        changed |= {"state": state, "reason": reason, "detail": detail, "next_try_at": None}
    return row._replace(**changed) if changed else row


def _says_more(row: Standing, state: MessageState, *, reason: str, detail: str) -> bool:
    """Of two failures with different words one is kept, and always the same one, whichever came first."""
    if state != row.state:
        return True
    return row.reason == Reason.NO_REPORT or (reason, detail) < (row.reason, row.detail)


def _move(after: Mapping[UUID, Standing]) -> None:
    if not after:
        return
    rows = list(after.values())
    given = {
        "now": clock.now(),
        "ids": columns.uuids(row.id for row in rows),
        "states": columns.texts(row.state for row in rows),
        "provider_ids": columns.texts(row.provider_id for row in rows),
        "reasons": columns.texts(row.reason for row in rows),
        "details": columns.texts(row.detail for row in rows),
        "sent_at": columns.moments(row.sent_at for row in rows),
        "delivered_at": columns.moments(row.delivered_at for row in rows),
        "read_at": columns.moments(row.read_at for row in rows),
        "next": columns.moments(row.next_try_at for row in rows),
    }
    with connection.cursor() as cursor:
        cursor.execute(_UPDATE, given)
