"""One POST, made once, and exact about whether its bytes may have left: messages are never sent twice unasked."""

import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import aiohttp
from aiohttp.abc import AbstractResolver, AbstractStreamWriter
from yarl import URL

from tocsin.integrations.http_calls.calls import NotReached

CONNECT_SECONDS = 10.0
IDLE_SECONDS = 15.0  # shorter than the other end's patience: a line it is about to drop is not taken again
ANSWER_BYTES_MAX = 1024 * 1024


class NotSent(Exception):
    """No byte of the request left: no connection, no valid certificate, or a line that was down already."""


class Unanswered(Exception):
    """The request may have arrived, and no whole answer came back."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer, read to its end or to the most that is read of one."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class WatchedBody(aiohttp.BytesPayload):
    """A body that knows whether it began to leave: request line and headers go out with its first byte."""

    def __init__(self, content: bytes, *, content_type: str) -> None:
        super().__init__(content, content_type=content_type)
        self.has_begun = False

    async def write_with_length(self, writer: AbstractStreamWriter, content_length: int | None) -> None:
        """Write the body; on a line that is closed already nothing is written, and it has not begun."""
        transport = getattr(writer, "transport", None)
        self.has_begun = transport is not None and not transport.is_closing()
        await super().write_with_length(writer, content_length)


class Posting:
    """A way to post to one place, on connections that stay open. Opened by the first post, used from one event loop."""

    def __init__(
        self,
        *,
        timeout_seconds: float,
        ca_file: str | None = None,
        proxy: str | None = None,
        resolver: Callable[[], AbstractResolver] | None = None,
    ) -> None:
        self._timeout_seconds, self._ca_file, self._proxy, self._resolver = timeout_seconds, ca_file, proxy, resolver
        self._session: aiohttp.ClientSession | None = None

    async def post(self, address: URL, content: bytes, *, content_type: str, headers: Mapping[str, str]) -> Answer:
        """Send one body, once. Raises NotSent when nothing left, Unanswered when something may have."""
        session = self._session or self._opened()
        body = WatchedBody(content, content_type=content_type)
        try:
            async with session.post(
                address, data=body, headers=headers, allow_redirects=False, proxy=self._proxy
            ) as response:
                told = await response.content.read(ANSWER_BYTES_MAX)
                while len(told) < ANSWER_BYTES_MAX and (more := await response.content.read(ANSWER_BYTES_MAX)):
                    told += more
                return Answer(response.status, response.headers, told[:ANSWER_BYTES_MAX])
        except (
            aiohttp.ClientConnectorError,
            aiohttp.ConnectionTimeoutError,
            aiohttp.ClientProxyConnectionError,
        ) as error:
            raise NotSent(type(error).__name__) from error
        except NotReached as error:
            raise NotSent(str(error)) from error
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            if body.has_begun:
                raise Unanswered(type(error).__name__) from error
            raise NotSent(type(error).__name__) from error

    async def close(self) -> None:
        """Let go of connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _opened(self) -> aiohttp.ClientSession:
        tls = ssl.create_default_context(cafile=self._ca_file) if self._ca_file else True
        connector = aiohttp.TCPConnector(
            limit=0, ssl=tls, ttl_dns_cache=60, keepalive_timeout=IDLE_SECONDS,
            resolver=self._resolver() if self._resolver else None,
        )  # fmt: skip
        self._session = aiohttp.ClientSession(
            connector=connector,
            timeout=aiohttp.ClientTimeout(
                total=self._timeout_seconds, sock_connect=min(CONNECT_SECONDS, self._timeout_seconds)
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"User-Agent": "Tocsin", "Accept": "application/json", "Accept-Encoding": "identity"},
        )
        # aiohttp sends PUT and DELETE a second time, silently, when the first answer is lost.
        self._session._retry_connection = False  # noqa: SLF001
        return self._session
