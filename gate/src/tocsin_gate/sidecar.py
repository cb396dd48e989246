"""The sidecar: the gate behind nginx `auth_request`, Traefik ForwardAuth or Envoy ext_authz over HTTP/1.1.

Small and strict: one process, requests by keep-alive and pipelining, no chunked bodies, nothing written about requests
(account names are personal data). Allowed is 200 and nothing else, because Envoy accepts no other; refused is 403.
"""

import asyncio
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from http import HTTPStatus

from tocsin_gate.asked import HeaderReader, Unclear
from tocsin_gate.gate import Gate
from tocsin_gate.problem import REQUEST_UNCLEAR, body_of, headers_of, status_of
from tocsin_gate.values import Decision

CHECK = b"/gate/v1/check"
HEAD_BYTES_MAX = 32 * 1024
BODY_BYTES_MAX = 1024 * 1024
IDLE_SECONDS = 90.0
# A whole head in one match: the request line, then fields of a token, a colon and what ends no line; nothing folded.
_HEAD = re.compile(
    rb"([A-Z]{1,16}) ([!-~]+) HTTP/1\.([01])((?:\r\n[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[^\r\n\0]*+)*+)", re.DOTALL
)
_FRAMING = frozenset({"content-length", "transfer-encoding", "connection"})
_ANSWERS_MAX = 4096


class Refused(Exception):
    """A request that is not HTTP as this server speaks it; the connection is closed after the answer."""

    def __init__(self, status: HTTPStatus) -> None:
        super().__init__(status.phrase)
        self.status = status


@dataclass(frozen=True, slots=True)
class Head:
    """The head of one request; ``size`` counts its bytes with the blank line, ``body`` those that follow.

    ``wants_body`` is false for HEAD, whose answer has none.
    """

    path: bytes
    headers: list[tuple[str, str]]
    keeps_alive: bool
    size: int
    body: int
    wants_body: bool


@cache
def _fields(names: frozenset[str]) -> re.Pattern[bytes]:
    """Return what finds the named fields, and those about framing, in the fields of a head."""
    wanted = "|".join(re.escape(name) for name in sorted(names | _FRAMING))
    return re.compile(rf"\r\n({wanted}):[ \t]*([^\r\n]*)".encode(), re.IGNORECASE)


