"""`tocsin-simulator smtp`: a mail server that delivers nothing, counts everything and fails on request."""

import asyncio
import contextlib
import logging
import os
import ssl
import subprocess
import tempfile
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from tocsin_simulator.bounces import abuse_report, send_back, status_notification
from tocsin_simulator.mail_faults import MailFaults, MailRule
from tocsin_simulator.mail_page import MailPages
from tocsin_simulator.mailbox import CaughtMail, Mailbox, now

SERVER = "mail.simulator.example"
_SENT_BACK_AT_ONCE = 20


class Unusable(Exception):
    """The mail server cannot be started as asked; the text says what to mend."""


@dataclass(kw_only=True)
class SmtpSettings:
    """How the mail server listens and what it asks of those who send."""

    host: str = "127.0.0.1"
    port: int = 0
    http_port: int = 0
    logins: dict[str, str] = field(default_factory=dict)
    login_required: bool = False
    login_without_tls: bool = False
    starttls: bool = False
    starttls_required: bool = False
    tls: bool = False
    certificate: Path | None = None
    key: Path | None = None
    size_bytes_max: int = 35 * 1024 * 1024
    keep: int = 10_000
    seed: int = 1
    bounces_to: tuple[str, int] | None = None


class Catcher:
    """The hooks aiosmtpd calls: it counts at the socket first and lets the fault plan speak after."""

    def __init__(self, mailbox: Mailbox, faults: MailFaults, *, settings: SmtpSettings) -> None:
        self.mailbox = mailbox
        self.faults = faults
        self.settings = settings
        self.changed: Callable[[CaughtMail | None], None] = lambda _: None
        self._sending: set[asyncio.Task[None]] = set()
        self._gate = asyncio.Semaphore(_SENT_BACK_AT_ONCE)

    def authenticate(self, server: SMTP, session: Session, _: Envelope, __: str, given: Any) -> AuthResult:
        """Believe the logins of the settings; with none named, anything."""
        if not isinstance(given, LoginPassword):
            return AuthResult(success=False)
        name, password = given.login.decode("utf-8", "replace"), given.password.decode("utf-8", "replace")
        if self.settings.logins and self.settings.logins.get(name) != password:
            self.mailbox.refused["535"] += 1
            return AuthResult(success=False, handled=False)
        return AuthResult(success=True, auth_data=name)

    async def handle_MAIL(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Answer MAIL FROM."""
        answer = await self._struck(server, "sender", address)
        if answer is not None:
            return answer
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 2.1.0 OK"

    async def handle_RCPT(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Answer RCPT TO."""
        answer = await self._struck(server, "recipient", address)
        if answer is not None:
            return answer
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return "250 2.1.5 OK"

    async def _struck(self, server: SMTP, place: str, address: str) -> str | None:
        """Let the plan's rules for this place act; None when none of them answered."""
        for rule in self.faults.choose(place, address, number=self.mailbox.received + 1):
            if rule.kind == "slow":
                await asyncio.sleep(rule.seconds)
            elif rule.kind == "refuse":
                return self._refused(rule)
            else:
                self.mailbox.dropped[rule.kind] += 1
                self.changed(None)
                _hang_up(server)
                return "421 4.3.0 Gone"
        return None

    def _refused(self, rule: MailRule) -> str:
        self.mailbox.refused[str(rule.code)] += 1
        self.changed(None)
        return f"{rule.code} {rule.text}"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        """Take a mail whose last byte has come: count it, then let the plan decide what its sender hears."""
        mail = self._caught(session, envelope)
        self.mailbox.arrived(mail)
        faults = self.faults.choose("data", mail.recipients[0], number=mail.number)
        for rule in [rule for rule in faults if rule.kind == "slow"]:
            await asyncio.sleep(rule.seconds)
        fault = next((rule for rule in faults if rule.kind != "slow"), None)
        answer = "250 2.0.0 OK"
        if fault is None or fault.kind in {"drop_after_accept", "bounce", "complain"}:
            self.mailbox.taken(mail)
        if fault is not None and fault.kind == "refuse":
            mail.answered = str(fault.code)
            answer = self._refused(fault)
        elif fault is not None and fault.kind.startswith("drop"):
            mail.answered = "dropped" if fault.kind == "drop_after_accept" else "dropped before it was taken"
            self.mailbox.dropped[fault.kind] += 1
            _hang_up(server)
        elif fault is not None:
            self._return_to_sender(mail, fault)
        self.changed(mail)
        return answer

    def _caught(self, session: Session, envelope: Envelope) -> CaughtMail:
        content = envelope.original_content or b""
        login: object = session.auth_data
        return CaughtMail(
            number=self.mailbox.next_number(),
            at=now(),
            sender="" if envelope.mail_from == "<>" else str(envelope.mail_from),
            recipients=tuple(envelope.rcpt_tos),
            raw=bytes(content),
            helo=str(session.host_name),
            peer=str((session.peer or [""])[0]),
            tls=session.ssl is not None or self.settings.tls,
            login=str(login or ""),
        )

    def _return_to_sender(self, mail: CaughtMail, rule: MailRule) -> None:
        """Send what the rule says back, when there is a server that takes it and a sender who may be told."""
        if self.settings.bounces_to is None or not mail.sender:
            self.mailbox.sent_back["nowhere to send"] += 1
            return
        for recipient in mail.recipients:
            if rule.kind == "bounce":
                raw = status_notification(mail, recipient=recipient, server=SERVER, status=rule.status, text=rule.text)
            else:
                raw = abuse_report(mail, recipient=recipient, server=SERVER)
            sending = asyncio.create_task(self._send_back(raw, to=mail.sender, kind=rule.kind))
            self._sending.add(sending)
            sending.add_done_callback(self._sending.discard)

    async def _send_back(self, raw: bytes, *, to: str, kind: str) -> None:
        host, port = self.settings.bounces_to or ("", 0)
        async with self._gate:
            try:
                await asyncio.to_thread(send_back, raw, to=to, host=host, port=port, server=SERVER)
            except (OSError, UnicodeError):  # smtplib's own errors are among the first
                self.mailbox.sent_back[f"{kind} not taken"] += 1
            else:
                self.mailbox.sent_back[kind] += 1
        self.changed(None)


class _Line(SMTP):
    """One connection, counted."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if self.session is None or self.session.ssl is None:
            self.event_handler.mailbox.connections += 1
        super().connection_made(transport)


def _hang_up(server: SMTP) -> None:
    if isinstance(server.transport, asyncio.Transport):
        server.transport.abort()


class SmtpCatcher:
    """The mail server and its page, started and stopped within a running event loop."""

    def __init__(self, settings: SmtpSettings, faults: MailFaults) -> None:
        self.settings = settings
        self.mailbox = Mailbox(keep=settings.keep)
        self.catcher = Catcher(self.mailbox, faults, settings=settings)
        self.pages = MailPages(self.mailbox, self.catcher)
        self.catcher.changed = self.pages.changed
        self.port = 0
        self.http_port = 0
        self._open = contextlib.AsyncExitStack()

    async def start(self) -> None:
        """Listen; ``port`` and ``http_port`` say where. Raises ``Unusable``."""
        logging.getLogger("mail.log").setLevel(logging.ERROR)  # it warns of what aiosmtpd does itself, per connection
        loop = asyncio.get_running_loop()
        context = tls_context(self.settings) if self.settings.tls or self.settings.starttls else None
        port, option = self.settings.port, "--port"
        try:
            server = await loop.create_server(
                lambda: self._line(None if self.settings.tls else context),
                self.settings.host,
                self.settings.port,
                ssl=context if self.settings.tls else None,
            )
            self._open.callback(server.close)
            self.port = server.sockets[0].getsockname()[1]
            runner = web.ServerRunner(web.Server(self.pages.answer, access_log=None), shutdown_timeout=0.5)
            await runner.setup()
            self._open.push_async_callback(runner.cleanup)
            port, option = self.settings.http_port, "--http-port"
            await web.TCPSite(runner, self.settings.host, port).start()
        except OSError as error:
            await self._open.aclose()
            # asyncio's own words repeat the address as a tuple.
            said = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror or str(error)
            said = f"cannot listen on {self.settings.host}:{port}: {said}; {option} 0 takes a free port"
            raise Unusable(said) from error
        self.http_port = runner.addresses[0][1]

    async def stop(self) -> None:
        """Close the doors and hang up."""
        self.pages.close()
        await self._open.aclose()

    def _line(self, context: ssl.SSLContext | None) -> SMTP:
        with warnings.catch_warnings():
            # aiosmtpd warns of logins without TLS; here they were asked for.
            warnings.simplefilter("ignore")
            return _Line(
                self.catcher,
                data_size_limit=self.settings.size_bytes_max,
                enable_SMTPUTF8=True,
                hostname=SERVER,
                ident="tocsin-simulator",
                tls_context=context,
                require_starttls=self.settings.starttls_required,
                auth_required=self.settings.login_required,
                auth_require_tls=not (self.settings.login_without_tls or self.settings.tls),
                authenticator=self.catcher.authenticate,
                loop=asyncio.get_running_loop(),
            )


def tls_context(settings: SmtpSettings) -> ssl.SSLContext:
    """Return what TLS is spoken with: the certificate named, or one made for this run with the program `openssl`."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    if settings.certificate is not None:
        try:
            context.load_cert_chain(settings.certificate, settings.key)
        except OSError as error:
            raise Unusable(f"The certificate {settings.certificate} cannot be used: {error}.") from error
        return context
    with tempfile.TemporaryDirectory() as folder:
        key, certificate = Path(folder) / "key.pem", Path(folder) / "certificate.pem"
        made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj", "/CN=localhost"]
        names = "subjectAltName=DNS:localhost,IP:127.0.0.1"
        try:
            subprocess.run(
                [*made, "-addext", names, "-keyout", str(key), "-out", str(certificate)],
                check=True,
                capture_output=True,
                timeout=30,
            )
        except (OSError, subprocess.SubprocessError) as error:
            raise Unusable("TLS needs --certificate and --key, or the program openssl to make them.") from error
        context.load_cert_chain(certificate, key)
    return context
