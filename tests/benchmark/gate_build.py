"""A list of forty million accounts from a CSV file to a signed snapshot: time, peak memory, bytes per account.

    python -m tests.benchmark.gate_build [--accounts 40000000] [--folder DIR] [--record FILE]

`tocsin gate build` runs as a process of its own; wall time, CPU time and peak resident memory are the kernel's
(``wait4``). CPU time over the cores is what a machine that does nothing else would take at best. Afterwards accounts
taken at random are checked with the gate's own reader, and as many strangers.
"""

import argparse
import os
import random
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic

import duckdb

from tocsin_gate import Gate

BUILD = "from tocsin.project.main import main; main()"
SINCE = "2026-03-02T12:00:00Z"
SAMPLE = 200_000
ACCOUNT = "'user-' || (i * 7919)::VARCHAR || '@example.com'"


def account(number: int) -> str:
    """Return an account of the file; those that are no multiple of 7919 are strangers."""
    return f"user-{number}@example.com"


def write_accounts(path: Path, *, accounts: int) -> float:
    """Write the CSV file: nine of ten must sign in again, one of ten also needs a new password."""
    began = monotonic()
    with duckdb.connect() as connection:
        connection.execute("SET preserve_insertion_order = false")
        measures = "CASE WHEN i % 10 = 0 THEN 'reset_password;revoke_sessions' ELSE 'reauthenticate' END"
        connection.execute(
            f"COPY (SELECT {ACCOUNT} AS account, {measures} AS measures, '{SINCE}' AS since FROM range({accounts}) t(i)) "
            f"TO '{path}' (FORMAT csv, HEADER true)"
        )
    return monotonic() - began


def run(arguments: list[str], *, home: Path) -> tuple[float, float, float]:
    """Run `tocsin` and return (wall seconds, CPU seconds, peak MiB)."""
    began = monotonic()
    environment = {**os.environ, "TOCSIN_HOME": str(home), "TOCSIN_LANG": "en"}
    child = subprocess.Popen([sys.executable, "-c", BUILD, *arguments], env=environment, stdout=subprocess.DEVNULL)
    _pid, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise SystemExit(f"tocsin {arguments[:2]} ended with {child.returncode}")
    scale = 1024 if sys.platform == "darwin" else 1
    return monotonic() - began, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024 / scale


def wrong_answers(snapshot: Path, *, trust: Path, accounts: int) -> tuple[int, int]:
    """Return (accounts let through or asked the wrong thing, strangers refused) of a random sample."""
    gate, chance = Gate(snapshot, trust=trust), random.Random(1)
    missed = accused = 0
    for _ in range(SAMPLE):
        number = chance.randrange(accounts)
        wanted = ("reset_password", "revoke_sessions") if number % 10 == 0 else ("reauthenticate",)
        missed += gate.check(account(number * 7919)).measures != wanted
        accused += not gate.check(account(number * 7919 + 1 + chance.randrange(7918))).allow
    return missed, accused


def main() -> None:
    """Measure once, print, and add to a file when asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--accounts", type=int, default=40_000_000)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()))
    parser.add_argument("--record", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=given.folder) as name:
        folder = Path(name)
        rows, snapshot, trust = folder / "rows.csv", folder / "list.tcs", folder / "trust.json"
        write_accounts(rows, accounts=given.accounts)
        load = os.getloadavg()[0]
        wall, cpu, peak = run(["gate", "build", "--from", str(rows), "--out", str(snapshot)], home=folder / "home")
        run(["gate", "trust", "--out", str(trust)], home=folder / "home")
        size = snapshot.stat().st_size
        missed, accused = wrong_answers(snapshot, trust=trust, accounts=given.accounts)
        text = (
            f"\n## {datetime.now(UTC):%Y-%m-%d}: {given.accounts:,} accounts, {rows.stat().st_size / 1e9:.2f} GB of CSV\n\n"
            f"`python -m tests.benchmark.gate_build --accounts {given.accounts}`, DuckDB {duckdb.__version__}, Python "
            f"{sys.version.split()[0]}, {os.cpu_count()} cores, load average at the start {load:.1f}, at the end "
            f"{os.getloadavg()[0]:.1f}.\n\n"
            "| wall, s | CPU, s | CPU over the cores, s | peak memory, MiB | snapshot, bytes | bytes per account |\n"
            "|---:|---:|---:|---:|---:|---:|\n"
            f"| {wall:.1f} | {cpu:.1f} | {cpu / (os.cpu_count() or 1):.1f} | {peak:,.0f} | {size:,} "
            f"| {size / given.accounts:.3f} |\n\n"
            f"Checked with the gate's reader: {SAMPLE:,} accounts of the file, {missed} wrong; {SAMPLE:,} strangers, "
            f"{accused} wrong.\n"
        )
    sys.stdout.write(text)
    if given.record:
        with given.record.open("a", encoding="utf-8") as handle:
            handle.write(text)


if __name__ == "__main__":
    main()
