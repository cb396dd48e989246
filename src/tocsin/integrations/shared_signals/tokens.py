"""Believing a security event token (SET): RFC 8417, as the Shared Signals Framework 1.0 and its CAEP profile narrow it."""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import Key

TOKEN_BYTES_MAX = 64 * 1024
SKEW_SECONDS_MAX = 300  # how far another clock may be ahead of ours
TEXT_CHARACTERS_MAX = 512
MOMENT_MAX = 10**15  # milliseconds; far beyond, and still a number Python's clock takes
# Everything with a public key; "none" and the HS family are not on the list, whatever a stream's settings say.
ALGORITHMS = frozenset(
    {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519"}
)
ALGORITHM_USUAL = "RS256"  # the one the interoperability profile demands
_TYPES = frozenset({"secevent+jwt", "application/secevent+jwt"})


class RefusalCode(StrEnum):
    """The error codes of RFC 8935, section 2.4, and the one the framework adds (section 8.1.4.2)."""

    INVALID_REQUEST = "invalid_request"
    INVALID_KEY = "invalid_key"
    INVALID_ISSUER = "invalid_issuer"
    INVALID_AUDIENCE = "invalid_audience"
    AUTHENTICATION_FAILED = "authentication_failed"
    ACCESS_DENIED = "access_denied"
    INVALID_STATE = "invalid_state"


class Refused(Exception):
    """A token that is not believed. ``description`` goes back to the transmitter: English, nothing personal."""

    def __init__(self, code: RefusalCode, description: str) -> None:
        super().__init__(description)
        self.code = code
        self.description = description


@dataclass(frozen=True, slots=True)
class Token:
    """A believed token with its one event. ``happened_at`` is the event's own time where it has one, else ``iat``."""

    jti: str
    issued_at: datetime
    event: str
    payload: Mapping[str, Any]
    subject: Mapping[str, Any]
    happened_at: datetime


@dataclass(frozen=True, slots=True)
class Expected:
    """What a stream's tokens must say. ``key_of`` finds a key by its id (None when the header names none)."""

    issuer: str
    audience: str
    algorithms: frozenset[str]
    key_of: Callable[[str | None], Key | None]


def read_token(text: bytes, *, expected: Expected, now: datetime) -> Token:
    """Check a token's form, signature and claims, in this order, and return it; raises Refused."""
    header = _header(text)
    claims = _claims(_verified(text, header=header, expected=expected))
    _check_parties(claims, expected=expected)
    issued_at = _moment(claims.get("iat"), name="iat", now=now)
    for absent in ("exp", "sub"):
        if absent in claims:
            raise _wrong(f'The claim "{absent}" must not be there.')
    jti, subject = claims.get("jti"), claims.get("sub_id")
    if not isinstance(jti, str) or not jti or len(jti) > TEXT_CHARACTERS_MAX:
        raise _wrong('The claim "jti" is missing or no short text.')
    if not isinstance(subject, dict) or not isinstance(subject.get("format"), str):
        raise _wrong('The claim "sub_id" is missing or has no format.')
    event, payload = _event(claims.get("events"))
    at = payload.get("event_timestamp", claims.get("toe"))
    happened_at = issued_at if at is None else _moment(at, name="event_timestamp", now=now)
    return Token(
        jti=jti, issued_at=issued_at, event=event, payload=payload, subject=subject, happened_at=happened_at
    )  # fmt: skip


def allowed_algorithms(named: Iterable[str]) -> frozenset[str]:
    """Return those of the named algorithms that may be allowed at all; the usual one when none is named."""
    return (frozenset(named) or frozenset({ALGORITHM_USUAL})) & ALGORITHMS


def jti_unverified(text: bytes) -> str:
    """Return the ``jti`` of a token nobody believes yet, so that it can be refused by its name; empty when unreadable."""
    try:
        jti = json.loads(jws.extract_compact(text).payload).get("jti")
    except (JoseError, ValueError, AttributeError):
        return ""
    return jti if isinstance(jti, str) else ""


def _header(text: bytes) -> Mapping[str, Any]:
    if len(text) > TOKEN_BYTES_MAX:
        raise _wrong(f"The token is longer than {TOKEN_BYTES_MAX} bytes.")
    try:
        header = jws.extract_compact(text.strip()).headers()
    except (JoseError, ValueError, TypeError, AttributeError) as error:
        raise _wrong("This is no signed token in compact form.") from error
    if str(header.get("typ", "")).lower() not in _TYPES:
        raise _wrong('The header "typ" must be "secevent+jwt".')
    return header


def _verified(text: bytes, *, header: Mapping[str, Any], expected: Expected) -> bytes:
    algorithm = header.get("alg")
    if algorithm not in expected.algorithms or algorithm not in ALGORITHMS:
        raise _wrong("This signature algorithm is not accepted.")
    kid = header.get("kid")
    key = expected.key_of(kid if isinstance(kid, str) else None)
    if key is None:
        raise Refused(RefusalCode.INVALID_KEY, "The key that signed is not among the issuer's keys, or too short.")
    about = key.as_dict(private=False)
    if about.get("alg", algorithm) != algorithm or about.get("use", "sig") != "sig":
        raise Refused(RefusalCode.INVALID_KEY, "The key is not for this algorithm or not for signing.")
    try:
        return jws.deserialize_compact(text.strip(), key, algorithms=[str(algorithm)]).payload
    except (JoseError, ValueError, TypeError) as error:
        raise Refused(RefusalCode.AUTHENTICATION_FAILED, "The signature does not hold.") from error


def _claims(payload: bytes) -> dict[str, Any]:
    try:
        claims = json.loads(payload, parse_constant=_no_number)
        # Half characters and NUL are JSON, but no text that can be kept.
        kept = json.dumps(claims, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise _wrong("The token holds no JSON.") from error
    if not isinstance(claims, dict) or b"\\u0000" in kept:
        raise _wrong("The token holds no JSON object that can be kept.")
    return claims


def _no_number(word: str) -> None:
    raise ValueError(word)  # NaN and Infinity are Python's JSON, not RFC 8259's


def _check_parties(claims: Mapping[str, Any], *, expected: Expected) -> None:
    if claims.get("iss") != expected.issuer:
        raise Refused(RefusalCode.INVALID_ISSUER, "Another issuer is expected on this stream.")
    audience = claims.get("aud")
    named = audience if isinstance(audience, list) else [audience]
    if expected.audience not in named:
        raise Refused(RefusalCode.INVALID_AUDIENCE, "This token is meant for somebody else.")


def _event(events: Any) -> tuple[str, Mapping[str, Any]]:
    if not isinstance(events, dict) or len(events) != 1:
        raise _wrong("A token must hold exactly one event.")
    ((event, payload),) = events.items()
    if not isinstance(payload, dict) or len(event) > TEXT_CHARACTERS_MAX:
        raise _wrong("The event has no object of its own.")
    return event, payload


def _moment(value: Any, *, name: str, now: datetime) -> datetime:
    """Return epoch seconds (RFC 7519 NumericDate) as a moment. Some transmitters write an event's time in milliseconds."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < MOMENT_MAX:
        raise _wrong(f'"{name}" is missing or no number of seconds.')
    seconds = value / 1000 if value > 1e11 else value
    if seconds > (now + timedelta(seconds=SKEW_SECONDS_MAX)).timestamp():
        raise _wrong(f'"{name}" lies in the future.')
    return datetime.fromtimestamp(seconds, UTC)


def _wrong(description: str) -> Refused:
    return Refused(RefusalCode.INVALID_REQUEST, description)