def read_head(buffer: bytes | bytearray, *, names: frozenset[str]) -> Head | None:
    """Return the head at the beginning of a buffer, None while it is not whole; raises ``Refused``.

    Of the headers only those named (lower case) are kept.
    """
    end = buffer.find(b"\r\n\r\n")
    if end < 0 or end > HEAD_BYTES_MAX:
        if len(buffer) > HEAD_BYTES_MAX:
            raise Refused(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
        return None
    found = _HEAD.fullmatch(buffer, 0, end)
    if found is None:
        raise Refused(HTTPStatus.BAD_REQUEST)
    method, target, minor, block = found.groups()
    keeps_alive, headers, lengths = minor == b"1", list[tuple[str, str]](), set[bytes]()
    for raw, text in _fields(names).findall(block):
        name, value = raw.decode("ascii").lower(), text.rstrip(b" \t")
        if name in names:
            headers.append((name, value.decode("latin-1")))
        elif name == "content-length":
            lengths.add(value)
        elif name == "transfer-encoding":
            raise Refused(HTTPStatus.NOT_IMPLEMENTED)
        else:
            options = {option.strip() for option in value.lower().split(b",")}
            keeps_alive = (keeps_alive or b"keep-alive" in options) and b"close" not in options
    return Head(
        path=target.partition(b"?")[0],
        headers=headers,
        keeps_alive=keeps_alive,
        size=end + 4,
        body=_body_size(lengths) if lengths else 0,
        wants_body=method != b"HEAD",
    )


def _body_size(lengths: set[bytes]) -> int:
    """Return the one length that was stated; raises ``Refused``."""
    length = lengths.pop()
    if lengths or not length.isdigit():
        raise Refused(HTTPStatus.BAD_REQUEST)
    if len(length) > 18 or int(length) > BODY_BYTES_MAX:
        raise Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
    return int(length)


def answer(status: HTTPStatus, *, head: Head | None, headers: list[tuple[str, str]], body: bytes = b"") -> bytes:
    """Return one HTTP/1.1 answer to a request; without its head the connection ends."""
    lines = [f"HTTP/1.1 {status.value} {status.phrase}", *(f"{name}: {value}" for name, value in headers)]
    if not any(name == "Content-Length" for name, _ in headers):
        lines.append(f"Content-Length: {len(body)}")
    lines.append(f"Connection: {'keep-alive' if head and head.keeps_alive else 'close'}")
    said = "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n"
    return said + body if head is None or head.wants_body else said


@dataclass(slots=True)
class Answers:
    """What the sidecar answers, made once per decision."""

    gate: Gate
    too_old_status: HTTPStatus = HTTPStatus.FORBIDDEN
    reader: HeaderReader = field(default_factory=HeaderReader)
    names: frozenset[str] = field(init=False)
    _made: dict[tuple[Decision, bool, bool], bytes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.names = self.reader.names

    def to(self, head: Head) -> bytes:
        """Return the answer to one request."""
        path = head.path
        if path == CHECK or path.startswith(CHECK + b"/"):
            try:
                asked = self.reader.read(head.headers)
                decision = asked.of(self.gate) if asked else REQUEST_UNCLEAR
            except Unclear:
                decision = REQUEST_UNCLEAR
            made = self._made.get((decision, head.keeps_alive, head.wants_body))
            return made or self._make(decision, head=head)
        if path in (b"/healthz", b"/gate/v1/status"):
            body = json.dumps(self.gate.status().as_json()).encode()
            headers = [("Content-Type", "application/json"), ("Cache-Control", "no-store")]
            return answer(HTTPStatus.OK, head=head, headers=headers, body=body)
        return answer(HTTPStatus.NOT_FOUND, head=head, headers=[])

    def _make(self, decision: Decision, *, head: Head) -> bytes:
        if decision.allow:
            made = answer(HTTPStatus.OK, head=head, headers=[("X-Tocsin-Code", str(decision.code))])
        else:
            status = status_of(decision, too_old_status=self.too_old_status)
            body = body_of(decision, status=status)
            made = answer(status, head=head, headers=headers_of(decision, body=body), body=body)
        if len(self._made) < _ANSWERS_MAX:
            self._made[decision, head.keeps_alive, head.wants_body] = made
        return made


class Connection(asyncio.Protocol):
    """One connection of a proxy."""

    def __init__(self, answers: Answers) -> None:
        self._answers = answers
        self._buffer = bytearray()
        self._skip = 0
        self._transport: asyncio.Transport | None = None
        self._idle: asyncio.TimerHandle | None = None
        self._heard_at = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin the clock that ends silent connections."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        loop = asyncio.get_running_loop()
        self._heard_at = loop.time()
        self._idle = loop.call_later(IDLE_SECONDS, self._look)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the clock."""
        if self._idle is not None:
            self._idle.cancel()
        self._transport = None

    def pause_writing(self) -> None:
        """Stop reading from a proxy that does not take its answers."""
        if self._transport is not None:
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        """Read on."""
        if self._transport is not None:
            self._transport.resume_reading()

    def data_received(self, data: bytes) -> None:
        """Answer every request that is whole."""
        self._buffer += data
        said = list[bytes]()
        try:
            open_still = self._answer_all(said)
        except Refused as refused:
            said.append(answer(refused.status, head=None, headers=[]))
            open_still = False
        if self._transport is not None:
            if said:
                self._transport.write(b"".join(said))
                self._heard_at = asyncio.get_running_loop().time()
            if not open_still:
                self._transport.close()

    def _answer_all(self, said: list[bytes]) -> bool:
        """Answer what the buffer holds; False when the connection ends after it."""
        while self._buffer:
            if self._skip:
                skipped = min(self._skip, len(self._buffer))
                del self._buffer[:skipped]
                self._skip -= skipped
                continue
            head = read_head(self._buffer, names=self._answers.names)
            if head is None:
                return True
            del self._buffer[: head.size]
            self._skip = head.body
            said.append(self._answers.to(head))
            if not head.keeps_alive:
                return False
        return True

    def _look(self) -> None:
        """End the connection when nothing was answered for a while: unused, or a head sent in drops."""
        loop = asyncio.get_running_loop()
        left = self._heard_at + IDLE_SECONDS - loop.time()
        if left <= 0 and self._transport is not None:
            self._transport.close()
        else:
            self._idle = loop.call_later(max(left, 0.01), self._look)


async def listen(where: str, *, answers: Answers, ready: Callable[[str], None], stopped: asyncio.Event) -> None:
    """Serve on ``HOST:PORT`` or ``unix:PATH`` until stopped; ``ready`` is told where."""
    loop = asyncio.get_running_loop()
    if where.startswith("unix:"):
        server: asyncio.Server = await loop.create_unix_server(lambda: Connection(answers), where[5:], backlog=1024)
        ready(where)
    else:
        host, _, port = where.rpartition(":")
        server = await loop.create_server(lambda: Connection(answers), host.strip("[]"), int(port), backlog=1024)
        ready("{}:{}".format(*server.sockets[0].getsockname()[:2]))
    try:
        await stopped.wait()
    finally:
        server.close()
