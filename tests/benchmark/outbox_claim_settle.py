"""How many messages a second the outbox itself can hand out and settle: no provider, no network, fsync on.

    python -m tests.benchmark.outbox_claim_settle [--messages 100000] [--waiting 0] [--batch 100] [--senders 2]

``--waiting`` messages more stand in the table and are not due. Each sender is a process of its own on a channel of its
own. Printed are messages a second of all together, and processor time per message of senders and of the database.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from tocsin.customers.values import AddressKind
from tocsin.journal.values import MACHINE, Assurance, Author
from tocsin.kernel import clock
from tocsin.messaging import commands
from tocsin.messaging.ports import Outcome
from tocsin.messaging.values import Accepted, Draft, Prepared, Priority
from tocsin.project import database, database_place, database_server, settings

CONTENT = {
    "type": "template",
    "template": {
        "name": "breach_notice",
        "language": {"code": "en"},
        "components": [{"type": "body", "parameters": [{"type": "text", "text": "Ana"}]}],
    },
}


@dataclass(frozen=True)
class Unlimited:
    """No pace, so that only the outbox counts."""

    per_second: float | None = None
    pair_seconds: float | None = None
    pair_burst: int = 1
    people_per_day: int | None = None


def main() -> None:
    """Queue, start the senders, and print what they managed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=100_000)
    parser.add_argument("--waiting", type=int, default=0)
    parser.add_argument("--batch", type=int, default=100)
    parser.add_argument("--senders", type=int, default=2)
    parser.add_argument("--work", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.work:
        work(given.work, batch=given.batch)
        return
    with tempfile.TemporaryDirectory() as folder:
        os.environ["TOCSIN_HOME"] = folder
        place = database_place.find()
        with database_server.running(place):
            with database.opened():
                pass
            os.environ["TOCSIN_DATABASE_URL"] = f"postgresql://tocsin@/tocsin?host={place.socket_folder}"
            measure(given, place.data)
        shutil.rmtree(place.base)


def measure(given: argparse.Namespace, data: Path) -> None:
    """Measure on a database that answers under ``TOCSIN_DATABASE_URL``."""
    settings.use_database(settings.parameters_of_url(os.environ["TOCSIN_DATABASE_URL"]))
    names = [f"line{number}" for number in range(given.senders)]
    began = time.perf_counter()
    for name in names:
        staff = Author(name="benchmark", assurance=Assurance.ASSERTED)
        commands.add_channel(name, kind="whatsapp", line=name, settings={}, secrets={}, by=staff)
        fill(name, given.messages // given.senders, due=True)
        fill(name, given.waiting // given.senders, due=False)
    queued = (given.messages + given.waiting) / (time.perf_counter() - began)
    settings.connections.close_all()
    server = int((data / "postmaster.pid").read_text().split()[0])
    before = spent(server)
    options = ["--batch", str(given.batch), "--work"]
    command = [sys.executable, "-m", "tests.benchmark.outbox_claim_settle", *options]
    processes = [subprocess.Popen([*command, name], stdout=subprocess.PIPE) for name in names]
    told = [json.loads(process.communicate()[0]) for process in processes]
    seconds = max(each["ended"] for each in told) - min(each["began"] for each in told)
    messages = sum(each["messages"] for each in told)
    python = sum(each["processor"] for each in told) / messages * 1e6
    print(f"queued {queued:,.0f}/s; claimed and settled {messages / seconds:,.0f}/s by {given.senders} senders")
    print(f"processor: senders {python:.0f} us a message, database {(spent(server) - before) / messages * 1e6:.0f} us")
    print(f"load of the machine while it ran: {os.getloadavg()[0]:.1f}")


def fill(channel: str, count: int, *, due: bool) -> None:
    """Queue messages, fifty thousand at once."""
    not_before = None if due else clock.now() + timedelta(days=1)
    for start in range(0, count, 50_000):
        numbers = range(start, min(count, start + 50_000))
        prepared = Prepared(CONTENT, template="breach_notice/en", category="utility", shown="Dear Ana")
        drafts = [
            Draft(
                channel, f"+346{number:08}", AddressKind.PHONE, prepared, priority=Priority(number % 4),
                once_key=f"{channel} {due} {number}", broadcast="benchmark", not_before_at=not_before,
            )
            for number in numbers
        ]  # fmt: skip
        commands.queue_messages(drafts, by=MACHINE)


def work(channel: str, *, batch: int) -> None:
    """Claim and settle until nothing is due, as one sender."""
    settings.use_database(settings.parameters_of_url(os.environ["TOCSIN_DATABASE_URL"]))
    began, done, before = time.time(), 0, time.process_time()
    while held := commands.claim(channel, limit=batch, sender=channel, lease_seconds=60, limits=Unlimited()).messages:
        now = clock.now()
        outcomes = [
            Outcome(
                message.id, message.number, message.claimed_at, now, now, digest=message.digest,
                accepted=Accepted(f"wamid.{message.id.hex}"),
            )
            for message in held
        ]  # fmt: skip
        commands.settle(outcomes, sender=channel)
        done += len(held)
    processor = time.process_time() - before
    print(json.dumps({"began": began, "ended": time.time(), "messages": done, "processor": processor}))


def spent(server: int) -> float:
    """Return the processor seconds of a server, its processes that run and those that ended (proc(5), stat)."""
    seconds = 0.0
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rsplit(")", 1)[1].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if server in (int(path.parent.name), int(fields[1])):
            ticks = fields[11:15] if int(path.parent.name) == server else fields[11:13]
            seconds += sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")
    return seconds


if __name__ == "__main__":
    main()
