"""What a mail server's reply means (RFC 5321, 4.2; enhanced codes of RFC 3463, IANA's registry of them as of 2026)."""

import re
from enum import StrEnum

from tocsin.integrations.email.wordings import Wording, wording
from tocsin.kernel import redaction
from tocsin.messaging.ports import TransportError
from tocsin.messaging.values import Reason, Verdict

GREYLISTED_SECONDS = 300.0  # what most greylisting asks for
SLOW_SECONDS = 60.0
UNREACHED_SECONDS = 60.0
FULL_SECONDS = 3600.0
DETAIL_CHARACTERS_MAX = 200
WORDS_CHARACTERS_MAX = 2000  # of which those are taken: anybody may have written them
LINE_CLOSED = 421
_ENHANCED = re.compile(r"\b([245])\.(\d{1,3})\.(\d{1,3})\b")
_ADDRESS = re.compile(r"\S*@\S*")
_QUOTED = re.compile(r"(['\"])[^'\"]*\1")  # filters quote what displeased them
_TOO_MUCH = re.compile(
    r"too many (requests|messages|mails|e-?mails|recipients?|connections|attempts|errors)|too fast|slow down|throttl|"
    r"(rate|sending|hourly|daily) (limit|quota)|(message|mail|sending) rate|exceeded .{0,40}(limit|quota) .{0,20}(hour|day|minute)",
    re.IGNORECASE,
)
_GREY = re.compile(r"gr[ae]y[ -]?list", re.IGNORECASE)


class Stage(StrEnum):
    """How far a mail had come when the server said no."""

    OPENING = "opening"  # connecting, TLS, login
    SENDER = "sender"
    RECIPIENT = "recipient"
    CONTENT = "content"


_Meaning = tuple[Verdict, Reason]
_GONE: _Meaning = (Verdict.DEAD, Reason.NOT_REACHABLE)
_POLICY: _Meaning = (Verdict.DEAD, Reason.REFUSED_BY_POLICY)
_CONTENT: _Meaning = (Verdict.OUR_MISTAKE, Reason.REFUSED_BY_POLICY)
_SOFT: _Meaning = (Verdict.OUR_MISTAKE, Reason.TRY_LATER)  # the address is good, and this mail does not reach it
_OURS: _Meaning = (Verdict.OUR_MISTAKE, Reason.OUR_MISTAKE)
_LINE: _Meaning = (Verdict.HOLD_LINE, Reason.REFUSED_BY_POLICY)
_FINAL: dict[str, _Meaning] = {
    "5.1.0": _GONE,
    "5.1.1": _GONE,  # no such mailbox
    "5.1.2": _GONE,  # no such host
    "5.1.3": _GONE,
    "5.1.4": _GONE,
    "5.1.6": _GONE,  # moved away
    "5.1.7": _LINE,  # our own sender's address
    "5.1.8": _LINE,
    "5.1.9": _GONE,
    "5.1.10": _GONE,  # its domain takes no mail (null MX)
    "5.2.0": _GONE,
    "5.2.1": _GONE,  # the mailbox is switched off
    "5.2.2": _SOFT,  # full, and the server has given up
    "5.2.3": _OURS,  # too long
    "5.3.4": _OURS,
    "5.4.1": _GONE,
    "5.4.4": _GONE,
    "5.4.6": _OURS,  # a loop
    "5.6.7": _GONE,  # letters outside ASCII, which this server does not take
    "5.7.8": _LINE,  # wrong credentials
    "5.7.9": _LINE,
    "5.7.11": _LINE,
    "5.7.13": _GONE,  # the person's account is switched off
    "5.7.17": _GONE,  # the mailbox has changed its owner
    "5.7.18": _GONE,
    **{f"5.7.{n}": _LINE for n in range(20, 28)},  # DKIM, SPF, reverse DNS, ARC, a sender without mail
}
# Codes that say nothing more than no: what stands beside them decides.
_GENERAL = frozenset({"", "5.0.0", "5.1.0", "5.2.0", "5.2.1", "5.3.0", "5.4.0", "5.5.0", "5.6.0", "5.7.0", "5.7.1"})
_BY_WORDING: dict[Wording, _Meaning] = {
    Wording.NO_RELAY: (Verdict.HOLD_LINE, Reason.OUR_MISTAKE),
    Wording.TOO_OFTEN: _SOFT,
    Wording.FULL: _SOFT,
    Wording.NOBODY: _GONE,
}
_BY_STAGE: dict[Stage, _Meaning] = {
    Stage.OPENING: (Verdict.HOLD_LINE, Reason.OUR_MISTAKE),
    Stage.SENDER: _LINE,
    Stage.RECIPIENT: _GONE,
    Stage.CONTENT: _CONTENT,
}


def refusal(code: int, text: str, *, stage: Stage, without: str = "") -> TransportError:
    """Return the error for a reply of 400 or more; ``without`` is the address that may not be repeated."""
    detail = shown(text, without=without)
    if 400 <= code < 500:
        return _for_now(code, text, stage=stage, detail=detail)
    verdict, reason = meaning(_enhanced(text), code=code, stage=stage, text=text)
    permanent = verdict is not Verdict.HOLD_LINE
    return TransportError(permanent=permanent, verdict=verdict, reason=reason, code=code, detail=detail)


