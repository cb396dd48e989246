"""What Kannel's words mean: its answers to sendsms, and what its reports say (user guide 1.4.5; SMPP 3.4, 5.1.3, B)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from tocsin.integrations.http_calls.pacing import retry_after
from tocsin.integrations.http_calls.posting import Answer
from tocsin.integrations.sms.meanings import ACCOUNT, AGAIN, BY_STATUS, GONE, LINE, OURS, POLICY, SLOW, Meaning
from tocsin.integrations.sms.replies import SLOW_SECONDS
from tocsin.messaging.ports import OutcomeUnknown, TransportError
from tocsin.messaging.values import Reason, Verdict

_REFUSED: Meaning = (Verdict.OUR_MISTAKE, Reason.REFUSED)
# How an answer begins; 403 is said both of wrong credentials and of a number that no message centre takes.
_SAID: Mapping[str, Meaning] = {
    "authorization failed": ACCOUNT,
    "not routable": GONE,
    "number(s) has/have been denied": POLICY,
    "sender missing": LINE,
    "dlr-url field misformed": LINE,
    "account field misformed": LINE,
    "unknown request": LINE,
    "invalid content-type": LINE,
}
# Of a receipt in SMPP's usual form: "id:1 sub:001 ... stat:UNDELIV err:001 text:...". Its text is ours, and never kept.
_STATE = re.compile(r"\bstat:([A-Za-z]{1,10})\b")
_ERROR = re.compile(r"\berr:([0-9A-Za-z]{1,8})\b")
_NACK = re.compile(r"NACK/(?:0x([0-9a-fA-F]{1,8}))?(no SMSC)?")
_STATES: Mapping[str, Meaning] = {
    "UNDELIV": GONE,
    "EXPIRED": GONE,
    "UNKNOWN": GONE,
    "REJECTD": _REFUSED,
    "DELETED": _REFUSED,
}
_CODES: Mapping[int, Meaning] = {  # command_status
    0x0A: LINE,  # our own number is wrong
    0x0B: GONE,  # no such number
    0x0C: AGAIN,
    0x14: SLOW,  # the message centre's queue is full
    0x48: LINE,
    0x49: LINE,
    0x58: SLOW,  # too fast
}


@dataclass(frozen=True, slots=True)
class Told:
    """What a report says: the meaning of a failure, a code to look up at the carrier, short words without our text."""

    meaning: tuple[Verdict, Reason]
    code: int
    words: str


def report(text: str) -> Told:
    """Read the part of a report that says why: a receipt, or the refusal of a message centre (``NACK/0x...``)."""
    refused = _NACK.match(text)
    if refused:
        if refused[2]:
            return Told(GONE, 0, "not routable")
        code = int(refused[1] or "0", 16)
        return Told(_CODES.get(code, _REFUSED), code, f"refused 0x{code:08x}" if code else "refused")
    state, error = _STATE.search(text), _ERROR.search(text)
    word, number = state[1].upper() if state else "", error[1] if error else ""
    code = int(number) if number.isdecimal() else 0
    return Told(_STATES.get(word, _REFUSED), code, f"{word} {number}".strip())


def error_of(answer: Answer) -> TransportError:
    """Return the error for an answer to sendsms that is no success."""
    said = answer.body[:200].decode("utf-8", "replace").strip().lower()
    known = next((meaning for words, meaning in _SAID.items() if said.startswith(words)), None)
    if known is None and (answer.status in {408, 500, 502, 504} or answer.status < 400):
        # Kannel, or something before it, may have spoken after the message was passed on.
        return OutcomeUnknown(f"HTTP {answer.status}")
    verdict, reason = known or BY_STATUS.get(answer.status) or OURS
    wait = retry_after(answer.headers) if verdict in {Verdict.SLOW_LINE, Verdict.RETRY} else None
    return TransportError(
        permanent=verdict in {Verdict.DEAD, Verdict.OUR_MISTAKE},
        verdict=verdict, reason=reason, code=answer.status, detail=f"HTTP {answer.status}",
        wait_seconds=wait if wait is not None else (SLOW_SECONDS if verdict is Verdict.SLOW_LINE else None),
    )  # fmt: skip
