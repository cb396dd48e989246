"""Every outbound type is taken, and what breaks one of Meta's limits is refused with its place."""

import copy

import pytest

from tocsin.integrations.whatsapp.contents import prepare
from tocsin.integrations.whatsapp.languages import api_language
from tocsin.integrations.whatsapp.sent_templates import Wording
from tocsin.messaging.errors import ContentNotUnderstood

REPLY = {"type": "reply", "reply": {"id": "1", "title": "It was me"}}
ROW = {"id": "r1", "title": "Row", "description": "What it is"}


def interactive(kind, action, **more):
    return {"type": "interactive", "interactive": {"type": kind, "body": {"text": "Body"}, "action": action, **more}}


def template(*components, name="breach_notice", code="en_US"):
    return {"type": "template", "template": {"name": name, "language": {"code": code}, "components": list(components)}}


GOOD = {
    "text": {"type": "text", "text": {"body": "x" * 4096, "preview_url": True}},
    "reply": {"type": "text", "text": {"body": "x"}, "context": {"message_id": "wamid.A"}},
    "image": {"type": "image", "image": {"id": "123", "caption": "c" * 1024}},
    "video": {"type": "video", "video": {"link": "https://example.org/a.mp4"}},
    "audio": {"type": "audio", "audio": {"id": "123", "voice": True}},
    "document": {"type": "document", "document": {"id": "1", "filename": "a.pdf", "caption": "Read it"}},
    "sticker": {"type": "sticker", "sticker": {"id": "1"}},
    "location": {"type": "location", "location": {"latitude": 48.85, "longitude": "2.35", "name": "Paris"}},
    "contacts": {
        "type": "contacts",
        "contacts": [{"name": {"formatted_name": "A B", "first_name": "A"}, "phones": [{"phone": "+331"}]}],
    },
    "reaction": {"type": "reaction", "reaction": {"message_id": "wamid.A", "emoji": "👍"}},
    "reaction taken back": {"type": "reaction", "reaction": {"message_id": "wamid.A", "emoji": ""}},
    "buttons": interactive("button", {"buttons": [REPLY]}, header={"type": "image", "image": {"id": "1"}}),
    "list": interactive("list", {"button": "Choose", "sections": [{"rows": [ROW]}]}, footer={"text": "f" * 60}),
    "link": interactive(
        "cta_url", {"name": "cta_url", "parameters": {"display_text": "See", "url": "https://example.org/x"}}
    ),
    "flow": interactive(
        "flow", {"name": "flow", "parameters": {"flow_message_version": "3", "flow_id": "1", "flow_cta": "Begin"}}
    ),
    "product": interactive("product", {"catalog_id": "1", "product_retailer_id": "2"}),
    "products": interactive(
        "product_list",
        {"catalog_id": "1", "sections": [{"title": "T", "product_items": [{"product_retailer_id": "2"}]}]},
        header={"type": "text", "text": "H"},
    ),
    "catalogue": interactive("catalog_message", {"name": "catalog_message"}),
    "location request": interactive("location_request_message", {"name": "send_location"}),
    "address": interactive("address_message", {"name": "address_message", "parameters": {"country": "IN"}}),
    "call permission": interactive("call_permission_request", {"name": "call_permission_request"}),
    "call": interactive("voice_call", {"name": "voice_call", "parameters": {"display_text": "Call"}}),
    "carousel": interactive(
        "carousel", {"cards": [{"card_index": n, "type": "cta_url", "action": {"name": "cta_url"}} for n in range(2)]}
    ),
    "contact request": interactive("request_contact_info", {"name": "request_contact_info"}),
    "order": interactive("order_details", {"name": "review_and_pay", "parameters": {"reference_id": "1"}}),
    "order status": interactive("order_status", {"name": "review_order", "parameters": {"reference_id": "1"}}),
    "template": template(
        {"type": "BODY", "parameters": [{"type": "text", "text": "Ada", "parameter_name": "first_name"}]},
        {"type": "button", "sub_type": "url", "index": "0", "parameters": [{"type": "text", "text": "x"}]},
    ),
}


