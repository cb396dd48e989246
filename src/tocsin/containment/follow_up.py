"""Plans that follow others: what is in force already is not asked again, and who left the scope is released."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from tocsin.containment import drawing
from tocsin.containment.states import PlanState
from tocsin.events.queries import EventStore, quoted
from tocsin.kernel.loading import lazily
from tocsin.scopes import queries as scopes

models = lazily("tocsin.containment.models")

HOLDING = (PlanState.RUNNING, PlanState.PAUSED, PlanState.CLOSED)
NAMES_AT_ONCE = 50_000


def earlier_rows(incident: int) -> list[Any]:
    """Return the rows of the incident's plans that hold accounts, or held them until they were safe, oldest first."""
    found = models.ContainmentPlan.objects.filter(incident__number=incident, state__in=HOLDING)
    return list(found.order_by("number"))


def released(earlier: Sequence[Any], *, scope_sha256: str) -> int:
    """Return how many accounts earlier plans hold that are in the scope no longer."""
    with EventStore([], scratch=scopes.evidence_folder()) as store:
        return sum(store.count(_released_sql(each, scope_sha256=scope_sha256)) for each in earlier)


def released_accounts(earlier: Any, *, scope_sha256: str) -> Iterator[list[str]]:
    """Yield, in batches, the accounts one earlier plan holds that are in the scope no longer."""
    with EventStore([], scratch=scopes.evidence_folder()) as store:
        store.temporary("released", _released_sql(earlier, scope_sha256=scope_sha256))
        store.temporary("numbered", "SELECT account, row_number() OVER (ORDER BY account) - 1 AS n FROM released")
        for start in range(0, store.count("SELECT 1 FROM numbered"), NAMES_AT_ONCE):
            yield store.column(
                "SELECT account FROM numbered WHERE n >= $start AND n < $end ORDER BY n",
                {"start": start, "end": start + NAMES_AT_ONCE},
            )


def rows_of(accounts: Sequence[str], *, reason: str) -> list[tuple[str, str]]:
    """Return accounts as the journal keeps a batch: each with its reason, about its person."""
    return [(json.dumps({"account": a, "reason": reason}, sort_keys=True), f"account:{a}") for a in accounts]


def _released_sql(earlier: Any, *, scope_sha256: str) -> str:
    held = quoted(str(drawing.measures_file(earlier).resolve()))
    scope = quoted(str(scopes.evidence_path(scope_sha256).resolve()))
    return (
        f"SELECT account FROM read_parquet({held}) AS held ANTI JOIN read_parquet({scope}) AS scope USING (account) "
        "WHERE held.wave >= 1"
    )
