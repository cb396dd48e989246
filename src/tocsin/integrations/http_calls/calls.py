"""Calls to another system: TLS verified, redirects refused, every wait bounded, and never sent twice unasked.

What went wrong is told apart by what it means for the account: not reached (nothing was sent), no answer (nobody knows
whether it was done), later (the system asks to wait).
"""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver
from yarl import URL

from tocsin.integrations.http_calls.pacing import THROTTLED, Pace, retry_after
from tocsin.integrations.http_calls.settings import Settings
from tocsin.kernel.language import gettext as _

BODY_BYTES_MAX = 16 * 1024 * 1024
PATIENCE_SECONDS = 2.0  # a shorter wait is spent here; a longer one is handed back, so that nobody's lease runs out
AGAIN_SECONDS = 15.0
HTTP_DEFAULT_SECONDS = 30.0


class NotReached(Exception):
    """Nothing was sent: no connection, no valid certificate, or no sign-in."""


class NoAnswer(Exception):
    """It was sent and no answer that can be believed came back: it may or may not have been done."""


class Later(Exception):
    """The system asks to wait, and did nothing."""

    def __init__(self, reason: str, *, seconds: float) -> None:
        super().__init__(reason)
        self.seconds = seconds


@dataclass(frozen=True, slots=True)
class Request:
    """One call before it is authorised. ``body`` is what goes over the wire, so that it can be signed."""

    method: str
    url: URL
    body: bytes
    headers: Mapping[str, str]
    pace: str
    has_turn: bool = False  # it has waited for its turn already


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer; ``headers`` are found by any spelling of their name."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def is_success(self) -> bool:
        """Say whether the status is 2xx: that it was taken, not that it holds."""
        return 200 <= self.status < 300

    def json(self) -> Any:
        """Return the body as JSON; NoAnswer when it is none: something else than the system answered."""
        try:
            return json.loads(self.body)
        except ValueError:
            raise NoAnswer(_("the answer is not JSON")) from None

    def listed(self) -> list[dict[str, Any]]:
        """Return a body that is a list of objects; NoAnswer when it is none."""
        found = self.json()
        if not isinstance(found, list):
            raise NoAnswer(_("the answer is not the list that was asked for"))
        return [each for each in found if isinstance(each, dict)]

    def told(self) -> dict[str, Any]:
        """Return a body that is an object; NoAnswer when it is none."""
        found = self.json()
        if not isinstance(found, dict):
            raise NoAnswer(_("the answer is not the object that was asked for"))
        return found


Authorise = Callable[["Line", Request], Awaitable[Mapping[str, str]]]


@dataclass(frozen=True, slots=True)
class Wire:
    """How a system is reached: everything that is the same at every call.

    ``paces`` has one pace for each kind of call the system counts apart; what has none goes at the pace of ``write``.
    """

    base: str
    paces: Mapping[str, Pace]
    timeout_seconds: float = HTTP_DEFAULT_SECONDS
    ca_file: str | None = None
    proxy: str | None = None
    in_flight: int = 8
    resolver: Callable[[], AbstractResolver] | None = None


def wire_of(settings: Settings, *, base: str, paces: Mapping[str, Pace]) -> Wire:
    """Return the wire that ``HTTP_SETTINGS`` describe."""
    return Wire(
        base=base,
        paces=paces,
        timeout_seconds=settings.number("timeout_seconds", default=HTTP_DEFAULT_SECONDS, least=0.1) or 0.0,
        ca_file=settings.ca_file(),
        proxy=settings.proxy(),
        in_flight=int(settings.number("in_flight", default=8, least=1) or 8),
    )


