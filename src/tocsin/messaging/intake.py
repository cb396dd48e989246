"""The bodies of webhooks: kept sealed before they are answered, taken in after.

A body is claimed and takes its effect in one transaction. Whatever stops it in between, it is waiting again: no memory
of what came before can make us drop a body whose processing failed. That a body comes twice, within a second or after
days, does no harm, because every effect is repeatable: the keys of the rows it makes are the provider's own.
"""

import hashlib
import json
import logging
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.db import OperationalError, connection, transaction

from tocsin.journal import commands as journal
from tocsin.journal.values import Author
from tocsin.kernel import clock, failpoints
from tocsin.kernel.errors import TocsinError
from tocsin.kernel.language import gettext as _
from tocsin.kernel.loading import lazily
from tocsin.messaging import columns, taking
from tocsin.messaging.errors import NoSuchIntake
from tocsin.messaging.states import IntakeState
from tocsin.messaging.taking import Settled
from tocsin.messaging.values import Intake, IntakeBody, Taken, Update
from tocsin.staff.errors import SealKeyMissing
from tocsin.staff.secrets import Sealing, again_with_new_key, unchanged_key

models = lazily("tocsin.messaging.models")

Read = Callable[[str, bytes, Mapping[str, str]], Sequence[Update]]  # kind of application, body, headers kept with it

SEALING = Sealing("webhook body")
TAKEN_AT_ONCE_MAX = 500
TAKEN_BYTES_MAX = 8 * 1024 * 1024
KEEP_DAYS = 90  # of bodies somebody may have to look at
KEEP_DONE_DAYS = 7  # of the others: as long as the provider repeats them
TRIES_MAX = 7
PAUSES_SECONDS = (5, 30, 120, 600, 3600, 6 * 3600)  # after the first try, the second ...
NOBODYS_PAUSES_SECONDS = (1, 5, 30, 120, 600)  # a status can come before our answer is stored
RECEIVED = ":received"  # beside the headers of a body: when it came
KEY_PAUSE_SECONDS = 600.0  # the key that sealed it may be brought back
KEY_TRIES_MAX = 1000  # a week of that
DEADLOCK = "40P01"  # as PostgreSQL names it (appendix A of its manual)
DEADLOCKS_MAX = 3
PROGRAM_LIMIT = "54"  # the class of its codes for what is too large for it: a body's fault, not the server's
ERASED_AT_ONCE_MAX = 10_000
_LOG = logging.getLogger("tocsin.messaging")

_STORE = """
COPY tocsin_webhookintake (app, received_at, digest, sealed, headers, state, tries, next_try_at, reason, keep_until)
FROM STDIN (FORMAT BINARY)
"""
_STORED = ("text", "timestamptz", "bytea", "bytea", "jsonb", "text", "int2", "timestamptz", "text", "timestamptz")
# The bodies taken at once are bounded in bytes too: one of them may have 3 MB.
_CLAIM = """
WITH due AS MATERIALIZED (
    SELECT id, app, received_at, digest, headers, tries, sealed, next_try_at
      FROM tocsin_webhookintake
     WHERE state = 'waiting' AND next_try_at <= %(now)s
     ORDER BY next_try_at, id LIMIT %(limit)s FOR UPDATE SKIP LOCKED),
measured AS (
    SELECT *, sum(coalesce(octet_length(sealed), 0)) OVER (ORDER BY next_try_at, id) AS bytes,
           row_number() OVER (ORDER BY next_try_at, id) AS place
      FROM due)
SELECT m.id, m.app, m.received_at, m.digest, m.headers, m.tries, m.sealed, coalesce(a.kind, '')
  FROM measured m LEFT JOIN tocsin_webhookapp a ON a.id = m.app
 WHERE m.bytes <= %(bytes)s OR m.place = 1
 ORDER BY m.next_try_at, m.id
"""
_SETTLE = """
UPDATE tocsin_webhookintake i
   SET state = s.state, reason = s.reason, tries = i.tries + s.tried, next_try_at = s.next_try_at,
       keep_until = CASE WHEN s.state = 'done' THEN i.received_at + %(keep)s ELSE i.keep_until END
  FROM unnest(%(ids)s::bigint[], %(states)s::text[], %(reasons)s::text[], %(tried)s::smallint[],
              %(next)s::timestamptz[]) AS s(id, state, reason, tried, next_try_at)
 WHERE i.id = s.id
"""
_ERASE = """
WITH past AS (SELECT id FROM tocsin_webhookintake WHERE keep_until <= %(now)s AND state <> 'waiting'
               LIMIT %(limit)s FOR UPDATE SKIP LOCKED)
DELETE FROM tocsin_webhookintake i USING past WHERE i.id = past.id
"""


@dataclass(frozen=True, slots=True)
class _Claimed:
    id: int
    app: str
    received_at: datetime
    digest: bytes
    headers: Mapping[str, str]
    tries: int
    sealed: bytes | None
    kind: str


