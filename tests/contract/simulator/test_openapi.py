"""The simulator answers what Meta's own OpenAPI file lists, in the shapes it draws.

The file is an inventory, not an oracle: its examples do not pass its own schemas. So additional properties are allowed,
and each place where our answer knowingly differs is named with its reason.
"""

from typing import Any

import aiohttp
import jsonschema
import pytest
import yaml

PNG = bytes.fromhex("89504e470d0a1a0a")
PERSON = "33600000001"
PHONE, WABA, APP, BUSINESS = "11", "21", "31", "41"
KEY = "-----BEGIN PUBLIC KEY-----\nMIIB\n-----END PUBLIC KEY-----"
BODY = [{"type": "BODY", "text": "Your order has left our house."}]
PROFILE = {"messaging_product": "whatsapp", "about": "Music", "vertical": "ENTERTAIN"}
BLOCK = {"messaging_product": "whatsapp", "block_users": [{"user": PERSON}]}
TEXT = {"messaging_product": "whatsapp", "to": f"+{PERSON}", "type": "text", "text": {"body": "Hi"}}
MARKETING = {
    "messaging_product": "whatsapp",
    "to": f"+{PERSON}",
    "type": "template",
    "template": {"name": "offer", "language": {"code": "en_US"}},
}

# (method, path of the inventory) -> (what is asked of the simulator, its body or query); in an order that works.
CALLS: dict[tuple[str, str], tuple[str, Any]] = {
    ("GET", "/{WABA-ID}"): (f"/{WABA}", None),
    ("POST", "/{WABA-ID}"): (f"/{WABA}", {"is_enabled_for_insights": True}),
    ("GET", "/{WABA-ID}/activities"): (f"/{WABA}/activities", None),
    ("GET", "/{WABA-ID}/solutions"): (f"/{WABA}/solutions", None),
    ("GET", "/{WhatsApp-Business-Account-ID}/assigned_users"): (f"/{WABA}/assigned_users", None),
    ("POST", "/{WhatsApp-Business-Account-ID}/assigned_users"): (
        f"/{WABA}/assigned_users",
        {"user": "5", "tasks": ["MANAGE"]},
    ),
    ("DELETE", "/{WhatsApp-Business-Account-ID}/assigned_users"): (f"/{WABA}/assigned_users", {"user": "5"}),
    ("GET", "/{Business-ID}"): (f"/{BUSINESS}", None),
    ("GET", "/{Business-ID}/owned_whatsapp_business_accounts"): (f"/{BUSINESS}/owned_whatsapp_business_accounts", None),
    ("GET", "/{Business-ID}/client_whatsapp_business_accounts"): (
        f"/{BUSINESS}/client_whatsapp_business_accounts",
        None,
    ),
    ("GET", "/{WABA-ID}/subscribed_apps"): (f"/{WABA}/subscribed_apps", None),
    ("POST", "/{WABA-ID}/subscribed_apps"): (f"/{WABA}/subscribed_apps", {}),
    ("DELETE", "/{WABA-ID}/subscribed_apps"): (f"/{WABA}/subscribed_apps", None),
    ("GET", "/{WABA-ID}/phone_numbers"): (f"/{WABA}/phone_numbers", None),
    ("POST", "/{WABA-ID}/phone_numbers"): (
        f"/{WABA}/phone_numbers",
        {"cc": "1", "phone_number": "5550109999", "verified_name": "N"},
    ),
    ("GET", "/{WABA-ID}/message_templates"): (f"/{WABA}/message_templates", None),
    ("POST", "/{WABA-ID}/message_templates"): (
        f"/{WABA}/message_templates",
        {"name": "made", "language": "en_US", "category": "UTILITY", "components": BODY},
    ),
    ("GET", "/{TEMPLATE_ID}"): ("/{template}", None),
    ("POST", "/{TEMPLATE_ID}"): ("/{template}", {"components": BODY}),
    ("DELETE", "/{WABA-ID}/message_templates"): (f"/{WABA}/message_templates?name=made", None),
    ("GET", "/{Phone-Number-ID}"): (f"/{PHONE}", None),
    ("POST", "/{Phone-Number-ID}"): (f"/{PHONE}", {"pin": "123456"}),
    ("POST", "/{Phone-Number-ID}/messages"): (f"/{PHONE}/messages", TEXT),
    ("POST", "/{Phone-Number-ID}/marketing_messages"): (f"/{PHONE}/marketing_messages", MARKETING),
    ("POST", "/{Phone-Number-ID}/media"): (f"/{PHONE}/media", "a form"),
    ("GET", "/{Media-ID}"): ("/{media}", None),
    ("GET", "/{Media-URL}"): ("{url}", None),
    ("DELETE", "/{Media-ID}"): ("/{media}", None),
    ("GET", "/{Phone-Number-ID}/block_users"): (f"/{PHONE}/block_users", None),
    ("POST", "/{Phone-Number-ID}/block_users"): (f"/{PHONE}/block_users", BLOCK),
    ("DELETE", "/{Phone-Number-ID}/block_users"): (f"/{PHONE}/block_users", BLOCK),
    ("GET", "/{Phone-Number-ID}/whatsapp_business_profile"): (f"/{PHONE}/whatsapp_business_profile", None),
    ("POST", "/{Phone-Number-ID}/whatsapp_business_profile"): (f"/{PHONE}/whatsapp_business_profile", PROFILE),
    ("GET", "/{Phone-Number-ID}/settings"): (f"/{PHONE}/settings", None),
    ("POST", "/{Phone-Number-ID}/settings"): (f"/{PHONE}/settings", {"calling": {"status": "ENABLED"}}),
    ("GET", "/{Phone-Number-ID}/whatsapp_commerce_settings"): (f"/{PHONE}/whatsapp_commerce_settings", None),
    ("POST", "/{Phone-Number-ID}/whatsapp_commerce_settings"): (
        f"/{PHONE}/whatsapp_commerce_settings?is_cart_enabled=true",
        None,
    ),
    ("POST", "/{Phone-Number-ID}/conversational_automation"): (
        f"/{PHONE}/conversational_automation",
        {"prompts": ["Help"]},
    ),
    ("POST", "/{Phone-Number-ID}/message_qrdls"): (
        f"/{PHONE}/message_qrdls",
        {"prefilled_message": "Hi", "generate_qr_image": "SVG"},
    ),
    ("GET", "/{Phone-Number-ID}/message_qrdls"): (f"/{PHONE}/message_qrdls", None),
    ("GET", "/{Phone-Number-ID}/message_qrdls/{QR-Code-ID}"): (f"/{PHONE}/message_qrdls/{{code}}", None),
    ("DELETE", "/{Phone-Number-ID}/message_qrdls/{QR-Code-ID}"): (f"/{PHONE}/message_qrdls/{{code}}", None),
    ("POST", "/{Phone-Number-ID}/whatsapp_business_encryption"): (
        f"/{PHONE}/whatsapp_business_encryption",
        {"business_public_key": KEY},
    ),
    ("GET", "/{Phone-Number-ID}/whatsapp_business_encryption"): (f"/{PHONE}/whatsapp_business_encryption", None),
    ("GET", "/{Phone-Number-ID}/official_business_account"): (f"/{PHONE}/official_business_account", None),
    ("POST", "/{Phone-Number-ID}/official_business_account"): (
        f"/{PHONE}/official_business_account",
        {"business_website_url": "https://example.com", "primary_country_of_operation": "FR"},
    ),
    ("GET", "/{Phone-Number-ID}/business_compliance_info"): (f"/{PHONE}/business_compliance_info", None),
    ("POST", "/{Phone-Number-ID}/business_compliance_info"): (
        f"/{PHONE}/business_compliance_info",
        {"entity_name": "N", "entity_type": "OTHER"},
    ),
    ("POST", "/{Phone-Number-ID}/request_code"): ("/{new}/request_code", {"code_method": "SMS", "language": "en_US"}),
    ("POST", "/{Phone-Number-ID}/verify_code"): ("/{new}/verify_code", {"code": "123456"}),
    ("POST", "/{Phone-Number-ID}/register"): ("/{new}/register", {"messaging_product": "whatsapp", "pin": "123456"}),
    ("POST", "/{Phone-Number-ID}/deregister"): ("/{new}/deregister", None),
}

