"""A server of bare sockets that goes away at a chosen point of a request."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import pytest

from tocsin.customers.values import AddressKind
from tocsin.integrations.whatsapp.channel import WhatsAppNumber, connect
from tocsin.messaging.values import Outgoing, Purpose

OURS = UUID("01999999-0000-7000-8000-000000000001")
Talk = Callable[["Peer", asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Peer:
    """What the server saw: ``requests`` holds the raw bytes of every request that began."""

    port: int = 0
    requests: list[bytes] = field(default_factory=list)

    async def whole(self, reader: asyncio.StreamReader) -> bytes:
        """Read one request to its end and remember it."""
        head = await reader.readuntil(b"\r\n\r\n")
        self.requests.append(head)
        length = next(
            int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")
        )
        body = await reader.readexactly(length)
        self.requests[-1] = head + body
        return body


def answer(body: bytes, *, status: str = "200 OK", headers: str = "") -> bytes:
    """Return the bytes of one HTTP answer."""
    return (
        f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n{headers}\r\n".encode()
        + body
    )


def message(**changes: Any) -> Outgoing:
    """Return a text to somebody."""
    given: dict[str, Any] = {
        "id": OURS,
        "address": "+15557654321",
        "address_kind": AddressKind.PHONE,
        "content": {"type": "text", "text": {"body": "Hello"}},
        "number": 1,
        "purpose": Purpose.TEST,
    }
    return Outgoing(**(given | changes))


def number(port: int, *, scheme: str = "http", **settings: Any) -> WhatsAppNumber:
    """Return a channel that speaks to this machine."""
    given = {
        "phone_number_id": "100",
        "waba_id": "900",
        "base_url": f"{scheme}://127.0.0.1:{port}",
        "timeout_seconds": 30.0,
    }
    return connect("wa", settings=given | settings, secrets={"token": "T"})


def talking(talk: Talk, use: Callable[[Peer, WhatsAppNumber], Coroutine[Any, Any, Any]], **settings: Any) -> Any:
    """Run ``use`` against a server that does ``talk`` on every connection."""

    async def run() -> Any:
        peer = Peer()
        writers: list[asyncio.StreamWriter] = []

        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writers.append(writer)
            with suppress(asyncio.IncompleteReadError, ConnectionError):
                await talk(peer, reader, writer)
            writer.close()

        server = await asyncio.start_server(connected, "127.0.0.1", 0)
        peer.port = server.sockets[0].getsockname()[1]
        channel = number(peer.port, **settings)
        try:
            return await use(peer, channel)
        finally:
            await channel.close()
            for writer in writers:
                writer.close()
            server.close()
            await server.wait_closed()

    return asyncio.run(run())


@pytest.fixture
def wire() -> Callable[..., Any]:
    return talking
