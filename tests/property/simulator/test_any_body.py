"""Whatever a client sends, it is taken or refused in Meta's shape: nothing breaks the simulator."""

import copy
from typing import Any

from hypothesis import given, settings, strategies as st

from tocsin_simulator.errors import GraphError
from tocsin_simulator.messages import accept, checked, within_limits
from tocsin_simulator.values import Settings, Template
from tocsin_simulator.world import World

ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["type", "text", "id", "body"]), inner),
    max_leaves=4,
)
COMPONENTS = [
    {"type": "HEADER", "format": "IMAGE"},
    {"type": "BODY", "text": "Hello {{1}}."},
    {"type": "BUTTONS", "buttons": [{"type": "URL", "text": "Go", "url": "https://a/{{1}}"}]},
]
BODIES: list[dict[str, Any]] = [
    {"type": "text", "text": {"body": "x"}, "context": {"message_id": "wamid.x"}},
    {"type": "image", "image": {"link": "https://a/b.png", "caption": "c"}},
    {"type": "location", "location": {"latitude": 1, "longitude": 2}},
    {"type": "contacts", "contacts": [{"name": {"formatted_name": "A", "first_name": "A"}}]},
    {"type": "reaction", "reaction": {"message_id": "wamid.x", "emoji": "x"}},
    *(
        {"type": "interactive", "interactive": {
            "type": kind, "body": {"text": "b"}, "footer": {"text": "f"}, "header": {"type": "text", "text": "h"}, "action": {
                "name": kind, "parameters": {"display_text": "x", "url": "https://a", "flow_id": "1", "flow_cta": "x"},
                "buttons": [{"type": "reply", "reply": {"id": "1", "title": "One"}}], "button": "Open",
                "catalog_id": "1", "product_retailer_id": "1", "cards": [{}, {}],
                "sections": [{"title": "t", "rows": [{"id": "1", "title": "r"}], "product_items": [{}]}]}}}
        for kind in ("button", "list", "cta_url", "flow", "product_list", "carousel")
    ),
    {"type": "template", "template": {"name": "rich", "language": {"code": "en"}, "components": [
        {"type": "header", "parameters": [{"type": "image", "image": {"link": "https://a"}}]},
        {"type": "body", "parameters": [{"type": "text", "text": "x"}]},
        {"type": "button", "sub_type": "url", "index": "0", "parameters": [{"type": "text", "text": "x"}]}]}},
]  # fmt: skip


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the path of everything inside a value."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [place for key, each in inner for place in ((*path, key), *places(each, (*path, key)))]


def world() -> World:
    made = World(Settings(phone_ids=("11",), window="async", delay=0.0))
    made.templates["1"] = Template(
        id="1", name="rich", language="en", category="UTILITY", status="APPROVED", components=COMPONENTS
    )
    return made


@settings(max_examples=200)
@given(data=st.data())
def test_a_body_with_anything_anywhere_is_taken_or_refused(data):
    body = {"messaging_product": "whatsapp", "to": "+33600000001", "biz_opaque_callback_data": "row"}
    body |= copy.deepcopy(data.draw(st.sampled_from(BODIES)))
    for _ in range(data.draw(st.integers(0, 2))):
        path = data.draw(st.sampled_from(places(body) or [("to",)]))
        holder: Any = body
        for key in path[:-1]:
            holder = holder[key]
        holder[path[-1]] = data.draw(ANY)
    everything = world()
    refused = None
    try:
        outgoing = checked(everything, body, phone="11")
        within_limits(everything, outgoing)
        answered, _ = accept(everything, outgoing, b"{}")
    except GraphError as error:
        refused = error
    assert refused.body()["error"]["code"] if refused else answered.sent()


def test_the_unchanged_bodies_are_taken():
    for body in BODIES:
        whole = {"messaging_product": "whatsapp", "to": "+33600000001"} | body
        assert checked(world(), whole, phone="11").kind == body["type"]
