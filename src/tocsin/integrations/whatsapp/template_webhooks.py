"""The fields about message templates."""

from collections.abc import Iterator, Mapping
from typing import Any, TypedDict

from tocsin.integrations.whatsapp.webhook_parts import Change, listed, mapping, text
from tocsin.messaging.values import Aside, TemplateUpdate, Update

_NO_REASON = ("NONE", "none")


def status(change: Change) -> Iterator[Update]:
    """Read a new status: any word Meta may use; what it means for sending is decided where templates are kept."""
    value = change.value
    named = _named(value)
    word = text(value.get("event")).upper()
    if not word or not _is_known(named):
        yield Aside("template_status", value)
        return
    reason = text(value.get("reason"))
    rejection, other = mapping(value.get("rejection_info")), mapping(value.get("other_info"))
    said = [
        "" if reason in _NO_REASON else reason, text(rejection.get("reason")), text(rejection.get("recommendation")),
        text(other.get("title")), text(other.get("description")),
    ]  # fmt: skip
    yield TemplateUpdate(
        account=change.account, at=change.at, **named, status=word, reason=": ".join(part for part in said if part),
        category=text(value.get("message_template_category")),
    )  # fmt: skip


def quality(change: Change) -> Iterator[Update]:
    """Read a new quality score."""
    named = _named(change.value)
    score = text(change.value.get("new_quality_score"))
    if not score or not _is_known(named):
        yield Aside("template_quality", change.value)
        return
    yield TemplateUpdate(account=change.account, at=change.at, **named, quality=score)


def category(change: Change) -> Iterator[Update]:
    """Read a new category; where ``correct_category`` is given it is the coming one and ``new_category`` today's."""
    value = change.value
    named = _named(value)
    new, correct = text(value.get("new_category")), text(value.get("correct_category"))
    if not new or not _is_known(named):
        yield Aside("template_category", value)
        return
    yield TemplateUpdate(account=change.account, at=change.at, **named, category=new, coming_category=correct)


def components(change: Change) -> Iterator[Update]:
    """Read an edited template; its parts have other names here than in the API, whose form they are kept in."""
    value = change.value
    named = _named(value)
    if not _is_known(named):
        yield Aside("template_components", value)
        return
    found: list[Mapping[str, Any]] = []
    if title := text(value.get("message_template_title")):
        found.append({"type": "HEADER", "format": "TEXT", "text": title})
    found.append({"type": "BODY", "text": text(value.get("message_template_element"))})
    if footer := text(value.get("message_template_footer")):
        found.append({"type": "FOOTER", "text": footer})
    buttons = [_button(mapping(each)) for each in listed(value.get("message_template_buttons"))]
    if buttons:
        found.append({"type": "BUTTONS", "buttons": buttons})
    yield TemplateUpdate(account=change.account, at=change.at, **named, components=found)


def _button(button: Mapping[str, Any]) -> dict[str, str]:
    start = "message_template_button_"
    return {key.removeprefix(start): text(value) for key, value in button.items() if key.startswith(start)}


class _Named(TypedDict):
    name: str
    language: str
    provider_id: str


def _named(value: Mapping[str, Any]) -> _Named:
    return {
        "name": text(value.get("message_template_name")),
        "language": text(value.get("message_template_language")).replace("-", "_"),
        "provider_id": text(value.get("message_template_id")),
    }


def _is_known(named: _Named) -> bool:
    return bool(named["provider_id"] or (named["name"] and named["language"]))
