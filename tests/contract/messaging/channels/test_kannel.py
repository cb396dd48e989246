"""Messages through a real Kannel and a message centre, and back through the receiver: reports, answers, and every outage."""

import asyncio
import importlib
import itertools
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any
from uuid import UUID

import psycopg
import pytest
from aiohttp import web

from tocsin.api.app import Api
from tocsin.customers.values import AddressKind
from tocsin.integrations.sms.kannel import channel
from tocsin.integrations.sms.kannel.receiving import RECEIVING
from tocsin.journal.values import MACHINE, Assurance, Author
from tocsin.kernel import clock
from tocsin.kernel.loading import lazily
from tocsin.messaging import commands, queries
from tocsin.messaging.states import MessageState
from tocsin.messaging.values import Draft, Message, Purpose, Reason, Update
from tocsin.project import settings
from tocsin.project.database_place import Place

models = lazily("tocsin.messaging.models")
MONA = Author(name="mona", assurance=Assurance.ASSERTED)
LINE, SECRET, NAMES = "+33755500006", "hush-callback-secret", itertools.count(1000)
ANSWERS = "?token={secret}&from=%p&to=%P&text=%b&charset=%C&coding=%c&message=%I&at=%T&smsc=%i"
S = MessageState


class Wired:
    def webhook(self, _kind: str) -> Any:
        return RECEIVING


class Door:
    """The receiver on a port of its own, which can be out of order for a while."""

    def __init__(self, loop: Any) -> None:
        self.loop, self.is_out_of_order, self.refused = loop, False, 0
        self.asked: list[str] = []
        self.api, self.runner, self.port = loop.run(self._open())

    async def _open(self) -> tuple[Api, web.AppRunner, int]:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._ask)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        return Api(wired=Wired()), runner, runner.addresses[0][1]

    async def _ask(self, request: web.Request) -> web.Response:
        self.asked.append(request.query_string)
        if self.is_out_of_order:
            self.refused += 1
            return web.Response(status=503)
        incoming, sent = [{"type": "http.request", "body": await request.read(), "more_body": False}], []

        async def receive() -> dict[str, Any]:
            return incoming.pop(0) if incoming else {"type": "http.disconnect"}

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        headers = [(name.lower().encode(), value.encode()) for name, value in request.headers.items()]
        scope = {
            "type": "http", "method": request.method, "path": request.path, "scheme": "http",
            "query_string": request.url.raw_query_string.encode(), "headers": headers,
        }  # fmt: skip
        await self.api(scope, receive, send)
        return web.Response(status=sent[0]["status"], body=sent[1]["body"])

    def close(self) -> None:
        self.loop.run(self.runner.cleanup())
        self.api.close()


class Way:
    """One channel through Kannel, and what comes back from it."""

    def __init__(self, boxes: Any, door: Door, *, app: str, eventually: Callable[..., bool]) -> None:
        self.boxes, self.door, self.centre, self.eventually = boxes, door, boxes.centre, eventually
        self.callback = f"http://127.0.0.1:{door.port}/webhooks/v1/{app}"
        self.settings: dict[str, Any] = {}
        self.environment: dict[str, str] = {}
        opened = self.connect()
        commands.add_channel(
            "sms", kind="kannel", line=opened.line, account=opened.account, settings={}, secrets={}, by=MONA
        )

    def connect(self, *, password: str = "") -> Any:
        given = {
            "url": f"http://127.0.0.1:{self.boxes.sendsms_port}", "username": "tocsin", "from": LINE,
            "callback_url": self.callback, **self.settings,
        }  # fmt: skip
        known = importlib.import_module("kannel_boxes").PASSWORD
        secrets = {"password": password or known, "callback_secret": SECRET, "status_password": "tocsin"}
        return channel.connect("sms", settings=given, secrets=secrets)

    def somebody(self) -> str:
        return f"+3361234{next(NAMES):04}"

    def queue(self, to: str, text: str = "hello", *, purpose: Purpose = Purpose.SERVICE) -> UUID:
        opened = self.connect()
        draft = Draft("sms", to, AddressKind.PHONE, opened.prepare({"text": text}), purpose=purpose)
        (queued,) = commands.queue_messages([draft], by=MONA)
        assert queued is not None
        return queued

    def drain(self, *, password: str = "") -> None:
        sender = commands.Sender(lambda _channel, _secrets: self.connect(password=password), only=["sms"])
        asyncio.run(sender.drain(asyncio.Event()))

    def send(self, to: str, text: str = "hello", **more: Any) -> UUID:
        queued = self.queue(to, text, **more)
        self.drain()
        return queued

    def becomes(self, message: UUID, state: MessageState) -> Message:
        """Take in what came until a message is in a state."""

        def holds() -> bool:
            self.take()
            return queries.message(message).state is state

        assert self.eventually(holds), (queries.message(message), self.door.asked[-3:])
        return queries.message(message)

    def take(self) -> None:
        commands.take_intake(_read)

    def texts_of(self, number: str) -> list[tuple[str, int]]:
        """Return what the phone of a number shows, each with the SMS it took."""
        return [(each.text, each.parts) for each in self.centre.received if each.to == number.lstrip("+")]


