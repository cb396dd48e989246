"""Simulated time."""

import asyncio
from types import SimpleNamespace

from tocsin_simulator.clock import Clock


async def running_until(clock: Clock, *, left: int = 0) -> None:
    """Run a clock until only so many acts wait for their time, and all others are done."""
    running = asyncio.create_task(clock.run())
    while clock.waiting > left:
        await asyncio.sleep(0)
    await asyncio.sleep(0)
    running.cancel()


def test_pushing_time_forward_does_what_became_due_in_its_order():
    done: list[str] = []
    clock = Clock(start_at=1_000.0)
    clock.at(5_000.0, done.append, "later")
    clock.at(3_000.0, done.append, "sooner")
    clock.at(9_000.0, done.append, "much later")
    clock.advance(5_000.0)
    asyncio.run(running_until(clock, left=1))
    assert done == ["sooner", "later"]
    assert clock.waiting == 1


def test_time_runs_as_many_times_faster_as_told_and_never_jumps_when_that_changes(monkeypatch):
    real = [50.0]
    monkeypatch.setattr("tocsin_simulator.clock.time", SimpleNamespace(monotonic=lambda: real[0]))
    clock = Clock(speed=1_000_000.0, start_at=0.0)
    real[0] += 0.5
    assert clock.now() == 500_000
    clock.set_speed(2.0)
    assert clock.now() == 500_000
    real[0] += 10
    assert clock.now() == 500_020


def test_an_act_that_fails_is_reported_and_holds_up_no_other():
    done: list[str] = []
    said: list[str] = []
    clock = Clock(start_at=1_000.0)

    async def whole() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: said.append(str(context["exception"])))
        clock.at(2_000.0, {}.__getitem__, "nothing")
        clock.at(3_000.0, done.append, "next")
        clock.advance(5_000.0)
        await running_until(clock)

    asyncio.run(whole())
    assert (said, done) == (["'nothing'"], ["next"])
