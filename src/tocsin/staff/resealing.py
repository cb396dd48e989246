"""Sealing anew what an older key sealed: data keys only, in small batches, beside everything that runs.

The proof that nothing is sealed by an older key any more needs two things. Whoever seals and writes does so within
``secrets.unchanged_key``: when it ends, the lock of the table is held and the key that sealed still is the one that
seals. And here, after the switch, all who hold that lock are waited for, without holding up anybody. What is looked
through after that holds every value an older key ever sealed.
"""

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from django.db import connection, transaction

from tocsin.kernel import failpoints
from tocsin.kernel.language import gettext as _
from tocsin.staff import keyring, secrets
from tocsin.staff.errors import RotationUnderWay, SealBroken
from tocsin.staff.ports import SealedPlace
from tocsin.staff.values import KeyUse, Moved, PlaceResealed, Resealed

ROWS_AT_ONCE = 2_000
HELD_SECONDS_MAX = 60.0
PAUSE_SECONDS = 0.2  # before looking again for rows that others held
WRITERS_SECONDS_MAX = 60.0
Told = Callable[[str, int, int], None]  # a place, how many of its values are done, of how many
_LOCK = 0x70C5_EA15  # any number that nothing else of ours locks
_COUNT = """
SELECT substring(sealed from {start} for {length}) AS key, count(*) FROM {table}
 WHERE octet_length(sealed) >= {least} GROUP BY 1
"""
# Nothing tells the planner how many rows a key sealed: a step by the primary key alone is never more than that.
_STEP = """
SELECT {id} FROM (SELECT {id} FROM {table} {after} ORDER BY {id} LIMIT %(limit)s) step ORDER BY {id} DESC LIMIT 1
"""
_BATCH = """
SELECT {id}, substring(sealed for {least}) FROM {table} {after} {id} <= %(last)s
   AND octet_length(sealed) >= {least} AND substring(sealed from {start} for {length}) = ANY(%(keys)s::bytea[])
   FOR NO KEY UPDATE SKIP LOCKED
"""
# What somebody changed or erased since it was looked at does not begin as it did, and is left alone.
_MOVE = """
UPDATE {table} t SET sealed = n.fresh || substring(t.sealed from length(n.before) + 1)
  FROM unnest(%(ids)s::{id_type}[], %(befores)s::bytea[], %(fresh)s::bytea[]) AS n(id, before, fresh)
 WHERE t.{id} = n.id AND substring(t.sealed for length(n.before)) = n.before
"""
_WRITERS = """
SELECT DISTINCT virtualtransaction FROM pg_locks
 WHERE relation = ANY(%s::regclass[]) AND mode = 'RowExclusiveLock' AND granted
   AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
   AND pid IS DISTINCT FROM pg_backend_pid()
"""


@dataclass(frozen=True, slots=True)
class SealedColumn:
    """The column ``sealed`` of a table, as a place of sealed values.

    ``about`` says what the data key of a row is bound to: of many values sealed together, their purpose.
    """

    what: str
    table: str
    about: Callable[[Any], str]
    id_type: str = "uuid"
    id: str = "id"

    def counts(self) -> Mapping[bytes, int]:
        """Return how many rows each key sealed."""
        with connection.cursor() as cursor:
            cursor.execute(self._sql(_COUNT))
            return {bytes(key): count for key, count in cursor.fetchall()}

    def reseal(self, keys: Sequence[bytes], *, after: Any, limit: int) -> Moved:
        """Seal anew, in one transaction, those of the next rows after ``after`` that one of these keys sealed."""
        with transaction.atomic(), connection.cursor() as cursor:
            beyond = "" if after is None else f"WHERE {self.id} > %(after)s"
            cursor.execute(self._sql(_STEP, after=beyond), {"after": after, "limit": limit})
            (last,) = cursor.fetchone() or (None,)
            asked = {"keys": list(keys), "after": after, "last": last}
            cursor.execute(self._sql(_BATCH, after=f"{beyond} AND" if beyond else "WHERE"), asked)
            found = [(row, bytes(beginning)) for row, beginning in cursor.fetchall()]
            ids, befores, fresh = [], [], []
            for row, beginning in found:
                try:
                    before, now = secrets.moved(beginning, about=self.about(row))
                except SealBroken:
                    continue
                ids.append(row)
                befores.append(before)
                fresh.append(now)
            if ids:
                cursor.execute(self._sql(_MOVE), {"ids": ids, "befores": befores, "fresh": fresh})
                failpoints.reach("in_resealing")
        return Moved(len(ids), broken=len(found) - len(ids), last=last)

    def _sql(self, text: str, *, after: str = "") -> str:
        return text.format(
            table=self.table, id=self.id, id_type=self.id_type, start=len(secrets.MAGIC) + 1,
            length=keyring.NAME_BYTES, least=secrets.BEGINNING_BYTES_MAX, after=after,
        )  # fmt: skip


@contextmanager
def alone() -> Iterator[None]:
    """Rotate as the only one; RotationUnderWay when somebody else does. The lock ends with the process."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [_LOCK])
        if not cursor.fetchone()[0]:
            raise RotationUnderWay(
                _("The keys are being rotated at this moment."), mend=_("Wait until that has ended, then run it again.")
            )
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [_LOCK])


def reseal(places: Sequence[SealedPlace], *, told: Told) -> Resealed:
    """Seal anew all that keys which only open have sealed, and return what came of it.

    It may be killed at any moment and run again: what is done is seen from the values themselves.
    """
    older = [bytes.fromhex(key.name) for key in keyring.held() if key.use is KeyUse.OPENS]
    is_proven = _waited_for_writers([place.table for place in places])
    done = tuple(_resealed(place, older, told=told) for place in places)
    still = set[bytes]().union(*(place.counts() for place in places))
    return Resealed(done, free=tuple(key.hex() for key in older if is_proven and key not in still))


def _resealed(place: SealedPlace, older: Sequence[bytes], *, told: Told) -> PlaceResealed:
    wanted = left = _sealed_by(older, place)
    moved = broken = 0
    until = None
    while left > broken:
        after, broken = None, 0
        while (batch := place.reseal(older, after=after, limit=ROWS_AT_ONCE)).last is not None:
            after, moved, broken = batch.last, moved + batch.count, broken + batch.broken
            told(place.what, moved, wanted)
        left = _sealed_by(older, place)
        until = until or time.monotonic() + HELD_SECONDS_MAX  # a first look at all of it may take longer than that
        if left <= broken or time.monotonic() > until:
            break
        _pause()  # somebody holds the rows that are left
    return PlaceResealed(place.what, moved=moved, left=left, broken=broken)


def _sealed_by(keys: Sequence[bytes], place: SealedPlace) -> int:
    return sum(count for key, count in place.counts().items() if key in keys)


def _waited_for_writers(tables: Sequence[str]) -> bool:
    """Wait for all who write into these tables now; False when somebody goes on for too long."""
    until = time.monotonic() + WRITERS_SECONDS_MAX
    writing = _writers(tables)
    while writing and time.monotonic() < until:
        _pause()
        writing &= _writers(tables)
    return not writing


def _pause() -> None:
    threading.Event().wait(PAUSE_SECONDS)


def _writers(tables: Sequence[str]) -> set[str]:
    with connection.cursor() as cursor:
        cursor.execute(_WRITERS, [list(tables)])
        return {transaction_id for (transaction_id,) in cursor.fetchall()}
