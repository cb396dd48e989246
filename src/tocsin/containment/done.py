"""Facts of what people and systems did, recorded once, and what they come to for each account of a plan."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, astuple, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from django.db import connection, transaction

from tocsin.containment import demands, standing
from tocsin.containment.demands import Counting
from tocsin.containment.drawing import measures_file
from tocsin.containment.standing import Settled
from tocsin.containment.states import StepState
from tocsin.containment.values import DoneFact, MeasureKind, OpenReason
from tocsin.events import queries as events
from tocsin.journal import commands as journal, queries as journal_queries
from tocsin.journal.values import Author
from tocsin.kernel import clock, ids
from tocsin.kernel.loading import lazily

models = lazily("tocsin.containment.models")

_LOCK = 0x646F6E65  # "done": batches are counted one after the other, so that two never wait in a circle
_READ_AT_ONCE = 50_000
_FACT = "account, kind, done_at, by, source, platform, client_version, reference"
# A fact is kept when it is about an account of a plan and not older than that plan's containment time.
_KEEP = f"""
INSERT INTO tocsin_containmentdone (id, {_FACT}, recorded_at)
SELECT id, {_FACT}, %(now)s FROM (
    SELECT DISTINCT ON (account, kind, done_at, source, reference) * FROM done_fact
    ORDER BY account, kind, done_at, source, reference, by, platform, client_version
) f WHERE EXISTS (
    SELECT 1 FROM done_member m JOIN done_plan p USING (plan_id) WHERE m.account = f.account AND f.done_at >= p.since_at
) ORDER BY account, kind, done_at, source, reference
ON CONFLICT DO NOTHING
"""
_NOT_KEPT = """
SELECT count(*) FILTER (WHERE first_at IS NULL), count(*) FILTER (WHERE done_at < first_at) FROM done_fact f LEFT JOIN (
    SELECT account, min(since_at) AS first_at FROM done_member JOIN done_plan USING (plan_id) GROUP BY 1
) m USING (account)
"""
_ONLY_NEWS = """
DELETE FROM done_member m WHERE NOT EXISTS (
    SELECT 1 FROM tocsin_containmentdone d JOIN done_fact f USING (id) WHERE d.account = m.account)
"""
_NEW = """
SELECT d.account, d.kind, extract(epoch FROM d.done_at)::text, d.by, d.source, d.platform, d.client_version, d.reference
FROM tocsin_containmentdone d JOIN done_fact f USING (id)
ORDER BY d.account, d.kind, d.done_at, d.source, d.reference
"""


@dataclass(frozen=True, slots=True)
class Recorded:
    """What became of a batch of facts. ``repeated`` ones were known; what follows them is not kept; then accounts."""

    new: int = 0
    repeated: int = 0
    in_no_plan: int = 0
    before_since: int = 0
    done: int = 0
    closed: int = 0
    reopened: int = 0

    def __add__(self, other: "Recorded") -> "Recorded":
        """Return both together."""
        return Recorded(*(mine + theirs for mine, theirs in zip(astuple(self), astuple(other), strict=True)))


def record_done(facts: Sequence[DoneFact], *, by: Author) -> int:
    """Record facts of done and return how many are new; see ``record_facts``."""
    return record_facts(facts, by=by).new


def record_facts(facts: Sequence[DoneFact], *, by: Author) -> Recorded:
    """Record facts, and work out what they come to for every account they are about.

    Facts about accounts in no plan, and those of before the containment time, are counted and not kept. Recording a
    fact again changes nothing, and neither does the order. One transaction, one journal entry.
    """
    if not facts:  # a worker asks every second, and each temporary table is rows in the server's own tables
        return Recorded()
    plans = demands.counting()
    members = _members(plans, accounts={fact.account for fact in facts})
    with transaction.atomic():
        now = clock.now()
        _lay_out(plans, members=members, now=now)
        standing.copy_in("done_fact", (_row(fact) for fact in facts))
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE done_fact")
            cursor.execute("ANALYZE done_member")
            cursor.execute(_KEEP, {"now": now})
            new = int(cursor.rowcount)
            cursor.execute(_NOT_KEPT)
            in_no_plan, before_since = cursor.fetchone()
        kept = Recorded(
            new=new, repeated=len(facts) - new - in_no_plan - before_since, in_no_plan=in_no_plan,
            before_since=before_since,
        )  # fmt: skip
        return _followed(kept, plans=plans, now=now, by=by) if new else kept


def _followed(kept: Recorded, *, plans: Sequence[Counting], now: datetime, by: Author) -> Recorded:
    """Work out what the new facts come to, and write the journal's entry of both."""
    with connection.cursor() as cursor:
        cursor.execute(_ONLY_NEWS)  # whoever got no new fact stands where they stood
        kinds: dict[str, int] = {}
        root = journal_queries.root_over(_leaves(cursor, kinds=kinds)).hex()
    settled = standing.settle(plans, now=now)
    recorded = replace(kept, done=settled.done, closed=settled.closed, reopened=settled.reopened)
    journal.write(
        verb="containment.done_recorded", subject=_about(plans), by=by,
        facts={**asdict(recorded), "kinds": dict(sorted(kinds.items())), "rows_root": root},
    )  # fmt: skip
    return recorded


