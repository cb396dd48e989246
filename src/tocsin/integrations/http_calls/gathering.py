"""Many questions in one call: what several workers ask at the same moment is asked of the system together."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Generic, TypeVar

from tocsin.integrations.http_calls.calls import Later, NoAnswer, NotReached

V = TypeVar("V")


class Gathered(Generic[V]):
    """Answers single questions by asking for up to ``most`` of them in one ``fetch``.

    ``before`` is awaited before each fetch: waiting for our turn is the time in which more questions gather. A question
    that ``fetch`` leaves out is answered with ``missing``.
    """

    def __init__(
        self,
        fetch: Callable[[Sequence[str]], Awaitable[Mapping[str, V]]],
        *,
        most: int,
        before: Callable[[], Awaitable[None]],
        missing: V,
    ) -> None:
        self._fetch, self._most, self._before, self._missing = fetch, most, before, missing
        self._waiting: dict[str, asyncio.Future[V]] = {}
        self._draining: asyncio.Task[None] | None = None

    async def one(self, question: str) -> V:
        """Return the answer to one question; what goes wrong with the call goes wrong for all it was asked for."""
        if question not in self._waiting:
            self._waiting[question] = asyncio.get_running_loop().create_future()
        answer = self._waiting[question]
        if self._draining is None or self._draining.done():
            self._draining = asyncio.create_task(self._drain())
        return await asyncio.shield(answer)

    async def _drain(self) -> None:
        while self._waiting:
            asked: dict[str, asyncio.Future[V]] = {}
            try:
                await self._before()
                asked = {name: self._waiting.pop(name) for name in list(self._waiting)[: self._most]}
                found = await self._fetch(list(asked))
            except (Later, NoAnswer, NotReached) as error:
                if not asked:
                    asked, self._waiting = self._waiting, {}
                for answer in asked.values():
                    answer.set_exception(error)
            else:
                for name, answer in asked.items():
                    answer.set_result(found.get(name, self._missing))
