"""An installation in which something is sealed in every place there is, and what opens of it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.db import connection
from tests.contract.messaging.conftest import MONA
from tests.contract.messaging.receiving.conftest import shared, tables, url

from tocsin.containment import commands as containment, queries as containment_queries
from tocsin.customers.values import AddressKind
from tocsin.journal.values import MACHINE
from tocsin.kernel import clock, home, ids
from tocsin.kernel.loading import lazily
from tocsin.messaging import commands as messaging, media_fetching, queries
from tocsin.messaging.values import Draft, IntakeBody, Prepared
from tocsin.project import settings
from tocsin.staff import commands, queries as staff
from tocsin.staff.ports import SealedPlace
from tocsin.staff.values import Resealed

__all__ = ["shared", "url"]
models = lazily("tocsin.messaging.models")
COLUMNS = (
    "tocsin_connectedsystem", "tocsin_signalstream", "tocsin_messagingchannel", "tocsin_webhookapp",
    "tocsin_messagebody", "tocsin_webhookintake",
)  # fmt: skip
PICTURE = b"jpeg" * 300_000  # two pieces


def places() -> tuple[SealedPlace, ...]:
    return (*containment.sealed_places(), *messaging.sealed_places())


def drafts(count: int, *, text: str = "hello") -> list[Draft]:
    return [
        Draft(
            channel="main", address=f"+3460{number:07}", address_kind=AddressKind.PHONE,
            prepared=Prepared({"text": f"{text} {number}"}),
        )
        for number in range(count)
    ]  # fmt: skip


class Sealed:
    """One value in every place, some messages, and everything opened."""

    def __init__(self) -> None:
        containment.add_system("ldap", kind="ldap", settings={}, secrets={"password": "p"}, by=MONA)
        settings = {"delivery": "poll", "poll_url": "https://x/", "jwks_url": "https://x/", "subjects": {}}
        containment.add_stream(
            "caep", issuer="i", audience="a", settings=settings, secrets={"poll_token": "q"}, by=MONA
        )
        messaging.add_channel("main", kind="whatsapp", line="1", settings={}, secrets={"token": "t"}, by=MONA)
        self.app = messaging.add_app("meta", kind="whatsapp", secrets=["s"], by=MONA)
        self.messages = self.queue(5)
        messaging.store_intake([IntakeBody(self.app, clock.now(), b"body of a webhook")])
        self.intake = models.WebhookIntake.objects.get().id
        self.media = self.keep_file(PICTURE)
        self.begun = ids.new_id()

    def queue(self, count: int, *, text: str = "hello") -> list[UUID]:
        return [each for each in messaging.queue_messages(drafts(count, text=text), by=MACHINE) if each]

    def keep_file(self, content: bytes) -> UUID:
        row = models.InboundMedia.objects.create(
            id=ids.new_id(), message_id=ids.new_id(), channel="main", media_id="7", tries=1
        )
        plain = media_fetching.folder() / "plain"
        plain.write_bytes(content)
        wanted = media_fetching._Wanted(row.id, "main", "7", "", 1, None)
        media_fetching._settle(wanted, media_fetching._sealed(plain, row.id))
        plain.unlink()
        return row.id

    @property
    def file(self) -> Path:
        return media_fetching.folder() / models.InboundMedia.objects.get(id=self.media).path

    def opened(self) -> dict[str, Any]:
        """Open everything, as those that use it do."""
        return {**self.opened_but("webhook"), "webhook": queries.intake_body(self.intake)[1]}

    def opened_but(self, _webhook: str) -> dict[str, Any]:
        """Open everything but the webhook's body."""
        return {
            "system": dict(containment_queries.secrets_of("ldap")),
            "stream": dict(containment_queries.opened_stream("caep")[1]),
            "channel": dict(queries.channel_secrets("main")),
            "app": queries.app(self.app).secrets,
            "texts": [queries.body_of(each) for each in self.messages],
            "file": b"".join(queries.media_pieces(self.media)),
        }

    def raw(self, table: str) -> list[bytes]:
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT sealed FROM {table} ORDER BY 1")
            return [bytes(sealed) for (sealed,) in cursor.fetchall()]

    def sealed_by(self) -> dict[str, int]:
        """Return how many values each key sealed."""
        found: dict[str, int] = {}
        for place in places():
            for key, count in place.counts().items():
                found[key.hex()] = found.get(key.hex(), 0) + count
        return found

    def rotate(self, **named: Any) -> str:
        key = commands.rotate_key(by=MONA, **named)
        return key.name if key else ""

    def reseal(self, **named: Any) -> Resealed:
        return commands.reseal(places(), told=lambda _what, _done, _all: None, by=MONA, **named)

    def journal(self) -> list[tuple[str, Any]]:
        """Return the verbs about keys with their facts."""
        with connection.cursor() as cursor:
            told = "SELECT verb, content FROM tocsin_journalentry WHERE subject LIKE 'key:%%' AND id > %s ORDER BY id"
            cursor.execute(told, [self.begun])
            return [(verb, json.loads(content)["facts"]) for verb, content in cursor.fetchall()]


@pytest.fixture
def rows(url: str) -> Iterator[None]:
    """Open the database of this file, emptied of what the test before left; the journal only grows."""
    settings.use_database(settings.parameters_of_url(url))
    journal = home.data_home() / "keys" / "journal"  # one journal in the homes of all tests
    journal.parent.mkdir()
    journal.write_bytes(bytes(32))
    with connection.cursor() as cursor:
        emptied = (*tables(), "tocsin_signaltoken", "tocsin_signalstream", "tocsin_connectedsystem")
        cursor.execute("; ".join(f"DELETE FROM {table}" for table in emptied))
    yield
    settings.connections.close_all()


@pytest.fixture
def sealed(rows: None) -> Sealed:
    return Sealed()


def names() -> list[str]:
    return [key.name for key in staff.seal_keys()]
