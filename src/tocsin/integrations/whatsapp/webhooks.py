"""What Meta's webhooks say: every field of its list read into updates, or kept aside.

Meta's own documents disagree with each other and with what is sent (field names misplaced, ids as numbers, languages
in two spellings), and values are added without notice. So a change is recognised by what it holds, not only by the name
of its field; a word we do not know is kept aside and never an error.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson

from tocsin.integrations.whatsapp import account_webhooks, message_webhooks, template_webhooks
from tocsin.integrations.whatsapp.webhook_parts import Change, listed, mapping, moment, text
from tocsin.kernel import clock
from tocsin.messaging.values import Aside, Update

Reader = Callable[[Change], Iterator[Update]]

READERS: Mapping[str, Reader] = {
    "messages": message_webhooks.messages,
    "calls": message_webhooks.calls,
    "user_preferences": message_webhooks.preferences,
    "message_template_status_update": template_webhooks.status,
    "message_template_quality_update": template_webhooks.quality,
    "message_template_components_update": template_webhooks.components,
    "template_category_update": template_webhooks.category,
    "phone_number_quality_update": account_webhooks.number_quality,
    "phone_number_name_update": account_webhooks.number_name,
    "account_update": account_webhooks.account,
    "account_review_update": account_webhooks.review,
    "account_alerts": account_webhooks.alerts,
    "business_capability_update": account_webhooks.capability,
    "security": account_webhooks.security,
}
# Fields whose words concern nothing we do yet: each is kept aside under its own name.
KEPT_ASIDE = (
    "flows", "history", "smb_message_echoes", "smb_app_state_sync", "group_lifecycle_update",
    "group_participants_update", "group_settings_update", "group_status_update", "business_username_update",
    "automatic_events", "payment_configuration_update", "partner_solutions", "standby",
)  # fmt: skip
# What a value holds says what it is, where the field's name is missing or is another one's.
_KEYS: Sequence[tuple[str, str]] = (
    ("new_quality_score", "message_template_quality_update"),
    ("message_template_element", "message_template_components_update"),
    ("new_category", "template_category_update"),
    ("user_preferences", "user_preferences"),
    ("message_echoes", "smb_message_echoes"),
    ("history", "history"),
    ("state_sync", "smb_app_state_sync"),
    ("calls", "calls"),
    ("max_daily_conversation_per_phone", "business_capability_update"),
    ("max_daily_conversations_per_business", "business_capability_update"),
)
# The others only where a field has no name at all.
_KEYS_UNNAMED: Sequence[tuple[str, str]] = (
    ("messages", "messages"),
    ("statuses", "messages"),
    ("message_template_id", "message_template_status_update"),
    ("requested_verified_name", "phone_number_name_update"),
    ("current_limit", "phone_number_quality_update"),
    ("event", "account_update"),
)


def read(body: bytes) -> list[Update]:
    """Return what a body says; one that is not a JSON object, or has no entries, is kept aside whole."""
    try:
        whole = orjson.loads(body)
    except ValueError:
        whole = _forgiven(body)
    entries = listed(mapping(whole).get("entry"))
    if not entries:
        return [Aside("without_entries", {})]
    return [update for entry in entries for update in _entry(mapping(entry))]


def _forgiven(body: bytes) -> Any:
    """Return JSON that holds half a character (an emoji cut in two), with a sign in its place; None for other faults."""
    try:
        return orjson.loads(json.dumps(json.loads(body), ensure_ascii=False).encode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return None


def _entry(entry: Mapping[str, Any]) -> Iterator[Update]:
    at = moment(entry.get("time")) or clock.now()
    account = text(entry.get("id"))
    changes = listed(entry.get("changes")) or ([entry] if "value" in entry else [])
    if not changes:
        yield Aside("entry_without_changes", {})
    for each in changes:
        yield from _change(mapping(each), account=account, at=at)


def _change(change: Mapping[str, Any], *, account: str, at: datetime) -> Iterator[Update]:
    value = mapping(change.get("value"))
    field = _field(text(change.get("field")) or text(value.get("field")), value)
    reader = READERS.get(field)
    if reader is None or not value:
        yield Aside(field if field in KEPT_ASIDE else f"field:{field[:60] or 'none'}", value)
        return
    yield from reader(Change(account=account, at=at, value=value))


def _field(named: str, value: Mapping[str, Any]) -> str:
    """Return the field a change really is of."""
    by_key = next((field for key, field in _KEYS if key in value), "")
    if by_key and named not in READERS.keys() - _MISNAMED:
        return by_key
    if named:
        return named
    return next((field for key, field in _KEYS_UNNAMED if key in value), "")


# Meta's example of a quality update carries the name of the status update; a value with its keys is the other field's.
_MISNAMED = frozenset({"message_template_status_update", "account_update"})
