"""What Meta's review form accepts: the shape of a message template, its lengths, variables, examples and buttons."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from tocsin_simulator.errors import GraphError

NAME = re.compile(r"[a-z0-9_]{1,512}")
VARIABLE = re.compile(r"\{\{\s*([^{}]*?)\s*\}\}")
NAMED = re.compile(r"[a-z][a-z0-9_]*")
CATEGORIES = ("MARKETING", "UTILITY", "AUTHENTICATION")
BODY_MAX, HEADER_MAX, FOOTER_MAX, BUTTON_TEXT_MAX = 1024, 60, 60, 25
# How many of one kind a template may have; all together ten.
BUTTONS_MAX = {
    "QUICK_REPLY": 10, "URL": 2, "PHONE_NUMBER": 1, "COPY_CODE": 1, "OTP": 1, "FLOW": 1, "CATALOG": 1, "MPM": 1,
    "SPM": 1, "VOICE_CALL": 1, "REQUEST_CONTACT_INFO": 1, "ORDER_DETAILS": 1, "APP": 1,
}  # fmt: skip
HEADER_FORMATS = ("TEXT", "IMAGE", "VIDEO", "GIF", "DOCUMENT", "LOCATION", "PRODUCT")
# Seconds a message of the template may wait to be delivered, by category; -1 is 30 days.
TTL_SECONDS = {"AUTHENTICATION": (30, 900), "UTILITY": (30, 43_200), "MARKETING": (43_200, 2_592_000)}
LANGUAGES = frozenset(
    "af sq ar ar_EG ar_AE ar_LB ar_MA ar_QA az be_BY bn bn_IN bg ca zh_CN zh_HK zh_TW hr cs da prs_AF nl nl_BE en "
    "en_GB en_US en_AE en_AU en_CA en_GH en_IE en_IN en_JM en_MY en_NZ en_QA en_SG en_UG en_ZA et fil fi fr fr_BE "
    "fr_CA fr_CH fr_CI fr_MA ka de de_AT de_CH el gu ha he hi hu id ga it ja kn kk rw_RW ko ky_KG lo lv lt mk ms "
    "ml mr nb ps_AF fa pl pt_BR pt_PT pa ro ru sr si_LK sk sl es es_AR es_CL es_CO es_CR es_DO es_EC es_HN es_MX "
    "es_PA es_PE es_ES es_UY sw sv ta te th tr uk ur uz vi zu".split()
)

Component = dict[str, Any]


@dataclass(frozen=True)
class Shape:
    """What decides how a component is read."""

    category: str
    parameter_format: str


def refused(title: str, told: str, *, subcode: int) -> GraphError:
    """Return a refusal with what Meta would show to a person."""
    extra = {"message": "Invalid parameter", "error_user_title": title, "error_user_msg": told}
    return GraphError(100, title="Invalid parameter", subcode=subcode, extra=extra)


def too_long(what: str, most: int) -> GraphError:
    """Return the refusal of a field that is too long."""
    return refused("Character Limit Exceeded", f"{what} can have at most {most} characters.", subcode=2388040)


def header_wrong(told: str) -> GraphError:
    """Return the refusal of a header."""
    return refused("Message Header Format Incorrect", told, subcode=2388047)


def body_wrong(told: str) -> GraphError:
    """Return the refusal of a body."""
    return refused("Message Body Format Incorrect", told, subcode=2388072)


def footer_wrong(told: str) -> GraphError:
    """Return the refusal of a footer."""
    return refused("Message Footer Format Incorrect", told, subcode=2388073)


def not_valid(told: str) -> GraphError:
    """Return the refusal of anything else in the request."""
    return GraphError(100, title="Invalid parameter", extra={"message": "(#100) " + told, "error_user_msg": told})


def check_name(name: Any) -> str:
    """Return a template's name, when it may be one."""
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise not_valid("Param name must have 1 to 512 characters a-z, 0-9 and underscore.")
    return name


def check_language(language: Any) -> str:
    """Return a language that templates exist in."""
    if language not in LANGUAGES:
        raise not_valid(f"Param language must be one of the supported languages; got {language!r:.20}.")
    return str(language)


def check_category(category: Any) -> str:
    """Return a category."""
    if str(category).upper() not in CATEGORIES:
        raise not_valid(f"Param category must be one of {{{', '.join(CATEGORIES)}}}.")
    return str(category).upper()


def check_ttl(seconds: Any, *, category: str) -> None:
    """Check how long a message may wait."""
    least, most = TTL_SECONDS[category]
    if isinstance(seconds, str) and seconds.lstrip("-").isdigit():
        seconds = int(seconds)
    if seconds != -1 and (not isinstance(seconds, int) or not least <= seconds <= most):
        raise not_valid(f"Param message_send_ttl_seconds must be -1 or between {least} and {most} for {category}.")


