"""What is known of a message after its line dropped: at each point of the request, on real sockets."""

import asyncio
import json
import socket
import struct

import orjson
import pytest

from tocsin.customers.values import AddressKind
from tocsin.messaging.errors import ChannelNotUnderstood
from tocsin.messaging.ports import OutcomeUnknown, TransportError
from tocsin.messaging.values import Reason, Verdict

from .conftest import OURS, answer, message, number, talking

TAKEN = (
    b'{"messaging_product":"whatsapp","contacts":[{"input":"+1","wa_id":"15557654321"}],"messages":[{"id":"wamid.A"}]}'
)


async def drop_at_once(peer, reader, writer):
    peer.requests.append(b"")


async def drop_after_headers(peer, reader, writer):
    peer.requests.append(await reader.readuntil(b"\r\n\r\n"))


async def drop_after_body(peer, reader, writer):
    await peer.whole(reader)


async def reset_after_body(peer, reader, writer):
    await peer.whole(reader)
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def drop_in_the_status_line(peer, reader, writer):
    await peer.whole(reader)
    writer.write(b"HTTP/1.1 20")
    await writer.drain()


async def drop_after_the_answers_headers(peer, reader, writer):
    await peer.whole(reader)
    writer.write(answer(TAKEN).split(b"\r\n\r\n")[0] + b"\r\n\r\n")
    await writer.drain()


async def drop_in_the_answers_body(peer, reader, writer):
    await peer.whole(reader)
    writer.write(answer(TAKEN)[:-10])
    await writer.drain()


async def say_nothing(peer, reader, writer):
    await peer.whole(reader)
    await reader.read()


async def speak_no_http(peer, reader, writer):
    await peer.whole(reader)
    writer.write(b"220 mail.example ESMTP\r\n")
    await writer.drain()


def saying(body: bytes, *, status: str = "200 OK", headers: str = ""):
    async def talk(peer, reader, writer):
        while True:
            await peer.whole(reader)
            writer.write(answer(body, status=status, headers=headers))
            await writer.drain()

    return talk


def refused(code: int, *, http: int = 400, headers: str = "", **more):
    error = {"message": f"(#{code}) Title", "type": "OAuthException", "code": code, **more}
    return saying(json.dumps({"error": error}).encode(), status=f"{http} X", headers=headers)


async def send(peer, channel):
    return await channel.send(message())


def error_of(talk, **changes) -> tuple[TransportError, list[bytes]]:
    """Return what sending raises, and the requests that were seen."""
    seen: list[list[bytes]] = []

    async def sending(peer, channel):
        seen.append(peer.requests)
        with pytest.raises(TransportError) as raised:
            await channel.send(message(**changes))
        return raised.value

    settings = {"timeout_seconds": 1.0} if talk is say_nothing else {}
    return talking(talk, sending, **settings), seen[0]


@pytest.mark.parametrize(
    "talk",
    [
        drop_after_headers,
        drop_after_body,
        reset_after_body,
        drop_in_the_status_line,
        drop_after_the_answers_headers,
        drop_in_the_answers_body,
        say_nothing,
        speak_no_http,
        saying(b""),
        saying(b"<html>hello</html>"),
        saying(b"{}"),
        saying(b'{"messages":[]}'),
        saying(b'{"messages":[{"id":""}]}'),
        saying(b'{"messages":[{"id":7}]}'),
        saying(b"[]"),
        saying(b"upstream", status="502 Bad Gateway"),
        saying(b"upstream", status="504 Gateway Timeout"),
        saying(b"", status="408 Request Timeout"),
        refused(987_654, http=500),
    ],
)
def test_what_may_have_left_and_was_not_answered_is_unknown_and_sent_once(talk):
    error, requests = error_of(talk)
    assert isinstance(error, OutcomeUnknown) or error.verdict is Verdict.UNKNOWN
    assert (error.reason, error.permanent, len(requests)) == (Reason.NO_ANSWER, False, 1)


def test_a_line_that_drops_before_it_reads_is_unknown():
    """The bytes lay in the kernel: nobody can say that they did not arrive."""
    error, requests = error_of(drop_at_once)
    assert (error.verdict, len(requests)) == (Verdict.UNKNOWN, 1)


