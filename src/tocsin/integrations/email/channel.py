"""E-mail handed to a mail server of the operator's or of a provider: SMTP with TLS, connections kept open, DKIM."""

import asyncio
import re
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tocsin.integrations.channel_settings import ChannelLimits, ChannelSettings
from tocsin.integrations.email import contents, dkim, mime, own_ids, published, sender
from tocsin.integrations.email.addresses import normal_address
from tocsin.integrations.email.line import Envelope, Line, Server, opened
from tocsin.integrations.email.replies import LINE_CLOSED, SLOW_SECONDS, no_room, our_mistake
from tocsin.integrations.http_calls.settings import is_this_machine
from tocsin.kernel import clock
from tocsin.kernel.errors import TocsinError
from tocsin.kernel.language import gettext as _, gettext_noop
from tocsin.kernel.remarks import Remark, Standing
from tocsin.messaging.ports import TransportError
from tocsin.messaging.values import Accepted, Outgoing, Purpose, Verdict

SETTINGS: Mapping[str, str] = {
    **sender.SETTINGS,
    "host": gettext_noop("name of the mail server"),
    "port": gettext_noop("its port; 587 with starttls, 465 with tls, 25 with none"),
    "security": gettext_noop("starttls (if left out), tls, or none, which only a server on this machine may have"),
    "user": gettext_noop("login name; none if left out"),
    "ca_file": gettext_noop("PEM file of the authorities that sign its certificate; the machine's own if left out"),
    "return_path": gettext_noop(
        "address bounces go to, in which {message} may stand for the message's id; the one they are from if left out"
    ),
    "domain": gettext_noop("domain of message ids; that of the address they are from if left out"),
    "local_name": gettext_noop("name this machine greets with; the domain if left out"),
    "dkim_domain": gettext_noop("domain that signs; that of the address they are from if left out"),
    "dkim_selector": gettext_noop("name of the RSA key in the DNS: SELECTOR._domainkey.DOMAIN"),
    "dkim_ed25519_selector": gettext_noop("name of the Ed25519 key in the DNS"),
    "reports_delivery": gettext_noop("yes: ask servers to report what arrived, not only what did not"),
    "connections": gettext_noop("connections open at once; 8 if left out"),
    "mails_per_connection": gettext_noop("mails handed over on one connection; 100 if left out"),
    "per_second": gettext_noop("mails a second at most"),
    "timeout_seconds": gettext_noop("seconds connecting may take, and handing over may take; 20 if left out"),
    "answer_seconds": gettext_noop("seconds to wait for the word that it was taken; 120 if left out"),
}
SECRETS: Mapping[str, str] = {
    **sender.SECRETS,
    "password": gettext_noop("password of the login name"),
    "dkim_key": gettext_noop("private RSA key in PEM that signs the mails"),
    "dkim_ed25519_key": gettext_noop("private Ed25519 key in PEM that signs them too"),
}
_PORTS = {"starttls": 587, "tls": 465, "none": 25}
_HOST_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,253}[A-Za-z0-9])?")
LOCAL_PART_OCTETS_MAX = 64  # RFC 5321, 4.5.3.1.1
LATE_SECONDS = 5.0  # what closing a connection may take beyond its time-outs


@dataclass(frozen=True, slots=True)
class Carried:
    """What each mail of the channel carries beside who it is from."""

    identity: sender.Identity
    return_path: str
    domain: str  # of message ids
    wants: str
    signers: Sequence[dkim.Signer]


def connect(name: str, *, settings: Mapping[str, Any], secrets: Mapping[str, str]) -> "Email":
    """Return the channel; ChannelNotUnderstood says which setting is wrong. Nothing is opened yet."""
    given = ChannelSettings(name, settings=settings, secrets=secrets, known=SETTINGS, known_secrets=SECRETS)
    carried = _carried(given)
    return Email(
        _server(given, local_name=carried.domain),
        carried=carried,
        connections=int(given.number("connections", default=8, least=1) or 8),
        mails_per_connection=int(given.number("mails_per_connection", default=100, least=1) or 100),
        limits=ChannelLimits(per_second=given.number("per_second", default=None, least=0.01)),
    )


def _server(given: ChannelSettings, *, local_name: str) -> Server:
    host = given.text("host")
    security = given.choice("security", of=tuple(_PORTS), default="starttls")
    if security == "none" and not is_this_machine(host):
        raise given.wrong(
            "security", _("mails and passwords would cross the network in the open."),
            mend=_("Write starttls or tls."),
        )  # fmt: skip
    user = given.text("user", default="")
    greets = given.text("local_name", default=local_name)
    for key, named in (("host", host.strip("[]").replace(":", "x")), ("local_name", greets)):
        if not _HOST_NAME.fullmatch(named):
            raise given.wrong(key, _("it is no name of a machine."))
    return Server(
        host=host,
        port=int(given.number("port", default=_PORTS[security], least=1) or 0),
        security=security,
        tls=None if security == "none" else _tls(given),
        user=user,
        password=given.secret("password") if user else "",
        local_name=greets,
        timeout_seconds=given.number("timeout_seconds", default=20.0, least=0.1) or 20.0,
        answer_seconds=given.number("answer_seconds", default=120.0, least=0.1) or 120.0,
    )


