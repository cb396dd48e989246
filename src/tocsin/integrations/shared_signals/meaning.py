"""What an event means to containment: CAEP 1.0 and RISC 1.0 event types, RFC 9493 subject identifiers."""

from collections.abc import Mapping
from typing import Any

from tocsin.containment.values import DoneKind, SignalNews, SignalOutcome
from tocsin.integrations.shared_signals.tokens import RefusalCode, Refused, Token

CAEP = "https://schemas.openid.net/secevent/caep/event-type/"
RISC = "https://schemas.openid.net/secevent/risc/event-type/"
_CHANGED = frozenset({"create", "update"})  # revoke and delete leave no new password behind
# The member of each simple identifier format that names somebody (RFC 9493, section 3.2).
_NAMES = {"opaque": "id", "email": "email", "phone_number": "phone_number", "account": "uri", "iss_sub": "sub"}


def news_of(token: Token, *, settings: Mapping[str, Any], issuer: str) -> SignalNews:
    """Return what a believed token tells; raises Refused for a verification that is not the one asked for."""
    form, name = identified(token.subject, issuer=str(settings.get("iss_sub_issuer") or issuer))
    outcome, kind, detail = _told(token, settings=settings)
    if outcome is SignalOutcome.WAITING and not name:
        outcome, detail = SignalOutcome.UNMAPPED, f"{detail}: {form or 'no format'}"
    return SignalNews(
        jti=token.jti, outcome=outcome, kind=kind, happened_at=token.happened_at, format=form, name=name, detail=detail
    )  # fmt: skip


def identified(subject: Mapping[str, Any], *, issuer: str) -> tuple[str, str]:
    """Return the format of an identifier and the name in it; an empty name when there is none that can be used.

    Of a complex one (framework, section 3.3) it is the person's; of an ``iss_sub`` only the expected issuer's.
    """
    form = str(subject.get("format", ""))
    if form == "complex":
        person = subject.get("user")
        return identified(person, issuer=issuer) if isinstance(person, dict) else (form, "")
    name = subject.get(_NAMES.get(form, ""))
    if not isinstance(name, str) or (form == "iss_sub" and subject.get("iss") != issuer):
        return form, ""
    return form, name.removeprefix("acct:") if form == "account" else name


def _told(token: Token, *, settings: Mapping[str, Any]) -> tuple[SignalOutcome, DoneKind | None, str]:
    waiting, ignored = SignalOutcome.WAITING, SignalOutcome.IGNORED
    payload, event = token.payload, token.event
    short = event.rpartition("/")[2][:64]
    match event:
        case "https://schemas.openid.net/secevent/caep/event-type/session-revoked":
            # Of a complex subject that names a session, only that session has ended.
            one = token.subject.get("format") == "complex" and "session" in token.subject
            return (ignored, None, f"{short}: one session") if one else (waiting, DoneKind.SESSIONS_ENDED, short)
        case "https://schemas.openid.net/secevent/caep/event-type/credential-change":
            credential, change = payload.get("credential_type"), payload.get("change_type")
            if not isinstance(credential, str) or not isinstance(change, str):
                raise Refused(RefusalCode.INVALID_REQUEST, "credential-change needs credential_type and change_type.")
            told = f"{short}: {credential} {change}"[:48]
            # A password that an administrator or a policy sets is not one its person chose.
            initiator = payload.get("initiating_entity", "user")
            if initiator != "user":
                return ignored, None, f"{told} by {initiator}"[:64]
            counts = credential == "password" and change in _CHANGED
            return (waiting, DoneKind.PASSWORD_CHANGED, told) if counts else (ignored, None, told)
        case "https://schemas.openid.net/secevent/risc/event-type/account-disabled":
            return waiting, DoneKind.SUSPENDED, short
        case "https://schemas.openid.net/secevent/ssf/event-type/verification":
            _check_verification(token, settings=settings)
            return SignalOutcome.VERIFICATION, None, short
        case "https://schemas.openid.net/secevent/ssf/event-type/stream-updated":
            return SignalOutcome.STREAM_UPDATED, None, str(payload.get("status", ""))[:64]
    return ignored, None, short


def _check_verification(token: Token, *, settings: Mapping[str, Any]) -> None:
    """Hold a verification against what was asked for, where something was (framework, section 8.1.4)."""
    stream_id, state = settings.get("stream_id"), settings.get("verification_state")
    if token.subject.get("format") != "opaque" or (stream_id and token.subject.get("id") != stream_id):
        raise Refused(RefusalCode.INVALID_REQUEST, "A verification is about the stream itself.")
    given = token.payload.get("state")
    if state and given is not None and given != state:
        raise Refused(RefusalCode.INVALID_STATE, "This is not the state that was asked for.")
