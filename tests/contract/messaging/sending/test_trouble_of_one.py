"""What is wrong with one message, one channel or one answer stops no other."""

import asyncio
import errno
import math
import os
import threading
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
from django.db import DataError, OperationalError

from tocsin.api import outgoing
from tocsin.kernel.loading import lazily
from tocsin.messaging import claiming, commands, sending, settling
from tocsin.messaging.ports import TransportError
from tocsin.messaging.spool import Spool
from tocsin.messaging.values import Reason, Verdict

models = lazily("tocsin.messaging.models")
SECONDS_MAX = 120.0


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


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(sending, "TROUBLE_SECONDS", 0.01)
    monkeypatch.setattr(sending, "STOP_SECONDS_MAX", 0.1)


def test_what_was_claimed_in_a_lost_commit_before_the_end_is_not_unknown(sends, monkeypatch, impatient):
    (queued,) = sends.outbox.queue()
    claim, claimed = claiming.claim, []

    def lost(*given, **named):
        if not claimed:
            claimed.append(claim(*given, **named))
        raise OperationalError("the server went away")

    async def ran():
        async with running(sends):
            while not claimed:
                await asyncio.sleep(0.01)

    with monkeypatch.context() as away:
        away.setattr(claiming, "claim", lost)
        away.setattr(settling, "release_all_but", lost)
        asyncio.run(ran())
    assert sends.outbox.state(queued) == "claimed"
    commands.recover()
    assert sends.outbox.state(queued) == "queued"


def test_what_was_claimed_and_not_begun_is_not_unknown_though_the_database_goes_first(sends, monkeypatch, impatient):
    (queued,) = sends.outbox.queue()
    tried = []

    def full(_self, message):
        tried.append(message)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def away(*_given, **_named):
        raise OperationalError("the server went away")

    monkeypatch.setattr(Spool, "begin", full)
    monkeypatch.setattr(settling, "release", away)

    async def ran():
        async with running(sends):
            while not tried:
                await asyncio.sleep(0.01)

    asyncio.run(ran())
    assert sends.outbox.state(queued) == "claimed"
    commands.recover()
    assert sends.outbox.state(queued) == "queued"


@pytest.mark.parametrize("verdict", [Verdict.SLOW_LINE, Verdict.HOLD_ACCOUNT, Verdict.RETRY])
def test_a_message_refused_for_ever_is_asked_for_ever_more_seldom(outbox, verdict):
    """Its tries are counted in two bytes: one more than fit would keep its whole line from being claimed."""
    (queued,) = outbox.queue()
    models.OutboundMessage.objects.update(tries=2_000)
    (message,) = outbox.claim().messages
    error = TransportError(permanent=False, verdict=verdict, reason=Reason.TRY_LATER)
    outbox.settle(message, error=error)
    row = models.OutboundMessage.objects.get(id=queued)
    assert row.next_try_at - row.state_at >= timedelta(minutes=55)
