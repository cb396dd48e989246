"""What people see of a business number: profile, shop, ice breakers, QR codes, user name; and its settings."""

import base64
import re
from typing import Any

from tocsin_simulator.errors import GraphError, missing, unknown_object
from tocsin_simulator.fields import asked, paged, parameters, picked
from tocsin_simulator.routing import PROFILE_OFFSET, Reply, Request, Route
from tocsin_simulator.values import Number
from tocsin_simulator.world import World

PROFILE_FIELDS = "about,address,description,email,profile_picture_url,websites,vertical,messaging_product"
LENGTHS_MAX = {"about": 139, "address": 256, "description": 512, "email": 128}
VERTICALS = frozenset(
    "UNDEFINED OTHER AUTO BEAUTY APPAREL EDU ENTERTAIN EVENT_PLAN FINANCE GROCERY GOVT HOTEL HEALTH NONPROFIT RETAIL "
    "TRAVEL PROF_SERVICES RESTAURANT NOT_A_BIZ ALCOHOL ONLINE_GAMBLING PHYSICAL_GAMBLING OTC_DRUGS "
    "MATRIMONY_SERVICE".split()
)
PROMPTS_MAX, PROMPT_MAX, COMMANDS_MAX, COMMAND_MAX, HINT_MAX = 4, 80, 30, 32, 256
QR_CODES_MAX, PREFILLED_MAX = 2000, 140
_USERNAME = re.compile(r"(?!.*\.\.)[a-z0-9_][a-z0-9._]{1,33}[a-z0-9_]")


def _number(world: World, request: Request) -> Number:
    return world.numbers[request.given["phone"]]


async def read_profile(world: World, request: Request) -> Reply:
    """Answer the profile; fields nobody filled are left out."""
    number = _number(world, request)
    everything: dict[str, Any] = dict.fromkeys(PROFILE_FIELDS.split(","))
    everything |= {"vertical": "UNDEFINED"} | number.profile
    everything |= {"messaging_product": "whatsapp", "id": str(int(number.id) + PROFILE_OFFSET)}
    wanted = asked(request.query.get("fields") or PROFILE_FIELDS)
    return Reply({"data": [picked(everything, wanted=wanted, always=("messaging_product",))]})


async def write_profile(world: World, request: Request) -> Reply:
    """Change the profile."""
    given = parameters(request)
    if given.get("messaging_product") != "whatsapp":
        raise missing("messaging_product")
    for name, most in LENGTHS_MAX.items():
        if len(str(given.get(name) or "")) > most:
            raise GraphError(100, f"Param {name} must be at most {most} characters long.")
    if "about" in given and not given["about"]:
        raise GraphError(100, "Param about can't be empty.")
    if "vertical" in given and given["vertical"] not in VERTICALS | {""}:
        raise GraphError(100, f"Param vertical must be one of {{{', '.join(sorted(VERTICALS))}}}.")
    websites = given.get("websites", [])
    if not isinstance(websites, list) or len(websites) > 2 or any(len(str(each)) > 256 for each in websites):
        raise GraphError(100, "Param websites must be an array of at most 2 addresses of 256 characters.")
    profile = _number(world, request).profile
    for name in (*LENGTHS_MAX, "vertical", "websites"):
        if name in given:
            profile[name] = given[name]
    if handle := given.get("profile_picture_handle"):
        profile["profile_picture_url"] = (
            f"{world.address}/pictures/{world.digest('picture', str(handle)).hex()[:16]}.jpg"
        )
    return Reply()


async def read_profile_node(world: World, request: Request) -> Reply:
    """Answer the profile by an id of its own."""
    number = world.numbers[str(int(request.given["profile"]) - PROFILE_OFFSET)]
    everything: dict[str, Any] = dict.fromkeys(PROFILE_FIELDS.split(","))
    everything |= {"vertical": "UNDEFINED"} | number.profile
    everything |= {"id": request.given["profile"], "account_name": number.name, "messaging_product": "whatsapp"}
    return Reply(picked(everything, wanted=asked(request.query.get("fields") or f"id,account_name,{PROFILE_FIELDS}")))


async def write_profile_node(world: World, request: Request) -> Reply:
    """Change the profile by an id of its own."""
    request.given["phone"] = str(int(request.given["profile"]) - PROFILE_OFFSET)
    return await write_profile(world, request)


async def read_settings(world: World, request: Request) -> Reply:
    """Answer the number's settings."""
    kept = _number(world, request).extra.get("settings", {})
    body = {
        "calling": {"status": "DISABLED"},
        "storage_configuration": {"status": "DEFAULT"},
        "user_identity_change": {"enable_identity_key_check": False},
    }
    return Reply(body | kept)


async def write_settings(world: World, request: Request) -> Reply:
    """Change settings: calling, storage, the check of identity keys."""
    given = parameters(request)
    if not given:
        raise missing("calling")
    _number(world, request).extra.setdefault("settings", {}).update(given)
    return Reply()