def _tls(given: ChannelSettings) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=given.ca_file())
    except (ssl.SSLError, OSError) as error:
        raise given.wrong("ca_file", _("it holds no certificates.")) from error


def _carried(given: ChannelSettings) -> Carried:
    identity = sender.identity(given)
    domain = given.text("domain", default=identity.domain)
    if not _HOST_NAME.fullmatch(domain):
        raise given.wrong("domain", _("it is no domain."))
    return Carried(
        identity=identity,
        return_path=_return_path(given, default=identity.address),
        domain=domain,
        wants="SUCCESS,FAILURE,DELAY" if given.flag("reports_delivery", default=False) else "FAILURE,DELAY",
        signers=_signers(given, domain=given.text("dkim_domain", default=identity.domain)),
    )


def _return_path(given: ChannelSettings, *, default: str) -> str:
    """Return the address bounces go to, in which ``{message}`` may stand for the message's id (VERP)."""
    checked = sender.address_in(given, "return_path", default=default)
    local, _at, _domain = checked.partition("@")
    if "{" in local.replace(sender.MESSAGE, "") or len(local.replace(sender.MESSAGE, "0" * 36)) > LOCAL_PART_OCTETS_MAX:
        raise given.wrong(
            "return_path", _("it is too long, or holds another place than {place}.").format(place=sender.MESSAGE)
        )
    return checked


def _signers(given: ChannelSettings, *, domain: str) -> Sequence[dkim.Signer]:
    found = []
    for secret, setting in (("dkim_key", "dkim_selector"), ("dkim_ed25519_key", "dkim_ed25519_selector")):
        selector = given.text(setting, default="")
        if bool(selector) != given.has_secret(secret):
            raise given.wrong(setting, _("a selector and its key belong together."))
        if not selector:
            continue
        if not _HOST_NAME.fullmatch(selector) or not _HOST_NAME.fullmatch(domain):
            raise given.wrong(setting, _("it is no name in the DNS."))
        try:
            found.append(dkim.signer(given.secret(secret), domain=domain, selector=selector))
        except (ValueError, TypeError) as error:
            raise given.wrong(secret, _("it is no private RSA or Ed25519 key in PEM, or too short.")) from error
    return tuple(found)


class _NoMoreLines(TransportError):
    """The server takes no further connection while others of ours are open."""


