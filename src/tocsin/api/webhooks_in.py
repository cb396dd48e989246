"""Webhooks of providers, taken in: verified over the raw bytes, kept durably, then answered; read afterwards.

Providers send in bursts and expect an answer at once (Meta: a median of 250 ms, for three times as many webhooks as
messages went out), and they repeat for days what was not answered with 200. So this goes beside the table of routes,
straight on ASGI, and one thread keeps whatever waits with a single COPY and a single flush to disk.
"""

import asyncio
import hashlib
import hmac
import logging
import secrets
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from contextlib import suppress
from http import HTTPStatus
from time import monotonic
from typing import Any, cast
from urllib.parse import parse_qs

from django.db import DatabaseError, connection

from tocsin.api.exchange import Problem, Receive, Room, Send, send_answer
from tocsin.kernel import clock
from tocsin.kernel.errors import TocsinError
from tocsin.messaging import commands, queries
from tocsin.messaging.ports import Paged
from tocsin.messaging.values import App, IntakeBody

PATH = "/webhooks/v1/"
BODY_BYTES_MAX = 3 * 1024 * 1024  # Meta, webhooks: what one POST may hold
BODY_SECONDS_MAX = 20.0
KEPT_SECONDS_MAX = 10.0
SWEEP_SECONDS = 0.5
SAY_SECONDS = 5.0  # between two lines of the log about bodies that cannot be kept
BODIES_BYTES_MAX = 192 * 1024 * 1024
GATHER_SECONDS = 0.002  # one flush to disk for many; a sender of single updates waits so long for each
RING_SECONDS = 0.2  # between two words to the workers, who gather for longer when they hear one
BODIES_AT_ONCE = 500
APPS_SECONDS = 3.0  # what is known of applications is never older: a secret that was replaced is not good for longer
APPS_SECONDS_AHEAD = 2.0  # until it is looked up again beside the requests, so that none waits under load
APPS_SECONDS_LEAST = 1.0  # between two looks for an application, or a secret, that nobody knows
CHALLENGE_CHARACTERS_MAX = 512
# Headers that reading needs, of kinds whose body does not say everything; never one that proves who sent it.
KEPT_HEADERS = ("content-type", "webhook-id", "webhook-timestamp")
KEPT_HEADERS_OF = {"email_provider": ("content-type", "x-")}  # each of many providers has some of its own
HEADERS_MAX = 64
ADDRESS_CHARACTERS_MAX = 2048  # the path and its query: providers put our own ids and their challenges there
# Kinds that tell by asking an address they filled in: its query is the body, sealed as one and kept nowhere else.
TOLD_BY_GET = frozenset({"kannel"})
PAGED = frozenset({"email", "email_provider"})  # kinds of which people follow some addresses, in a browser
QUERY_CHARACTERS_MAX = 16 * 1024
_LOG = logging.getLogger("tocsin.api")
_PLAIN = [(b"content-type", b"text/plain; charset=utf-8"), (b"x-content-type-options", b"nosniff")]
_HTML = [
    (b"content-type", b"text/html; charset=utf-8"),
    (b"x-content-type-options", b"nosniff"),
    (b"cache-control", b"no-store"),
    (b"referrer-policy", b"no-referrer"),
    (b"content-security-policy",
     b"default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"),
]  # fmt: skip
_NOBODYS_SECRET = secrets.token_hex(16)
_STRANGER = App(id="", kind="whatsapp", name="", secrets=(), verify_token="", made_at=clock.now())