def _read(_kind: str, body: bytes, headers: Mapping[str, str]) -> Sequence[Update]:
    return RECEIVING.updates(body, headers=headers)


@pytest.fixture(scope="module")
def one_way(
    peer_module: object, server: Place, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Way]:  # fmt: skip
    """Run Kannel, a message centre and the receiver once for the file."""
    peers, centres, kannel = (importlib.import_module(f) for f in ("channel_peers", "message_centre", "kannel_boxes"))
    with psycopg.connect(host=str(server.socket_folder), user="tocsin", dbname="postgres", autocommit=True) as session:
        session.execute("CREATE DATABASE kannel TEMPLATE tocsin")
    url = f"postgresql://tocsin@/kannel?host={server.socket_folder}"
    environment = {"TOCSIN_DATABASE_URL": url, "TOCSIN_HOME": str(tmp_path_factory.mktemp("home"))}
    with pytest.MonkeyPatch.context() as patched, peers.looping() as loop, centres.serving(loop) as centre:
        for name, value in environment.items():
            patched.setenv(name, value)
        settings.use_database(settings.parameters_of_url(url))
        app = commands.add_app("reports", kind="kannel", secrets=[SECRET], by=MONA)
        door = Door(loop)
        inbound = f"http://127.0.0.1:{door.port}/webhooks/v1/{app}{ANSWERS.format(secret=SECRET)}"
        with kannel.running(tmp_path_factory.mktemp("kannel"), centre=centre, inbound=inbound) as boxes:
            way = Way(boxes, door, app=app, eventually=peers.eventually)
            way.environment = environment
            yield way
        door.close()
        settings.connections.close_all()


@pytest.fixture
def way(one_way: Way, monkeypatch: pytest.MonkeyPatch) -> Way:
    for name, value in one_way.environment.items():
        monkeypatch.setenv(name, value)
    one_way.settings = {}
    return one_way


def test_a_message_is_brought_and_the_trace_says_by_whose_word_it_is_known(way: Way):
    ana = way.somebody()
    sent = way.send(ana, "Votre mot de passe a été changé : {code} [1] €")
    assert queries.message(sent).state in {S.SENT, S.DELIVERED}
    message = way.becomes(sent, S.DELIVERED)
    assert message.delivered_at and way.texts_of(ana) == [("Votre mot de passe a été changé : {code} [1] €", 1)]
    assert way.eventually(lambda: way.take() or len(queries.trace(sent).statuses) == 2)
    words = {status.status: status.detail for status in queries.trace(sent).statuses}
    assert words["delivered"].startswith("DELIVRD 000 centre 0") and words["sent"].startswith("centre 0")


def test_what_is_not_brought_and_what_the_message_centre_refuses_fails_with_its_reason(way: Way):
    off, nobody = way.somebody(), way.somebody()
    way.centre.receipts[off.lstrip("+")] = "UNDELIV"
    way.centre.refuses[nobody.lstrip("+")] = 0x0B
    unbrought, refused = way.queue(off), way.queue(nobody)
    way.drain()
    for message, words in ((unbrought, "27 UNDELIV 027"), (refused, "11 refused 0x0000000b")):
        failed = way.becomes(message, S.FAILED)
        assert failed.reason == Reason.NOT_REACHABLE and failed.detail.startswith(words)


