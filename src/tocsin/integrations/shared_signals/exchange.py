"""Calls to a transmitter: its keys, its poll address, its authorisation server. TLS verified, redirects never followed."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from tocsin.integrations.shared_signals.issuer_keys import FetchFailed

ANSWER_BYTES_MAX = 8 * 1024 * 1024
ANSWER_SECONDS_MAX = 30.0


@asynccontextmanager
async def opened(settings: Mapping[str, Any]) -> AsyncIterator[aiohttp.ClientSession]:
    """Open a session with the time-outs and the certificate authority a stream's settings name."""
    context = ssl.create_default_context(cafile=settings.get("ca_file") or None)
    seconds = float(settings.get("timeout_seconds") or ANSWER_SECONDS_MAX)
    connector = aiohttp.TCPConnector(ssl=context)
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=seconds)) as session:
        yield session


async def answered(
    session: aiohttp.ClientSession, method: str, address: str, *, headers: Mapping[str, str] | None = None, **sent: Any
) -> tuple[int, Any]:
    """Return the status of one call and its JSON (None without a body); FetchFailed when it does not come to that."""
    try:
        async with session.request(method, address, headers=headers, allow_redirects=False, **sent) as response:
            body = await response.content.read(ANSWER_BYTES_MAX + 1)
            while len(body) <= ANSWER_BYTES_MAX and not response.content.at_eof():
                body += await response.content.read(ANSWER_BYTES_MAX + 1 - len(body))
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise FetchFailed(type(error).__name__) from error
    if len(body) > ANSWER_BYTES_MAX:
        raise FetchFailed(f"more than {ANSWER_BYTES_MAX} bytes")
    try:
        return response.status, json.loads(body) if body else None
    except (ValueError, RecursionError) as error:
        if response.status >= 400:
            return response.status, None
        raise FetchFailed("no JSON") from error


def fetched(address: str, *, settings: Mapping[str, Any]) -> Any:
    """Return the JSON at an address, from a thread without an event loop of its own."""

    async def once() -> Any:
        async with opened(settings) as session:
            status, value = await answered(session, "GET", address, headers={"accept": "application/json"})
            if status != 200:
                raise FetchFailed(f"status {status}")
            return value

    return asyncio.run(once())
