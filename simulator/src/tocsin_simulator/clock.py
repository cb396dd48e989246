"""Simulated time: it runs `speed` times as fast as the real one, and can be pushed forward."""

import asyncio
import contextlib
import heapq
import time
from collections.abc import Callable
from itertools import count
from typing import Any

# How many due acts are done before others get their turn, and how long to wait at most for a push.
AT_ONCE = 500
# Real seconds between looks at what is due: fewer looks do more at once.
TICK_SECONDS = 0.004


class Clock:
    """Tells simulated seconds since 1970 and does what is due."""

    def __init__(self, *, speed: float = 1.0, start_at: float | None = None) -> None:
        """Start at `start_at` (seconds since 1970; default: now)."""
        self.speed = speed
        self._start_at = time.time() if start_at is None else start_at
        self._real = time.monotonic()
        self._due: list[tuple[float, int, Callable[..., object], tuple[Any, ...]]] = []
        self._order = count()
        self._awake = asyncio.Event()

    def now(self) -> float:
        """Return simulated seconds since 1970."""
        return self._start_at + (time.monotonic() - self._real) * self.speed

    def advance(self, seconds: float) -> None:
        """Let `seconds` of simulated time pass at once; everything due meanwhile is done in its order."""
        self._start_at += seconds
        self._awake.set()

    def set_speed(self, speed: float) -> None:
        """Run `speed` times as fast as real time from now on."""
        self._start_at, self._real, self.speed = self.now(), time.monotonic(), speed
        self._awake.set()

    def at(self, due_at: float, act: Callable[..., object], *given: Any) -> None:
        """Do `act(*given)` (a plain function, quick) at `due_at`."""
        heapq.heappush(self._due, (due_at, next(self._order), act, given))
        if self._due[0][0] == due_at:
            self._awake.set()

    def after(self, seconds: float, act: Callable[..., object], *given: Any) -> None:
        """Do `act(*given)` when `seconds` of simulated time have passed."""
        self.at(self.now() + seconds, act, *given)

    def clear(self) -> None:
        """Forget everything that was to be done."""
        self._due.clear()

    @property
    def waiting(self) -> int:
        """Return how many acts wait for their time."""
        return len(self._due)

    async def run(self) -> None:
        """Do what is due, for ever. An act that fails is reported by the loop, and holds up none of the others."""
        loop = asyncio.get_running_loop()
        while True:
            now = self.now()
            done = 0
            while self._due and self._due[0][0] <= now and done < AT_ONCE:
                _, _, act, given = heapq.heappop(self._due)
                loop.call_soon(act, *given)
                done += 1
            if done:
                await asyncio.sleep(0)  # now they are done
                if done == AT_ONCE:
                    continue
            self._awake.clear()
            pause = (self._due[0][0] - self.now()) / self.speed if self._due else None
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._awake.wait(), None if pause is None else max(pause, TICK_SECONDS))
