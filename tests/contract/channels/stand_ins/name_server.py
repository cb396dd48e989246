"""A name server on loopback, over UDP and TCP, that says what it is told to."""

import asyncio
from collections.abc import Mapping
from typing import Any

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset
from channel_peers import Loop

Records = Mapping[tuple[str, str], list[str]]  # (name, kind) -> records as a zone file writes them


class NameServer(asyncio.DatagramProtocol):
    """Answers from ``records``; ``refuses`` answers every question with REFUSED."""

    def __init__(self, loop: Loop, records: Records) -> None:
        self.records, self.refuses, self.asked = dict(records), False, list[tuple[str, str]]()
        self._loop = loop
        self._tcp = loop.run(asyncio.start_server(self._talk, "127.0.0.1", 0))
        self.port: int = self._tcp.sockets[0].getsockname()[1]
        self._udp, _protocol = loop.run(self._listening())

    def close(self) -> None:
        self._loop.run(self._closed())

    async def _closed(self) -> None:
        self._udp.close()
        self._tcp.close()

    async def _listening(self) -> Any:
        return await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: self, local_addr=("127.0.0.1", self.port)
        )

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, address: Any) -> None:
        answer = self._answer(data)
        if len(answer.to_wire()) > 1232:  # what travels whole everywhere (DNS flag day 2020)
            answer.answer, answer.flags = [], answer.flags | dns.flags.TC
        self._transport.sendto(answer.to_wire(), address)

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked = await reader.readexactly(int.from_bytes(await reader.readexactly(2)))
        wire = self._answer(asked).to_wire()
        writer.write(len(wire).to_bytes(2) + wire)
        await writer.drain()
        writer.close()

    def _answer(self, data: bytes) -> dns.message.Message:
        asked = dns.message.from_wire(data)
        answer = dns.message.make_response(asked)
        name, kind = str(asked.question[0].name).rstrip(".").lower(), dns.rdatatype.to_text(asked.question[0].rdtype)
        self.asked.append((name, kind))
        if self.refuses:
            answer.set_rcode(dns.rcode.REFUSED)
        elif found := self.records.get((name, kind)):
            answer.answer.append(dns.rrset.from_text(f"{name}.", 60, "IN", kind, *found))
        elif not any(known == name or known.endswith(f".{name}" if name else "") for known, _kind in self.records):
            answer.set_rcode(dns.rcode.NXDOMAIN)
        return answer
