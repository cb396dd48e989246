"""A message's whole way on every channel but WhatsApp: queued, sent to a real server, reported on, answered."""

import asyncio
import importlib
import itertools
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

import psycopg
import pytest

from tocsin.journal.values import Assurance, Author
from tocsin.kernel import clock
from tocsin.kernel.loading import lazily
from tocsin.messaging import commands, queries
from tocsin.messaging.states import MessageState
from tocsin.messaging.values import Draft, IntakeBody, Purpose, Update
from tocsin.project import settings
from tocsin.project.database_place import Place

models = lazily("tocsin.messaging.models")
MONA = Author(name="mona", assurance=Assurance.ASSERTED)
KINDS = {"email": "email", "sms": "sms", "webhook": "standard_webhooks"}
ADDRESSES = {"email": "bob.{}@example.org", "sms": "+3361234{:04}", "webhook": "customer-{}"}
NUMBERS = itertools.count(1000)
S = MessageState


class Way:
    """One channel to a running provider, and the webhooks that come back from it."""

    def __init__(self, kind: str, peer: Any) -> None:
        self.kind, self.peer = kind, peer
        self.receiving = importlib.import_module(f"tocsin.integrations.{KINDS[kind]}.receiving").RECEIVING
        channel, number = peer.channel(), next(NUMBERS)
        commands.add_channel(kind, kind=kind, line=channel.line, settings={}, secrets={}, by=MONA)
        self.app = commands.add_app(f"app{number}", kind=kind, secrets=["hush"], by=MONA)
        self.address_kind = peer.addresses[0][1]
        self.address = ADDRESSES[kind].format(number)
        self.prepared = channel.prepare(peer.content("hello"))
        asyncio.run(channel.close())

    def send(self, *, purpose: Purpose = Purpose.SERVICE) -> UUID:
        """Queue one message and send what waits."""
        draft = Draft(self.kind, self.address, self.address_kind, self.prepared, purpose=purpose)
        (queued,) = commands.queue_messages([draft], by=MONA)
        sender = commands.Sender(lambda _channel, _secrets: self.peer.channel(), only=[self.kind])
        asyncio.run(sender.drain(asyncio.Event()))
        assert queued is not None
        return queued

    def comes_back(self, body: bytes, *, path: str = "") -> None:
        headers = {":path": path, "content-type": "x"}
        commands.store_intake([IntakeBody(self.app, clock.now(), body, headers)])
        assert commands.take_intake(self._read) == 1

    def _read(self, kind: str, body: bytes, headers: Mapping[str, str]) -> Sequence[Update]:
        assert kind == self.kind
        return self.receiving.updates(body, headers=headers)

    def state(self, message: UUID) -> MessageState:
        return queries.message(message).state


