"""Putting messages into the outbox: thousands at once, each one once."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import IntegrityError, connection, transaction

from tocsin.journal.values import Author
from tocsin.kernel import clock, ids
from tocsin.messaging import batches, bodies, unsigned, waking
from tocsin.messaging.batches import BatchKind
from tocsin.messaging.values import Draft
from tocsin.messaging.waking import Bell
from tocsin.staff.errors import KeyChanged
from tocsin.staff.secrets import unchanged_key

ROWS_A_BATCH_MAX = 5_000
KEEP_DAYS = 90
_RACES_MAX = 5  # others that queue the same once_key at the same moment
_COPY_MESSAGES = """
COPY tocsin_outboundmessage (id, channel, priority, purpose, address, address_kind, person_id, account, once_key,
  broadcast, reply_to, body_id, digest, batch_id, needs_window, template, category, state, reason, detail, tries,
  crashes, next_try_at, claimed_by, provider_id, queued_at, state_at, expires_at) FROM STDIN
"""
_COPY_BODIES = "COPY tocsin_messagebody (id, digest, sealed, keep_until) FROM STDIN"


def queue_messages(drafts: Sequence[Draft], *, by: Author, keep_days: int = KEEP_DAYS) -> list[UUID | None]:
    """Queue messages, and return their ids in the order of the drafts; None where the ``once_key`` is known already.

    All or none are queued, with one journal entry for every five thousand. A text is kept sealed for ``keep_days``
    from when it may be sent, or until it is settled. To more than 100 people a day needs a signature.
    """
    queued: list[UUID | None] = []
    with transaction.atomic():
        unsigned.count(drafts, by=by)
        for start in range(0, len(drafts), ROWS_A_BATCH_MAX):
            queued += _queue_once(drafts[start : start + ROWS_A_BATCH_MAX], by=by, keep_days=keep_days)
    return queued


def _queue_once(drafts: Sequence[Draft], *, by: Author, keep_days: int) -> list[UUID | None]:
    """Queue those whose once_key nobody has; whoever queues the same one at this moment is waited for."""
    races = 0
    while True:
        given: dict[int, UUID] = {place: ids.new_id() for place in _fresh(drafts)}
        try:
            with transaction.atomic(), unchanged_key():
                _write(drafts, given=given, by=by, keep_days=keep_days)
        except (IntegrityError, KeyChanged):
            races += 1
            if races == _RACES_MAX:
                raise
        else:
            return [given.get(place) for place in range(len(drafts))]


def _fresh(drafts: Sequence[Draft]) -> list[int]:
    """Return the places of drafts to be queued: of the same once_key the first, and none that is known."""
    keys = [draft.once_key for draft in drafts if draft.once_key]
    known: set[str] = set()
    if keys:
        with connection.cursor() as cursor:
            cursor.execute("SELECT once_key FROM tocsin_outboundmessage WHERE once_key = ANY(%s)", [keys])
            known = {key for (key,) in cursor.fetchall()}
    fresh = []
    for place, draft in enumerate(drafts):
        if not draft.once_key or draft.once_key not in known:
            fresh.append(place)
            known.add(draft.once_key)
    return fresh


def _write(drafts: Sequence[Draft], *, given: dict[int, UUID], by: Author, keep_days: int) -> None:
    if not given:
        return
    now, batch_id = clock.now(), ids.new_id()
    # In the order of their keys, so that two who queue the same keys wait for each other and never both.
    order = sorted(given, key=lambda place: (drafts[place].once_key, place))
    digests = {place: bodies.digest_of(drafts[place].prepared.content) for place in order}
    with connection.cursor() as cursor, connection.wrap_database_errors:
        with cursor.copy(_COPY_MESSAGES) as copying:
            for place in order:
                row = _row(drafts[place], id=given[place], digest=digests[place], batch_id=batch_id, now=now)
                copying.write_row(row)
        with cursor.copy(_COPY_BODIES) as copying:
            for place in order:
                copying.write_row(_body(drafts[place], id=given[place], digest=digests[place], now=now, days=keep_days))
    leaves = _leaves(drafts, given=given, digests=digests, now=now)
    batches.write(batch_id, kind=BatchKind.QUEUED, leaves=leaves, by=by)
    for channel in sorted({drafts[place].channel for place in given}):
        waking.ring(Bell.OUTBOX, channel)


def _row(draft: Draft, *, id: UUID, digest: bytes, batch_id: UUID, now: datetime) -> tuple[Any, ...]:
    prepared = draft.prepared
    return (
        id, draft.channel, int(draft.priority), draft.purpose.value, draft.address, draft.address_kind.value,
        draft.person_id, draft.account, draft.once_key or None, draft.broadcast, draft.reply_to, id, digest, batch_id,
        prepared.needs_window, _template(draft), prepared.category, "queued", "", "", 0, 0, draft.not_before_at or now,
        "", "", now, now, draft.expires_at,
    )  # fmt: skip


def _template(draft: Draft) -> str:
    """Return the template it is sent with; of a free-form message the one that goes instead when the window is shut."""
    prepared = draft.prepared
    if not prepared.needs_window:
        return prepared.template
    if prepared.fallback is not None and not prepared.fallback_template:
        raise ValueError("a template that may be sent instead has a name")
    return prepared.fallback_template


def _body(draft: Draft, *, id: UUID, digest: bytes, now: datetime, days: int) -> tuple[Any, ...]:
    kept_until = max(now, draft.not_before_at or now) + timedelta(days=days)
    return (id, digest, bodies.seal(id, prepared=draft.prepared), kept_until)


def _leaves(
    drafts: Sequence[Draft], *, given: dict[int, UUID], digests: dict[int, bytes], now: datetime
) -> Iterator[bytes]:
    for place in sorted(given):
        draft = drafts[place]
        yield batches.queued_leaf(
            message_id=given[place], channel=draft.channel, address=draft.address, address_kind=draft.address_kind,
            purpose=draft.purpose, priority=int(draft.priority), template=_template(draft), broadcast=draft.broadcast,
            person_id=draft.person_id, digest=digests[place], queued_at=now,
        )  # fmt: skip