def check_components(given: Any, *, category: str, parameter_format: str) -> list[Component]:
    """Return the components, kinds in capital letters as Meta gives them back; raises `GraphError`."""
    if not isinstance(given, list) or not given or not all(isinstance(each, dict) for each in given):
        raise not_valid("Param components must be an array of objects.")
    if parameter_format not in {"POSITIONAL", "NAMED"}:
        raise not_valid("Param parameter_format must be one of {POSITIONAL, NAMED}.")
    components = [_capital(each) for each in given]
    kinds = [each["type"] for each in components]
    for kind in kinds:
        if kind not in CHECKS:
            raise not_valid(f"Param components[n]['type'] must be one of {{{', '.join(CHECKS)}}}.")
        if kinds.count(kind) > 1:
            raise not_valid(f"A template has at most one component {kind}.")
    if "BODY" not in kinds:
        raise body_wrong("A template needs a body.")
    for component in components:
        CHECKS[component["type"]](component, Shape(category, parameter_format))
    if "LIMITED_TIME_OFFER" in kinds and (category != "MARKETING" or "FOOTER" in kinds):
        raise not_valid("A limited-time offer is a MARKETING template without a footer.")
    return components


def _capital(component: Component) -> Component:
    made = dict(component)
    made["type"] = str(component.get("type", "")).upper()
    if "format" in component:
        made["format"] = str(component["format"]).upper()
    if isinstance(component.get("buttons"), list):
        made["buttons"] = [
            {**each, "type": str(each.get("type", "")).upper()} if isinstance(each, dict) else {}
            for each in component["buttons"]
        ]
    return made


def variables(text: str) -> list[str]:
    """Return what stands between double braces, in its order."""
    return VARIABLE.findall(text)


def _check_variables(text: str, *, parameter_format: str, wrong: Callable[[str], GraphError]) -> list[str]:
    """Return a text's variables, each once, when they are numbered from 1 or well named."""
    found = list(dict.fromkeys(variables(text)))
    if text.count("{{") != text.count("}}") or text.count("{{") != len(variables(text)):
        raise wrong("Variables stand in double braces that are opened and closed.")
    if parameter_format == "NAMED":
        if bad := [name for name in found if not NAMED.fullmatch(name)]:
            raise wrong(f"The variable {bad[0]!r} must be lower-case letters, digits and underscores.")
    elif sorted(found, key=lambda each: (len(each), each)) != [str(n + 1) for n in range(len(found))]:
        raise wrong("Variables are numbered {{1}}, {{2}} ... without a gap.")
    return found


def _check_text(component: Component, most: int, what: str, wrong: Callable[[str], GraphError]) -> str:
    text = component.get("text")
    if not isinstance(text, str) or not text.strip():
        raise wrong(f"The {what.lower()} has no text.")
    if len(text) > most:
        raise too_long(what, most)
    return text


def check_header(component: Component, shape: Shape) -> None:
    """Check a header: text with at most one variable, or a file with a sample."""
    form = component.setdefault("format", "TEXT")
    example = component.get("example") or {}
    if form not in HEADER_FORMATS:
        raise header_wrong(f"format must be one of {{{', '.join(HEADER_FORMATS)}}}.")
    if form == "TEXT":
        text = _check_text(component, HEADER_MAX, "Header", header_wrong)
        found = _check_variables(text, parameter_format=shape.parameter_format, wrong=header_wrong)
        if len(found) > 1:
            raise header_wrong("A header has at most one variable.")
        if re.search(r"[*_~`\n]", VARIABLE.sub("", text)):
            raise header_wrong("Header text can't have new lines or formatting characters.")
        if found and not (example.get("header_text") or example.get("header_text_named_params")):
            raise header_wrong("A header with a variable needs example.header_text.")
    elif form in {"IMAGE", "VIDEO", "DOCUMENT", "GIF"} and not example.get("header_handle"):
        raise header_wrong(f"A header of format {form} needs example.header_handle.")


def check_body(component: Component, shape: Shape) -> None:
    """Check a body: its length, its variables, and an example for each."""
    if shape.category == "AUTHENTICATION" and "text" not in component:
        return
    text = _check_text(component, BODY_MAX, "Body", body_wrong)
    found = _check_variables(text, parameter_format=shape.parameter_format, wrong=body_wrong)
    bare = text.strip()
    if found and (re.match(r"\{\{", bare) or bare.endswith("}}")):
        told = "Variables can't be at the start or end of the template."
        raise refused("Leading or Trailing Params not Allowed", told, subcode=2388299)
    words = len(VARIABLE.sub(" ", text).split())
    if found and words < 2 * len(found) + 1:
        told = "This template contains too many variables for its length. Reduce them or increase the message length."
        raise refused("Parameter Words Ratio Exceeds Limit", told, subcode=2388293)
    if found:
        _check_examples(component.get("example") or {}, found, parameter_format=shape.parameter_format)


def _check_examples(example: Component, found: list[str], *, parameter_format: str) -> None:
    if parameter_format == "NAMED":
        given = example.get("body_text_named_params")
        names = (
            {each.get("param_name") for each in given if isinstance(each, dict)} if isinstance(given, list) else set()
        )
        if names != set(found):
            raise body_wrong("example.body_text_named_params must have one example for each variable.")
        return
    rows = example.get("body_text")
    row = rows[0] if isinstance(rows, list) and rows and isinstance(rows[0], list) else rows
    if not isinstance(row, list) or len(row) != len(found):
        raise body_wrong("example.body_text must have one example for each variable.")


