"""What we send, held against Meta's own description of it, in its mended form.

As published the schemas refuse every example that stands beside them: a message is `allOf` two closed objects. What is
mended here is written out; everything else is Meta's. Lengths, lists and names are thus checked by somebody else's word.
"""

import uuid
from typing import Any

import jsonschema
import orjson
import pytest
import yaml

from tocsin.customers.values import AddressKind
from tocsin.integrations.whatsapp.channel import payload
from tocsin.integrations.whatsapp.contents import prepare
from tocsin.messaging.values import Outgoing, Purpose

from .test_contents import GOOD

FILE = "whatsapp-openapi/business-messaging-api_v23.0.yaml"
# Interactive types and template parts that are newer than the file, or that it describes wrongly beyond mending.
NOT_DESCRIBED = {
    "link", "location request", "address", "call permission", "call", "carousel", "contact request", "order",
    "order status", "catalogue",
}  # fmt: skip


@pytest.fixture(scope="module")
def schemas(data_folder) -> dict[str, Any]:
    path = data_folder / FILE
    if not path.is_file():
        pytest.skip(f"no {FILE} in the data folder")
    found = yaml.load(path.read_bytes(), Loader=yaml.CSafeLoader)["components"]["schemas"]
    mend(found)
    return found


def mend(schemas: dict[str, Any]) -> None:
    """Take out what contradicts Meta's own examples: five places."""
    for schema in schemas.values():
        for each in schema.get("allOf", ()):
            each.pop("additionalProperties", None)
    schemas["BaseMessageProperties"]["required"] = ["messaging_product", "type"]
    schemas["LanguageObject"]["required"] = ["code"]
    place = schemas["LocationMessage"]["allOf"][1]["properties"]["location"]["properties"]
    for axis in ("latitude", "longitude"):
        place[axis]["type"] = ["string", "number"]
    for component in (schemas["TemplateComponent"]["properties"], schemas["ButtonComponent"]["allOf"][1]["properties"]):
        component["index"] = {"type": ["string", "integer"]}
        component["sub_type"] = {"type": "string"}
    schemas["TemplateComponent"]["properties"]["type"]["enum"] += ["BODY", "HEADER", "BUTTON"]


def sent(name: str) -> dict[str, Any]:
    """Return the object that goes over the wire for one content."""
    prepared = prepare(GOOD[name])
    message = Outgoing(
        id=uuid.UUID(int=1),
        address="+15557654321",
        address_kind=AddressKind.PHONE,
        content=prepared.content,
        number=1,
        purpose=Purpose.SERVICE,
    )
    made: dict[str, Any] = orjson.loads(payload(message))
    return made


@pytest.mark.parametrize("name", sorted(set(GOOD) - NOT_DESCRIBED))
def test_what_we_send_fits_metas_schema(name, schemas):
    made = sent(name)
    title = made["type"].capitalize() + "Message"
    jsonschema.Draft202012Validator(
        {"$ref": f"#/components/schemas/{title}", "components": {"schemas": schemas}}
    ).validate(made)


@pytest.mark.parametrize(
    ("name", "place", "wrong"),
    [
        ("text", ("text", "boddy"), "x"),
        ("buttons", ("interactive", "action", "buttons", 0, "reply", "title"), "x" * 21),
        ("list", ("interactive", "action", "sections", 0, "rows", 0, "id"), "x" * 201),
        ("template", ("template", "language"), {"policy": "deterministic"}),
    ],
)
def test_the_mended_schema_still_refuses_what_is_wrong(name, place, wrong, schemas):
    made = at = sent(name)
    for key in place[:-1]:
        at = at[key]
    at[place[-1]] = wrong
    title = made["type"].capitalize() + "Message"
    whole = {"$ref": f"#/components/schemas/{title}", "components": {"schemas": schemas}}
    assert not jsonschema.Draft202012Validator(whole).is_valid(made)
