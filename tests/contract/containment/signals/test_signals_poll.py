"""Asking a transmitter (RFC 8936): nothing is acknowledged before it is kept, nothing is lost, nothing counts twice."""

from typing import Any

import pytest

from tocsin.containment import queries
from tocsin.containment.errors import StreamNotUnderstood, SystemUnreachable
from tocsin.integrations.shared_signals.polling import poll

CAEP = "https://schemas.openid.net/secevent/caep/event-type/"
REVOKED = CAEP + "session-revoked"


def test_everything_is_fetched_page_by_page_kept_and_acknowledged(received: Any, transmitter: Any):
    receiver = received(delivery="poll")
    transmitter.at_once = 10
    jtis = [transmitter.put(transmitter.token(REVOKED, f"u{number}")) for number in range(25)]
    polled = poll("sso", receiver=receiver)
    assert (polled.received, polled.new, polled.refused, polled.more) == (25, 25, {}, False)
    assert transmitter.acknowledged == jtis and transmitter.queue == {}
    assert [len(each.get("ack", [])) for each in transmitter.polls] == [0, 10, 10, 5]
    assert transmitter.polls[-1]["maxEvents"] == 0
    assert all(each["returnImmediately"] is True for each in transmitter.polls)


def test_redelivered_set_is_acknowledged_again_and_counts_once(received: Any, transmitter: Any):
    receiver = received(delivery="poll")
    token = transmitter.token(REVOKED, "u1")
    transmitter.put(token)
    assert poll("sso", receiver=receiver).new == 1
    jti = transmitter.put(token)
    assert poll("sso", receiver=receiver).new == 0
    assert transmitter.acknowledged == [jti, jti]


def test_set_errs_tell_the_transmitter_what_is_not_believed(received: Any, transmitter: Any):
    receiver = received(delivery="poll")
    wrong = transmitter.put(transmitter.token(REVOKED, "u1", iss="https://evil.example"))
    right = transmitter.put(transmitter.token(REVOKED, "u2"))
    transmitter.queue["listed-otherwise"] = transmitter.token(REVOKED, "u3")
    polled = poll("sso", receiver=receiver)
    assert polled.refused == {"invalid_issuer": 1, "invalid_request": 1}
    assert {jti: error["err"] for jti, error in transmitter.errors.items()} == {
        wrong: "invalid_issuer", "listed-otherwise": "invalid_request",
    }  # fmt: skip
    assert transmitter.acknowledged == [right] and transmitter.queue == {}


def test_what_was_not_acknowledged_comes_again(received: Any, transmitter: Any, monkeypatch: pytest.MonkeyPatch):
    receiver = received(delivery="poll")
    transmitter.put(transmitter.token(REVOKED, "u1"))
    with monkeypatch.context() as broken:
        broken.setattr("tocsin.containment.commands.keep_news", lambda *_args, **_more: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            poll("sso", receiver=receiver)
    assert transmitter.acknowledged == []
    assert poll("sso", receiver=receiver).new == 1


def test_access_token_expiry(received: Any, transmitter: Any):
    receiver = received(delivery="poll", token_url=f"{transmitter.address}/token", client_id="tocsin")
    transmitter.bearer = "fresh"
    transmitter.put(transmitter.token(REVOKED, "u1"))
    assert poll("sso", receiver=receiver).new == 1
    assert transmitter.asked["/token"] == 1


def test_poll_endpoint_authorization(received: Any, transmitter: Any):
    receiver = received(delivery="poll")
    transmitter.bearer = "another"
    with pytest.raises(SystemUnreachable, match="status 401"):
        poll("sso", receiver=receiver)


@pytest.mark.parametrize("answer", [{}, {"sets": []}, [], "sets", {"sets": None, "moreAvailable": True}])
def test_an_answer_of_another_shape_is_an_outage_not_an_end(received: Any, transmitter: Any, answer: Any):
    receiver = received(delivery="poll")
    transmitter.answer = answer
    with pytest.raises(SystemUnreachable):
        poll("sso", receiver=receiver)


def test_a_transmitter_that_is_down_is_said_to_be(received: Any, transmitter: Any):
    receiver = received(delivery="poll", poll_url="http://127.0.0.1:1/poll")
    with pytest.raises(SystemUnreachable, match="does not answer"):
        poll("sso", receiver=receiver)


def test_one_that_says_there_is_more_for_ever_is_left_after_the_bound(received: Any, transmitter: Any):
    receiver = received(delivery="poll")
    transmitter.at_once = 1
    for number in range(5):
        transmitter.put(transmitter.token(REVOKED, f"u{number}"))
    polled = poll("sso", receiver=receiver, rounds=3)
    assert (polled.received, polled.more) == (3, True)
    assert poll("sso", receiver=receiver).new == 2


def test_a_pushed_stream_is_not_polled(received: Any, transmitter: Any):
    receiver = received()
    with pytest.raises(StreamNotUnderstood):
        poll("sso", receiver=receiver)
    assert queries.streams()[0].counts == {}
