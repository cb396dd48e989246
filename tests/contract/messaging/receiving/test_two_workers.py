"""Two workers take in what is about the same people, in orders that meet each other."""

import random
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

from django.db import connection
from tests.contract.messaging.conftest import Outbox
from tests.contract.messaging.receiving.conftest import NOW, Hooks, models, read

from tocsin.kernel import clock
from tocsin.messaging import commands

WORKERS, BODIES, PEOPLE = 3, 90, 12


def _work(_number: int) -> int:
    taken = 0
    try:
        while done := commands.take_intake(read, limit=5):
            taken += done
        return taken
    finally:
        connection.close()


def test_workers_that_meet_at_the_same_people_lose_nothing_and_double_nothing(hooks: Hooks, outbox: Outbox) -> None:
    chance = random.Random(7)
    ours = outbox.queue(count=PEOPLE)
    for number in range(BODIES):
        people = chance.sample(range(PEOPLE), 5)
        statuses = [
            hooks.status(chance.choice(["sent", "delivered", "read"]), ours=ours[who], id=f"wamid.{who}", seconds=who,
                         recipient_id=f"3460{who:07}", recipient_user_id=f"ES.{who}")
            for who in people
        ]  # fmt: skip
        messages = [
            hooks.text(id=f"wamid.in.{number}.{who}", from_user_id=f"ES.{who}", **{"from": f"3460{who:07}"})
            for who in chance.sample(people, 3)
        ]
        hooks.store(hooks.messages(statuses=statuses, messages=messages))
    with clock.fixed(NOW + timedelta(seconds=1)), ThreadPoolExecutor(WORKERS) as workers:
        assert sum(workers.map(_work, range(WORKERS))) == BODIES
    assert {state for state, _ in hooks.states()} == {"done"}
    assert models.InboundMessage.objects.count() == 3 * BODIES
    assert len(hooks.windows()) == 2 * PEOPLE
