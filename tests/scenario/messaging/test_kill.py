"""Killed at any moment, senders, worker and receiver lose no message and send none twice, as the other side counts.

Five seeded moments; ``TOCSIN_FAULTS=50`` makes it fifty, in a run of 100,000 messages.
"""

import json
import os
import random
import signal
from collections import Counter

import pytest
from tests.scenario.messaging.stage import Process, Stage, rows, until

from tocsin.project import database_server
from tocsin.project.database_place import Place

MOMENTS_OF_SENDERS = ("after_claim", "before_send", "after_send", "before_settle", "after_settle")
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
KILLS = int(os.environ.get("TOCSIN_FAULTS") or 5)
MESSAGES = 2_000 * KILLS if KILLS > 5 else 1_200
FEW = 300
SECONDS_MAX = 60 + MESSAGES / 50


class Killed:
    """Keeps two senders and a worker alive while failpoints and signals kill them; ``left`` moments are to come."""

    def __init__(self, stage: Stage, *, seed: int) -> None:
        self.stage, self.chance = stage, random.Random(seed)
        self.left = [MOMENTS_OF_SENDERS[number % len(MOMENTS_OF_SENDERS)] for number in range(KILLS)]
        self.deaths = 0
        self.senders = [self.sender(number) for number in range(2)]
        self.worker = self.work()

    def sender(self, number: int) -> Process:
        failpoints = ""
        if self.left:
            moment = self.left.pop()
            often = 60 if moment.endswith("_send") else 3
            failpoints = f"{moment}@{self.chance.randint(1, often)}"
        return self.stage.tocsin("send", name=f"send-{number}", failpoints=failpoints)

    def work(self) -> Process:
        failpoints = f"in_intake@{self.chance.randint(1, 4)}" if self.chance.random() < 0.3 else ""
        return self.stage.tocsin("work", failpoints=failpoints)

    def is_over(self) -> bool:
        """Bring back whoever died; tell whether everything is settled."""
        for number, sender in enumerate(self.senders):
            if sender.running.poll() is not None:
                self.died(sender)
                self.senders[number] = self.sender(number)
        if self.worker.running.poll() is not None:
            self.died(self.worker)
            self.worker = self.work()
        return self.stage.is_settled()

    def died(self, process: Process) -> None:
        assert process.running.returncode == -signal.SIGKILL, process.said()
        self.deaths += 1


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
    return states


@pytest.mark.timeout(300 + 2 * SECONDS_MAX)
def test_killed_at_seeded_moments_no_message_is_lost_and_none_is_sent_twice(stage: Stage) -> None:
    stage.connect(timeout_seconds=2.0)
    stage.simulate(faults=FAULTS)
    receiver = stage.receive()
    stage.queue(MESSAGES)
    killed = Killed(stage, seed=KILLS)
    until(lambda: killed.is_over() or stage.count()["accepted"] > MESSAGES // 2, seconds=SECONDS_MAX)
    receiver.kill()
    stage.receive()
    until(killed.is_over, seconds=SECONDS_MAX)
    until(lambda: killed.is_over() and stage.is_told(), seconds=60, told=stage.standing)
    states = check_accounts(stage, messages=MESSAGES)
    assert killed.deaths >= KILLS
    assert states["unknown"] <= MESSAGES * 0.03 + 30 * killed.deaths
    for sender in killed.senders:
        sender.line("Sending.")
        assert sender.end() == 0


def test_with_the_database_and_the_provider_killed_meanwhile_all_is_accounted_for(
    fragile_stage: Stage, server: Place
) -> None:
    stage = fragile_stage
    stage.connect(timeout_seconds=2.0)
    simulator = stage.simulate()
    stage.receive()
    stage.queue(2 * FEW)
    senders = [stage.tocsin("send", name=f"send-{number}") for number in range(2)]
    worker = stage.tocsin("work")
    until(lambda: stage.count()["accepted"] > FEW // 4)
    simulator.kill()
    stage.simulate()
    until(lambda: stage.count()["accepted"] > FEW)
    postmaster = int((server.data / "postmaster.pid").read_text().split("\n", 1)[0])
    os.kill(postmaster, signal.SIGKILL)
    with database_server.running(server):  # as an administrator would start it again
        until(lambda: stage.is_settled() and stage.is_told(), seconds=120, told=stage.standing)
    states = check_accounts(stage, messages=2 * FEW)
    assert states["unknown"] <= 80
    for process in [*senders, worker]:
        assert process.end() == 0, process.said()


def test_with_clocks_set_and_the_disk_full_meanwhile_all_is_accounted_for(stage: Stage) -> None:
    stage.connect(timeout_seconds=2.0)
    stage.simulate()
    stage.step_clock(0)
    stage.receive()
    stage.queue(FEW)
    full = f"full:spool_begin@{FEW // 3}"
    senders = [stage.tocsin("send", name=f"send-{number}", failpoints=full) for number in range(2)]
    worker = stage.tocsin("work")
    until(lambda: stage.count()["accepted"] > FEW // 8)
    stage.step_clock(-7200)
    until(lambda: worker.running.poll() is None and stage.states().get("claimed", 0) == 0)
    stage.step_clock(7200)
    until(lambda: stage.is_settled() and stage.is_told(), seconds=120, told=stage.standing)
    states = check_accounts(stage, messages=FEW)
    assert states["unknown"] == 0
    assert any("No space left on device" in sender.said() for sender in senders)
    for process in [*senders, worker]:
        assert process.end() == 0, process.said()
