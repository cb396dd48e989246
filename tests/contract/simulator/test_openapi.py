"""The simulator answers what Meta's own OpenAPI file lists, in the shapes it draws.

The file is an inventory, not an oracle: its examples do not pass its own schemas. So additional properties are allowed,
and each place where our answer knowingly differs is named with its reason.
"""

import re
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
    ("GET", "/{Phone-Number-ID}/whatsapp_business_profile"): (
        f"/{PHONE}/whatsapp_business_profile?fields=about,vertical,id",
        None,
    ),
    ("POST", "/{Phone-Number-ID}/whatsapp_business_profile"): (f"/{PHONE}/whatsapp_business_profile", PROFILE),
    ("GET", "/{Phone-Number-ID}/message_history"): (
        f"/{PHONE}/message_history?fields=id,message_id,events&limit=2",
        None,
    ),
    ("GET", "/{Message-History-ID}/events"): ("/{history}/events", None),
    ("GET", "/{WhatsApp-Business-Profile-ID}"): ("/{profile}", None),
    ("POST", "/{WhatsApp-Business-Profile-ID}"): ("/{profile}", PROFILE),
    ("GET", "/{Phone-Number-ID}/call_permissions"): (f"/{PHONE}/call_permissions?user_wa_id={PERSON}", None),
    ("GET", "/{WABA-ID}/flows"): (f"/{WABA}/flows", None),
    ("GET", "/{WABA-ID}/schedules"): (f"/{WABA}/schedules", None),
    ("GET", "/{Business-ID}/preverified_numbers"): (f"/{BUSINESS}/preverified_numbers", None),
    ("GET", "/{Business-ID}/extendedcredits"): (f"/{BUSINESS}/extendedcredits", None),
    ("GET", "/{Application-ID}/connected_client_businesses"): (f"/{APP}/connected_client_businesses", None),
    ("GET", "/{Application-ID}/whatsapp_business_solutions"): (f"/{APP}/whatsapp_business_solutions", None),
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
# (method, part of the path) -> why it is left out, and the code of Meta's it is refused with (33: no such object)
LEFT_OUT: dict[tuple[str, str], tuple[str, int]] = {
    ("POST", "/{Application-ID}/whatsapp_business_solution"): (PARTNERS, 200),
    ("GET", "/{Solution-ID}"): (PARTNERS, 33),
    ("POST", "/{Solution-ID}"): (PARTNERS, 33),
    ("POST", "/{Business-ID}/onboard_partners_to_mm_lite"): (PARTNERS, 200),
    ("GET", "/{WABA-ID}/in_progress_onbehalf_request"): (PARTNERS, 200),
    ("POST", "/{WABA-ID}/obo_mobility_intent"): (PARTNERS, 200),
    ("POST", "/{WABA-ID}/set_obo_mobility_intent"): (PARTNERS, 200),
    ("POST", "/{WABA-ID}/set_solution_migration_intent"): (PARTNERS, 200),
    ("GET", "/{OBO-Mobility-Intent-ID}"): (PARTNERS, 33),
    ("GET", "/{Migration-Intent-ID}"): (PARTNERS, 33),
    ("GET", "/{User-ID}/assigned_whatsapp_business_accounts"): (PARTNERS, 33),
    ("POST", "/{Business-ID}/add_phone_numbers"): (PRE_VERIFIED, 200),
    ("POST", "/{Business-ID}/share_preverified_numbers"): (PRE_VERIFIED, 200),
    ("GET", "/{Pre-Verified-Phone-Number-ID}"): (PRE_VERIFIED, 33),
    ("POST", "/{Pre-Verified-Phone-Number-ID}"): (PRE_VERIFIED, 33),
    ("DELETE", "/{Pre-Verified-Phone-Number-ID}"): (PRE_VERIFIED, 33),
    ("POST", "/{Phone-Number-ID}/calls"): (CALLING, 138000),
    ("GET", "/{Phone-Number-ID}/groups"): (GROUPS, 131215),
    ("POST", "/{Phone-Number-ID}/groups"): (GROUPS, 131215),
    **{(method, f"/{{group_id}}/{edge}"): (GROUPS, 131041) for method in ("GET", "POST", "DELETE")
       for edge in ("invite_link", "join_requests", "participants")},
    **{(method, "/{group_id}"): (GROUPS, 33) for method in ("GET", "POST", "DELETE")},
    ("POST", "/{WABA-ID}/flows"): (FLOWS, 139000),
    ("POST", "/{WABA-ID}/migrate_flows"): (FLOWS, 200),
    **{(method, "/{Flow-ID}"): (FLOWS, 33) for method in ("GET", "POST", "DELETE")},
    ("POST", "/{Phone-Number-ID}/messages_encrypted"): (
        "messages encrypted to the edge: nobody outside Meta's partners has them", 200),
    ("POST", "/{WABA-ID}/schedules"): ("reports that Meta mails to people", 200),
    ("GET", "/{WABA-Bot-ID}"): ("Meta's own bots", 33),
    ("GET", "/{WhatsApp-Account-Number-ID}"): ("a number seen without its business; the number's own node is there", 33),
    ("POST", "/whatsapp/webhooks"): ("the receiver's side: test_peers.py lets pywa receive what we send", 33),
}  # fmt: skip

