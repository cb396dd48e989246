"""What a provider's code means (Twilio, "Error and Warning Dictionary", read in 2026); an unknown code is safe."""

import json
import re
from collections.abc import Mapping
from typing import Any

from tocsin.integrations.http_calls.order_by_order import printable_reason
from tocsin.integrations.http_calls.pacing import retry_after
from tocsin.integrations.http_calls.posting import Answer
from tocsin.integrations.sms.meanings import ACCOUNT, AGAIN, BY_STATUS, GONE, LINE, OURS, POLICY, SLOW, Meaning
from tocsin.messaging.ports import OutcomeUnknown, TransportError
from tocsin.messaging.values import Reason, Verdict

SLOW_SECONDS = 5.0
UNREACHED_SECONDS = 30.0
_QUOTED = re.compile(r"(['\"])[^'\"]*\1")  # it may be of our text
_MEANINGS: Mapping[int, Meaning] = {
    14107: SLOW,
    20003: ACCOUNT,  # wrong credentials
    20005: ACCOUNT,  # the account is not active
    20008: ACCOUNT,  # test credentials
    20404: LINE,
    20429: SLOW,
    20500: AGAIN,
    20503: AGAIN,
    21211: GONE,  # no such number
    21212: LINE,  # our own number is wrong
    21214: GONE,
    21217: GONE,
    21265: GONE,
    21408: POLICY,  # the country is not allowed on the account
    21602: OURS,  # no text
    21603: LINE,
    21604: OURS,
    21605: OURS,  # too long
    21606: LINE,  # not our number
    21608: POLICY,  # a trial account reaches verified numbers only
    21610: (Verdict.STOPPED, Reason.REFUSED_BY_PERSON),
    21611: SLOW,  # our number's queue is full
    21612: POLICY,
    21614: GONE,  # not a mobile number
    21617: OURS,
    21619: OURS,
    21635: GONE,
    21659: LINE,
    21660: LINE,
    21661: LINE,
    21703: LINE,  # the messaging service has no numbers
    21705: LINE,
    30001: SLOW,
    30002: ACCOUNT,
    30003: GONE,
    30004: (Verdict.DEAD, Reason.REFUSED_BY_PERSON),
    30005: GONE,
    30006: GONE,  # a landline
    30007: (Verdict.OUR_MISTAKE, Reason.REFUSED_BY_POLICY),  # filtered as unwanted
    30008: (Verdict.OUR_MISTAKE, Reason.REFUSED),  # the network does not say why
    30010: POLICY,
    30022: SLOW,
    30032: LINE,  # toll-free number not verified
    30034: LINE,  # number not registered for the United States
}


def meaning(code: int) -> Meaning:
    """Return what a code in a status means for this message; unknown codes are final for it and for nothing else."""
    return _MEANINGS.get(code, (Verdict.OUR_MISTAKE, Reason.REFUSED))


def error_of(answer: Answer, *, without: str) -> TransportError:
    """Return the error for an answer that is no success; ``without`` is the number that may not be repeated."""
    told = _object(answer.body)
    code = told.get("code")
    if isinstance(code, int) and not isinstance(code, bool):
        found = _MEANINGS.get(code) or BY_STATUS.get(answer.status) or (Verdict.OUR_MISTAKE, Reason.REFUSED)
        words = _QUOTED.sub("...", str(told.get("message") or "").replace(without.removeprefix("+"), "..."))
        detail = printable_reason(words, without=without)
    elif answer.status in {408, 500, 502, 504} or answer.status < 400:
        # Something before the provider may have spoken after it had passed the message on.
        return OutcomeUnknown(f"HTTP {answer.status}")
    else:
        found = BY_STATUS.get(answer.status) or OURS
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
