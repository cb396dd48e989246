"""Claims, answers, lost answers, kills, statuses in any order, switches: at the end everybody is accounted for."""

import os
import random
from collections import Counter
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from tocsin.kernel import clock
from tocsin.kernel.loading import lazily
from tocsin.messaging import commands, queries
from tocsin.messaging.ports import OutcomeUnknown, TransportError
from tocsin.messaging.spool import Spool
from tocsin.messaging.states import MESSAGE_MOVES, MessageState
from tocsin.messaging.values import Accepted, Reason, StatusKind, StatusUpdate, Verdict

models = lazily("tocsin.messaging.models")
MESSAGES, STEPS = 60, 120
SEEDS = range(1, int(os.environ.get("TOCSIN_FAULTS", "3")) + 1)


class World:
    """A provider that counts what it took, and senders that do everything that can go wrong."""

    def __init__(self, outbox: Any, seed: int) -> None:
        self.outbox, self.random = outbox, random.Random(seed)
        self.took: Counter[UUID] = Counter()
        self.now = clock.now()
        self.number = 0
        self.begin_sender()

    def begin_sender(self) -> None:
        self.number += 1
        self.name = f"s{self.number}"
        self.notes = Spool(self.name)

    def send_some(self) -> None:
        held = self.outbox.claim(self.random.randint(1, 10), sender=self.name).messages
        outcomes = []
        for message in held:
            if self.random.random() < 0.05:
                return self.die()  # before its bytes left
            self.notes.begin(message.id)
            dice = self.random.random()
            if dice < 0.2:
                refusal = TransportError(permanent=dice < 0.05, verdict=Verdict.RETRY, reason=Reason.REFUSED, code=1)
                outcomes.append(self.outbox.outcome(message, error=refusal))
                continue
            self.took[message.id] += 1
            if dice < 0.25:
                return self.die()  # it took the message, and its answer reaches nobody
            lost = dice < 0.35
            given = {"error": OutcomeUnknown("dropped")} if lost else {"accepted": Accepted(f"wamid.{message.id}")}
            outcomes.append(self.outbox.outcome(message, **given))
            self.notes.answer(outcomes[-1])
        if self.random.random() < 0.1:
            return self.die()  # between the answers and settling
        commands.settle(outcomes, sender=self.name)
        if self.random.random() < 0.2:
            commands.settle(outcomes, sender=self.name)
        return self.notes.settled([outcome.message_id for outcome in outcomes])

    def die(self) -> None:
        os.close(self.notes._descriptor)
        commands.recover()
        self.begin_sender()

    def tell(self) -> None:
        """Tell statuses of what the provider took: some lost, some twice, in any order."""
        taken = [each for each in self.took if self.random.random() < 0.3]
        kinds = [StatusKind.SENT, StatusKind.DELIVERED, StatusKind.READ, StatusKind.FAILED]
        told = [
            StatusUpdate(f"wamid.{each}", kind, self.now, message_id=each, reason=Reason.NOT_REACHABLE)
            for each in taken
            for kind in self.random.choices(kinds, weights=[4, 4, 2, 1], k=2)
        ]
        self.random.shuffle(told)
        assert commands.apply_statuses(told, channel_of_line={}) == []

    def wait(self) -> None:
        self.now += timedelta(minutes=self.random.choice([1, 10, 120]))

    def states(self) -> dict[UUID, MessageState]:
        return {row.id: MessageState(row.state) for row in models.OutboundMessage.objects.all()}


def reachable(state: MessageState) -> set[MessageState]:
    found, ahead = {state}, [state]
    while ahead:
        fresh = MESSAGE_MOVES[ahead.pop()] - found
        found |= fresh
        ahead += fresh
    return found


@pytest.mark.parametrize("seed", list(SEEDS))
def test_whatever_happens_nobody_is_lost_and_nobody_gets_two(outbox: Any, seed: int):
    ids = set(outbox.queue(count=MESSAGES))
    world = World(outbox, seed)
    before = world.states()
    for _step in range(STEPS):
        with clock.fixed(world.now):
            world.random.choices([world.send_some, world.tell, world.wait], weights=[5, 2, 2])[0]()
        after = world.states()
        assert after.keys() == ids
        assert all(after[each] in reachable(before[each]) for each in ids)
        before = after
    world.die()
    assert max(world.took.values()) == 1
    ended = world.states()
    for each, state in ended.items():
        never_left = state in (MessageState.QUEUED, MessageState.RETRYING, MessageState.WITHHELD)
        assert never_left <= (world.took[each] == 0)
        assert (state in (MessageState.SENT, MessageState.DELIVERED, MessageState.READ)) <= (world.took[each] == 1)
    assert MessageState.CLAIMED not in ended.values()
    traced = [queries.trace(each) for each in world.random.sample(sorted(ids), 10)]
    assert {proof.proven for trace in traced for proof in trace.proofs} == {"proven"}
