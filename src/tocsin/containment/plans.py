"""Plans as others see them: read from their rows, with their waves and the approvals of exactly their digest."""

from typing import Any

from tocsin.approvals import queries as approvals
from tocsin.approvals.values import Approval
from tocsin.containment.errors import NoSuchPlan
from tocsin.containment.states import PlanState, WaveState
from tocsin.containment.values import Plan, Wave
from tocsin.kernel.language import gettext as _
from tocsin.kernel.loading import lazily

models = lazily("tocsin.containment.models")

IN_FORCE = (PlanState.RUNNING, PlanState.PAUSED)


def plan(number: int) -> Plan:
    """Return the plan of this number; NoSuchPlan when there is none."""
    return plan_of(row(number))


def plans(incident: int | None = None) -> tuple[Plan, ...]:
    """Return every plan, or those of one incident, oldest first."""
    found = _related().order_by("number")
    return tuple(plan_of(each) for each in (found.filter(incident__number=incident) if incident else found))


def plans_in_force() -> tuple[Plan, ...]:
    """Return the plans that were begun and neither closed nor undone, oldest first."""
    return tuple(plan_of(each) for each in _related().filter(state__in=IN_FORCE).order_by("number"))


def row(number: int, *, locked: bool = False) -> Any:
    """Return the row of a plan; ``locked`` until the caller's transaction ends."""
    found = models.ContainmentPlan.objects.select_for_update(of=("self",)) if locked else _related()
    stored = found.filter(number=number).first()
    if stored is None:
        raise NoSuchPlan(
            _("There is no plan {number}.").format(number=number),
            mend=_("`tocsin contain show` lists those there are."),
        )
    return stored


def entry_about(stored: Any) -> str:
    """Return how approvals and the journal name a plan."""
    return f"containment_plan:{stored.id}"


def approvals_of(stored: Any) -> tuple[Approval, ...]:
    """Return the approvals of exactly the digest this plan has."""
    return approvals.approvals_of(entry_about(stored), digest=stored.digest)


def plan_of(stored: Any) -> Plan:
    """Return a row as others see it."""
    return Plan(
        id=stored.id, number=stored.number, incident=stored.incident.number, revision=stored.revision.number,
        policy_name=stored.policy_name, policy=stored.policy, state=PlanState(stored.state), since_at=stored.since_at,
        accounts=stored.accounts, measures_sha256=stored.measures_sha256, combinations=tuple(stored.combinations),
        dry_run=stored.dry_run, digest=stored.digest, drawn_at=stored.drawn_at, by=stored.by,
        by_staff_id=stored.by_staff_id, waves=tuple(wave_of(each) for each in waves_of(stored)),
        approvals=approvals_of(stored), emergency_reason=stored.emergency_reason, started_at=stored.started_at,
        paused_reason=stored.paused_reason, closed_at=stored.closed_at,
        follows=stored.follows.number if stored.follows else None,
    )  # fmt: skip


def waves_of(stored: Any) -> list[Any]:
    """Return the rows of a plan's waves, the first one first."""
    return sorted(stored.waves.all(), key=lambda each: each.number)


def wave_of(stored: Any) -> Wave:
    """Return a wave as others see it."""
    return Wave(
        number=stored.number, share=stored.share, accounts=stored.accounts, state=WaveState(stored.state),
        begun_at=stored.begun_at, held_reason=stored.held_reason,
    )  # fmt: skip


def _related() -> Any:
    return models.ContainmentPlan.objects.select_related("incident", "revision", "follows").prefetch_related("waves")
