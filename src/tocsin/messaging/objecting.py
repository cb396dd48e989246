"""Who does not want to be written to, or wants it again: the newest word counts, whatever came first."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

from django.db import connection, transaction

from tocsin.customers.values import AddressKind
from tocsin.journal import commands as journal
from tocsin.journal.values import MACHINE, Author
from tocsin.kernel import clock
from tocsin.messaging.following import Followed
from tocsin.messaging.values import Objection, Purpose, StandingObjection
from tocsin.staff import permissions
from tocsin.staff.permissions import Act

# Of a stop and a resumption at the same moment the stop counts.
_KEEP = """
INSERT INTO tocsin_personobjection AS o (kind, address, purpose, reason, since_at, lifted_at)
SELECT kind, address, purpose, reason, at, CASE WHEN stopped THEN NULL ELSE at END
  FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[], %s::timestamptz[], %s::boolean[])
       AS told(kind, address, purpose, reason, at, stopped)
ON CONFLICT (kind, address, purpose)
DO UPDATE SET reason = excluded.reason, since_at = excluded.since_at, lifted_at = excluded.lifted_at
WHERE (excluded.since_at, excluded.lifted_at IS NULL) > (o.since_at, o.lifted_at IS NULL)
RETURNING kind, address, purpose, lifted_at IS NULL
"""
# A refusal says again and again what is known: it is news only where they had wanted it again before it.
_REFUSE = """
INSERT INTO tocsin_personobjection AS o (kind, address, purpose, reason, since_at)
SELECT * FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[], %s::timestamptz[])
ON CONFLICT (kind, address, purpose)
DO UPDATE SET reason = excluded.reason, since_at = excluded.since_at, lifted_at = NULL
WHERE o.lifted_at <= excluded.since_at
RETURNING kind, address, purpose, TRUE
"""
# Under every name of the person: what is said under one counts for all.
_SAME = """
  FROM unnest(%s::text[], %s::text[]) AS asked(kind, value) CROSS JOIN LATERAL (
       SELECT asked.kind, asked.value
        UNION SELECT n.kind, n.value FROM tocsin_addressname n WHERE n.other_value = asked.value
                 AND n.other_kind = asked.kind) AS same
  JOIN tocsin_personobjection o ON o.kind = same.kind AND o.address = same.value AND o.lifted_at IS NULL"""
_STANDING = f"""
SELECT DISTINCT o.kind, o.address, o.purpose, o.reason, o.since_at{_SAME}
 ORDER BY o.since_at, o.kind, o.purpose
"""
_WHO = f"""
SELECT DISTINCT asked.kind, asked.value{_SAME} WHERE o.purpose IN ('', %s)
"""
Key = tuple[str, str, str]  # kind and value of the address, purpose


class Stop(NamedTuple):
    """That a provider refused a message because its person had stopped us; ``purpose`` empty: every one."""

    kind: str
    address: str
    purpose: str
    reason: str
    at: datetime


def keep(told: Sequence[tuple[Objection, str]]) -> set[Key]:
    """Keep what people said, each with the portfolio it was said in; what is news is recorded once.

    Returns the stops that are news.
    """
    if not told:
        return set()
    now = clock.now()
    followed = Followed(
        (portfolio, kind.value, value) for each, portfolio in told for kind, value in each.addresses.items()
    )
    newest: dict[Key, tuple[datetime, bool]] = {}
    for each, portfolio in told:
        at = min(each.at, now)
        for kind, value in each.addresses.items():
            address = compared(kind, followed(portfolio, kind.value, value, at=at))
            key = (kind.value, address, each.purpose.value if each.purpose else "")
            newest[key] = max(newest.get(key, (at, each.stopped)), (at, each.stopped))
    rows = [
        (*key, "stopped" if stopped else "resumed", at, stopped) for key, (at, stopped) in sorted(newest.items())
    ]  # fmt: skip
    return _write(_KEEP, rows)


def keep_stops(told: Sequence[Stop]) -> None:
    """Keep what refusals say of people; in the transaction that settles those refusals, so that no crash forgets it."""
    newest: dict[Key, tuple[datetime, str]] = {}
    for each in told:
        key = (each.kind, compared(each.kind, each.address), each.purpose)
        newest[key] = max(newest.get(key, (each.at, each.reason)), (each.at, each.reason))
    _write(_REFUSE, [(*key, reason, at) for key, (at, reason) in sorted(newest.items())])


def standing(known: Iterable[tuple[AddressKind, str]]) -> list[StandingObjection]:
    """Return what people with these addresses stopped and have not taken back, oldest first."""
    asked = [(kind.value, compared(kind, value)) for kind, value in known]
    with connection.cursor() as cursor:
        cursor.execute(_STANDING, [[kind for kind, _value in asked], [value for _kind, value in asked]])
        return [
            StandingObjection(AddressKind(kind), address, Purpose(purpose) if purpose else None, reason, since_at)
            for kind, address, purpose, reason, since_at in cursor.fetchall()
        ]


def who_objects(known: Sequence[tuple[AddressKind, str]], *, purpose: Purpose) -> set[tuple[AddressKind, str]]:
    """Return those of these addresses whose people do not want what is sent for a purpose; of security, none."""
    if purpose is Purpose.SECURITY:
        return set()
    given = {(kind.value, compared(kind, value)): (kind, value) for kind, value in known}
    with connection.cursor() as cursor:
        cursor.execute(_WHO, [[kind for kind, _ in given], [value for _, value in given], purpose.value])
        return {given[kind, value] for kind, value in cursor.fetchall()}


def object_to(
    known: Sequence[tuple[AddressKind, str]], *, purpose: Purpose | None, stopped: bool, reason: str, by: Author
) -> None:
    """Keep what somebody told staff, on the telephone or by letter; None means everything but security notices."""
    permissions.check(Act.WRITE_CUSTOMERS, by=by)
    now = clock.now()
    with transaction.atomic():
        keep([(Objection({kind: value}, purpose, stopped=stopped, at=now), "") for kind, value in known])
        facts = {"purpose": purpose.value if purpose else "all", "stopped": stopped, "addresses": len(known)}
        personal = {"reason": (reason, "customers")} if reason else {}
        journal.write(
            verb="messaging.objection_told", subject="customers", by=by, facts=facts, personal=personal
        )  # fmt: skip


def _write(sql: str, rows: Sequence[tuple[object, ...]]) -> set[Key]:
    if not rows:
        return set()
    with connection.cursor() as cursor:
        cursor.execute(sql, [list(column) for column in zip(*rows, strict=True)])
        news = cursor.fetchall()
    if news:
        journal.write(
            verb="messaging.objections_recorded", subject="customers", by=MACHINE,
            facts={"stopped": sum(row[3] for row in news), "resumed": sum(not row[3] for row in news)},
            rows=[(f"{kind} {purpose or 'all'} {'stopped' if stopped else 'resumed'}", address)
                  for kind, address, purpose, stopped in news],
        )  # fmt: skip
    return {(kind, address, purpose) for kind, address, purpose, stopped in news if stopped}


def compared(kind: str, address: str) -> str:
    """Return an address as objections are kept: no mail server tells people apart by capital letters."""
    return address.lower() if kind == AddressKind.EMAIL else address
