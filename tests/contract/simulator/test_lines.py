"""The simulator's own POSTs: every way a receiver may answer, end its answer, or not answer at all."""

import asyncio

import pytest

from tocsin_simulator.lines import Lines

OK = b"HTTP/1.1 200 OK\r\n"
ANSWERS = {
    "with a length": (OK + b"Content-Length: 2\r\n\r\nok", 200),
    "empty": (b"HTTP/1.1 500 Oops\r\ncontent-length: 0\r\n\r\n", 500),
    "in chunks": (OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", 200),
    "without a body": (b"HTTP/1.1 204 No Content\r\n\r\n", 204),
    "and closes": (OK + b"Connection: close\r\nContent-Length: 2\r\n\r\nok", 200),
    "until the line ends": (b"HTTP/1.0 202 Accepted\r\n\r\nok", 202),
}
BROKEN = {
    "nothing": b"",
    "half a head": b"HTTP/1.1 200 OK\r\nContent-Len",
    "half a body": OK + b"Content-Length: 20\r\n\r\nok",
    "half its chunks": OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\no",
    "noise": b"220 mail.example.org ESMTP\r\n\r\n",
}


async def posted(answer: bytes, *, times: int = 2, keep: bool = True) -> tuple[list[int], int, bytes]:
    """Return the statuses of some POSTs one after another, how many lines they took, and the last request."""
    lines: list[asyncio.StreamWriter] = []
    came = bytearray()

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        lines.append(writer)
        while head := await reader.readuntil(b"\r\n\r\n"):
            came[:] = head + await reader.readexactly(4)
            writer.write(answer[:20])
            await writer.drain()
            await asyncio.sleep(0)
            writer.write(answer[20:])
            if not keep:
                break
        writer.close()

    async def taken(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await take(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(taken, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook?app=1"
    client = Lines()
    try:
        statuses = [await client.post(url, b"body", {"X-Mark": "1"}) for _ in range(times)]
    finally:
        await client.close()
        server.close()
        await asyncio.gather(*(line.wait_closed() for line in lines), return_exceptions=True)
    return statuses, len(lines), bytes(came)


@pytest.mark.parametrize("name", ANSWERS)
def test_an_answer_is_understood(name):
    answer, status = ANSWERS[name]
    statuses, lines, came = asyncio.run(posted(answer, keep=b"close" not in answer and b"1.0" not in answer))
    assert statuses == [status, status]
    assert lines == (2 if "close" in name or "ends" in name else 1), "a line that stays open is used again"
    assert came.startswith(b"POST /hook?app=1 HTTP/1.1\r\nX-Mark: 1\r\nHost: 127.0.0.1:")
    assert came.endswith(b"Content-Length: 4\r\n\r\nbody")


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_answer_is_none(name):
    with pytest.raises(ConnectionError):
        asyncio.run(posted(BROKEN[name], keep=False, times=1))


def test_an_address_that_is_none_is_refused():
    with pytest.raises(ValueError, match="ftp"):
        asyncio.run(Lines().post("ftp://a/b", b"", {}))


def test_a_receiver_that_takes_too_long_gets_the_webhook_again(with_account, monkeypatch):
    monkeypatch.setattr("tocsin_simulator.webhooks.ANSWER_SECONDS", 0.05)

    async def act(account):
        async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read()
            writer.close()

        listening = await asyncio.start_server(silent, "127.0.0.1", 0)
        url, account.world.settings.webhook = (
            account.receiver.url,
            f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/",
        )
        await account.admin("say", **{"from": "+33600000001", "text": "Hello?"})
        while not account.world.webhooks.counts["retried"]:
            await asyncio.sleep(0.01)
        assert account.world.webhooks.counts["unreachable"]
        account.world.settings.webhook = url
        listening.close()

    with_account(act)