def store_intake(bodies: Sequence[IntakeBody]) -> None:
    """Keep raw bodies, sealed, by one COPY: they are durable when this returns."""
    again_with_new_key(partial(_store, bodies))


def _store(bodies: Sequence[IntakeBody]) -> None:
    keep = timedelta(days=KEEP_DAYS)
    # Django does not see what goes wrong in a COPY unless it is told to look.
    with (
        connection.cursor() as cursor,
        connection.wrap_database_errors,
        cursor.copy(_STORE) as copying,
        unchanged_key(),
    ):
        copying.set_types(_STORED)
        for each in bodies:
            digest = hashlib.sha256(each.body).digest()
            sealed = SEALING.seal(each.body, about=digest.hex())
            copying.write_row(
                (
                    each.app, each.received_at, digest, sealed, dict(each.headers),
                    IntakeState.WAITING.value, 0, each.received_at, "", each.received_at + keep,
                )
            )  # fmt: skip


def take_intake(read: Read, *, limit: int = TAKEN_AT_ONCE_MAX) -> int:
    """Take in what waits and return how many bodies were looked at; several processes may do so at once.

    All effects of a batch, and that its bodies are done, are one transaction. When the batch cannot be taken as a
    whole, each body is taken by itself, and one that fails waits longer and longer, then is kept as failed.
    """
    for attempt in range(DEADLOCKS_MAX):
        try:
            with transaction.atomic():
                claimed = _claim(limit)
                if claimed:
                    _settle(_taken(claimed, read))
                    failpoints.reach("in_intake")
            return len(claimed)
        except OperationalError as error:
            # Two workers met at the same people in another order: the server undid one of them.
            if _sqlstate(error) != DEADLOCK or attempt == DEADLOCKS_MAX - 1:
                raise
    raise AssertionError("the last attempt returns or raises")


def _claim(limit: int) -> list[_Claimed]:
    asked = {"now": clock.now(), "limit": limit, "bytes": TAKEN_BYTES_MAX}
    with connection.cursor() as cursor:
        cursor.execute(_CLAIM, asked)
        return [
            _Claimed(number, app, received_at, bytes(digest), _headers(headers), tries, sealed, kind)
            for number, app, received_at, digest, headers, tries, sealed, kind in cursor.fetchall()
        ]


def _headers(stored: Any) -> Mapping[str, str]:
    found: Mapping[str, str] = json.loads(stored) if isinstance(stored, str) else stored
    return found


def _taken(claimed: Sequence[_Claimed], read: Read) -> list[Settled]:
    """Return how each claimed body ended; the effects of those that worked are in the caller's transaction."""
    settled: list[Settled] = []
    readable: list[Taken] = []
    # The same bytes twice in one batch (a provider's own retry) need be read once only.
    first_of: dict[tuple[str, bytes], int] = {}
    repeated: dict[int, list[_Claimed]] = {}
    for each in claimed:
        first = first_of.setdefault((each.app, each.digest), each.id)
        if first != each.id:
            repeated.setdefault(first, []).append(each)
            continue
        try:
            readable.append(_read(each, read))
        except Exception as error:  # noqa: BLE001 - one body's fault must not keep the others
            settled.append(_failed(each.id, each.tries, error))
    settled += _applied(readable)
    for one in list(settled):
        settled += [replace(one, id=twin.id) for twin in repeated.get(one.id, ())]
    return settled


def _read(each: _Claimed, read: Read) -> Taken:
    if each.sealed is None or not each.kind:
        raise TocsinError(
            "its text was erased" if each.sealed is None else "its application was removed",
            mend="Nothing can be taken in from it any more.",
        )
    body = SEALING.unseal(bytes(each.sealed), about=each.digest.hex())
    # Some providers do not say when it was: then it was when it came, however late it is taken in.
    headers = {**each.headers, RECEIVED: each.received_at.isoformat()} if each.headers else each.headers
    updates = read(each.kind, body, headers)
    return Taken(id=each.id, kind=each.kind, received_at=each.received_at, tries=each.tries, updates=tuple(updates))


def _applied(readable: Sequence[Taken]) -> list[Settled]:
    try:
        with transaction.atomic():
            return [_settled(each) for each in taking.apply(readable)]
    except Exception as error:  # found out below which of them it is
        if isinstance(error, OperationalError) and not _sqlstate(error).startswith(PROGRAM_LIMIT):
            raise  # the server's trouble, not a body's
        if len(readable) == 1:
            return [_failed(readable[0].id, readable[0].tries, error)]
    return [settled for each in readable for settled in _applied([each])]


def _sqlstate(error: OperationalError) -> str:
    return getattr(error.__cause__, "sqlstate", None) or ""


