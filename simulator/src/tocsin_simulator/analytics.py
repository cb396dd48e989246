"""The account itself, and what it counts: messages sent and delivered, what they cost, how templates fare."""

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import orjson

from tocsin_simulator.errors import GraphError, missing
from tocsin_simulator.fields import Field, asked, paged, parameters, picked
from tocsin_simulator.ledger import Entry
from tocsin_simulator.people import country_of
from tocsin_simulator.routing import Reply, Request, Route
from tocsin_simulator.subscriptions import subscribed_apps
from tocsin_simulator.values import Template
from tocsin_simulator.world import World

DEFAULT_FIELDS = "id,name,timezone_id,message_template_namespace,currency"
STEPS_SECONDS = {"HALF_HOUR": 1800, "DAY": 86_400, "DAILY": 86_400, "MONTH": 30 * 86_400, "MONTHLY": 30 * 86_400}
# What a delivered template costs in this world, US dollars; Meta's rates differ by market and quarter.
RATES = {"MARKETING": 0.05, "UTILITY": 0.01, "AUTHENTICATION": 0.02}
TEMPLATES_AT_ONCE = 10
_WORD = re.compile(r"[A-Za-z0-9_]+")


@dataclass(frozen=True)
class Counted:
    """One of our messages as analytics see it."""

    at: float
    phone: str
    country: str
    category: str  # of its template, SERVICE without one
    template: Template | None
    reached: frozenset[str]  # of sent, delivered, read

    @property
    def delivered(self) -> bool:
        """Say whether it came to the phone; read says so too."""
        return bool(self.reached & {"delivered", "read"})


def counted(world: World, *, start: int, end: int) -> Iterator[Counted]:
    """Yield our kept messages of a time."""
    for entry in world.ledger.oldest():
        if entry.inbound or not start <= entry.at < end:
            continue
        template = _template_of(world, entry)
        yield Counted(
            at=entry.at,
            phone=world.numbers[entry.phone].digits if entry.phone in world.numbers else "",
            country=country_of(entry.person),
            category=template.category if template else "SERVICE",
            template=template,
            reached=frozenset(status for status, _ in entry.statuses),
        )


def _template_of(world: World, entry: Entry) -> Template | None:
    if entry.type != "template" or not entry.body:
        return None
    named = orjson.loads(entry.body).get("template", {})
    return world.template_named(str(named.get("name")), str(named.get("language", {}).get("code")))


def span(arguments: dict[str, str]) -> tuple[int, int, int, str]:
    """Return start, end and step in seconds and the granularity's name; raises `GraphError`."""
    for name in ("start", "end", "granularity"):
        if not arguments.get(name):
            raise missing(name)
    start, end, name = arguments["start"], arguments["end"], arguments["granularity"].strip("'\"").upper()
    if not start.isdigit() or not end.isdigit() or int(start) >= int(end):
        raise GraphError(100, "start and end are Unix seconds, start first.")
    if name not in STEPS_SECONDS:
        raise GraphError(100, f"granularity must be one of {', '.join(STEPS_SECONDS)}.")
    return int(start), int(end), STEPS_SECONDS[name], name


def words(text: str) -> list[str]:
    """Return the words of an array such as `["US", "BR"]`."""
    return _WORD.findall(text)


