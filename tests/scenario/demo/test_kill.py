"""An investigation killed at any moment, then run again: nothing is lost, nothing is double."""

import json
import os
import random
import signal
import subprocess
import sys
from pathlib import Path
from time import monotonic

import pytest

from tocsin.events import queries as events
from tocsin.events.values import COLUMN_NAMES
from tocsin.rehearsals import commands as rehearsals
from tocsin.rehearsals.values import LINES_MIN, ScenarioName

FAULTS = int(os.environ.get("TOCSIN_FAULTS", "5"))
SEED = 20_140_527
RUN = "from tocsin.project.main import main; main()"


class Runs:
    """The same investigation, run as a process of its own as often as asked, with one key for its hashes."""

    def __init__(self, folder: Path) -> None:
        made = rehearsals.simulate(
            ScenarioName.STUFFING, folder=folder, lines=LINES_MIN, seed=7, progress=lambda _: None
        )
        self.logs = made.logs
        self.environment = os.environ | {"TOCSIN_HOME": str(folder / "home"), "TOCSIN_LANG": "en"}
        began = monotonic()
        assert self.finish(folder / "undisturbed") == 10
        self.seconds = monotonic() - began
        self.undisturbed = told(folder / "undisturbed")

    def start(self, out: Path) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-c", RUN, "investigate", str(self.logs), "--out", str(out)],
            env=self.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def finish(self, out: Path) -> int:
        return self.start(out).wait(timeout=600)


def told(out: Path) -> dict[str, object]:
    """Return everything an investigation says that does not depend on when it ran."""
    summary = json.loads((out / "summary.json").read_text())
    del summary["seconds"], summary["aware_ts"]  # how long it took, and when it was first known
    with events.open_events(out) as store:
        row = ", ".join(COLUMN_NAMES)
        counted = store.one(f"SELECT count(*) AS n, bit_xor(hash({row})) AS digest FROM events")
    files = {name: (out / name).read_text() for name in ("detections.jsonl", "affected.csv", "objects.csv")}
    return {**summary, "events": counted, **files}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    return Runs(tmp_path_factory.mktemp("killed"))


@pytest.mark.timeout(0)
@pytest.mark.parametrize("number", range(FAULTS))
def test_after_a_kill_at_any_moment_the_next_run_says_what_an_undisturbed_one_says(runs, tmp_path, number):
    moment = random.Random(f"{SEED}/{number}").uniform(0.02, 1.0) * runs.seconds
    running = runs.start(tmp_path / "out")
    try:
        running.wait(timeout=moment)
    except subprocess.TimeoutExpired:
        running.send_signal(signal.SIGKILL)
        running.wait(timeout=60)
    assert runs.finish(tmp_path / "out") == 10
    found = told(tmp_path / "out")
    differing = {name: (found.get(name), said) for name, said in runs.undisturbed.items() if found.get(name) != said}
    assert differing == {}
    assert found.keys() == runs.undisturbed.keys()
