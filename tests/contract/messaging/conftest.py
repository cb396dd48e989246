"""A channel, its limits, and what a sender and a provider do with it."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg
import pytest
from django.db import transaction

from tocsin.customers.values import AddressKind
from tocsin.journal.values import MACHINE, Assurance, Author
from tocsin.kernel import clock
from tocsin.kernel.loading import lazily
from tocsin.messaging import commands, queries
from tocsin.messaging.ports import Outcome
from tocsin.messaging.states import MessageState
from tocsin.messaging.values import Accepted, Claimed, ClaimedMessage, Draft, Message, Prepared
from tocsin.project import settings
from tocsin.project.database_place import Place

models = lazily("tocsin.messaging.models")
MONA = Author(name="mona", assurance=Assurance.ASSERTED)


@pytest.fixture(scope="session")
def shared_url(server: Place) -> str:
    """Return the address of a migrated database in which every test takes back what it did."""
    with psycopg.connect(host=str(server.socket_folder), user="tocsin", dbname="postgres", autocommit=True) as session:
        session.execute("CREATE DATABASE shared TEMPLATE tocsin")
    return f"postgresql://tocsin@/shared?host={server.socket_folder}"


@pytest.fixture
def undone_rows(shared_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Open a database whose changes are taken back at the end of the test: fast, for one thread and one process."""
    monkeypatch.setenv("TOCSIN_DATABASE_URL", shared_url)
    settings.use_database(settings.parameters_of_url(shared_url))
    with transaction.atomic():
        yield
        transaction.set_rollback(True)
    settings.connections.close_all()


@dataclass(frozen=True)
class Pace:
    """Limits as a channel states them; none by default."""

    per_second: float | None = None
    pair_seconds: float | None = None
    pair_burst: int = 1
    people_per_day: int | None = None


class Outbox:
    """An outbox with one WhatsApp-like channel, used through its doors as a sender would."""

    def __init__(self) -> None:
        self.add("main")

    def add(self, name: str) -> None:
        commands.add_channel(
            name, kind="whatsapp", line=f"line-{name}", account="account", portfolio="portfolio", settings={},
            secrets={"token": "x"}, by=MONA,
        )  # fmt: skip

    def draft(self, text: str = "hello", *, address: str = "+34600000001", **named: Any) -> Draft:
        prepared = {
            name: named.pop(name)
            for name in ("needs_window", "fallback", "template", "fallback_template")
            if name in named
        }
        given = {"channel": "main", "address_kind": AddressKind.PHONE, **named}
        return Draft(address=address, prepared=Prepared({"text": text}, **prepared), **given)

    def queue(self, *drafts: Draft, count: int = 0, **named: Any) -> list[UUID]:
        """Queue drafts, or so many to people of their own; return the ids of those that were queued."""
        drafts = drafts or tuple(self.draft(address=f"+3460{number:07}", **named) for number in range(count or 1))
        return [each for each in commands.queue_messages(drafts, by=MACHINE) if each]

    def claim(self, limit: int = 100, *, sender: str = "a", channel: str = "main", **pace: Any) -> Claimed:
        return commands.claim(channel, limit=limit, sender=sender, lease_seconds=60, limits=Pace(**pace))

    def outcome(self, message: ClaimedMessage, *, begun: bool = True, **named: Any) -> Outcome:
        now = clock.now()
        return Outcome(
            message.id, message.number, message.claimed_at, now if begun else None, now, fallback=message.fallback,
            digest=message.digest, **named,
        )  # fmt: skip

    def settle(self, message: ClaimedMessage, *, sender: str = "a", **named: Any) -> int:
        return commands.settle([self.outcome(message, **named)], sender=sender)

    def send(self, *, sender: str = "a", provider_id: str = "wamid.1") -> UUID:
        """Claim and settle one message as taken by the provider."""
        (message,) = self.claim(1, sender=sender).messages
        self.settle(message, sender=sender, accepted=Accepted(provider_id))
        return message.id

    def state(self, message_id: UUID) -> MessageState:
        return queries.message(message_id).state

    def message(self, message_id: UUID) -> Message:
        return queries.message(message_id)

    def wrote(self, address: str, *, at: datetime, channel: str = "main") -> None:
        """Note that a person wrote to a channel."""
        models.ServiceWindow.objects.update_or_create(
            channel=channel, address=address, defaults={"last_inbound_at": at}
        )


@pytest.fixture
def outbox(undone_rows: None) -> Outbox:
    """Return an outbox for one thread."""
    return Outbox()


@pytest.fixture
def committed_outbox(rows: None) -> Outbox:
    """Return an outbox that several threads see."""
    return Outbox()
