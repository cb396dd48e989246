"""A simulator and a receiver of its webhooks, each on a port of its own, in the test's own event loop."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import orjson
import pytest
from aiohttp import web

from tocsin_simulator.server import Server
from tocsin_simulator.values import Settings

HELLO = {
    "name": "hello",
    "language": "en",
    "category": "UTILITY",
    "components": [{"type": "BODY", "text": "Hello {{1}}, all is well."}],
}


class Receiver:
    """Takes webhooks, and answers as told."""

    def __init__(self) -> None:
        self.posts: list[bytes] = []
        self.signatures: list[str] = []
        self.answers: list[int] = []  # HTTP statuses to answer with, one after another; then 200
        self.url = ""

    @property
    def values(self) -> list[tuple[str, dict[str, Any]]]:
        """Every change, as (field, value)."""
        return [
            (change["field"], change["value"])
            for post in self.posts
            for entry in orjson.loads(post)["entry"]
            for change in entry["changes"]
        ]

    @property
    def statuses(self) -> list[dict[str, Any]]:
        return [status for _, value in self.values for status in value.get("statuses", [])]

    @property
    def messages(self) -> list[dict[str, Any]]:
        return [message for _, value in self.values for message in value.get("messages", [])]

    async def until(self, holds: Callable[[], bool], *, seconds: float = 60.0) -> None:
        async with asyncio.timeout(seconds):
            while not holds():
                await asyncio.sleep(0.005)  # what it waits for may be the simulator's own

    async def take(self, request: web.BaseRequest) -> web.Response:
        if request.method == "GET":
            query = request.query
            right = query["hub.mode"] == "subscribe" and query["hub.verify_token"] == "V"
            return web.Response(text=query["hub.challenge"], status=200 if right else 403)
        body = await request.read()
        self.posts.append(body)
        self.signatures.append(request.headers["X-Hub-Signature-256"])
        return web.Response(status=self.answers.pop(0) if self.answers else 200)


class Account:
    """A simulator, a receiver, and a client with the right token."""

    def __init__(self, server: Server, receiver: Receiver, session: aiohttp.ClientSession) -> None:
        self.server, self.receiver, self.session = server, receiver, session

    @property
    def world(self) -> Any:
        return self.server.world

    async def ask(self, method: str, path: str, body: Any = None, **given: Any) -> tuple[int, dict[str, Any]]:
        """Return HTTP status and JSON; ``path`` without a version gets one."""
        whole = path if path.startswith("/_simulator") else f"/v24.0{path}"
        headers = {"Authorization": "Bearer T"} | given.pop("headers", {})
        async with self.session.request(
            method, self.server.address + whole, json=body, headers=headers, **given
        ) as answer:
            return answer.status, await answer.json(content_type=None)

    async def send(self, **body: Any) -> tuple[int, dict[str, Any]]:
        """Send a message of number 11; a text to +33600000001 unless told otherwise."""
        whole = {"messaging_product": "whatsapp", "to": "+33600000001"} | body
        if "type" not in whole and "status" not in whole:
            whole |= {"type": "text", "text": {"body": "Hello"}}
        return await self.ask("POST", "/11/messages", whole)

    async def template(
        self, to: str = "+33600000001", callback: str = "", **content: Any
    ) -> tuple[int, dict[str, Any]]:
        """Send the template `hello` with one parameter."""
        parts = [{"type": "body", "parameters": [{"type": "text", "text": "Ada"}]}]
        template = {"name": "hello", "language": {"code": "en"}, "components": parts} | content
        return await self.send(to=to, type="template", template=template, biz_opaque_callback_data=callback)

    async def admin(self, name: str, /, **body: Any) -> dict[str, Any]:
        """POST to the simulator's own door."""
        status, said = await self.ask("POST", f"/_simulator/{name}", body)
        assert status == 200, said
        return said

    async def count(self) -> dict[str, Any]:
        return (await self.ask("GET", "/_simulator/count"))[1]

    async def advance(self, seconds: float) -> None:
        await self.admin("advance", seconds=seconds)


@asynccontextmanager
async def account_with(
    *, plan: Any = None, people: Any = None, ledger: Any = None, **given: Any
) -> AsyncIterator[Account]:
    receiver = Receiver()
    taking = web.Server(receiver.take, access_log=None)
    listening = await asyncio.get_running_loop().create_server(taking, "127.0.0.1", 0)
    receiver.url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/webhook"
    settings = {"phone_ids": ("11", "12"), "waba_id": "21", "app_id": "31", "business_id": "41", "token": "T",
                "app_secret": "S", "verify_token": "V", "delay": 0.0, "disorder": 0.0, "duplicates": 0.0, "connections": 1,
                "webhook": receiver.url} | given  # fmt: skip
    server = Server(Settings(**settings), plan=plan, people=people, ledger=ledger)
    await server.start()
    async with aiohttp.ClientSession() as session:
        account = Account(server, receiver, session)
        try:
            await account.admin("template", **HELLO)
            yield account
        finally:
            await server.stop()
            listening.close()
            taking.pre_shutdown()
            await taking.shutdown(0.1)


@pytest.fixture
def with_account() -> Callable[..., None]:
    """Run ``act(account)`` with a simulator; keywords are Settings, ``plan``, ``people`` and ``ledger``."""

    def run(act: Callable[[Account], Awaitable[None]], **given: Any) -> None:
        async def whole() -> None:
            async with asyncio.timeout(240), account_with(**given) as account:
                await act(account)

        coroutine: Coroutine[Any, Any, None] = whole()
        asyncio.run(coroutine)

    return run