def settle_progress(number: int | None = None, *, changed_since: datetime | None = None, by: Author) -> int:
    """Work out anew what did not change by a fact: read-backs of systems, the gate's epochs, a grace that ran out.

    ``number`` names one plan (else all), ``changed_since`` leaves out accounts whose steps did not change since.
    Returns how many accounts changed.
    """
    plans = demands.counting(number)
    members = [row for plan in plans for row in _members([plan], accounts=_touched(plan, changed_since=changed_since))]
    if not members:
        return 0
    with transaction.atomic():
        now = clock.now()
        _lay_out(plans, members=members, now=now)
        settled: Settled = standing.settle(plans, now=now)
        if settled.changed:
            journal.write(
                verb="containment.progress_settled", subject=_about(plans), by=by, facts=asdict(settled)
            )  # fmt: skip
    return settled.changed


def _lay_out(plans: Sequence[Counting], *, members: Iterable[Sequence[Any]], now: datetime) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
    standing.lay_out()
    standing.copy_plans(plans, now=now)
    standing.copy_in("done_member", members)


def _members(plans: Sequence[Counting], *, accounts: Iterable[str]) -> list[tuple[Any, ...]]:
    """Return (plan, account, combination, wave, platform) of those accounts a plan measures."""
    asked = [(account,) for account in sorted(accounts)]
    found: list[tuple[Any, ...]] = []
    for plan in plans if asked else ():
        path = measures_file(plan.row)
        with events.EventStore([], scratch=path.parent) as store:
            store.load("asked", {"account": "VARCHAR"}, asked)
            rows = store.rows(
                f"SELECT account, combination, wave, coalesce(platform, '') AS platform FROM {_file(path)} "
                "SEMI JOIN asked USING (account) WHERE wave >= 1"
            )
        found += [(plan.row.id, *row.values()) for row in rows]
    return found


def _touched(plan: Counting, *, changed_since: datetime | None) -> set[str]:
    """Return the accounts of a plan that may stand elsewhere now, though no fact came."""
    settled = [StepState.CONFIRMED, StepState.DONE, StepState.UNREACHABLE, StepState.REFUSED]
    steps = models.ContainmentStep.objects.filter(plan=plan.row, state__in=settled)
    waiting = models.ContainmentProgress.objects.filter(plan=plan.row, state__in=[StepState.PLANNED, StepState.DONE])
    if changed_since is not None and not _published_since(changed_since):
        steps = steps.filter(state_at__gte=changed_since)
        waiting = waiting.filter(reason=OpenReason.OLD_PASSWORD_GRACE)
    names = set(steps.values_list("account", flat=True)) | set(waiting.values_list("account", flat=True))
    return names | (_suspended_at_the_gate(plan) if plan.enforced_at else set())


def _published_since(moment: datetime) -> bool:
    return bool(
        models.GateEpoch.objects.filter(made_at__gte=moment).exists()
        or models.GateSeen.objects.filter(seen_at__gte=moment).exists()
    )


def _suspended_at_the_gate(plan: Counting) -> set[str]:
    """Return the accounts that are done by the gate's read-back alone, of which nothing else may ever be heard."""
    numbers = {
        demand.combination
        for demand in demands.demands([plan])
        if demand.kind is MeasureKind.SUSPEND and demand.gated and not demand.systems
    }
    if not numbers:
        return set()
    path = measures_file(plan.row)
    listed = ", ".join(str(number) for number in sorted(numbers))
    with events.EventStore([], scratch=path.parent) as store:
        sql = f"SELECT account FROM {_file(path)} WHERE wave >= 1 AND combination IN ({listed})"
        return set(store.column(sql))


def _file(path: Path) -> str:
    return f"read_parquet({events.quoted(str(path.resolve()))})"


def _row(fact: DoneFact) -> tuple[Any, ...]:
    return (
        ids.new_id(), fact.account, fact.kind.value, fact.done_at, fact.by.value, fact.source, fact.platform,
        fact.client_version, fact.reference,
    )  # fmt: skip


def _leaves(cursor: Any, *, kinds: dict[str, int]) -> Iterator[bytes]:
    """Yield the new rows as canonical JSON in the order of their key, the leaves of the batch's root; count kinds."""
    cursor.execute(_NEW)
    while rows := cursor.fetchmany(_READ_AT_ONCE):
        for row in rows:
            kinds[row[1]] = kinds.get(row[1], 0) + 1
            yield json.dumps(row, separators=(",", ":"), ensure_ascii=True).encode()


def _about(plans: Sequence[Counting]) -> str:
    return f"containment_plan:{plans[0].row.id}" if len(plans) == 1 else "containment"
