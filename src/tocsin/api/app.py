"""The table of routes, and the ASGI application that answers by it."""

import asyncio
import logging
import traceback
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from typing import Any

from tocsin.api import done, gate_feed, health, signals
from tocsin.api.exchange import Problem, Receive, Request, Room, Send, send_answer
from tocsin.api.routes import Route
from tocsin.api.webhooks_in import PATH as WEBHOOKS, WebhooksIn
from tocsin.kernel.errors import TocsinError

HEADER_BYTES_MAX = 16 * 1024
HEADERS_MAX = 64
PATH_CHARACTERS_MAX = 512
WORKER_THREADS = 8
_LOG = logging.getLogger("tocsin.api")

# Each file of routes names its own; they are asked in this order.
ROUTES: tuple[Route, ...] = (*health.ROUTES, *gate_feed.ROUTES, *signals.ROUTES, *done.ROUTES)


class Api:
    """The application: finds the route, keeps the limits, and turns what goes wrong into an answer.

    Logs hold method, route and status, never a path's parts, a query, a header or a body: they may be personal.
    """

    def __init__(self, routes: tuple[Route, ...] = ROUTES, *, wired: Any = None) -> None:
        self._routes = routes
        self._wired = wired
        self.threads = ThreadPoolExecutor(WORKER_THREADS, thread_name_prefix="tocsin-api")
        self.stopping = asyncio.Event()
        self._room = Room()
        self._webhooks = WebhooksIn(wired, threads=self.threads)

    def close(self) -> None:
        """End the worker threads, and with them their connections to the database."""
        self._webhooks.close()
        self.threads.shutdown(cancel_futures=True)

    async def __call__(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer one request (ASGI 3.0)."""
        if scope["type"] == "lifespan":
            await _live(receive, send)
        elif scope["type"] == "http" and scope["path"].startswith(WEBHOOKS):
            await self._webhooks(scope, receive, send)
        elif scope["type"] == "http":
            await self._exchange(scope, receive, send)

    async def _exchange(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        request = Request(
            scope, receive, threads=self.threads, stopping=self.stopping, wired=self._wired, room=self._room
        )
        try:
            _check_limits(scope)
            answer = await self._route(request).answers(request)
        except Problem as problem:
            answer = problem.answer()
        except TocsinError as error:
            _LOG.warning("%s refused: %s", request.method, type(error).__name__)
            answer = Problem(HTTPStatus.CONFLICT, error.what).answer()
        except Exception as error:  # noqa: BLE001 - one request's fault must not end the others
            # Where, not what: an error's text may name an account.
            _LOG.error("%s: %s", type(error).__name__, "".join(traceback.format_tb(error.__traceback__)))
            answer = Problem(HTTPStatus.INTERNAL_SERVER_ERROR).answer()
        finally:
            request.leave()
        await send_answer(answer, send, head_only=request.method == "HEAD")

    def _route(self, request: Request) -> Route:
        """Return the route of a request, with its named parts put into it; HEAD is answered like GET."""
        method = "GET" if request.method == "HEAD" else request.method
        allowed: list[str] = []
        for route in self._routes:
            values = route.values_of(request.path)
            if values is not None and route.method == method:
                request.path_values = values
                return route
            if values is not None:
                allowed.append(route.method)
        if allowed:
            raise Problem(HTTPStatus.METHOD_NOT_ALLOWED, headers={"allow": ", ".join(sorted(set(allowed)))})
        raise Problem(HTTPStatus.NOT_FOUND)


def _check_limits(scope: Mapping[str, Any]) -> None:
    headers = scope["headers"]
    if len(headers) > HEADERS_MAX or sum(len(name) + len(value) for name, value in headers) > HEADER_BYTES_MAX:
        raise Problem(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
    if len(scope["path"]) + len(scope.get("query_string", b"")) > PATH_CHARACTERS_MAX:
        raise Problem(HTTPStatus.REQUEST_URI_TOO_LONG)


async def _live(receive: Receive, send: Send) -> None:
    """Answer the server's start and end (ASGI lifespan)."""
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