# Where our answer differs from the schema, and why. (method, path) -> (place in the answer, reason)
CAPITALS = "the pages, pywa and requests write these words in capital letters"
DIFFERS: dict[tuple[str, str], dict[str, str]] = {
    ("GET", "/{WABA-ID}/phone_numbers"): {
        f"data/{place}/status": "the file lists the states of an account; a number's are CONNECTED, PENDING ..."
        for place in (0, 1)
    },
    ("GET", "/{Phone-Number-ID}/call_permissions"): {
        "permission/status": "the pages and pywa have no_permission, temporary and permanent"
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
    ("GET", "/{Phone-Number-ID}/whatsapp_business_profile"): {"vertical", "messaging_product", "id"},
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


def left_out(method: str, path: str) -> tuple[str, int] | None:
    """Return why an operation is left out, and the code it is refused with; the longest path that fits counts."""
    found = [part for of, part in LEFT_OUT if of == method and path.startswith(part)]
    return LEFT_OUT[method, max(found, key=len)] if found else None


def test_every_operation_of_the_inventory_is_called_or_left_out_with_a_reason(inventory):
    listed = set(operations(inventory))
    assert listed - {each for each in listed if each in CALLS or left_out(*each)} == set()
    assert set(CALLS) - listed == set()
    assert len(CALLS) >= 63


def test_what_is_left_out_is_refused_in_metas_own_words(with_account, inventory):
    async def act(account):
        for method, path in operations(inventory):
            if (method, path) in CALLS:
                continue
            asked = path
            for name, known in (
                ("Phone-Number-ID", PHONE),
                ("WABA-ID", WABA),
                ("Business-ID", BUSINESS),
                ("Application-ID", APP),
            ):
                asked = asked.replace(f"{{{name}}}", known)
            asked = re.sub(r"\{[^}]+\}", "9000000000000009", asked)
            status, said = await account.ask(method, asked, {"name": "N"} if method == "POST" else None)
            code = left_out(method, path)[1]
            error = said["error"]
            assert 400 <= status < 404, (method, path, status)
            assert (error["code"], error.get("error_subcode")) == ((100, 33) if code == 33 else (code, None)), path
            assert error["message"] and error["fbtrace_id"] and error["type"], path

    with_account(act)


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
    elif path.endswith("/message_history"):
        ids["history"] = said["data"][0]["id"]
    elif path.endswith("/whatsapp_business_profile") and "data" in said:
        ids["profile"] = said["data"][0]["id"]
    elif path.endswith("/message_qrdls") and "code" in said:
        ids["code"] = said["code"]
