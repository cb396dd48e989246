"""Small logs written as real segments, and scopes drafted from them by the real store."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tocsin.detections.values import AccountRole, Detection, Kind, Lead, ScopeHint, SuspectType
from tocsin.events import queries
from tocsin.events.values import COLUMNS, Gap, SourceRead
from tocsin.scopes.queries import draft_scope
from tocsin.scopes.values import Certainty, ScopeDraft

HOUR = 3_600_000
START = 1_700_006_400_000  # 2023-11-15T00:00:00Z
ATTACK = START + 12 * HOUR
OFFENDER = {
    "src_endpoint_ip": "203.0.113.66",
    "src_network": "203.0.113.0/24",
    "user_agent": "python",
    "src_country": "RU",
}
HOME = {"src_endpoint_ip": "198.51.100.7", "src_network": "198.51.100.0/24", "user_agent": "app", "src_country": "FR"}
OFFICE = {"src_endpoint_ip": "192.0.2.10", "src_network": "192.0.2.0/24", "user_agent": "tool", "src_country": "SE"}


@dataclass
class Logs:
    """Events by hand; what is left out of one is a customer's successful read in the product's log."""

    folder: Path
    opened: ExitStack
    events: list[dict[str, Any]] = field(default_factory=list)
    detections: list[Detection] = field(default_factory=list)
    drafts: int = 0
    store: queries.EventStore | None = None

    def add(self, ts: int, **columns: Any) -> None:
        """Write one event."""
        usual = {
            "source_id": "product", "format": "app_json", "class_uid": 6003, "activity_id": 2, "status_id": 1,
            "line": len(self.events) + 1,
        }  # fmt: skip
        self.events.append({**usual, "ts": ts, **columns})

    def login(self, ts: int, account: str, *, success: bool = True, **columns: Any) -> None:
        """Write one sign-in."""
        self.add(
            ts, account=account, class_uid=3002, activity_id=1, status_id=1 if success else 2,
            **{"source_id": "auth", **columns},
        )  # fmt: skip

    def staff_read(self, ts: int, person: str, owner: str, **columns: Any) -> None:
        """Write one look at a customer's record in the internal tools."""
        usual = {
            "source_id": "tools", "format": "tools_json", "actor_type": "staff", "actor_user_uid": person,
            "account": person, "object_type": "customer", "object_id": owner, "object_owner": owner,
            "data_category": "profile",
        }  # fmt: skip
        self.add(ts, **{**usual, **columns})

    def every_hour(self, **columns: Any) -> None:
        """Let a stream speak every five minutes of the day, as an ordinary product does."""
        for tick in range(0, 24 * HOUR, HOUR // 12):
            self.add(START + tick, **columns)

    def detect(
        self, kind: Kind, suspect_type: SuspectType, suspect: str, *, where: str, first_ts: int = ATTACK,
        last_ts: int = ATTACK + HOUR, **hint: Any,
    ) -> Detection:  # fmt: skip
        """Raise one detection whose evidence is the events under ``where``."""
        found = Detection(
            uid=f"d{len(self.detections)}", rule_id=kind.value, rule_version=1, rule_title=f"Rule of {kind.value}",
            kind=kind, lead="lead", suspect_type=suspect_type, suspect=suspect, severity="high", score=80.0,
            first_ts=first_ts, last_ts=last_ts, events=0, reasons=(), parameters={},
            evidence_sql=f"SELECT * FROM events WHERE {where}", scope=ScopeHint(**hint),
        )  # fmt: skip
        self.detections.append(found)
        return found

    def draft(self, *, sources: Sequence[SourceRead] | None = None, **options: Any) -> ScopeDraft:
        """Seal the events, open them and draft the scope."""
        self.drafts += 1
        folder = self.folder / str(self.drafts)
        _seal(folder / "events", self.events)
        self.store = self.opened.enter_context(queries.open_events(folder, scratch=folder / "scratch"))
        read = sources if sources is not None else self.sources()
        found = queries.gaps(self.store, sources=tuple(read))
        gaps: tuple[Gap, ...] = options.pop("gaps", found)
        first_ts = min((each.first_ts for each in self.detections), default=0)
        last_ts = max((each.last_ts for each in self.detections), default=0)
        leads = (Lead("lead", tuple(each.uid for each in self.detections), first_ts, last_ts),)
        return draft_scope(self.store, detections=self.detections, leads=leads, sources=read, gaps=gaps, **options)

    def sources(self, *, rejected: int = 0) -> list[SourceRead]:
        """Return one source per ``source_id``, with ``rejected`` lines in each."""
        named = sorted({event["source_id"] for event in self.events})
        lines = len(self.events)
        return [
            SourceRead(name, f"/logs/{name}.log", "", 0, "app_json", "", lines + rejected, lines, rejected)
            for name in named
        ]


def _seal(folder: Path, events: Sequence[dict[str, Any]]) -> None:
    folder.mkdir(parents=True)
    with duckdb.connect() as connection:
        connection.execute(f"CREATE TABLE e ({', '.join(f'{column.name} {column.type}' for column in COLUMNS)})")
        if events:
            picked = ", ".join(f"unnest(${column.name}::{column.type}[])" for column in COLUMNS)
            columns = {column.name: [event.get(column.name) for event in events] for column in COLUMNS}
            connection.execute(f"INSERT INTO e SELECT {picked}", columns)
        connection.execute(f"COPY e TO '{folder}/part-00001.parquet' (FORMAT parquet)")


def certainties(draft: ScopeDraft) -> dict[str, str]:
    """Return account -> certainty."""
    return {account.account: account.certainty.value for account in draft.accounts}


def roles(draft: ScopeDraft) -> dict[str, str]:
    """Return account -> role."""
    return {account.account: account.role.value for account in draft.accounts}


def confirmed(draft: ScopeDraft) -> set[str]:
    """Return the accounts that are confirmed and not the attacker's."""
    return {
        account.account
        for account in draft.accounts
        if account.certainty is Certainty.CONFIRMED and account.role is not AccountRole.ATTACKER
    }


@pytest.fixture
def make_logs(tmp_path: Path) -> Iterator[Callable[[], Logs]]:
    """Return a function that begins an empty log; a property test calls it once per example."""
    with ExitStack() as opened:
        made: list[Logs] = []

        def make() -> Logs:
            made.append(Logs(tmp_path / f"logs{len(made)}", opened))
            return made[-1]

        yield make


@pytest.fixture
def logs(make_logs: Callable[[], Logs]) -> Logs:
    """Return one empty log."""
    return make_logs()
