"""Bodies whose sender was told to come again leave the memory, though the database hangs."""

import asyncio
import threading

import pytest

from tocsin.api import webhooks_in
from tocsin.kernel import clock
from tocsin.messaging import commands
from tocsin.messaging.values import IntakeBody


def body() -> IntakeBody:
    return IntakeBody("app", clock.now(), b"x" * 1000, {})


def test_bodies_that_were_given_up_are_not_kept_in_memory(rows: None, monkeypatch: pytest.MonkeyPatch) -> None:
    going_on, asked = threading.Event(), []

    def hang(bodies: list[IntakeBody]) -> None:
        asked.append(len(bodies))
        going_on.wait(120)

    monkeypatch.setattr(commands, "store_intake", hang)
    monkeypatch.setattr(commands, "ring", lambda _bell: None)
    monkeypatch.setattr(webhooks_in, "KEPT_SECONDS_MAX", 0.1)
    monkeypatch.setattr(webhooks_in, "SWEEP_SECONDS", 0.05)

    async def came() -> list[bool]:
        writer = webhooks_in.IntakeWriter()
        first = writer.keep(body())
        while not asked:
            await asyncio.sleep(0.01)
        kept = await asyncio.gather(first, *(writer.keep(body()) for _ in range(50)))
        assert not writer._waiting
        monkeypatch.setattr(webhooks_in, "KEPT_SECONDS_MAX", 120.0)
        later = writer.keep(body())
        going_on.set()
        kept.append(await later)
        await asyncio.to_thread(writer.close)
        return kept

    assert asyncio.run(came()) == [False] * 51 + [True]
    assert asked == [1, 1]


def test_no_trouble_with_telling_the_workers_ends_the_keeping(rows: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_bell: object) -> None:
        raise ValueError("what nobody thought of")

    monkeypatch.setattr(commands, "store_intake", lambda _bodies: None)
    monkeypatch.setattr(commands, "ring", broken)
    monkeypatch.setattr(webhooks_in, "RING_SECONDS", 0.0)
    monkeypatch.setattr(webhooks_in, "KEPT_SECONDS_MAX", 120.0)

    async def came() -> list[bool]:
        writer = webhooks_in.IntakeWriter()
        kept = [await writer.keep(body()) for _ in range(2)]
        await asyncio.to_thread(writer.close)
        return kept

    assert asyncio.run(came()) == [True, True]
