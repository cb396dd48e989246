"""What is not done yet, and why: the honest rest of a plan."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db import connection

from tocsin.containment import plans
from tocsin.containment.drawing import measures_file
from tocsin.containment.states import StepState
from tocsin.containment.values import MeasureKind, OpenReason
from tocsin.events import queries as events
from tocsin.kernel.loading import lazily

models = lazily("tocsin.containment.models")

OPEN = (StepState.PLANNED, StepState.DONE)  # done: by the person, while a connected system has not shown it yet
BREACHES = (OpenReason.OLD_SESSION_ACTIVE, OpenReason.SUSPENDED_ACTING)
_Place = tuple[int, str, int]  # wave, platform, combination
_COUNTED = """
SELECT state, reason, wave, platform, combination, measures, count(*) FROM (
    SELECT *, ARRAY(SELECT jsonb_object_keys(measures_done) ORDER BY 1) AS measures
    FROM tocsin_containmentprogress WHERE plan_id = %s
) each_account GROUP BY 1, 2, 3, 4, 5, 6 ORDER BY 1, 2, 3, 4, 5, 6
"""


@dataclass(frozen=True, slots=True)
class ProgressCount:
    """How many accounts with progress stand in one state; ``reason`` says why they are open."""

    state: StepState
    reason: str
    wave: int
    platform: str
    combination: int
    measures_done: tuple[str, ...]
    accounts: int


@dataclass(frozen=True, slots=True)
class ResidueLine:
    """How many accounts are open for one reason."""

    reason: OpenReason
    wave: int
    platform: str
    accounts: int


def progress_counts(number: int) -> tuple[ProgressCount, ...]:
    """Return where the accounts with progress stand, counted by everything a funnel is drawn from."""
    with connection.cursor() as cursor:
        cursor.execute(_COUNTED, [plans.row(number).id])
        return tuple(
            ProgressCount(StepState(state), reason, wave, platform, combination, tuple(measures), accounts)
            for state, reason, wave, platform, combination, measures, accounts in cursor.fetchall()
        )


def residue(number: int) -> tuple[ResidueLine, ...]:
    """Return every account that is neither safe nor let out, the most numerous reason first.

    Accounts of waves that have not begun are open for that reason, whatever they did meanwhile.
    """
    row = plans.row(number)
    begun = {wave.number for wave in plans.waves_of(row) if wave.begun_at is not None}
    unheard = _accounts_by_place(row)
    lines: Counter[tuple[OpenReason, int, str]] = Counter()
    for each in progress_counts(number):
        unheard[each.wave, each.platform, each.combination] -= each.accounts
        if each.state is StepState.APPEALED:
            lines[OpenReason.APPEALED, each.wave, each.platform] += each.accounts
        elif each.state in OPEN:
            # Whose appeal was rejected has no reason until their progress is worked out again.
            reason = OpenReason(each.reason or OpenReason.NOT_DONE) if each.wave in begun else OpenReason.WAVE_WAITING
            lines[reason, each.wave, each.platform] += each.accounts
    for (wave, platform, combination), accounts in unheard.items():
        if accounts:
            reason = _never_heard_of(row.combinations[combination]) if wave in begun else OpenReason.WAVE_WAITING
            lines[reason, wave, platform] += accounts
    ordered = sorted(lines.items(), key=lambda line: (-line[1], line[0]))
    return tuple(ResidueLine(*place, accounts=accounts) for place, accounts in ordered)


def _accounts_by_place(row: Any) -> Counter[_Place]:
    path = measures_file(row)
    with events.EventStore([], scratch=path.parent) as store:
        counted = store.rows(
            "SELECT wave, coalesce(platform, '') AS platform, combination, count(*) AS n "
            f"FROM read_parquet({events.quoted(str(path.resolve()))}) WHERE wave >= 1 GROUP BY ALL"
        )
    return Counter({(each["wave"], each["platform"], each["combination"]): int(each["n"]) for each in counted})


def _never_heard_of(combination: Mapping[str, Any]) -> OpenReason:
    """Return why an account without any progress is open: of the suspended, nothing but a reading back is awaited."""
    kinds = {measure["kind"] for measure in combination["measures"]}
    return OpenReason.SYSTEM_WAITING if kinds == {MeasureKind.SUSPEND.value} else OpenReason.NEVER_SEEN


def open_accounts(number: int, *, reason: OpenReason, limit: int = 100) -> tuple[str, ...]:
    """Return the first accounts that are open for a reason other than never having been heard of."""
    found = models.ContainmentProgress.objects.filter(plan=plans.row(number), state__in=OPEN, reason=reason)
    return tuple(found.order_by("account").values_list("account", flat=True)[:limit])