def test_a_read_time_out_is_never_retried():
    error, requests = error_of(say_nothing)
    assert (error.verdict, len(requests)) == (Verdict.UNKNOWN, 1)


def test_a_refused_connection_is_tried_again():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # nobody listens on it
        port = taken.getsockname()[1]

        async def run():
            channel = number(port)
            with pytest.raises(TransportError) as raised:
                await channel.send(message())
            await channel.close()
            return raised.value

        error = asyncio.run(run())
    assert (error.verdict, error.reason, error.permanent) == (Verdict.RETRY, Reason.TRY_LATER, False)


def test_a_line_without_valid_tls_sent_nothing():
    """The server speaks no TLS: the handshake fails before the first byte of the request."""

    async def no_tls(peer, reader, writer):
        peer.requests.append(await reader.read(100))
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async def sending(peer, channel):
        secure = number(peer.port, scheme="https")
        with pytest.raises(TransportError) as raised:
            await secure.send(message())
        await secure.close()
        return raised.value

    assert talking(no_tls, sending).verdict is Verdict.RETRY


def test_a_line_the_other_end_closed_while_idle_is_not_used_again():
    async def once(peer, reader, writer):
        await peer.whole(reader)
        writer.write(answer(TAKEN))
        await writer.drain()

    async def twice(peer, channel):
        await channel.send(message())
        while any(not protocol.transport.is_closing() for protocol in _idle(channel)):
            await asyncio.sleep(0)
        await channel.send(message())
        return len(peer.requests)

    assert talking(once, twice) == 2


def test_a_closed_line_that_is_taken_all_the_same_sent_nothing():
    """The race of a line that closes between its being chosen and its first byte."""

    async def closing(peer, channel):
        await channel.send(message())
        real = channel._graph.session().connector._get

        async def closed_one(key, traces):
            found = await real(key, traces)
            if found:
                found.protocol.transport.close()
            return found

        channel._graph.session().connector._get = closed_one
        with pytest.raises(TransportError) as raised:
            await channel.send(message())
        return raised.value, len(peer.requests)

    error, requests = talking(saying(TAKEN), closing)
    assert (error.verdict, requests) == (Verdict.RETRY, 1)


def test_a_message_that_is_taken_names_the_providers_id_and_the_person():
    accepted = talking(saying(TAKEN), send)
    assert (accepted.provider_id, accepted.address, accepted.held) == ("wamid.A", "15557654321", False)


def test_a_message_held_for_its_quality_says_so():
    held = TAKEN.replace(b'"wamid.A"', b'"wamid.A","message_status":"held_for_quality_assessment"')
    assert talking(saying(held), send).held


async def ask(peer, channel):
    await channel.send(message(reply_to="wamid.Q"))
    return peer.requests[0]


def test_api_version_is_configuration():
    """A version that ended broke every client that had it in its code."""
    assert talking(saying(TAKEN), ask, api_version="v31.0").startswith(b"POST /v31.0/100/messages HTTP/1.1")
    assert talking(saying(TAKEN), ask).startswith(b"POST /v24.0/100/messages HTTP/1.1")
    with pytest.raises(ChannelNotUnderstood, match="version"):
        number(1, api_version="24")


def test_the_request_carries_our_id_and_answers_the_message_it_is_about():
    head, body = talking(saying(TAKEN), ask).split(b"\r\n\r\n")
    assert b"Authorization: Bearer T" in head
    assert orjson.loads(body) == {
        "messaging_product": "whatsapp",
        "recipient_type": "individual",
        "to": "+15557654321",
        "type": "text",
        "text": {"body": "Hello"},
        "context": {"message_id": "wamid.Q"},
        "biz_opaque_callback_data": str(OURS),
    }


def test_bsuids_are_never_normalised():
    async def ask(peer, channel):
        address = channel.address("BR.13491208655302741918", kind=AddressKind.WHATSAPP)
        await channel.send(message(address=address, address_kind=AddressKind.WHATSAPP))
        return orjson.loads(peer.requests[0].split(b"\r\n\r\n")[1])

    sent = talking(saying(TAKEN), ask)
    assert (sent["recipient"], "to" in sent) == ("BR.13491208655302741918", False)


