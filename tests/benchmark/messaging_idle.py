"""What an installation costs that has nothing to do: processor and the database's log, with four connected numbers.

    python -m tests.benchmark.messaging_idle [--seconds 20]

The private PostgreSQL, `tocsin send`, `tocsin receive` and `tocsin work` as processes of their own, after some messages
went out and their statuses came. CPU time is the kernel's, of each process.
"""

import argparse
import os
import tempfile
import time
from pathlib import Path

from tests.benchmark.messaging_throughput import processor
from tests.scenario.messaging.stage import rows, set_up, until

from tocsin.project import database

MESSAGES = 40
CALM_SECONDS = 12.0


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=20.0)
    seconds = parser.parse_args().seconds
    with tempfile.TemporaryDirectory(prefix="idle") as folder:
        os.environ["TOCSIN_HOME"] = folder
        place = Path(folder) / "stage"
        place.mkdir()
        with database.opened(), set_up(place, numbers=4) as stage:
            stage.connect()
            stage.simulate(batch=10, delay=0.01)
            stage.receive()
            stage.tocsin("work").line("Working.")
            stage.tocsin("send")
            stage.queue(MESSAGES)
            until(lambda: stage.count()["accepted"] == MESSAGES, seconds=120)
            time.sleep(CALM_SECONDS)
            before, written, began = processor(stage.processes), log(), time.monotonic()
            time.sleep(seconds)
            took = time.monotonic() - began
            used = {name: spent - before.get(name, 0) for name, spent in processor(stage.processes).items()}
            print("| what | figure |\n|---|---:|")
            for name, spent in used.items():
                print(f"| CPU of {name}, % of a core | {100 * spent / took:.1f} |")
            print(f"| written to the log of PostgreSQL, kB/s | {(log() - written) / took / 1000:.1f} |")


def log() -> float:
    """Return how many bytes PostgreSQL has written to its log since it was made."""
    return float(rows("SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')")[0][0])


if __name__ == "__main__":
    main()
