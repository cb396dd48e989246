"""Refusals of the WhatsApp Cloud API, read: which code, what it means, in whose words."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from tocsin.integrations.whatsapp.error_table import (
    CODES,
    RANGES,
    SUBCODES,
    UNKNOWN_FAILED,
    UNKNOWN_FAULT,
    UNKNOWN_LIMIT,
    UNKNOWN_REFUSED,
    Known,
)
from tocsin.kernel.errors import TocsinError
from tocsin.kernel.language import gettext as _, gettext_noop
from tocsin.kernel.redaction import printable
from tocsin.messaging.ports import TransportError
from tocsin.messaging.values import Reason, Verdict

DETAIL_CHARACTERS_MAX = 300
PERMANENT = frozenset({Verdict.DEAD, Verdict.STOPPED, Verdict.OUR_MISTAKE})
MARKETING_LIMIT = 131049
# Telephone numbers and business-scoped ids may stand in Meta's words, and must not in ours.
_ADDRESS = re.compile(r"\+?\d(?:[ ().-]?\d){6,}|\b[A-Z]{2}\.(?:ENT\.)?[0-9A-Za-z]{6,128}\b")


@dataclass(frozen=True, slots=True)
class Refusal:
    """One error object of Meta. ``http`` is 0 for one that came by webhook."""

    code: int
    subcode: int = 0
    title: str = ""
    details: str = ""
    http: int = 0
    wait_seconds: float | None = None

    @property
    def known(self) -> Known:
        """Return what the table says of it."""
        return judged(self.code, subcode=self.subcode, http=self.http)

    @property
    def detail(self) -> str:
        """Return Meta's own words without anybody's address."""
        return told(self.title, self.details)

    def without(self, private: Sequence[str]) -> str:
        """Return Meta's own words without these texts, which it may repeat."""
        title, details = self.title, self.details
        for text in sorted(private, key=len, reverse=True):
            title, details = title.replace(text, "…"), details.replace(text, "…")
        return told(title, details)


class RefusedByMeta(TocsinError):
    """Meta does not do what was asked; for calls other than the sending of messages."""

    def __init__(self, refusal: Refusal, *, body: bytes = b"") -> None:
        words = refusal.detail or "-"  # Meta's own, which end without a full stop as often as with one
        said = _("Meta refuses it ({code}): {words}").format(
            code=refusal.code, words=words if words.endswith((".", "!", "?", "…")) else f"{words}."
        )
        super().__init__(said, mend=_(refusal.known.words))
        self.refusal = refusal
        self.body = body  # some refusals tell what was done all the same


class NotAnswered(TocsinError):
    """Meta could not be asked, or its answer did not come or is not understood."""

    usual_mend = gettext_noop("Try again in a minute; metastatus.com says whether Meta is well.")


def judged(code: int, *, subcode: int = 0, http: int = 0) -> Known:
    """Return what a code means; one that is not in the table is judged by where it was said.

    ``http`` is the status of the answer it stood in, 0 for a status webhook, which tells of what is over.
    """
    known = SUBCODES.get((code, subcode)) or CODES.get(code)
    if known is None:
        known = next((each for (first, last), each in RANGES.items() if first <= code <= last), None)
    if known is not None:
        return known
    if not http:
        return UNKNOWN_FAILED
    if http == 429:
        return UNKNOWN_LIMIT
    return UNKNOWN_FAULT if http >= 500 or http < 400 else UNKNOWN_REFUSED


def told(title: str, details: str) -> str:
    """Return Meta's words, short, printable, and without anybody's address."""
    parts = [title] if not details or details in title else [title, details]
    text = _ADDRESS.sub("…", printable(": ".join(part for part in parts if part)))
    return text[:DETAIL_CHARACTERS_MAX]


def refusal_of(http: int, headers: Mapping[str, str], body: bytes) -> Refusal | None:
    """Return the refusal an answer holds, or None when it holds none that is understood."""
    try:
        error = orjson.loads(body)["error"]
        code = int(error["code"])
    except (ValueError, TypeError, KeyError):
        return None
    data = error.get("error_data")
    details = data.get("details", "") if isinstance(data, dict) else ""
    return Refusal(
        code=code,
        subcode=_whole(error.get("error_subcode")),
        title=str(error.get("error_user_title") or error.get("message") or ""),
        details=str(error.get("error_user_msg") or details or ""),
        http=http,
        wait_seconds=asked_wait(headers),
    )


def transport_error(refusal: Refusal, *, to: str = "", private: Sequence[str] = ()) -> TransportError:
    """Return what a refusal means for one message to ``to``; Meta's words without what was ``private`` in it."""
    verdict, reason, wait_seconds = verdict_of(refusal.code, subcode=refusal.subcode, http=refusal.http, to=to)
    return TransportError(
        permanent=verdict in PERMANENT,
        verdict=verdict,
        reason=reason,
        code=refusal.code,
        detail=refusal.without(private),
        wait_seconds=refusal.wait_seconds or wait_seconds,
    )


def verdict_of(
    code: int, *, subcode: int = 0, http: int = 0, to: str = ""
) -> tuple[Verdict, Reason, float | None]:  # fmt: skip
    """Return verdict, reason and least wait in seconds for a message to the address ``to``, in E.164 or empty.

    Numbers of the United States get no marketing at all since April 2025 (131049): waiting a day changes nothing.
    """
    known = judged(code, subcode=subcode, http=http)
    if code == MARKETING_LIMIT and to.startswith("+1"):
        return Verdict.DEAD, known.reason, None
    return known.verdict, known.reason, known.wait_seconds


def asked_wait(headers: Mapping[str, str]) -> float | None:
    """Return the seconds an answer asks us to wait (RFC 9110, Retry-After; dates are not used by Meta), or None."""
    text = headers.get("Retry-After", "")
    return float(text) if text.isascii() and text.isdigit() and len(text) < 7 else None


def _whole(value: Any) -> int:
    return value if isinstance(value, int) else int(value) if isinstance(value, str) and value.isdigit() else 0
