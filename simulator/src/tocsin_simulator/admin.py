"""`/_simulator/`: what it received and how often, and what people, time and faults are to do next."""

from collections.abc import Callable
from itertools import islice
from typing import Any

import orjson

from tocsin_simulator import acts
from tocsin_simulator.errors import GraphError
from tocsin_simulator.faults import FaultsUnreadable
from tocsin_simulator.ledger import Entry
from tocsin_simulator.routing import Reply, Request, Route
from tocsin_simulator.values import LEVELS, TIERS, Number, Template
from tocsin_simulator.world import World

SHOWN = 1_000
TEMPLATE_KEYS = ("name", "language", "category", "components", "status", "parameter_format", "quality")
KNOWN_SETTINGS = {
    "delay": float,
    "batch": int,
    "disorder": float,
    "duplicates": float,
    "review": bool,
    "hyphens": bool,
    "window": str,
}


def wrong(said: str) -> GraphError:
    """Return the refusal of a request to the simulator itself."""
    return GraphError(100, said, title=said)


async def messages(world: World, request: Request) -> Reply:
    """Tell the kept messages; asked with limit, offset, to, from, callback, id, phone, inbound=1|0, order=newest."""
    query = request.query
    wanted: dict[str, Callable[[Entry], bool]] = {
        "to": lambda entry: not entry.inbound and entry.person == query["to"].strip(" +"),
        "from": lambda entry: entry.inbound and entry.person == query["from"].strip(" +"),
        "callback": lambda entry: entry.callback == query["callback"],
        "id": lambda entry: entry.id == query["id"],
        "phone": lambda entry: entry.phone == query["phone"],
        "inbound": lambda entry: entry.inbound == (query["inbound"] == "1"),
    }
    tests = [test for key, test in wanted.items() if key in query]
    entries = world.ledger.newest() if query.get("order") == "newest" else world.ledger.oldest()
    fitting = (entry for entry in entries if all(test(entry) for test in tests))
    offset, limit = whole(query, "offset", 0), whole(query, "limit", SHOWN)
    shown = list(islice(fitting, offset, offset + limit))
    by_callback: dict[str, int] = {}
    for entry in shown:
        if entry.callback:
            by_callback[entry.callback] = world.ledger.doubled.get(entry.callback, 1)
    return Reply(
        {
            "count": world.ledger.accepted,
            "kept": world.ledger.kept,
            "by_callback": by_callback,
            "messages": [entry.told() for entry in shown],
        }
    )


def whole(query: dict[str, str], name: str, default: int) -> int:
    """Return a whole number of the query."""
    text = query.get(name, str(default))
    if not text.isdecimal():
        raise wrong(f"{name} must be a whole number.")
    return int(text)


async def count(world: World, _request: Request) -> Reply:
    """Tell the exact counts. `received` counts at the socket, before anything was decided."""
    ledger = world.ledger
    return Reply(
        {
            "received": ledger.received,
            "accepted": ledger.accepted,
            "distinct_callbacks": len(ledger.seen),
            "doubled": list(ledger.doubled),
            "doubled_count": len(ledger.doubled),
            "refused": {str(code): times for code, times in ledger.refused.items()},
            "failed": {str(code): times for code, times in ledger.failed.items()},
            "dropped": dict(ledger.dropped),
            "faults": dict(world.faults.by_kind),
            "inbound": ledger.inbound,
            "statuses": dict(ledger.statuses),
            "pair_limit_refused": ledger.pair_limit_refused,
            "throughput_refused": ledger.throughput_refused,
            "portfolio_refused": ledger.portfolio_refused,
            "portfolio_begun": len(world.portfolio.begun),
            "webhooks": dict(world.webhooks.counts) | {"waiting": world.webhooks.waiting},
        }
    )


async def state(world: World, _request: Request) -> Reply:
    """Tell the simulated time, the numbers, the portfolio, the templates and the faults in force."""
    return Reply(
        {
            "now": world.clock.now(),
            "speed": world.clock.speed,
            "waiting": world.clock.waiting,
            "seed": world.settings.seed,
            "webhook": world.webhook_of(),
            "tier": world.portfolio.tier,
            "numbers": [
                {"id": number.id, "display": number.display, "level": number.level, "quality": number.quality,
                 "status": number.status, "webhook": world.webhook_of(number.id)}
                for number in world.numbers.values()
            ],
            "templates": [
                {"id": template.id, "name": template.name, "language": template.language, "status": template.status,
                 "category": template.category}
                for template in world.templates.values()
            ],
            "people": [
                {"phone": person.phone, "user_id": person.user_id, "name": person.name, "wrote_at": person.wrote_at,
                 "blocked": sorted(person.blocked), "withheld": person.withheld}
                for person in world.people
            ],
            "faults": [
                {"kind": rule.kind, "on": rule.on, "hits": world.faults.hits[rule.place]} for rule in world.faults.rules
            ],
        }
    )  # fmt: skip