def meaning(enhanced: str, *, code: int, stage: Stage, text: str = "") -> tuple[Verdict, Reason]:
    """Return what a final refusal means: by its enhanced code, else by what servers are known to say, else by its code.

    How far the mail had come decides what is left.
    """
    if enhanced in _GENERAL and stage in {Stage.RECIPIENT, Stage.CONTENT}:
        said = wording(text)
        if said is Wording.POLICY:
            return _POLICY if stage is Stage.RECIPIENT else _CONTENT
        if said in _BY_WORDING:
            return _BY_WORDING[said]
    if enhanced in _FINAL:
        return _FINAL[enhanced]
    if code in {530, 534, 535, 538}:
        return Verdict.HOLD_LINE, Reason.OUR_MISTAKE
    if enhanced.startswith("5.7.") and stage is Stage.RECIPIENT:
        return _POLICY
    if enhanced.startswith(("5.5.", "5.6.")) or code in {500, 501, 502, 503, 504, 552, 555}:
        return _OURS if stage in {Stage.CONTENT, Stage.RECIPIENT} else _LINE
    return _BY_STAGE[stage]


def bounced(enhanced: str, *, code: int, text: str) -> tuple[Verdict, Reason]:
    """Return what a bounce means: one whose time ran out (4.x.x) says nothing final of the address."""
    if enhanced.startswith("4.") or 400 <= code < 500:
        return _SOFT
    verdict, reason = meaning(enhanced, code=code, stage=Stage.RECIPIENT, text=text)
    return (Verdict.OUR_MISTAKE, reason) if verdict is Verdict.HOLD_LINE else (verdict, reason)


def not_reached(detail: str, *, mendable: bool = False) -> TransportError:
    """Return the error for a server that does not answer; ``mendable``: not before somebody changes something here."""
    wait = None if mendable else UNREACHED_SECONDS
    reason = Reason.OUR_MISTAKE if mendable else Reason.TRY_LATER
    return TransportError(permanent=False, verdict=Verdict.HOLD_LINE, reason=reason, detail=detail, wait_seconds=wait)


def dropped(detail: str) -> TransportError:
    """Return the error for a line that broke before the mail had been handed over: it was not taken.

    Its code is what a server says that closes a line (RFC 5321, 3.8): a mail over which it breaks every time ends.
    """
    return TransportError(
        permanent=False, verdict=Verdict.RETRY, reason=Reason.TRY_LATER, code=LINE_CLOSED, detail=detail
    )


def no_room() -> TransportError:
    """Return the error for a mail that found no free connection in time: the line is slower than its pace."""
    return TransportError(
        permanent=False, verdict=Verdict.SLOW_LINE, reason=Reason.RATE_LIMITED, detail="no connection was free",
        wait_seconds=SLOW_SECONDS,
    )  # fmt: skip


def our_mistake(detail: str) -> TransportError:
    """Return the error for a mail that cannot be sent as it is."""
    return TransportError(permanent=True, verdict=Verdict.OUR_MISTAKE, reason=Reason.OUR_MISTAKE, detail=detail)


def shown(text: str, *, without: str = "") -> str:
    """Return a server's words short and printable, without addresses and quotations: servers repeat both."""
    text = text[:WORDS_CHARACTERS_MAX]
    if without:
        local, _, domain = without.partition("@")
        for part in (without, local, domain):
            text = re.sub(rf"(?<!\w){re.escape(part)}(?!\w)", "...", text, flags=re.IGNORECASE) if part else text
    unquoted = _QUOTED.sub("...", _ADDRESS.sub("...", redaction.masked(text)))
    return redaction.printable(unquoted)[:DETAIL_CHARACTERS_MAX]


def _for_now(code: int, text: str, *, stage: Stage, detail: str) -> TransportError:
    enhanced = _enhanced(text)
    verdict, reason, wait = Verdict.RETRY, Reason.TRY_LATER, None
    if code == 454 and stage is Stage.OPENING:  # the login or TLS does not work for now
        return TransportError(
            permanent=False, verdict=Verdict.HOLD_LINE, reason=reason, code=code, detail=detail,
            wait_seconds=UNREACHED_SECONDS,
        )  # fmt: skip
    ours = stage is Stage.SENDER and enhanced.startswith("4.7.")
    # Some carriers count at the recipient: what they say is about us, and about nobody's mailbox.
    ours |= not enhanced.startswith("4.2.") and bool(_TOO_MUCH.search(text))
    if stage is Stage.OPENING or ours or code == LINE_CLOSED:
        verdict, reason, wait = Verdict.SLOW_LINE, Reason.RATE_LIMITED, SLOW_SECONDS
    elif enhanced == "4.2.2" or (code == 452 and stage is Stage.RECIPIENT and not enhanced):
        verdict, wait = Verdict.LATER, FULL_SECONDS
    elif _GREY.search(text) or (stage is Stage.RECIPIENT and (enhanced.startswith("4.7.") or code in {450, 451})):
        verdict, wait = Verdict.LATER, GREYLISTED_SECONDS
    return TransportError(permanent=False, verdict=verdict, reason=reason, code=code, detail=detail, wait_seconds=wait)


def _enhanced(text: str) -> str:
    found = _ENHANCED.search(text)
    return ".".join(found.groups()) if found else ""
