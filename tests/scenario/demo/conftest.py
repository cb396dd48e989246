"""Demo scenarios played once each: simulated, investigated as the door would, and kept for every question about them."""

import csv
import fcntl
import gzip
import json
import os
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest

from tocsin import story, wiring
from tocsin.events import queries as events
from tocsin.rehearsals import commands as rehearsals
from tocsin.rehearsals.values import ScenarioName, Simulated
from tocsin.reports.values import Investigation

LINES = 60_000


@dataclass
class Played:
    """One scenario with its truth and what the investigation said of it."""

    made: Simulated
    truth: dict[str, Any]
    investigation: Investigation
    findings: Path

    @cached_property
    def affected(self) -> dict[str, dict[str, str]]:
        with (self.findings / "affected.csv").open(newline="") as handle:
            return {row["account"]: row for row in csv.DictReader(handle)}

    @cached_property
    def objects(self) -> list[dict[str, str]]:
        with (self.findings / "objects.csv").open(newline="") as handle:
            return list(csv.DictReader(handle))

    @cached_property
    def summary(self) -> dict[str, Any]:
        return json.loads((self.findings / "summary.json").read_text())

    def accounts(self, certainty: str) -> set[str]:
        """Return the customers' accounts of one certainty; the intruder's own are not among them."""
        return {
            name for name, row in self.affected.items() if row["certainty"] == certainty and row["role"] != "attacker"
        }

    def listed(self, name: str) -> set[str]:
        """Return the accounts of a file beside the truth."""
        with (self.made.truth.parent / name).open(newline="") as handle:
            return {row["account"] for row in csv.DictReader(handle)}

    @cached_property
    def named_in_evidence(self) -> list[tuple[str, int, int, set[str]]]:
        """Return, per detection, its kind, its window and every name that occurs in the events it counted."""
        found = []
        with events.open_events(self.findings) as store:
            for each in self.investigation.detections:
                rows = store.rows(
                    "SELECT DISTINCT account, src_endpoint_ip, actor_user_uid, actor_user_name "
                    f"FROM ({each.evidence_sql.rstrip().rstrip(';')})"
                )
                names = {value for row in rows for value in row.values() if value is not None}
                found.append((each.kind.value, each.first_ts, each.last_ts, names | {each.suspect}))
        return found


def _investigate(made: Simulated, *, logs: Path, findings: Path) -> Played:
    investigation = story.investigate(
        [logs], out=findings, formats=wiring.formats(), question=story.Question(accounts=made.accounts)
    )
    return Played(made, json.loads(made.truth.read_text()), investigation, findings)


@pytest.fixture(scope="session")
def play(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Played]:
    """Return a function that plays (scenario, seed), once for all workers of a run: whoever asks first plays it."""
    own = tmp_path_factory.getbasetemp()
    shared = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "played"
    shared.mkdir(exist_ok=True)
    kept: dict[tuple[str, int], Played] = {}

    def play_once(scenario: str, seed: int) -> Played:
        if (scenario, seed) not in kept:
            folder = shared / f"{scenario}-{seed}"
            with folder.with_suffix(".lock").open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                kept[scenario, seed] = _played_in(folder, scenario, seed)
        return kept[scenario, seed]

    return play_once


def _played_in(folder: Path, scenario: str, seed: int) -> Played:
    outcome = folder / "played.pickle"
    if not outcome.exists():
        made = rehearsals.simulate(
            ScenarioName(scenario), folder=folder, lines=LINES, seed=seed, progress=lambda _: None
        )
        outcome.write_bytes(pickle.dumps(_investigate(made, logs=made.logs, findings=folder / "findings")))
    return pickle.loads(outcome.read_bytes())


@pytest.fixture
def without_hour(tmp_path: Path) -> Callable[..., Played]:
    """Return a function that investigates a played scenario again, with one hour cut out of some streams' logs."""

    def cut(played: Played, *, first_ts: int, streams: tuple[str, ...]) -> Played:
        logs = tmp_path / "logs"
        logs.mkdir()
        for path in sorted(played.made.logs.iterdir()):
            if path.name.startswith(streams):
                _copy_without(path, logs / path.name, first_ts=first_ts, last_ts=first_ts + 3_600_000)
            else:
                (logs / path.name).symlink_to(path)
        return _investigate(played.made, logs=logs, findings=tmp_path / "findings")

    return cut


def _copy_without(source: Path, target: Path, *, first_ts: int, last_ts: int) -> None:
    opened = gzip.open if source.suffix == ".gz" else open
    with opened(source, "rt", encoding="utf-8") as lines, opened(target, "wt", encoding="utf-8") as kept:
        kept.writelines(line for line in lines if not first_ts <= _time_of(line) < last_ts)


def _time_of(line: str) -> int:
    """Read the stamp of a JSON line (its first value) or of a combined line (in brackets), in epoch milliseconds."""
    if line.startswith("{"):
        moment = datetime.fromisoformat(line.split('"', 4)[3])
    else:
        moment = datetime.strptime(line.split("[", 1)[1].split("]", 1)[0], "%d/%b/%Y:%H:%M:%S %z")
    return round(moment.astimezone(UTC).timestamp() * 1000)
