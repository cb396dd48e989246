"""One request and its answer over ASGI: limits on what comes in, errors as problem+json (RFC 9457)."""

import asyncio
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from typing import Any, ParamSpec, TypeVar
from urllib.parse import parse_qs

from django.db import InterfaceError, OperationalError, connection

BODY_BYTES_MAX = 256 * 1024
BODY_SECONDS_MAX = 20.0
BODIES_BYTES_MAX = 64 * 1024 * 1024  # of all requests together: strangers may send bodies before they are refused

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
P = ParamSpec("P")
T = TypeVar("T")


class Problem(Exception):
    """What is answered instead: a status, one sentence for a person, perhaps headers. Never personal data."""

    def __init__(
        self, status: HTTPStatus, detail: str = "", *, code: str = "", headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(detail or status.phrase)
        self.status = status
        self.detail = detail
        self.code = code
        self.headers = dict(headers or {})

    def answer(self) -> "Answer":
        """Return it as problem+json."""
        said: dict[str, Any] = {"type": "about:blank", "title": self.status.phrase, "status": int(self.status)}
        if self.detail:
            said["detail"] = self.detail
        if self.code:
            said["code"] = self.code
        return Answer.of_json(said, status=self.status, type="application/problem+json", headers=self.headers)


@dataclass(frozen=True, slots=True)
class Answer:
    """A status, headers, and a body: at once, or piece by piece from ``pieces``."""

    status: int = HTTPStatus.OK
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    pieces: AsyncIterator[bytes] | None = None

    @classmethod
    def of_json(
        cls,
        value: object,
        *,
        status: int = HTTPStatus.OK,
        type: str = "application/json",
        headers: Mapping[str, str] | None = None,
    ) -> "Answer":
        """Return a JSON value as an answer."""
        body = json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()
        return cls(status=status, headers={"content-type": type, **(headers or {})}, body=body)


class Room:
    """How many bytes of bodies may still come into memory, of all requests together. Used from one event loop."""

    def __init__(self, bytes_max: int = BODIES_BYTES_MAX) -> None:
        self.free = bytes_max

    def take(self, wanted: int) -> None:
        """Take room for a body; Problem 503 when there is none now."""
        if wanted > self.free:
            busy = "Too much is being received at once."
            raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, busy, code="again", headers={"retry-after": "5"})
        self.free -= wanted


class Request:
    """What was asked. ``path_values`` are the named parts of the route's path, ``headers`` by lower-case name.

    ``wired`` is the choice of integrations (the wiring), for routes that hand raw requests to one of them.
    """

    def __init__(
        self,
        scope: Mapping[str, Any],
        receive: Receive,
        *,
        threads: Executor,
        stopping: asyncio.Event,
        wired: Any = None,
        room: Room | None = None,
    ) -> None:
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.headers: dict[str, str] = {}
        for name, value in scope["headers"]:
            key = name.decode("latin-1").lower()
            # A header that is given twice is one list (RFC 9110, section 5.3); one of those below has no lists.
            joined = f"{self.headers[key]}, " if key in self.headers else ""
            self.headers[key] = joined + value.decode("latin-1")
        self.path_values: dict[str, str] = {}
        self.stopping = stopping
        self.wired = wired
        self._query: bytes = scope.get("query_string", b"")
        self._receive = receive
        self._threads = threads
        self._room = room or Room()
        self._taken = 0

    @property
    def query(self) -> dict[str, str]:
        """Return the query's parameters; of one given twice, the last."""
        parsed = parse_qs(self._query.decode("latin-1"), keep_blank_values=True, max_num_fields=50)
        return {name: values[-1] for name, values in parsed.items()}

    async def body(self, *, bytes_max: int = BODY_BYTES_MAX) -> bytes:
        """Return the raw body; Problem 413 above ``bytes_max``, 408 when it does not come."""
        told = self.headers.get("content-length", "0")
        if not told.isdecimal() or int(told) > bytes_max:
            raise _too_large(bytes_max)
        wanted = int(told) if "content-length" in self.headers else bytes_max
        self._room.take(wanted)
        self._taken += wanted
        received = bytearray()
        try:
            async with asyncio.timeout(BODY_SECONDS_MAX):
                more = True
                while more:
                    message = await self._receive()
                    if message["type"] != "http.request":
                        raise Problem(HTTPStatus.BAD_REQUEST, "The request was not sent to its end.")
                    received += message.get("body", b"")
                    more = message.get("more_body", False)
                    if len(received) > bytes_max:
                        raise _too_large(bytes_max)
        except TimeoutError as error:
            raise Problem(HTTPStatus.REQUEST_TIMEOUT, "The body did not arrive in time.") from error
        return bytes(received)

    def leave(self) -> None:
        """Give back the room of the body; the request is answered."""
        self._room.free += self._taken
        self._taken = 0

    async def json_object(self, *, bytes_max: int = BODY_BYTES_MAX) -> dict[str, Any]:
        """Return the body as a JSON object; Problem 400 when it is none."""
        raw = await self.body(bytes_max=bytes_max)
        try:
            value = json.loads(raw)
        except (ValueError, RecursionError) as error:
            raise Problem(HTTPStatus.BAD_REQUEST, "The body is not JSON.") from error
        if not isinstance(value, dict):
            raise Problem(HTTPStatus.BAD_REQUEST, "The body is not a JSON object.")
        return value

    async def disconnected(self) -> None:
        """Return when the other side has gone; the body must have been read, or there be none."""
        while (await self._receive())["type"] != "http.disconnect":
            pass

    async def in_thread(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run something that asks the database or reads a file in one of the worker threads."""
        return await asyncio.get_running_loop().run_in_executor(
            self._threads, partial(_asked, partial(function, *args, **kwargs))
        )

    def bearer_is(self, token: str) -> bool:
        """Say in constant time whether the request carries this bearer token (RFC 6750, section 2.1)."""
        scheme, _, given = self.headers.get("authorization", "").partition(" ")
        digests = [hashlib.sha256(text.encode()).digest() for text in (given.strip(), token)]
        return hmac.compare_digest(*digests) and scheme.lower() == "bearer"


def _asked(function: Callable[[], T]) -> T:
    """Run it; a connection that broke is dropped, so that this thread's next question opens another."""
    try:
        return function()
    except (OperationalError, InterfaceError) as error:
        connection.close()
        raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, "The database does not answer.", code="again") from error


def _too_large(bytes_max: int) -> Problem:
    return Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"The body may have {bytes_max} bytes.")


def unauthorized() -> Problem:
    """Return the problem of a missing or wrong bearer token; it does not say which."""
    return Problem(
        HTTPStatus.UNAUTHORIZED,
        "A valid bearer token is needed.",
        headers={"www-authenticate": 'Bearer realm="tocsin"'},
    )


async def send_answer(answer: Answer, send: Send, *, head_only: bool) -> None:
    """Send an answer; of a streamed one, piece after piece, as fast as the other side takes them."""
    headers = {"cache-control": "no-store", "x-content-type-options": "nosniff", **answer.headers}
    if answer.pieces is None:
        headers.setdefault("content-length", str(len(answer.body)))
    listed = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": int(answer.status), "headers": listed})
    if answer.pieces is not None and not head_only:
        async for piece in answer.pieces:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
    body = b"" if head_only or answer.pieces is not None else answer.body
    await send({"type": "http.response.body", "body": body, "more_body": False})
