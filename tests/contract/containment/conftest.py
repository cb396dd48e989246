"""People, an incident with a scope, and plans on it."""

import hashlib
import os
from datetime import UTC, datetime
from typing import Any

import pytest

from tocsin.events.queries import EventStore
from tocsin.kernel import home
from tocsin.kernel.loading import lazily

models = lazily("tocsin.containment.models")
incident_models = lazily("tocsin.incidents.models")
scope_models = lazily("tocsin.scopes.models")


class Plans:
    """Makes running plans from combinations and accounts."""

    def __init__(self) -> None:
        self.numbers = iter(range(1, 99))

    def __call__(
        self, combinations: list[dict[str, Any]], accounts: dict[str, int], *,
        since: datetime = datetime(2026, 3, 2, 12, tzinfo=UTC), steps_made: bool = True, platform: str = "android",
        role: str = "victim",
    ) -> Any:  # fmt: skip
        number = next(self.numbers)
        sha256 = self.file(accounts, platform=platform, role=role)
        incident = incident_models.Incident.objects.create(
            number=number, title="x", severity="high", state="open", declared_at=since
        )
        revision = scope_models.ScopeRevision.objects.create(
            incident=incident, number=1, state="frozen", accounts_sha256=sha256, accounts=len(accounts), rows_root="",
            counts={}, sources=[], opened_at=since, by="x", assurance="signed", frozen_at=since, digest="d",
        )  # fmt: skip
        plan = models.ContainmentPlan.objects.create(
            number=number, incident=incident, revision=revision, policy_name="p", policy={"stop": {}}, state="running",
            since_at=since, accounts=len(accounts), measures_sha256=sha256, combinations=combinations, dry_run={},
            digest="d", drawn_at=since, by="x", assurance="signed", started_at=since,
        )  # fmt: skip
        models.ContainmentWave.objects.create(
            plan=plan, number=1, share=1.0, accounts=len(accounts), state="begun", begun_at=since,
            steps_made_at=since if steps_made else None,
        )  # fmt: skip
        return plan

    @staticmethod
    def file(accounts: dict[str, int], *, platform: str, role: str) -> str:
        folder = home.data_home() / "evidence"
        columns = {"account": "VARCHAR", "platform": "VARCHAR", "combination": "INTEGER", "wave": "SMALLINT"}
        with EventStore([], scratch=folder) as store:
            store.load("rows", columns, [(account, platform, number, 1) for account, number in accounts.items()])
            aside = folder / f"aside-{os.getpid()}"
            drawn = f"SELECT *, NULL::VARCHAR AS exempt, '{role}' AS role, 'confirmed' AS certainty FROM rows"
            store.copy_parquet(f"{drawn} ORDER BY account", aside)
        sha256 = hashlib.sha256(aside.read_bytes()).hexdigest()
        aside.rename(folder / sha256)
        return sha256


@pytest.fixture
def plans(rows: None) -> Plans:
    return Plans()