def person_of(world: World, body: dict[str, Any], key: str = "from") -> str:
    """Return the digits of the person a request names, by number or business-scoped user id."""
    given = str(body.get(key, "")).strip()
    digits = given.lstrip("+").replace(" ", "")
    if digits.isdecimal():
        return digits
    phone = world.people.phone_of(given)
    if phone is None:
        raise wrong(f"{key} must be a phone number with its calling code, or a business-scoped user id.")
    return phone


def number_of(world: World, body: dict[str, Any]) -> Number:
    """Return our number a request names as `phone`; the first without one."""
    named = body.get("phone")
    if named is None:
        return next(iter(world.numbers.values()))
    number = world.numbers.get(str(named))
    if number is None:
        raise wrong(f"phone: there is no number {named}.")
    return number


def entry_of(world: World, body: dict[str, Any]) -> Entry:
    """Return our message a request names by `id` or `callback`."""
    entry = world.ledger.get(str(body.get("id", "")))
    if entry is None and body.get("callback"):
        entry = next((one for one in world.ledger.newest() if one.callback == body["callback"]), None)
    if entry is None:
        raise wrong("id or callback must name a message that is still kept.")
    return entry


def content_of(body: dict[str, Any]) -> dict[str, Any]:
    """Return what somebody says: `text`, or `message`, a whole message of a webhook without address and id."""
    if isinstance(body.get("message"), dict):
        return dict(body["message"])
    if not isinstance(body.get("text"), str):
        raise wrong("text (or message, an object) is required.")
    return {"type": "text", "text": {"body": body["text"]}}


async def say(world: World, request: Request) -> Reply:
    """Let a person write: `{"from", "text" | "message", "phone"?, "name"?}`."""
    body = request.json()
    phone = person_of(world, body)
    if body.get("name"):
        world.people.remember(phone).name = str(body["name"])
    entry = acts.write(world, phone, number_of(world, body), content_of(body))
    return Reply({"id": entry.id})


async def answer(world: World, request: Request) -> Reply:
    """Let the recipient of a message answer it: `{"id" | "callback", "text" | "message" | "button": n | "row": n}`."""
    body = request.json()
    entry = entry_of(world, body)
    entry = acts.answer(world, entry, tapped(entry, body) or content_of(body)) or entry
    return Reply({"id": entry.id})


def tapped(entry: Entry, body: dict[str, Any]) -> dict[str, Any] | None:
    """Return the message of a tap on button `button`, or a choice of row `row`, counted from 0."""
    sent = orjson.loads(entry.body)
    action = sent.get("interactive", {}).get("action", {})
    try:
        if "button" in body and "buttons" in action:
            return acts.tapped_button(action["buttons"][body["button"]]["reply"])
        if "row" in body:
            return acts.chosen_row([row for section in action["sections"] for row in section["rows"]][body["row"]])
    except (KeyError, IndexError, TypeError) as error:
        raise wrong("The message has no such button or row.") from error
    if "button" in body:
        # A quick reply of a template: its text comes as both payload and text unless the sender gave a payload.
        return {"type": "button", "button": {"payload": str(body["button"]), "text": str(body["button"])}}
    return None


async def read(world: World, request: Request) -> Reply:
    """Let the recipient read a message: `{"id" | "callback"}`."""
    acts.read(world, entry_of(world, request.json()))
    return Reply()


async def react(world: World, request: Request) -> Reply:
    """Let the recipient react: `{"id" | "callback", "emoji"}`; an empty emoji takes the reaction back."""
    body = request.json()
    entry = entry_of(world, body)
    reaction = {"message_id": entry.id} | ({"emoji": body["emoji"]} if body.get("emoji") else {})
    number = world.numbers[entry.phone]
    return Reply({"id": acts.write(world, entry.person, number, {"type": "reaction", "reaction": reaction}).id})


async def block(world: World, request: Request) -> Reply:
    """Let a person block us: `{"from", "phone"?}`."""
    body = request.json()
    acts.block(world, person_of(world, body), number_of(world, body).id)
    return Reply()