@pytest.mark.parametrize("content", GOOD.values(), ids=GOOD)
def test_every_outbound_type_is_taken(content):
    prepared = prepare(content)
    assert prepared.needs_window == (content["type"] != "template")
    assert prepared.content["type"] == content["type"]


def changed(name, path, value):
    content = copy.deepcopy(GOOD[name])
    at = content
    for key in path[:-1]:
        at = at[key]
    if value is None:
        del at[path[-1]]
    else:
        at[path[-1]] = value
    return content


BUTTON = ("interactive", "action", "buttons")
SECTION = ("interactive", "action", "sections")
BAD = [
    ("text", ("type",), "txt", "type"),
    ("text", ("txt",), {"body": "x"}, "txt"),
    ("text", ("text", "body"), "x" * 4097, "text.body"),
    ("text", ("text", "body"), "  ", "text.body"),
    ("text", ("text", "body"), None, "text.body"),
    ("text", ("text", "boddy"), "x", "text.boddy"),
    ("image", ("image", "caption"), "x" * 1025, "image.caption"),
    ("image", ("image", "link"), "https://example.org", "image"),
    ("image", ("image", "url"), "https://example.org", "image.url"),
    ("image", ("image", "id"), "abc", "image.id"),
    ("video", ("video", "link"), "example.org/a.mp4", "video.link"),
    ("audio", ("audio", "caption"), "x", "audio.caption"),
    ("location", ("location", "latitude"), 91, "location.latitude"),
    ("location", ("location", "longitude"), True, "location.longitude"),
    ("contacts", ("contacts", 0, "name", "first_name"), None, "contacts[0].name"),
    ("contacts", ("contacts",), [{"name": {"formatted_name": "A", "first_name": "A"}}] * 258, "contacts"),
    ("reaction", ("reaction", "message_id"), "", "reaction.message_id"),
    ("buttons", (*BUTTON,), [REPLY] * 4, "interactive.action.buttons"),
    ("buttons", (*BUTTON,), [REPLY] * 2, "interactive.action.buttons[1].reply.id"),
    ("buttons", (*BUTTON, 0, "reply", "title"), "x" * 21, "interactive.action.buttons[0].reply.title"),
    ("buttons", (*BUTTON, 0, "reply", "id"), "x" * 257, "interactive.action.buttons[0].reply.id"),
    ("buttons", ("interactive", "body", "text"), "x" * 1025, "interactive.body.text"),
    ("buttons", ("interactive", "header"), {"type": "text", "text": "x" * 61}, "interactive.header.text"),
    ("list", ("interactive", "body", "text"), "x" * 4097, "interactive.body.text"),
    ("list", ("interactive", "footer", "text"), "x" * 61, "interactive.footer.text"),
    ("list", ("interactive", "action", "button"), "x" * 21, "interactive.action.button"),
    ("list", (*SECTION,), [{"rows": [ROW]}, {"rows": [ROW]}], "interactive.action.sections[0].title"),
    (
        "list",
        (*SECTION,),
        [{"title": "T", "rows": [{"id": f"{a}{b}", "title": "x"} for a in range(4)]} for b in range(3)],
        "interactive.action.sections",
    ),
    ("list", (*SECTION, 0, "rows", 0, "title"), "x" * 25, "interactive.action.sections[0].rows[0].title"),
    ("list", (*SECTION, 0, "rows", 0, "description"), "x" * 73, "interactive.action.sections[0].rows[0].description"),
    ("list", (*SECTION, 0, "rows", 0, "id"), "x" * 201, "interactive.action.sections[0].rows[0].id"),
    ("list", ("interactive", "header"), {"type": "image", "image": {"id": "1"}}, "interactive.header.type"),
    ("link", ("interactive", "action", "parameters", "url"), "nowhere", "interactive.action.parameters.url"),
    ("flow", ("interactive", "action", "parameters", "flow_id"), None, "interactive.action.parameters"),
    ("products", ("interactive", "header"), None, "interactive.header"),
    ("product", ("interactive", "header"), {"type": "text", "text": "x"}, "interactive.header"),
    ("carousel", ("interactive", "action", "cards", 1, "card_index"), 5, "interactive.action.cards[1].card_index"),
    ("template", ("template", "name"), "Breach Notice", "template.name"),
    ("template", ("template", "language", "code"), "english", "template.language.code"),
    ("template", ("template", "components", 1, "index"), "10", "template.components[1].index"),
    (
        "template",
        ("template", "components", 0, "parameters", 0, "text"),
        "a\nb",
        "template.components[0].parameters[0].text",
    ),
    ("template", ("when_shut",), {"type": "template"}, "when_shut"),
    ("text", ("category",), "utility", "category"),
    ("text", ("when_shut",), {"type": "text", "text": {"body": "x"}}, "when_shut.text"),
]


