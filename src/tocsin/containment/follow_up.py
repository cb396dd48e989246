"""Plans that follow others: what is in force already is not asked again, and who left the scope is released."""

import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from tocsin.containment import drawing
from tocsin.containment.matching import Earlier, ScopeRows
from tocsin.containment.states import PlanState, StepState
from tocsin.events.queries import EventStore, quoted
from tocsin.kernel.loading import lazily
from tocsin.scopes import queries as scopes
from tocsin.scopes.values import Revision

models = lazily("tocsin.containment.models")

SETTLED = (StepState.CLOSED, StepState.UNDONE, StepState.EXEMPT)
HOLDING = (PlanState.RUNNING, PlanState.PAUSED, PlanState.CLOSED)
NAMES_AT_ONCE = 50_000


def earlier_rows(incident: int) -> list[Any]:
    """Return the rows of the incident's plans that hold accounts, or held them until they were safe, oldest first."""
    found = models.ContainmentPlan.objects.filter(incident__number=incident, state__in=HOLDING)
    return list(found.order_by("number"))


def scope_rows(revision: Revision) -> ScopeRows:
    """Return what a plan on this revision is drawn from; its files are checked."""
    return ScopeRows(scopes.accounts_file(revision), scopes.principals(revision))


def held(earlier: Sequence[Any], *, since_at: datetime | None) -> list[Earlier]:
    """Return what each earlier plan holds still: not whom it let out, nor whom it wrote off when it was closed.

    A plan that believes tokens of before ``since_at`` does not hold what is asked of them now.
    """
    holding = [each for each in earlier if since_at is None or each.since_at >= since_at]
    return [
        Earlier(drawing.measures_file(each), tuple(each.combinations), left=_lifted(each), only=_safe(each))
        for each in holding
    ]


def stands_on(earlier: Sequence[Any]) -> list[list[int]]:
    """Return what a follow-up relies on: of each earlier plan its number, whom it let out, whom it wrote off."""
    return [[each.number, len(_lifted(each)), _written_off(each)] for each in earlier]


def contained_again(earlier: Sequence[Any], *, measures_sha256: str) -> int:
    """Return how many accounts a new plan contains that earlier plans let out: a person decided otherwise once."""
    names = sorted({name for each in earlier for name in _lifted(each)})
    with EventStore([], scratch=scopes.evidence_folder()) as store:
        store.load("lifted", {"account": "VARCHAR"}, [(name,) for name in names])
        file = quoted(str(scopes.evidence_path(measures_sha256).resolve()))
        return store.count(f"SELECT 1 FROM read_parquet({file}) SEMI JOIN lifted USING (account) WHERE wave >= 1")


def _lifted(stored: Any) -> tuple[str, ...]:
    found = models.ContainmentProgress.objects.filter(plan=stored, state__in=[StepState.UNDONE, StepState.EXEMPT])
    return tuple(found.order_by("account").values_list("account", flat=True))


def _safe(stored: Any) -> tuple[str, ...] | None:
    """Return whom a plan that was closed with somebody written off made safe; None: it holds everybody else too."""
    if not _written_off(stored):
        return None
    found = models.ContainmentProgress.objects.filter(plan=stored, state=StepState.CLOSED)
    return tuple(found.order_by("account").values_list("account", flat=True))


def _written_off(stored: Any) -> int:
    if stored.state != PlanState.CLOSED:
        return 0
    settled = models.ContainmentProgress.objects.filter(plan=stored, state__in=SETTLED).count()
    return max(0, int(stored.accounts) - int(settled))


def released(earlier: Sequence[Any], *, scope: ScopeRows) -> int:
    """Return how many accounts earlier plans hold that are in the scope no longer."""
    with EventStore([], scratch=scopes.evidence_folder()) as store:
        for each in earlier:
            _find_released(store, each, scope=scope)
        arms = [f"SELECT account FROM released_{each.number}" for each in earlier]
        return store.count(" UNION ".join(arms)) if arms else 0


def released_accounts(earlier: Any, *, scope: ScopeRows) -> Iterator[list[str]]:
    """Yield, in batches, the accounts one earlier plan holds that are in the scope no longer."""
    with EventStore([], scratch=scopes.evidence_folder()) as store:
        name = _find_released(store, earlier, scope=scope)
        store.temporary("numbered", f"SELECT account, row_number() OVER (ORDER BY account) - 1 AS n FROM {name}")
        for start in range(0, store.count("SELECT 1 FROM numbered"), NAMES_AT_ONCE):
            yield store.column(
                "SELECT account FROM numbered WHERE n >= $start AND n < $end ORDER BY n",
                {"start": start, "end": start + NAMES_AT_ONCE},
            )


def rows_of(accounts: Sequence[str], *, reason: str) -> list[tuple[str, str]]:
    """Return accounts as the journal keeps a batch: each with its reason, about its person."""
    return [(json.dumps({"account": a, "reason": reason}, sort_keys=True), f"account:{a}") for a in accounts]


def _find_released(store: EventStore, earlier: Any, *, scope: ScopeRows) -> str:
    """Make the table of whom one plan holds although the scope does not, without those it let out; return its name."""
    file = quoted(str(drawing.measures_file(earlier).resolve()))
    scope.load(store)
    store.load(f"lifted_{earlier.number}", {"account": "VARCHAR"}, [(name,) for name in _lifted(earlier)])
    store.temporary(
        f"released_{earlier.number}",
        f"SELECT account FROM read_parquet({file}) AS held ANTI JOIN ({scope.sql}) AS scope USING (account) "
        f"ANTI JOIN lifted_{earlier.number} USING (account) WHERE held.wave >= 1",
    )
    return f"released_{earlier.number}"
