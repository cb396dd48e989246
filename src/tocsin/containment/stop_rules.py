"""What holds the next wave: counts of what the contained accounts do, against the policy's limits."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from tocsin.containment import plans
from tocsin.containment.policy import StopRules
from tocsin.containment.states import WaveState
from tocsin.containment.values import LiftReason, MinuteSeen, StopRule, Watched
from tocsin.kernel.loading import lazily

django_models = lazily("django.db.models")
models = lazily("tocsin.containment.models")

# Accounts that were contained and need not have been; whoever left the scope was not troubled by a mistake of ours.
_NEEDLESS = (LiftReason.UNDONE, LiftReason.APPEAL_UPHELD)


def keep_minutes(stored: Any, *, source: str, minutes: Sequence[MinuteSeen]) -> None:
    """Keep what a source tells of each minute; telling it again replaces it."""
    latest = {each.at.replace(second=0, microsecond=0): each for each in minutes}
    models.ContainmentMinute.objects.bulk_create(
        [
            models.ContainmentMinute(
                plan=stored, source=source, at=at, sign_ins=e.sign_ins, failures=e.failures, resets=e.resets
            )
            for at, e in sorted(latest.items())
        ],
        update_conflicts=True,
        unique_fields=["plan", "source", "at"],
        update_fields=["sign_ins", "failures", "resets"],
    )


def watching(number: int) -> tuple[Watched, ...]:
    """Return every stop rule of a plan with what is counted now."""
    return watched(plans.row(number))


def watched(stored: Any) -> tuple[Watched, ...]:
    """Return every stop rule with what is counted since the plan began, or a person resumed it.

    - failed sign-ins: failures / accounts in begun waves
    - resets: the most in one minute, all sources together
    - complaints: appeals made / accounts in begun waves
    - collateral: accounts let out because they need not have been contained / accounts in begun waves
    """
    rules = StopRules(**stored.policy["stop"])
    begun = [wave.number for wave in stored.waves.all() if wave.state != WaveState.WAITING]
    contained = sum(wave.accounts for wave in stored.waves.all() if wave.number in begun)
    since_at: datetime | None = stored.watched_since_at
    if not contained or since_at is None:
        return tuple(Watched(rule, 0.0, getattr(rules, rule.value)) for rule in StopRule)
    minutes = models.ContainmentMinute.objects.filter(
        plan_id=stored.id, at__gte=since_at.replace(second=0, microsecond=0)
    )
    failures = minutes.aggregate(n=django_models.Sum("failures"))["n"] or 0
    resets = (
        minutes.values("at").annotate(n=django_models.Sum("resets")).aggregate(most=django_models.Max("n"))["most"] or 0
    )
    complaints = models.ContainmentAppeal.objects.filter(plan_id=stored.id, made_at__gte=since_at).count()
    lifted = models.ContainmentProgress.objects.filter(plan_id=stored.id, wave__in=begun, state_at__gte=since_at)
    needless = sum(lifted.filter(reason__startswith=reason).count() for reason in _NEEDLESS)
    values = {
        StopRule.FAILED_SIGN_INS: failures / contained,
        StopRule.RESETS: float(resets),
        StopRule.COMPLAINTS: complaints / contained,
        StopRule.COLLATERAL: needless / contained,
    }
    return tuple(Watched(rule, values[rule], getattr(rules, rule.value)) for rule in StopRule)


def stopping(stored: Any) -> Watched | None:
    """Return the first stop rule whose limit is passed."""
    return next((each for each in watched(stored) if each.stops), None)
