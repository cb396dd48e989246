"""Does a template message fit its template? Name, language, state, and every parameter."""

import re
from dataclasses import dataclass, field
from typing import Any

from tocsin_simulator.errors import GraphError
from tocsin_simulator.outbound import Body, a_list, an_object, check_media, required
from tocsin_simulator.values import Template
from tocsin_simulator.world import World

PLACEHOLDER = re.compile(r"\{\{\s*([A-Za-z0-9_]+)\s*\}\}")
# A parameter is one line of text.
CROOKED = re.compile(r"[\n\t]| {5,}")
BODY_MOST = 1024
HEADER_MOST = 60
# Kinds of parameter whose text stands in a sentence.
TEXTUAL = {"text", "currency", "date_time"}
MEDIA_FORMATS = {"IMAGE": "image", "VIDEO": "video", "DOCUMENT": "document", "GIF": "video"}


@dataclass
class Wanted:
    """What a template's components leave open."""

    components: list[dict[str, Any]]  # the ones this was made from
    header: str = ""  # the header's format, empty without one
    header_text: str = ""
    header_names: list[str] = field(default_factory=list)
    body_text: str = ""
    body_names: list[str] = field(default_factory=list)
    buttons: dict[int, str] = field(default_factory=dict)  # place -> kind, of those that need a parameter
    kinds: list[str] = field(default_factory=list)  # of all buttons


_made: dict[str, Wanted] = {}


def wanted_by(template: Template) -> Wanted:
    """Return what a template wants; made once until its components are replaced."""
    made = _made.get(template.id)
    if made is None or made.components is not template.components:
        made = _made[template.id] = read_components(template.components)
    return made


def read_components(components: list[dict[str, Any]]) -> Wanted:
    """Return what components leave open."""
    wanted = Wanted(components)
    for component in components:
        kind = str(component.get("type", "")).upper()
        text = str(component.get("text", ""))
        if kind == "HEADER":
            wanted.header = str(component.get("format", "TEXT")).upper()
            wanted.header_text, wanted.header_names = text, names_in(text)
        elif kind == "BODY":
            wanted.body_text, wanted.body_names = text, names_in(text)
        elif kind == "BUTTONS":
            for place, button in enumerate(component.get("buttons", [])):
                of = str(button.get("type", "")).upper()
                wanted.kinds.append(of)
                if (of == "URL" and PLACEHOLDER.search(str(button.get("url", "")))) or of in {"COPY_CODE", "OTP"}:
                    wanted.buttons[place] = of
    return wanted


def names_in(text: str) -> list[str]:
    """Return the placeholders of a text, each once."""
    return list(dict.fromkeys(PLACEHOLDER.findall(text)))


def check_template(content: Body, *, world: World) -> Template:
    """Return the template a message names, when it may be sent and every parameter fits.

    Raises:
        GraphError: 132001 no such template, 132015 paused, 132016 disabled, 132000 another number of parameters,
            132012 another kind, 132018 a text that is no single line, 132005 too long.

    """
    name = required(content, "name", of="template")
    language = an_object(required(content, "language", of="template"), place="template['language']").get("code")
    template = world.template_named(str(name), str(language))
    if template is None:
        raise GraphError(132001, f"template name ({name}) does not exist in {language}")
    if template.status == "PAUSED":
        raise GraphError(132015, f"template {name} is paused due to low quality")
    if template.status == "DISABLED":
        raise GraphError(132016, f"template {name} is disabled")
    if template.status != "APPROVED":
        raise GraphError(132001, f"template name ({name}) is not approved in {language}: {template.status}")
    wanted = wanted_by(template)
    given = content.get("components", [])
    by_kind = parts_of(a_list(given, place="template['components']"))
    check_header(wanted, by_kind["header"], template=template, world=world)
    texts = parameters(by_kind["body"], "body")
    check_texts(wanted.body_names, texts, of="body", template=template)
    # Most texts are short enough whatever they are filled with; only the others are filled to be measured.
    longest = len(wanted.body_text) + sum(len(text_of(entry)) for entry in texts)
    if longest > BODY_MOST and len(filled(wanted.body_text, wanted.body_names, texts, template=template)) > BODY_MOST:
        raise GraphError(132005, f"body: translated text too long, Max length: {BODY_MOST}")
    check_buttons(wanted, by_kind["button"])
    return template