class Line:
    """Open connections to one system for the length of a batch. ``replies`` counts the answers that came."""

    def __init__(self, wire: Wire, *, session: aiohttp.ClientSession, authorise: Authorise | None) -> None:
        self.wire = wire
        self.replies = 0
        self.signing_in = asyncio.Lock()
        self.shared: dict[str, Any] = {}  # what the workers of this batch have in common
        self._session, self._authorise = session, authorise
        self._places = asyncio.Semaphore(wire.in_flight)  # waited for here, where the wait counts for no time-out

    async def read(
        self,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        pace: str = "read",
        has_turn: bool = False,
    ) -> Reply:
        """Ask for something; Later when no answer came, since asking changes nothing."""
        return await self.ask("GET", path, params=params, headers=headers, pace=pace, has_turn=has_turn)

    async def ask(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        pace: str = "read",
        has_turn: bool = False,
    ) -> Reply:
        """Ask as ``read`` does, with another method: a question that is posted."""
        try:
            return await self._call(
                method, path, pace=pace, params=params, body=body, headers=headers, has_turn=has_turn
            )
        except NoAnswer as lost:
            raise Later(str(lost), seconds=AGAIN_SECONDS) from lost

    async def write(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """Change something; NoAnswer when nobody knows whether it was done. ``body`` is sent as JSON."""
        return await self._call(method, path, pace="write", params=params, body=body, headers=headers)

    async def post_form(self, address: str, form: Mapping[str, str], *, headers: Mapping[str, str]) -> Reply:
        """Post a form without authorising it: how a sign-in is asked for."""
        body = aiohttp.FormData(dict(form))().decode().encode()
        kind = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json", **headers}
        return await self._send(Request("POST", URL(address), body, kind, "sign_in"))

    async def _call(
        self,
        method: str,
        path: str,
        *,
        pace: str,
        params: Mapping[str, str] | None = None,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        has_turn: bool = False,
    ) -> Reply:
        url = URL(path if path.startswith("http") else self.wire.base + path, encoded=True)
        if params:
            url = url.extend_query(params)
        content = b"" if body is None else json.dumps(body, separators=(",", ":")).encode()
        kind = {"Content-Type": "application/json"} if body is not None else {}
        request = Request(
            method, url, content, {"Accept": "application/json", **kind, **(headers or {})}, pace, has_turn
        )
        return await self.send(request)

    async def send(self, request: Request) -> Reply:
        """Authorise and send; a sign-in that has run out is renewed once, since a 401 did nothing."""
        for is_last in (False, True):
            extra = await self._authorise(self, request) if self._authorise else {}
            reply = await self._send(replace(request, headers={**request.headers, **extra}))
            renew = getattr(self._authorise, "renew", None)
            if reply.status != 401:
                return reply
            if is_last or renew is None:
                break
            renew()
        raise NotReached(_("it does not accept our credentials"))

    async def _send(self, request: Request) -> Reply:
        if not request.has_turn:
            await self.turn(request.pace)
        async with self._places:
            reply = await self._exchange(request)
        self.replies += 1
        return self.judged(reply, pace=request.pace)

    async def turn(self, pace: str) -> None:
        """Wait until one more call of this kind is allowed; Later when that is not soon."""
        kept = self.pace_of(pace)
        if kept.closed_for() > PATIENCE_SECONDS:
            raise Later(_("the system's rate limit"), seconds=kept.closed_for())
        if kept.closed_for():
            await asyncio.sleep(kept.closed_for())
        await kept.turn()

    def judged(self, reply: Reply, *, pace: str) -> Reply:
        """Return an answer that says what became of the call; raise what the others mean."""
        kept = self.pace_of(pace)
        kept.learn(status=reply.status, headers=reply.headers)
        if reply.status == 429 or (reply.status in THROTTLED and retry_after(reply.headers) is not None):
            raise Later(_("the system's rate limit"), seconds=kept.closed_for() or AGAIN_SECONDS)
        if 300 <= reply.status < 400:
            raise NotReached(_("it answers with a redirect, which is not followed; give its final address"))
        if reply.status >= 500:
            raise NoAnswer(_("it answers with a fault of its own, HTTP {status}").format(status=reply.status))
        return reply

    def pace_of(self, kind: str) -> Pace:
        """Return the pace of one kind of call."""
        return self.wire.paces.get(kind) or self.wire.paces["write"]

    async def _exchange(self, request: Request) -> Reply:
        try:
            async with self._session.request(
                request.method,
                request.url,
                data=request.body or None,
                headers=dict(request.headers),
                allow_redirects=False,
                proxy=self.wire.proxy,
            ) as response:
                body = bytearray()
                async for part in response.content.iter_chunked(65_536):
                    body += part
                    if len(body) > BODY_BYTES_MAX:
                        raise NoAnswer(_("the answer is too long"))
                return Reply(response.status, response.headers, bytes(body))
        except aiohttp.ClientConnectorCertificateError as error:
            raise NotReached(_("its certificate is not valid")) from error
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.ClientHttpProxyError) as error:
            raise NotReached(_("no connection")) from error
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise NoAnswer(_("the connection went before the answer came")) from error


@asynccontextmanager
async def opened(wire: Wire, *, authorise: Authorise | None) -> AsyncIterator[Line]:
    """Open the connections of one batch and close them after it."""
    tls = ssl.create_default_context(cafile=wire.ca_file) if wire.ca_file else True
    connector = aiohttp.TCPConnector(
        limit=wire.in_flight, ssl=tls, resolver=wire.resolver() if wire.resolver else None, ttl_dns_cache=60
    )
    waits = aiohttp.ClientTimeout(total=wire.timeout_seconds, sock_connect=min(10.0, wire.timeout_seconds))
    async with aiohttp.ClientSession(
        connector=connector,
        timeout=waits,
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"User-Agent": "Tocsin"},
        auto_decompress=True,
    ) as session:
        # aiohttp sends PUT and DELETE a second time, silently, when the first answer is lost; we ask before we repeat.
        session._retry_connection = False  # noqa: SLF001
        yield Line(wire, session=session, authorise=authorise)