@pytest.mark.parametrize(("name", "path", "value", "place"), BAD, ids=[f"{row[0]}:{row[3]}" for row in BAD])
def test_what_breaks_a_limit_is_refused_with_its_place(name, path, value, place):
    with pytest.raises(ContentNotUnderstood) as refused:
        prepare(changed(name, path, value))
    assert refused.value.where == place


def test_media_header_templates_can_be_sent():
    header = {"type": "header", "parameters": [{"type": "image", "image": {"id": "123"}}]}
    known = Wording("UTILITY", [{"type": "HEADER", "format": "IMAGE"}, {"type": "BODY", "text": "Hello"}])
    assert prepare(template(header), known=lambda name, language: known).shown == "Hello"
    with pytest.raises(ContentNotUnderstood, match="header is a file"):
        prepare(template(), known=lambda name, language: known)


def test_a_template_is_offered_when_the_window_is_shut():
    prepared = prepare({**GOOD["text"], "when_shut": template(code="fr")})
    assert prepared.needs_window
    assert prepared.fallback_template == "breach_notice/fr"
    assert prepared.fallback == template(code="fr")
    assert "when_shut" not in prepared.content


def test_a_known_templates_variables_are_counted_before_anything_is_sent():
    known = Wording("UTILITY", [{"type": "BODY", "text": "Hello {{1}}, change {{2}}."}])
    body = {"type": "body", "parameters": [{"type": "text", "text": "Ada"}, {"type": "text", "text": "it"}]}
    prepared = prepare(template(body), known=lambda name, language: known)
    assert (prepared.shown, prepared.category, prepared.needs_window) == ("Hello Ada, change it.", "utility", False)
    body["parameters"].pop()
    with pytest.raises(ContentNotUnderstood, match="body: 2; given: 1"):
        prepare(template(body), known=lambda name, language: known)


def test_named_variables_are_found_by_their_names():
    known = Wording("UTILITY", [{"type": "BODY", "text": "Hello {{first_name}}."}], parameter_format="NAMED")
    given = {"type": "text", "text": "Ada", "parameter_name": "first_name"}
    body = {"type": "body", "parameters": [given]}
    assert prepare(template(body), known=lambda name, language: known).shown == "Hello Ada."
    given["parameter_name"] = "name"
    with pytest.raises(ContentNotUnderstood, match="called first_name"):
        prepare(template(body), known=lambda name, language: known)


@pytest.mark.parametrize(
    ("written", "sent"),
    [("en-US", "en_US"), ("en_US", "en_US"), ("pt-br", "pt_BR"), ("fr", "fr"), ("zh_Hant_HK", "zh_Hant_HK")],
)
def test_the_language_of_a_template_is_written_as_the_api_writes_it(written, sent):
    assert api_language(written) == sent
    assert prepare(template(code=written)).template == f"breach_notice/{sent}"


def test_direct_send_needs_no_window_where_the_account_may():
    content = {**GOOD["text"], "text": {"body": "Change your password."}, "category": "utility"}
    prepared = prepare(content, is_direct=True)
    assert (prepared.needs_window, prepared.category, prepared.content["category"]) == (False, "utility", "utility")


def test_errors_repeat_no_text():
    with pytest.raises(ContentNotUnderstood) as refused:
        prepare({"type": "text", "text": {"body": "secret " * 1000}})
    assert "secret" not in str(refused.value)