class IntakeWriter:
    """A thread that keeps bodies: whatever waits, in one COPY. Asked from one event loop."""

    def __init__(self) -> None:
        self._waiting: deque[tuple[IntakeBody, asyncio.Future[bool]]] = deque()
        self._answers: deque[tuple[float, asyncio.Future[bool]]] = deque()  # with the moment they are due at the latest
        self._sweeping: asyncio.TimerHandle | None = None
        self._wake = threading.Event()
        self._rang_at = -RING_SECONDS
        self._ending = False
        self._thread: threading.Thread | None = None
        self._said_at, self._unsaid = float("-inf"), 0  # of trouble, and bodies it met since

    def keep(self, body: IntakeBody) -> asyncio.Future[bool]:
        """Return what becomes True once the body is durable, False when it could not be kept within ten seconds."""
        loop = asyncio.get_running_loop()
        kept: asyncio.Future[bool] = loop.create_future()
        self._answers.append((loop.time() + KEPT_SECONDS_MAX, kept))
        if self._sweeping is None:
            self._sweeping = loop.call_later(SWEEP_SECONDS, self._sweep, loop)
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="tocsin-intake", daemon=True)
            self._thread.start()
        self._waiting.append((body, kept))
        self._wake.set()
        return kept

    def _sweep(self, loop: asyncio.AbstractEventLoop) -> None:
        """Give up those that waited too long: one timer for all, because one for each costs more than keeping it."""
        now = loop.time()
        while self._answers and (self._answers[0][1].done() or self._answers[0][0] <= now):
            _tell([self._answers.popleft()[1]], is_kept=False)
        self._forget_given_up()
        self._sweeping = loop.call_later(SWEEP_SECONDS, self._sweep, loop) if self._answers else None

    def _forget_given_up(self) -> None:
        """Let go of bodies that will come again: while the database hangs they would fill the memory."""
        with suppress(IndexError):  # the thread takes them, too
            while (oldest := self._waiting.popleft())[1].done():
                pass
            self._waiting.appendleft(oldest)
            self._wake.set()  # the thread may have looked in between

    def close(self) -> None:
        """Keep what waits, and end."""
        self._ending = True
        self._wake.set()
        if self._thread is not None:
            self._thread.join(KEPT_SECONDS_MAX)

    def _run(self) -> None:
        while not (self._ending and not self._waiting):
            self._wake.wait()
            self._wake.clear()
            if not self._waiting:
                continue
            if len(self._waiting) < BODIES_AT_ONCE and not self._ending:
                # One flush to disk for many: the others of a burst come within milliseconds.
                threading.Event().wait(GATHER_SECONDS)
            self._keep(self._taken())
        connection.close()

    def _taken(self) -> list[tuple[IntakeBody, asyncio.Future[bool]]]:
        """Take what waits, one by one: a body that comes in this moment is among it or stays for the next round."""
        taken: list[tuple[IntakeBody, asyncio.Future[bool]]] = []
        with suppress(IndexError):  # some were given up meanwhile
            for _ in range(len(self._waiting)):
                taken.append(self._waiting.popleft())  # noqa: PERF401 - what was taken before the last stays taken
        return taken

    def _keep(self, waiting: Sequence[tuple[IntakeBody, asyncio.Future[bool]]]) -> None:
        if not waiting:
            return
        try:
            commands.store_intake([body for body, _ in waiting])
            is_kept = True
        except Exception as error:  # noqa: BLE001 - who waits is answered, and the thread goes on, whatever it is
            is_kept = False
            self._say(len(waiting), error)
            connection.close()
        loop = waiting[0][1].get_loop()
        if not loop.is_closed():
            loop.call_soon_threadsafe(_tell, [kept for _, kept in waiting], is_kept)
        if is_kept:
            self._ring()

    def _say(self, bodies: int, error: Exception) -> None:
        """Log trouble, once in a while: the words about an outage must not fill the disk, which may be its cause."""
        self._unsaid += bodies
        if monotonic() - self._said_at >= SAY_SECONDS:
            # Its kind only: the text may hold part of a row.
            _LOG.error("%d webhooks could not be kept and will come again: %s", self._unsaid, type(error).__name__)
            self._said_at, self._unsaid = monotonic(), 0

    def _ring(self) -> None:
        """Tell the workers that something came, now and then; without it they look by themselves, only later."""
        if monotonic() - self._rang_at < RING_SECONDS:
            return
        self._rang_at = monotonic()
        try:
            commands.ring(commands.Bell.INTAKE)
        except Exception as error:  # noqa: BLE001 - the bodies are kept, and the thread goes on, whatever it is
            _LOG.warning("workers are not told that webhooks came: %s", type(error).__name__)
            connection.close()


def _tell(waiting: Sequence[asyncio.Future[bool]], is_kept: bool) -> None:  # noqa: FBT001 - the loop calls it
    for kept in waiting:
        if not kept.done():
            kept.set_result(is_kept)


