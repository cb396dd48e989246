"""What a sender gets, and what it does not: everything that forbids a message is asked when it is about to go."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction

from tocsin.kernel import clock
from tocsin.messaging import commands, queries
from tocsin.messaging.states import MessageState
from tocsin.messaging.values import Accepted, Priority, Purpose, Reason


def test_two_senders_never_take_the_same_message(outbox: Any):
    queued = set(outbox.queue(count=400))

    def work(sender: str) -> list[Any]:
        taken = []
        while messages := outbox.claim(20, sender=sender).messages:
            taken += [message.id for message in messages]
        connection.close()
        return taken

    with ThreadPoolExecutor(4) as pool:
        taken = [each for found in pool.map(work, "abcd") for each in found]
    assert len(taken) == len(queued)
    assert set(taken) == queued