@pytest.mark.parametrize(
    "text",
    ["a" * 161, "€{}" * 150, "Привет, Анна! " * 45, "😀" * 36, "a" * 152 + "€" + "a" * 152, "é" * 1450],
    ids=["two", "doubles", "cyrillic", "pairs", "no sign is cut", "ten"],
)
def test_a_text_arrives_whole_in_as_many_sms_as_was_said_before(way: Way, text: str):
    ana = way.somebody()
    said = way.connect().prepare({"text": text}).category
    way.becomes(way.send(ana, text), S.DELIVERED)
    assert way.eventually(lambda: bool(way.texts_of(ana)))
    ((shown, parts),) = way.texts_of(ana)
    assert shown == text and said.endswith(f"-{parts}")


def test_kannel_cuts_a_long_text_off_where_max_messages_is_left_out(way: Way):
    ana, text = way.somebody(), "a" * 500
    way.settings = {"username": "careless"}
    way.send(ana, text)
    assert way.eventually(lambda: bool(way.texts_of(ana)))
    ((shown, parts),) = way.texts_of(ana)
    assert parts == 1 and len(shown) < 170  # which is why the how-to sets it


def test_people_answer_and_stop_and_security_notices_reach_them_all_the_same(way: Way):
    ana = way.somebody()
    sent = way.send(ana)
    way.becomes(sent, S.DELIVERED)
    before = queries.trace(sent).inbound
    way.centre.write(ana, LINE, "Кто вы? " * 5, coding=8)
    way.centre.write(ana, LINE, "STOP")
    assert way.eventually(lambda: way.take() or len(queries.trace(sent).inbound) == len(before) + 2)
    withheld = queries.message(way.send(ana))
    assert (withheld.state, withheld.reason) == (S.WITHHELD, Reason.OPTED_OUT)
    way.becomes(way.send(ana, purpose=Purpose.SECURITY), S.DELIVERED)
    assert len(way.texts_of(ana)) == 2  # nothing was answered to their answers


def test_who_knows_a_report_s_address_can_tell_nothing_of_another_message(way: Way):
    ana, bob = way.somebody(), way.somebody()
    way.centre.receipts[bob.lstrip("+")] = "UNDELIV"
    first, second = way.send(ana), way.send(bob)
    way.becomes(first, S.DELIVERED)
    way.becomes(second, S.FAILED)
    seen = next(query for query in way.door.asked if str(first) in query)
    asked = f"{way.callback}?{seen.replace(str(first), str(second))}"
    assert way.door.loop.run(_status_of(asked)) == 401
    assert SECRET not in seen


def test_reports_that_come_while_the_receiver_is_out_of_order_come_again(way: Way):
    way.door.is_out_of_order, way.door.refused = True, 0
    sent = way.send(way.somebody())
    assert way.eventually(lambda: way.door.refused >= 2) and queries.message(sent).state is S.SENT
    way.door.is_out_of_order = False
    way.becomes(sent, S.DELIVERED)


def test_a_bearerbox_that_does_not_answer_leaves_a_message_unknown_until_a_report_comes(way: Way):
    ana = way.somebody()
    way.settings = {"timeout_seconds": 3}
    way.boxes.pause_bearerbox()
    sent = way.send(ana)
    assert queries.message(sent).state is S.UNKNOWN
    way.boxes.continue_bearerbox()
    way.becomes(sent, S.DELIVERED)
    way.drain()
    assert len(way.texts_of(ana)) == 1  # it was never sent again


def test_what_kannel_took_survives_its_crash_and_an_outage_of_the_message_centre(way: Way):
    ana = way.somebody()
    way.centre.stop()
    assert way.eventually(lambda: not way.centre.bound())
    sent = way.send(ana)
    assert (queries.message(sent).state, queries.message(sent).detail) == (S.SENT, "held")
    way.boxes.crash()
    way.centre.start()
    way.boxes.begin_bearerbox()
    way.boxes.begin_smsbox()
    way.becomes(sent, S.DELIVERED)
    assert len(way.texts_of(ana)) == 1


def test_a_smsbox_that_is_down_holds_the_line_and_costs_no_try(way: Way):
    way.boxes.end_smsbox()
    sent = way.send(way.somebody())
    assert queries.message(sent).state in {S.QUEUED, S.RETRYING} and queries.channel("sms").held_until
    way.boxes.begin_smsbox()
    commands.release_channel("sms", by=MONA)
    way.becomes(_sent_after(way, sent), S.DELIVERED)


