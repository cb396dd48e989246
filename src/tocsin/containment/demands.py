"""What a plan's combinations ask for, and which client versions meet it: what facts are held against."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from tocsin.containment.states import PlanState
from tocsin.containment.values import GATE, MeasureKind
from tocsin.kernel import clock
from tocsin.kernel.loading import lazily
from tocsin_gate.versions import version_key

models = lazily("tocsin.containment.models")

# Facts count from the approval on: somebody who changes the password before the first wave has done it all the same.
COUNTING = (PlanState.APPROVED, PlanState.RUNNING, PlanState.PAUSED)
OF_CLIENTS = frozenset({MeasureKind.UPDATE_CLIENT, MeasureKind.RETIRE_CLIENT})
GRACE_SETTING = "old_password_grace_minutes"
HEARD_SECONDS = 3600.0  # a gate that said nothing for longer is taken to be gone


@dataclass(frozen=True, slots=True)
class Demand:
    """One measure of one combination. ``systems`` are the connected ones; ``gated``: the gate enforces it too."""

    plan_id: str
    combination: int
    kind: MeasureKind
    platform: str
    version_min: str
    client: str
    systems: tuple[str, ...]
    gated: bool
    grace_minutes: float


@dataclass(frozen=True, slots=True)
class Counting:
    """A plan that facts count for, the gate's epoch in force that holds it, and since when every gate enforces it."""

    row: Any
    epoch: int | None
    enforced_at: datetime | None

    @property
    def gated(self) -> bool:
        return self.epoch is not None


def counting(number: int | None = None) -> list[Counting]:
    """Return the plans that facts count for: one by its number, or all."""
    rows = models.ContainmentPlan.objects.filter(state__in=COUNTING)
    if number is not None:
        rows = rows.filter(number=number)
    epochs = list(models.GateEpoch.objects.order_by("number"))
    heard = clock.now() - timedelta(seconds=HEARD_SECONDS)
    enforced = list(models.GateSeen.objects.filter(seen_at__gte=heard).values_list("epoch", flat=True))
    return [
        Counting(
            row=row,
            epoch=epochs[-1].number if epochs and row.number in epochs[-1].plans else None,
            enforced_at=_enforced_at(row, epochs=epochs, least=min(enforced, default=0)),
        )
        for row in rows.prefetch_related("waves").order_by("number")
    ]


def _enforced_at(row: Any, *, epochs: Sequence[Any], least: int) -> datetime | None:
    """Return since when a list with all begun waves of a plan is enforced by every gate that was heard of lately."""
    begun = [wave.begun_at for wave in row.waves.all() if wave.begun_at is not None]
    last_at = max(begun, default=None)
    held = next((e for e in epochs if last_at and e.made_at >= last_at and row.number in e.plans), None)
    return held.made_at if held and held.number <= least else None


def demands(plans: Iterable[Counting]) -> list[Demand]:
    """Return every demand of every combination of these plans; ``none`` asks for nothing."""
    graces = _graces()
    return [
        _demand(each.row, number=number, measure=measure, combination=combination, graces=graces)
        for each in plans
        for number, combination in enumerate(each.row.combinations)
        for measure in combination["measures"]
        if measure["kind"] != MeasureKind.NONE
    ]


def _demand(
    row: Any, *, number: int, measure: Mapping[str, str], combination: Mapping[str, Any], graces: Mapping[str, float]
) -> Demand:
    kind = MeasureKind(measure["kind"])
    systems = tuple(combination.get("systems", {}).get(kind.value, ()))
    connected = tuple(name for name in systems if name != GATE)
    return Demand(
        plan_id=str(row.id),
        combination=number,
        kind=kind,
        platform=measure.get("platform", "").lower(),
        version_min=measure.get("version_min", ""),
        client=measure.get("client", ""),
        systems=connected,
        gated=GATE in systems,
        grace_minutes=max((graces.get(name, 0.0) for name in connected), default=0.0),
    )


def _graces() -> dict[str, float]:
    """Return how long each connected system goes on taking the old password: Active Directory does for an hour."""
    rows = models.ConnectedSystem.objects.filter(removed_at__isnull=True).values_list("name", "settings")
    return {name: float(settings.get(GRACE_SETTING) or 0) for name, settings in rows}


def recent_enough(asked: Iterable[Demand], *, versions: Iterable[str]) -> list[tuple[str, str]]:
    """Return (least version, version) for every version that meets it; what is no version meets nothing.

    The comparison is the gate's own, so that what the gate lets pass and what counts as done cannot differ.
    """
    keys = {version: version_key(version) for version in versions}
    least = {demand.version_min: version_key(demand.version_min) for demand in asked if demand.version_min}
    return [
        (minimum, version)
        for minimum, bound in sorted(least.items())
        for version, key in sorted(keys.items())
        if key is not None and bound is not None and key >= bound
    ]