async def unblock(world: World, request: Request) -> Reply:
    """Let a person take a block back: `{"from", "phone"?}`."""
    body = request.json()
    acts.unblock(world, person_of(world, body), number_of(world, body).id)
    return Reply()


async def prefer(world: World, request: Request) -> Reply:
    """Let a person stop or resume marketing messages: `{"from", "value": "stop" | "resume", "phone"?}`."""
    body = request.json()
    if body.get("value") not in {"stop", "resume"}:
        raise wrong("value must be stop or resume.")
    acts.prefer(world, person_of(world, body), number_of(world, body), stop=body["value"] == "stop")
    return Reply()


async def move(world: World, request: Request) -> Reply:
    """Let a person change their phone number (`to`), or without one their business-scoped user id."""
    body = request.json()
    if "to" in body:
        acts.move(world, person_of(world, body), person_of(world, body, "to"), number_of(world, body))
    else:
        acts.rename(world, person_of(world, body), number_of(world, body))
    return Reply()


async def emit(world: World, request: Request) -> Reply:
    """Queue any update: `{"field", "value", "phone"?}`."""
    body = request.json()
    if not isinstance(body.get("field"), str) or not isinstance(body.get("value"), dict):
        raise wrong("field (a text) and value (an object) are required.")
    world.emit(body["field"], body["value"], phone=str(body.get("phone", "")))
    return Reply()


async def faults(world: World, request: Request) -> Reply:
    """Put another fault plan in force."""
    try:
        world.faults.replace(request.json())
    except FaultsUnreadable as error:
        raise wrong(str(error)) from error
    world.storms.clear()
    return Reply({"rules": len(world.faults.rules)})


async def advance(world: World, request: Request) -> Reply:
    """Let simulated time pass: `{"seconds": n}`."""
    seconds = request.json().get("seconds")
    if not isinstance(seconds, int | float) or isinstance(seconds, bool) or seconds < 0:
        raise wrong("seconds must be a number, not below 0.")
    world.clock.advance(float(seconds))
    return Reply({"now": world.clock.now()})


async def change(world: World, request: Request) -> Reply:
    """Change the portfolio's tier, a number (`phone`: its level, status, quality), the speed, or a setting."""
    body = request.json()
    number = number_of(world, body)
    for key, value in body.items():
        if key == "tier" and value in TIERS:
            world.portfolio.tier = value
        elif key == "level" and value in LEVELS:
            number.level = value
        elif key in {"status", "quality"} and isinstance(value, str):
            setattr(number, key, value)
        elif key == "speed" and isinstance(value, int | float) and value > 0:
            world.clock.set_speed(float(value))
        elif key in KNOWN_SETTINGS and isinstance(value, KNOWN_SETTINGS[key] | int):
            setattr(world.settings, key, KNOWN_SETTINGS[key](value))
        elif key != "phone":
            raise wrong(f"{key}: unknown, or {value!r} is not one of its values.")
    return Reply()


async def template(world: World, request: Request) -> Reply:
    """Put a template there without any review: `{"name", "language", "category", "components", "status"?, ...}`."""
    body = request.json()
    known = world.template_named(str(body.get("name")), str(body.get("language")))
    given: dict[str, Any] = {"status": "APPROVED", "category": "UTILITY", "created_at": world.clock.now()}
    given |= {key: body[key] for key in TEMPLATE_KEYS if key in body}
    if not isinstance(given.get("components"), list) or not given.get("name") or not given.get("language"):
        raise wrong("name, language and components (a list) are required.")
    made = Template(id=known.id if known else world.new_id(), **given)
    world.templates[made.id] = made
    return Reply({"id": made.id, "status": made.status})


async def reset(world: World, _request: Request) -> Reply:
    """Begin anew: an empty ledger, no templates, no media, the settings and faults the simulator was started with."""
    assert world.again is not None
    await world.again()
    return Reply()


ROUTES = tuple(
    Route(method, f"/_simulator/{name}", answered, counted=False, open=True)
    for method, name, answered in (
        ("GET", "messages", messages),
        ("GET", "count", count),
        ("GET", "state", state),
        ("POST", "say", say),
        ("POST", "answer", answer),
        ("POST", "read", read),
        ("POST", "react", react),
        ("POST", "block", block),
        ("POST", "unblock", unblock),
        ("POST", "prefer", prefer),
        ("POST", "move", move),
        ("POST", "emit", emit),
        ("POST", "faults", faults),
        ("POST", "advance", advance),
        ("POST", "change", change),
        ("POST", "template", template),
        ("POST", "reset", reset),
    )
)
