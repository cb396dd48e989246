"""`POST /_simulator/...`: what people, time and faults are to do next."""

from typing import Any

import orjson

from tocsin_simulator import acts, received
from tocsin_simulator.errors import GraphError
from tocsin_simulator.faults import FaultsUnreadable
from tocsin_simulator.ledger import Entry
from tocsin_simulator.people import phone_of_wa_id
from tocsin_simulator.routing import Reply, Request, Route
from tocsin_simulator.values import Number, Template
from tocsin_simulator.world import World

TEMPLATE_KEYS = ("name", "language", "category", "components", "status", "parameter_format", "quality")
KNOWN_SETTINGS: dict[str, tuple[type, ...]] = {
    "batch": (int,),
    "delay": (float, int),
    "disorder": (float, int),
    "duplicates": (float, int),
    "hyphens": (bool,),
    "review": (bool,),
    "speed": (float, int),
    "token": (str,),
    "window": (str,),
}
# The least a setting may be, where that is not 0.
LEAST = {"speed": 0.001}
PUNCTUATION = str.maketrans("", "", "+-() ")  # what people put into a number


def wrong(said: str) -> GraphError:
    """Return the refusal of a request to the simulator itself."""
    return GraphError(100, said, title=said)


def person_of(world: World, body: dict[str, Any], key: str = "from") -> str:
    """Return the digits of the person a request names, by number or business-scoped user id."""
    given = str(body.get(key, "")).strip()
    digits = given.translate(PUNCTUATION)
    if digits.isdecimal():
        return phone_of_wa_id(digits)
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
    """Let a person write: `{"from", "text" | "message" | "media", "phone"?, "name"?}`."""
    body = request.json()
    phone = person_of(world, body)
    if body.get("name"):
        world.people.remember(phone).name = str(body["name"])
    number = number_of(world, body)
    content = received.sent_file(world, number.id, body["media"]) if "media" in body else content_of(body)
    entry = acts.write(world, phone, number, content)
    return Reply({"id": entry.id})


async def person(world: World, request: Request) -> Reply:
    """Describe somebody, as an entry of `--people` does: `{"phone", "reads"?, "answers"?, "answer"? ...}`."""
    try:
        described = world.people.describe(request.json(), where="person")
    except ValueError as error:
        raise wrong(str(error)) from error
    return Reply({"phone": described.phone, "user_id": described.user_id})


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
    world.clock.advance(seconds_of(request.json()))
    return Reply({"now": world.clock.now()})


def acceptable(key: str, value: Any) -> bool:
    """Tell whether a setting is known, and the value one of its own."""
    known = isinstance(value, KNOWN_SETTINGS.get(key, ()))
    if key == "window":
        return value in {"sync", "async"}
    return known and (bool(value) if key == "token" else value >= LEAST.get(key, 0.0))


async def change(world: World, request: Request) -> Reply:
    """Change the speed, the access token, or a setting; numbers and tiers are changed by `POST /_simulator/numbers`."""
    body = request.json()
    for key, value in body.items():
        if not acceptable(key, value):
            raise wrong(
                f"{key}: unknown, or {value!r} is not one of its values; known are {', '.join(KNOWN_SETTINGS)}."
            )
    for key, value in body.items():
        if key == "speed":
            world.clock.set_speed(float(value))
        setattr(world.settings, key, value)
    return Reply()


async def away(world: World, request: Request) -> Reply:
    """Let a person's phone be off for a while: `{"from", "seconds"}`; what comes meanwhile is delivered afterwards."""
    body = request.json()
    person = world.people.remember(person_of(world, body))
    person.away_until = world.clock.now() + seconds_of(body)
    return Reply()


def seconds_of(body: dict[str, Any]) -> float:
    """Return the `seconds` of a request."""
    seconds = body.get("seconds")
    if not isinstance(seconds, int | float) or isinstance(seconds, bool) or seconds < 0:
        raise wrong("seconds must be a number, not below 0.")
    return float(seconds)


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
    Route("POST", f"/_simulator/{name}", answered, counted=False, open=True)
    for name, answered in (
        ("say", say),
        ("answer", answer),
        ("read", read),
        ("react", react),
        ("block", block),
        ("unblock", unblock),
        ("prefer", prefer),
        ("move", move),
        ("emit", emit),
        ("faults", faults),
        ("advance", advance),
        ("change", change),
        ("template", template),
        ("reset", reset),
        ("away", away),
        ("person", person),
    )
)
