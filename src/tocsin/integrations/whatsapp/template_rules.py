"""The definition of a template, checked before Meta's review: shape, lengths, variables and their examples.

Limits: Meta's pages templates/components and templates/overview. What only Meta can judge, its review judges.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from tocsin.integrations.whatsapp.languages import api_language
from tocsin.integrations.whatsapp.reading import Part
from tocsin.integrations.whatsapp.sent_templates import LANGUAGE, NAME, VARIABLE
from tocsin.kernel.language import gettext as _

CATEGORIES = ("UTILITY", "MARKETING", "AUTHENTICATION")
BODY_CHARACTERS_MAX = 1_024
EDGE_CHARACTERS_MAX = 60
BUTTONS_MAX = 10
BUTTON_CHARACTERS_MAX = 25
CODE_CHARACTERS_MAX = 15
# How long an undelivered message is tried, in seconds; -1 is 30 days.
TTL_SECONDS: Mapping[str, tuple[int, int]] = {
    "AUTHENTICATION": (30, 900),
    "UTILITY": (30, 43_200),
    "MARKETING": (43_200, 2_592_000),
}
_AT_MOST: Mapping[str, int] = {"URL": 2, "PHONE_NUMBER": 1, "COPY_CODE": 1}
_FILES = ("IMAGE", "VIDEO", "DOCUMENT", "GIF")
_FIELDS = (
    "name", "language", "category", "components", "parameter_format", "message_send_ttl_seconds", "library_template_name",
)  # fmt: skip


def check_definition(definition: Mapping[str, Any]) -> dict[str, Any]:
    """Return a definition as the API takes it; ContentNotUnderstood names the place that is wrong."""
    given = Part(definition, "")
    given.only(*_FIELDS)
    name = given.matching("name", NAME, what=_("it must be small letters, digits and underscores."))
    language = api_language(given.matching("language", LANGUAGE, what=_("it must be a language such as en_US.")))
    category = given.choice("category", [word.lower() for word in CATEGORIES], any_case=True).upper()
    made = {**definition, "name": name, "language": language, "category": category}
    if given.has("message_send_ttl_seconds") and definition["message_send_ttl_seconds"] != -1:
        least, most = TTL_SECONDS[category]
        given.number("message_send_ttl_seconds", least=least, most=most)
    named = False
    if given.has("parameter_format"):
        made["parameter_format"] = given.choice("parameter_format", ["positional", "named"], any_case=True).upper()
        named = made["parameter_format"] == "NAMED"
    components = given.parts("components")
    _check_once(components)
    # Meta writes the body of authentication templates itself.
    if not any(_kind(each) == "BODY" for each in components):
        raise given.wrong("components", _("a body is needed."))
    for component in components:
        _check_component(component, category=category, named=named)
    return made


def _kind(component: Part) -> str:
    return component.text("type").upper()


def _check_once(components: Sequence[Part]) -> None:
    seen: set[str] = set()
    for component in components:
        kind = _kind(component)
        if kind in seen:
            raise component.wrong("type", _("it stands here twice; each must be another one."))
        seen.add(kind)


def _check_component(component: Part, *, category: str, named: bool) -> None:
    kind = _kind(component)
    if kind == "HEADER":
        _check_header(component, named=named)
    elif kind == "BODY" and category != "AUTHENTICATION":
        text = component.text("text", longest=BODY_CHARACTERS_MAX)
        _check_variables(component, text, "body_text", named=named)
        if VARIABLE.match(text.strip()) or re.search(r"\{\{\s*\w+\s*\}\}$", text.strip()):
            raise component.wrong("text", _("a variable must stand neither first nor last."))
        if re.search(r"\}\}\s*\{\{", text):
            raise component.wrong("text", _("two variables must not stand side by side."))
    elif kind == "FOOTER" and category != "AUTHENTICATION":
        if VARIABLE.search(component.text("text", longest=EDGE_CHARACTERS_MAX)):
            raise component.wrong("text", _("a footer has no variables."))
    elif kind == "BUTTONS":
        _check_buttons(component.parts("buttons", most=BUTTONS_MAX))


def _check_header(component: Part, *, named: bool) -> None:
    form = component.choice(
        "format", [word.lower() for word in ("TEXT", *_FILES, "LOCATION", "PRODUCT")], any_case=True
    ).upper()
    if form == "TEXT":
        text = component.text("text", longest=EDGE_CHARACTERS_MAX)
        if len(VARIABLE.findall(text)) > 1:
            raise component.wrong("text", _("a header has one variable at most."))
        _check_variables(component, text, "header_text", named=named)
    elif form in _FILES:
        handles = component.part("example").value.get("header_handle") if component.has("example") else None
        if not isinstance(handles, list) or not handles:
            raise component.wrong(
                "example",
                _("a sample file is needed here, as header_handle."),
                mend=_("`tocsin whatsapp media sample FILE` uploads one and prints its handle."),
            )


def _check_variables(component: Part, text: str, field: str, *, named: bool) -> None:
    """Raise unless every variable has its example, which Meta's reviewers read."""
    needed = list(dict.fromkeys(VARIABLE.findall(text)))
    for variable in needed:
        if named and not re.fullmatch(r"[a-z][a-z0-9_]*", variable):
            raise component.wrong("text", _("a variable's name must be small letters, digits and underscores."))
    if not named and needed != [str(place) for place in range(1, len(needed) + 1)]:
        raise component.wrong(
            "text", _("variables must be numbered {{1}}, {{2}} and so on, in order."),
            mend=_("Or set parameter_format to NAMED and give them names."),
        )  # fmt: skip
    if not needed:
        return
    if not component.has("example"):
        raise component.wrong("example", _("every variable needs an example."))
    example = component.part("example")
    key = f"{field}_named_params" if named else field
    given = example.value.get(key)
    if not named and field == "body_text" and isinstance(given, list) and given and isinstance(given[0], list):
        given = given[0]
    if not isinstance(given, list) or len(given) != len(needed):
        told = _("{needed} examples are needed here.").format(needed=len(needed))
        raise example.wrong(key, told)


def _check_buttons(buttons: Sequence[Part]) -> None:
    kinds = [_kind(button) for button in buttons]
    for kind, most in _AT_MOST.items():
        if kinds.count(kind) > most:
            told = _("there are {n} buttons of the type {kind}, WhatsApp allows {most}.")
            raise buttons[kinds.index(kind)].wrong("type", told.format(n=kinds.count(kind), kind=kind, most=most))
    replies = [place for place, kind in enumerate(kinds) if kind == "QUICK_REPLY"]
    if replies and replies[-1] - replies[0] + 1 != len(replies):
        raise buttons[replies[-1]].wrong("type", _("quick replies must stand side by side."))
    for button, kind in zip(buttons, kinds, strict=True):
        if kind in {"QUICK_REPLY", "URL", "PHONE_NUMBER"}:
            button.text("text", longest=BUTTON_CHARACTERS_MAX)
        if kind == "URL":
            _check_address(button)
        elif kind == "PHONE_NUMBER":
            button.matching("phone_number", r"\+?[0-9]{7,20}", what=_("it must be a telephone number."))


def _check_address(button: Part) -> None:
    address = button.address("url")
    variables = VARIABLE.findall(address)
    if len(variables) > 1 or (variables and not re.search(r"\{\{\s*\w+\s*\}\}$", address)):
        raise button.wrong("url", _("an address has one variable at most, at its end."))
    if variables and not button.has("example"):
        raise button.wrong("example", _("every variable needs an example."))