class KnownApps:
    """The applications by id, looked up again every few seconds, so that no request asks the database."""

    def __init__(self, threads: Executor) -> None:
        self._threads = threads
        self._apps: Mapping[str, App] | None = None
        self._looked_at = 0.0
        self._looking: asyncio.Task[None] | None = None

    async def of(self, id: str, *, seconds_old_most: float = APPS_SECONDS) -> App | None:
        """Return an application or None, as it was no longer ago; Problem 503 when none could be looked up so far.

        While the database is away, what was known before goes on.
        """
        age = monotonic() - self._looked_at
        unknown = self._apps is None or id not in self._apps
        too_old = self._apps is None or age > (APPS_SECONDS_LEAST if unknown else seconds_old_most)
        if (too_old or age > APPS_SECONDS_AHEAD) and self._looking is None:
            self._looking = asyncio.create_task(self._look())
        if too_old and self._looking is not None:
            await asyncio.wait({self._looking}, timeout=KEPT_SECONDS_MAX)
        if self._apps is None:
            raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, code="again", headers={"retry-after": "5"})
        return self._apps.get(id)

    async def _look(self) -> None:
        began = monotonic()
        try:
            found = await asyncio.get_running_loop().run_in_executor(self._threads, _apps)
            self._apps = {each.id: each for each in found}
        except (DatabaseError, TocsinError, OSError) as error:
            _LOG.error("applications of webhooks cannot be looked up: %s", type(error).__name__)
        finally:
            self._looked_at = began
            self._looking = None


def _apps() -> tuple[App, ...]:
    try:
        return queries.apps_that_open()
    finally:
        connection.close()  # the thread is anybody's, and this is asked every few seconds only


