"""A run of messages through two senders, during which they die and what is around them fails, at seeded moments.

``TOCSIN_FAULTS`` says how often; above five it is a run of 2,000 messages for each time.
"""

import json
import os
import random
import signal
import subprocess
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from django.db import Error
from tests.scenario.messaging.stage import Process, Stage, rows, until

from tocsin.project import database_server
from tocsin.project.database_place import Place

FAULTS = {
    "seed": 7,
    "rules": [
        {"on": "messages", "kind": "drop_after_accept", "share": 0.01},
        {"on": "messages", "kind": "drop_before_read", "share": 0.005},
        {"on": "messages", "kind": "accept_and_silence", "share": 0.005},
        {"on": "messages", "kind": "slow", "share": 0.005, "seconds": 0.5},
        {"on": "messages", "kind": "refuse", "share": 0.01, "code": 131016, "http": 500},
        {"on": "messages", "kind": "refuse", "share": 0.005, "code": 131026},
        {"on": "messages", "kind": "lose_statuses", "share": 0.01, "statuses": ["delivered", "read"]},
        {"on": "messages", "kind": "reorder_statuses", "share": 0.05},
        {"on": "messages", "kind": "duplicate_statuses", "share": 0.05},
        {"on": "messages", "kind": "storm", "share": 0.002, "times": 2, "seconds": 0.5},
    ],
}
MOMENTS_OF_SENDERS = ("after_claim", "before_send", "after_send", "before_settle", "after_settle")
TIMES = int(os.environ.get("TOCSIN_FAULTS") or 5)
IS_LONG = TIMES > 5
MESSAGES_A_DEATH = 2_000 if IS_LONG else 150  # at most, on one of two senders
HOUR = 3600.0
CLOCK_HOURS = 4
ALONE = 64 * 2  # messages under way in two senders, of which nothing is known when the other side dies

Strike = Callable[[Stage, random.Random], None]