@pytest.mark.parametrize(
    ("http", "verdict", "reason"),
    [
        (429, Verdict.SLOW_LINE, Reason.RATE_LIMITED),
        (403, Verdict.HOLD_LINE, Reason.TRY_LATER),
        (302, Verdict.HOLD_LINE, Reason.TRY_LATER),
        (413, Verdict.RETRY_FEW, Reason.REFUSED),
    ],
)
def test_an_answer_that_is_not_metas_neither_doubles_nor_loses(http, verdict, reason):
    error, requests = error_of(saying(b"<html>no</html>", status=f"{http} X"))
    assert (error.verdict, error.reason, error.permanent, len(requests)) == (verdict, reason, False, 1)


def test_a_refusal_carries_metas_code_and_words_without_the_address():
    details = "Recipient +1 555-765-4321 (US.13491208655302741918) is not in the list of 12 numbers"
    error, _requests = error_of(refused(131030, error_data={"messaging_product": "whatsapp", "details": details}))
    assert (error.code, error.verdict, error.permanent) == (131030, Verdict.DEAD, True)
    assert error.detail == "(#131030) Title: Recipient … (…) is not in the list of 12 numbers"


def test_what_meta_refuses_is_told_without_the_text_it_repeats():
    details = "Parameter 'Your password was read' of text.body is not valid"
    content = {"type": "text", "text": {"body": "Your password was read"}}
    error, _requests = error_of(refused(131009, error_data={"details": details}), content=content)
    assert error.detail == "(#131009) Title: Parameter '…' of text.body is not valid"


def test_what_meta_asks_to_wait_is_kept():
    error, _requests = error_of(refused(130429, http=429, headers="Retry-After: 17\r\n"))
    assert (error.verdict, error.wait_seconds) == (Verdict.SLOW_LINE, 17.0)


def test_a_template_that_reaches_numbers_only_goes_to_the_number_the_second_time():
    both = {
        "address": "US.1349",
        "address_kind": AddressKind.WHATSAPP,
        "other_addresses": {AddressKind.PHONE: "+15557654321"},
    }
    error, requests = error_of(refused(131062), **both)
    assert (error.verdict, len(requests)) == (Verdict.RETRY_FEW, 1)
    error, requests = error_of(refused(131062), **both, number=2)
    assert error.verdict is Verdict.DEAD
    assert orjson.loads(requests[0].split(b"\r\n\r\n")[1])["to"] == "+15557654321"


def _idle(channel):
    return [protocol for kept in channel._graph.session().connector._conns.values() for protocol, _at in kept]


@pytest.mark.parametrize(
    ("contacts", "address"),
    [
        (b'"contacts":[{"input":"US.1349","user_id":"US.1349"}],', "US.1349"),
        (b'"contacts":[{"input":"+1"}],', ""),
        (b'"contacts":[],', ""),
        (b"", ""),
    ],
)
def test_an_answer_without_a_telephone_number_is_taken(contacts, address):
    """Meta leaves numbers out since people have business-scoped ids; clients crashed and sent again."""
    body = b'{"messaging_product":"whatsapp",' + contacts + b'"messages":[{"id":"wamid.A"}]}'
    accepted = talking(saying(body), send)
    assert (accepted.provider_id, accepted.address) == ("wamid.A", address)


@pytest.mark.parametrize(
    ("code", "http", "verdict"),
    [
        (131000, 500, Verdict.RETRY_FEW),  # "is there any retry?"
        (131053, 400, Verdict.RETRY_FEW),  # a file Meta's own fetching throttled
        (131056, 400, Verdict.SLOW_PAIR),  # ended for this person instead of waiting
        (130429, 429, Verdict.SLOW_LINE),  # counted as failed
        (80007, 400, Verdict.SLOW_LINE),
        (131048, 400, Verdict.HOLD_LINE),  # tried again and again, which makes it worse
        (131016, 503, Verdict.RETRY),
    ],
)
def test_rate_limits_and_passing_troubles_end_no_message(code, http, verdict):
    error, requests = error_of(refused(code, http=http))
    assert (error.verdict, error.permanent, len(requests)) == (verdict, False, 1)
