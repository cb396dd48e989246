"""A carrier's message centre, from "SMPP Protocol Specification v3.4": what Kannel's SMPP side talks to.

It takes short messages, reports on them by deliver_sm, and passes on what people write. Letters are those of 3GPP TS
23.038 (coding 0) or UCS-2 (coding 8); concatenated parts (TS 23.040, 9.2.3.24.1) are put together again.
"""

import asyncio
import itertools
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from channel_peers import Loop
from tests.ports import free_port

BIND_RESPONSES = {0x01: b"centre\0", 0x02: b"centre\0", 0x09: b"centre\0"}
SUBMIT, DELIVER, ENQUIRE, UNBIND, RESPONSE = 0x04, 0x05, 0x15, 0x06, 0x80000000
HAS_UDH, IS_RECEIPT, UCS2 = 0x40, 0x04, 8
GSM7 = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§"
    "¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
GSM7_MORE = {0x0A: "\f", 0x14: "^", 0x28: "{", 0x29: "}", 0x2F: "\\", 0x3C: "[", 0x3D: "~", 0x3E: "]", 0x40: "|",
             0x65: "€"}  # fmt: skip


@dataclass(frozen=True)
class Sms:
    """One message as a phone shows it. ``parts`` is what the carrier counts and charges."""

    source: str
    to: str
    text: str
    coding: int
    parts: int


@contextmanager
def serving(loop: Loop) -> "Iterator[Centre]":
    """Run one for a block."""
    centre = Centre(loop)
    centre.start()
    try:
        yield centre
    finally:
        centre.stop()


@dataclass
class Centre:
    """A message centre on loopback. ``refuses`` and ``receipts`` say by number what becomes of messages to it."""

    loop: Loop
    refuses: dict[str, int] = field(default_factory=dict)  # number -> command_status
    receipts: dict[str, str] = field(default_factory=dict)  # number -> state of the receipt; DELIVRD otherwise
    received: list[Sms] = field(default_factory=list)
    submitted: int = 0
    port: int = field(default_factory=free_port)
    _server: "asyncio.Server | None" = None
    _writers: list[asyncio.StreamWriter] = field(default_factory=list)
    _numbers: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))
    _joined: dict[tuple[str, int], dict[int, tuple[bytes, int]]] = field(default_factory=dict)

    def start(self) -> None:
        self._server = self.loop.run(asyncio.start_server(self._session, "127.0.0.1", self.port, reuse_address=True))
        self.port = self._server.sockets[0].getsockname()[1]

    def stop(self) -> None:
        self.loop.run(self._stopped())

    async def _stopped(self) -> None:
        if self._server:
            self._server.close()
        for writer in list(self._writers):
            writer.transport.abort()
        await asyncio.sleep(0)

    def bound(self) -> bool:
        return bool(self._writers)

    def write(self, source: str, to: str, text: str, *, coding: int = 0) -> None:
        """Pass on what a person wrote; SMPP's own form of a number is without a +."""
        body = text.encode("utf-16-be") if coding == UCS2 else bytes(GSM7.index(letter) for letter in text)
        self.loop.run(self._deliver(source, to, body, esm_class=0, coding=coding))

    async def _session(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                length, command, _status, sequence = struct.unpack(">IIII", await reader.readexactly(16))
                body = await reader.readexactly(length - 16)
                if command in BIND_RESPONSES:
                    self._answer(writer, command, sequence, BIND_RESPONSES[command])
                    self._writers.append(writer)
                elif command == SUBMIT:
                    await self._take(writer, sequence, body)
                elif command in {ENQUIRE, UNBIND}:
                    self._answer(writer, command, sequence)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            if writer in self._writers:
                self._writers.remove(writer)
            writer.close()

    async def _take(self, writer: asyncio.StreamWriter, sequence: int, body: bytes) -> None:
        source, to, esm_class, coding, wants_receipt, data = _submitted(body)
        self.submitted += 1
        if to in self.refuses:
            self._answer(writer, SUBMIT, sequence, status=self.refuses[to])
            return
        name = f"{next(self._numbers):08x}"
        self._answer(writer, SUBMIT, sequence, name.encode() + b"\0")
        self._keep(source, to, data, esm_class=esm_class, coding=coding)
        if wants_receipt:
            state = self.receipts.get(to, "DELIVRD")
            error = "000" if state == "DELIVRD" else "027"
            text = (
                f"id:{name} sub:001 dlvrd:001 submit date:2611221200 done date:2611221201 stat:{state} err:{error} "
                f"text:{'a secret text'[:20]}"
            )
            await self._deliver(to, source, text.encode("latin-1"), esm_class=IS_RECEIPT)

    def _keep(self, source: str, to: str, data: bytes, *, esm_class: int, coding: int) -> None:
        if not esm_class & HAS_UDH:
            self.received.append(Sms(source, to, _read(data, coding), coding, 1))
            return
        header, rest = data[1 : data[0] + 1], data[data[0] + 1 :]
        assert header[:2] == b"\0\3", "a header of another kind than concatenation"
        reference, total, number = header[2:5]
        joined = self._joined.setdefault((to, reference), {})
        joined[number] = (rest, coding)
        if len(joined) == total:
            del self._joined[to, reference]
            text = b"".join(joined[each][0] for each in sorted(joined))
            self.received.append(Sms(source, to, _read(text, coding), coding, total))

    async def _deliver(self, source: str, to: str, data: bytes, *, esm_class: int, coding: int = 0) -> None:
        writer = self._writers[-1]
        body = (
            b"\0" + bytes([1, 1]) + source.lstrip("+").encode() + b"\0" + bytes([1, 1]) + to.lstrip("+").encode()
            + b"\0" + bytes([esm_class, 0, 0]) + b"\0\0" + bytes([0, 0, coding, 0, len(data)]) + data
        )  # fmt: skip
        writer.write(struct.pack(">IIII", 16 + len(body), DELIVER, 0, next(self._numbers)) + body)
        await writer.drain()

    def _answer(
        self, writer: asyncio.StreamWriter, command: int, sequence: int, body: bytes = b"", *, status: int = 0
    ) -> None:
        writer.write(struct.pack(">IIII", 16 + len(body), command | RESPONSE, status, sequence) + body)


def _submitted(body: bytes) -> tuple[str, str, int, int, bool, bytes]:
    """Return source, destination, esm_class, coding, whether a receipt is wanted, and the octets of the text."""
    _kind, rest = body.split(b"\0", 1)
    source, rest = rest[2:].split(b"\0", 1)
    to, rest = rest[2:].split(b"\0", 1)
    esm_class, rest = rest[0], rest[3:]
    _scheduled, rest = rest.split(b"\0", 1)
    _validity, rest = rest.split(b"\0", 1)
    registered, _replace, coding, _default, length = rest[:5]
    return source.decode(), to.decode(), esm_class, coding, bool(registered & 1), rest[5 : 5 + length]


def _read(data: bytes, coding: int) -> str:
    if coding == UCS2:
        return data.decode("utf-16-be")
    octets = iter(data)
    return "".join(GSM7_MORE[next(octets)] if octet == 0x1B else GSM7[octet] for octet in octets)
