"""The business numbers of the simulated account: what they are, registration, profile, settings, QR codes."""

import re
from typing import Any

from tocsin_simulator.errors import GraphError, missing
from tocsin_simulator.fields import asked, paged, parameters, picked
from tocsin_simulator.people import country_of
from tocsin_simulator.profiles import PROFILE_ROUTES
from tocsin_simulator.routing import Reply, Request, Route
from tocsin_simulator.values import LEVELS, TIERS, Number
from tocsin_simulator.world import World

DEFAULT_FIELDS = (
    "verified_name,code_verification_status,display_phone_number,status,quality_rating,platform_type,throughput,"
    "last_onboarded_time,webhook_configuration,id"
)
CODE = "123456"  # what the SMS of a verification says in this world
_PIN = re.compile(r"[0-9]{6}")
NAME_REVIEW_SECONDS = 600.0


def told(world: World, number: Number) -> dict[str, Any]:
    """Return every field a number has."""
    extra = number.extra
    verified = extra.get("code_verification_status", "VERIFIED")
    webhooks = {"application": world.settings.webhook, "whatsapp_business_account": world.waba_webhook}
    webhooks["phone_number"] = number.webhook
    return {
        "id": number.id,
        "display_phone_number": number.display,
        "verified_name": number.name,
        "quality_rating": number.quality,
        "quality_score": {"score": number.quality},
        "status": number.status,
        "throughput": {"level": "HIGH" if number.level == "HIGH" else "STANDARD"},
        "name_status": extra.get("name_status", "APPROVED"),
        "new_name_status": extra.get("new_name_status", "NONE"),
        "new_display_name": extra.get("new_display_name"),
        "code_verification_status": verified,
        "whatsapp_business_manager_messaging_limit": world.portfolio.tier,
        "messaging_limit_tier": world.portfolio.tier,
        "health_status": health(world, number),
        "webhook_configuration": {name: address for name, address in webhooks.items() if address},
        "platform_type": "CLOUD_API" if number.status != "PENDING" else "NOT_APPLICABLE",
        "host_platform": "CLOUD_API",
        "account_mode": "LIVE",
        "is_official_business_account": False,
        "official_business_account": {"oba_status": extra.get("oba_status", "NOT_STARTED")},
        "is_pin_enabled": "pin" in extra,
        "is_preverified_number": False,
        "is_on_biz_app": number.level == "COEXISTENCE",
        "search_visibility": extra.get("search_visibility", "NON_VISIBLE"),
        "eligibility_for_api_business_global_search": "NON_ELIGIBLE_UNDEFINED_COUNTRY",
        "last_onboarded_time": extra.get("last_onboarded_time", "2025-01-01T00:00:00+0000"),
        "conversational_automation": extra.get("conversational_automation"),
        "certificate": extra.get("certificate"),
        "new_certificate": extra.get("new_certificate"),
        "country_code": country_of(number.digits),
        "country_dial_code": number.calling_code,
        "username": extra.get("username"),
    }


def health(world: World, number: Number) -> dict[str, Any]:
    """Return whether this number can send, entity by entity, the worst deciding."""
    able = "AVAILABLE"
    entity: dict[str, Any] = {"entity_type": "PHONE_NUMBER", "id": number.id}
    if number.status != "CONNECTED":
        able = "BLOCKED"
        error = {"error_code": 141000, "error_description": f"The number is {number.status}."}
        entity["errors"] = [error | {"possible_solution": "Register the number."}]
    elif number.quality == "RED":
        able = "LIMITED"
        entity["additional_info"] = ["The quality of this number is low."]
    rest = (
        ("WABA", world.settings.waba_id),
        ("BUSINESS", world.settings.business_id),
        ("APP", world.settings.app_id),
    )
    entities = [entity | {"can_send_message": able}]
    entities += [{"entity_type": kind, "id": key, "can_send_message": "AVAILABLE"} for kind, key in rest]
    return {"can_send_message": able, "entities": entities}


async def list_numbers(world: World, request: Request) -> Reply:
    """Answer one page of the account's numbers."""
    wanted = asked(request.query.get("fields") or DEFAULT_FIELDS)
    rows = [picked(told(world, each), wanted=wanted) for each in world.numbers.values()]
    return Reply(paged(rows, keys=list(world.numbers), request=request, address=world.address))


