"""A whole installation on loopback: senders, receiver and worker as processes of their own, and the simulated Meta."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.db import Error, connection
from tests.ports import free_port

from tocsin.customers.values import AddressKind
from tocsin.journal.values import MACHINE, Assurance, Author
from tocsin.messaging import commands
from tocsin.messaging.values import Draft, Prepared, Priority, Purpose

STAFF = Author(name="ada", assurance=Assurance.ASSERTED)
NUMBER = 111_222_333
ACCOUNT, TOKEN, APP_SECRET, VERIFY = "444555666", "token-of-tests", "secret-of-tests", "verify"
CHANNEL = "whatsapp-main"
TEMPLATE = {"type": "template", "template": {"name": "notice", "language": {"code": "en"}}}
PREPARED = Prepared(content=TEMPLATE, template="notice/en", category="utility", shown="Please look at your account.")
FINAL = ("sent", "delivered", "read", "failed", "withheld", "bounced", "unknown")
BIN = Path(sys.executable).parent
STEPPED = Path(__file__).with_name("stepped_clock.py")


class Process:
    """One process; its last words are kept in a file."""

    def __init__(self, arguments: Sequence[str], *, folder: Path, name: str, failpoints: str = "") -> None:
        self.arguments, self.folder, self.name, self.failpoints = arguments, folder, name, failpoints
        self.words = folder / f"{name}.txt"
        given = {"TOCSIN_FAILPOINTS": failpoints} if failpoints else {}
        with self.words.open("ab") as words:
            self._started = self.words.stat().st_size
            self.running = subprocess.Popen(
                arguments, stdout=words, stderr=words, start_new_session=True, env={**os.environ, **given}
            )

    def said(self) -> str:
        return self.words.read_bytes()[self._started :].decode()

    def line(self, beginning: str, *, seconds: float = 60) -> str:
        """Return the line that begins so, as soon as it is said."""
        found: list[str] = []

        def look() -> bool:
            found[:] = [line for line in self.said().splitlines() if line.startswith(beginning)]
            assert found or self.running.poll() is None, self.said()
            return bool(found)

        until(look, seconds=seconds)
        return found[0]

    def kill(self) -> None:
        """End it as a power cut would end the process: without a word."""
        self.running.kill()
        self.running.wait()

    def end(self, *, seconds: float = 60) -> int:
        """End it as an operator would, and return its exit code."""
        if self.running.poll() is None:
            self.running.send_signal(signal.SIGTERM)
        return self.running.wait(seconds)


class Stage:
    """Where a scenario plays; ``TOCSIN_HOME`` and ``TOCSIN_DATABASE_URL`` are set, and the database is open."""

    def __init__(self, folder: Path, *, level: str = "HIGH", tier: str = "TIER_UNLIMITED", numbers: int = 1) -> None:
        self.folder, self.level, self.tier = folder, level, tier
        # Name of the channel -> Meta's id of the number.
        self.numbers = {
            CHANNEL if not number else f"{CHANNEL}-{number}": f"{NUMBER + number}" for number in range(numbers)
        }
        self.processes: list[Process] = []
        self.simulator: Process
        self.receiver: Process
        self.port, self.simulator_port = free_port(), free_port()
        self.app = commands.add_app("meta", kind="whatsapp", secrets=[APP_SECRET], verify_token=VERIFY, by=STAFF)
        self.meta = f"http://127.0.0.1:{self.simulator_port}"
        self.resting = 0
        self.program = [str(BIN / "tocsin")]

    def connect(self, *, timeout_seconds: float = 5.0) -> None:
        """Connect the numbers of the simulated Meta."""
        for name, line in self.numbers.items():
            settings = {
                "phone_number_id": line, "waba_id": ACCOUNT, "base_url": self.meta, "level": self.level,
                "tier": self.tier, "timeout_seconds": timeout_seconds,
            }  # fmt: skip
            commands.add_channel(
                name, kind="whatsapp", line=line, account=ACCOUNT, portfolio=ACCOUNT, settings=settings,
                secrets={"token": TOKEN, "app_secret": APP_SECRET}, by=STAFF,
            )  # fmt: skip

    def simulate(self, *, faults: Mapping[str, Any] | None = None, **options: object) -> Process:
        """Start the simulated Meta; it goes on from its ledger when it was killed before."""
        given: dict[str, object] = {
            "port": self.simulator_port, "waba-id": ACCOUNT, "token": TOKEN,
            "app-secret": APP_SECRET, "verify-token": VERIFY, "level": self.level, "tier": self.tier, "delay": 0.02,
            "webhook": f"http://127.0.0.1:{self.port}/webhooks/v1/{self.app}", "batch": 50,
            "ledger": self.folder / "ledger", **options,
        }  # fmt: skip
        made = self.folder / "templates.json"
        made.write_text(json.dumps([{"name": "notice", "language": "en", "category": "UTILITY", "components": [
            {"type": "BODY", "text": PREPARED.shown}]}]))  # fmt: skip
        given["templates"] = made
        if faults is not None:
            plan = self.folder / "faults.json"
            plan.write_text(json.dumps(faults))
            given["faults"] = plan
        words = [word for name, value in given.items() for word in (f"--{name}", str(value))]
        words += [word for line in self.numbers.values() for word in ("--phone-id", line)]
        started = self._start("simulator", [str(BIN / "tocsin-simulator"), "whatsapp", "--no-review-delay", *words])
        started.line("Listening on")
        self.simulator = started
        self.resting = self.ask("/_simulator/state")["waiting"]  # a template waits to be archived
        return started

    def tocsin(self, *words: str, name: str = "", failpoints: str = "") -> Process:
        """Start a command as a process of its own."""
        return self._start(name or words[0], [*self.program, *words], failpoints=failpoints)

    def step_clock(self, seconds: float) -> None:
        """Set the clock of all processes that are started from now on; later also of those."""
        off = self.folder / "clock"
        aside = off.with_suffix(".aside")
        aside.write_text(str(seconds))
        aside.rename(off)
        self.program = [sys.executable, str(STEPPED), str(off)]

    def _start(self, name: str, arguments: Sequence[str], *, failpoints: str = "") -> Process:
        started = Process(arguments, folder=self.folder, name=name, failpoints=failpoints)
        self.processes.append(started)
        return started

    def receive(self) -> Process:
        started = self.tocsin("receive", "--listen", f"127.0.0.1:{self.port}")
        started.line("Listening on")
        self.receiver = started
        return started

    def queue(self, count: int, *, first: int = 0, priority: Priority = Priority.BULK, people: int = 10**8) -> None:
        """Queue messages, to as many people or in turn to only so many."""
        names = list(self.numbers)
        drafts = [
            Draft(
                channel=names[number % len(names)], address=f"+336{number % people:08}", address_kind=AddressKind.PHONE, prepared=PREPARED,
                priority=priority, purpose=Purpose.SERVICE, once_key=f"notice-{number}",
            )
            for number in range(first, first + count)
        ]  # fmt: skip
        commands.queue_messages(drafts, by=MACHINE)

    def ask(self, path: str, *, body: Mapping[str, Any] | None = None) -> Any:
        """Ask the simulated Meta."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
        with urllib.request.urlopen(urllib.request.Request(self.meta + path, data, headers), timeout=30) as answer:
            return json.loads(answer.read())

    def count(self) -> dict[str, Any]:
        counted: dict[str, Any] = self.ask("/_simulator/count")
        return counted

    def states(self) -> dict[str, int]:
        """Return how many messages are in each state."""
        return dict(rows("SELECT state, count(*) FROM tocsin_outboundmessage GROUP BY 1"))

    def is_settled(self) -> bool:
        """Whether every message came to an end, and every webhook's body was taken in."""
        waiting = rows("SELECT count(*) FROM tocsin_webhookintake WHERE state = 'waiting'")[0][0]
        return waiting == 0 and set(self.states()) <= set(FINAL)

    def standing(self) -> list[object]:
        """Return how everything stands."""
        bodies = rows("SELECT state, reason, tries, count(*) FROM tocsin_webhookintake GROUP BY 1, 2, 3")
        waiting = rows("SELECT state, reason, detail, min(next_try_at), count(*) FROM tocsin_outboundmessage"
                       " WHERE state IN ('queued', 'claimed', 'retrying') GROUP BY 1, 2, 3")  # fmt: skip
        words = {process.name: process.said()[-500:] for process in self.processes}
        return [self.states(), waiting, bodies, self.count(), self.ask("/_simulator/state")["waiting"], words]

    def is_told(self) -> bool:
        """Whether the simulated Meta has told all it will; its repeats of what nobody took come at once."""
        if self.ask("/_simulator/state")["waiting"] <= self.resting and not self.count()["webhooks"]["waiting"]:
            return self.is_settled()
        self.ask("/_simulator/advance", body={"seconds": 3600})
        return False

    def close(self) -> None:
        for process in reversed(self.processes):
            if process.running.poll() is None:
                process.kill()


def rows(sql: str, given: Sequence[object] = ()) -> list[tuple[Any, ...]]:
    """Return the rows of a query; a server that was restarted meanwhile is met with a fresh connection."""
    try:
        with connection.cursor() as cursor:
            cursor.execute(sql, given)
            return list(cursor.fetchall())
    except Error:
        connection.close()
        with connection.cursor() as cursor:
            cursor.execute(sql, given)
            return list(cursor.fetchall())


def until(
    holds: Callable[[], bool], *, seconds: float = 60, every: float = 0.2, told: Callable[[], object] = str
) -> None:
    """Wait until something holds, which other processes bring about; ``told`` says how it stands when it does not."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"it did not come about in time: {told()}"
        time.sleep(every)


@contextmanager
def set_up(folder: Path, **options: Any) -> Iterator[Stage]:
    """Make a stage, and end every process that is left when the scenario is over."""
    stage = Stage(folder, **options)
    try:
        yield stage
    finally:
        stage.close()
