"""Senders, workers and housekeeping that lock the same rows do so in one order: none waits for one that waits for it."""

import json
import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import connection
from tests.contract.messaging.conftest import MONA, Outbox

from tocsin.customers.values import AddressKind
from tocsin.kernel import clock
from tocsin.kernel.loading import lazily
from tocsin.messaging import commands, holding, releasing
from tocsin.messaging.ports import TransportError
from tocsin.messaging.values import (
    Accepted,
    AddressChanged,
    InboundUpdate,
    IntakeBody,
    LineUpdate,
    Objection,
    Purpose,
    Reason,
    StatusKind,
    StatusUpdate,
    TemplateUpdate,
    Update,
    Verdict,
)

models = lazily("tocsin.messaging.models")
SECONDS = 3.0
PEOPLE = 12
PACE = {"per_second": 5_000.0, "pair_seconds": 0.001, "pair_burst": 1_000, "people_per_day": 100_000}
REFUSED = [Verdict.SLOW_LINE, Verdict.SLOW_PAIR, Verdict.HOLD_TEMPLATE, Verdict.STOPPED]
REFUSED_LATER = [Verdict.SLOW_PAIR, Verdict.SLOW_LINE, Verdict.HOLD_LINE]


class Crowd:
    """Everybody who does something with the same few people, each in a thread with a connection of its own."""

    def __init__(self, outbox: Outbox) -> None:
        self.outbox, self.app = outbox, commands.add_app("meta", kind="whatsapp", secrets=["s"], by=MONA)
        self.ids: list[UUID] = []
        self.broke: list[Exception] = []
        self.done = {"sent": 0, "taken": 0}
        self.until = 0.0

    def live(self) -> None:
        self.queue(200)
        self.until = time.monotonic() + SECONDS
        acts: list[Callable[[random.Random], None]] = [self.send, self.send, self.take, self.take, self.keep_house]
        threads = [threading.Thread(target=self.again, args=(act, number)) for number, act in enumerate(acts)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def again(self, act: Callable[[random.Random], None], number: int) -> None:
        chance = random.Random(number)
        try:
            while time.monotonic() < self.until and not self.broke:
                act(chance)
        except Exception as error:  # noqa: BLE001 - whatever it is, the test says it
            self.broke.append(error)
        finally:
            connection.close()

    def queue(self, count: int) -> None:
        names = [name for name, _kind in map(self.name, range(2 * PEOPLE))]
        self.ids += self.outbox.queue(*(
            self.outbox.draft(address=names[number % len(names)], address_kind=self.name(number % len(names))[1],
                              template="" if number % 3 else "offer/en", purpose=Purpose.SECURITY if number % 2 else Purpose.SERVICE)
            for number in range(count)
        ))  # fmt: skip

    @staticmethod
    def name(number: int) -> tuple[str, AddressKind]:
        person, scoped = number % PEOPLE, number >= PEOPLE
        return (f"ES.{person}", AddressKind.WHATSAPP) if scoped else (f"+34{person}", AddressKind.PHONE)

    def send(self, chance: random.Random) -> None:
        sender = threading.current_thread().name
        messages = self.outbox.claim(40, sender=sender, **PACE).messages
        if not messages:
            self.queue(40)
        outcomes = []
        for message in messages:
            said: dict[str, Any] = {"accepted": Accepted(f"wamid.{message.id}")}
            if chance.random() < 0.3:
                verdict = chance.choice(REFUSED)
                error = TransportError(permanent=False, verdict=verdict, reason=Reason.TRY_LATER, wait_seconds=0.0)
                said = {"error": error}
            outcomes.append(self.outbox.outcome(message, **said))
        self.done["sent"] += commands.settle(outcomes, sender=sender)
        refusals = [holding.Refusal(each.message_id, each.error.verdict, Reason.TRY_LATER, wait_seconds=0.0)
                    for each in outcomes if each.error and each.error.verdict is not Verdict.STOPPED]  # fmt: skip
        holding.take_refusals(refusals, per_second=5_000.0, now=clock.now())

    def take(self, chance: random.Random) -> None:
        seed = json.dumps([chance.random() for _ in range(3)]).encode()
        commands.store_intake([IntakeBody(self.app, clock.now(), seed + bytes([n])) for n in range(3)])
        self.done["taken"] += commands.take_intake(self.read, limit=5)

    def read(self, _kind: str, body: bytes, _headers: Mapping[str, str]) -> Sequence[Update]:
        return list(self.said(random.Random(body)))

    def said(self, chance: random.Random) -> Iterator[Update]:
        now, line = clock.now(), "line-main"
        for _each in range(8):
            person = chance.randrange(PEOPLE)
            both = {AddressKind.PHONE: f"+34{person}", AddressKind.WHATSAPP: f"ES.{person}"}
            message = chance.choice(self.ids[-200:])
            refused = chance.choices([None, *REFUSED_LATER], [80, 6, 6, 1])[0]
            yield StatusUpdate(
                f"wamid.{message}", StatusKind.FAILED if refused else StatusKind.DELIVERED, now, message_id=message,
                verdict=refused, reason=Reason.TRY_LATER, line=line, addresses=both,
            )  # fmt: skip
            one = dict([chance.choice(list(both.items()))]) if chance.random() < 0.5 else both
            text = "stop" if chance.random() < 0.2 else "hello"
            yield InboundUpdate(line, f"in.{chance.random()}", one, "text", now, text=text)
            if chance.random() < 0.05:
                yield AddressChanged(AddressKind.PHONE, f"+34{person}", f"+34{chance.randrange(PEOPLE)}", now, line)
            if chance.random() < 0.3:
                yield Objection(both, Purpose.MARKETING, stopped=chance.random() < 0.5, at=now, line=line)
        status = chance.choice(["APPROVED", "PAUSED"])
        yield TemplateUpdate("account", chance.choice(["offer", "other"]), "en", "", now, status=status)
        yield LineUpdate("account", line, now, {"flagged": chance.random() < 0.5}, hold=False)

    def keep_house(self, chance: random.Random) -> None:
        now = clock.now()
        commands.forget_paces(now)
        commands.due_again(now=now - timedelta(hours=chance.random()))
        releasing.let_go(now=now)
        commands.release_channel("main")
        models.LinePace.objects.filter(scope="line:main").update(lowered_at=None, wait_until=None)
        commands.hold_template("account", "other/en", until=now, reason="paused", by=MONA)
        commands.recover(now=now)


def deadlocks() -> int:
    """Return how many the server found; sessions tell it when they end."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
        found: int = cursor.fetchone()[0]
    return found


def test_senders_workers_and_housekeeping_never_wait_for_each_other_in_a_circle(
    committed_outbox: Outbox, monkeypatch: pytest.MonkeyPatch
):
    with connection.cursor() as cursor:
        cursor.execute(
            "ALTER ROLE CURRENT_USER SET deadlock_timeout = '50ms'"
        )  # found soon, so that there could be many
    try:
        crowd = Crowd(committed_outbox)
        crowd.live()
        assert not crowd.broke
        assert all(crowd.done.values())
        assert deadlocks() == 0
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER ROLE CURRENT_USER RESET deadlock_timeout")
