"""Our client against the simulator of the Cloud API, which knows nothing of it."""

import asyncio
import subprocess
import sys
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tocsin.customers.values import AddressKind
from tocsin.integrations.whatsapp.account import BusinessAccount, account_of
from tocsin.integrations.whatsapp.channel import WhatsAppNumber, connect
from tocsin.integrations.whatsapp.contents import prepare
from tocsin.messaging.values import Content, Outgoing, Purpose
from tocsin_simulator.server import Server
from tocsin_simulator.values import Settings


class Simulated:
    """A simulator with our account at it and our number on it."""

    def __init__(self, server: Server, **changes: Any) -> None:
        self.world = server.world
        self.settings = {
            "phone_number_id": next(iter(self.world.numbers)),
            "waba_id": self.world.settings.waba_id,
            "base_url": self.world.address,
            "archive_url": self.world.address,
        } | changes
        secrets = {"token": self.world.settings.token}
        self.account: BusinessAccount = account_of("wa", settings=self.settings, secrets=secrets, is_paced=False)
        self.channel: WhatsAppNumber = connect("wa", settings=self.settings, secrets=secrets)

    async def send(self, content: Content, *, to: str = "+33612345678") -> Any:
        """Prepare a content and send it."""
        kind = AddressKind.PHONE if to.startswith("+") else AddressKind.WHATSAPP
        return await self.channel.send(
            Outgoing(
                id=uuid4(),
                address=to,
                address_kind=kind,
                content=prepare(content).content,
                number=1,
                purpose=Purpose.TEST,
            )
        )

    def received(self) -> list[Any]:
        """Return what reached the simulator, oldest first."""
        return [entry for entry in self.world.ledger.oldest() if not entry.inbound]


@dataclass(frozen=True)
class Peer:
    """A simulator in a process of its own."""

    address: str
    line: str = "111222333"
    account: str = "444555666"
    token: str = "token-of-tests"


@pytest.fixture(scope="module")
def peer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Peer]:
    """Run a simulator for the tests of one file, of an account without a template."""
    found = Peer("")
    none = tmp_path_factory.mktemp("peer") / "templates.json"
    none.write_text("[]")
    program = Path(sys.executable).with_name("tocsin-simulator")
    given = ["--phone-id", found.line, "--waba-id", found.account, "--token", found.token, "--app-secret", "secret"]
    running = subprocess.Popen(
        [program, "whatsapp", "--port", "0", "--delay", "0", "--no-review-delay", "--templates", str(none), *given],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert running.stdout
    try:
        yield Peer(running.stdout.readline().split()[-1])
    finally:
        running.terminate()
        running.wait(60)
        running.stdout.close()


Use = Callable[[Simulated], Coroutine[Any, Any, Any]]


@pytest.fixture
def simulated() -> Callable[..., Any]:
    """Return a runner: ``simulated(use, delay=0, **settings)`` runs ``use`` against a fresh simulator."""

    def run(use: Use, *, channel: dict[str, Any] | None = None, **world: Any) -> Any:
        async def running() -> Any:
            server = Server(Settings(**({"delay": 0.0, "review": False} | world)))
            await server.start()
            found = Simulated(server, **(channel or {}))
            try:
                return await use(found)
            finally:
                await found.account.close()
                await found.channel.close()
                await server.stop()

        return asyncio.run(running())

    return run