PARTNERS = "solutions, credit lines and moves between partners: a company with one account of its own has none"
PRE_VERIFIED = "numbers a partner verified for its clients"
CALLING = "calling is not simulated"
GROUPS = "groups are not simulated"
FLOWS = "flows are not simulated: a message with one can be sent, its form does not open"
# (part of the path) -> why it is left out
LEFT_OUT: dict[str, str] = {
    "/{Application-ID}/": PARTNERS,
    "/{Solution-ID}": PARTNERS,
    "/{Business-ID}/extendedcredits": PARTNERS,
    "/{Business-ID}/onboard_partners_to_mm_lite": PARTNERS,
    "/{WABA-ID}/in_progress_onbehalf_request": PARTNERS,
    "/{WABA-ID}/obo_mobility_intent": PARTNERS,
    "/{WABA-ID}/set_obo_mobility_intent": PARTNERS,
    "/{WABA-ID}/set_solution_migration_intent": PARTNERS,
    "/{OBO-Mobility-Intent-ID}": PARTNERS,
    "/{Migration-Intent-ID}": PARTNERS,
    "/{User-ID}/assigned_whatsapp_business_accounts": PARTNERS,
    "/{Business-ID}/add_phone_numbers": PRE_VERIFIED,
    "/{Business-ID}/preverified_numbers": PRE_VERIFIED,
    "/{Business-ID}/share_preverified_numbers": PRE_VERIFIED,
    "/{Pre-Verified-Phone-Number-ID}": PRE_VERIFIED,
    "/call_permissions": CALLING,
    "/calls": CALLING,
    "/groups": GROUPS,
    "/{group_id}": GROUPS,
    "/flows": FLOWS,
    "/migrate_flows": FLOWS,
    "/{Flow-ID}": FLOWS,
    "/messages_encrypted": "messages encrypted to the edge: nobody outside Meta's partners has them",
    "/message_history": "a list of what was sent; ours is /_simulator/messages",
    "/{Message-History-ID}": "a list of what was sent; ours is /_simulator/messages",
    "/schedules": "reports that Meta mails to people",
    "/{WABA-Bot-ID}": "Meta's own bots",
    "/{WhatsApp-Account-Number-ID}": "a number seen without its business; the node of the number is there",
    "/{WhatsApp-Business-Profile-ID}": "the profile by an id of its own; the edge of the number is there",
    "/whatsapp/webhooks": "the receiver's side: test_peers.py lets pywa receive what we send",
}

