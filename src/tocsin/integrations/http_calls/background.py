"""Asynchronous calls behind a synchronous port: they run in a thread of their own, results come as they are known."""

import asyncio
import contextvars
import threading
from collections.abc import Callable, Coroutine, Iterator
from queue import SimpleQueue
from typing import Any, TypeVar

T = TypeVar("T")


class _End:
    """The mark after the last result, with what ended it."""

    def __init__(self, error: BaseException | None) -> None:
        self.error = error


def streamed(work: Callable[[Callable[[T], None]], Coroutine[Any, Any, None]]) -> Iterator[T]:
    """Run ``work(emit)`` and yield what it emits, each as soon as it is known.

    A slow taker does not make calls time out. When the taker stops early, what is under way is cancelled.
    """
    results: SimpleQueue[T | _End] = SimpleQueue()
    running: list[tuple[asyncio.AbstractEventLoop, asyncio.Task[None]]] = []

    async def supervised() -> None:
        task = asyncio.ensure_future(work(results.put))
        running.append((asyncio.get_running_loop(), task))
        await task

    def run() -> None:
        error: BaseException | None = None
        try:
            asyncio.run(supervised())
        except asyncio.CancelledError:
            pass
        except BaseException as raised:  # noqa: BLE001 - carried to the taker's thread, where it is raised
            error = raised
        results.put(_End(error))

    context = contextvars.copy_context()  # the language chosen in the taker's thread
    thread = threading.Thread(target=lambda: context.run(run), daemon=True)
    thread.start()
    try:
        while not isinstance(result := results.get(), _End):
            yield result
        if result.error is not None:
            raise result.error
    finally:
        for loop, task in running:
            if not loop.is_closed() and not task.done():
                loop.call_soon_threadsafe(task.cancel)
        thread.join()


def awaited(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run one coroutine to its end in a thread of its own and return what it returns."""

    async def once(emit: Callable[[T], None]) -> None:
        emit(await work())

    return next(iter(list(streamed(once))))