class Email(sender.ReachesByMail):
    """One sender of mail, on a few connections that stay open."""

    def __init__(
        self, server: Server, *, carried: Carried, connections: int, mails_per_connection: int, limits: ChannelLimits
    ) -> None:
        self._server, self._carried = server, carried
        self._room, self._idle = asyncio.Semaphore(connections), list[Line]()
        self._mails_per_connection = mails_per_connection
        self._connections, self._busy, self._narrowed = connections, 0, 0
        self._narrow_until = 0.0
        self._closed = False
        self.line, self.account, self.portfolio = f"{carried.identity.address} via {server.host}", "", ""
        self.limits = limits
        self.reports = carried.wants.startswith("SUCCESS")
        # Waiting for a free connection, opening one too many, waiting again, finding one dead, opening another, handing
        # over; then the answer.
        self.seconds_max = 6 * server.timeout_seconds + server.answer_seconds + LATE_SECONDS

    async def send(self, message: Outgoing) -> Accepted:
        """Hand one mail to the server. Its Message-ID is our id."""
        envelope = self.envelope(message)
        try:
            return await self._in_turn(envelope)
        except _NoMoreLines:
            return await self._in_turn(envelope)  # on one of those that are open

    async def _in_turn(self, envelope: Envelope) -> Accepted:
        await self._acquire_room()
        is_kept, self._busy = True, self._busy + 1
        try:
            return await self._sent(envelope)
        except _NoMoreLines:
            self._narrowed += 1
            self._narrow_until = asyncio.get_running_loop().time() + SLOW_SECONDS
            is_kept = False  # one less for a while
            raise
        finally:
            self._busy -= 1
            if is_kept:
                self._room.release()

    async def _acquire_room(self) -> None:
        if self._narrowed and asyncio.get_running_loop().time() > self._narrow_until:
            narrowed, self._narrowed = self._narrowed, 0
            for _one in range(narrowed):
                self._room.release()
        try:
            async with asyncio.timeout(self._server.timeout_seconds):
                await self._room.acquire()
        except TimeoutError:
            raise no_room() from None

    async def _sent(self, envelope: Envelope) -> Accepted:
        line = self._idle_line()
        if line is not None:
            try:
                return await self._handed_over(line, envelope)
            except TransportError as error:
                # Servers hang up on idle lines at will: nothing of this mail was said on it but its sender.
                if line.said_more_than_sender or (error.verdict is not Verdict.RETRY and error.code != LINE_CLOSED):
                    raise
        return await self._handed_over(await self._opened(), envelope)

    async def _opened(self) -> Line:
        try:
            return await opened(self._server)
        except TransportError as error:
            if error.code == LINE_CLOSED and self._busy > 1 and self._narrowed < self._connections - 1:
                raise _NoMoreLines(
                    permanent=False, verdict=error.verdict, reason=error.reason, code=error.code, detail=error.detail,
                    wait_seconds=error.wait_seconds,
                ) from None  # fmt: skip
            raise

    async def close(self) -> None:
        """Say goodbye on every connection."""
        self._closed = True
        lines, self._idle = self._idle, []
        await asyncio.gather(*(line.close() for line in lines))

    @property
    def signers(self) -> Sequence[dkim.Signer]:
        """Return the keys mails are signed with."""
        return self._carried.signers

    async def check(self) -> Sequence[Remark]:
        """Connect and log in; say what the server offers, and what the DNS says of our names."""
        identity = self._carried.identity
        names = published.Names(
            domain=identity.domain,
            bounces=self._carried.return_path.rpartition("@")[2],
            server="" if is_this_machine(self._server.host) else self._server.host,
            signers=self.signers,
        )
        found = [*await self._spoken(), *await published.remarks(names, lookups=identity.lookups())]
        if not self.signers:
            mend = _("Give it a key with dkim_selector and --secret dkim_key, unless the server signs.")
            found.append(Remark(Standing.WARNING, _("Mails are not signed with DKIM."), mend))
        return tuple(found)

    async def _spoken(self) -> list[Remark]:
        try:
            line = await opened(self._server)
        except TransportError as error:
            words = _("The server cannot be used: {reason}").format(reason=error.detail)
            return [Remark(Standing.FAULT, words, _("Look at host, port, security, and the name and password."))]
        found = [Remark(Standing.OK, _("The server answers and takes our mail."))]
        spoken = set(line.told())
        await line.close()
        if "smtputf8" not in spoken:
            found.append(Remark(Standing.WARNING, _("It takes no addresses with letters outside ASCII.")))
        if "dsn" not in spoken:
            found.append(
                Remark(Standing.WARNING, _("It does not report by our id: bounces are found by their content."))
            )
        return found

    def _idle_line(self) -> Line | None:
        while self._idle:
            line = self._idle.pop()
            if line.is_connected:
                return line
        return None

    async def _handed_over(self, line: Line, envelope: Envelope) -> Accepted:
        try:
            await line.hand_over(envelope)
        finally:
            if line.usable:
                await self._kept_or_closed(line)
        return Accepted(f"{envelope.id}@{self._carried.domain}")

    async def _kept_or_closed(self, line: Line) -> None:
        if line.mails >= self._mails_per_connection or self._closed:
            await line.close()
        else:
            self._idle.append(line)

    def envelope(self, message: Outgoing) -> Envelope:
        """Return a message as it is handed over; TransportError when it cannot be sent as it is."""
        carried, identity, ours = self._carried, self._carried.identity, str(message.id)
        recipient = normal_address(message.address)
        utf8 = not (recipient.isascii() and identity.address.isascii())
        try:
            made = contents.made(contents.prepared(message.content).content)
        except TocsinError as error:
            raise our_mistake(error.what) from None
        headers = [
            ("From", mime.mailbox(identity.name, address=identity.address, raw=utf8)),
            ("To", recipient),
            ("Subject", made.subject if utf8 else mime.encoded(made.subject)),
            ("Date", mime.date()),
            ("Message-ID", f"<{ours}@{carried.domain}>"),
            (own_ids.HEADER, ours),
        ]
        if identity.reply_to:
            headers.append(("Reply-To", identity.reply_to))
        if message.reply_to and contents.is_message_id(message.reply_to):
            headers += [("In-Reply-To", f"<{message.reply_to}>"), ("References", f"<{message.reply_to}>")]
        headers += self._unsubscribing(message, url=made.unsubscribe_url)
        if made.language:
            headers.append(("Content-Language", made.language))
        headers += made.headers
        mail = mime.mail(headers, text=made.text, html=identity.html(made, message), boundary=f"=_{message.id.hex}")
        at = int(clock.now().timestamp())
        signed = dkim.signed(mail, signers=carried.signers, at=at) if carried.signers else mail
        return Envelope(ours, carried.return_path.replace(sender.MESSAGE, ours), recipient, signed, carried.wants)

    def _unsubscribing(self, message: Outgoing, *, url: str) -> list[mime.Header]:
        """Return the headers of unsubscribing; what sells something is not sent without them."""
        found = self._carried.identity.unsubscribing(message, url=url)
        if message.purpose is Purpose.MARKETING and not found:
            raise our_mistake("a campaign needs unsubscribe_url")
        return found