# Where our answer differs from the schema, and why. (method, path) -> (place in the answer, reason)
CAPITALS = "the pages, pywa and requests write these words in capital letters"
DIFFERS: dict[tuple[str, str], dict[str, str]] = {
    ("GET", "/{WABA-ID}/phone_numbers"): {
        f"data/{place}/status": "the file lists the states of an account; a number's are CONNECTED, PENDING ..."
        for place in (0, 1)
    },
    ("GET", "/{Media-ID}"): {"file_size": "the file draws a text; the page's own answer and two clients have a number"},
    ("GET", "/{Phone-Number-ID}/settings"): {
        "calling": "callback_permission_status belongs to calling, which is not simulated",
        "calling/status": CAPITALS,
        "storage_configuration/status": CAPITALS,
    },
    ("GET", "/{Phone-Number-ID}/message_qrdls/{QR-Code-ID}"): {
        "": "the file draws the code bare; the page and pywa have a list"
    },
    ("GET", "/{Phone-Number-ID}/official_business_account"): {"oba_status": "a number that never asked for the badge"},
}

# Keys of ours the file draws nowhere: Meta's pages have them, or clients others wrote read them.
NUMBER = {"last_onboarded_time", "platform_type", "webhook_configuration", "throughput"}
BEYOND: dict[tuple[str, str], set[str]] = {
    ("GET", "/{WABA-ID}"): {"message_template_namespace"},
    ("POST", "/{WABA-ID}"): {"id"},
    ("GET", "/{WhatsApp-Business-Account-ID}/assigned_users"): {"tasks"},
    ("GET", "/{Business-ID}/owned_whatsapp_business_accounts"): {"message_template_namespace"},
    ("GET", "/{WABA-ID}/subscribed_apps"): {"whatsapp_business_api_data"},
    ("GET", "/{WABA-ID}/phone_numbers"): NUMBER,
    ("GET", "/{Phone-Number-ID}"): NUMBER | {"status"},
    ("GET", "/{WABA-ID}/message_templates"): {"parameter_format"},
    ("GET", "/{TEMPLATE_ID}"): {"parameter_format"},
    ("POST", "/{TEMPLATE_ID}"): {"category", "name", "id"},
    ("POST", "/{Phone-Number-ID}/messages"): {"user_id"},
    ("POST", "/{Phone-Number-ID}/marketing_messages"): {"user_id"},
    ("GET", "/{Phone-Number-ID}/whatsapp_business_profile"): {"vertical", "messaging_product"},
    ("GET", "/{Phone-Number-ID}/settings"): {"user_identity_change"},
    ("GET", "/{Phone-Number-ID}/message_qrdls/{QR-Code-ID}"): {"data"},
}


def whole(path: str) -> str:
    return path.replace("/{Version}", "")


@pytest.fixture(scope="session")
def inventory(data_folder):
    """Meta's file, read once."""
    raw = (data_folder / "whatsapp-openapi" / "business-messaging-api_v23.0.yaml").read_bytes()
    return yaml.load(raw, Loader=yaml.CSafeLoader)


