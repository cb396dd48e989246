"""Rows written together: the journal holds the Merkle root over them, so that each one is provable on its own.

A leaf is the canonical JSON list of what never changes about a row; the tree is that of RFC 6962. The batch keeps the
hashes of its leaves, so that the proof of one row needs no other row, and survives the erasure of others.
"""

from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime
from enum import StrEnum
from functools import lru_cache
from typing import Any
from uuid import UUID

import orjson

from tocsin.journal import commands as journal, queries as journal_queries
from tocsin.journal.errors import NoSuchEntry
from tocsin.journal.values import MACHINE, Author, Entry
from tocsin.kernel import clock
from tocsin.kernel.loading import lazily
from tocsin.messaging.bodies import canonical
from tocsin.messaging.values import Proof, Proven

models = lazily("tocsin.messaging.models")

_HASH_BYTES = 32


class BatchKind(StrEnum):
    """What the rows of a batch are."""

    QUEUED = "queued"
    ATTEMPTS = "attempts"
    STATUSES = "statuses"


VERBS = {
    BatchKind.QUEUED: "messaging.messages_queued",
    BatchKind.ATTEMPTS: "messaging.attempts_settled",
    BatchKind.STATUSES: "messaging.statuses_taken",
}


def queued_leaf(
    *,
    message_id: UUID,
    channel: str,
    address: str,
    address_kind: str,
    purpose: str,
    priority: int,
    template: str,
    broadcast: str,
    person_id: UUID | None,
    digest: bytes,
    queued_at: datetime,
) -> bytes:
    """Return what is proven of a message: that exactly this was to be sent to exactly this address."""
    return _bytes_of(
        [
            "queued", message_id, channel, address_kind, address, purpose, priority, template, broadcast,
            str(person_id or ""), digest.hex(), stamp(queued_at),
        ]
    )  # fmt: skip


def attempt_leaf(
    *,
    message_id: UUID,
    number: int,
    channel: str,
    claimed_at: datetime,
    begun_at: datetime | None,
    answered_at: datetime | None,
    state: str,
    reason: str,
    code: int,
    detail: str,
    provider_id: str,
    fallback: bool,
    digest: bytes,
) -> bytes:
    """Return what is proven of one try to send a message."""
    return _bytes_of(
        [
            "attempt", message_id, number, channel, stamp(claimed_at), stamp(begun_at), stamp(answered_at), state,
            reason, code, detail, provider_id, fallback, digest.hex(),
        ]
    )  # fmt: skip


def status_leaf(
    *,
    message_id: UUID,
    status: str,
    at: datetime,
    received_at: datetime,
    code: int,
    detail: str,
    category: str,
    price_type: str,
) -> bytes:
    """Return what is proven of a provider's word."""
    return _bytes_of(["status", message_id, status, stamp(at), stamp(received_at), code, detail, category, price_type])


def _bytes_of(leaf: list[str | int | bool | UUID]) -> bytes:
    """Return canonical JSON of a flat list, by a faster writer where it is certain to write the same."""
    with suppress(TypeError):  # half a character
        written = orjson.dumps(leaf)
        if written.isascii() and b"\x7f" not in written:
            return written
    return canonical([str(part) if isinstance(part, UUID) else part for part in leaf])


@lru_cache(maxsize=4096)
def stamp(moment: datetime | None) -> str:
    """Return a moment as PostgreSQL keeps it, to the microsecond, or an empty text."""
    if moment is None:
        return ""
    return (moment if moment.tzinfo is UTC else moment.astimezone(UTC)).isoformat(timespec="microseconds")


def write(batch_id: UUID, *, kind: BatchKind, leaves: Iterable[bytes], by: Author = MACHINE) -> None:
    """Write one batch and its journal entry in the caller's transaction; ``leaves`` in the order of the tree."""
    hashes = [journal_queries.hash_of_row(leaf) for leaf in leaves]
    root = journal_queries.root_over_hashes(hashes)
    facts = {"rows": len(hashes), "root": root.hex()}
    entry_id = journal.write(verb=VERBS[kind], subject=f"message_batch:{batch_id}", by=by, facts=facts)
    models.MessageBatch.objects.create(
        id=batch_id, kind=kind, rows=len(hashes), root=root, leaves=b"".join(hashes), entry_id=entry_id,
        made_at=clock.now(),
    )  # fmt: skip


def proof(what: str, *, batch_id: UUID, leaf: bytes) -> Proof:
    """Return the proof of one row, and whether the journal's entry was written about exactly this row."""
    stored = models.MessageBatch.objects.filter(id=batch_id).first()
    found = _entry_of(stored)
    if stored is None or found is None:
        return Proof(what, Proven.NOT_FOUND, leaf.decode(), 0, 0, (), "", None, None)
    joined = bytes(stored.leaves)
    hashes = [joined[start : start + _HASH_BYTES] for start in range(0, len(joined), _HASH_BYTES)]
    root = journal_queries.root_over_hashes(hashes).hex()
    hashed = journal_queries.hash_of_row(leaf)
    same = root == found.facts.get("root") and len(hashes) == found.facts.get("rows")
    proven = Proven.PROVEN if same and hashed in hashes else Proven.CHANGED
    number = hashes.index(hashed) if hashed in hashes else 0
    path = [node.hex() for node in journal_queries.path_of_row(hashes, number=number)] if hashed in hashes else []
    return Proof(what, proven, leaf.decode(), number, len(hashes), path, root, found.id, found.number)


def _entry_of(stored: Any) -> Entry | None:
    if stored is None:
        return None
    try:
        return journal_queries.entry(str(stored.entry_id))
    except NoSuchEntry:
        return None