def test_a_smsbox_killed_in_the_middle_loses_nothing_and_doubles_nothing(way: Way, monkeypatch: pytest.MonkeyPatch):
    people = [way.somebody() for _ in range(80)]
    opened = way.connect()
    drafts = [Draft("sms", each, AddressKind.PHONE, opened.prepare({"text": f"for {each}"})) for each in people]
    queued = [each for each in commands.queue_messages(drafts, by=MACHINE) if each]
    with monkeypatch.context() as patched:
        _end_in_the_middle(way, patched, answered=20, begun=40)
        way.drain()
    states = Counter(queries.message(each).state for each in queued)
    assert states[S.QUEUED] + states[S.RETRYING] and states[S.SENT]  # it happened in the middle
    way.boxes.begin_smsbox()
    commands.release_channel("sms", by=MONA)
    models.OutboundMessage.objects.filter(id__in=queued, next_try_at__isnull=False).update(next_try_at=clock.now())
    way.drain()
    for person, each in zip(people, queued, strict=True):
        state, arrived = queries.message(each).state, [(f"for {person}", 1)]
        if state is S.UNKNOWN:  # the answer was lost with the smsbox, and perhaps the report too
            assert way.texts_of(person) in ([], arrived)
        else:
            # A report that the smsbox was telling when it was killed is lost: such a message stays sent.
            assert state in {S.SENT, S.DELIVERED}
            assert way.eventually(lambda person=person, arrived=arrived: way.texts_of(person) == arrived)


def test_a_wrong_password_holds_the_line_until_somebody_mends_it_and_loses_nothing(way: Way):
    sent = way.queue(way.somebody())
    way.drain(password="another")
    held = queries.channel("sms")
    assert held.held_reason and held.held_until is None and queries.message(sent).state in {S.QUEUED, S.RETRYING}
    commands.release_channel("sms", by=MONA)
    way.becomes(_sent_after(way, sent), S.DELIVERED)


def test_a_check_says_what_is_wrong_and_sends_nothing(way: Way):
    async def said(opened: Any) -> list[str]:
        try:
            return [f"{remark.standing} {remark.text}" for remark in await opened.check()]
        finally:
            await opened.close()

    before = way.centre.submitted
    assert asyncio.run(said(way.connect())) == ["ok Kannel knows name and password."]
    assert "does not accept" in asyncio.run(said(way.connect(password="another")))[0]
    status = f"http://127.0.0.1:{way.boxes.admin_port}/status.xml"
    way.settings = {"status_url": status}
    assert asyncio.run(said(way.connect()))[1:] == [
        "ok Message centre centre is connected.",
        "warning A restart of Kannel forgets which reports it waits for: their messages then stay sent.",
    ]
    way.settings = {"status_url": status, "smsc": "another"}
    assert "fault Kannel has no such message centre." in asyncio.run(said(way.connect()))
    way.settings = {"status_url": status.replace("status.xml", "other")}
    assert "fault Kannel does not show its status." in asyncio.run(said(way.connect()))
    way.settings = {"status_url": "http://127.0.0.1:9/status.xml"}
    assert "status page cannot be reached" in asyncio.run(said(way.connect()))[1]
    way.settings = {"url": f"http://127.0.0.1:{way.boxes.sendsms_port}/cgi-bin/other"}
    assert "Something else" in asyncio.run(said(way.connect()))[0]
    way.settings = {"url": "http://127.0.0.1:9/"}
    assert "cannot be reached" in asyncio.run(said(way.connect()))[0]
    assert way.centre.submitted == before


def _end_in_the_middle(way: Way, patched: pytest.MonkeyPatch, *, answered: int, begun: int) -> None:
    """End the smsbox when so many messages were answered, before more than so many were begun."""
    connect, counts, ended = way.connect, Counter[str](), asyncio.Event()

    def counting(**given: Any) -> Any:
        opened = connect(**given)
        send = opened.send

        async def counted(message: Any) -> Any:
            counts["begun"] += 1
            if counts["begun"] > begun:
                await ended.wait()
            accepted = await send(message)
            counts["answered"] += 1
            if counts["answered"] == answered:
                way.boxes.end_smsbox()
                ended.set()
            return accepted

        patched.setattr(opened, "send", counted, raising=False)
        return opened

    patched.setattr(way, "connect", counting)


def _sent_after(way: Way, message: UUID) -> UUID:
    """Send what waits, as when its next try has come."""
    models.OutboundMessage.objects.filter(id=message).update(next_try_at=clock.now())
    way.drain()
    return message


async def _status_of(address: str) -> int:
    posting = importlib.import_module("aiohttp")
    async with posting.ClientSession() as session, session.get(address) as answer:
        return int(answer.status)
