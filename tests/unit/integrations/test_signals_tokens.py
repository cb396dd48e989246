"""Believing a token: whatever bytes come, they are refused by a code or believed, and nothing else happens."""

import base64
import json
from datetime import UTC, datetime
from typing import Any

import hypothesis
import hypothesis.strategies as some
import pytest
from joserfc import jws
from joserfc.jwk import OKPKey

from tocsin.integrations.shared_signals.tokens import Expected, Refused, allowed_algorithms, jti_unverified, read_token

KEY = OKPKey.generate_key("Ed25519")
NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
EVENT = "https://schemas.openid.net/secevent/caep/event-type/session-revoked"
RIGHT: dict[str, Any] = {
    "iss": "i", "aud": "a", "iat": int(NOW.timestamp()), "jti": "1", "sub_id": {"format": "opaque", "id": "u1"},
    "events": {EVENT: {}},
}  # fmt: skip
EXPECTED = Expected(issuer="i", audience="a", algorithms=frozenset({"Ed25519"}), key_of=lambda _kid: KEY)


def signed(payload: bytes) -> bytes:
    header = {"alg": "Ed25519", "typ": "secevent+jwt"}
    return jws.serialize_compact(header, payload, KEY, algorithms=["Ed25519"]).encode()


def read(**changes: Any):
    return read_token(signed(json.dumps(RIGHT | changes).encode()), expected=EXPECTED, now=NOW)


def test_a_right_token_is_believed():
    token = read()
    assert (token.jti, token.event, token.happened_at) == ("1", EVENT, NOW)


def test_the_events_own_time_counts_in_seconds_or_milliseconds():
    at = int(NOW.timestamp()) - 60
    for written in (at, at * 1000, float(at)):
        assert read(events={EVENT: {"event_timestamp": written}}).happened_at.timestamp() == at
    assert read(toe=at).happened_at.timestamp() == at


@pytest.mark.parametrize(
    "changes",
    [
        {"iat": float("nan")}, {"iat": float("inf")}, {"iat": 10**400}, {"iat": -1}, {"toe": float("nan")},
        {"events": {EVENT: {"event_timestamp": 10**400}}}, {"jti": "a\x00b"}, {"jti": "\ud800"},
        {"sub_id": {"format": "opaque", "id": "u\x00"}}, {"sub_id": {"format": "opaque", "id": "\ud800"}},
    ],
)  # fmt: skip
def test_what_cannot_be_kept_is_refused_and_stops_nothing(changes: dict[str, Any]):
    with pytest.raises(Refused):
        read(**changes)


def test_algorithms_without_a_public_key_are_never_allowed():
    assert allowed_algorithms(()) == {"RS256"}
    assert allowed_algorithms(("none", "HS256", "ES256")) == {"ES256"}
    assert allowed_algorithms(("none",)) == frozenset()


@hypothesis.given(text=some.binary(max_size=200) | some.text(alphabet="abc.eyJ", max_size=60).map(str.encode))
def test_any_bytes_are_refused_by_a_code(text: bytes):
    with pytest.raises(Refused):
        read_token(text, expected=EXPECTED, now=NOW)
    assert isinstance(jti_unverified(text), str)


VALUES = some.none() | some.booleans() | some.integers() | some.floats() | some.text(max_size=4) | some.lists(some.text(max_size=2), max_size=2) | some.dictionaries(some.text(max_size=4), some.text(max_size=2), max_size=2)  # fmt: skip


@hypothesis.given(changes=some.dictionaries(some.sampled_from([*RIGHT, "toe", "exp", "sub"]), VALUES, max_size=3))
def test_any_claims_are_believed_or_refused(changes: dict[str, Any]):
    try:
        token = read(**changes)
    except Refused:
        return
    assert token.jti and token.happened_at.tzinfo is not None and "exp" not in changes and "sub" not in changes


@hypothesis.given(
    header=some.dictionaries(some.sampled_from(["alg", "typ", "kid", "crit", "b64", "jku"]), VALUES, max_size=4)
)
def test_any_header_is_refused(header: dict[str, Any]):
    encoded = base64.urlsafe_b64encode(json.dumps(header).encode()).rstrip(b"=")
    with pytest.raises(Refused):
        read_token(encoded + b"." + signed(b"{}").split(b".", 1)[1], expected=EXPECTED, now=NOW)
