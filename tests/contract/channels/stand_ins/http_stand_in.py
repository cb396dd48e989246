"""An HTTP server of a provider in a thread, with moods; what it takes and answers is each provider's own."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web
from channel_peers import Loop, Mood
from tests.ports import free_port

Answer = tuple[int, dict[str, Any] | str, dict[str, str]]  # status, JSON or plain text, headers


class HttpStandIn:
    """Counts at the socket, then behaves as told. ``take`` notes a message and returns the answer of a good day."""

    def __init__(
        self, loop: Loop, *, take: Callable[[web.Request, bytes], Awaitable[Answer]], refusals: dict[Mood, Answer]
    ) -> None:
        self.mood, self.tries = Mood.TAKES, 0
        self._loop, self._take, self._refusals = loop, take, refusals
        self._never = asyncio.Event()  # held here, or what waits for it would be swept up
        self._runner: web.AppRunner | None = None
        self.port = free_port()

    @property
    def connections(self) -> int:
        return len(self._runner.server.connections) if self._runner else 0

    def be(self, mood: Mood) -> None:
        if (mood is Mood.DOWN) == (self._runner is not None):
            self._loop.run(self._stopped() if mood is Mood.DOWN else self._started())
        self.mood = mood

    async def _started(self) -> None:
        app = web.Application(client_max_size=1 << 24)
        app.router.add_route("*", "/{path:.*}", self._asked)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", self.port, reuse_address=True).start()
        self._runner = runner

    async def _stopped(self) -> None:
        runner, self._runner = self._runner, None
        if runner:
            await runner.cleanup()

    async def _asked(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        self.tries += 1
        if self.mood in self._refusals:
            return _response(self._refusals[self.mood])
        answer = await self._take(request, body)
        if self.mood is Mood.DROPS_AFTER:
            request.transport.abort()
        if self.mood is Mood.SILENT:
            await self._never.wait()
        return _response(answer)


def _response(answer: Answer) -> web.Response:
    status, told, headers = answer
    if isinstance(told, str):
        return web.Response(text=told, status=status, headers=headers)
    return web.json_response(told, status=status, headers=headers)
