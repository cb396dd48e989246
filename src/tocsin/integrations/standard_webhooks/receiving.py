"""What the operator's own product tells us of messages it shows, signed as Standard Webhooks."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson

from tocsin.containment.errors import CallbackNotUnderstood
from tocsin.customers.values import AddressKind
from tocsin.integrations.http_calls.moments import from_iso
from tocsin.integrations.webhook import inbound
from tocsin.kernel import clock
from tocsin.messaging.values import Aside, InboundUpdate, Reason, StatusKind, StatusUpdate, Update, Verdict

_STATUSES = {
    "message.delivered": StatusKind.DELIVERED,
    "message.read": StatusKind.READ,
    "message.failed": StatusKind.FAILED,
}
_RECEIVED = "message.received"


class Told:
    """Messages of a product: ``{"type", "timestamp", "data"}``."""

    def verified(self, headers: Mapping[str, str], body: bytes, *, secrets: Sequence[str], address: str) -> bool:
        """Say whether one of the secrets signed these bytes within five minutes."""
        named = dict(zip(inbound.SECRET_NAMES, secrets, strict=False))
        try:
            inbound.verified(headers, body, secrets=named, now=clock.now())
        except CallbackNotUnderstood:
            return True  # theirs, and no JSON object: kept aside
        except (inbound.NotVerified, ValueError):
            return False
        return True

    def updates(self, body: bytes, *, headers: Mapping[str, str]) -> Sequence[Update]:
        """Read one verified body."""
        try:
            told = orjson.loads(body)
        except orjson.JSONDecodeError:
            told = None
        told = told if isinstance(told, dict) else {}
        named, data = told.get("type"), told.get("data")
        data = data if isinstance(data, dict) else {}
        at = _moment(told.get("timestamp"))
        if isinstance(named, str) and named in _STATUSES:
            return _status(_STATUSES[named], data, at=at)
        if named == _RECEIVED:
            return _received(data, at=at)
        return (Aside("webhook_not_understood", {"type": str(named)[:100]}),)


def _status(kind: StatusKind, data: Mapping[str, Any], *, at: datetime) -> Sequence[Update]:
    try:
        ours = UUID(str(data.get("id")))
    except ValueError:
        return (Aside("webhook_status_of_no_message", {"type": str(kind)}),)
    failed = kind is StatusKind.FAILED
    return (
        StatusUpdate(
            str(ours), kind, at, message_id=ours,
            verdict=Verdict.OUR_MISTAKE if failed else None, reason=Reason.REFUSED if failed else None,
        ),
    )  # fmt: skip


def _received(data: Mapping[str, Any], *, at: datetime) -> Sequence[Update]:
    texts = {name: data.get(name) for name in ("id", "account", "text", "line")}
    if not all(isinstance(texts[name], str) and texts[name] for name in ("id", "account", "text")):
        return (Aside("webhook_message_not_understood", {"fields": sorted(map(str, data))[:20]}),)
    return (
        InboundUpdate(
            line=str(texts["line"] or ""), provider_id=str(texts["id"]),
            addresses={AddressKind.APP: str(texts["account"])}, kind="text", at=at, text=str(texts["text"]), part=data,
        ),
    )  # fmt: skip


def _moment(value: object) -> datetime:
    now = clock.now()
    told = from_iso(value)
    return now if told is None else min(told, now)


RECEIVING = Told()