async def read_number(world: World, request: Request) -> Reply:
    """Answer one number."""
    wanted = asked(request.query.get("fields") or DEFAULT_FIELDS)
    return Reply(picked(told(world, world.numbers[request.given["phone"]]), wanted=wanted))


async def add_number(world: World, request: Request) -> Reply:
    """Add a number to the account; it cannot send before it is verified and registered."""
    given = parameters(request)
    given.setdefault("cc", given.get("country_code"))  # one client of others says it so
    for name in ("cc", "phone_number"):
        if not given.get(name):
            raise missing(name)
    digits = "".join(letter for letter in f"{given['cc']}{given['phone_number']}" if letter.isdigit())
    if any(each.digits == digits for each in world.numbers.values()):
        extra = {"error_user_msg": "This number already exists in your phone number list."}
        raise GraphError(100, title="Invalid parameter", subcode=2388012, extra=extra)
    number = Number(
        id=world.new_id(),
        display=f"+{digits}",
        digits=digits,
        name=str(given.get("verified_name", world.settings.name)),
        level=world.settings.level,
        status="PENDING",
        extra={"code_verification_status": "NOT_VERIFIED"},
    )
    world.numbers[number.id] = number
    return Reply({"id": number.id})


async def change_number(world: World, request: Request) -> Reply:
    """Change a number's webhook, display name, PIN or visibility."""
    number = world.numbers[request.given["phone"]]
    given = parameters(request)
    known = {"webhook_configuration", "new_display_name", "pin", "search_visibility"}
    if not given.keys() & known:
        raise missing("webhook_configuration")
    if isinstance(given.get("webhook_configuration"), dict):
        address = str(given["webhook_configuration"].get("override_callback_uri") or "")
        if address:
            await world.webhooks.verify(address, str(given["webhook_configuration"].get("verify_token", "")))
        number.webhook = address
    if "pin" in given:
        number.extra["pin"] = _pin(given["pin"])
    if "search_visibility" in given:
        number.extra["search_visibility"] = str(given["search_visibility"])
    if name := given.get("new_display_name"):
        number.extra |= {"new_display_name": str(name), "new_name_status": "PENDING_REVIEW"}
        world.clock.after(NAME_REVIEW_SECONDS * world.settings.delay, _accept_name, world, number.id, str(name))
    return Reply()


def _accept_name(world: World, phone_id: str, name: str) -> None:
    """End the review of a display name; it shows once the number is registered again."""
    number = world.numbers.get(phone_id)
    if number is None or number.extra.get("new_display_name") != name:
        return
    number.extra["new_name_status"] = "APPROVED"
    value = {"display_phone_number": number.digits, "decision": "APPROVED", "requested_verified_name": name}
    world.emit("phone_number_name_update", value | {"rejection_reason": "NONE"}, phone=phone_id)


def _pin(text: Any) -> str:
    if not _PIN.fullmatch(str(text)):
        raise GraphError(100, "Param pin must be 6 digits.")
    return str(text)


async def register(world: World, request: Request) -> Reply:
    """Register a verified number with its PIN; the first PIN given becomes the number's."""
    number = world.numbers[request.given["phone"]]
    given = parameters(request)
    if given.get("messaging_product") != "whatsapp":
        raise missing("messaging_product")
    pin = _pin(given.get("pin", ""))
    if number.extra.get("code_verification_status", "VERIFIED") != "VERIFIED":
        raise GraphError(133006, "Phone number needs to be verified before registering.")
    if number.extra.setdefault("pin", pin) != pin:
        raise GraphError(133005, "The PIN does not match the one of the two-step verification.")
    number.status = "CONNECTED"
    if number.extra.get("new_name_status") == "APPROVED":
        number.name = number.extra.pop("new_display_name")
        number.extra["new_name_status"] = "NONE"
    return Reply()


async def deregister(world: World, request: Request) -> Reply:
    """Take a number off; it cannot send any more."""
    number = world.numbers[request.given["phone"]]
    if number.status != "CONNECTED":
        raise GraphError(133010, "The number is not registered.")
    number.status = "DISCONNECTED"
    return Reply()


