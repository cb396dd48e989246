"""One connection to a mail server, kept open from mail to mail, and exact about what was handed over.

A mail is the server's from the moment the line with the last dot has left (RFC 5321, 4.5.3.2.6 and 6.1): what breaks
before is tried again, what breaks after is unknown.
"""

import asyncio
import socket
import ssl
from dataclasses import dataclass

from aiosmtplib import (
    SMTP,
    SMTPException,
    SMTPResponseException,
    SMTPServerDisconnected,
    SMTPTimeoutError,
)

from tocsin.integrations.email.replies import Stage, dropped, not_reached, our_mistake, refusal, shown
from tocsin.messaging.ports import OutcomeUnknown, TransportError

CLOSING_SECONDS = 2.0
_READY = 354
_WORDS: dict[type[BaseException], str] = {
    socket.gaierror: "its name is not known",
    ConnectionRefusedError: "nothing answers at its port",
    TimeoutError: "it does not answer in time",
}
_LOST = (SMTPServerDisconnected, SMTPTimeoutError, ConnectionError, TimeoutError, OSError)


@dataclass(frozen=True, slots=True)
class Server:
    """Where mail is handed over, and how."""

    host: str
    port: int
    security: str  # starttls, tls or none
    tls: ssl.SSLContext | None
    user: str
    password: str
    local_name: str
    timeout_seconds: float
    answer_seconds: float


@dataclass(frozen=True, slots=True)
class Envelope:
    """One mail on its way: ``content`` has CRLF line ends; ``wants`` are DSN's words for NOTIFY, or empty."""

    id: str
    sender: str
    recipient: str
    content: bytes
    wants: str = ""

    @property
    def needs_utf8(self) -> bool:
        """Say whether only a server that speaks SMTPUTF8 can take it."""
        return not (self.sender.isascii() and self.recipient.isascii())


class _Client(SMTP):
    """The library's client, which closes at once: TLS would wait for the other side, long after its loop has ended."""

    def close(self) -> None:
        """Hang up."""
        transport = self.transport
        super().close()
        if isinstance(transport, asyncio.WriteTransport):
            transport.abort()


