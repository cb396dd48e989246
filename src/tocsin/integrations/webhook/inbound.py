"""What a product tells us: that people have done what was asked. Verified over the raw bytes before it is read.

Standard Webhooks 1.0.0 ("Verifying signatures"): constant time and a tolerance of five minutes. A message that is sent
again within it changes nothing: each fact counts once by its account, kind, time and id.
"""

import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from tocsin.containment.errors import CallbackNotUnderstood, CallbackNotVerified
from tocsin.containment.values import DoneBy, DoneFact, DoneKind
from tocsin.integrations.http_calls.moments import from_iso
from tocsin.integrations.webhook import signature
from tocsin.kernel.language import gettext as _

TOLERANCE = timedelta(minutes=5)
SECRET_NAMES = ("secret", "old_secret")
_UNKEEPABLE = re.compile("[\\x00\\ud800-\\udfff]")


class Refusal(StrEnum):
    """Why a message is not believed."""

    UNSIGNED = "unsigned"  # a header is missing, or cannot be read
    STALE = "stale"  # its time is more than five minutes from ours
    NOT_THEIRS = "not_theirs"  # no signature matches


class NotVerified(CallbackNotVerified):
    """A message that is not believed, with the reason; who sent it learns nothing of it."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(str(refusal))
        self.refusal = refusal


def verified(headers: Mapping[str, str], body: bytes, *, secrets: Mapping[str, str], now: datetime) -> dict[str, Any]:
    """Return the payload of a message that is truly theirs, with ``id``, the id of the message.

    ``headers`` by any spelling; of ``secrets``, ``secret`` is in force and ``old_secret`` too while it is changed. Raises
    NotVerified, or CallbackNotUnderstood when it is signed and no JSON object.
    """
    by_name = {name.lower(): text for name, text in headers.items()}
    message, stamp = by_name.get(signature.ID, ""), by_name.get(signature.TIMESTAMP, "")
    given = by_name.get(signature.SIGNATURE, "")
    is_time = stamp.isascii() and stamp.isdigit() and len(stamp) <= 12
    if not message or "." in message or len(message) > 256 or not is_time or not given:
        raise NotVerified(Refusal.UNSIGNED)
    if abs(now.timestamp() - int(stamp)) > TOLERANCE.total_seconds():
        raise NotVerified(Refusal.STALE)
    keys = [signature.key_of(secrets[name]) for name in SECRET_NAMES if secrets.get(name)]
    if not signature.is_signed(given, id=message, timestamp=int(stamp), body=body, keys=keys):
        raise NotVerified(Refusal.NOT_THEIRS)
    try:
        payload = json.loads(body)
    except (ValueError, RecursionError):
        payload = None
    if not isinstance(payload, dict):
        raise CallbackNotUnderstood(_("A signed message must be a JSON object."), where="body")
    return {**payload, "id": message}


def facts_in(rows: object, *, source: str, now: datetime) -> Sequence[DoneFact]:
    """Return the facts a product lists when it is asked; CallbackNotUnderstood names the first that cannot be."""
    if not isinstance(rows, list):
        raise CallbackNotUnderstood(_("A list is needed here."), where="done")
    return tuple(_fact(row, place=f"done[{n}]", source=source, now=now) for n, row in enumerate(rows))


def _fact(row: object, *, place: str, source: str, now: datetime) -> DoneFact:
    told = row if isinstance(row, dict) else {}
    kind, done_at, account = told.get("kind"), from_iso(told.get("at")), told.get("account")
    if kind not in set(DoneKind) or done_at is None or not isinstance(account, str) or not account:
        raise CallbackNotUnderstood(_("A fact needs an account, a kind and a time."), where=place)
    if done_at > now + TOLERANCE:
        raise CallbackNotUnderstood(_("Nothing can have been done in the future."), where=place)
    texts = {name: str(told.get(name) or "") for name in ("platform", "client", "client_version", "id")}
    if _UNKEEPABLE.search("".join((account, *texts.values()))):
        raise CallbackNotUnderstood(_("NUL and half characters cannot be kept."), where=place)
    return DoneFact(
        account=account,
        kind=DoneKind(str(kind)),
        done_at=done_at,
        by=DoneBy.CONNECTOR,
        source=source,
        platform=texts["platform"].lower(),
        client_version=texts["client_version"],
        reference=texts["client"] if kind == DoneKind.CLIENT_SEEN else texts["id"],
    )
