"""Messages a second from the outbox to the last status processed, beside what others manage on the same machine.

    python -m tests.benchmark.messaging_throughput [--messages 20000] [--batch 10] [--others] [--record FILE]

Everything runs on this machine: the private PostgreSQL with fsync, `tocsin send`, `tocsin receive`, `tocsin work`, and
the simulated Meta as processes of their own; everybody reads, so that each message brings three statuses. The clock
starts with the first message the simulator takes, when all processes run, and stops when the last status is applied.
CPU time is the kernel's, of each process. ``--others`` adds, against the same simulator without webhooks: bare aiohttp
(64 requests at once, no database), and a loop of 16 threads that writes each message's row before and after its
request; and django-post_office, which sends mails, to the simulated mail server.
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import aiohttp
import psycopg
from tests.scenario.messaging.stage import ACCOUNT, BIN, TEMPLATE, TOKEN, Process, Stage, free_port, rows, set_up, until

from tocsin.project import database

TICKS = os.sysconf("SC_CLK_TCK")
AT_ONCE = 64
THREADS = 16
HEADERS = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}


def main() -> None:
    """Measure, print, and add to a file when asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=20_000)
    parser.add_argument("--batch", type=int, default=10, help="Updates per webhook.")
    parser.add_argument("--numbers", type=int, default=4, help="Numbers, of 1,000 messages a second each.")
    parser.add_argument("--senders", type=int, default=1)
    parser.add_argument("--others", action="store_true")
    parser.add_argument("--record", type=Path)
    given = parser.parse_args()
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="bench") as folder:
        os.environ["TOCSIN_HOME"] = folder
        with database.opened():
            lines = measure(Path(folder), given)
            print("\n".join(lines), flush=True)
            if given.others:
                lines += others(Path(folder), given)
    words = [
        "",
        f"## {datetime.now(UTC):%Y-%m-%d}: {given.messages:,} messages, webhooks of up to {given.batch} updates",
        "",
    ]
    words.append(
        f"`python -m tests.benchmark.messaging_throughput {' '.join(sys.argv[1:])}`, Python {sys.version.split()[0]}, "
        f"{os.cpu_count()} cores, load average at the start {load:.1f}, at the end {os.getloadavg()[0]:.1f}."
    )
    text = "\n".join([*words, "", *lines, ""])
    print(text)
    if given.record:
        with given.record.open("a", encoding="utf-8") as record:
            record.write(text)


