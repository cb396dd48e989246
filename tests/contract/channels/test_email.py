"""SMTP: what is said on the wire, what is never said in the open, and which connections are used."""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterator
from email import message_from_bytes
from email.policy import default
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from channel_peers import Loop, Mood, certificate, eventually, looping
from mail_server import EmailPeer

from tocsin.customers.values import AddressKind
from tocsin.integrations.email import channel
from tocsin.integrations.email.line import opened
from tocsin.kernel.remarks import Standing
from tocsin.messaging.ports import OutcomeUnknown, TransportError
from tocsin.messaging.values import Outgoing, Purpose, Reason, Verdict

SILENCE = "(silence)"


class Scripted:
    """A mail server that answers each command as told, and keeps every line it hears."""

    def __init__(self, loop: Loop, *, tls: ssl.SSLContext | None = None, **replies: str) -> None:
        self.replies = {
            "greeting": "220 mx.example ESMTP", "EHLO": "250-mx.example\r\n250 SIZE 100000000", "MAIL": "250 ok",
            "RCPT": "250 ok", "DATA": "354 go on", ".": "250 taken", "RSET": "250 ok", "QUIT": "221 bye", **replies,
        }  # fmt: skip
        self.heard: list[str] = []
        self.lines = 0
        self._loop, self._talks = loop, set[asyncio.Task[None]]()
        # What hangs up within a mail must not have all of it in some buffer by then.
        listening, limit = socket.socket(), 1 << 16 if "body" in replies else 1 << 24
        if "body" in replies:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
        listening.bind(("127.0.0.1", 0))
        self._server = loop.run(asyncio.start_server(self._talk, sock=listening, ssl=tls, limit=limit))
        self.port: int = self._server.sockets[0].getsockname()[1]

    def close(self) -> None:
        self._loop.run(self._closed())

    async def _closed(self) -> None:
        self._server.close()
        for talk in self._talks:
            talk.cancel()
        await asyncio.gather(*self._talks, return_exceptions=True)

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.lines += 1
        self._talks.add(asyncio.current_task())
        try:
            await self._say(writer, "greeting")
            while line := (await reader.readline()).decode().rstrip("\r\n"):
                self.heard.append(line)
                word = line.split()[0].upper()
                if not await self._say(writer, word):
                    return
                if word == "DATA" and self.replies["DATA"].startswith("354") and not await self._read(reader, writer):
                    return
        except (ConnectionError, asyncio.CancelledError):
            return
        finally:
            writer.transport.abort()

    async def _read(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Read a mail to its last dot; with ``body`` hang up after so many bytes."""
        if "body" in self.replies:
            await reader.readexactly(int(self.replies["body"]))
            return False
        while (line := await reader.readline()) != b".\r\n":
            if not line:
                return False
            self.heard.append(line.decode().rstrip("\r\n"))
        return await self._say(writer, ".")

    async def _say(self, writer: asyncio.StreamWriter, word: str) -> bool:
        reply = self.replies.get(word, "502 what?")
        if reply == SILENCE:
            await asyncio.Event().wait()
        if reply:
            writer.write(reply.encode() + b"\r\n")
            await writer.drain()
        return bool(reply)


@pytest.fixture(scope="module")
def loop() -> Iterator[Loop]:
    with looping() as running:
        yield running


@pytest.fixture
def server(loop: Loop) -> Iterator[Callable[..., Scripted]]:
    made: list[Scripted] = []

    def scripted(**given: Any) -> Scripted:
        made.append(Scripted(loop, **given))
        return made[-1]

    yield scripted
    for each in made:
        each.close()


def connected(port: int, *, secrets: dict[str, str] | None = None, **settings: Any) -> channel.Email:
    given = {
        "host": "127.0.0.1", "port": port, "security": "none", "from": "alarm@larkwave.example", "timeout_seconds": 30,
        "answer_seconds": 30, **settings,
    }  # fmt: skip
    return channel.connect("mail", settings=given, secrets=secrets or {})


def message(address: str = "bob@example.org", *, text: str = "hello") -> Outgoing:
    content = {"subject": "Please read", "text": text}
    return Outgoing(uuid4(), address, AddressKind.EMAIL, content, 1, Purpose.SERVICE)


def run(email: channel.Email, work: Callable[[channel.Email], Awaitable[Any]]) -> Any:
    async def whole() -> Any:
        try:
            return await work(email)
        finally:
            await email.close()

    return asyncio.run(whole())


def refused(email: channel.Email, sent: Outgoing) -> TransportError:
    with pytest.raises(TransportError) as caught:
        run(email, lambda each: each.send(sent))
    return caught.value


def test_a_line_that_drops_within_the_mail_is_tried_again_for_the_last_dot_never_left(server):
    scripted = server(body="200000")
    error = refused(connected(scripted.port), message(text="a line of text\n" * 600_000))
    assert not isinstance(error, OutcomeUnknown)
    assert (error.verdict, error.reason, error.permanent) == (Verdict.RETRY, Reason.TRY_LATER, False)


@pytest.mark.parametrize(
    ("reply", "verdict"),
    [
        ("", Verdict.UNKNOWN),
        ("what is this", Verdict.UNKNOWN),
        ("451 4.3.0 try again", Verdict.RETRY),
        ("421 4.3.2 closing", Verdict.SLOW_LINE),
        ("554 5.7.1 looks like spam", Verdict.OUR_MISTAKE),
        ("550 5.7.26 not authenticated", Verdict.HOLD_LINE),
    ],
)
def test_after_the_last_dot_only_a_reply_that_can_be_read_says_that_it_was_not_taken(server, reply, verdict):
    error = refused(connected(server(**{".": reply}).port), message())
    assert error.verdict is verdict and isinstance(error, OutcomeUnknown) == (verdict is Verdict.UNKNOWN)


def test_a_server_without_starttls_gets_neither_password_nor_mail(server, tmp_path):
    scripted = server()
    given = {"security": "starttls", "user": "tocsin", "ca_file": str(certificate(tmp_path)[0])}
    error = refused(connected(scripted.port, secrets={"password": "hush"}, **given), message())
    assert (error.verdict, error.wait_seconds) == (Verdict.HOLD_LINE, None)
    assert [line.split()[0] for line in scripted.heard] == ["EHLO"]


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_a_certificate_nobody_trusts_holds_the_line_until_it_is_mended(server, tmp_path, security):
    cert, key = certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    (tmp_path / "other").mkdir()
    given = {"security": security, "ca_file": str(certificate(tmp_path / "other")[0])}
    if security == "tls":
        error = refused(connected(server(tls=context).port, **given), message())
        assert "certificate" in error.detail
        right = connected(server(tls=context).port, security="tls", ca_file=str(cert))
        assert run(right, lambda each: each.send(message())).provider_id
    else:
        with looping() as other:
            peer = EmailPeer(other, folder=tmp_path)
            error = refused(peer.channel(ca_file=given["ca_file"]), message())
            assert "certificate" in error.detail and not peer.received()
            peer.be(Mood.DOWN)
    assert (error.verdict, error.wait_seconds) == (Verdict.HOLD_LINE, None)


def test_connections_are_kept_and_renewed_after_so_many_mails(server):
    scripted = server()

    async def work(email: channel.Email) -> None:
        for _ in range(7):
            await email.send(message())
        assert scripted.lines == 3
        await asyncio.gather(*(email.send(message()) for _ in range(20)))

    run(connected(scripted.port, mails_per_connection=3, connections=2), work)
    assert [line for line in scripted.heard if line.startswith("QUIT")]


def test_a_connection_the_server_has_closed_is_replaced_without_a_word(loop, tmp_path):
    peer = EmailPeer(loop, folder=tmp_path)

    async def work(email: channel.Email) -> None:
        await email.send(message())
        loop.run(peer._hung_up())
        await email.send(message())

    run(peer.channel(), work)
    assert len(peer.received()) == 2
    peer.be(Mood.DOWN)


def test_who_finds_no_free_connection_in_time_says_so_and_nothing_left(server):
    scripted = server(**{".": SILENCE})

    async def work(email: channel.Email) -> list[Any]:
        return await asyncio.gather(*(email.send(message()) for _ in range(3)), return_exceptions=True)

    email = connected(scripted.port, connections=1, timeout_seconds=1, answer_seconds=3)
    first, *others = run(email, work)
    assert isinstance(first, OutcomeUnknown)
    assert [each.verdict for each in others] == [Verdict.SLOW_LINE] * 2
    assert len([line for line in scripted.heard if line.startswith("MAIL")]) == 1


def test_letters_outside_ascii_need_a_server_that_takes_them(server):
    error = refused(connected(server().port), message("møller@example.org"))
    assert (error.verdict, error.permanent) == (Verdict.DEAD, True)
    scripted = server(EHLO="250-mx.example\r\n250 SMTPUTF8")
    sent = message("møller@example.org", text="Grüße")
    run(connected(scripted.port, from_name="Lärkwave"), lambda each: each.send(sent))
    assert "MAIL FROM:<alarm@larkwave.example> SMTPUTF8" in scripted.heard
    assert "RCPT TO:<møller@example.org>" in scripted.heard and "To: møller@example.org" in scripted.heard


def test_what_is_longer_than_the_server_takes_is_not_begun(server):
    scripted = server(EHLO="250-mx.example\r\n250 SIZE 1000")
    error = refused(connected(scripted.port), message(text="a" * 2000))
    assert (error.verdict, error.permanent) == (Verdict.OUR_MISTAKE, True)
    assert not [line for line in scripted.heard if line.startswith("DATA")]


@pytest.mark.parametrize(("reports", "notify"), [(False, "FAILURE,DELAY"), (True, "SUCCESS,FAILURE,DELAY")])
def test_a_server_that_reports_is_told_our_id(server, reports, notify):
    scripted, sent = server(EHLO="250-mx.example\r\n250 DSN"), message()
    email = connected(scripted.port, reports_delivery=reports, return_path="bounces@larkwave.example")
    assert email.reports == reports
    run(email, lambda each: each.send(sent))
    assert f"MAIL FROM:<bounces@larkwave.example> ENVID={sent.id} RET=HDRS" in scripted.heard
    assert f"RCPT TO:<bob@example.org> NOTIFY={notify}" in scripted.heard


def test_what_we_say_is_plain_smtp_that_every_server_understands(server):
    scripted = server(EHLO="250-mx.example\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-CHUNKING\r\n250 SMTPUTF8")
    sent = message("bob@bücher.example", text="é" * 2000 + "\n" + "x" * 5000)
    run(connected(scripted.port), lambda each: each.send(sent))
    assert "RCPT TO:<bob@xn--bcher-kva.example>" in scripted.heard  # a domain needs no extension (IDNA)
    assert "MAIL FROM:<alarm@larkwave.example>" in scripted.heard  # neither BODY= nor SMTPUTF8: nothing needs them
    body = scripted.heard[scripted.heard.index("DATA") :]
    assert all(line.isascii() and len(line) <= 998 for line in body)


def test_letters_of_the_name_shown_need_no_extension(server):
    scripted = server()
    run(connected(scripted.port, from_name="Lärkwave 株式会社"), lambda each: each.send(message()))
    assert any(line.startswith("From: =?utf-8?b?") for line in scripted.heard)


def test_a_server_that_ends_a_connection_after_so_many_mails_costs_no_message(server):
    scripted = server()
    say, mails = scripted._say, [0]

    async def five_a_connection(writer, word):
        if word == "greeting":
            mails[0] = 0
        if word == "MAIL":
            mails[0] += 1
            if mails[0] > 5:
                writer.write(b"421 Maximum message count per session reached\r\n")
                await writer.drain()
                return False
        return await say(writer, word)

    scripted._say = five_a_connection

    async def work(email: channel.Email) -> list[Any]:
        return [await email.send(message()) for _ in range(23)]

    assert len(run(connected(scripted.port, connections=1), work)) == 23
    assert scripted.lines == 5


def test_a_server_that_takes_one_connection_only_costs_no_message(server):
    scripted = server()
    greeting, open_now = scripted.replies["greeting"], set[int]()
    talk = scripted._talk

    async def one_at_a_time(reader, writer):
        if open_now:
            writer.write(b"421 4.7.0 too many connections from you\r\n")
            await writer.drain()
            writer.close()
            return
        open_now.add(1)
        assert greeting
        await talk(reader, writer)
        open_now.clear()

    scripted._server.close()
    scripted._server = scripted._loop.run(asyncio.start_server(one_at_a_time, "127.0.0.1", scripted.port))

    async def work(email: channel.Email) -> list[Any]:
        return await asyncio.gather(*(email.send(message()) for _ in range(20)))

    assert len(run(connected(scripted.port, connections=5), work)) == 20
    assert scripted.lines == 1


def test_a_server_that_takes_nobody_at_present_slows_the_line_and_nothing_hangs(server):
    scripted = server(greeting="421 4.3.2 too busy")

    async def work(email: channel.Email) -> list[Any]:
        return await asyncio.gather(*(email.send(message()) for _ in range(6)), return_exceptions=True)

    ends = run(connected(scripted.port, connections=3), work)
    assert {end.verdict for end in ends} == {Verdict.SLOW_LINE}


def test_lines_of_dots_arrive_as_they_were_written(loop, tmp_path):
    peer = EmailPeer(loop, folder=tmp_path)
    text = ".\n..\n.hidden\nend."
    run(peer.channel(), lambda each: each.send(message(text=text)))
    mail = message_from_bytes(peer.mails[-1], policy=default)
    assert mail.get_content().replace("\r\n", "\n").strip("\n") == text
    assert peer.senders[-1] == "alarm@larkwave.example"
    peer.be(Mood.DOWN)


def test_a_check_sends_nothing_and_says_what_is_to_be_mended(loop, tmp_path: Path):
    peer = EmailPeer(loop, folder=tmp_path)
    remarks = run(peer.channel(), lambda each: each.check())
    assert remarks[0].standing is Standing.OK and any("DKIM" in each.text for each in remarks)
    peer.be(Mood.DOWN)
    remarks = run(peer.channel(), lambda each: each.check())
    assert "nothing answers at its port" in remarks[0].text and remarks[0].mend
    assert [each.standing for each in remarks].count(Standing.FAULT) == 1 and not peer.tries()
    assert eventually(lambda: peer.connections() == 0)


def test_what_somebody_adds_in_the_open_before_tls_begins_is_never_read(loop, tmp_path):
    """A reply that came with the one to STARTTLS is not of the server (the fault CVE-2011-0411 names)."""
    cert, key = certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    heard: list[bytes] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mx.example ESMTP\r\n")
        heard.append(await reader.readline())
        writer.write(b"250-mx.example\r\n250 STARTTLS\r\n")
        heard.append(await reader.readline())
        writer.write(b"220 go on\r\n250-mx.example\r\n250-AUTH PLAIN\r\n250 X-INJECTED\r\n")
        await writer.drain()
        try:
            await writer.start_tls(context)
            heard.append(await reader.readline())
            writer.write(b"250-mx.example\r\n250 X-TRUE\r\n")
            heard.append(await reader.readline())
            writer.write(b"221 bye\r\n")
            await writer.drain()
        except (ConnectionError, ssl.SSLError):
            pass  # to have nothing to do with such a server is right, too
        writer.close()

    server = loop.run(asyncio.start_server(talk, "127.0.0.1", 0))
    given = {"port": server.sockets[0].getsockname()[1], "security": "starttls", "ca_file": str(cert)}

    async def told(email: channel.Email) -> list[str]:
        try:
            line = await opened(email._server)
        except TransportError as error:
            return [error.verdict]
        found = line.told()
        await line.close()
        return found

    found = run(connected(**given), told)
    assert found in (["x-true"], [Verdict.HOLD_LINE]), (found, heard)
    server.close()
