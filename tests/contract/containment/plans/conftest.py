"""Frozen scopes written by hand, people with keys, and a connected system that only says what it can do."""

import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tocsin.containment import commands, policy_file
from tocsin.containment.ports import Abilities, Connector, Foreseen, Limits, Order
from tocsin.containment.values import MeasureKind, Plan
from tocsin.events.queries import EventStore, quoted
from tocsin.incidents import commands as incidents
from tocsin.incidents.values import Severity
from tocsin.journal.values import Assurance, Author
from tocsin.kernel import clock
from tocsin.kernel.loading import lazily
from tocsin.scopes import commands as scopes, queries as scope_queries

staff_models = lazily("tocsin.staff.models")
COLUMNS = ("account", "role", "certainty", "country", "first_at", "last_at", "data", "platform", "client_version",
           "reasons", "detections")  # fmt: skip

SIMPLE = """
policy: simple
rules:
  - {when: {role: attacker}, measures: [suspend], at_once: true}
  - {name: everybody, measures: [revoke_sessions, reauthenticate]}
"""


@dataclass
class Known:
    """A connected system that takes, undoes and reads back what it is told to."""

    name: str = "directory"
    takes: frozenset[MeasureKind] = frozenset({MeasureKind.REVOKE_SESSIONS, MeasureKind.RESET_PASSWORD})
    undoes: frozenset[MeasureKind] = frozenset()
    asked: list[Order] = field(default_factory=list)

    def abilities(self) -> Abilities:
        return Abilities(self.takes, self.undoes, self.takes, ("A flag is not enforcement.",))

    def limits(self) -> Limits:
        return Limits(per_second=10.0, at_once=50, calls_per_order=2, source="its manual")

    def plan(self, orders: Sequence[Order]) -> Foreseen:
        self.asked += orders
        return Foreseen(known=len(orders) - 1, absent=(orders[0].account,), absent_count=1, held_already=0, changes=0)


class Company:
    """One incident with its scope; each ``freeze`` makes the next revision."""

    def __init__(self, folder: Path, by: Author) -> None:
        self.folder, self.by, self.count = folder, by, 0
        self.incident = incidents.declare_incident("x", severity=Severity.HIGH, leads=(), facts=(), by=by).number

    def freeze(
        self, accounts: Sequence[dict[str, str]] | Sequence[str], *, frozen: bool = True, principals: Sequence[str] = ()
    ) -> Any:
        """Open a revision with these accounts (names, or columns) and freeze it."""
        self.count += 1
        folder = self.folder / f"out-{self.count}"
        folder.mkdir()
        usual = {"role": "victim", "certainty": "likely", "platform": "web", "reasons": "seen"}
        rows = [{"account": each} if isinstance(each, str) else each for each in accounts]
        with (folder / "affected.csv").open("w", newline="", encoding="utf-8") as handle:
            writer = csv.DictWriter(handle, COLUMNS)
            writer.writeheader()
            writer.writerows([{**usual, **row} for row in rows])
        if principals:
            named = "".join(f"{name}\n" for name in ("principal", *principals))
            (folder / "principals.csv").write_text(named, encoding="utf-8")
        revision = scopes.open_revision(self.incident, folder=folder, by=self.by)
        return scopes.freeze_scope(self.incident, by=self.by) if frozen else revision

    def draw(self, policy: str = SIMPLE, *, by: Author | None = None, **systems: Any) -> Plan:
        """Draw a plan with a policy's text."""
        known: dict[str, Connector] = systems
        read = policy_file.policy_of(policy, file=self.folder / "policy.yml")
        return commands.draw_plan(self.incident, policy=read, systems=known, by=by or self.by)


def drawn_rows(plan: Plan) -> dict[str, dict[str, Any]]:
    """Return the column file of a plan, by account."""
    path = scope_queries.evidence_path(plan.measures_sha256)
    with EventStore([], scratch=path.parent) as store:
        return {row["account"]: row for row in store.rows(f"SELECT * FROM read_parquet({quoted(str(path))})")}


@pytest.fixture
def person(rows: None) -> Callable[[str], Author]:
    """Return a function that enrols somebody and returns them, signing."""

    def enrolled(name: str) -> Author:
        key = Ed25519PrivateKey.generate()
        public = key.public_key().public_bytes_raw()
        row = staff_models.StaffMember.objects.create(
            name=name, public_key=public, kept_in="file", enrolled_at=clock.now()
        )
        return Author(name=name, assurance=Assurance.SIGNED, staff_id=row.id, public_key=public, sign=key.sign)

    return enrolled


@pytest.fixture
def drawer(person: Callable[[str], Author]) -> Author:
    return person("dora")


@pytest.fixture
def ann(person: Callable[[str], Author]) -> Author:
    return person("ann")


@pytest.fixture
def ben(person: Callable[[str], Author]) -> Author:
    return person("ben")


@pytest.fixture
def company(tmp_path: Path, drawer: Author) -> Company:
    return Company(tmp_path, drawer)


@pytest.fixture
def system() -> Known:
    return Known()


@pytest.fixture
def rows_of() -> Callable[[Plan], dict[str, dict[str, Any]]]:
    return drawn_rows


@pytest.fixture
def started(company: Company, drawer: Author, ann: Author, ben: Author) -> Callable[..., Plan]:
    """Return a function that draws, has two people approve, and starts."""

    def run(policy: str = SIMPLE, **options: Any) -> Plan:
        plan = company.draw(policy, **options.pop("systems", {}))
        for each in (ann, ben):
            commands.approve_plan(plan.number, typed_count=plan.accounts, by=each)
        return commands.start_plan(plan.number, by=drawer, **options)

    return run
