"""Nobody asks again and again: the database wakes the senders."""

import asyncio
import threading
from contextlib import closing

import pytest
from django.db import connection
from tests.contract.messaging.conftest import MONA

from tocsin.messaging import commands, line_sending, sending, waking
from tocsin.messaging.waking import Bell, Listening, ring

NEVER = 3600.0
SECONDS_MAX = 120.0


@pytest.fixture(autouse=True)
def _looks_by_itself_never(monkeypatch):
    monkeypatch.setattr(line_sending, "POLL_SECONDS", NEVER)
    monkeypatch.setattr(sending, "LOOK_SECONDS", NEVER)


def run_while(sends, doing, *, expected):
    """Run a sender, do something once it has nothing to do, and wait until so many were taken."""

    async def ran():
        stop = asyncio.Event()
        async with sends.serving(), asyncio.timeout(SECONDS_MAX):
            sender = sends.sender()
            running = asyncio.create_task(sender.run(stop))
            while not sender.idle:
                await asyncio.sleep(0.01)
            await asyncio.to_thread(doing)
            while len(sends.provider.taken) < expected:
                await asyncio.sleep(0.01)
            stop.set()
            await running

    asyncio.run(ran())


def and_let_go(*doing):
    for each in doing:
        each()
    connection.close()  # of a thread of its own


def test_what_is_queued_wakes_the_line_it_is_for(sends):
    run_while(sends, lambda: and_let_go(lambda: sends.outbox.queue(count=3)), expected=3)


def test_what_waited_goes_when_a_switch_is_lifted(sends):
    commands.pause(None, reason="", by=MONA)
    sends.outbox.queue(count=2)
    run_while(sends, lambda: and_let_go(lambda: commands.resume(None, reason="", by=MONA)), expected=2)


def test_a_new_channel_is_found_at_once(sends):
    def add():
        sends.outbox.add("second")
        sends.outbox.queue(sends.outbox.draft(channel="second"))

    run_while(sends, lambda: and_let_go(add), expected=1)


def test_whoever_listens_hears_again_after_the_connection_was_lost(committed_outbox, monkeypatch):
    monkeypatch.setattr(waking, "TROUBLE_SECONDS", 0.01)
    heard, came = [], threading.Event()

    def hear(said):
        heard.append(said)
        came.set()

    def next_heard():
        assert came.wait(SECONDS_MAX)
        came.clear()
        return heard[-1]

    with closing(Listening(Bell.INTAKE, hear)):
        assert next_heard() == ""  # whatever came before it listened
        ring(Bell.INTAKE, "one")
        assert next_heard() == "one"
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN %'")
        assert next_heard() == ""
        ring(Bell.INTAKE, "two")
        assert next_heard() == "two"


def test_what_is_queued_on_channels_of_others_does_not_wake_a_sender_of_some(sends):
    sender = commands.Sender(sends.open, only={"main"})
    sender._woken("second")
    assert not sender._changed.is_set()
    sender._woken("main")  # it may have been added just now
    assert sender._changed.is_set()
