"""The field ``messages`` and what is like it: what people write, what became of what we sent, who stopped us."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

from tocsin.customers.values import AddressKind
from tocsin.integrations.whatsapp.errors import told, verdict_of
from tocsin.integrations.whatsapp.markets import market_of
from tocsin.integrations.whatsapp.webhook_parts import Change, addresses, listed, mapping, moment, text
from tocsin.messaging.values import (
    AddressChanged,
    Aside,
    InboundUpdate,
    Objection,
    Purpose,
    StatusKind,
    StatusUpdate,
    Update,
)

Named = dict[AddressKind, str]

STATUSES = {
    "sent": StatusKind.SENT,
    "delivered": StatusKind.DELIVERED,
    "read": StatusKind.READ,
    "played": StatusKind.READ,  # of a voice message; who plays it has seen it
    "failed": StatusKind.FAILED,
}
MEDIA = ("image", "video", "audio", "document", "sticker")
# Not a message that waits for an answer. Whether a reaction opens the window Meta does not say; so it does not.
SILENT = frozenset({"reaction", "edit", "revoke"})
NO_CODE = -1  # in no table: what is told of a message without a code is final for this message only
_CODE = re.compile(r"[0-9]{1,9}")
_UUID = re.compile(r"[0-9a-fA-F]{8}(-?[0-9a-fA-F]{4}){3}-?[0-9a-fA-F]{12}")


def messages(change: Change) -> Iterator[Update]:
    """Read messages, statuses and errors of one change; people's names come apart from what they wrote."""
    value = change.value
    line = text(mapping(value.get("metadata")).get("phone_number_id"))
    people = _People(value)
    known = False
    for each in listed(value.get("messages")):
        known = True
        yield from _message(mapping(each), change=change, line=line, people=people)
    for each in listed(value.get("statuses")):
        known = True
        yield _status(mapping(each), change=change, line=line, people=people)
    errors = listed(value.get("errors"))
    if errors:
        yield Aside("errors", {"errors": errors})
    elif not known:
        yield Aside("messages_without_any", value)


class _People:
    """The contacts of a change: each under every name it has, so that what is missing in one place is found here."""

    def __init__(self, value: Mapping[str, Any]) -> None:
        self._of: dict[str, tuple[Named, str]] = {}
        self._all: list[tuple[Named, str]] = []
        for each in listed(value.get("contacts")):
            person = mapping(each)
            named = addresses(phone=person.get("wa_id"), scoped=person.get("user_id"))
            entry = (named, text(mapping(person.get("profile")).get("name")))
            self._all.append(entry)
            for address in named.values():
                self._of[address] = entry

    def named(self, *, phone: Any, scoped: Any) -> tuple[Named, str]:
        """Return all names of a person given by one or both, and what they call themselves."""
        given = addresses(phone=phone, scoped=scoped)
        for address in given.values():
            if address in self._of:
                found, name = self._of[address]
                return {**found, **given}, name
        if not given and len(self._all) == 1:
            return self._all[0]
        if len(self._all) == 1 and not (given.keys() & self._all[0][0].keys()):
            found, name = self._all[0]
            return {**found, **given}, name
        return given, ""


def _message(message: Mapping[str, Any], *, change: Change, line: str, people: _People) -> Iterator[Update]:
    kind = text(message.get("type")) or "unknown"
    at = moment(message.get("timestamp")) or change.at
    named, name = people.named(phone=message.get("from"), scoped=message.get("from_user_id"))
    if kind == "system":
        yield from _system(message, at=at, line=line)
        return
    provider_id = text(message.get("id"))
    if not named or not provider_id:
        yield Aside("message_without_sender" if provider_id else "message_without_id", message)
        return
    part = mapping(message.get(kind))
    in_group = "group_id" in message
    media = mapping(message.get(kind)) if kind in MEDIA else {}
    yield InboundUpdate(
        line=line,
        provider_id=provider_id,
        addresses=named,
        kind=kind,
        at=at,
        text=shown(kind, message),
        name=name,
        part=message,
        reply_to=_reply_to(message, kind=kind, part=part),
        media_id=text(media.get("id")),
        media_type=text(media.get("mime_type")),
        media_sha256=text(media.get("sha256")),
        opens_window=kind not in SILENT and not in_group,
    )


def shown(kind: str, message: Mapping[str, Any]) -> str:
    """Return what of a message can be shown as text; empty where there is none."""
    part = mapping(message.get(kind))
    match kind:
        case "text":
            return text(part.get("body"))
        case "button":
            return text(part.get("text"))
        case "reaction":
            return text(part.get("emoji"))  # empty or absent: it was taken back
        case "interactive":
            answer = mapping(part.get(text(part.get("type"))))
            return text(answer.get("title")) or text(answer.get("body")) or text(answer.get("response"))
        case "location":
            place = [text(part.get("name")), text(part.get("address"))]
            point = f"{part['latitude']}, {part['longitude']}" if {"latitude", "longitude"} <= part.keys() else ""
            return ", ".join(each for each in place if each) or point
        case "contacts":
            found = [
                text(mapping(mapping(each).get("name")).get("formatted_name")) for each in listed(message.get(kind))
            ]
            return ", ".join(each for each in found if each)
        case "edit":
            inner = mapping(part.get("message"))
            return shown(text(inner.get("type")), inner) if text(inner.get("type")) != "edit" else ""
        case _:
            return text(part.get("caption")) or text(part.get("text"))


