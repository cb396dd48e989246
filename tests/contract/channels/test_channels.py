"""The contract of a channel, on every one: each message accounted for, and never sent twice by itself."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from typing import Any
from uuid import uuid4

import pytest
from channel_peers import Mood, Peer, eventually

from tocsin.messaging.errors import AddressNotUnderstood, ContentNotUnderstood
from tocsin.messaging.ports import OutcomeUnknown, Sending, TransportError
from tocsin.messaging.values import Accepted, Outgoing, Purpose, Reason, Verdict

TEXT = "a secret text"


@pytest.fixture
def peer(provider: Peer) -> Iterator[Peer]:
    provider.be(Mood.TAKES)
    yield provider
    provider.be(Mood.TAKES)


def message(peer: Peer, **changes: Any) -> Outgoing:
    _given, kind, address = peer.addresses[0]
    address = changes.pop("address", "bob.k@example.org" if "@" in address else address)
    return Outgoing(uuid4(), address, kind, peer.content(TEXT), 1, Purpose.SERVICE, **changes)


def with_channel(peer: Peer, work: Callable[[Sending], Coroutine[Any, Any, Any]], **settings: Any) -> Any:
    async def opened() -> Any:
        channel = peer.channel(**settings)
        try:
            return await work(channel)
        finally:
            await channel.close()

    return asyncio.run(opened())


def refused(peer: Peer, mood: Mood, *, used_before: bool = False, **settings: Any) -> TransportError:
    """Send one message while the provider is in a mood, and return the error it ends with."""
    if mood not in peer.moods:
        pytest.skip(f"{peer.kind} cannot be {mood}")
    sent = message(peer)

    async def work(channel: Sending) -> TransportError:
        if used_before:
            await channel.send(message(peer))
        before, tries = len(peer.received()), peer.tries()
        peer.be(mood)
        with pytest.raises(TransportError) as caught:
            await channel.send(sent)
        assert peer.tries() - tries <= 1  # it never tries again by itself
        assert len(peer.received()) - before <= 1
        return caught.value

    error = with_channel(peer, work, **settings)
    local, _, domain = sent.address.partition("@")
    shown = f"{error} {error.detail} {error!r} {error.args}"
    for private in [sent.address, sent.address.lstrip("+"), local, domain or sent.address, TEXT, *peer.secrets()]:
        assert private not in shown
    return error


def test_a_message_is_taken_once_and_is_found_at_the_provider_by_our_id(peer: Peer):
    sent, before, tries = message(peer), len(peer.received()), peer.tries()
    accepted = with_channel(peer, lambda channel: channel.send(sent))
    assert isinstance(accepted, Accepted) and accepted.provider_id
    assert peer.received()[before:] == [(str(sent.id), sent.address)]
    assert peer.tries() - tries == 1


def test_many_at_once_are_each_taken_once(peer: Peer):
    before = len(peer.received())
    sent = [message(peer) for _ in range(60)]

    async def work(channel: Sending) -> list[Accepted]:
        return await asyncio.gather(*(channel.send(each) for each in sent))

    accepted = with_channel(peer, work)
    assert len({each.provider_id for each in accepted}) == len(sent)
    assert sorted(ours for ours, _ in peer.received()[before:]) == sorted(str(each.id) for each in sent)


@pytest.mark.parametrize("used_before", [False, True])
def test_a_refusal_for_good_is_permanent_and_says_why(peer: Peer, used_before: bool):
    error = refused(peer, Mood.REFUSES, used_before=used_before)
    assert error.permanent and error.verdict is Verdict.OUR_MISTAKE and error.code


def test_nobody_at_the_address_ends_it_for_this_person_alone(peer: Peer):
    error = refused(peer, Mood.REFUSES_PERSON)
    assert error.permanent and (error.verdict, error.reason) == (Verdict.DEAD, Reason.NOT_REACHABLE)


def test_a_refusal_for_now_is_tried_again_later(peer: Peer):
    error = refused(peer, Mood.NOT_NOW)
    assert not error.permanent and not isinstance(error, OutcomeUnknown)
    assert error.verdict in {Verdict.RETRY, Verdict.RETRY_FEW, Verdict.LATER}


def test_too_fast_slows_the_line(peer: Peer):
    error = refused(peer, Mood.TOO_FAST)
    assert not error.permanent and error.verdict is Verdict.SLOW_LINE
    assert error.reason is Reason.RATE_LIMITED


def test_wrong_credentials_hold_the_line_and_lose_no_message(peer: Peer):
    error = refused(peer, Mood.WRONG_CREDENTIALS)
    assert not error.permanent and error.verdict in {Verdict.HOLD_LINE, Verdict.HOLD_ACCOUNT}
    assert error.wait_seconds is None  # until somebody mends it


@pytest.mark.parametrize("used_before", [False, True])
def test_a_line_that_drops_before_the_message_was_handed_over_is_tried_again(peer: Peer, used_before: bool):
    before = len(peer.received())
    error = refused(peer, Mood.DROPS_BEFORE, used_before=used_before)
    assert not error.permanent and not isinstance(error, OutcomeUnknown)
    assert len(peer.received()) - before == used_before


@pytest.mark.parametrize("used_before", [False, True])
def test_a_line_that_drops_after_the_bytes_left_is_unknown(peer: Peer, used_before: bool):
    before = len(peer.received())
    error = refused(peer, Mood.DROPS_AFTER, used_before=used_before)
    assert isinstance(error, OutcomeUnknown) and error.verdict is Verdict.UNKNOWN
    assert len(peer.received()) - before == 1 + used_before


def test_an_answer_that_never_comes_is_unknown_when_the_time_is_over(peer: Peer):
    before = len(peer.received())
    error = refused(peer, Mood.SILENT, timeout_seconds=1)
    assert isinstance(error, OutcomeUnknown)
    assert eventually(lambda: len(peer.received()) - before == 1)


def test_a_provider_that_is_down_holds_the_line_for_a_while(peer: Peer):
    error = refused(peer, Mood.DOWN)
    assert not error.permanent and not isinstance(error, OutcomeUnknown)
    assert error.verdict in {Verdict.HOLD_LINE, Verdict.RETRY}


def test_a_channel_goes_on_after_every_trouble(peer: Peer):
    async def work(channel: Sending) -> None:
        for mood in sorted(peer.moods - {Mood.SILENT, Mood.TAKES}):
            peer.be(mood)
            with pytest.raises(TransportError):
                await channel.send(message(peer))
            peer.be(Mood.TAKES)
            await channel.send(message(peer))

    with_channel(peer, work)


def test_addresses_have_one_normal_form(peer: Peer):
    async def work(channel: Sending) -> None:
        for given, kind, normal in peer.addresses:
            assert kind in channel.reaches
            assert channel.address(given, kind=kind) == normal
            assert channel.address(normal, kind=kind) == normal
        for given, kind in peer.wrong_addresses:
            with pytest.raises(AddressNotUnderstood) as caught:
                channel.address(given, kind=kind)
            assert not given.strip() or given not in f"{caught.value} {caught.value.where} {caught.value.mend}"

    with_channel(peer, work)


def test_wrong_contents_are_refused_with_the_place_before_anything_is_sent(peer: Peer):
    async def work(channel: Sending) -> None:
        for content, place in peer.wrong_contents:
            with pytest.raises(ContentNotUnderstood) as caught:
                channel.prepare(content)
            assert str(caught.value.where) == place
        content = peer.content(TEXT)
        assert channel.prepare(content).content == content
        assert TEXT in channel.prepare(content).shown

    tries = peer.tries()
    with_channel(peer, work)
    assert peer.tries() == tries


def test_closing_lets_go_of_every_connection(peer: Peer):
    async def work(channel: Sending) -> None:
        await asyncio.gather(*(channel.send(message(peer)) for _ in range(5)))

    with_channel(peer, work)
    assert eventually(lambda: peer.connections() == 0)


def test_a_time_bound_and_limits_are_told(peer: Peer):
    async def work(channel: Sending) -> None:
        assert 0 < channel.seconds_max < 600
        assert channel.limits.pair_burst >= 1
        assert isinstance(channel.reports, bool)

    with_channel(peer, work)
