"""Calls of Meta's Graph API: each is made once, and it is known whether its bytes may have left.

Reads are asked again a few times, since asking changes nothing. Nothing else is ever repeated here: the API has no
idempotency key, and a second POST of a message is a second message.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

import aiohttp
import orjson
from yarl import URL

from tocsin.integrations.http_calls.posting import (
    CONNECT_SECONDS,
    IDLE_SECONDS,
    Answer,
    NotSent,
    Unanswered,
    WatchedBody,
)
from tocsin.integrations.whatsapp.errors import NotAnswered, RefusedByMeta, refusal_of
from tocsin.integrations.whatsapp.settings import Reach
from tocsin.kernel import clock
from tocsin.kernel.language import gettext as _
from tocsin.messaging.values import Verdict

TOLD_BYTES_MAX = 1024 * 1024  # of an answer about one message
ANSWER_BYTES_MAX = 32 * 1024 * 1024
PAGES_MAX = 10_000
PAGE_ROWS = 100
READ_WAITS_SECONDS = (0.5, 2.0)  # between the tries of a read
WEBHOOK_SECOND = timedelta(seconds=1)  # webhooks tell when in whole seconds, rounded down
_AGAIN = frozenset({Verdict.RETRY, Verdict.RETRY_FEW, Verdict.UNKNOWN})


def asked_at() -> datetime:
    """Return what an answer to be asked for now counts as of: no newer than a webhook of a change after it says.

    Take it before asking: what changes while a long list is read comes by webhook, and must win over the list.
    """
    return clock.now() - WEBHOOK_SECOND


Turn = Callable[[], Awaitable[None]]


class Graph:
    """The Graph API as one token sees it. Opened by its first call, used from one event loop.

    ``turn`` is awaited before every management call: the account's calls of an hour are shared by all processes.
    """

    def __init__(
        self, reach: Reach, *, turn: Turn | None = None, waits: tuple[float, ...] = READ_WAITS_SECONDS
    ) -> None:
        self.reach = reach
        self._turn, self._waits = turn, waits
        self._session: aiohttp.ClientSession | None = None
        self._root = f"{reach.base_url}/{reach.api_version}/"

    def address(self, path: str) -> URL:
        """Return the address of a path below the version."""
        return URL(self._root + path, encoded=True)

    async def post(self, address: URL, body: WatchedBody) -> Answer:
        """Send one body, once. Raises NotSent when nothing left, Unanswered when something may have."""
        session = self._session or self._opened()
        try:
            async with session.post(address, data=body, allow_redirects=False, proxy=self.reach.proxy) as response:
                told = await response.content.read(TOLD_BYTES_MAX)
                while not response.content.at_eof() and len(told) < TOLD_BYTES_MAX:
                    told += await response.content.read(TOLD_BYTES_MAX)
                return Answer(response.status, response.headers, told)
        except (
            aiohttp.ClientConnectorError,
            aiohttp.ConnectionTimeoutError,
            aiohttp.ClientProxyConnectionError,
        ) as error:
            raise NotSent(_("no connection to Meta")) from error
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            if body.has_begun:
                raise Unanswered(_("the connection went before the answer came")) from error
            raise NotSent(_("the connection was down before anything left")) from error

    async def get(self, path: str, params: Mapping[str, str] | None = None) -> dict[str, Any]:
        """Ask for an object; asked again a few times when no answer comes or Meta has a fault of its own."""
        for pause in (*self._waits, None):
            try:
                return await self.call("GET", path, params=params)
            except RefusedByMeta as error:
                if pause is None or error.refusal.known.verdict not in _AGAIN:
                    raise
            except NotAnswered:
                if pause is None:
                    raise
            await asyncio.sleep(pause)
        raise AssertionError("unreachable")

    async def pages(self, path: str, params: Mapping[str, str] | None = None) -> AsyncIterator[dict[str, Any]]:
        """Yield every object of a list, page after page to its end.

        Only the cursor is taken from an answer: its ``next`` address holds the token, and might lead elsewhere.
        """
        asked = {"limit": str(PAGE_ROWS), **(params or {})}
        for _page in range(PAGES_MAX):
            answer = await self.get(path, asked)
            for each in answer.get("data") or ():
                yield each
            paging = answer.get("paging") or {}
            after = (paging.get("cursors") or {}).get("after")
            if not paging.get("next") or not after or after == asked.get("after"):
                return
            asked["after"] = after
        raise NotAnswered(_("Meta's list does not end."))

    async def call(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: Any = None,
        data: Any = None,
        headers: Mapping[str, str] | None = None,
        root: str = "",
        seconds: float | None = None,
        counted: bool = True,
    ) -> dict[str, Any]:
        """Make one call, once, and return the object it answers.

        ``body`` goes as JSON, ``data`` as aiohttp takes it. ``root`` replaces base address and version, ``seconds`` the
        time-out. ``counted``: it is one of the management calls Meta allows so many of in an hour.
        """
        if counted and self._turn is not None:
            await self._turn()
        address = (URL(root + path, encoded=True) if root else self.address(path)).update_query(params or {})
        if body is not None:
            data, headers = orjson.dumps(body), {"Content-Type": "application/json", **(headers or {})}
        answer = await self._exchange(method, address, data=data, headers=headers, seconds=seconds)
        refusal = refusal_of(answer.status, answer.headers, answer.body)
        if refusal is not None:
            raise RefusedByMeta(refusal, body=answer.body)
        try:
            found = orjson.loads(answer.body)
        except ValueError:
            found = None
        if not isinstance(found, dict) or not 200 <= answer.status < 300:
            raise NotAnswered(_("Meta's answer is not understood (HTTP {status}).").format(status=answer.status))
        return found

    async def _exchange(
        self, method: str, address: URL, *, data: Any, headers: Mapping[str, str] | None, seconds: float | None
    ) -> Answer:
        session = self._session or self._opened()
        waits = aiohttp.ClientTimeout(total=seconds) if seconds else session.timeout
        try:
            async with session.request(
                method,
                address,
                data=data,
                headers=headers,
                allow_redirects=False,
                proxy=self.reach.proxy,
                timeout=waits,
            ) as response:
                body = bytearray()
                async for part in response.content.iter_chunked(65_536):
                    body += part
                    if len(body) > ANSWER_BYTES_MAX:
                        raise NotAnswered(_("Meta's answer is too long."))
                return Answer(response.status, response.headers, bytes(body))
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            raise NotAnswered(
                _("Meta is not reached."), mend=_("Look at the network, the proxy and the setting base_url.")
            ) from error
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise NotAnswered(
                _("Meta's answer did not come."), mend=_("Look whether it was done before you try again.")
            ) from error

    def session(self) -> aiohttp.ClientSession:
        """Return the open session, for what is streamed."""
        return self._session or self._opened()

    def _opened(self) -> aiohttp.ClientSession:
        tls = ssl.create_default_context(cafile=self.reach.ca_file) if self.reach.ca_file else True
        self._session = aiohttp.ClientSession(
            # Who sends decides how many are under way; a second bound here would only make its time-outs lie.
            connector=aiohttp.TCPConnector(limit=0, ssl=tls, ttl_dns_cache=60, keepalive_timeout=IDLE_SECONDS),
            timeout=aiohttp.ClientTimeout(
                total=self.reach.timeout_seconds, sock_connect=min(CONNECT_SECONDS, self.reach.timeout_seconds)
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={
                "Authorization": f"Bearer {self.reach.token}",
                "User-Agent": "Tocsin",
                "Accept": "application/json",
                "Accept-Encoding": "identity",
            },
        )
        # aiohttp sends PUT and DELETE a second time, silently, when the first answer is lost.
        self._session._retry_connection = False  # noqa: SLF001
        return self._session

    async def close(self) -> None:
        """Let go of connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None