def _reply_to(message: Mapping[str, Any], *, kind: str, part: Mapping[str, Any]) -> str:
    """Return the id of the message this one is about."""
    if kind == "reaction":
        return text(part.get("message_id"))
    if kind in ("edit", "revoke"):
        return text(part.get("original_message_id"))
    return text(mapping(message.get("context")).get("id"))


def _system(message: Mapping[str, Any], *, at: datetime, line: str) -> Iterator[Update]:
    system = mapping(message.get("system"))
    changed = text(system.get("type"))
    before = addresses(phone=message.get("from"), scoped=message.get("from_user_id"))
    now = addresses(
        phone=system.get("wa_id") or system.get("new_wa_id"), scoped=system.get("user_id")
    )  # fmt: skip
    earlier = addresses(
        phone=system.get("previous_wa_id") or (text(message.get("from")) if "wa_id" in system else ""),
        scoped=system.get("previous_user_id"),
    )
    found = False
    if changed in ("user_changed_number", "user_changed_user_id"):
        for kind in (AddressKind.PHONE, AddressKind.WHATSAPP):
            old, new = earlier.get(kind) or before.get(kind, ""), now.get(kind, "")
            if old and new and old != new:
                found = True
                yield AddressChanged(kind=kind, before=old, after=new, at=at, line=line)
    if not found:
        yield Aside(f"system:{changed[:60] or 'none'}", message)


def _status(status: Mapping[str, Any], *, change: Change, line: str, people: _People) -> Update:
    kind = STATUSES.get(text(status.get("status")))
    provider_id = text(status.get("id"))
    if kind is None or not provider_id:
        return Aside(f"status:{text(status.get('status'))[:60] or 'none'}", status)
    if text(status.get("recipient_type")) == "group":
        return Aside("status_of_group", status)  # of one of many recipients: it says nothing of the message as a whole
    named, _name = people.named(phone=status.get("recipient_id"), scoped=status.get("recipient_user_id"))
    pricing = mapping(status.get("pricing"))
    update = StatusUpdate(
        provider_id=provider_id,
        status=kind,
        at=moment(status.get("timestamp")) or change.at,
        message_id=_ours(text(status.get("biz_opaque_callback_data"))),
        category=text(pricing.get("category")),
        # Older webhooks have no type; what they call not billable costs nothing.
        price_type=text(pricing.get("type")) or ("free" if pricing.get("billable") is False else ""),
        line=line,
        addresses=named,
        market=market_of(named),
    )
    return _failed(update, status) if kind is StatusKind.FAILED else update


def _failed(update: StatusUpdate, status: Mapping[str, Any]) -> StatusUpdate:
    """Return the update with what its first error means."""
    error = mapping(next(iter(listed(status.get("errors"))), None))
    given = text(error.get("code"))
    code = int(given) if _CODE.fullmatch(given) else 0
    # Without a code it is this message's failure; as a code, 0 would mean that our token is not good.
    verdict, reason, _wait = verdict_of(code or NO_CODE, to=update.addresses.get(AddressKind.PHONE, ""))
    details = text(mapping(error.get("error_data")).get("details"))
    detail = told(text(error.get("title")) or text(error.get("message")), details)
    return replace(update, verdict=verdict, reason=reason, code=code, detail=detail)


@lru_cache(maxsize=2048)
def _ours(handed_back: str) -> UUID | None:
    """Return our message's id when it is what was handed back; whatever else another tool of the account sent."""
    return UUID(handed_back) if _UUID.fullmatch(handed_back) else None


def calls(change: Change) -> Iterator[Update]:
    """Read calls: one that a person makes opens the window as a message does; the rest is kept aside."""
    value = change.value
    line = text(mapping(value.get("metadata")).get("phone_number_id"))
    people = _People(value)
    for each in listed(value.get("calls")):
        call = mapping(each)
        named, name = people.named(phone=call.get("from"), scoped=call.get("from_user_id"))
        if text(call.get("direction")) == "USER_INITIATED" and text(call.get("event")) == "connect" and named:
            yield InboundUpdate(
                line=line, provider_id=text(call.get("id")), addresses=named, kind="call",
                at=moment(call.get("timestamp")) or change.at, name=name, part=call,
            )  # fmt: skip
        else:
            yield Aside(f"call:{text(call.get('event'))[:60] or 'none'}", call)
    if "statuses" in value or "calls" not in value:
        yield Aside("call_status", value)


def preferences(change: Change) -> Iterator[Update]:
    """Read who stopped what we send, or wants it again. A category we do not know counts as all of it."""
    line = text(mapping(change.value.get("metadata")).get("phone_number_id"))
    people = _People(change.value)
    found = listed(change.value.get("user_preferences"))
    for each in found:
        said = mapping(each)
        named, _name = people.named(phone=said.get("wa_id"), scoped=said.get("user_id"))
        word = text(said.get("value"))
        if not named or word not in ("stop", "resume", "signup"):
            yield Aside(f"user_preferences:{word[:60] or 'none'}", said)
            continue
        marketing = text(said.get("category")) in ("marketing_messages", "")
        yield Objection(
            addresses=named, purpose=Purpose.MARKETING if marketing else None, stopped=word == "stop",
            at=moment(said.get("timestamp")) or change.at, line=line,
        )  # fmt: skip
    if not found:
        yield Aside("user_preferences:none", change.value)
