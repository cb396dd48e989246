"""Webhooks of a WhatsApp number, stored and taken in as the receiver and the worker do."""

import itertools
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from django.apps import apps
from django.db import connection
from tests.contract.messaging.conftest import MONA, Outbox

from tocsin.integrations.whatsapp.receiving import RECEIVING
from tocsin.kernel import clock
from tocsin.kernel.loading import lazily
from tocsin.messaging import commands, queries
from tocsin.messaging.values import IntakeBody, Update
from tocsin.project import settings
from tocsin.project.database_place import Place

models = lazily("tocsin.messaging.models")
_numbers = itertools.count()
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
PHONE, SCOPED = "+34600000001", "ES.13491208655302741918"


def read(_kind: str, body: bytes, headers: Mapping[str, str]) -> Sequence[Update]:
    return RECEIVING.updates(body, headers=headers)


class Hooks:
    """One app, one number (line ``1``, account ``9``), and what Meta tells of it."""

    def __init__(self) -> None:
        self.app = commands.add_app("meta", kind="whatsapp", secrets=["s"], by=MONA)
        commands.add_channel(
            "main", kind="whatsapp", line="1", account="9", portfolio="p", settings={"number": "+15550783881"},
            secrets={"token": "x"}, by=MONA,
        )  # fmt: skip
        self.ids = (f"wamid.{number}" for number in itertools.count(1))

    @staticmethod
    def change(field: str, value: Mapping[str, Any], *, time: int | None = None) -> dict[str, Any]:
        stamp = int(NOW.timestamp()) if time is None else time
        return {
            "object": "whatsapp_business_account",
            "entry": [{"id": "9", "time": stamp, "changes": [{"field": field, "value": value}]}],
        }

    def messages(self, *, statuses: Sequence[Any] = (), messages: Sequence[Any] = (), **more: Any) -> dict[str, Any]:
        value: dict[str, Any] = {"messaging_product": "whatsapp", "metadata": {"phone_number_id": "1"}, **more}
        value |= {"statuses": list(statuses)} if statuses else {}
        value |= {"messages": list(messages)} if messages else {}
        return self.change("messages", value)

    def text(self, body: str = "hello", *, at: datetime = NOW, id: str = "", **named: Any) -> dict[str, Any]:
        given = {"from": PHONE[1:]} if not named else {}
        return {
            **given, "id": id or next(self.ids), "timestamp": str(int(at.timestamp())), "type": "text",
            "text": {"body": body}, **named,
        }  # fmt: skip

    def status(self, status: str, *, ours: Any = None, id: str = "wamid.x", seconds: int = 0, **more: Any) -> Any:
        at = str(int((NOW + timedelta(seconds=seconds)).timestamp()))
        callback = {"biz_opaque_callback_data": str(ours)} if ours else {}
        return {"id": id, "status": status, "timestamp": at, "recipient_id": PHONE[1:], **callback, **more}

    def store(self, *payloads: Mapping[str, Any], at: datetime = NOW) -> None:
        bodies = [each if isinstance(each, bytes) else json.dumps(each).encode() for each in payloads]
        commands.store_intake([IntakeBody(self.app, at, body) for body in bodies])

    def take(self, *payloads: Mapping[str, Any], at: datetime = NOW) -> int:
        """Store bodies and take in whatever waits, a second after ``at``."""
        self.store(*payloads, at=at)
        with clock.fixed(at + timedelta(seconds=1)):
            return commands.take_intake(read)

    def states(self) -> list[tuple[str, str]]:
        return list(models.WebhookIntake.objects.order_by("id").values_list("state", "reason"))

    def windows(self) -> dict[str, datetime]:
        return dict(models.ServiceWindow.objects.values_list("address", "last_inbound_at"))

    def inbound(self) -> list[Mapping[str, Any]]:
        return [queries.inbound_body(row.id) or {} for row in models.InboundMessage.objects.order_by("id")]


# Emptying their tables is five times quicker than a database of its own for each test.
EMPTIED = ("tocsin.messaging.models", "tocsin.customers.models")


def tables() -> list[str]:
    """Return the tables that are emptied between two tests."""
    return [model._meta.db_table for model in apps.get_models() if model.__module__ in EMPTIED]


@pytest.fixture(scope="module")
def shared(server: Place) -> Iterator[str]:
    """Return the address of one migrated database for the tests of a file."""
    name = f"receiving_{os.getpid()}_{next(_numbers)}"
    with psycopg.connect(host=str(server.socket_folder), user="tocsin", dbname="postgres", autocommit=True) as session:
        session.execute(f"CREATE DATABASE {name} TEMPLATE tocsin")
        yield f"postgresql://tocsin@/{name}?host={server.socket_folder}"
        session.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def url(shared: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("TOCSIN_DATABASE_URL", shared)
    return shared


@pytest.fixture
def rows(url: str) -> Iterator[None]:
    """Open the database, emptied of what the test before left; the journal only grows."""
    settings.use_database(settings.parameters_of_url(url))
    with connection.cursor() as cursor:
        cursor.execute("; ".join(f"DELETE FROM {table}" for table in tables()))
    yield
    settings.connections.close_all()


@pytest.fixture
def hooks(rows: None) -> Hooks:
    return Hooks()


@pytest.fixture
def outbox(hooks: Hooks) -> Outbox:
    """An outbox on the number the webhooks are of."""
    return object.__new__(Outbox)
