"""A template as it is sent: its name, language and parameters, counted against its wording where that is known."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tocsin.integrations.whatsapp.languages import api_language
from tocsin.integrations.whatsapp.reading import Part
from tocsin.kernel.language import gettext as _

NAME = r"[a-z0-9_]{1,512}"
LANGUAGE = r"[A-Za-z]{2,3}([_-][A-Za-z0-9]{2,4}){0,2}"
PARAMETERS_MAX = 100
BUTTONS_MAX = 10
CARDS_MAX = 10
COPY_CODE_CHARACTERS_MAX = 15
VARIABLE = re.compile(r"\{\{\s*(\w+)\s*\}\}")
_FILES = ("image", "video", "document", "gif")
_FORMATS = {"IMAGE": "image", "VIDEO": "video", "DOCUMENT": "document", "GIF": "gif", "LOCATION": "location"}
_KINDS = ("header", "body", "button", "carousel", "limited_time_offer", "order_status", "footer")


@dataclass(frozen=True, slots=True)
class Wording:
    """A template as Meta has it."""

    category: str
    components: Sequence[Mapping[str, Any]]
    parameter_format: str = "POSITIONAL"


@dataclass(frozen=True, slots=True)
class Checked:
    """A template that may be sent. ``category`` is empty where the template is not known."""

    name: str
    language: str
    content: Mapping[str, Any]
    category: str
    shown: str


def check_template(part: Part, *, known: Callable[[str, str], Wording | None]) -> Checked:
    """Check a template object and return it as the API takes it."""
    part.only("name", "language", "components", "namespace")
    name = part.matching("name", NAME, what=_("it must be small letters, digits and underscores."))
    code = part.part("language").matching("code", LANGUAGE, what=_("it must be a language such as en_US."))
    language = api_language(code)
    components = part.parts("components", least=0)
    for component in components:
        _check_component(component)
    wording = known(name, language)
    if wording is not None:
        _check_against(part, components, wording)
    content = {**part.value, "language": {**part.value["language"], "code": language}}
    return Checked(
        name=name,
        language=language,
        content=content,
        category=wording.category.lower() if wording else "",
        shown=_shown(components, wording) if wording else f"{name}/{language}",
    )


def _check_component(component: Part) -> None:
    kind = component.choice("type", _KINDS, any_case=True)
    if kind == "button":
        component.text("sub_type")
        component.number("index", least=0, most=BUTTONS_MAX - 1)
    if kind == "carousel":
        for place, card in enumerate(component.parts("cards", most=CARDS_MAX)):
            card.number("card_index", least=place, most=place)
            for inner in card.parts("components", least=0):
                _check_component(inner)
        return
    most = 1 if kind == "header" else PARAMETERS_MAX
    for parameter in component.parts("parameters", least=0, most=most):
        _check_parameter(parameter)


def _check_parameter(parameter: Part) -> None:
    kind = parameter.text("type").lower()
    if kind == "text":
        text = parameter.text("text")
        if re.search(r"[\n\t]| {5}", text):
            raise parameter.wrong(
                "text", _("it must hold no line break, no tab and no more than four blanks in a row.")
            )
        if parameter.has("parameter_name"):
            parameter.matching(
                "parameter_name", r"[a-z0-9_]+", what=_("it must be small letters, digits and underscores.")
            )
    elif kind in _FILES:
        _check_file(parameter.part(kind))
    elif kind == "payload":
        parameter.text("payload", longest=256)
    elif kind == "coupon_code":
        parameter.text("coupon_code", longest=COPY_CODE_CHARACTERS_MAX)
    elif kind in {
        "currency",
        "date_time",
        "location",
        "action",
        "limited_time_offer",
        "product",
        "tap_target_configuration",
    }:
        parameter.part(kind)


def _check_file(file: Part) -> None:
    if file.has("url"):
        raise file.wrong("url", _("there is no such field here."), mend=_("An address is written as link."))
    if file.has("id") == file.has("link"):
        raise file.wrong("", _("either id or link is needed, and not both."))
    if file.has("link"):
        file.address("link")
    else:
        file.matching("id", r"[0-9]{1,64}", what=_("it must be the id of an uploaded file, which is digits."))


def _check_against(part: Part, components: Sequence[Part], wording: Wording) -> None:
    """Raise where parameters and wording differ: Meta would refuse every message of it, one by one (132000, 132012)."""
    for known in wording.components:
        kind = str(known.get("type", "")).lower()
        given = next((each for each in components if each.value["type"].lower() == kind), None)
        if kind in {"header", "body"}:
            _check_texts(part, given, kind, known, named=wording.parameter_format.upper() == "NAMED")
    for kind in ("header", "body"):
        extra = next((each for each in components if each.value["type"].lower() == kind), None)
        if extra and not any(str(each.get("type", "")).lower() == kind for each in wording.components):
            raise extra.wrong("", _("the template has no part of this type."))


def _check_texts(part: Part, given: Part | None, kind: str, known: Mapping[str, Any], *, named: bool) -> None:
    form = _FORMATS.get(str(known.get("format", "TEXT")).upper())
    parameters = given.parts("parameters", least=0) if given else []
    where = given or part
    place = "" if given else "components"
    if kind == "header" and form:
        if len(parameters) != 1 or parameters[0].text("type").lower() != form:
            told = _("the template's header is a file: one parameter of the type {form} is needed.").format(form=form)
            raise where.wrong(place, told)
        return
    needed = list(dict.fromkeys(VARIABLE.findall(str(known.get("text", "")))))
    if len(parameters) != len(needed):
        told = _("variables of the template's {kind}: {needed}; given: {given}.")
        raise where.wrong(place, told.format(kind=kind, needed=len(needed), given=len(parameters)))
    if named and needed:
        names = [parameter.text("parameter_name") for parameter in parameters]
        if set(names) != set(needed):
            told = _("the template's variables are called {names}.").format(names=", ".join(needed))
            raise where.wrong(place, told)


def _shown(components: Sequence[Part], wording: Wording) -> str:
    """Return the text people will see: header, body and footer with their variables filled in."""
    lines = []
    for known in wording.components:
        kind = str(known.get("type", "")).lower()
        if kind not in {"header", "body", "footer"} or not known.get("text"):
            continue
        given = next((each for each in components if each.value["type"].lower() == kind), None)
        lines.append(_filled(str(known["text"]), given))
    return "\n".join(lines)


def _filled(text: str, given: Part | None) -> str:
    parameters = given.parts("parameters", least=0) if given else []
    by_name = {
        str(each.value.get("parameter_name") or place): str(each.value.get("text") or _fallback_value(each.value))
        for place, each in enumerate(parameters, start=1)
    }
    return VARIABLE.sub(lambda match: by_name.get(match[1], match[0]), text)


def _fallback_value(parameter: Mapping[str, Any]) -> str:
    inner = parameter.get(str(parameter.get("type", "")).lower())
    return str(inner.get("fallback_value", "")) if isinstance(inner, Mapping) else ""