class Crowd:
    """Keeps two senders and a worker alive while failpoints kill the senders at ``kills`` seeded moments."""

    def __init__(self, stage: Stage, *, seed: int, kills: int = 0, failpoints: str = "") -> None:
        self.stage, self.chance, self.failpoints = stage, random.Random(seed), failpoints
        self.left = [MOMENTS_OF_SENDERS[number % len(MOMENTS_OF_SENDERS)] for number in range(kills)]
        self.are_killed = bool(kills)
        self.deaths = 0
        self.senders = [self.sender(number) for number in range(2)]
        self.worker = self.work()

    def sender(self, number: int) -> Process:
        points = [self.failpoints] if self.failpoints else []
        if self.left:
            moment = self.left.pop()
            # Each message meets the first, each claim or settling the others: of some hundred when much waits.
            often = MESSAGES_A_DEATH if moment.endswith("_send") else max(3, MESSAGES_A_DEATH // 100)
            points.append(f"{moment}@{self.chance.randint(1, often)}")
        return self.stage.tocsin("send", name=f"send-{number}", failpoints=",".join(points))

    def work(self) -> Process:
        is_killed = self.are_killed and self.chance.random() < 0.3
        return self.stage.tocsin("work", failpoints=f"in_intake@{self.chance.randint(1, 4)}" if is_killed else "")

    def is_over(self) -> bool:
        """Bring back whoever died; tell whether everything is settled."""
        for number, sender in enumerate(self.senders):
            if sender.running.poll() is not None:
                self.senders[number] = self.sender(number) if self.died(sender) else self.again(sender)
        if self.worker.running.poll() is not None:
            self.worker = self.work() if self.died(self.worker) else self.again(self.worker)
        try:
            return self.stage.is_settled()
        except Error:  # the database is on its way back
            return False

    def died(self, process: Process) -> bool:
        """Tell whether a process that is gone was killed; else it found no database when it began, and said so."""
        if process.running.returncode != -signal.SIGKILL:
            assert "The database does not answer" in process.said(), process.said()
            return False
        self.deaths += 1
        return True

    def again(self, process: Process) -> Process:
        """Start a process once more, as what supervises it would."""
        return self.stage.tocsin(process.arguments[-1], name=process.name, failpoints=process.failpoints)

    def end(self) -> None:
        """End all as an operator would; nobody may have given up before."""
        for process in (*self.senders, self.worker):
            assert process.end() == 0, process.said()


def play(stage: Stage, crowd: Crowd, *, messages: int, strikes: Sequence[Strike], times: int, seconds: float) -> None:
    """Go on until all is settled and told; at seeded moments of the other side's count one of the strikes falls."""
    early, late = messages // 20, messages * 17 // 20  # not all are accepted: some are refused, of some nobody knows
    moments = sorted(crowd.chance.sample(range(early, late), times), reverse=True)

    def goes_on() -> bool:
        if moments and stage.count()["accepted"] >= moments[-1]:
            moments.pop()
            strikes[len(moments) % len(strikes)](stage, crowd.chance)
            if not moments and clock_stepped in strikes:
                stage.step_clock(CLOCK_HOURS * HOUR)  # what was put off under a later clock is due again
        return crowd.is_over() and not moments

    until(goes_on, seconds=seconds, every=0.5 if IS_LONG else 0.2, told=stage.standing)
    until(lambda: crowd.is_over() and stage.is_told(), seconds=120 + seconds / 10, told=stage.standing)


def database_killed(place: Place) -> Strike:
    """Kill the database's server whole, or one of its processes, whereupon it starts anew by itself."""

    def strike(_stage: Stage, chance: random.Random) -> None:
        postmaster = int((place.data / "postmaster.pid").read_text().split("\n", 1)[0])
        children = Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text().split()
        if chance.random() < 0.5:
            with suppress(ProcessLookupError):  # it ended by itself meanwhile
                os.kill(int(chance.choice(children)), signal.SIGKILL)
        else:
            os.kill(postmaster, signal.SIGKILL)
        bring_back(place)

    return strike


def bring_back(place: Place) -> None:
    """Start the database as an administrator would, unless it runs; return when it answers."""
    with database_server.running(place):
        until(answers, every=0.1)


def answers() -> bool:
    try:
        return bool(rows("SELECT 1"))
    except Error:
        return False


def provider_killed(stage: Stage, _chance: random.Random) -> None:
    """Kill the simulated Meta and start it again; what it had not told it never tells."""
    stage.simulator.kill()
    stage.simulate(faults=FAULTS)


def receiver_killed(stage: Stage, _chance: random.Random) -> None:
    """Kill the receiver and start it again."""
    stage.receiver.kill()
    stage.receive()


def clock_stepped(stage: Stage, chance: random.Random) -> None:
    """Set the clock of all processes somewhere within four hours after the messages were queued."""
    stage.step_clock(chance.uniform(0, CLOCK_HOURS * HOUR))


class SmallDisk:
    """A file system in memory, over a folder, that can be full: what it holds stays, and nothing more fits."""

    def __init__(self, folder: Path, *, megabytes: int) -> None:
        self.folder, self.megabytes = folder, megabytes

    def mount(self) -> bool:
        """Lay it over the folder; tell whether that is allowed here."""
        if os.geteuid() != 0:
            return False
        words = ["mount", "-t", "tmpfs", "-o", f"size={self.megabytes}m,mode=0711", "none", str(self.folder)]
        return subprocess.run(words, capture_output=True, check=False).returncode == 0

    def unmount(self) -> None:
        subprocess.run(["umount", "--lazy", str(self.folder)], check=True)

    def fill(self) -> None:
        """Leave no room, but for a few pages; what is written meanwhile may need another look."""

        def is_full() -> bool:
            found = os.statvfs(self.folder)
            return self._resized((found.f_blocks - found.f_bfree + 16) * found.f_frsize)

        until(is_full, every=0.01)

    def free(self) -> None:
        """Make room."""
        assert self._resized(self.megabytes * 1024 * 1024)

    def _resized(self, size: int) -> bool:
        words = ["mount", "-o", f"remount,size={size}", str(self.folder)]
        return subprocess.run(words, capture_output=True, check=False).returncode == 0


def disk_full(disk: SmallDisk, place: Place) -> Strike:
    """Leave no room on the disk of the database and of the senders' notes until somebody said so, then make some."""

    def strike(stage: Stage, chance: random.Random) -> None:
        said = {process.name: len(process.said()) for process in stage.processes}
        disk.fill()
        troubled = ("settling:", "claiming:", "noting", "work:", "could not be kept")

        def is_noticed() -> bool:
            return any(word in process.said()[said[process.name] :] for process in stage.processes for word in troubled)

        until(is_noticed)
        until(iter([False] * chance.randint(1, 10) + [True]).__next__)
        disk.free()
        bring_back(place)

    return strike


def check_accounts(stage: Stage, *, messages: int) -> Counter[str]:
    """Hold our account of every message against what the other side counted at its socket."""
    counted = stage.count()
    # Written at once at the other side's socket, so that it outlives its process.
    taken = Counter(json.loads(line)["callback"] for line in (stage.folder / "ledger").read_text().splitlines())
    told: set[str] = set()
    for offset in range(0, counted["accepted"], 50_000):
        page = stage.ask(f"/_simulator/messages?limit=50000&offset={offset}")["messages"]
        told.update(message["callback"] for message in page if message["statuses"])
    ours = {str(message): state for message, state in rows("SELECT id, state FROM tocsin_outboundmessage")}
    assert len(ours) == messages
    assert counted["doubled"] == []
    assert set(taken.values()) <= {1}
    assert set(taken) <= set(ours)
    not_taken = Counter(state for message, state in ours.items() if message not in taken)
    assert set(not_taken) <= {"unknown", "failed"}, not_taken  # nobody believes that these went out
    unreconciled = {message for message in told if ours[message] == "unknown"}
    assert not unreconciled  # whatever the other side told us about, we know
    states = Counter(ours.values())
    reasons = rows("SELECT count(*) FROM tocsin_outboundmessage WHERE state IN ('failed', 'unknown') AND reason = ''")
    assert reasons == [(0,)]
    believed = "SELECT count(*) FROM tocsin_outboundmessage m JOIN tocsin_messagestatus s ON s.message_id = m.id"
    assert rows(f"{believed} WHERE m.state = 'unknown'") == [(0,)]
    # The last webhook may be on its way while the other side has nothing left to tell.
    left = "SELECT state, reason, tries, count(*) FROM tocsin_webhookintake WHERE state <> 'done' GROUP BY 1, 2, 3"
    until(lambda: not rows(left), seconds=20, told=lambda: rows(left))
    print(f"{messages:,} messages, {len(taken):,} taken: {dict(states)}")
    return states
