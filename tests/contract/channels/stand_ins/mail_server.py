"""A real SMTP server (aiosmtpd) with STARTTLS and a login; moods are what mail servers really say."""

import asyncio
import ssl
from email import message_from_bytes
from email.policy import default
from pathlib import Path
from typing import Any, ClassVar

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session
from channel_peers import Loop, Mood, certificate
from tests.ports import free_port

from tocsin.customers.values import AddressKind
from tocsin.integrations.email import channel

PASSWORD = "hush-password-456"
ADDRESS = "bob.k@example.org"
CONTENT_REPLIES = {
    Mood.REFUSES: "552 5.3.4 mail of alarm@larkwave.example to bob.k@example.org 'a secret text' is too big"
}
RECIPIENT_REPLIES = {
    Mood.REFUSES_PERSON: "550 5.1.1 <bob.k@example.org>: Recipient address rejected: no bob.k here at example.org",
    Mood.NOT_NOW: "450 4.2.0 <bob.k@example.org>: Recipient address rejected: Greylisted, see http://x/bob.k@example.org",
}
SENDER_REPLIES = {Mood.TOO_FAST: "450 4.7.1 too much mail from alarm@larkwave.example"}


class Counted(SMTP):
    """One connection, counted while it is open."""

    open: ClassVar[set["Counted"]] = set()

    def connection_made(self, transport: Any) -> None:
        Counted.open.add(self)
        super().connection_made(transport)

    def connection_lost(self, error: BaseException | None) -> None:
        Counted.open.discard(self)
        super().connection_lost(error)


class EmailPeer:
    kind = "email"
    moods = frozenset(Mood)
    addresses: ClassVar = [
        ("Bob.K@EXAMPLE.org", AddressKind.EMAIL, "Bob.K@example.org"),
        ("bob@bücher.example", AddressKind.EMAIL, "bob@xn--bcher-kva.example"),
        ("møller@example.org", AddressKind.EMAIL, "møller@example.org"),
    ]
    wrong_addresses: ClassVar = [
        ("bob", AddressKind.EMAIL),
        ("bob@example.org\r\nBcc: eve@example.org", AddressKind.EMAIL),
        ("<bob@example.org>", AddressKind.EMAIL),
        ("bob@exa mple.org", AddressKind.EMAIL),
        ("+33612345678", AddressKind.PHONE),
    ]
    wrong_contents: ClassVar = [
        ({"text": "hello"}, "subject"),
        ({"subject": "a\r\nBcc: eve@example.org", "text": "hello"}, "subject"),
        ({"subject": "a\nb", "text": "hello"}, "subject"),
        ({"subject": "a\u2028b", "text": "hello"}, "subject"),
        ({"subject": "hello"}, "text"),
        ({"subject": "hello", "text": " "}, "text"),
        ({"subject": "hello", "text": "a", "html": 7}, "html"),
        ({"subject": "hello", "text": "a", "headers": {"X-A": "b\r\nBcc: eve@example.org"}}, "headers.X-A"),
        ({"subject": "hello", "text": "a", "headers": {"X-A: b\r\nBcc": "eve@example.org"}}, "headers"),
        ({"subject": "hello", "text": "a", "headers": {"bcc": "eve@example.org"}}, "headers.bcc"),
        ({"subject": "hello", "text": "a", "unsubscribe_url": "http://x.example/u"}, "unsubscribe_url"),
        ({"subject": "hello", "text": "a", "cc": "eve@example.org"}, "cc"),
        ({"subject": "hello", "text": "\ud800"}, "text"),
        ({"subject": "hello", "text": "a", "language": "fr\r\nBcc: eve@example.org"}, "language"),
    ]

    def __init__(self, loop: Loop, *, folder: Path) -> None:
        self._loop, self._mood, self._tries, self._server = loop, Mood.TAKES, 0, None
        self._never = asyncio.Event()
        self.mails: list[bytes] = []
        self.senders: list[str] = []
        self._received: list[tuple[str, str]] = []
        cert, key = certificate(folder)
        self.ca_file = cert
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._tls.load_cert_chain(cert, key)
        self.port = free_port()  # and the same after it was down
        self.be(Mood.TAKES)

    def channel(self, *, secrets: dict[str, str] | None = None, **settings):
        given = {
            "host": "127.0.0.1", "port": self.port, "user": "tocsin", "ca_file": str(self.ca_file),
            "from": "alarm@larkwave.example", "from_name": "Larkwave", "timeout_seconds": 30, **settings,
        }  # fmt: skip
        given.setdefault("answer_seconds", given["timeout_seconds"])
        return channel.connect("mail", settings=given, secrets={"password": PASSWORD, **(secrets or {})})

    def content(self, text: str):
        return {"subject": "Please read", "text": text, "html": f"<p>{text}</p>"}

    def be(self, mood: Mood) -> None:
        if (mood is Mood.DOWN) == (self._server is not None):
            self._loop.run(self._stopped() if mood is Mood.DOWN else self._started())
        if mood in {Mood.DOWN, Mood.WRONG_CREDENTIALS}:
            self._loop.run(self._hung_up())
        self._mood = mood

    def received(self):
        return list(self._received)

    def tries(self) -> int:
        return self._tries

    def connections(self) -> int:
        return len(Counted.open)

    def secrets(self) -> list[str]:
        return [PASSWORD]

    async def _started(self) -> None:
        def connected() -> SMTP:
            return Counted(
                self, hostname="mx.example", tls_context=self._tls, require_starttls=True, auth_required=True,
                authenticator=self._authenticated, enable_SMTPUTF8=True, loop=self._loop.loop,
            )  # fmt: skip

        self._server = await self._loop.loop.create_server(connected, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _stopped(self) -> None:
        server, self._server = self._server, None
        if server:
            server.close()

    async def _hung_up(self) -> None:
        for each in list(Counted.open):
            each.transport.abort()

    def _authenticated(self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any):
        right = (data.login, data.password) == (b"tocsin", PASSWORD.encode())
        return AuthResult(success=right and self._mood is not Mood.WRONG_CREDENTIALS, handled=False)

    async def handle_MAIL(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ):
        self._tries += 1
        if self._mood in SENDER_REPLIES:
            return SENDER_REPLIES[self._mood]
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 2.1.0 ok"

    async def handle_RCPT(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ):
        if self._mood in RECIPIENT_REPLIES:
            return RECIPIENT_REPLIES[self._mood]
        if self._mood is Mood.DROPS_BEFORE:
            server.transport.abort()
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 ok"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        if self._mood in CONTENT_REPLIES:
            return CONTENT_REPLIES[self._mood]
        content = bytes(envelope.content or b"")
        mail = message_from_bytes(content, policy=default)
        self.mails.append(content)
        self.senders.append(str(envelope.mail_from))
        self._received.append((mail["Message-ID"].strip("<>").partition("@")[0], envelope.rcpt_tos[0]))
        if self._mood is Mood.DROPS_AFTER:
            server.transport.abort()
        if self._mood is Mood.SILENT:
            await self._never.wait()
        return "250 2.0.0 Ok: queued as 1234"