async def read_shop(world: World, request: Request) -> Reply:
    """Answer the settings of the shop."""
    number = _number(world, request)
    kept = number.extra.get("shop", {"is_cart_enabled": True, "is_catalog_visible": False})
    return Reply({"data": [kept | {"id": str(int(number.id) + 7)}]})


async def write_shop(world: World, request: Request) -> Reply:
    """Change the settings of the shop."""
    given = parameters(request)
    shop = _number(world, request).extra.setdefault("shop", {"is_cart_enabled": True, "is_catalog_visible": False})
    for name in ("is_cart_enabled", "is_catalog_visible"):
        if name in given:
            shop[name] = str(given[name]).lower() in {"true", "1"}
    return Reply()


async def write_automation(world: World, request: Request) -> Reply:
    """Set ice breakers, commands and the welcome message."""
    given = parameters(request)
    prompts, commands = given.get("prompts", []), given.get("commands", [])
    if not isinstance(prompts, list) or len(prompts) > PROMPTS_MAX or any(len(str(p)) > PROMPT_MAX for p in prompts):
        raise GraphError(
            100, f"Param prompts must be an array of at most {PROMPTS_MAX} texts of {PROMPT_MAX} characters."
        )
    if not isinstance(commands, list) or len(commands) > COMMANDS_MAX:
        raise GraphError(100, f"Param commands must be an array of at most {COMMANDS_MAX} objects.")
    for each in commands:
        name, hint = str(each.get("command_name", "")), str(each.get("command_description", ""))
        if not 0 < len(name) <= COMMAND_MAX or not 0 < len(hint) <= HINT_MAX:
            raise GraphError(100, "A command has a command_name of 32 and a command_description of 256 characters.")
    kept = _number(world, request).extra.setdefault("conversational_automation", {"id": request.given["phone"]})
    kept |= {name: given[name] for name in ("enable_welcome_message", "prompts", "commands") if name in given}
    return Reply()


async def list_codes(world: World, request: Request) -> Reply:
    """Answer one page of QR codes."""
    codes = world.records.qr_codes.get(request.given["phone"], {})
    wanted = asked(request.query.get("fields") or "code,prefilled_message,deep_link_url")
    rows = [picked(each, wanted=_plain(wanted), always=("code",)) for each in codes.values()]
    return Reply(paged(rows, keys=list(codes), request=request, address=world.address))


def _plain(wanted: list[Any]) -> list[Any]:
    """Return the fields without the arguments of `qr_image_url.format(SVG)`: the picture is one and the same."""
    return [each for each in wanted if each.name in {"code", "prefilled_message", "deep_link_url", "qr_image_url"}]


async def write_code(world: World, request: Request) -> Reply:
    """Make a QR code, or change the text of one."""
    given = parameters(request)
    text = given.get("prefilled_message")
    if not isinstance(text, str) or not 0 < len(text) <= PREFILLED_MAX:
        raise GraphError(100, f"Param prefilled_message must have 1 to {PREFILLED_MAX} characters.")
    codes = world.records.qr_codes.setdefault(request.given["phone"], {})
    code = given.get("code")
    if code is not None and code not in codes:
        raise unknown_object("post", str(code))
    if code is None and len(codes) >= QR_CODES_MAX:
        raise GraphError(100, f"A number can have at most {QR_CODES_MAX} QR codes.")
    if code is None:
        code = base64.b32encode(world.digest("qr", world.new_id())).decode()[:14]
        codes[code] = {"code": code, "deep_link_url": f"https://wa.me/message/{code}", "qr_image_url": None}
    codes[code]["prefilled_message"] = text
    if picture := str(given.get("generate_qr_image", "")).upper():
        if picture not in {"PNG", "SVG"}:
            raise GraphError(100, "Param generate_qr_image must be one of {SVG, PNG}.")
        codes[code]["qr_image_url"] = f"{world.address}/pictures/{code}.{picture.lower()}"
    return Reply({name: value for name, value in codes[code].items() if value is not None})


async def read_code(world: World, request: Request) -> Reply:
    """Answer one QR code."""
    found = world.records.qr_codes.get(request.given["phone"], {}).get(request.given["code"])
    wanted = asked(request.query.get("fields") or "code,prefilled_message,deep_link_url")
    return Reply({"data": [picked(found, wanted=_plain(wanted), always=("code",))] if found else []})


async def delete_code(world: World, request: Request) -> Reply:
    """Forget a QR code."""
    codes = world.records.qr_codes.get(request.given["phone"], {})
    if codes.pop(request.given["code"], None) is None:
        raise unknown_object("delete", request.given["code"])
    return Reply()