@pytest.fixture(scope="module")
def one_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return one home for the file, whose key seals all that one database keeps."""
    return tmp_path_factory.mktemp("one_home")


@pytest.fixture(scope="module")
def one_database(server: Place) -> str:
    """Return the address of one migrated database for the file: making one takes longer than any of its tests."""
    with psycopg.connect(host=str(server.socket_folder), user="tocsin", dbname="postgres", autocommit=True) as session:
        session.execute("CREATE DATABASE round_trips TEMPLATE tocsin")
    return f"postgresql://tocsin@/round_trips?host={server.socket_folder}"


@pytest.fixture(params=sorted(KINDS))
def way(
    request: pytest.FixtureRequest,
    peer_module: Callable[[str], ModuleType],
    one_database: str,
    one_home: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Way]:
    monkeypatch.setenv("TOCSIN_DATABASE_URL", one_database)
    monkeypatch.setenv("TOCSIN_HOME", str(one_home))
    settings.use_database(settings.parameters_of_url(one_database))
    with peer_module(request.param).running(tmp_path) as peer:
        commands.add_channel("another", kind=request.param, line="another", settings={}, secrets={}, by=MONA)
        yield Way(request.param, peer)
    for each in queries.channels():
        commands.remove_channel(each.name, reason="the test is over", by=MONA)
    settings.connections.close_all()


def report(way: Way, message: UUID, *, good: bool) -> tuple[bytes, str]:
    """Return what the provider says of a message later, as its documents lay it out."""
    if way.kind == "sms":
        word = {"MessageStatus": "delivered"} if good else {"MessageStatus": "undelivered", "ErrorCode": "30003"}
        told = {"MessageSid": queries.message(message).provider_id, "From": "+15005550006", **word}
        return urlencode(told).encode(), f"/webhooks/v1/x?id={message}"
    if way.kind == "webhook":
        named = "message.delivered" if good else "message.failed"
        return json.dumps({"type": named, "data": {"id": str(message)}}).encode(), ""
    action, status = ("delivered", "2.0.0") if good else ("failed", "5.1.1")
    lines = [
        "From: MAILER-DAEMON@mx.example.org", "MIME-Version: 1.0",
        'Content-Type: multipart/report; report-type=delivery-status; boundary="b"', "", "--b",
        "Content-Type: message/delivery-status", "", "Reporting-MTA: dns; mx", "",
        "Final-Recipient: rfc822; bob.k@example.org", f"Action: {action}", f"Status: {status}", "", "--b",
        "Content-Type: text/rfc822-headers", "", f"Message-ID: <{message}@larkwave.example>", "", "--b--", "",
    ]  # fmt: skip
    return "\r\n".join(lines).encode(), ""


def test_a_message_goes_out_and_its_reports_are_its_own(way: Way):
    good, bad = way.send(), way.send()
    assert [each for each, _ in way.peer.received()][-2:] == [str(good), str(bad)]
    assert way.state(good) is way.state(bad) is S.SENT
    for message, is_good in ((good, True), (bad, False)):
        body, path = report(way, message, good=is_good)
        way.comes_back(body, path=path)
    assert way.state(good) is S.DELIVERED
    assert way.state(bad) is (S.BOUNCED if way.kind == "email" else S.FAILED)
    assert queries.message(bad).reason


def test_a_crash_after_the_bytes_left_is_reconciled_by_our_id(way: Way):
    mood = importlib.import_module("channel_peers").Mood
    way.peer.be(mood.DROPS_AFTER)
    sent = way.send()
    assert way.state(sent) is S.UNKNOWN
    way.peer.be(mood.TAKES)
    assert way.send() and [each for each, _ in way.peer.received()].count(str(sent)) == 1  # never sent again
    body, path = report(way, sent, good=True)
    way.comes_back(body.replace(b"MessageSid=&", b"MessageSid=SM99&"), path=path)
    assert way.state(sent) is S.DELIVERED


def test_a_provider_that_is_down_costs_no_message_a_try(way: Way):
    mood = importlib.import_module("channel_peers").Mood
    way.peer.be(mood.DOWN)
    sent = way.send()
    assert way.state(sent) in {S.QUEUED, S.RETRYING} and queries.channel(way.kind).held_until
    way.peer.be(mood.TAKES)


def test_who_stops_gets_nothing_more_but_security_notices(way: Way):
    first = way.send()
    if way.kind == "webhook":
        pytest.skip("a product keeps its own list of who wants no messages")
    if way.kind == "sms":
        told = {"MessageSid": "SM77", "From": way.address, "To": "+15005550006", "Body": "STOP"}
        way.comes_back(urlencode(told).encode(), path="/webhooks/v1/x")
    else:
        lines = [
            "From: abuse@example.com", "MIME-Version: 1.0",
            'Content-Type: multipart/report; report-type=feedback-report; boundary="b"', "", "--b",
            "Content-Type: message/feedback-report", "", "Feedback-Type: abuse", "Version: 1", "", "--b",
            "Content-Type: message/rfc822", "", f"Message-ID: <{first}@larkwave.example>", "", "x", "--b--", "",
        ]  # fmt: skip
        way.comes_back("\r\n".join(lines).encode())
    assert way.state(way.send()) is S.WITHHELD
    assert way.state(way.send(purpose=Purpose.SECURITY)) is S.SENT
