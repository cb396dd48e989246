"""Where webhooks go, and who may call: `subscribed_apps`, `subscriptions`, `debug_token`."""

import hmac
from typing import Any

from tocsin_simulator.errors import GraphError, missing
from tocsin_simulator.fields import parameters
from tocsin_simulator.routing import Reply, Request, Route
from tocsin_simulator.world import World

SCOPES = ["whatsapp_business_management", "whatsapp_business_messaging", "business_management", "public_profile"]
APP_NAME = "Simulated App"
FIELDS = (
    "account_alerts account_review_update account_update business_capability_update calls flows history "
    "message_template_components_update message_template_quality_update message_template_status_update messages "
    "phone_number_name_update phone_number_quality_update security smb_app_state_sync smb_message_echoes "
    "template_category_update user_preferences"
).split()


def subscribed_apps(world: World) -> dict[str, Any]:
    """Return which apps hear of this account."""
    if not world.subscribed:
        return {"data": []}
    app_id = world.settings.app_id
    link = f"https://www.facebook.com/games/?app_id={app_id}"
    row: dict[str, Any] = {"whatsapp_business_api_data": {"link": link, "name": APP_NAME, "id": app_id}}
    if world.waba_webhook:
        row["override_callback_uri"] = world.waba_webhook
    return {"data": [row]}


async def list_apps(world: World, _request: Request) -> Reply:
    """Answer which apps hear of this account."""
    return Reply(subscribed_apps(world))


async def subscribe(world: World, request: Request) -> Reply:
    """Subscribe the app; with `override_callback_uri` webhooks of this account go there, without they go to the app's.

    The address has to answer the challenge before it is taken.
    """
    given = parameters(request)
    address = str(given.get("override_callback_uri") or "")
    if address:
        if not given.get("verify_token"):
            raise missing("verify_token")
        await world.webhooks.verify(address, str(given["verify_token"]))
    world.subscribed = True
    world.waba_webhook = address
    return Reply()


async def unsubscribe(world: World, _request: Request) -> Reply:
    """Let the app hear nothing of this account any more."""
    world.subscribed = False
    world.waba_webhook = ""
    return Reply()


async def set_subscription(world: World, request: Request) -> Reply:
    """Set the app's own address and fields."""
    given = parameters(request)
    for name in ("callback_url", "verify_token"):
        if not given.get(name):
            raise missing(name)
    await world.webhooks.verify(str(given["callback_url"]), str(given["verify_token"]))
    world.settings.webhook = str(given["callback_url"])
    world.settings.verify_token = str(given["verify_token"])
    asked = given.get("fields") or []
    world.records.subscribed_fields = asked.split(",") if isinstance(asked, str) else list(asked)
    return Reply()


async def list_subscriptions(world: World, request: Request) -> Reply:
    """Answer the app's address and fields."""
    if not world.settings.webhook:
        return Reply({"data": []})
    version = request.given["version"]
    fields = [{"name": name, "version": version} for name in world.records.subscribed_fields or FIELDS]
    row = {
        "object": "whatsapp_business_account",
        "callback_url": world.settings.webhook,
        "active": True,
        "fields": fields,
    }
    return Reply({"data": [row]})


async def debug_token(world: World, request: Request) -> Reply:
    """Answer whether a token is good, and for what."""
    token = request.query.get("input_token")
    if not token:
        raise missing("input_token")
    if token != world.settings.token:
        error = {"code": 190, "message": "Invalid OAuth access token.", "subcode": 463}
        return Reply({"data": {"is_valid": False, "error": error, "scopes": []}})
    waba_id = world.settings.waba_id
    data = {
        "app_id": world.settings.app_id,
        "type": "SYSTEM_USER",
        "application": APP_NAME,
        "data_access_expires_at": 0,
        "expires_at": 0,
        "is_valid": True,
        "issued_at": int(world.clock.now()) - 86_400,
        "scopes": SCOPES,
        "granular_scopes": [{"scope": scope, "target_ids": [waba_id]} for scope in SCOPES[:2]],
        "user_id": "500000000000001",
    }
    return Reply({"data": data})


async def app_token(world: World, request: Request) -> Reply:
    """Answer the application's own token, which may set where its webhooks go."""
    asked = request.query
    if asked.get("client_id") != world.settings.app_id or not hmac.compare_digest(
        asked.get("client_secret", "").encode(), world.settings.app_secret.encode()
    ):
        raise GraphError(1, title="Error validating client secret.", http=400)
    return Reply({"access_token": world.app_token, "token_type": "bearer"})


ROUTES: tuple[Route, ...] = (
    Route("GET", "/{version}/{waba}/subscribed_apps", list_apps),
    Route("POST", "/{version}/{waba}/subscribed_apps", subscribe),
    Route("DELETE", "/{version}/{waba}/subscribed_apps", unsubscribe),
    Route("GET", "/{version}/{app}/subscriptions", list_subscriptions, counted=False),
    Route("POST", "/{version}/{app}/subscriptions", set_subscription, counted=False),
    Route("GET", "/{version}/oauth/access_token", app_token, counted=False, open=True),
    Route("GET", "/{version}/debug_token", debug_token, counted=False),
    Route("GET", "/debug_token", debug_token, counted=False),
)
