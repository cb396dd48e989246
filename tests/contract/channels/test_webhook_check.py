"""`channel check` of a product's address: reached, trusted, and asked nothing."""

import asyncio
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from channel_peers import Loop, certificate, looping

from tocsin.integrations.standard_webhooks import channel
from tocsin.kernel.remarks import Remark, Standing

SECRET = "whsec_" + "a" * 43 + "="


@pytest.fixture(scope="module")
def loop() -> Iterator[Loop]:
    with looping() as running:
        yield running


def checked(url: str, **settings: Any) -> list[Remark]:
    opened = channel.connect(
        "app", settings={"url": url, "allow_private": True, **settings}, secrets={"secret": SECRET}
    )

    async def whole() -> list[Remark]:
        try:
            return list(await opened.check())
        finally:
            await opened.close()

    return asyncio.run(whole())


def test_an_address_is_connected_to_and_its_certificate_read(loop: Loop, tmp_path: Path):
    cert, key = certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    heard: list[bytes] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.read(100))
        writer.close()

    server = loop.run(asyncio.start_server(talk, "127.0.0.1", 0, ssl=context))
    port = server.sockets[0].getsockname()[1]
    found, secret = checked(f"https://localhost:{port}/in", ca_file=str(cert))
    assert found.standing in {Standing.OK, Standing.WARNING} and "certificate is good until" in found.text
    assert secret.standing is Standing.WARNING and not any(heard)
    (untrusted, _secret) = checked(f"https://localhost:{port}/in")
    assert untrusted.standing is Standing.FAULT and "not trusted" in untrusted.text
    (private, _secret) = checked(f"https://localhost:{port}/in", allow_private=False)
    assert private.standing is Standing.FAULT and "private" in private.text
    server.close()
    (nobody, _secret) = checked(f"http://127.0.0.1:{port}/in")
    assert nobody.standing is Standing.FAULT and "Nothing answers" in nobody.text
