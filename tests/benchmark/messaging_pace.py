"""Is the pace kept? Two sender processes on one number; many messages to few people; a portfolio over a day.

    python -m tests.benchmark.messaging_pace [--level HIGH] [--seconds 20] [--record FILE]

The simulated Meta counts at its socket: messages accepted in each second, messages refused because a number, a pair or
the portfolio was over its limit. The day of the portfolio is simulated: claims are made every simulated minute for 24
hours, with a limit of 2,000 people and 6,000 waiting.
"""

import argparse
import os
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.contract.messaging.conftest import Outbox
from tests.scenario.messaging.stage import set_up, until

from tocsin.kernel import clock
from tocsin.messaging import commands
from tocsin.messaging.values import Accepted
from tocsin.project import database

PER_SECOND = {"STANDARD": 80, "HIGH": 1000, "COEXISTENCE": 20}
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
DAY = timedelta(hours=24)
LIMIT, WAITING = 2_000, 6_000


def main() -> None:
    """Measure, print, and add to a file when asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--level", choices=list(PER_SECOND), default="HIGH")
    parser.add_argument("--seconds", type=int, default=20)
    parser.add_argument("--only", choices=["line", "pairs", "day"], help="One of the three measures.")
    parser.add_argument("--record", type=Path)
    given = parser.parse_args()
    load = os.getloadavg()[0]
    lines: list[str] = []
    measures: dict[str, Callable[[Path], list[str]]] = {
        "line": lambda folder: line_pace(folder, given),
        "pairs": pair_pace,
        "day": lambda _folder: portfolio_day(),
    }
    for measure in [measures[given.only]] if given.only else measures.values():
        with tempfile.TemporaryDirectory(prefix="bench") as folder:
            os.environ["TOCSIN_HOME"] = folder
            with database.opened():
                lines += measure(Path(folder))
    words = [
        "",
        f"## {datetime.now(UTC):%Y-%m-%d}: the pace of {PER_SECOND[given.level]:,} a second",
        "",
        f"`python -m tests.benchmark.messaging_pace {' '.join(sys.argv[1:])}`, Python {sys.version.split()[0]}, "
        f"{os.cpu_count()} cores, load average at the start {load:.1f}, at the end {os.getloadavg()[0]:.1f}.",
        "",
    ]
    text = "\n".join([*words, "| what | figure |", "|---|---:|", *lines, ""])
    print(text)
    if given.record:
        with given.record.open("a", encoding="utf-8") as record:
            record.write(text)


def line_pace(folder: Path, given: argparse.Namespace) -> list[str]:
    """Return what two processes on one number bring in each second, the first and last two left out."""
    limit = PER_SECOND[given.level]
    with set_up(folder, level=given.level) as stage:
        stage.connect()
        stage.simulate(webhook="", duplicates=0)
        for first in range(0, limit * given.seconds, 5_000):
            stage.queue(min(5_000, limit * given.seconds - first), first=first)
        senders = [stage.tocsin("send", name=f"send-{number}") for number in range(2)]
        until(lambda: stage.count()["accepted"] >= limit * given.seconds, seconds=60 + 5 * given.seconds, every=0.5)
        (seconds,) = stage.ask("/_simulator/pace")["by_phone"].values()
        refused = stage.count()["throughput_refused"]
        for sender in senders:
            sender.end()
    counts = [count for _second, count in sorted(seconds.items(), key=lambda each: int(each[0]))][2:-2]
    return [
        f"| messages in a second, least, mean, most, of {len(counts)} seconds |"
        f" {min(counts):,}, {sum(counts) / len(counts):,.1f}, {max(counts):,} |",
        f"| refused: over the number's limit | {refused} |",
    ]


def pair_pace(folder: Path) -> list[str]:
    """Return what becomes of 48 messages to each of 20 people: three more each than the burst."""
    with set_up(folder) as stage:
        stage.connect()
        stage.simulate(webhook="", duplicates=0)
        stage.queue(48 * 20, people=20)
        sender = stage.tocsin("send")
        began = time.monotonic()
        until(lambda: stage.count()["accepted"] >= 48 * 20, seconds=240, every=0.5)
        seconds, refused = time.monotonic() - began, stage.count()["pair_limit_refused"]
        sender.end()
    return [f"| 48 messages to each of 20 people in {seconds:.0f} s; refused: over the pair's limit | {refused} |"]


def portfolio_day() -> list[str]:
    """Return the most people in any 24 hours of a simulated day, and how many the day brought."""
    outbox = Outbox()
    now, end = NOON, NOON + DAY + DAY
    with clock.fixed(now):
        outbox.queue(count=WAITING)
    began = time.monotonic()
    went: deque[tuple[datetime, str]] = deque()
    most = total = 0
    while now < end:
        with clock.fixed(now):
            claimed = outbox.claim(100, people_per_day=LIMIT).messages
            commands.settle(
                [outbox.outcome(each, accepted=Accepted(f"wamid.{each.id}")) for each in claimed], sender="a"
            )
            went += [(now, message.address) for message in claimed]
            total += len(claimed)
        while went and went[0][0] <= now - DAY:
            went.popleft()
        most = max(most, len({who for _at, who in went}))
        now += timedelta(minutes=1)
    return [
        f"| portfolio of {LIMIT:,}, two simulated days: most people in any 24 h | {most:,} |",
        f"| the same: people written to in all ({time.monotonic() - began:.0f} s of real time) | {total:,} |",
    ]


if __name__ == "__main__":
    main()
