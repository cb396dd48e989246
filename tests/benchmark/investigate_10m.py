"""Ten million JSON lines from bytes to report, against DuckDB's bare parse of the same files in the same run.

    python -m tests.benchmark.investigate_10m [--lines 10000000] [--seed 1] [--folder DIR] [--record FILE]

Both run as processes of their own with two threads. Wall time, CPU time and peak resident memory are the kernel's
(``wait4``). The bare parse is ``read_json`` with every column of every stream, nothing written: the least that any
reader of these files has to do. The ratio is of CPU seconds, because it holds on a busy machine too.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic

import duckdb

from tocsin.rehearsals import commands as rehearsals
from tocsin.rehearsals.values import ScenarioName

# Of the simulated lines, the share that is JSON (the rest is the web site's nginx log, which is left out here).
JSON_SHARE = 0.78
THREADS = 2
INVESTIGATE = "from tocsin.project.main import main; main()"


@dataclass(frozen=True, slots=True)
class Cost:
    """What one process took; memory is its peak, in MiB."""

    wall_seconds: float
    cpu_seconds: float
    peak_mib: float


def run(arguments: list[str], *, expected: tuple[int, ...], environment: dict[str, str]) -> Cost:
    """Run a process to its end and return what the kernel says it took."""
    began = monotonic()
    child = subprocess.Popen(arguments, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _pid, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode not in expected:
        raise SystemExit(f"{arguments[:4]} ended with {child.returncode}")
    scale = 1024 if sys.platform == "darwin" else 1
    return Cost(monotonic() - began, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024 / scale)


def parse(folder: Path) -> int:
    """Read every column of every stream of JSON lines with DuckDB and return the number of lines."""
    streams: dict[str, list[str]] = defaultdict(list)
    for path in sorted(folder.glob("*.jsonl")):
        streams[path.name.rsplit("-", 4)[0]].append(str(path))
    with duckdb.connect() as connection:
        connection.execute(f"SET threads = {THREADS}")
        lines = 0
        for files in streams.values():
            names = [
                row[0] for row in connection.execute("DESCRIBE FROM read_json($files)", {"files": files}).fetchall()
            ]
            # Each column is counted, so that none of them can be skipped.
            counted = ", ".join(f'count("{name}")' for name in names)
            row = connection.execute(f"SELECT count(*), {counted} FROM read_json($files)", {"files": files}).fetchone()
            lines += row[0]
    return lines


def measure(*, lines: int, seed: int, folder: Path) -> dict[str, object]:
    """Simulate, parse barely, investigate; return what is to be recorded."""
    began = monotonic()
    asked = min(round(lines / JSON_SHARE), 100_000_000)
    made = rehearsals.simulate(ScenarioName.STUFFING, folder=folder, lines=asked, seed=seed, progress=lambda _: None)
    for path in made.logs.glob("*.log.gz"):
        path.unlink()
    simulated = monotonic() - began
    size = sum(path.stat().st_size for path in made.logs.iterdir())
    environment = os.environ | {"TOCSIN_HOME": str(folder / "home"), "TOCSIN_LANG": "en"}
    bare = run([sys.executable, "-m", __spec__.name, "--parse", str(made.logs)], expected=(0,), environment=environment)
    out = folder / "findings"
    asked_of_it = ["investigate", str(made.logs), "--out", str(out), "--threads", str(THREADS)]
    whole = run([sys.executable, "-c", INVESTIGATE, *asked_of_it], expected=(0, 10), environment=environment)
    summary = json.loads((out / "summary.json").read_text())
    return {
        "lines": summary["lines"],
        "gigabytes": size / 1e9,
        "rejected": summary["rejected"],
        "detections": sum(summary["detections"].values()),
        "simulated_seconds": simulated,
        "bare": bare,
        "whole": whole,
        "load": os.getloadavg()[0],
    }


def recorded(found: dict[str, object], *, command: str) -> str:
    """Return the Markdown of one measurement."""
    bare, whole = found["bare"], found["whole"]
    assert isinstance(bare, Cost)
    assert isinstance(whole, Cost)
    rows = [("DuckDB, bare parse (`read_json`, all columns)", bare), ("`tocsin investigate`, bytes to report", whole)]
    table = "\n".join(
        f"| {name} | {cost.wall_seconds:,.1f} | {cost.cpu_seconds:,.1f} | {cost.peak_mib:,.0f} |" for name, cost in rows
    )
    return (
        f"## {datetime.now(UTC):%Y-%m-%d}: {found['lines']:,} JSON lines, {found['gigabytes']:.2f} GB\n\n"
        f"`{command}`, DuckDB {duckdb.__version__}, Python {sys.version.split()[0]}, {os.cpu_count()} cores, "
        f"{THREADS} threads, load average at the end {found['load']:.1f}.\n\n"
        "| | wall, s | CPU, s | peak memory, MiB |\n|---|---:|---:|---:|\n" + table + "\n\n"
        f"Ratio of CPU time: **{whole.cpu_seconds / bare.cpu_seconds:.1f}** "
        f"(wall: {whole.wall_seconds / bare.wall_seconds:.1f}). "
        f"{found['rejected']:,} lines rejected, {found['detections']:,} detections; "
        f"simulating the logs took {found['simulated_seconds']:,.0f} s.\n"
    )


def main() -> None:
    """Measure and print; with ``--record FILE`` append to that file as well."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lines", type=int, default=10_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--folder", type=Path, help="where to work; needs about 700 bytes a line; default: a temporary one"
    )
    parser.add_argument("--record", type=Path)
    parser.add_argument("--parse", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.parse:
        print(parse(given.parse))
        return
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        found = measure(lines=given.lines, seed=given.seed, folder=Path(folder))
    text = recorded(
        found, command=f"python -m tests.benchmark.investigate_10m --lines {given.lines} --seed {given.seed}"
    )
    print(text)
    if given.record:
        with given.record.open("a", encoding="utf-8") as handle:
            handle.write("\n" + text)


if __name__ == "__main__":
    main()