class Line:
    """One connection. Used for one mail at a time; ``usable`` says whether another may follow."""

    def __init__(self, client: SMTP, *, server: Server) -> None:
        self._client, self._server = client, server
        self.mails = 0
        self.usable = True
        self.said_more_than_sender = False

    async def hand_over(self, envelope: Envelope) -> None:
        """Hand one mail over; raises TransportError, and OutcomeUnknown only after its last dot has left."""
        self.mails += 1
        self.said_more_than_sender = False
        stage, clean = Stage.SENDER, False
        try:
            async with asyncio.timeout(self._server.timeout_seconds):
                options = self._options(envelope)
                await self._client.mail(
                    envelope.sender, options=options, encoding="utf-8" if envelope.needs_utf8 else "ascii"
                )
                stage, self.said_more_than_sender = Stage.RECIPIENT, True
                wants = [f"NOTIFY={envelope.wants}"] if envelope.wants and self._speaks("dsn") else []
                await self._client.rcpt(
                    envelope.recipient, options=wants, encoding="utf-8" if envelope.needs_utf8 else "ascii"
                )
                stage = Stage.CONTENT
                await self._begin_content(envelope)
            await self._end_content()
            clean = True
        except SMTPResponseException as reply:
            clean = await self._start_over(reply.code)
            raise refusal(reply.code, reply.message, stage=stage, without=envelope.recipient) from None
        except _LOST as error:
            raise dropped(type(error).__name__) from None
        except TransportError as error:
            clean = not isinstance(error, OutcomeUnknown) and await self._start_over(error.code)
            raise
        finally:
            self.usable = clean
            if not clean:
                self._client.close()

    async def close(self) -> None:
        """Say goodbye, shortly, and hang up."""
        try:
            async with asyncio.timeout(CLOSING_SECONDS):
                await self._client.quit()
        except (SMTPException, OSError, TimeoutError):
            pass  # it is gone already
        finally:
            self._client.close()

    @property
    def is_connected(self) -> bool:
        """Say whether the line was still open when we last heard of it."""
        return self._client.is_connected

    def told(self) -> list[str]:
        """Return the extensions the server speaks, in lower case."""
        return sorted(self._client.esmtp_extensions)

    def _options(self, envelope: Envelope) -> list[str]:
        if envelope.needs_utf8 and not self._speaks("smtputf8"):
            raise refusal(553, "5.6.7 the server takes no internationalised addresses", stage=Stage.RECIPIENT)
        limit = self._client.esmtp_extensions.get("size", "")
        if limit.isdigit() and 0 < int(limit) < len(envelope.content):
            raise our_mistake("longer than the server takes")
        options = [f"SIZE={len(envelope.content)}"] if "size" in self._client.esmtp_extensions else []
        options += ["SMTPUTF8"] if envelope.needs_utf8 else []
        return options + ([f"ENVID={envelope.id}", "RET=HDRS"] if self._speaks("dsn") else [])

    async def _begin_content(self, envelope: Envelope) -> None:
        """Send the whole mail but its last dot, and wait until all of it has left."""
        reply = await self._client.execute_command(b"DATA")
        if reply.code != _READY:
            raise SMTPResponseException(reply.code, reply.message)
        protocol = self._client.protocol
        if protocol is None:
            raise SMTPServerDisconnected("line lost")
        protocol.write(envelope.content.replace(b"\r\n.", b"\r\n.."))
        await protocol._drain_helper()  # noqa: SLF001 - the only way to know that the bytes have left

    async def _end_content(self) -> None:
        protocol = self._client.protocol
        if protocol is None:
            raise SMTPServerDisconnected("line lost")
        protocol.write(b".\r\n")  # raises when the line is known to be lost: then the mail was not handed over
        try:
            reply = await protocol.read_response(timeout=self._server.answer_seconds)
        except _LOST as error:
            raise OutcomeUnknown(type(error).__name__) from None
        except SMTPResponseException:
            raise OutcomeUnknown("the reply cannot be read") from None
        if not 200 <= reply.code < 300:
            raise SMTPResponseException(reply.code, reply.message)

    async def _start_over(self, code: int) -> bool:
        """Make the line ready for the next mail after a refusal; False when it cannot be used again."""
        if code == 421 or code < 0:
            return False
        try:
            async with asyncio.timeout(CLOSING_SECONDS):
                await self._client.rset()
        except (SMTPException, *_LOST):
            return False
        return True

    def _speaks(self, extension: str) -> bool:
        return extension in self._client.esmtp_extensions


async def opened(server: Server) -> Line:
    """Connect, secure and log in; raises TransportError."""
    client = _Client(
        hostname=server.host, port=server.port, timeout=server.timeout_seconds, tls_context=server.tls,
        use_tls=server.security == "tls", start_tls=server.security == "starttls",
        username=server.user or None, password=server.password or None, local_hostname=server.local_name,
    )  # fmt: skip
    try:
        async with asyncio.timeout(server.timeout_seconds):
            await client.connect()
            if not client.esmtp_extensions:
                await client.ehlo()
    except SMTPResponseException as reply:
        client.close()
        raise refusal(reply.code, reply.message, stage=Stage.OPENING) from None
    except (SMTPException, OSError, TimeoutError) as error:
        client.close()
        if _is_certificate(error):
            raise not_reached("its certificate is not trusted", mendable=True) from None
        mendable = not isinstance(error, _LOST)
        raise not_reached(_why(error), mendable=mendable) from None
    if isinstance(client.transport, asyncio.WriteTransport):
        # Draining then means that the bytes have left; under TLS a last buffer below stays, whose loss is unknown.
        client.transport.set_write_buffer_limits(high=1, low=0)
    return Line(client, server=server)


def _why(error: BaseException) -> str:
    """Return why a server was not reached, in words: the library's own repeat its name and the machine's codes."""
    cause: BaseException | None = error
    while cause is not None:
        for kind, words in _WORDS.items():
            if isinstance(cause, kind):
                return words
        cause = cause.__cause__ or cause.__context__
    return shown(f"{type(error).__name__} {error}")[:100]


def _is_certificate(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return True
        error = error.__cause__ or error.__context__
    return False
