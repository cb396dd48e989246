"""What django-anymail's errors mean: whether the provider refused, was not reached, or nobody knows."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from tocsin.integrations.email.replies import no_room, our_mistake, shown
from tocsin.integrations.http_calls.pacing import retry_after
from tocsin.kernel.loading import lazily
from tocsin.messaging.ports import OutcomeUnknown, TransportError
from tocsin.messaging.values import Reason, Verdict

exceptions = lazily("anymail.exceptions")
requests = lazily("requests")
urllib3 = lazily("urllib3.exceptions")

__all__ = ["as_transport_errors", "check_status", "no_room", "our_mistake"]

SLOW_SECONDS = 15.0
UNREACHED_SECONDS = 60.0
_PERMANENT = frozenset({Verdict.DEAD, Verdict.STOPPED, Verdict.OUR_MISTAKE})
_BY_STATUS: Mapping[int, tuple[Verdict, Reason]] = {
    401: (Verdict.HOLD_ACCOUNT, Reason.OUR_MISTAKE),
    402: (Verdict.HOLD_ACCOUNT, Reason.REFUSED),
    403: (Verdict.HOLD_ACCOUNT, Reason.OUR_MISTAKE),
    404: (Verdict.HOLD_LINE, Reason.OUR_MISTAKE),
    429: (Verdict.SLOW_LINE, Reason.RATE_LIMITED),
    503: (Verdict.RETRY, Reason.TRY_LATER),
}


@contextmanager
def as_transport_errors() -> Iterator[None]:
    """Turn django-anymail's errors into ours, which repeat nothing: theirs hold the whole mail."""
    try:
        yield
    except exceptions.AnymailRecipientsRefused:
        raise TransportError(permanent=True, verdict=Verdict.DEAD, reason=Reason.NOT_REACHABLE) from None
    except exceptions.AnymailAPIError as error:
        raise _of_call(error) from None
    except (exceptions.AnymailError, ValueError) as error:
        raise our_mistake(shown(type(error).__name__)) from None


def check_status(status: Any) -> None:
    """Raise when the provider took the call and not the mail, or does not say which."""
    words = set(status.status or ())
    if not words & {"invalid", "rejected"} and not status.message_id:
        raise OutcomeUnknown("the provider names no mail")
    if words & {"invalid", "rejected"} and not words & {"sent", "queued", "unknown"}:
        raise TransportError(
            permanent=True, verdict=Verdict.DEAD, reason=Reason.NOT_REACHABLE, detail=", ".join(sorted(words))
        )


def _of_call(error: Any) -> TransportError:
    status = error.status_code or (error.response.status_code if error.response is not None else 0)
    if not status:
        return _of_line(error)
    if status < 400 or status in {408, 500, 502, 504}:
        # It may have taken the mail, or something before it may have spoken.
        return OutcomeUnknown(f"HTTP {status}")
    verdict, reason = _BY_STATUS.get(status, (Verdict.OUR_MISTAKE, Reason.REFUSED))
    wait = retry_after(error.response.headers) if error.response is not None else None
    if verdict is Verdict.SLOW_LINE and wait is None:
        wait = SLOW_SECONDS
    return TransportError(
        permanent=verdict in _PERMANENT, verdict=verdict, reason=reason, code=status, detail=f"HTTP {status}",
        wait_seconds=wait if verdict in {Verdict.SLOW_LINE, Verdict.RETRY} else None,
    )  # fmt: skip


def _of_line(error: Any) -> TransportError:
    """Return the error for a call without an answer: whether anything left depends on whether a line was there."""
    cause = error.__cause__
    inner = cause.args[0] if isinstance(cause, requests.ConnectionError) and cause.args else None
    never_connected = isinstance(cause, requests.ConnectTimeout) or isinstance(
        getattr(inner, "reason", None), urllib3.NewConnectionError
    )
    untrusted = isinstance(cause, requests.exceptions.SSLError)
    if not (never_connected or untrusted):
        return OutcomeUnknown(type(cause).__name__ if cause else "no answer")
    return TransportError(
        permanent=False, verdict=Verdict.HOLD_LINE, reason=Reason.TRY_LATER, detail=type(cause).__name__,
        wait_seconds=UNREACHED_SECONDS,
    )  # fmt: skip