def check_footer(component: Component, shape: Shape) -> None:
    """Check a footer: short, and without variables."""
    if shape.category == "AUTHENTICATION" and "code_expiration_minutes" in component:
        minutes = component["code_expiration_minutes"]
        if not isinstance(minutes, int) or not 1 <= minutes <= 90:
            raise footer_wrong("code_expiration_minutes lies between 1 and 90.")
        return
    text = _check_text(component, FOOTER_MAX, "Footer", footer_wrong)
    if variables(text):
        raise footer_wrong("A footer has no variables.")


def check_buttons(component: Component, _shape: Shape) -> None:
    """Check the buttons: kinds, numbers, order, texts."""
    buttons = component.get("buttons")
    if not isinstance(buttons, list) or not buttons:
        raise not_valid("Param buttons must be an array of objects.")
    if len(buttons) > 10:
        raise not_valid("A template has at most 10 buttons.")
    kinds = [str(each.get("type", "")) for each in buttons]
    for kind in kinds:
        if kind not in BUTTONS_MAX:
            raise not_valid(f"Param buttons[n]['type'] must be one of {{{', '.join(BUTTONS_MAX)}}}.")
        if kinds.count(kind) > BUTTONS_MAX[kind]:
            raise not_valid(f"A template has at most {BUTTONS_MAX[kind]} button(s) {kind}.")
    changes = sum((a == "QUICK_REPLY") != (b == "QUICK_REPLY") for a, b in pairwise(kinds))
    if changes > 1:
        told = "Quick reply buttons must stand together. Mixing them with other buttons is an invalid combination."
        raise not_valid(told)
    for button in buttons:
        _check_button(button)


def _check_button(button: Component) -> None:
    text, kind = button.get("text"), button["type"]
    if kind in {"QUICK_REPLY", "URL", "PHONE_NUMBER"} and (not isinstance(text, str) or not text.strip()):
        raise not_valid(f"A button {kind} has a text.")
    if isinstance(text, str) and len(text) > BUTTON_TEXT_MAX:
        raise too_long("Button text", BUTTON_TEXT_MAX)
    if isinstance(text, str) and variables(text):
        raise not_valid("A button's text has no variables.")
    if kind == "URL":
        url = str(button.get("url", ""))
        if not re.match(r"https?://", url) or len(url) > 2000:
            raise not_valid("A button URL has a url of at most 2000 characters.")
        found = variables(url)
        if len(found) > 1 or (found and not url.rstrip().endswith("}}")):
            raise not_valid("A url has at most one variable, at its end.")
        if found and not button.get("example"):
            raise not_valid("A url with a variable needs an example.")
    elif kind == "PHONE_NUMBER" and not re.fullmatch(r"\+?[0-9 ()-]{5,20}", str(button.get("phone_number", ""))):
        raise not_valid("A button PHONE_NUMBER has a phone_number of at most 20 characters.")
    elif kind == "COPY_CODE":
        example = button.get("example")
        sample = example[0] if isinstance(example, list) and example else example
        if not isinstance(sample, str) or not 1 <= len(sample) <= 15:
            raise not_valid("A button COPY_CODE needs an example of at most 15 characters.")
    elif kind == "OTP" and str(button.get("otp_type", "")).upper() not in {"COPY_CODE", "ONE_TAP", "ZERO_TAP"}:
        raise not_valid("A button OTP has otp_type COPY_CODE, ONE_TAP or ZERO_TAP.")


def check_carousel(component: Component, shape: Shape) -> None:
    """Check a carousel: two to ten cards of the same build."""
    cards = component.get("cards")
    if not isinstance(cards, list) or not 2 <= len(cards) <= 10:
        raise not_valid("A carousel has 2 to 10 cards.")
    builds = set()
    for card in cards:
        parts = [_capital(each) for each in card.get("components", [])] if isinstance(card, dict) else []
        for part in parts:
            if part["type"] not in {"HEADER", "BODY", "BUTTONS"}:
                raise not_valid("A card has a header, a body and buttons.")
            CHECKS[part["type"]](part, shape)
        builds.add(tuple((part["type"], part.get("format"), len(part.get("buttons", []))) for part in parts))
    if len(builds) > 1:
        raise not_valid("All cards of a carousel have the same components.")


def check_offer(component: Component, _shape: Shape) -> None:
    """Check a limited-time offer."""
    offer = component.get("limited_time_offer")
    if not isinstance(offer, dict) or not 1 <= len(str(offer.get("text", ""))) <= 16:
        raise not_valid("A limited-time offer has a text of at most 16 characters.")


def check_call(_component: Component, _shape: Shape) -> None:
    """Accept a request to call: it has no fields."""


CHECKS: dict[str, Callable[[Component, Shape], None]] = {
    "HEADER": check_header,
    "BODY": check_body,
    "FOOTER": check_footer,
    "BUTTONS": check_buttons,
    "CAROUSEL": check_carousel,
    "LIMITED_TIME_OFFER": check_offer,
    "CALL_PERMISSION_REQUEST": check_call,
}
