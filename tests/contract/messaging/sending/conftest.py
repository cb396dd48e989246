"""A small provider on loopback, the channel that speaks to it, and a sender that runs until its work is done."""

import asyncio
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from tests.contract.messaging.conftest import Outbox, Pace

from tocsin.customers.values import AddressKind
from tocsin.messaging import commands
from tocsin.messaging.ports import OutcomeUnknown, TransportError
from tocsin.messaging.values import Accepted, Channel, Content, Outgoing, Prepared, Reason, Verdict

VERDICTS = frozenset(str(verdict) for verdict in Verdict)


@dataclass
class Provider:
    """Counts what it takes, by our id; ``said`` is what it does with one address, once per entry."""

    url: str = ""
    taken: Counter[str] = field(default_factory=Counter)
    asked: list[str] = field(default_factory=list)
    said: dict[str, list[str]] = field(default_factory=dict)
    at_once: int = 0
    most_at_once: int = 0

    async def take(self, request: web.BaseRequest) -> web.Response:
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            return await self._answer(request, await request.json())
        finally:
            self.at_once -= 1

    async def _answer(self, request: web.BaseRequest, body: Mapping[str, Any]) -> web.Response:
        self.asked.append(body["to"])
        word = self.said[body["to"]].pop(0) if self.said.get(body["to"]) else "take"
        if word in VERDICTS:
            return web.json_response({"verdict": word}, status=400)
        self.taken[body["id"]] += 1
        if word == "drop":
            assert request.transport is not None
            request.transport.abort()
        elif word == "hang":
            await asyncio.Event().wait()
        return web.json_response({"id": f"provider-{body['id']}", "word": word})


class HttpChannel:
    """Speaks to the provider in plain JSON."""

    reaches = (AddressKind.PHONE,)
    reports = True
    seconds_max = 60.0
    line = account = portfolio = ""

    def __init__(self, url: str, *, limits: Pace) -> None:
        self.url, self.limits = url, limits
        self._session: aiohttp.ClientSession | None = None

    def address(self, text: str, *, kind: AddressKind) -> str:
        return text

    def prepare(self, content: Content) -> Prepared:
        return Prepared(content)

    async def send(self, message: Outgoing) -> Accepted:
        self._session = self._session or aiohttp.ClientSession()
        body = {"id": str(message.id), "to": message.address, **message.content}
        try:
            async with self._session.post(self.url, json=body) as answer:
                said = await answer.json()
        except aiohttp.ClientError as error:
            raise OutcomeUnknown(type(error).__name__) from error
        if "verdict" in said:
            raise TransportError(permanent=False, verdict=Verdict(said["verdict"]), reason=Reason.TRY_LATER)
        if said["word"] == "nonsense":
            raise KeyError("what nobody thought of")
        return Accepted(said["id"])

    async def close(self) -> None:
        if self._session:
            await self._session.close()


class Sends:
    """Runs a sender against the provider."""

    def __init__(self, outbox: Outbox) -> None:
        self.outbox, self.provider = outbox, Provider()
        self.limits = Pace()
        self.told: Counter[str] = Counter()

    def open(self, _channel: Channel, _secrets: Mapping[str, str]) -> HttpChannel:
        return HttpChannel(self.provider.url, limits=self.limits)

    def sender(self) -> commands.Sender:
        return commands.Sender(self.open, told=lambda _channel, counts: self.told.update(counts))

    def drain(self) -> None:
        """Send what is due, and return when nothing more is."""

        async def drained() -> None:
            async with self.serving():
                await self.sender().drain(asyncio.Event())

        asyncio.run(drained())

    def serving(self) -> "_Served":
        return _Served(self.provider)


class _Served:
    def __init__(self, provider: Provider) -> None:
        self.provider = provider

    async def __aenter__(self) -> None:
        self.server = web.Server(self.provider.take)  # type: ignore[arg-type]
        self.runner = web.ServerRunner(self.server, shutdown_timeout=0.1)
        await self.runner.setup()
        site = web.TCPSite(self.runner, "127.0.0.1", 0)
        await site.start()
        self.provider.url = f"http://127.0.0.1:{self.runner.addresses[0][1]}/"

    async def __aexit__(self, *_error: object) -> None:
        await self.runner.cleanup()


@pytest.fixture
def sends(committed_outbox: Outbox) -> Sends:
    return Sends(committed_outbox)
