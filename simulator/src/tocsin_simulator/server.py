"""The HTTP side: finds the route, checks the token, counts management calls, and cuts lines when a fault says so."""

import asyncio
import contextlib
import hmac
from dataclasses import replace
from pathlib import Path
from typing import Any

from aiohttp import web
from aiohttp.http import HttpVersion11

from tocsin_simulator import (
    acts,
    admin,
    analytics,
    blocks,
    history,
    media,
    messages,
    numbers,
    phones,
    steering,
    subscriptions,
    template_steering,
    templates,
    unoffered,
)
from tocsin_simulator.errors import GraphError, unknown_object
from tocsin_simulator.routing import Dropped, Reply, Request, Route, Router
from tocsin_simulator.values import Settings
from tocsin_simulator.world import World

ROUTES = (
    *messages.ROUTES,
    *admin.ROUTES,
    *steering.ROUTES,
    *phones.ROUTES,
    *templates.ROUTES,
    *template_steering.ROUTES,
    *media.ROUTES,
    *numbers.ROUTES,
    *blocks.ROUTES,
    *analytics.ROUTES,
    *subscriptions.ROUTES,
    *history.ROUTES,
    *unoffered.ROUTES,
)
# A document may have 100 MB, and a form around it.
LARGEST_BODY = 110 * 1024 * 1024
STOP_SECONDS = 0.5


class Server:
    """A simulator that listens."""

    def __init__(
        self,
        settings: Settings,
        *,
        plan: Any = None,
        people: list[dict[str, Any]] | None = None,
        described_templates: list[dict[str, Any]] | None = None,
        ledger: Path | None = None,
    ) -> None:
        """`plan`: scripted faults; `people`: described ones; `ledger`: a file that survives the process.

        Raises:
            ValueError: the plan, the people or the templates make no sense; the text says where.

        """
        self.settings = settings
        self._plan = plan
        self._people = people
        self._templates = described_templates or []
        self._ledger = ledger
        self._router = Router(ROUTES)
        self._http = web.Server(self._answer, request_factory=big_request, access_log=None)
        self._listening: asyncio.Server | None = None
        self.address = ""
        self._clock: asyncio.Task[None] | None = None
        self.world = self._new_world()

    def _new_world(self) -> World:
        world = World(replace(self.settings), plan=self._plan, people=self._people)
        world.again = self.reset
        templates.load(world, self._templates)
        if self._ledger is not None:
            world.ledger.write_to(self._ledger)
        return world

    async def start(self) -> None:
        """Listen; `world.address` then says where."""
        loop = asyncio.get_running_loop()
        self._listening = await loop.create_server(self._http, self.settings.listen, self.settings.port, backlog=1024)
        host, port = self._listening.sockets[0].getsockname()[:2]
        self.address = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
        await self._begin()

    async def _begin(self) -> None:
        self.world.address = self.address
        await self.world.webhooks.start()
        acts.begin(self.world)
        self._clock = asyncio.create_task(self.world.clock.run())

    async def _end(self) -> None:
        if self._clock is not None:
            self._clock.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._clock
        await self.world.webhooks.stop()
        self.world.ledger.close()

    async def reset(self) -> None:
        """Begin anew: an empty ledger, the same settings."""
        await self._end()
        if self._ledger is not None:
            self._ledger.unlink(missing_ok=True)
        watchers = self.world.watchers
        self.world = self._new_world()
        self.world.watchers = watchers
        self.world.tell({"kind": "reset"})
        await self._begin()

    async def stop(self) -> None:
        """Stop listening, and forget what waits."""
        if self._listening is not None:
            self._listening.close()
        self._http.pre_shutdown()  # idle lines are closed at once
        await self._http.shutdown(STOP_SECONDS)
        await self._end()

    async def _answer(self, raw: web.BaseRequest) -> web.StreamResponse:
        """Answer one request."""
        world = self.world
        path = raw.path
        try:
            found = self._router.find(world, raw.method, path)
            if found is None:
                raise not_found(raw, path)
            route, given = found
            request = Request(raw.method, path, raw, await raw.read(), given)
            if not route.open:
                check_token(world, request)
            if route.counted and not route.open:
                await check_call(world, route)
            reply = await route.answer(world, request)
        except GraphError as error:
            return sent(Reply(error.body(path), status=error.status))
        except Dropped as dropped:
            return cut(raw, dropped.reply)
        return sent(reply) if isinstance(reply, Reply) else reply


def big_request(*given: Any) -> web.BaseRequest:
    """Return a request that may carry a document."""
    message, payload, protocol, writer, task = given
    return web.BaseRequest(message, payload, protocol, writer, task, protocol._loop, client_max_size=LARGEST_BODY)  # noqa: SLF001


def not_found(raw: web.BaseRequest, path: str) -> GraphError:
    """Return the refusal of a path that leads nowhere, as Meta words it."""
    parts = [part for part in path.split("/") if part]
    key = parts[1] if len(parts) > 1 else "".join(parts)
    return unknown_object(raw.method, key)


def check_token(world: World, request: Request) -> None:
    """Refuse a request without the access token."""
    if not request.token:
        raise GraphError(
            190, title="An access token is required to request this resource.", extra={"type": "OAuthException"}
        )
    of_app = request.path.endswith(("/subscriptions", "/debug_token"))
    good = (world.settings.token, world.app_token) if of_app else (world.settings.token,)
    if not any(hmac.compare_digest(request.token.encode(), each.encode()) for each in good):
        raise GraphError(190, title="Invalid OAuth access token - Cannot parse access token")


async def check_call(world: World, route: Route) -> None:
    """Count a management call, and do the faults meant for those."""
    world.calls += 1
    if not world.limits.call(world.clock.now()):
        raise GraphError(80007, "There have been too many calls to this WhatsApp Business account.")
    for rule in world.faults.pick("management", key=f"{route.pattern}|{world.calls}", ordinal=world.calls):
        if rule.kind == "slow":
            await asyncio.sleep(rule.given["seconds"])
        elif rule.kind == "drop_before_read":
            raise Dropped
        else:
            raise GraphError(rule.given["code"], rule.given["details"], http=rule.given["http"])


def sent(reply: Reply) -> web.Response:
    """Return an answer as aiohttp sends it."""
    return web.Response(
        body=reply.sent(), status=reply.status, headers={"Content-Type": reply.content_type} | reply.headers
    )


def cut(raw: web.BaseRequest, reply: Reply | None) -> web.Response:
    """Cut the line: before anything is answered, or in the middle of an answer."""
    transport = raw.transport
    if transport is not None:
        if reply is not None and raw.version == HttpVersion11:
            body = reply.sent()
            head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
            transport.write(head.encode() + body[: len(body) // 2])
            transport.close()
        else:
            transport.abort()
    return web.Response()
