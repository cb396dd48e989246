"""What this account cannot do, refused as Meta refuses it: calls, groups, flows, and what partners do for others."""

from typing import Any

from tocsin_simulator.errors import GraphError, missing
from tocsin_simulator.fields import parameters
from tocsin_simulator.routing import Reply, Request, Route
from tocsin_simulator.world import World

# Meta's own answer to a token without the rights a partner has.
_PARTNERS = "(#200) You do not have the necessary permissions required to use this endpoint."


async def no_calls(world: World, request: Request) -> Reply:
    """Refuse a call: calling is switched off, or, where the settings switched it on, the person permitted none."""
    kept = world.numbers[request.given["phone"]].extra.get("settings", {})
    if str(kept.get("calling", {}).get("status", "")).upper() == "ENABLED":
        raise GraphError(138006, "No approved call permission from the recipient.")
    raise GraphError(138000, "Calling is not enabled on this phone number. Configure call settings to enable it.")


async def no_permission(_world: World, request: Request) -> Reply:
    """Answer that somebody permitted no calls; they can be asked."""
    if not request.query.get("user_wa_id") and not request.query.get("recipient"):
        raise missing("user_wa_id")
    actions = [{"action_name": name, "can_perform_action": name != "start_call"}
               for name in ("send_call_permission_request", "start_call")]  # fmt: skip
    permission = {"status": "no_permission"}
    return Reply({"messaging_product": "whatsapp", "permission": permission, "actions": actions})


async def no_groups(_world: World, _request: Request) -> Reply:
    """Refuse groups: Meta opens them to eligible numbers only."""
    raise GraphError(131215, "Groups APIs are only available for eligible phone numbers.")


async def no_group(_world: World, _request: Request) -> Reply:
    """Refuse what is asked of a group that does not exist."""
    raise GraphError(131041, "The group was not found, either because it does not exist or you are not a member.")


async def none(_world: World, _request: Request) -> Reply:
    """Answer an empty list: there are none."""
    return Reply({"data": []})


async def no_flow(_world: World, request: Request) -> Reply:
    """Refuse a new flow."""
    if not parameters(request).get("name"):
        raise missing("name")
    raise GraphError(139000, "Flows cannot be made or published by this WhatsApp Business account.")


async def no_right(_world: World, _request: Request) -> Reply:
    """Refuse what only partners may do."""
    raise GraphError(200, title=_PARTNERS.partition(" ")[2])


def _routes(answer: Any, *paths: str) -> tuple[Route, ...]:
    return tuple(
        Route(method, "/{version}" + path, answer) for methods, path in (each.split(" ") for each in paths)
        for method in methods.split(",")
    )  # fmt: skip


ROUTES: tuple[Route, ...] = (
    *_routes(no_calls, "POST /{phone}/calls"),
    *_routes(no_permission, "GET /{phone}/call_permissions"),
    *_routes(no_groups, "GET,POST /{phone}/groups"),
    *_routes(
        no_group,
        "POST,DELETE /{group}/invite_link",
        "GET,POST,DELETE /{group}/join_requests",
        "POST,DELETE /{group}/participants",
    ),
    *_routes(
        none,
        "GET /{waba}/flows",
        "GET /{waba}/schedules",
        "GET /{business}/preverified_numbers",
        "GET /{business}/extendedcredits",
        "GET /{app}/connected_client_businesses",
        "GET /{app}/whatsapp_business_solutions",
    ),
    *_routes(no_flow, "POST /{waba}/flows"),
    *_routes(
        no_right,
        "POST /{waba}/migrate_flows",
        "POST /{waba}/schedules",
        "POST /{waba}/obo_mobility_intent",
        "POST /{waba}/set_obo_mobility_intent",
        "POST /{waba}/set_solution_migration_intent",
        "GET /{waba}/in_progress_onbehalf_request",
        "POST /{business}/add_phone_numbers",
        "POST /{business}/share_preverified_numbers",
        "POST /{business}/onboard_partners_to_mm_lite",
        "POST /{app}/whatsapp_business_solution",
        "POST /{phone}/messages_encrypted",
    ),
)
