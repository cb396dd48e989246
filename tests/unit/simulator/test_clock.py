"""Simulated time."""

import asyncio

from tocsin_simulator.clock import Clock


def ran(clock: Clock, *, seconds: float = 0.02) -> None:
    async def whole() -> None:
        running = asyncio.create_task(clock.run())
        await asyncio.sleep(seconds)
        running.cancel()

    asyncio.run(whole())


def test_pushing_time_forward_does_what_became_due_in_its_order():
    done: list[str] = []
    clock = Clock(start_at=1_000.0)
    clock.at(5_000.0, done.append, "later")
    clock.at(3_000.0, done.append, "sooner")
    clock.at(9_000.0, done.append, "much later")
    clock.advance(5_000.0)
    ran(clock)
    assert done == ["sooner", "later"]
    assert clock.waiting == 1


def test_time_runs_as_many_times_faster_as_told_and_never_jumps_when_that_changes():
    clock = Clock(speed=1_000_000.0, start_at=0.0)
    asyncio.run(asyncio.sleep(0.01))
    before = clock.now()
    assert before > 5_000
    clock.set_speed(1.0)
    assert 0 <= clock.now() - before < 100_000


def test_an_act_that_fails_is_reported_and_holds_up_no_other():
    done: list[str] = []
    said: list[str] = []
    clock = Clock(start_at=1_000.0)

    async def whole() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: said.append(str(context["exception"])))
        clock.at(2_000.0, {}.__getitem__, "nothing")
        clock.at(3_000.0, done.append, "next")
        clock.advance(5_000.0)
        running = asyncio.create_task(clock.run())
        await asyncio.sleep(0.02)
        running.cancel()

    asyncio.run(whole())
    assert (said, done) == (["'nothing'"], ["next"])