def operations(inventory: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    return {
        (method.upper(), whole(path)): each
        for path, methods in inventory["paths"].items()
        for method, each in methods.items()
        if method in {"get", "post", "delete", "put", "patch"}
    }


def left_out(path: str) -> str | None:
    return next((why for part, why in LEFT_OUT.items() if part in path), None)


def test_every_operation_of_the_inventory_is_called_or_left_out_with_a_reason(inventory):
    listed = set(operations(inventory))
    assert listed - {each for each in listed if each in CALLS or left_out(each[1])} == set()
    assert [each for each in CALLS if left_out(each[1])] == []
    assert set(CALLS) - listed == set()
    unused = [part for part in LEFT_OUT if not any(part in path for _, path in listed)]
    assert unused == []


def loosened(schema: Any) -> Any:
    """Return a schema without what Meta's own examples break: closed objects, and formats of texts."""
    if isinstance(schema, dict):
        return {
            key: loosened(each)
            for key, each in schema.items()
            if not (key == "additionalProperties" and each is False) and key not in {"format", "example", "examples"}
        }
    return [loosened(each) for each in schema] if isinstance(schema, list) else schema


def schema_of(operation: dict[str, Any]) -> dict[str, Any] | None:
    answers = {str(code): answer for code, answer in operation["responses"].items()}
    content = answers.get("200", answers.get("201", {})).get("content") or {}
    return content.get("application/json", {}).get("schema")


def test_every_answer_has_the_shape_metas_file_draws(with_account, inventory):
    schemas = loosened({"components": inventory["components"]})
    known = operations(inventory)
    found: dict[tuple[str, str], dict[str, str]] = {}
    beyond: dict[tuple[str, str], set[str]] = {}
    checked = 0

    async def act(account):
        nonlocal checked
        await account.admin("say", **{"from": PERSON, "text": "Hi"})
        offer = {"name": "offer", "language": "en_US", "category": "MARKETING", "components": BODY}
        await account.admin("template", **offer)
        ids: dict[str, str] = {}
        for (method, path), (asked, body) in CALLS.items():
            status, said = await ask(account, method, asked.format(**ids) if asked != "{url}" else ids["url"], body)
            assert status == 200, (method, path, status, said)
            remember(ids, path, said)
            schema = schema_of(known[(method, path)])
            if schema is None or not isinstance(said, dict):
                continue
            checked += 1
            if more := undrawn(schema, said, schemas["components"]["schemas"]):
                beyond[method, path] = more
            for error in jsonschema.Draft202012Validator(loosened(schema) | schemas).iter_errors(said):
                found.setdefault((method, path), {})["/".join(map(str, error.absolute_path))] = error.message[:160]

    with_account(act, review=False)
    assert {key: set(places) for key, places in found.items()} == {
        key: set(places) for key, places in DIFFERS.items()
    }, "\n".join(f"{key} {place}: {why}" for key, places in found.items() for place, why in places.items())
    assert checked >= 45
    assert beyond == BEYOND


def undrawn(schema: Any, value: Any, known: dict[str, Any]) -> set[str]:
    """Return the keys of an answer that a schema draws nowhere."""
    if isinstance(value, list):
        return set().union(
            *(undrawn(part.get("items"), each, known) for part in parts(schema, known) for each in value)
        )
    if not isinstance(value, dict):
        return set()
    drawn: dict[str, Any] = {}
    for part in parts(schema, known):
        drawn |= part.get("properties", {})
    if not drawn:  # an object of any shape
        return set()
    deeper = [undrawn(drawn[key], each, known) for key, each in value.items() if key in drawn]
    return (value.keys() - drawn.keys()).union(*deeper)


def parts(schema: Any, known: dict[str, Any]) -> list[dict[str, Any]]:
    """Return a schema and all it is made of."""
    if not isinstance(schema, dict):
        return []
    if "$ref" in schema:
        return parts(known[schema["$ref"].rsplit("/", 1)[1]], known)
    return [
        schema,
        *(part for word in ("allOf", "oneOf", "anyOf") for each in schema.get(word, []) for part in parts(each, known)),
    ]


async def ask(account, method: str, path: str, body: Any) -> tuple[int, Any]:
    if body == "a form":
        form = aiohttp.FormData({"messaging_product": "whatsapp", "type": "image/png"})
        form.add_field("file", PNG, filename="a.png", content_type="image/png")
        address, headers = f"{account.server.address}/v24.0{path}", {"Authorization": "Bearer T"}
        async with account.session.post(address, data=form, headers=headers) as answer:
            return answer.status, await answer.json()
    if path.startswith("http"):
        async with account.session.get(path, headers={"Authorization": "Bearer T"}) as answer:
            return answer.status, await answer.read()
    return await account.ask(method, path, body)


def remember(ids: dict[str, str], path: str, said: Any) -> None:
    """Keep the ids later calls need."""
    if path.endswith("/message_templates") and "id" in said:
        ids["template"] = said["id"]
    elif path.endswith("/phone_numbers") and "id" in said:
        ids["new"] = said["id"]
    elif path.endswith("/media"):
        ids["media"] = said["id"]
    elif path == "/{Media-ID}" and "url" in said:
        ids["url"] = said["url"]
    elif path.endswith("/message_qrdls") and "code" in said:
        ids["code"] = said["code"]
