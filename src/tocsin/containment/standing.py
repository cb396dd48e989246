"""What facts and read-backs come to: which measures of an account are met, what its steps become, where it stands.

Everything is worked out anew from all facts of the accounts in the temporary table ``done_member``, so neither the
order in which facts arrive nor how often makes a difference. One pass of SQL whatever the number of accounts.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection

from tocsin.containment import demands, standing_sql as sql
from tocsin.containment.demands import Counting, Demand
from tocsin.containment.values import DoneKind

_TABLES = {
    "done_plan": "plan_id uuid, since_at timestamptz, gated boolean, enforced_at timestamptz, now_at timestamptz",
    "done_demand": "number integer, plan_id uuid, combination integer, kind text, platform text, version_min text, "
    "client text, connected boolean, gated boolean, grace interval",
    "done_system": "number integer, system text",
    "done_recent": "version_min text, version text",
    "done_member": "plan_id uuid, account text, combination integer, wave smallint, platform text",
    "done_fact": "id uuid, account text, kind text, done_at timestamptz, by text, source text, platform text, "
    "client_version text, reference text",
}
_STEPS_OF_WORK = {
    "done_seen": sql.SEEN,
    "done_told": sql.TOLD,
    "done_steps": sql.STEPS,
    "done_clients": sql.CLIENTS,
    "done_met": sql.MET,
}
LOOPED_MAX = 500  # accounts at once; of more, the planner takes the join of the tables of work for one row and loops
MANY = 50_000  # accounts at once from which reading whole tables is quicker, whatever the planner believes


@dataclass(frozen=True, slots=True)
class Settled:
    """How many accounts moved."""

    changed: int
    done: int
    closed: int
    reopened: int


def lay_out() -> None:
    """Make the temporary tables anew, empty, for the rest of the transaction."""
    with connection.cursor() as cursor:
        for name in (*_TABLES, *_STEPS_OF_WORK, "done_standing"):
            cursor.execute(f"DROP TABLE IF EXISTS pg_temp.{name}")
        for name, columns in _TABLES.items():
            cursor.execute(f"CREATE TEMP TABLE {name} ({columns}) ON COMMIT DROP")


def copy_in(name: str, rows: Iterable[Sequence[Any]]) -> None:
    """Fill a temporary table by COPY."""
    columns = ", ".join(column.split()[0] for column in _TABLES[name].split(", "))
    with connection.cursor() as cursor, cursor.copy(f"COPY {name} ({columns}) FROM STDIN") as writing:
        for row in rows:
            writing.write_row(row)


def copy_plans(plans: Sequence[Counting], *, now: datetime) -> None:
    """Fill the table of the plans that count."""
    copy_in("done_plan", ((plan.row.id, plan.row.since_at, plan.gated, plan.enforced_at, now) for plan in plans))


def settle(plans: Sequence[Counting], *, now: datetime) -> Settled:
    """Work out where every account of ``done_member`` stands and write what changed; one transaction, the caller's."""
    asked = demands.demands(plans)
    copy_in("done_demand", (_row(number, demand=demand) for number, demand in enumerate(asked)))
    copy_in("done_system", ((number, system) for number, demand in enumerate(asked) for system in demand.systems))
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE done_member")
        cursor.execute("SELECT count(*) FROM done_member")
        members = cursor.fetchone()[0]
        if members > MANY:
            cursor.execute("SET LOCAL enable_nestloop = off; SET LOCAL work_mem = '128MB'")
        if any(demand.version_min for demand in asked):
            cursor.execute(
                "SELECT DISTINCT client_version FROM tocsin_containmentdone JOIN done_member USING (account) "
                f"WHERE kind = '{DoneKind.CLIENT_SEEN}'"
            )
            copy_in("done_recent", demands.recent_enough(asked, versions=[row[0] for row in cursor.fetchall()]))
        for table, statement in _STEPS_OF_WORK.items():
            cursor.execute(statement)
            cursor.execute(f"ANALYZE {table}")  # a fresh table is taken for a small one, and looped over
        cursor.execute(sql.STEPS_DONE, {"now": now})
        if members > LOOPED_MAX:
            cursor.execute("SET LOCAL enable_nestloop = off")
        cursor.execute(sql.STANDING)
        if members <= MANY:
            cursor.execute("SET LOCAL enable_nestloop = on")
        cursor.execute(sql.LOCKED)
        cursor.execute(sql.KEPT, {"now": now})
        settled = Settled(*cursor.fetchone())
        cursor.execute(sql.STEPS_CLOSED, {"now": now})
        cursor.execute("SET LOCAL enable_nestloop = on")
    return settled


def _row(number: int, *, demand: Demand) -> tuple[Any, ...]:
    return (
        number, demand.plan_id, demand.combination, demand.kind.value, demand.platform, demand.version_min,
        demand.client, bool(demand.systems), demand.gated, f"{demand.grace_minutes} minutes",
    )  # fmt: skip