async def read_key(world: World, request: Request) -> Reply:
    """Answer the public key people's answers in flows are encrypted with."""
    key = _number(world, request).extra.get("public_key")
    row = {"business_public_key": key, "business_public_key_signature_status": "VALID"}
    return Reply({"data": [row] if key else []})


async def write_key(world: World, request: Request) -> Reply:
    """Take the public key."""
    key = str(parameters(request).get("business_public_key", ""))
    if "BEGIN PUBLIC KEY" not in key:
        raise GraphError(100, "Param business_public_key must be a 2048-bit RSA public key in PEM format.")
    _number(world, request).extra["public_key"] = key
    return Reply()


async def read_username(world: World, request: Request) -> Reply:
    """Answer the user name of the number."""
    name = _number(world, request).extra.get("username")
    return Reply({"username": name, "status": "approved"} if name else {})


async def write_username(world: World, request: Request) -> Reply:
    """Take a user name."""
    name = str(parameters(request).get("username", "")).lower()
    if not _USERNAME.fullmatch(name):
        raise GraphError(100, "Param username must have 3 to 35 characters a-z, 0-9, period and underscore.")
    number = _number(world, request)
    number.extra["username"] = name
    value = {"display_phone_number": number.digits, "username": name, "status": "approved"}
    world.emit("business_username_update", value, phone=number.id)
    return Reply({"status": "approved"})


async def delete_username(world: World, request: Request) -> Reply:
    """Give the user name up."""
    _number(world, request).extra.pop("username", None)
    return Reply()


async def suggest_usernames(world: World, request: Request) -> Reply:
    """Answer user names that are kept for this business."""
    stem = re.sub(r"[^a-z0-9]+", "", _number(world, request).name.lower())[:30] or "company"
    return Reply({"data": [{"username_suggestions": [stem, f"{stem}_help", f"{stem}.official"]}]})


async def read_official(world: World, request: Request) -> Reply:
    """Answer whether the number has the badge of an official business account."""
    number = _number(world, request)
    status = number.extra.get("oba_status", "NOT_STARTED")
    told = f"The request for an official business account is {status.replace('_', ' ').lower()}."
    return Reply({"id": number.id, "oba_status": status, "status_message": told})


async def ask_official(world: World, request: Request) -> Reply:
    """Take the request for the badge."""
    given = parameters(request)
    for name in ("business_website_url", "primary_country_of_operation"):
        if not given.get(name):
            raise missing(name)
    _number(world, request).extra["oba_status"] = "PENDING"
    return Reply({"success": True, "message": "The request was taken."})


async def read_compliance(world: World, request: Request) -> Reply:
    """Answer what the law of India wants to know of a business."""
    kept = _number(world, request).extra.get("compliance")
    return Reply({"data": [kept] if kept else []})


async def write_compliance(world: World, request: Request) -> Reply:
    """Take what the law of India wants to know of a business."""
    given = parameters(request)
    if not given.get("entity_name") or not given.get("entity_type"):
        raise missing("entity_name")
    _number(world, request).extra["compliance"] = given
    return Reply()


PROFILE_ROUTES: tuple[Route, ...] = (
    Route("GET", "/{version}/{phone}/whatsapp_business_profile", read_profile),
    Route("POST", "/{version}/{phone}/whatsapp_business_profile", write_profile),
    Route("GET", "/{version}/{profile}", read_profile_node),
    Route("POST", "/{version}/{profile}", write_profile_node),
    Route("GET", "/{version}/{phone}/settings", read_settings),
    Route("POST", "/{version}/{phone}/settings", write_settings),
    Route("GET", "/{version}/{phone}/whatsapp_commerce_settings", read_shop),
    Route("POST", "/{version}/{phone}/whatsapp_commerce_settings", write_shop),
    Route("POST", "/{version}/{phone}/conversational_automation", write_automation),
    Route("GET", "/{version}/{phone}/message_qrdls", list_codes),
    Route("POST", "/{version}/{phone}/message_qrdls", write_code),
    Route("GET", "/{version}/{phone}/message_qrdls/{code}", read_code),
    Route("DELETE", "/{version}/{phone}/message_qrdls/{code}", delete_code),
    Route("GET", "/{version}/{phone}/whatsapp_business_encryption", read_key),
    Route("POST", "/{version}/{phone}/whatsapp_business_encryption", write_key),
    Route("GET", "/{version}/{phone}/username", read_username),
    Route("POST", "/{version}/{phone}/username", write_username),
    Route("DELETE", "/{version}/{phone}/username", delete_username),
    Route("GET", "/{version}/{phone}/username_suggestions", suggest_usernames),
    Route("GET", "/{version}/{phone}/official_business_account", read_official),
    Route("POST", "/{version}/{phone}/official_business_account", ask_official),
    Route("GET", "/{version}/{phone}/business_compliance_info", read_compliance),
    Route("POST", "/{version}/{phone}/business_compliance_info", write_compliance),
)
