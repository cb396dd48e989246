"""What memory sender, worker, receiver, PostgreSQL and the simulated Meta hold while a million messages go through them.

    python -m tests.benchmark.messaging_memory [--messages 1000000] [--every 100000] [--record FILE]

The same run as of `messaging_throughput`. Each time so many further messages were taken by the simulated Meta, the
resident set of each process is read from the kernel, and PostgreSQL's as the sum of what its processes hold in
proportion (PSS: shared buffers are counted once), with the part of it that no file and no shared buffer stands for.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from tests.benchmark.messaging_throughput import memory
from tests.scenario.messaging.stage import Process, Stage, rows, set_up, until

from tocsin.project import database

QUEUED_AT_ONCE = 5_000
NUMBERS = 4  # of 1,000 messages a second each
HOURS_MAX = 6


def main() -> None:
    """Measure, print each line as it is known, and add the table to a file when asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=1_000_000)
    parser.add_argument("--every", type=int, default=100_000)
    parser.add_argument("--record", type=Path)
    given = parser.parse_args()
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="bench") as folder:
        os.environ["TOCSIN_HOME"] = folder
        with database.opened():
            table = measure(Path(folder), messages=given.messages, every=given.every)
    words = [
        "",
        f"## {datetime.now(UTC):%Y-%m-%d}: memory over {given.messages:,} messages",
        "",
        f"`python -m tests.benchmark.messaging_memory {' '.join(sys.argv[1:])}`, Python {sys.version.split()[0]}, "
        f"{os.cpu_count()} cores, load average at the start {load:.1f}, at the end {os.getloadavg()[0]:.1f}.",
        "",
    ]
    text = "\n".join([*words, *table, ""])
    print(text)
    if given.record:
        with given.record.open("a", encoding="utf-8") as record:
            record.write(text)


def measure(folder: Path, *, messages: int, every: int) -> list[str]:
    """Return the curve as a table: one line for each so many messages, and one when the last status was applied."""
    place = folder / "stage"
    place.mkdir()
    with set_up(place, numbers=NUMBERS) as stage:
        started = begin(stage, messages=messages)
        names = [process.name for process in started]
        table = [f"| messages | seconds | {' | '.join(names)} | PostgreSQL | of it its own | statuses applied |"]
        table.append("|---:" * (len(names) + 5) + "|")
        print("\n".join(table), flush=True)
        began = time.monotonic()
        for reached in range(every, messages + 1, every):
            until(lambda reached=reached: stage.count()["accepted"] >= reached, seconds=3600 * HOURS_MAX, every=0.5)
            table.append(line(f"{reached:,}", started, began=began))
        until(lambda: is_applied(stage, messages), seconds=3600 * HOURS_MAX, every=5)
        table.append(line("all, applied", started, began=began))
        assert stage.count()["doubled_count"] == 0
        assert stage.states() == {"read": messages}
    return table


def begin(stage: Stage, *, messages: int) -> list[Process]:
    """Queue all, and start the processes whose memory is of interest."""
    people = [{"phone": f"336{number:08}", "reads": 1.0, "reads_after_seconds": 0.2} for number in range(messages)]
    (stage.folder / "people.json").write_text(json.dumps(people))
    stage.connect()
    simulator = stage.simulate(batch=10, delay=0.01, disorder=0.02, duplicates=0.0, people=stage.folder / "people.json")
    receiver = stage.receive()
    for first in range(0, messages, QUEUED_AT_ONCE):
        stage.queue(min(QUEUED_AT_ONCE, messages - first), first=first)
    worker = stage.tocsin("work")
    worker.line("Working.")
    return [stage.tocsin("send"), worker, receiver, simulator]


def line(reached: str, processes: list[Process], *, began: float) -> str:
    """Return one line of the curve; memory in MiB."""
    held = memory(processes)
    whole, own = of_postgresql()
    figures = [f"{held[process.name]:,.0f}" for process in processes]
    figures += [f"{whole:,.0f}", f"{own:,.0f}", f"{statuses_applied():,}"]
    made = f"| {reached} | {time.monotonic() - began:,.0f} | {' | '.join(figures)} |"
    print(made, flush=True)
    return made


def of_postgresql() -> tuple[float, float]:
    """Return what all processes of PostgreSQL hold in proportion, and what of it is their own memory, in MiB."""
    parent = int(Path(f"/proc/{rows('SELECT pg_backend_pid()')[0][0]}/stat").read_text().rsplit(")", 1)[1].split()[1])
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    whole = own = 0
    for number in [str(parent), *children]:
        try:
            read = Path(f"/proc/{number}/smaps_rollup").read_text().splitlines()
        except (FileNotFoundError, ProcessLookupError):
            continue  # it ended since the list was read
        figures = {words[0]: int(words[1]) for words in map(str.split, read[1:])}
        whole += figures["Pss:"]
        own += figures["Pss_Anon:"]
    return whole / 1024, own / 1024


def statuses_applied() -> int:
    """Return how many statuses were written since the database was made, as PostgreSQL's own counters have it."""
    counted: int = rows("SELECT n_tup_ins FROM pg_stat_user_tables WHERE relname = 'tocsin_messagestatus'")[0][0]
    return counted


def is_applied(stage: Stage, messages: int) -> bool:
    """Whether all statuses are; a webhook that met a closed line is repeated at once."""
    if statuses_applied() >= 3 * messages:
        return set(stage.states()) == {"read"}
    if stage.count()["webhooks"].get("unreachable", 0):
        stage.ask("/_simulator/advance", body={"seconds": 60})
    return False


if __name__ == "__main__":
    main()
