"""What a check of an SMS line says, without sending anything to anybody."""

import asyncio
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from channel_peers import Mood
from tests.contract.channels.conftest import peer_module


@pytest.fixture(scope="module")
def peer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with peer_module("sms").running(tmp_path_factory.mktemp("sms")) as running:
        yield running


def said(peer: Any, mood: Mood = Mood.TAKES, **settings: str) -> Sequence[str]:
    async def asked() -> Sequence[str]:
        channel = peer.channel(**settings)
        try:
            return [f"{remark.standing} {remark.text}" for remark in await channel.check()]
        finally:
            await channel.close()

    peer.be(mood)
    try:
        return asyncio.run(asked())
    finally:
        peer.be(Mood.TAKES)


def test_a_check_says_what_is_wrong_and_sends_nothing(peer: Any):
    assert said(peer) == ["ok The provider knows account and token."]
    assert said(peer, callback_url="")[1] == "warning No reports come back: nobody will know what became of an SMS."
    assert said(peer, Mood.WRONG_CREDENTIALS) == ["fault The provider does not accept account and token."]
    assert said(peer, Mood.DOWN)[0].startswith("fault The provider cannot be reached: ")
    assert said(peer, Mood.NOT_NOW)[0].endswith("not understood: HTTP 503.")
    assert peer.received() == []
