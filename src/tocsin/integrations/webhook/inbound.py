"""What a product tells us unasked: that people have done what was asked. Verified over the raw bytes before it is read.

Standard Webhooks 1.0.0 ("Verifying signatures"): constant time, a tolerance of five minutes, and an id that counts once.
"""

import json
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from tocsin.containment.values import DoneBy, DoneFact, DoneKind
from tocsin.integrations.http_calls.moments import from_iso
from tocsin.integrations.webhook import signature

TOLERANCE = timedelta(minutes=5)
BODY_BYTES_MAX = 4 * 1024 * 1024
DONE = "tocsin.done"


class Refusal(StrEnum):
    """Why a message was not taken. Only MALFORMED is the sender's to know: it was signed."""

    UNSIGNED = "unsigned"  # a header is missing, or cannot be read
    STALE = "stale"  # its time is more than five minutes from ours
    NOT_THEIRS = "not_theirs"  # no signature matches
    REPLAYED = "replayed"  # its id was taken before
    MALFORMED = "malformed"  # signed, and not understood


class NotVerified(Exception):
    """A message that is not taken; ``place`` names what is malformed, never its value."""

    def __init__(self, refusal: Refusal, *, place: str = "") -> None:
        super().__init__(f"{refusal}" + (f": {place}" if place else ""))
        self.refusal, self.place = refusal, place


class SeenIds:
    """Ids taken within the tolerance, of one process. Facts carry a reference besides, which counts once for good."""

    def __init__(self) -> None:
        self._until: OrderedDict[str, datetime] = OrderedDict()

    def take(self, id: str, *, now: datetime) -> bool:
        """Note an id; say whether it is new."""
        while self._until and next(iter(self._until.values())) < now:
            self._until.popitem(last=False)
        if id in self._until:
            return False
        self._until[id] = now + 2 * TOLERANCE
        return True


def verified(
    headers: Mapping[str, str], body: bytes, *, secrets: Sequence[str], now: datetime, seen: SeenIds | None = None
) -> dict[str, Any]:
    """Return the payload of a message that is truly theirs; NotVerified otherwise.

    ``headers`` by any spelling, ``secrets`` the one in force and, while it is changed, the one before. The payload gets
    ``id``, the id of the message.
    """
    by_name = {name.lower(): text for name, text in headers.items()}
    message, stamp = by_name.get(signature.ID, ""), by_name.get(signature.TIMESTAMP, "")
    given = by_name.get(signature.SIGNATURE, "")
    if (
        not message
        or "." in message
        or len(message) > 256
        or not stamp.isascii()
        or not stamp.isdigit()
        or len(stamp) > 12
        or not given
    ):
        raise NotVerified(Refusal.UNSIGNED)
    if abs(now.timestamp() - int(stamp)) > TOLERANCE.total_seconds():
        raise NotVerified(Refusal.STALE)
    keys = [signature.key_of(secret) for secret in secrets]
    if not signature.is_signed(given, id=message, timestamp=int(stamp), body=body, keys=keys):
        raise NotVerified(Refusal.NOT_THEIRS)
    try:
        payload = json.loads(body)
    except ValueError:
        raise NotVerified(Refusal.MALFORMED, place="body") from None
    if not isinstance(payload, dict) or len(body) > BODY_BYTES_MAX:
        raise NotVerified(Refusal.MALFORMED, place="body")
    if seen is not None and not seen.take(message, now=now):
        raise NotVerified(Refusal.REPLAYED)
    return {**payload, "id": message}


def facts_of(payload: Mapping[str, Any], *, source: str, now: datetime) -> tuple[DoneFact, ...]:
    """Return the facts of a verified ``tocsin.done``; NotVerified names the place of what is not understood."""
    rows = (payload.get("data") or {}).get("facts") if isinstance(payload.get("data"), dict) else None
    if payload.get("type") != DONE or not isinstance(rows, list):
        raise NotVerified(Refusal.MALFORMED, place="type or data.facts")
    return facts_in(rows, source=source, now=now, message=str(payload.get("id") or ""), by=DoneBy.WEBHOOK)


def facts_in(
    rows: Sequence[Any], *, source: str, now: datetime, message: str, by: DoneBy = DoneBy.CONNECTOR
) -> tuple[DoneFact, ...]:
    """Return the facts of a list of rows; NotVerified names the first that is not understood."""
    found = []
    for n, row in enumerate(rows):
        told = row if isinstance(row, dict) else {}
        kind, done_at, account = told.get("kind"), from_iso(told.get("done_at")), told.get("account")
        if kind not in set(DoneKind) or done_at is None or not isinstance(account, str) or not account:
            raise NotVerified(Refusal.MALFORMED, place=f"facts[{n}]")
        if done_at > now + TOLERANCE:
            raise NotVerified(Refusal.MALFORMED, place=f"facts[{n}].done_at")
        reference = str(told.get("reference") or (f"{message}:{n}" if message else ""))
        platform, version = str(told.get("platform") or ""), str(told.get("client_version") or "")
        found.append(DoneFact(account, DoneKind(str(kind)), done_at, by, source, platform, version, reference))
    return tuple(found)
