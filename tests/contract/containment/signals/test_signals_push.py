"""Tokens pushed to us (RFC 8935): what is believed, what is refused with which code, what it comes to for an account."""

import base64
import json
import time
import warnings
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from tocsin.containment import commands, queries
from tocsin.containment.values import SignalOutcome
from tocsin.kernel import clock
from tocsin.kernel.loading import lazily

models = lazily("tocsin.containment.models")
CAEP = "https://schemas.openid.net/secevent/caep/event-type/"
SSF = "https://schemas.openid.net/secevent/ssf/event-type/"
RISC = "https://schemas.openid.net/secevent/risc/event-type/"
REVOKED = CAEP + "session-revoked"
HEADERS = {"content-type": "application/secevent+jwt", "authorization": "Bearer push-secret"}
RESET = {"measures": [{"kind": "reset_password"}, {"kind": "revoke_sessions"}], "systems": {}}


def push(receiver: Any, token: str | bytes, **headers: str) -> tuple[int, str]:
    """Push one token; return the status and the error code, empty when it was taken."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    reply = receiver.accept("sso", HEADERS | named, token.encode() if isinstance(token, str) else token)
    if reply.status == 202:
        assert reply.body == b""
        return 202, ""
    assert reply.headers["content-type"] == "application/json"
    said = json.loads(reply.body)
    assert set(said) == {"err", "description"}
    return reply.status, said["err"]


def outcomes() -> dict[str, int]:
    return {outcome.value: n for outcome, n in queries.streams()[0].counts.items()}


def test_password_change_and_ended_sessions_make_an_account_safe(
    received: Any, transmitter: Any, plans: Callable[..., Any]
):
    receiver = received()
    plan = plans([RESET], {"u1": 0}, since=clock.now() - timedelta(hours=1))
    assert push(receiver, transmitter.token(REVOKED, "u1")) == (202, "")
    changed = {"credential_type": "password", "change_type": "update"}
    assert push(receiver, transmitter.token(CAEP + "credential-change", "u1", changed)) == (202, "")
    placed = commands.record_news()
    assert (placed.taken, placed.recorded.new, placed.recorded.closed) == (2, 2, 1)
    row = models.ContainmentProgress.objects.get(plan=plan)
    assert (row.state, sorted(row.measures_done)) == ("closed", ["reset_password", "revoke_sessions"])
    assert commands.record_news().taken == 0


@pytest.mark.parametrize(
    ("event", "payload"),
    [
        (CAEP + "credential-change", {"credential_type": "fido2-platform", "change_type": "create"}),
        (CAEP + "credential-change", {"credential_type": "password", "change_type": "delete"}),
        (
            CAEP + "credential-change",
            {"credential_type": "password", "change_type": "update", "initiating_entity": "admin"},
        ),
        (CAEP + "device-compliance-change", {}),
        (RISC + "account-enabled", {}),
        ("https://example.com/own-event", {}),
    ],
)
def test_what_makes_nobody_safe_is_taken_and_ignored(
    received: Any, transmitter: Any, event: str, payload: dict[str, str]
):
    assert push(received(), transmitter.token(event, "u1", payload)) == (202, "")
    assert outcomes() == {"ignored": 1}


def test_one_session_of_several_that_ended_is_not_all_of_them(received: Any, transmitter: Any):
    subject = {
        "format": "complex", "user": {"format": "opaque", "id": "u1"}, "session": {"format": "opaque", "id": "s"},
    }  # fmt: skip
    receiver = received()
    assert push(receiver, transmitter.token(REVOKED, subject)) == (202, "")
    del subject["session"]
    assert push(receiver, transmitter.token(REVOKED, subject)) == (202, "")
    assert outcomes() == {"ignored": 1, "waiting": 1}


def test_an_account_that_was_disabled_is_suspended(received: Any, transmitter: Any, plans: Callable[..., Any]):
    receiver = received()
    plan = plans(
        [{"measures": [{"kind": "suspend"}], "systems": {"suspend": ["sso"]}}], {"u1": 0},
        since=clock.now() - timedelta(hours=1),
    )  # fmt: skip
    push(receiver, transmitter.token(RISC + "account-disabled", "u1"))
    commands.record_news()
    assert models.ContainmentProgress.objects.get(plan=plan).state == "closed"


def tampered(token: str) -> str:
    head, payload, signature = token.split(".")
    said = json.loads(base64.urlsafe_b64decode(payload + "=="))
    said["sub_id"] = {"format": "opaque", "id": "other"}
    return ".".join((head, base64.urlsafe_b64encode(json.dumps(said).encode()).decode().rstrip("="), signature))


def unsigned(token: str) -> str:
    payload = token.split(".")[1]
    head = base64.urlsafe_b64encode(b'{"alg":"none","typ":"secevent+jwt"}').decode().rstrip("=")
    return f"{head}.{payload}."


INVALID = {
    "no token at all": ("invalid_request", lambda t: "hello"),
    "two parts": ("invalid_request", lambda t: "a.b"),
    "unsigned": ("invalid_request", lambda t: unsigned(t.token(REVOKED, "u1"))),
    "signed with a shared secret": ("invalid_request", lambda t: t.sign(t.claims(REVOKED, "u1"), key="x" * 64, algorithm="HS256")),
    "an algorithm that is not allowed": (
        "invalid_request",
        lambda t: t.sign(t.claims(REVOKED, "u1"), key=ec.generate_private_key(ec.SECP256R1()), algorithm="ES256"),
    ),
    "another type": ("invalid_request", lambda t: t.sign(t.claims(REVOKED, "u1"), typ="JWT")),
    "tampered": ("authentication_failed", lambda t: tampered(t.token(REVOKED, "u1"))),
    "another key under the same id": (
        "authentication_failed",
        lambda t: t.sign(t.claims(REVOKED, "u1"), key=rsa.generate_private_key(65537, 2048)),
    ),
    "an unknown key": ("invalid_key", lambda t: t.sign(t.claims(REVOKED, "u1"), kid="stranger")),
    "another issuer": ("invalid_issuer", lambda t: t.token(REVOKED, "u1", iss="https://evil.example")),
    "no issuer": ("invalid_issuer", lambda t: t.token(REVOKED, "u1", iss=None)),
    "another audience": ("invalid_audience", lambda t: t.token(REVOKED, "u1", aud="https://other.example")),
    "no audience": ("invalid_audience", lambda t: t.token(REVOKED, "u1", aud=None)),
    "no jti": ("invalid_request", lambda t: t.token(REVOKED, "u1", jti=None)),
    "no iat": ("invalid_request", lambda t: t.token(REVOKED, "u1", iat=None)),
    "an iat far in the future": ("invalid_request", lambda t: t.token(REVOKED, "u1", iat=int(time.time()) + 4000)),
    "an expiry": ("invalid_request", lambda t: t.token(REVOKED, "u1", exp=int(time.time()) + 4000)),
    "a sub": ("invalid_request", lambda t: t.token(REVOKED, "u1", sub="u1")),
    "no subject": ("invalid_request", lambda t: t.token(REVOKED, "u1", sub_id=None)),
    "no event": ("invalid_request", lambda t: t.token(REVOKED, "u1", events={})),
    "two events": ("invalid_request", lambda t: t.token(REVOKED, "u1", events={REVOKED: {}, RISC + "account-disabled": {}})),
    "an event that is no object": ("invalid_request", lambda t: t.token(REVOKED, "u1", events={REVOKED: "yes"})),
    "an event of tomorrow": ("invalid_request", lambda t: t.token(REVOKED, "u1", {"event_timestamp": time.time() + 86400})),
    "a change without its type": ("invalid_request", lambda t: t.token(CAEP + "credential-change", "u1", {"credential_type": "password"})),
}  # fmt: skip


@pytest.mark.parametrize("invalid", INVALID)
def test_invalid_set_rejection(received: Any, transmitter: Any, invalid: str):
    code, made = INVALID[invalid]
    assert push(received(), made(transmitter)) == (400, code)
    assert outcomes() == {}


def test_an_rsa_key_of_1024_bits_is_refused(received: Any, transmitter: Any):
    transmitter.key = rsa.generate_private_key(65537, 1024)
    with warnings.catch_warnings(action="ignore"):
        token = transmitter.token(REVOKED, "u1")
    assert push(received(), token) == (400, "invalid_key")


def test_issuer_mismatch(received: Any, transmitter: Any):
    assert push(received(), transmitter.token(REVOKED, "u1", iss="https://sso.example.com/")) == (400, "invalid_issuer")


def test_redelivered_set(received: Any, transmitter: Any, plans: Callable[..., Any]):
    receiver, token = received(), transmitter.token(REVOKED, "u1")
    plans([RESET], {"u1": 0}, since=clock.now() - timedelta(hours=1))
    assert [push(receiver, token) for _ in range(3)] == [(202, "")] * 3
    assert commands.record_news().recorded.new == 1
    assert push(receiver, token) == (202, "")
    assert commands.record_news().taken == 0
    assert models.ContainmentDone.objects.count() == 1


def test_verification(received: Any, transmitter: Any):
    receiver = received(stream_id="str-1", verification_state="42")
    assert push(receiver, transmitter.token(SSF + "verification", "str-1", {"state": "42"})) == (202, "")
    assert push(receiver, transmitter.token(SSF + "verification", "str-1")) == (202, "")
    assert outcomes() == {"verification": 2}


def test_verification_wrong_state(received: Any, transmitter: Any):
    receiver = received(verification_state="42")
    assert push(receiver, transmitter.token(SSF + "verification", "str-1", {"state": "43"})) == (400, "invalid_state")


def test_verification_wrong_subject(received: Any, transmitter: Any):
    receiver = received(stream_id="str-1")
    assert push(receiver, transmitter.token(SSF + "verification", "str-2")) == (400, "invalid_request")
    email = {"format": "email", "email": "a@example.org"}
    assert push(receiver, transmitter.token(SSF + "verification", email)) == (400, "invalid_request")


def test_verification_behind_queued_events(received: Any, transmitter: Any):
    receiver = received()
    for number in range(5):
        assert push(receiver, transmitter.token(REVOKED, f"u{number}")) == (202, "")
    assert push(receiver, transmitter.token(SSF + "verification", "str-1", {"state": "x"})) == (202, "")
    assert outcomes() == {"waiting": 5, "verification": 1}


def test_removed_subject_event(received: Any, transmitter: Any, plans: Callable[..., Any]):
    receiver = received()
    plans([RESET], {"u1": 0}, since=clock.now() - timedelta(hours=1))
    push(receiver, transmitter.token(REVOKED, "somebody-else"))
    placed = commands.record_news()
    assert (placed.recorded.in_no_plan, placed.recorded.new) == (1, 0)
    assert models.ContainmentDone.objects.count() == 0


def test_stream_updated_is_kept_with_its_status(received: Any, transmitter: Any):
    push(received(), transmitter.token(SSF + "stream-updated", "str-1", {"status": "paused", "reason": "audit"}))
    token = models.SignalToken.objects.get()
    assert (token.outcome, token.detail) == (SignalOutcome.STREAM_UPDATED, "paused")


@pytest.mark.parametrize("authorization", ["", "Bearer", "Bearer wrong", "Basic push-secret", "push-secret"])
def test_a_wrong_bearer_token_is_refused_before_anything_is_read(received: Any, transmitter: Any, authorization: str):
    assert push(received(), "hello", authorization=authorization) == (400, "authentication_failed")
    assert transmitter.asked == {}


def test_a_stream_there_is_not_answers_like_a_wrong_token(received: Any, transmitter: Any):
    receiver = received()
    absent = receiver.accept("other", HEADERS, b"x")
    wrong = receiver.accept("sso", HEADERS | {"authorization": "Bearer no"}, b"x")
    assert absent == wrong
    commands.remove_stream("sso", reason="over", by=models_author())
    assert receiver.accept("sso", HEADERS, transmitter.token(REVOKED, "u1").encode()) == wrong


def models_author() -> Any:
    values = lazily("tocsin.journal.values")
    return values.Author(name="ada", assurance=values.Assurance.ASSERTED)


def test_another_content_type_and_a_polled_stream_are_refused(received: Any, transmitter: Any):
    token = transmitter.token(REVOKED, "u1")
    assert push(received(), token, content_type="application/json") == (400, "invalid_request")
    assert push(received(delivery="poll", replace=True), token) == (400, "access_denied")


def test_a_turned_key_is_fetched_and_the_floor_between_fetches_holds(received: Any, transmitter: Any):
    receiver = received()
    push(receiver, transmitter.token(REVOKED, "u1"))
    assert transmitter.asked["/jwks"] == 1
    transmitter.turn_key()
    token = transmitter.token(REVOKED, "u2")
    assert push(receiver, token) == (400, "invalid_key")
    assert transmitter.asked["/jwks"] == 1
    receiver._keys_of(queries.stream("sso"))._asked_at -= 61
    assert push(receiver, token) == (202, "")
    for _ in range(5):
        assert push(receiver, transmitter.sign(transmitter.claims(REVOKED, "u"), kid="invented")) == (
            400,
            "invalid_key",
        )
    assert transmitter.asked["/jwks"] == 2


def test_keys_are_never_fetched_from_where_a_redirect_or_a_token_leads(received: Any, transmitter: Any):
    receiver = received(jwks_url=f"{transmitter.address}/moved")
    assert push(receiver, transmitter.token(REVOKED, "u1")) == (400, "invalid_key")
    assert "/jwks" not in transmitter.asked
    receiver = received(replace=True, jwks_url="", jwks=transmitter.jwks())
    other = rsa.generate_private_key(65537, 2048)
    public = {name: value for name, value in transmitter.jwks()["keys"][0].items() if name != "kid"}
    forged = transmitter.sign(
        transmitter.claims(REVOKED, "u1"), key=other, jku=f"{transmitter.address}/jwks", jwk=public
    )
    assert push(receiver, forged)[0] == 400
    assert push(receiver, transmitter.token(REVOKED, "u1")) == (202, "")


def test_names_are_placed_by_the_settings_and_never_guessed(received: Any, transmitter: Any, tmp_path: Any, plans: Any):
    aliases = tmp_path / "accounts.csv"
    aliases.write_text("account,email,phone\nu1,Anna@Example.org,+4670\nu2,twice@example.org,\nu3,twice@example.org,\n")
    receiver = received(
        subjects={"email": "alias", "phone_number": "alias", "iss_sub": "account"}, aliases=str(aliases)
    )
    plans([RESET], {"u1": 0, "u2": 0, "u3": 0}, since=clock.now() - timedelta(hours=1))
    subjects = [
        {"format": "email", "email": "anna@example.org"},
        {"format": "phone_number", "phone_number": "+4670"},
        {"format": "email", "email": "twice@example.org"},
        {"format": "opaque", "id": "u1"},
        {"format": "iss_sub", "iss": "https://sso.example.com", "sub": "u2"},
        {"format": "iss_sub", "iss": "https://other.example", "sub": "u3"},
        {"format": "did", "url": "did:example:1"},
    ]
    for subject in subjects:
        assert push(receiver, transmitter.token(REVOKED, subject)) == (202, "")
    placed = commands.record_news()
    assert (placed.taken, placed.unmapped, placed.recorded.new) == (5, 2, 3)
    assert set(models.ContainmentDone.objects.values_list("account", flat=True)) == {"u1", "u2"}
    assert sorted(name for _format, name, _event in queries.unmapped("sso")) == ["", "", "twice@example.org", "u1"]
    received(subjects={"opaque": "account"}, replace=True)
    again = commands.record_news()
    assert (again.taken, again.recorded.new) == (4, 1)


def test_what_waits_survives_a_crash_between_answering_and_recording(received: Any, transmitter: Any, plans: Any):
    receiver = received()
    plans([RESET], {"u1": 0}, since=clock.now() - timedelta(hours=1))
    push(receiver, transmitter.token(REVOKED, "u1"))
    assert outcomes() == {"waiting": 1}  # nothing was recorded by whoever answered
    assert commands.record_news().recorded.new == 1


@pytest.mark.benchmark
def test_the_time_to_keep_pushed_tokens(received: Any, transmitter: Any):
    receiver, count = received(), 500
    tokens = [transmitter.token(REVOKED, f"u{number}") for number in range(count)]
    began, cpu = time.perf_counter(), time.process_time()
    for token in tokens:
        assert push(receiver, token) == (202, "")
    seconds, cpu_seconds = time.perf_counter() - began, time.process_time() - cpu
    print(
        f"\n{count / seconds:.0f} tokens/s believed and on disk, one after the other ({count / cpu_seconds:.0f} per CPU-s here)"
    )
    began = time.perf_counter()
    assert commands.record_news().taken == count
    print(f"{count} tokens recorded in {time.perf_counter() - began:.1f} s")