class WebhooksIn:
    """Answers everything under ``/webhooks/v1/``."""

    def __init__(self, wired: Any, *, threads: Executor) -> None:
        self._wired = wired
        self._known = KnownApps(threads)
        self._writer = IntakeWriter()
        self._room = Room(BODIES_BYTES_MAX)

    def close(self) -> None:
        """Keep what waits, and end the writer's thread."""
        self._writer.close()

    async def __call__(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer one request (ASGI 3.0)."""
        try:
            method = scope["method"]
            if len(scope["headers"]) > HEADERS_MAX:
                raise Problem(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
            characters = len(scope["path"]) + len(scope.get("query_string", b""))
            if characters > ADDRESS_CHARACTERS_MAX and not (
                characters <= QUERY_CHARACTERS_MAX and method == "GET" and await self._tells_by_get(scope)
            ):
                raise Problem(HTTPStatus.REQUEST_URI_TOO_LONG)
            if method == "POST":
                await self._take(scope, receive)
                page, said = await self._page(scope, done=True), b""
            elif method == "GET":
                page = await self._page(scope, done=False)
                said = await self._told_or_challenged(scope) if page is None else b""
            elif method == "HEAD":
                page, said = None, b""  # some providers look first whether there is anybody
            else:
                raise Problem(HTTPStatus.METHOD_NOT_ALLOWED, headers={"allow": "GET, HEAD, POST"})
        except Problem as problem:
            await send_answer(problem.answer(), send, head_only=scope["method"] == "HEAD")
            return
        await send({"type": "http.response.start", "status": 200, "headers": _PLAIN if page is None else _HTML})
        await send({"type": "http.response.body", "body": page or said})

    async def _take(self, scope: Mapping[str, Any], receive: Receive) -> None:
        headers = _headers(scope)
        await self._keep(await self._body(headers, receive), scope, headers)

    async def _page(self, scope: Mapping[str, Any], *, done: bool) -> bytes | None:
        """Return the page for a person who follows one of our addresses; None for everything else."""
        if not scope.get("query_string"):
            return None
        app = await self._known.of(scope["path"].removeprefix(PATH))
        if app is None or app.kind not in PAGED:
            return None
        receiving, headers = cast("Paged", self._wired.webhook(app.kind)), _headers(scope)
        languages = headers.get("accept-language", "")
        secrets = app.secrets_at(clock.now())
        return receiving.page(_address(scope, headers), secrets=secrets, languages=languages, done=done)

    async def _tells_by_get(self, scope: Mapping[str, Any]) -> bool:
        app = await self._known.of(scope["path"].removeprefix(PATH))
        return app is not None and app.kind in TOLD_BY_GET

    async def _told_or_challenged(self, scope: Mapping[str, Any]) -> bytes:
        """Take a query that is a body, or return a challenge."""
        if not await self._tells_by_get(scope):
            return await self._challenged(scope)
        told = bytes(scope.get("query_string", b""))
        self._room.take(len(told))
        await self._keep(told, {**scope, "query_string": b""}, _headers(scope))
        return b""

    async def _keep(self, body: bytes, scope: Mapping[str, Any], headers: Mapping[str, str]) -> None:
        """Verify a body for which room was taken, and return once it is durable; Problem otherwise."""
        try:
            place = scope["path"].removeprefix(PATH)
            app = await self._known.of(place)
            if not self._verified(app, body, scope, headers):
                app = await self._known.of(place, seconds_old_most=APPS_SECONDS_LEAST)  # its secret may be new
                if not self._verified(app, body, scope, headers):
                    raise Problem(HTTPStatus.UNAUTHORIZED)
            if app is None:
                raise Problem(HTTPStatus.UNAUTHORIZED)
            kept = self._writer.keep(IntakeBody(app.id, clock.now(), body, _kept_headers(app.kind, scope, headers)))
            if not await kept:
                # The provider sends it again; it may be kept twice, which does no harm.
                raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, code="again", headers={"retry-after": "5"})
        finally:
            self._room.free += len(body)

    def _verified(self, app: App | None, body: bytes, scope: Mapping[str, Any], headers: Mapping[str, str]) -> bool:
        # Strangers are verified too, against nothing: an id that does not exist takes the same time.
        asked = app or _STRANGER
        signers = asked.secrets_at(clock.now()) or (_NOBODYS_SECRET,)
        receiving = self._wired.webhook(asked.kind)
        return bool(receiving.verified(headers, body, secrets=signers, address=_address(scope, headers)))

    async def _body(self, headers: Mapping[str, str], receive: Receive) -> bytes:
        """Return the raw body, for which room was taken; Problem 413 above 3 MB."""
        told = headers.get("content-length", "0")
        if not told.isdecimal() or int(told) > BODY_BYTES_MAX:
            raise Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        message = await receive()
        body = bytes(message.get("body", b""))
        # Usually all of it is here at once, though the server may not say yet that no more comes.
        is_whole = "content-length" in headers and len(body) == int(told)
        if message["type"] != "http.request" or (message.get("more_body", False) and not is_whole):
            return await self._rest(message, receive)
        if len(body) > BODY_BYTES_MAX:
            raise Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        self._room.take(len(body))
        return body

    async def _rest(self, message: dict[str, Any], receive: Receive) -> bytes:
        """Return a body that comes in pieces, of which the first is here; each takes its room before the next comes."""
        received, is_whole = bytearray(), False
        try:
            async with asyncio.timeout(BODY_SECONDS_MAX):
                while message["type"] == "http.request":
                    piece = message.get("body", b"")
                    if len(received) + len(piece) > BODY_BYTES_MAX:
                        raise Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
                    self._room.take(len(piece))
                    received += piece
                    if not message.get("more_body", False):
                        is_whole = True
                        return bytes(received)
                    message = await receive()
        except TimeoutError as error:
            raise Problem(HTTPStatus.REQUEST_TIMEOUT) from error
        finally:
            if not is_whole:
                self._room.free += len(received)
        raise Problem(HTTPStatus.BAD_REQUEST)

    async def _challenged(self, scope: Mapping[str, Any]) -> bytes:
        """Return the challenge of a provider that knows the verify token (Meta, webhooks); Problem 403."""
        asked = parse_qs(scope.get("query_string", b"").decode("latin-1"), keep_blank_values=True, max_num_fields=20)
        app = await self._known.of(scope["path"].removeprefix(PATH))
        token: str = asked.get("hub.verify_token", [""])[0]
        challenge: str = asked.get("hub.challenge", [""])[0]
        expected = app.verify_token if app else _NOBODYS_SECRET
        is_same = hmac.compare_digest(*(hashlib.sha256(each.encode()).digest() for each in (token, expected)))
        is_asked = asked.get("hub.mode") == ["subscribe"] and 0 < len(challenge) <= CHALLENGE_CHARACTERS_MAX
        if not is_same or not is_asked or app is None:
            raise Problem(HTTPStatus.FORBIDDEN)
        return challenge.encode()


def _headers(scope: Mapping[str, Any]) -> Mapping[str, str]:
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}


def _address(scope: Mapping[str, Any], headers: Mapping[str, str]) -> str:
    """Return the address that was asked, as the provider wrote it: some sign it."""
    query = scope.get("query_string", b"")
    scheme = headers.get("x-forwarded-proto", scope.get("scheme", "https"))
    return f"{scheme}://{headers.get('host', '')}{scope['path']}" + (f"?{query.decode('latin-1')}" if query else "")


def _kept_headers(kind: str, scope: Mapping[str, Any], headers: Mapping[str, str]) -> Mapping[str, str]:
    if kind == "whatsapp":
        return {}  # its body says everything
    query = scope.get("query_string", b"").decode("latin-1")
    is_kept = KEPT_HEADERS_OF.get(kind, KEPT_HEADERS)
    kept = {name: value for name, value in headers.items() if name.startswith(is_kept)}
    return {**kept, ":path": scope["path"] + (f"?{query}" if query else "")}
