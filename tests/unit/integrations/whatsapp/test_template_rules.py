"""Definitions of templates: what Meta's reviewers and machines refuse is refused here, with its place."""

import copy
import json

import pytest

from tocsin.integrations.whatsapp.template_rules import check_definition
from tocsin.messaging.errors import ContentNotUnderstood

BODY = {"type": "BODY", "text": "Hello {{1}}, on {{2}} it happened.", "example": {"body_text": [["Ada", "Monday"]]}}
GOOD = {
    "name": "breach_notice",
    "language": "en-US",
    "category": "utility",
    "components": [
        {"type": "HEADER", "format": "TEXT", "text": "Case {{1}}", "example": {"header_text": ["1"]}},
        BODY,
        {"type": "FOOTER", "text": "Larkwave"},
        {
            "type": "BUTTONS",
            "buttons": [
                {"type": "QUICK_REPLY", "text": "It was me"},
                {"type": "QUICK_REPLY", "text": "Not me"},
                {"type": "URL", "text": "Read", "url": "https://example.org/{{1}}", "example": ["a"]},
                {"type": "PHONE_NUMBER", "text": "Call", "phone_number": "+33612345678"},
            ],
        },
    ],
}


def test_a_definition_is_returned_as_the_api_takes_it():
    checked = check_definition(GOOD)
    assert (checked["language"], checked["category"]) == ("en_US", "UTILITY")
    assert checked["components"] == GOOD["components"]


def test_named_variables_have_named_examples():
    body = {
        "type": "BODY",
        "text": "Hello {{first_name}}.",
        "example": {"body_text_named_params": [{"param_name": "first_name", "example": "Ada"}]},
    }
    given = {**GOOD, "parameter_format": "named", "components": [body]}
    assert check_definition(given)["parameter_format"] == "NAMED"
    with pytest.raises(ContentNotUnderstood) as refused:
        check_definition({**given, "components": [{**body, "example": {"body_text": [["Ada"]]}}]})
    assert refused.value.where == "components[0].example.body_text_named_params"


@pytest.mark.parametrize(
    ("path", "value", "place"),
    [
        (("name",), "Breach Notice", "name"),
        (("language",), "english language", "language"),
        (("category",), "TRANSACTIONAL", "category"),
        (("allow_category_change",), True, "allow_category_change"),
        (("message_send_ttl_seconds",), 43_201, "message_send_ttl_seconds"),
        (("components",), [GOOD["components"][2]], "components"),
        (("components", 2, "type"), "BODY", "components[2].type"),
        (("components", 0, "text"), "x" * 61, "components[0].text"),
        (("components", 0, "text"), "{{1}} and {{2}} x", "components[0].text"),
        (("components", 0, "format"), "IMAGE", "components[0].example"),
        (("components", 1, "text"), "x" * 1025, "components[1].text"),
        (("components", 1, "text"), "{{1}} on {{2}} it happened.", "components[1].text"),
        (("components", 1, "text"), "It happened to {{1}} on {{2}}", "components[1].text"),
        (("components", 1, "text"), "It happened {{1}} {{2}} then.", "components[1].text"),
        (("components", 1, "text"), "It happened {{2}} and {{1}} then.", "components[1].text"),
        (("components", 1, "example"), None, "components[1].example"),
        (("components", 1, "example"), {"body_text": [["Ada"]]}, "components[1].example.body_text"),
        (("components", 2, "text"), "x" * 61, "components[2].text"),
        (("components", 2, "text"), "For {{1}} only", "components[2].text"),
        (("components", 3, "buttons"), [{"type": "QUICK_REPLY", "text": "x"}] * 11, "components[3].buttons"),
        (("components", 3, "buttons", 0, "text"), "x" * 26, "components[3].buttons[0].text"),
        (("components", 3, "buttons", 2, "url"), "https://example.org/{{1}}/x", "components[3].buttons[2].url"),
        (("components", 3, "buttons", 2, "example"), None, "components[3].buttons[2].example"),
        (("components", 3, "buttons", 3, "phone_number"), "call", "components[3].buttons[3].phone_number"),
        (
            ("components", 3, "buttons"),
            [{"type": kind, "text": "x", "url": "https://a.example"} for kind in ("QUICK_REPLY", "URL", "QUICK_REPLY")],
            "components[3].buttons[2].type",
        ),
        (
            ("components", 3, "buttons"),
            [{"type": "URL", "text": "x", "url": "https://a.example"}] * 3,
            "components[3].buttons[0].type",
        ),
    ],
)
def test_what_review_would_refuse_is_refused_with_its_place(path, value, place):
    given = at = copy.deepcopy(GOOD)
    for key in path[:-1]:
        at = at[key]
    if value is None:
        del at[path[-1]]
    else:
        at[path[-1]] = value
    with pytest.raises(ContentNotUnderstood) as refused:
        check_definition(given)
    assert refused.value.where == place


@pytest.mark.parametrize("name", ["authentication", "buttons", "carousel", "limited_time_offer"])
def test_definitions_of_other_peoples_are_taken(name, data_folder):
    """Definitions an independent client makes: none of them may be refused."""
    folder = data_folder / "whatsapp-webhooks" / "pywa_fixtures" / "templates" / name
    if not folder.is_dir():
        pytest.skip("no fixtures of templates in the data folder")
    found = json.loads((folder / "examples.json").read_text(encoding="utf-8"))
    assert found
    for definition in found.values():
        assert check_definition(definition)["components"] == definition["components"]