async def request_code(world: World, request: Request) -> Reply:
    """Send a code by SMS or voice: it is always 123456."""
    number = world.numbers[request.given["phone"]]
    given = parameters(request)
    if str(given.get("code_method", "")).upper() not in {"SMS", "VOICE"}:
        raise GraphError(100, "Param code_method must be one of {SMS, VOICE}.")
    if number.extra.get("code_verification_status", "VERIFIED") == "VERIFIED":
        told = "You have already verified ownership of this phone number."
        raise GraphError(136024, told, title="Request code error", extra={"error_user_msg": told})
    number.extra["code"] = CODE
    return Reply()


async def verify_code(world: World, request: Request) -> Reply:
    """Take the code."""
    number = world.numbers[request.given["phone"]]
    code = "".join(letter for letter in str(parameters(request).get("code", "")) if letter.isdigit())
    if number.extra.get("code") != code:
        raise GraphError(136025, "The code is wrong.", title="Verify code error")
    number.extra |= {"code_verification_status": "VERIFIED"}
    del number.extra["code"]
    return Reply({"success": True, "id": number.id})


async def steer_number(world: World, request: Request) -> Reply:
    """Let Meta change a number: `{"phone"?, "quality"?, "level"?, "tier"?, "status"?}`, each with its webhook."""
    given = request.json()
    phone_id = str(given.get("phone") or next(iter(world.numbers)))
    number = world.numbers.get(phone_id)
    if number is None:
        raise GraphError(100, f"There is no number {phone_id:.40}.", http=404)
    for name, allowed in (("quality", {"GREEN", "YELLOW", "RED"}), ("level", LEVELS), ("tier", TIERS)):
        if name in given and given[name] not in allowed:
            raise GraphError(100, f"{name} must be one of {', '.join(sorted(allowed))}.")
    if "status" in given:
        number.status = str(given["status"])
    if "quality" in given:
        event = {"RED": "FLAGGED", "GREEN": "UNFLAGGED"}.get(str(given["quality"]), "")
        number.quality = str(given["quality"])
        if event:
            _tell_quality(world, number, event)
    if "level" in given:
        number.level = str(given["level"])
        if number.level == "HIGH":
            _tell_quality(world, number, "THROUGHPUT_UPGRADE")
    if "tier" in given:
        _set_tier(world, number, str(given["tier"]))
    return Reply(picked(told(world, number), wanted=asked(DEFAULT_FIELDS)))


def _tell_quality(world: World, number: Number, event: str, **more: str) -> None:
    value = {"display_phone_number": number.digits, "event": event, "current_limit": world.portfolio.tier} | more
    world.emit("phone_number_quality_update", value, phone=number.id)


def _set_tier(world: World, number: Number, tier: str) -> None:
    """Move the portfolio to another tier and tell it twice, as Meta does: of the number and of the account."""
    before, world.portfolio.tier = world.portfolio.tier, tier
    names = list(TIERS)
    event = "UPGRADE" if names.index(tier) > names.index(before) else "DOWNGRADE"
    _tell_quality(world, number, event, old_limit=before)
    limit = TIERS[tier]
    people = -1 if limit is None else limit
    value = {"max_daily_conversations_per_business": people, "max_phone_numbers_per_business": 20}
    world.emit("business_capability_update", value)


ROUTES: tuple[Route, ...] = (
    Route("GET", "/{version}/{waba}/phone_numbers", list_numbers),
    Route("POST", "/{version}/{waba}/phone_numbers", add_number),
    Route("GET", "/{version}/{phone}", read_number),
    Route("POST", "/{version}/{phone}", change_number),
    Route("POST", "/{version}/{phone}/register", register),
    Route("POST", "/{version}/{phone}/deregister", deregister),
    Route("POST", "/{version}/{phone}/request_code", request_code),
    Route("POST", "/{version}/{phone}/verify_code", verify_code),
    Route("POST", "/_simulator/numbers", steer_number, counted=False, open=True),
    *PROFILE_ROUTES,
)
