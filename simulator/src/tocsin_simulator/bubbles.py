"""A message as a phone shows it: header, text, footer, buttons, whatever its type and template."""

import re
from typing import Any

import orjson

from tocsin_simulator.ledger import Entry
from tocsin_simulator.values import Template
from tocsin_simulator.world import World

_VARIABLE = re.compile(r"\{\{\s*([A-Za-z0-9_]+)\s*\}\}")
MEDIA = ("image", "video", "audio", "document", "sticker")
_FORMATS = {"IMAGE": "image", "VIDEO": "video", "GIF": "video", "DOCUMENT": "document", "LOCATION": "location"}
_BUTTONS = {"QUICK_REPLY": "reply", "URL": "url", "PHONE_NUMBER": "phone", "COPY_CODE": "copy", "OTP": "copy"}

QUOTED_CHARACTERS = 160

Bubble = dict[str, Any]


def bubble_of(world: World, entry: Entry) -> Bubble:
    """Return one message for the page of phones; what cannot be drawn is named by its type."""
    body = orjson.loads(entry.body) if entry.body else {}
    reached = [status for status, _ in entry.statuses]
    bubble: Bubble = {
        "id": entry.id,
        "person": entry.person,
        "number": entry.phone,
        "inbound": entry.inbound,
        "type": entry.type,
        "at": entry.at,
        # What a person wrote is on our side at once: two ticks, blue when we said that we read it.
        "times": dict(entry.statuses),
        "state": ("read" if "read" in reached else "delivered") if entry.inbound else furthest(reached),
    }
    if entry.id in world.ledger.why:
        bubble["why"] = " · ".join(map(str, world.ledger.why[entry.id]))
    if context := body.get("context"):
        bubble["answers"] = str(context.get("message_id") or context.get("id") or "")
        bubble["quote"] = quoted(world, bubble["answers"])
    _draw(world, body, entry.type, bubble)
    return bubble


def _draw(world: World, body: Bubble, kind: str, bubble: Bubble) -> None:
    """Draw what a message of a kind holds; a kind nobody knows stays without text."""
    content = body.get(kind)
    draw = _DRAWN.get(kind)
    if draw is not None and isinstance(content, dict):
        draw(world, content, bubble)
    elif kind == "contacts" and isinstance(content, list):
        names = ", ".join(str(each.get("name", {}).get("formatted_name", "")) for each in content)
        bubble["header"] = {"kind": "contact", "text": names}


def quoted(world: World, id: str) -> Bubble | None:
    """Return the message somebody answers as it stands above the answer; None when it is kept no longer."""
    entry = world.ledger.get(id)
    if entry is None:
        return None
    body = orjson.loads(entry.body) if entry.body else {}
    body.pop("context", None)  # an answer to an answer quotes one message only
    bubble: Bubble = {}
    _draw(world, body, entry.type, bubble)
    text = str(bubble.get("body") or (bubble.get("header") or {}).get("text") or "")
    return {"inbound": entry.inbound, "type": entry.type, "text": text[:QUOTED_CHARACTERS]}


def furthest(reached: list[str]) -> str:
    """Return how far a message came."""
    for state in ("failed", "read", "delivered", "sent"):
        if state in reached:
            return state
    return "accepted"


def _text(_: World, content: Bubble, bubble: Bubble) -> None:
    bubble["body"] = str(content.get("body", ""))


def _media(kind: str) -> Any:
    def draw(world: World, content: Bubble, bubble: Bubble) -> None:
        bubble["header"] = _file(world, kind, content)
        if content.get("caption"):
            bubble["body"] = str(content["caption"])

    return draw


def _file(world: World, kind: str, content: Bubble) -> Bubble:
    """Return a file: shown when it is a picture that was uploaded, named otherwise."""
    media = world.media.get(str(content.get("id", "")))
    # Of a link its last part is enough: the whole of it stands in the message as it came.
    link = str(content.get("link") or "").partition("?")[0].rstrip("/").rpartition("/")[2]
    name = str(content.get("filename") or link or (media.extra.get("filename", "") if media else ""))
    drawn: Bubble = {"kind": "voice" if content.get("voice") else kind, "text": name}
    if media is not None and media.mime_type in {"image/png", "image/jpeg", "image/webp"}:
        drawn["source"] = f"/_simulator/media/{media.id}"
    return drawn


def _location(_: World, content: Bubble, bubble: Bubble) -> None:
    place = f"{content.get('latitude')}, {content.get('longitude')}"
    bubble["header"] = {"kind": "location", "text": place}
    bubble["body"] = "\n".join(str(content[key]) for key in ("name", "address") if content.get(key))


def _reaction(_: World, content: Bubble, bubble: Bubble) -> None:
    bubble["reaction"] = str(content.get("emoji", ""))
    bubble["answers"] = content.get("message_id")


def _button(_: World, content: Bubble, bubble: Bubble) -> None:
    bubble["body"] = str(content.get("text", ""))


def _interactive(world: World, content: Bubble, bubble: Bubble) -> None:
    kind = str(content.get("type", ""))
    for answer in ("button_reply", "list_reply"):
        if kind == answer:
            bubble["body"] = str(content.get(answer, {}).get("title", ""))
            return
    header = content.get("header") or {}
    if header.get("type") == "text":
        bubble["header"] = {"kind": "text", "text": str(header.get("text", ""))}
    elif header.get("type") in MEDIA:
        bubble["header"] = _file(world, header["type"], header.get(header["type"], {}))
    bubble["body"] = str((content.get("body") or {}).get("text", ""))
    bubble["footer"] = str((content.get("footer") or {}).get("text", ""))
    action = content.get("action") or {}
    if kind == "carousel":
        bubble["cards"] = [_card(world, each) for each in action.get("cards", [])]
        return
    bubble["buttons"] = _actions(kind, action)
    bubble["rows"] = [
        {"text": str(row.get("title", "")), "more": str(row.get("description", ""))}
        for section in action.get("sections", [])
        for row in section.get("rows", [])
    ]