def _settled(done: taking.Remains) -> Settled:
    """Return the state of a body of which some parts may be nobody's or not understood."""
    tries = done.taken.tries
    if done.nobodys and tries < len(NOBODYS_PAUSES_SECONDS):
        pause = NOBODYS_PAUSES_SECONDS[tries]
        return Settled(done.taken.id, IntakeState.WAITING, reason="status_of_no_message", pause_seconds=pause)
    asides = sorted({aside.what for aside in done.asides} | ({"status_of_no_message"} if done.nobodys else set()))
    state = IntakeState.ASIDE if asides else IntakeState.DONE
    return Settled(done.taken.id, state, reason=", ".join(asides)[:500])


def _failed(id: int, tries: int, error: Exception) -> Settled:
    """Return what becomes of a body after a fault; its reason says where, not what: a text may name a person."""
    place = traceback.extract_tb(error.__traceback__)[-1]
    reason = f"{type(error).__name__} at {place.filename.rpartition('tocsin/')[2]}:{place.lineno}"
    if isinstance(error, SealKeyMissing) and tries < KEY_TRIES_MAX:
        return Settled(id, IntakeState.WAITING, reason=reason, pause_seconds=KEY_PAUSE_SECONDS)
    if tries + 1 >= TRIES_MAX:
        _LOG.error("a webhook's body cannot be taken in: %s; see `tocsin whatsapp webhook aside`", reason)
        return Settled(id, IntakeState.FAILED, reason=reason)
    return Settled(id, IntakeState.WAITING, reason=reason, pause_seconds=PAUSES_SECONDS[tries])


def _settle(settled: Sequence[Settled]) -> None:
    now = clock.now()
    with connection.cursor() as cursor:
        cursor.execute(
            _SETTLE,
            {
                "keep": timedelta(days=KEEP_DONE_DAYS),
                "ids": columns.numbers(each.id for each in settled),
                "states": columns.texts(each.state for each in settled),
                "reasons": columns.texts(columns.kept(each.reason) for each in settled),
                "tried": columns.numbers(0 if each.state == IntakeState.DONE else 1 for each in settled),
                "next": columns.moments(
                    now + timedelta(seconds=each.pause_seconds) if each.state == IntakeState.WAITING else None
                    for each in settled
                ),
            },
        )


def retry_intake(id: int, *, by: Author) -> Intake:
    """Take a body in again that was kept aside or failed: what it says may be understood by now."""
    with transaction.atomic():
        row = models.WebhookIntake.objects.select_for_update().filter(id=id).first()
        if row is None or row.sealed is None or row.state not in (IntakeState.ASIDE, IntakeState.FAILED):
            raise _no_such(id)
        row.state, row.tries, row.next_try_at, row.reason = IntakeState.WAITING, 0, clock.now(), ""
        row.save(update_fields=["state", "tries", "next_try_at", "reason"])
        journal.write(
            verb="messaging.intake_retried", subject=f"webhook_intake:{id}", by=by, facts={"app": row.app}
        )  # fmt: skip
    return _intake_of(row)


def erase_intake(now: datetime | None = None) -> int:
    """Delete the bodies whose retention ended; what they brought has its own. One that waits is never deleted."""
    erased = 0
    while True:
        with connection.cursor() as cursor:
            cursor.execute(_ERASE, {"now": now or clock.now(), "limit": ERASED_AT_ONCE_MAX})
            count: int = cursor.rowcount
        erased += count
        if count < ERASED_AT_ONCE_MAX:
            return erased


def intake_aside(*, limit: int = 100) -> tuple[Intake, ...]:
    """Return the bodies nobody understands, or that failed, newest first."""
    kept = models.WebhookIntake.objects.filter(state__in=[IntakeState.ASIDE, IntakeState.FAILED])
    return tuple(_intake_of(row) for row in kept.order_by("-id")[:limit])


def intake_counts() -> Mapping[str, int]:
    """Return how many bodies are waiting, aside and failed."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT state, count(*) FROM tocsin_webhookintake WHERE state <> 'done' GROUP BY state")
        return dict(cursor.fetchall())


def intake_body(id: int) -> tuple[Intake, bytes]:
    """Return one body as it came; NoSuchIntake when there is none or it was erased."""
    row = models.WebhookIntake.objects.filter(id=id).first()
    if row is None or row.sealed is None:
        raise _no_such(id)
    return _intake_of(row), SEALING.unseal(bytes(row.sealed), about=bytes(row.digest).hex())


def _intake_of(row: Any) -> Intake:
    return Intake(
        id=row.id, app=row.app, received_at=row.received_at, state=row.state, tries=row.tries, reason=row.reason,
        digest=bytes(row.digest).hex(),
    )  # fmt: skip


def _no_such(id: int) -> NoSuchIntake:
    return NoSuchIntake(
        _("No webhook's body {id} is kept aside.").format(id=id),
        mend=_("`tocsin whatsapp webhook aside` shows those there are."),
    )