def parts_of(components: list[Body]) -> dict[str, list[Body]]:
    """Return the components of a message by their kind; Meta takes any mixture of small and capital letters."""
    by_kind: dict[str, list[Body]] = {"header": [], "body": [], "button": [], "carousel": [], "limited_time_offer": []}
    for component in components:
        kind = str(component.get("type", "")).lower()
        if kind not in by_kind:
            raise GraphError(100, f"Param template['components'][n]['type'] {kind!r} is not valid.")
        by_kind[kind].append(component)
    return by_kind


def parameters(components: list[Body], of: str) -> list[Body]:
    """Return the parameters of the one component of a kind."""
    if len(components) > 1:
        raise GraphError(132012, f"{of}: more than one component")
    return a_list(components[0].get("parameters", []), place=f"{of}['parameters']") if components else []


def check_header(wanted: Wanted, components: list[Body], *, template: Template, world: World) -> None:
    """Check the header's parameter: a text, a file or a place, as the template says."""
    given = parameters(components, "header")
    if wanted.header in {"", "TEXT"}:
        check_texts(wanted.header_names, given, of="header", template=template)
        if len(filled(wanted.header_text, wanted.header_names, given, template=template)) > HEADER_MOST:
            raise GraphError(132005, f"header: translated text too long, Max length: {HEADER_MOST}")
        return
    kind = MEDIA_FORMATS.get(wanted.header, wanted.header.lower())
    if len(given) != 1:
        raise GraphError(132012, f"header: Format mismatch, expected {wanted.header}, received UNKNOWN")
    received = str(given[0].get("type", "")).lower()
    if received != kind:
        raise GraphError(132012, f"header: Format mismatch, expected {wanted.header}, received {received.upper()}")
    if kind in {"image", "video", "document"}:
        check_media(kind, an_object(required(given[0], kind, of="header"), place=f"header['{kind}']"), world=world)


def check_texts(names: list[str], given: list[Body], *, of: str, template: Template) -> None:
    """Check that the parameters of a text are as many as its placeholders, and of its naming."""
    if len(given) != len(names):
        raise GraphError(
            132000,
            f"{of}: number of localizable_params ({len(given)}) does not match the expected number of params "
            f"({len(names)})",
        )
    if template.parameter_format == "NAMED" and {entry.get("parameter_name") for entry in given} != set(names):
        raise GraphError(132012, f"{of}: Parameter name is missing or does not match: expected {', '.join(names)}")
    for place, entry in enumerate(given, 1):
        if str(entry.get("type", "")).lower() not in TEXTUAL:
            raise GraphError(132012, f"{of}: parameter {place} must be a text")
        text = text_of(entry)
        if not text:
            raise GraphError(131008, f"{of}: parameter {place} of type text is missing text value")
        if CROOKED.search(text):
            raise GraphError(
                132018,
                "Param text cannot have new-line/tab characters or more than 4 consecutive spaces",
                title="Invalid parameter",
            )


def text_of(entry: Body) -> str:
    """Return the text a parameter stands for."""
    if "text" in entry:
        return str(entry["text"])
    shown = entry.get(str(entry.get("type", "")).lower(), {})
    return str(shown.get("fallback_value", "")) if isinstance(shown, dict) else ""


def filled(text: str, names: list[str], given: list[Body], *, template: Template) -> str:
    """Return a template's text with its parameters in place."""
    if not names:
        return text
    if template.parameter_format == "NAMED":
        values = {str(entry.get("parameter_name")): text_of(entry) for entry in given}
    else:
        values = {name: text_of(entry) for name, entry in zip(names, given, strict=True)}
    return PLACEHOLDER.sub(lambda match: values.get(match[1], match[0]), text)


def check_buttons(wanted: Wanted, components: list[Body]) -> None:
    """Check that each button that needs a parameter has one."""
    given: set[int] = set()
    for component in components:
        place = component.get("index")
        if not str(place).isdecimal() or int(str(place)) >= len(wanted.kinds):
            raise GraphError(
                132018, f"buttons: index {place!r} is not one of the template's {len(wanted.kinds)} buttons"
            )
        required(component, "sub_type", of="button")
        a_list(component.get("parameters", []), place="button['parameters']")
        given.add(int(str(place)))
    for place, kind in wanted.buttons.items():
        if place not in given:
            raise GraphError(131008, f"buttons: Button at index {place} of type {kind.title()} requires a parameter")


def shown(template: Template, content: Body) -> str:
    """Return the text a person reads of a template message."""
    wanted = wanted_by(template)
    by_kind = parts_of(content.get("components", []))
    return filled(wanted.body_text, wanted.body_names, parameters(by_kind["body"], "body"), template=template)
