"""Plain POSTs over lines that are kept open: what a webhook needs of HTTP/1.1, at a third of a whole client's cost.

An update each in a webhook of its own is the usual thing; three of them per message would else cost more than all the
rest of the simulator.
"""

import asyncio
import re
from urllib.parse import urlsplit

STATUS = re.compile(rb"HTTP/1\.[01] ([0-9]{3})")
LENGTH = re.compile(rb"(?i)\r\ncontent-length:[ \t]*([0-9]+)")
CHUNKED = re.compile(rb"(?i)\r\ntransfer-encoding:[^\r]*chunked")
CLOSES = re.compile(rb"(?i)\r\nconnection:[ \t]*close")
# Bodies of answers are thrown away; one that is longer than this is no answer to a webhook.
ANSWER_MAX_BYTES = 1024 * 1024


class Line(asyncio.Protocol):
    """One connection; one request at a time."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._heard = b""
        self._answered: asyncio.Future[int] | None = None
        self.open = False
        self.gone = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self.open = True

    def connection_lost(self, exc: Exception | None) -> None:
        """Let whoever waits know."""
        self.open = False
        if not self.gone.done():
            self.gone.set_result(None)
        if self._answered is not None and not self._answered.done():
            status = STATUS.match(self._heard)
            ended = b"\r\n\r\n" in self._heard and LENGTH.search(self._heard) is None
            if status and ended and CHUNKED.search(self._heard) is None:
                self._answered.set_result(int(status[1]))  # a body that ends with its line
            else:
                self._answered.set_exception(ConnectionResetError("the line was cut"))

    def data_received(self, data: bytes) -> None:
        """Collect an answer until it is whole."""
        self._heard += data
        if self._answered is None or self._answered.done() or len(self._heard) > ANSWER_MAX_BYTES:
            self.close()
            return
        end = self._heard.find(b"\r\n\r\n")
        if end < 0:
            return
        head = self._heard[: end + 2]
        status = STATUS.match(head)
        if status is None:
            self.close()
            return
        length = LENGTH.search(head)
        if length is not None:
            whole = len(self._heard) >= end + 4 + int(length[1])
        elif CHUNKED.search(head):
            whole = self._heard.endswith(b"0\r\n\r\n")
        else:
            whole = status[1] in {b"204", b"304"}
        if whole:
            if CLOSES.search(head):
                self.close()
            self._answered.set_result(int(status[1]))

    async def ask(self, request: bytes) -> int:
        """Send a request, and return the HTTP status of the answer; raises ConnectionError."""
        if self._transport is None or not self.open:
            raise ConnectionResetError("the line is closed")
        self._heard = b""
        self._answered = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._answered

    def close(self) -> None:
        """Close the line."""
        self.open = False
        if self._transport is not None:
            self._transport.close()

    def cut(self) -> None:
        """Close the line without waiting until everything is written."""
        self.open = False
        if self._transport is not None:
            self._transport.abort()


class Lines:
    """Open lines to receivers, by address."""

    def __init__(self) -> None:
        self._idle: dict[tuple[bool, str, int], list[Line]] = {}
        self._all: set[Line] = set()

    async def post(self, url: str, body: bytes, headers: dict[str, str]) -> int:
        """POST a body, and return the HTTP status; raises OSError, or ValueError for an address that is none."""
        parts = urlsplit(url)
        secure = parts.scheme == "https"
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(url)
        key = (secure, parts.hostname, parts.port or (443 if secure else 80))
        line = await self._line(key)
        whole = headers | {"Host": parts.netloc.rpartition("@")[2], "Content-Length": str(len(body))}
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        head = "".join(f"{name}: {value}\r\n" for name, value in whole.items())
        try:
            status = await line.ask(f"POST {path} HTTP/1.1\r\n{head}\r\n".encode() + body)
        except BaseException:  # also when it took too long: the answer may still come, to nobody
            line.close()
            raise
        if line.open:
            self._idle.setdefault(key, []).append(line)
        return status

    async def _line(self, key: tuple[bool, str, int]) -> Line:
        idle = self._idle.get(key, [])
        while idle:
            line = idle.pop()
            if line.open:
                return line
        secure, host, port = key
        _, line = await asyncio.get_running_loop().create_connection(Line, host, port, ssl=secure or None)
        self._all = {known for known in self._all if known.open} | {line}
        return line

    async def close(self) -> None:
        """Close every line."""
        for line in self._all:
            line.cut()
        await asyncio.gather(*(line.gone for line in self._all))
        self._idle.clear()