def messaging(world: World, field: Field) -> dict[str, Any]:
    """Return `analytics`: messages sent and delivered per step of time."""
    start, end, step, name = span(field.arguments)
    phones = words(field.arguments.get("phone_numbers", ""))
    countries = words(field.arguments.get("country_codes", ""))
    points: dict[int, list[int]] = defaultdict(lambda: [0, 0])
    seen: set[str] = set()
    for message in counted(world, start=start, end=end):
        if (phones and message.phone not in phones) or (countries and message.country not in countries):
            continue
        seen.add(message.country)
        point = points[start + int((message.at - start) // step) * step]
        point[0] += 1
        point[1] += message.delivered
    data = [
        {"start": at, "end": min(at + step, end), "sent": sent, "delivered": delivered}
        for at, (sent, delivered) in sorted(points.items())
    ]
    ours = phones or [each.digits for each in world.numbers.values()]
    return {"phone_numbers": ours, "country_codes": sorted(seen), "granularity": name, "data_points": data}


def pricing(world: World, field: Field) -> dict[str, Any]:
    """Return `pricing_analytics`: volume and cost of delivered messages by the dimensions asked for."""
    start, end, step, _ = span(field.arguments)
    dimensions = [each.upper() for each in words(field.arguments.get("dimensions", ""))]
    categories = [each.upper() for each in words(field.arguments.get("pricing_categories", ""))]
    sums: dict[tuple[Any, ...], list[float]] = defaultdict(lambda: [0, 0.0])
    for message in counted(world, start=start, end=end):
        if not message.delivered or (categories and message.category not in categories):
            continue
        said = {
            "COUNTRY": ("country", message.country),
            "PHONE": ("phone_number", message.phone),
            "PRICING_CATEGORY": ("pricing_category", message.category),
            "PRICING_TYPE": ("pricing_type", "REGULAR" if message.template else "FREE_CUSTOMER_SERVICE"),
        }
        key = (start + int((message.at - start) // step) * step, *(said[each] for each in dimensions if each in said))
        sums[key][0] += 1
        sums[key][1] += RATES.get(message.category, 0.0)
    points = [
        {"start": key[0], "end": min(key[0] + step, end)}
        | dict(key[1:])
        | {"volume": int(volume), "cost": round(cost, 4)}
        for key, (volume, cost) in sorted(sums.items())
    ]
    return {"data": [{"data_points": points}]}


def by_template(world: World, arguments: dict[str, str]) -> list[dict[str, Any]]:
    """Return the rows of `template_analytics`; raises `GraphError`."""
    ids = words(arguments.get("template_ids", ""))
    if not 1 <= len(ids) <= TEMPLATES_AT_ONCE:
        raise GraphError(100, f"template_ids must hold 1 to {TEMPLATES_AT_ONCE} ids.")
    start, end, step, _ = span({"granularity": "DAILY"} | arguments)
    sums: dict[tuple[str, int], list[int]] = defaultdict(lambda: [0, 0, 0])
    for message in counted(world, start=start, end=end):
        if message.template is not None and message.template.id in ids:
            point = sums[(message.template.id, start + int((message.at - start) // step) * step)]
            for place, reached in enumerate((True, message.delivered, "read" in message.reached)):
                point[place] += reached
    points = [
        {
            "template_id": template_id,
            "start": at,
            "end": min(at + step, end),
            "sent": sent,
            "delivered": delivered,
            "read": read,
            "cost": [{"type": "amount_spent", "value": round(delivered * _rate(world, template_id), 4)}],
        }
        for (template_id, at), (sent, delivered, read) in sorted(sums.items())
    ]
    return [{"granularity": "DAILY", "product_type": "cloud_api", "data_points": points}]


def _rate(world: World, template_id: str) -> float:
    template = world.templates.get(template_id)
    return RATES.get(template.category, 0.0) if template else 0.0


def told(world: World) -> dict[str, Any]:
    """Return every field of the account; the counts are made when they are asked for."""
    settings = world.settings
    business = {"id": settings.business_id, "name": world.settings.name}
    able = {"can_send_message": "AVAILABLE"}
    entities = [{"entity_type": kind, "id": key} | able for kind, key in (
        ("WABA", settings.waba_id), ("BUSINESS", settings.business_id), ("APP", settings.app_id))]  # fmt: skip
    return {
        "id": settings.waba_id,
        "name": world.settings.name,
        "timezone_id": "1",
        "message_template_namespace": "51a1a7ed_0000_4000_8000_000000000001",
        "currency": "USD",
        "country": "US",
        "status": "ACTIVE",
        "account_review_status": "APPROVED",
        "business_verification_status": "verified",
        "ownership_type": "SELF",
        "is_enabled_for_insights": world.records.template_insights,
        "health_status": able | {"entities": entities},
        "owner_business_info": business,
        "on_behalf_of_business_info": business | {"status": "APPROVED", "type": "SELF"},
        "primary_funding_id": "600000000000001",
        "purchase_order_number": None,
        "is_shared_with_partners": False,
        "marketing_messages_lite_api_status": "INELIGIBLE",
        "marketing_messages_onboarding_status": "ELIGIBLE",
        "disable_marketing_messages_on_cloud_api": False,
        "whatsapp_business_manager_messaging_limit": world.portfolio.tier,
        "subscribed_apps": lambda _: subscribed_apps(world),
        "analytics": lambda field: messaging(world, field),
        "pricing_analytics": lambda field: pricing(world, field),
        "template_analytics": lambda field: {"data": by_template(world, field.arguments)},
    }


async def read_account(world: World, request: Request) -> Reply:
    """Answer the account, or what it counted: `?fields=analytics.start(..).end(..).granularity(DAY)`."""
    return Reply(picked(told(world), wanted=asked(request.query.get("fields") or DEFAULT_FIELDS)))


async def change_account(world: World, request: Request) -> Reply:
    """Confirm that templates may be analysed, or send marketing apart; other settings are taken and kept nowhere."""
    given = parameters(request)
    if "disable_marketing_messages_on_cloud_api" in given:
        world.records.marketing_apart = str(given["disable_marketing_messages_on_cloud_api"]).lower() == "true"
    if str(given.get("is_enabled_for_insights", "")).lower() == "true":
        world.records.template_insights = True
    return Reply({"success": True, "id": world.settings.waba_id})


async def read_template_analytics(world: World, request: Request) -> Reply:
    """Answer `/{waba}/template_analytics`."""
    rows = by_template(world, request.query)
    return Reply(paged(rows, keys=["0"], request=request, address=world.address))


async def read_business(world: World, request: Request) -> Reply:
    """Answer the business portfolio."""
    everything = {
        "id": world.settings.business_id,
        "name": world.settings.name,
        "verification_status": "verified",
        "timezone_id": 1,
        "created_time": "2025-01-01T00:00:00+0000",
        "whatsapp_business_manager_messaging_limit": world.portfolio.tier,
    }
    return Reply(picked(everything, wanted=asked(request.query.get("fields") or "id,name")))


async def list_accounts(world: World, request: Request) -> Reply:
    """Answer the accounts the business owns: the one of this world."""
    row = picked(told(world), wanted=asked(request.query.get("fields") or DEFAULT_FIELDS))
    return Reply(paged([row], keys=[row["id"]], request=request, address=world.address))


async def list_none(_world: World, _request: Request) -> Reply:
    """Answer a list of which this world has none."""
    return Reply({"data": []})


async def list_users(world: World, request: Request) -> Reply:
    """Answer who may manage the account."""
    row = {"id": "500000000000001", "name": "Simulated System User", "tasks": ["MANAGE", "DEVELOP", "MESSAGING"]}
    rows = [row, *world.records.assigned_users.values()]
    return Reply(paged(rows, keys=[each["id"] for each in rows], request=request, address=world.address))


async def assign_user(world: World, request: Request) -> Reply:
    """Let somebody manage the account."""
    given = parameters(request)
    user = str(given.get("user") or "")
    if not user:
        raise missing("user")
    tasks = given.get("tasks", ["MANAGE"])
    world.records.assigned_users[user] = {"id": user, "tasks": words(tasks) if isinstance(tasks, str) else tasks}
    return Reply()


async def remove_user(world: World, request: Request) -> Reply:
    """Let somebody manage the account no longer."""
    world.records.assigned_users.pop(str(parameters(request).get("user", "")), None)
    return Reply()


ROUTES: tuple[Route, ...] = (
    Route("GET", "/{version}/{waba}", read_account),
    Route("POST", "/{version}/{waba}", change_account),
    Route("GET", "/{version}/{waba}/template_analytics", read_template_analytics),
    Route("GET", "/{version}/{waba}/assigned_users", list_users),
    Route("POST", "/{version}/{waba}/assigned_users", assign_user),
    Route("DELETE", "/{version}/{waba}/assigned_users", remove_user),
    Route("GET", "/{version}/{waba}/activities", list_none),
    Route("GET", "/{version}/{waba}/solutions", list_none),
    Route("GET", "/{version}/{business}", read_business),
    Route("GET", "/{version}/{business}/owned_whatsapp_business_accounts", list_accounts),
    Route("GET", "/{version}/{business}/client_whatsapp_business_accounts", list_none),
)