def measure(folder: Path, given: argparse.Namespace) -> list[str]:
    """Return the lines of the table for Tocsin itself."""
    place = folder / "stage"
    place.mkdir()
    with set_up(place, numbers=given.numbers) as stage:
        people = [
            {"phone": f"336{number:08}", "reads": 1.0, "reads_after_seconds": 0.2} for number in range(given.messages)
        ]
        (place / "people.json").write_text(json.dumps(people))
        stage.connect()
        stage.simulate(batch=given.batch, delay=0.01, disorder=0.02, duplicates=0.0, people=place / "people.json")
        stage.receive()
        began = time.monotonic()
        for first in range(0, given.messages, 5_000):
            stage.queue(min(5_000, given.messages - first), first=first)
        queueing = time.monotonic() - began
        stage.tocsin("work").line("Working.")
        before = processor(stage.processes)
        senders = [stage.tocsin("send", name=f"send-{number}") for number in range(given.senders)]
        until(lambda: stage.count()["accepted"] > 0, seconds=60, every=0.01)
        began = time.monotonic()
        until(lambda: stage.count()["accepted"] >= given.messages // 4, seconds=600, every=0.1)
        memory_then = memory(stage.processes)
        until(lambda: stage.count()["accepted"] >= given.messages, seconds=3600, every=0.1)
        sending = time.monotonic() - began
        until(lambda: is_applied(stage, given.messages), seconds=3600, every=0.2)
        memory_now = memory(stage.processes)
        whole = time.monotonic() - began
        used = {name: seconds - before.get(name, 0) for name, seconds in processor(stage.processes).items()}
        counted = stage.count()
        assert counted["doubled_count"] == 0
        statuses = rows("SELECT count(*) FROM tocsin_messagestatus")[0][0]
        assert statuses == 3 * given.messages
        for process in senders:
            process.end()
    table = ["| what | figure |", "|---|---:|"]
    table.append(f"| queued, messages/s | {given.messages / queueing:,.0f} |")
    table.append(f"| taken by the provider, messages/s | {given.messages / sending:,.0f} |")
    table.append(f"| with three statuses each applied, messages/s | {given.messages / whole:,.0f} |")
    table.append(f"| webhooks | {counted['webhooks']['accepted']:,} |")
    for name, seconds in used.items():
        table.append(f"| CPU of {name}, ms a message | {1000 * seconds / given.messages:.2f} |")
    table += [
        f"| memory of {name}, MiB, after a quarter and at the end | {then:,.0f}, {memory_now[name]:,.0f} |"
        for name, then in memory_then.items()
    ]
    total = sum(used.values())
    table.append(
        f"| CPU of all over the cores: messages/s at best | {given.messages * (os.cpu_count() or 1) / total:,.0f} |"
    )
    return table


def is_applied(stage: Stage, messages: int) -> bool:
    """Whether all statuses are; a webhook that met a closing line is not waited for, but repeated at once."""
    if stage.states() == {"read": messages}:
        return True
    counted = stage.count()
    if counted["statuses"].get("read", 0) == messages and counted["webhooks"].get("unreachable", 0):
        stage.ask("/_simulator/advance", body={"seconds": 60})
    return False


def memory(processes: list[Process]) -> dict[str, float]:
    """Return the memory each process really holds now (its resident set), in MiB."""
    held = {}
    for process in processes:
        if process.running.poll() is None:
            status = Path(f"/proc/{process.running.pid}/status").read_text()
            held[process.name] = int(status.partition("VmRSS:")[2].split()[0]) / 1024
    return held


def processor(processes: list[Process]) -> dict[str, float]:
    """Return the CPU seconds of each process, and of all of PostgreSQL."""
    used = {process.name: spent(process.running.pid) for process in processes if process.running.poll() is None}
    (postmaster,) = rows("SELECT pg_backend_pid()")[0]
    parent = int(Path(f"/proc/{postmaster}/stat").read_text().rsplit(")", 1)[1].split()[1])
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    ended = Path(f"/proc/{parent}/stat").read_text().rsplit(")", 1)[1].split()[13:15]
    used["PostgreSQL"] = sum(spent(int(child)) for child in children) + sum(map(int, ended)) / TICKS
    return used


def spent(number: int) -> float:
    """Return the CPU seconds of one process."""
    fields = Path(f"/proc/{number}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def others(folder: Path, given: argparse.Namespace) -> list[str]:
    """Return the lines of the table for the others."""
    port = free_port()
    numbers = [str(500 + number) for number in range(8)]
    words = [word for number in numbers for word in ("--phone-id", number)]
    arguments = [str(BIN / "tocsin-simulator"), "whatsapp", "--port", str(port), "--token", TOKEN, "--level", "HIGH"]
    simulator = Process([*arguments, "--waba-id", ACCOUNT, *words], folder=folder, name="bare")
    try:
        simulator.line("Listening on")
        paths = [f"/v24.0/{number}/messages" for number in numbers]
        bare = given.messages / asyncio.run(bare_aiohttp(f"http://127.0.0.1:{port}", paths, given.messages))
        few = min(given.messages, 3_000)
        naive = few / naive_loop(port, paths, few)
    finally:
        simulator.kill()
    lines = [
        f"| bare aiohttp, {AT_ONCE} requests at once, no database, messages/s | {bare:,.0f} |",
        f"| a row written before and after each request, {THREADS} threads, messages/s | {naive:,.0f} |",
    ]
    mails = post_office(folder, min(given.messages, 3_000))
    return [*lines, f"| django-post_office, mails/s to the simulated mail server | {mails:,.0f} |"]


def body(number: int) -> bytes:
    """Return what a plain client would send."""
    text = {"type": "text", "text": {"body": "hello"}} if number < 0 else TEMPLATE
    made: dict[str, Any] = {"messaging_product": "whatsapp", "to": f"336{abs(number):08}", **text}
    made["biz_opaque_callback_data"] = str(number)
    return json.dumps(made).encode()


async def bare_aiohttp(base: str, paths: list[str], messages: int) -> float:
    """Send all as fast as aiohttp can, keeping nothing."""
    waiting = iter(range(messages))
    async with aiohttp.ClientSession(headers=HEADERS, connector=aiohttp.TCPConnector(limit=AT_ONCE)) as session:

        async def send() -> None:
            for number in waiting:
                async with session.post(base + paths[number % len(paths)], data=body(number)) as answer:
                    await answer.read()

        began = time.monotonic()
        await asyncio.gather(*(send() for _ in range(AT_ONCE)))
        return time.monotonic() - began


def naive_loop(port: int, paths: list[str], messages: int) -> float:
    """Take one row, commit, send it, write what came of it, commit; as a worker of a task queue does."""
    address = rows("SELECT current_setting('unix_socket_directories')")[0][0]
    mine = threading.local()

    def send(number: int) -> None:
        if not hasattr(mine, "rows"):
            mine.rows = psycopg.connect(host=address, user="tocsin", dbname="tocsin")
            mine.http = HTTPConnection("127.0.0.1", port)
        mine.rows.execute("UPDATE naive SET state = 'sending' WHERE id = %s AND state = 'queued'", [number])
        mine.rows.commit()
        mine.http.request("POST", paths[number % len(paths)], body(number), HEADERS)
        said = mine.http.getresponse().read().decode()
        mine.rows.execute("UPDATE naive SET state = 'sent', said = %s WHERE id = %s", [said, number])
        mine.rows.commit()

    with psycopg.connect(host=address, user="tocsin", dbname="tocsin") as one:
        one.execute("CREATE TABLE naive (id int PRIMARY KEY, state text, said text)")
        one.execute("INSERT INTO naive SELECT n, 'queued', '' FROM generate_series(0, %s::int) n", [messages])
    began = time.monotonic()
    with ThreadPoolExecutor(THREADS) as threads:
        list(threads.map(send, range(messages)))
    return time.monotonic() - began


def post_office(folder: Path, mails: int) -> float:
    """Queue mails with django-post_office and let it send them all; mails a second."""
    port = free_port()
    arguments = [str(BIN / "tocsin-simulator"), "smtp", "--port", str(port)]
    simulator = Process(arguments, folder=folder, name="mails")
    address = rows("SELECT current_setting('unix_socket_directories')")[0][0]
    try:
        simulator.line("Listening on")
        program = Path(__file__).with_name("post_office_sender.py")
        words = [sys.executable, "-W", "ignore", str(program), address, str(port), str(mails)]
        ended = subprocess.run(words, capture_output=True, text=True, check=True)
    finally:
        simulator.kill()
    return mails / float(ended.stdout.split()[-1])


if __name__ == "__main__":
    main()
