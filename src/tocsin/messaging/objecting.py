"""Who does not want to be written to, or wants it again: the newest word counts, whatever came first."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from django.db import connection

from tocsin.customers.values import AddressKind
from tocsin.journal import commands as journal
from tocsin.journal.values import MACHINE
from tocsin.kernel import clock
from tocsin.messaging.naming import Followed
from tocsin.messaging.values import Objection

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
Key = tuple[str, str, str]  # kind and value of the address, purpose


class Stop(NamedTuple):
    """That a provider refused a message because its person had stopped us; ``purpose`` empty: every one."""

    kind: str
    address: str
    purpose: str
    reason: str
    at: datetime


def keep(told: Sequence[tuple[Objection, str]]) -> None:
    """Keep what people said, each with the portfolio it was said in; what is news is recorded once."""
    if not told:
        return
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
    _write(_KEEP, rows)


def keep_stops(told: Sequence[Stop]) -> None:
    """Keep what refusals say of people; in the transaction that settles those refusals, so that no crash forgets it."""
    newest: dict[Key, tuple[datetime, str]] = {}
    for each in told:
        key = (each.kind, compared(each.kind, each.address), each.purpose)
        newest[key] = max(newest.get(key, (each.at, each.reason)), (each.at, each.reason))
    _write(_REFUSE, [(*key, reason, at) for key, (at, reason) in sorted(newest.items())])


def _write(sql: str, rows: Sequence[tuple[object, ...]]) -> None:
    if not rows:
        return
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


def compared(kind: str, address: str) -> str:
    """Return an address as objections are kept: no mail server tells people apart by capital letters."""
    return address.lower() if kind == AddressKind.EMAIL else address
