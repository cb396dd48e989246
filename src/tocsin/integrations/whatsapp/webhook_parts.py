"""Parts of Meta's webhooks read without trusting them: a missing or strange part is empty, never an error."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from tocsin.customers.values import AddressKind

SCOPED_ID = re.compile(r"[A-Z]{2}\.(?:ENT\.)?[0-9A-Za-z]{1,128}")
_MILLISECONDS_FROM = 100_000_000_000  # as seconds this would be the year 5138
_SECONDS_MAX = 4_102_444_800  # 2100
_BRAZIL_WITHOUT_9 = re.compile(r"55[1-9][0-9][6-9][0-9]{7}")
_MEXICO_WITH_1 = re.compile(r"521[0-9]{10}")
_ADDRESS_CHARACTERS_MAX = 140  # of a business-scoped id, with its country and kind
_DIGITS = re.compile(r"\+?[0-9]{5,20}")


@dataclass(frozen=True, slots=True)
class Change:
    """One change of an entry: the account it is of, when Meta sent it, what it says."""

    account: str
    at: datetime
    value: Mapping[str, Any]


def mapping(value: Any) -> Mapping[str, Any]:
    """Return a JSON object, or an empty one for anything else."""
    return value if isinstance(value, dict) else {}


def listed(value: Any) -> list[Any]:
    """Return a JSON list; of a single object, which some examples of Meta have in its place, a list of it."""
    return value if isinstance(value, list) else [value] if isinstance(value, dict) else []


def text(value: Any) -> str:
    """Return a text; a number (template ids are numbers in webhooks, texts in the API) as its digits."""
    if isinstance(value, str):
        # PostgreSQL keeps no NUL in a text.
        return value.replace("\0", "\ufffd") if "\0" in value else value
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else ""


def moment(value: Any) -> datetime | None:
    """Return a time given in Unix seconds or milliseconds, as a number or as its digits; None for anything else."""
    if isinstance(value, str):
        if not (value.isascii() and value.isdigit() and len(value) <= 16):
            return None
        value = int(value)
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    seconds = value / 1000 if value >= _MILLISECONDS_FROM else value
    return datetime.fromtimestamp(seconds, UTC) if 0 < seconds <= _SECONDS_MAX else None


def addresses(*, phone: Any = "", scoped: Any = "") -> dict[AddressKind, str]:
    """Return how a person is named: each as it is, whichever of the two fields it stood in; neither is guessed."""
    found: dict[AddressKind, str] = {}
    for value in (text(scoped), text(phone)):
        if value and len(value) <= _ADDRESS_CHARACTERS_MAX:
            kind, address = _address(value)
            if kind is not None:
                found[kind] = address
    return found


@lru_cache(maxsize=4096)
def _address(value: str) -> tuple[AddressKind | None, str]:
    """Return what kind of address a text is; kept, because a webhook names each person several times."""
    if SCOPED_ID.fullmatch(value):
        return AddressKind.WHATSAPP, value
    return (AddressKind.PHONE, e164(value)) if _DIGITS.fullmatch(value) else (None, "")


def e164(wa_id: str) -> str:
    """Return a ``wa_id`` as the telephone number that people and address books know.

    It is a number of E.164 without its sign; but WhatsApp keeps old forms of two countries: Brazilian mobile numbers
    without the 9 that was put before them in 2012 to 2016, Mexican ones with the 1 that went in 2019.
    """
    digits = wa_id.removeprefix("+")
    if _BRAZIL_WITHOUT_9.fullmatch(digits):
        digits = f"{digits[:4]}9{digits[4:]}"
    elif _MEXICO_WITH_1.fullmatch(digits):
        digits = f"52{digits[3:]}"
    return f"+{digits}"