def _card(world: World, content: Bubble) -> Bubble:
    """Return one card of a carousel: a small message of its own."""
    card: Bubble = {"type": "interactive"}
    _interactive(world, content, card)
    return card


def _actions(kind: str, action: Bubble) -> list[Bubble]:
    if kind == "button":
        return [
            {"kind": "reply", "text": str(each.get("reply", {}).get("title", ""))} for each in action.get("buttons", [])
        ]
    if kind == "list":
        return [{"kind": "list", "text": str(action.get("button", ""))}]
    said = action.get("parameters") or {}
    text = said.get("display_text") or said.get("flow_cta") or kind.replace("_", " ")
    return [{"kind": "url" if kind == "cta_url" else "other", "text": str(text), "more": str(said.get("url", ""))}]


def _template(world: World, content: Bubble, bubble: Bubble) -> None:
    name, language = str(content.get("name")), str((content.get("language") or {}).get("code"))
    template = world.template_named(name, language)
    bubble["template"] = f"{name} · {language}"
    if template is None:
        bubble["body"] = name
        return
    given = [each for each in content.get("components", []) if isinstance(each, dict)]
    for part in template.components:
        drawn = _PARTS.get(part["type"])
        if drawn is not None:
            drawn(world, template, part, _given(given, part["type"]), bubble)


def _cards(world: World, template: Template, part: Bubble, given: list[Bubble], bubble: Bubble) -> None:
    sent = given[0].get("cards", []) if given else []
    bubble["cards"] = []
    for place, card in enumerate(part.get("cards", [])):
        drawn: Bubble = {"type": "template"}
        fill = sent[place].get("components", []) if place < len(sent) else []
        for each in card.get("components", []):
            draw = _PARTS.get(str(each.get("type", "")).upper())
            if draw is not None:
                draw(world, template, each, _given(fill, str(each["type"]).upper()), drawn)
        bubble["cards"].append(drawn)


def _given(given: list[Bubble], kind: str) -> list[Bubble]:
    """Return what a message gives for one kind of component."""
    wanted = "button" if kind == "BUTTONS" else kind.lower()
    return [each for each in given if str(each.get("type", "")).lower() == wanted]


def _header(world: World, template: Template, part: Bubble, given: list[Bubble], bubble: Bubble) -> None:
    parameters = given[0].get("parameters", []) if given else []
    if part.get("format", "TEXT") == "TEXT":
        bubble["header"] = {"kind": "text", "text": filled(part.get("text", ""), parameters, template)}
        return
    kind = _FORMATS.get(part["format"], "document")
    content = parameters[0].get(kind, {}) if parameters and isinstance(parameters[0], dict) else {}
    bubble["header"] = (
        _file(world, kind, content) if kind != "location" else {"kind": kind, "text": content.get("name")}
    )


def _body(_: World, template: Template, part: Bubble, given: list[Bubble], bubble: Bubble) -> None:
    text = part.get("text")
    parameters = given[0].get("parameters", []) if given else []
    if text is None:  # an authentication template has no text of its own
        code = str(parameters[0].get("text", "")) if parameters else ""
        text = f"*{code}* is your verification code."
        if part.get("add_security_recommendation"):
            text += " For your security, do not share this code."
    bubble["body"] = filled(text, parameters, template)


def _footer(_: World, __: Template, part: Bubble, ___: list[Bubble], bubble: Bubble) -> None:
    minutes = part.get("code_expiration_minutes")
    bubble["footer"] = part.get("text") or (f"This code expires in {minutes} minutes." if minutes else "")


def _buttons(_: World, __: Template, part: Bubble, ___: list[Bubble], bubble: Bubble) -> None:
    bubble["buttons"] = [
        {
            "kind": _BUTTONS.get(str(each["type"]).upper(), "other"),
            "text": str(each.get("text") or ("Copy code" if each["type"] in {"OTP", "COPY_CODE"} else each["type"])),
            "more": str(each.get("url") or each.get("phone_number") or ""),
        }
        for each in part.get("buttons", [])
    ]


def filled(text: str, parameters: list[Any], template: Template) -> str:
    """Return a template's text with its variables filled in; one that is not given stays as it is."""
    values: dict[str, str] = {}
    for number, each in enumerate(parameters, 1):
        if not isinstance(each, dict):
            continue
        kind = str(each.get("type", "text"))
        said = each.get("text") or (each.get(kind) or {}).get("fallback_value", "") if kind else ""
        values[str(each.get("parameter_name") if template.parameter_format == "NAMED" else number)] = str(said)
    return _VARIABLE.sub(lambda found: values.get(found.group(1), found.group()), text)


_PARTS = {"HEADER": _header, "BODY": _body, "FOOTER": _footer, "BUTTONS": _buttons, "CAROUSEL": _cards}
_DRAWN: dict[str, Any] = {
    "text": _text,
    "location": _location,
    "reaction": _reaction,
    "button": _button,
    "interactive": _interactive,
    "template": _template,
    **{kind: _media(kind) for kind in MEDIA},
}
