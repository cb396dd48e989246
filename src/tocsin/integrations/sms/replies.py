"""What a provider's code means (Twilio, "Error and Warning Dictionary", read in 2026); an unknown code is safe."""

import json
import re
from collections.abc import Mapping
from typing import Any

from tocsin.integrations.http_calls.order_by_order import printable_reason
from tocsin.integrations.http_calls.pacing import retry_after
from tocsin.integrations.http_calls.posting import Answer
from tocsin.messaging.ports import OutcomeUnknown, TransportError
from tocsin.messaging.values import Reason, Verdict

SLOW_SECONDS = 5.0
UNREACHED_SECONDS = 30.0
_QUOTED = re.compile(r"(['\"])[^'\"]*\1")  # it may be of our text
_Meaning = tuple[Verdict, Reason]
_GONE: _Meaning = (Verdict.DEAD, Reason.NOT_REACHABLE)
_POLICY: _Meaning = (Verdict.DEAD, Reason.REFUSED_BY_POLICY)
_OURS: _Meaning = (Verdict.OUR_MISTAKE, Reason.OUR_MISTAKE)
_LINE: _Meaning = (Verdict.HOLD_LINE, Reason.OUR_MISTAKE)
_ACCOUNT: _Meaning = (Verdict.HOLD_ACCOUNT, Reason.OUR_MISTAKE)
_SLOW: _Meaning = (Verdict.SLOW_LINE, Reason.RATE_LIMITED)
_AGAIN: _Meaning = (Verdict.RETRY, Reason.TRY_LATER)
_MEANINGS: Mapping[int, _Meaning] = {
    14107: _SLOW,
    20003: _ACCOUNT,  # wrong credentials
    20005: _ACCOUNT,  # the account is not active
    20008: _ACCOUNT,  # test credentials
    20404: _LINE,
    20429: _SLOW,
    20500: _AGAIN,
    20503: _AGAIN,
    21211: _GONE,  # no such number
    21212: _LINE,  # our own number is wrong
    21214: _GONE,
    21217: _GONE,
    21265: _GONE,
    21408: _POLICY,  # the country is not allowed on the account
    21602: _OURS,  # no text
    21603: _LINE,
    21604: _OURS,
    21605: _OURS,  # too long
    21606: _LINE,  # not our number
    21608: _POLICY,  # a trial account reaches verified numbers only
    21610: (Verdict.STOPPED, Reason.REFUSED_BY_PERSON),
    21611: _SLOW,  # our number's queue is full
    21612: _POLICY,
    21614: _GONE,  # not a mobile number
    21617: _OURS,
    21619: _OURS,
    21635: _GONE,
    21659: _LINE,
    21660: _LINE,
    21661: _LINE,
    21703: _LINE,  # the messaging service has no numbers
    21705: _LINE,
    30001: _SLOW,
    30002: _ACCOUNT,
    30003: _GONE,
    30004: (Verdict.DEAD, Reason.REFUSED_BY_PERSON),
    30005: _GONE,
    30006: _GONE,  # a landline
    30007: (Verdict.OUR_MISTAKE, Reason.REFUSED_BY_POLICY),  # filtered as unwanted
    30008: (Verdict.OUR_MISTAKE, Reason.REFUSED),  # the network does not say why
    30010: _POLICY,
    30022: _SLOW,
    30032: _LINE,  # toll-free number not verified
    30034: _LINE,  # number not registered for the United States
}
_BY_STATUS: Mapping[int, _Meaning] = {
    401: _ACCOUNT,
    403: _ACCOUNT,
    404: _LINE,
    407: _LINE,
    429: _SLOW,
    503: _AGAIN,
}


def meaning(code: int) -> _Meaning:
    """Return what a code in a status means for this message; unknown codes are final for it and for nothing else."""
    return _MEANINGS.get(code, (Verdict.OUR_MISTAKE, Reason.REFUSED))


def error_of(answer: Answer, *, without: str) -> TransportError:
    """Return the error for an answer that is no success; ``without`` is the number that may not be repeated."""
    told = _object(answer.body)
    code = told.get("code")
    if isinstance(code, int) and not isinstance(code, bool):
        found = _MEANINGS.get(code) or _BY_STATUS.get(answer.status) or (Verdict.OUR_MISTAKE, Reason.REFUSED)
        words = _QUOTED.sub("...", str(told.get("message") or "").replace(without.removeprefix("+"), "..."))
        detail = printable_reason(words, without=without)
    elif answer.status in {408, 500, 502, 504} or answer.status < 400:
        # Something before the provider may have spoken after it had passed the message on.
        return OutcomeUnknown(f"HTTP {answer.status}")
    else:
        found = _BY_STATUS.get(answer.status) or _OURS
        code, detail = answer.status, f"HTTP {answer.status}"
    verdict, reason = found
    wait = retry_after(answer.headers) if verdict in {Verdict.SLOW_LINE, Verdict.RETRY} else None
    return TransportError(
        permanent=verdict in {Verdict.DEAD, Verdict.STOPPED, Verdict.OUR_MISTAKE},
        verdict=verdict, reason=reason, code=code, detail=detail,
        wait_seconds=wait if wait is not None else (SLOW_SECONDS if verdict is Verdict.SLOW_LINE else None),
    )  # fmt: skip


def refused_at_once(code: object) -> TransportError:
    """Return the error for a message that was taken and failed in the same answer."""
    number = int(code) if isinstance(code, int | str) and str(code).isdigit() else 0
    verdict, reason = meaning(number)
    permanent = verdict in {Verdict.DEAD, Verdict.STOPPED, Verdict.OUR_MISTAKE}
    return TransportError(permanent=permanent, verdict=verdict, reason=reason, code=number)


def not_reached(detail: str) -> TransportError:
    """Return the error for a provider that does not answer: nothing was sent, and nothing is for a while."""
    return TransportError(
        permanent=False, verdict=Verdict.HOLD_LINE, reason=Reason.TRY_LATER, detail=detail,
        wait_seconds=UNREACHED_SECONDS,
    )  # fmt: skip


def _object(body: bytes) -> Mapping[str, Any]:
    try:
        told = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return told if isinstance(told, dict) else {}
