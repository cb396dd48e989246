"""A vendor's HTTP interface in a thread of its own, on loopback, which counts what arrives and can be told to misbehave.

What it counts is what came over the socket: a call that our side believes it sent once and the wire carried twice is
seen here.
"""

import asyncio
import ssl
import threading
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Self

from aiohttp import web
from tests.ports import free_port


@dataclass
class Trouble:
    """What goes wrong with the next ``times`` calls whose method and path hold ``match``."""

    kind: str  # throttled, lost_before, lost_after, status
    match: str
    times: int
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0


class Fake:
    """One server. ``calls`` are (method, path and query) in the order of arrival."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, str]] = []
        self.troubles: list[Trouble] = []
        self.does_nothing = False  # answers as if it had done everything, and does nothing
        self.port = free_port()  # and the same after it was away
        self.tls: ssl.SSLContext | None = None

    def routes(self) -> Iterable[web.RouteDef]:
        raise NotImplementedError

    def throttled(self, trouble: Trouble) -> web.Response:
        """Return the vendor's own 429."""
        return web.Response(status=429, headers=trouble.headers)

    def headers(self, request: web.Request) -> dict[str, str]:
        """Return headers that every answer carries."""
        return {}

    @property
    def url(self) -> str:
        return f"http{'s' if self.tls else ''}://127.0.0.1:{self.port}"

    # What it is told.

    def throttle(self, *, times: int, retry_after: str | None = "0", match: str = "", **headers: str) -> None:
        stated = {} if retry_after is None else {"Retry-After": retry_after}
        self.troubles.append(Trouble("throttled", match, times, headers=stated | headers))

    def lose(self, *, after_doing_it: bool, match: str, times: int = 1) -> None:
        self.troubles.append(Trouble("lost_after" if after_doing_it else "lost_before", match, times))

    def answer(self, status: int, *, match: str, times: int = 1, **headers: str) -> None:
        self.troubles.append(Trouble("status", match, times, status=status, headers=headers))

    def delay(self, seconds: float, *, match: str, times: int = 1) -> None:
        self.troubles.append(Trouble("slow", match, times, seconds=seconds))

    # What it saw.

    def count(self, *words: str) -> int:
        """Return how many calls hold every word in their method and path."""
        return sum(all(word in f"{method} {path}" for word in words) for method, path in self.calls)

    def by_path(self, *words: str) -> Counter[str]:
        return Counter(path for method, path in self.calls if all(word in f"{method} {path}" for word in words))

    # How it is served.

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_raised: object) -> None:
        self.stop()

    def start(self) -> None:
        """Serve, on the port it had before if it had one."""
        ready = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(ready,), daemon=True)
        self._thread.start()
        assert ready.wait(60)

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(60)

    def _run(self, ready: threading.Event) -> None:
        asyncio.run(self._serve(ready))

    async def _serve(self, ready: threading.Event) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        application = web.Application(middlewares=[self._troubled], client_max_size=64 * 2**20)
        application.add_routes(self.routes())
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", self.port, reuse_address=True, ssl_context=self.tls)
        await site.start()
        self.port = runner.addresses[0][1]
        ready.set()
        await self._stop.wait()
        await runner.cleanup()

    @property
    def _troubled(self) -> Callable:
        @web.middleware
        async def troubled(request: web.Request, handler: Callable) -> web.StreamResponse:
            self.calls.append((request.method, request.raw_path))
            trouble = self._next_trouble(f"{request.method} {request.raw_path}")
            kind = trouble.kind if trouble else ""
            if kind == "throttled":
                response = self.throttled(trouble)
            elif kind == "status":
                response = web.Response(status=trouble.status, headers=trouble.headers)
            elif kind == "lost_before":
                request.transport.abort()
                return web.Response()
            else:
                if kind == "slow":
                    await asyncio.sleep(trouble.seconds)
                try:
                    response = await handler(request)
                except web.HTTPException as raised:
                    response = raised
            if kind == "lost_after":
                request.transport.abort()
            for name, value in self.headers(request).items():
                response.headers.setdefault(name, value)
            return response

        return troubled

    def _next_trouble(self, line: str) -> Trouble | None:
        for trouble in self.troubles:
            if trouble.times > 0 and trouble.match in line:
                trouble.times -= 1
                return trouble
        return None


def is_json(request: web.Request) -> bool:
    return request.headers.get("Content-Type", "").split(";")[0].strip() == "application/json"
