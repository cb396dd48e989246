"""What is wrong with one message, one channel or one answer stops no other."""

import asyncio
import math
import threading
from contextlib import asynccontextmanager

import pytest
from django.db import DataError

from tocsin.api import outgoing
from tocsin.kernel.loading import lazily
from tocsin.messaging import claiming, commands, sending, settling
from tocsin.messaging.ports import TransportError
from tocsin.messaging.values import Reason, Verdict

models = lazily("tocsin.messaging.models")
SECONDS_MAX = 20.0


@asynccontextmanager
async def running(sends):
    """Run a sender until the block ends."""
    stop = asyncio.Event()
    async with sends.serving(), asyncio.timeout(SECONDS_MAX):
        sender = sends.sender()
        run = asyncio.create_task(sender.run(stop))
        yield sender
        stop.set()
        await run


def run_until(sends, *, taken):
    async def ran():
        async with running(sends):
            while len(sends.provider.taken) < taken:
                await asyncio.sleep(0.01)

    asyncio.run(ran())


@pytest.mark.parametrize("seconds", [math.inf, 1e300, 9e11, math.nan, -5.0])
def test_whatever_pause_a_provider_asks_for_can_be_kept(outbox, seconds):
    outbox.queue()
    (message,) = outbox.claim().messages
    error = TransportError(
        permanent=False, verdict=Verdict.SLOW_LINE, reason=Reason.TRY_LATER, wait_seconds=seconds
    )  # fmt: skip
    sending._settled([("main", outbox.outcome(message, error=error))], {"main": 80.0}, "a")
    assert outbox.state(message.id) == "retrying"


def test_an_outcome_that_cannot_be_settled_keeps_no_other_from_it(sends, monkeypatch):
    ids = sends.outbox.queue(count=40)
    settle = settling.settle

    def one_cannot(outcomes, **named):
        if any(outcome.message_id == ids[3] for outcome in outcomes):
            raise DataError("out of range") if len(outcomes) > 1 else OverflowError("date value out of range")
        return settle(outcomes, **named)

    monkeypatch.setattr(settling, "settle", one_cannot)
    monkeypatch.setattr(sending, "TROUBLE_SECONDS", 0.01)
    monkeypatch.setattr(sending, "STOP_SECONDS_MAX", 0.1)

    async def ran():
        async with running(sends):
            while sends.told["sent"] < 39:
                await asyncio.sleep(0.01)

    asyncio.run(ran())
    assert {sends.outbox.state(each) for each in ids if each != ids[3]} == {"sent"}
    monkeypatch.setattr(settling, "settle", settle)
    commands.recover()  # its answer is among the notes of the sender
    assert sends.outbox.state(ids[3]) == "sent"


def test_a_channel_whose_secrets_do_not_open_keeps_no_other_from_sending(sends):
    sends.outbox.add("second")
    models.MessagingChannel.objects.filter(name="main").update(sealed=b"sealed by a key that is lost")
    sends.outbox.queue(sends.outbox.draft(channel="second"))
    run_until(sends, taken=1)


def test_a_channel_that_cannot_be_opened_keeps_no_other_from_sending(sends):
    opened = sends.open

    def open_channel(channel, secrets):
        if channel.name == "main":
            raise KeyError("a setting that is not there")
        return opened(channel, secrets)

    sends.open = open_channel
    sends.outbox.add("second")
    sends.outbox.queue(sends.outbox.draft(channel="second"))
    run_until(sends, taken=1)


def test_a_line_that_broke_is_begun_again(sends, monkeypatch):
    monkeypatch.setattr(sending, "LOOK_SECONDS", 0.05)
    claim, calls = claiming.claim, iter(range(10**6))

    def broken_at_first(*given, **named):
        if next(calls) == 0:
            raise ValueError("what nobody thought of")
        return claim(*given, **named)

    monkeypatch.setattr(claiming, "claim", broken_at_first)
    sends.outbox.queue(count=3)
    run_until(sends, taken=3)


def test_whatever_ends_a_sender_of_the_server_another_begins(monkeypatch):
    begun, stop = [], threading.Event()

    async def broken_at_first(_wired, _stop):
        begun.append(1)
        if len(begun) == 1:
            raise ValueError("what nobody thought of")
        stop.set()

    monkeypatch.setattr(outgoing, "_send", broken_at_first)
    monkeypatch.setattr(outgoing, "TROUBLE_SECONDS", 0.01)
    outgoing.begin(None, stop=stop).join()
    assert len(begun) == 2
