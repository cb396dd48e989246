"""What the gate's list is made from: the plans in force, what each of their combinations asks, what has changed."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from django.db import connection

from tocsin.containment.drawing import measures_file
from tocsin.containment.gate_demands import DONE_BY_CHANGE, NOTHING, Demands, GateRule, demands_of, without
from tocsin.containment.plans import waves_of
from tocsin.containment.policy import KEPT_DAYS
from tocsin.containment.states import PlanState, StepState, WaveState
from tocsin.containment.values import GATE, Measure, MeasureKind
from tocsin.kernel import clock
from tocsin.kernel.loading import lazily

models = lazily("tocsin.containment.models")

IN_FORCE = (PlanState.RUNNING, PlanState.PAUSED)
# What outlives a closed plan: suspensions, what is asked of tokens and clients of before, and rules for everybody.
COUNTED = (*IN_FORCE, PlanState.CLOSED)
LIFTED = (StepState.UNDONE, StepState.EXEMPT)
LIFTED_WORD = "lifted"
# Clocks of two machines differ a little, and a moment is taken shortly before its transaction begins.
OVERLAP = timedelta(seconds=10)


@dataclass(frozen=True, slots=True)
class Source:
    """A plan as the list sees it: its accounts lie in ``file``, those of waves up to ``wave`` are contained.

    ``asks`` is what each of its combinations asks at the gate; of a closed plan only what outlives it.
    """

    plan: int
    plan_id: str
    file: Path
    wave: int
    asks: tuple[Demands, ...]
    everyone: tuple[GateRule, ...]
    since_ms: int
    reference: str
    state: str

    def standing(self, *, combination: int, wave: int, state: str, done: Iterable[str]) -> Demands:
        """Return what is asked of an account that stands so in this plan."""
        if not 1 <= wave <= self.wave or state in LIFTED:
            return NOTHING
        return without(self.asks[combination], done=done_by_change(done))


def done_by_change(measures: Iterable[str]) -> frozenset[MeasureKind]:
    """Return those of the measures seen done that lift something at the gate; the others a request shows by itself."""
    return frozenset(kind for kind in DONE_BY_CHANGE if kind.value in set(measures))


def sources() -> list[Source]:
    """Return every plan that has something in the list, oldest first."""
    rows = models.ContainmentPlan.objects.filter(state__in=COUNTED).select_related("incident", "revision")
    found = [_source(row) for row in rows.defer("dry_run").prefetch_related("waves").order_by("number")]
    return [each for each in found if each.wave or each.everyone]


def _source(row: Any) -> Source:
    state = _state_of(row)
    since_ms = clock.to_ms(row.since_at)
    asks = tuple(_asks(each, since_ms=since_ms, state=state) for each in row.combinations)
    begun = [wave.number for wave in waves_of(row) if wave.state in (WaveState.BEGUN, WaveState.HELD)]
    return Source(
        plan=row.number, plan_id=str(row.id), file=measures_file(row),
        wave=max(begun, default=0) if any(asks) else 0, asks=asks,
        everyone=tuple(_rule(each) for each in row.policy.get("everyone", ())), since_ms=since_ms,
        reference=f"I{row.incident.number}-P{row.number}", state=state,
    )  # fmt: skip


def _state_of(row: Any) -> str:
    if row.state != PlanState.CLOSED:
        return "in_force"
    kept = timedelta(days=row.policy.get("kept_days", KEPT_DAYS))
    return "ended" if row.closed_at is None or clock.now() < row.closed_at + kept else "forgotten"


def _asks(combination: Mapping[str, Any], *, since_ms: int, state: str) -> Demands:
    systems = combination.get("systems", {})
    measures = [_measure(each) for each in combination["measures"] if GATE in systems.get(each["kind"], ())]
    # A token of before the containment time stays stolen when everybody is safe: only what a person does once ends.
    # When no such token can live any more, nothing is left but suspensions.
    left = {
        "in_force": set(MeasureKind),
        "ended": set(MeasureKind) - DONE_BY_CHANGE,
        "forgotten": {MeasureKind.SUSPEND},
    }
    kept = [each for each in measures if each.kind in left[state]]
    return demands_of(kept, since_ms=since_ms)


def _measure(said: Mapping[str, str]) -> Measure:
    named = {name: said.get(name) or "" for name in ("platform", "version_min", "client")}
    return Measure(kind=MeasureKind(said["kind"]), **named)


def _rule(said: Mapping[str, str]) -> GateRule:
    each = _measure(said)
    return GateRule(each.kind, platform=each.platform, version_min=each.version_min, client=each.client)


def made_from(found: Sequence[Source]) -> dict[str, str]:
    """Return what tells whether a list is still of these plans: plan number -> state and last begun wave."""
    return {str(each.plan): f"{each.state} {each.wave}" for each in found}


def looked_at_until() -> datetime:
    """Return the moment up to which a reading that begins now sees all progress.

    A transaction that still runs may bring in rows with an earlier moment; they are looked at again later.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT least(now(), min(xact_start)) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid() AND xact_start IS NOT NULL"
        )
        oldest: datetime = cursor.fetchone()[0]
    return min(oldest, clock.now()) - OVERLAP
