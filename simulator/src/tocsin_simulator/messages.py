"""`POST /{phone}/messages`: every outbound type, read receipts and typing indicators, within Meta's limits."""

import asyncio
import base64
from dataclasses import dataclass, field
from typing import Any

from tocsin_simulator import acts, limits, receipts, statuses, template_life
from tocsin_simulator.errors import GraphError, missing
from tocsin_simulator.faults import Rule
from tocsin_simulator.ledger import Entry
from tocsin_simulator.outbound import CALLBACK_MOST, TYPES, Body, an_object, check, required
from tocsin_simulator.outbound_templates import check_template
from tocsin_simulator.people import Person, phone_of_wa_id
from tocsin_simulator.routing import Dropped, Reply, Request, Route
from tocsin_simulator.statuses import Life
from tocsin_simulator.values import Number, Template
from tocsin_simulator.world import World

# The person got the request's messages refused for good; Meta tells it later, in a status.
FAILS_LATER = "Message undeliverable."


@dataclass(slots=True)
class Outgoing:
    """A message that passed every check of its form."""

    number: Number
    person: Person
    kind: str
    content: Any
    callback: str
    by_user_id: bool
    given: str  # the address as it was given
    template: Template | None = None
    failure: GraphError | None = None  # how it will fail after it was accepted
    in_window: bool = True
    rules: list[Rule] = field(default_factory=list)


async def send(world: World, request: Request) -> Reply:
    """Take a message, or refuse it. Raises GraphError; Dropped when the line is to be cut."""
    world.ledger.received += 1
    ordinal = world.ledger.received
    phone = request.given["phone"]
    body = request.json()
    by_marketing = request.path.endswith("/marketing_messages")
    rules = faults_of(world, body, phone=phone, ordinal=ordinal)
    try:
        await before(world, rules, phone=phone)
        if "status" in body:
            return receipts.mark(world, body, phone=phone)
        outgoing = checked(world, body, phone=phone)
        outgoing.rules = rules
        check_way(world, outgoing, by_marketing=by_marketing)
        within_limits(world, outgoing)
    except GraphError as error:
        world.ledger.refused[error.code] += 1
        raise
    reply, entry = accept(world, outgoing, request.body)
    await after(world, rules, reply, entry)
    return reply


def faults_of(world: World, body: Body, *, phone: str, ordinal: int) -> list[Rule]:
    """Return the faults that hit a request."""
    if not world.faults.rules:
        return []
    key = str(body.get("biz_opaque_callback_data") or ordinal)
    return world.faults.pick(
        "messages", key=key, ordinal=ordinal, person=str(body.get("to", "")).lstrip("+"), phone=phone
    )


async def before(world: World, rules: list[Rule], *, phone: str) -> None:
    """Do the faults that come before a message is looked at."""
    now = world.clock.now()
    until, code, http = world.storms.get(phone, (0.0, 0, 0))
    if now < until:
        raise GraphError(code, "Too many messages in a short period of time.", http=http)
    for rule in rules:
        given = rule.given
        if rule.kind == "slow":
            await asyncio.sleep(given["seconds"])
        elif rule.kind == "drop_before_read":
            world.ledger.dropped[rule.kind] += 1
            raise Dropped
        elif rule.kind == "refuse":
            raise GraphError(given["code"], given["details"], http=given["http"])
        elif rule.kind == "storm":
            world.storms[phone] = (now + given["seconds"], given["code"], given["http"])
            raise GraphError(given["code"], "Too many messages in a short period of time.", http=given["http"])


async def after(world: World, rules: list[Rule], reply: Reply, entry: Entry) -> None:
    """Do the faults that come after a message was accepted."""
    for rule in rules:
        if rule.kind == "drop_after_accept":
            entry.answered = "dropped"
            world.ledger.dropped[rule.kind] += 1
            raise Dropped(reply if rule.given["headers"] else None)
        if rule.kind == "hang_after_accept":
            entry.answered = "never"
            world.ledger.dropped[rule.kind] += 1
            await asyncio.sleep(rule.given["seconds"])
            raise Dropped


def checked(world: World, body: Body, *, phone: str) -> Outgoing:
    """Return a message whose form is right; raises GraphError."""
    if body.get("messaging_product") != "whatsapp":
        raise (
            missing("messaging_product")
            if "messaging_product" not in body
            else GraphError(100, "Param messaging_product must be one of {WHATSAPP}.")
        )
    if body.get("recipient_type", "individual") not in ("individual", "group"):
        raise GraphError(100, "Param recipient_type must be one of {INDIVIDUAL, GROUP}.")
    if body.get("recipient_type") == "group":
        raise GraphError(131041, "The group was not found, either because it does not exist or you are not a member.")
    callback = body.get("biz_opaque_callback_data", "")
    if not isinstance(callback, str) or len(callback) > CALLBACK_MOST:
        raise GraphError(100, f"Param biz_opaque_callback_data must be at most {CALLBACK_MOST} characters long.")
    if "category" in body:
        raise GraphError(100, "Direct Send isn't enabled for this WhatsApp Business account.")
    number = world.numbers[phone]
    person, given, by_user_id = recipient(world, body, number=number)
    kind = body.get("type", "text")
    if not isinstance(kind, str) or kind not in TYPES:
        raise GraphError(131051, f"Message type {kind!r} is not currently supported.")
    if kind not in body:
        raise missing(kind)
    content = body[kind]
    outgoing = Outgoing(number, person, kind, content, callback, by_user_id, given)
    if kind == "contacts":
        check(kind, content, world=world)
        return outgoing
    content = an_object(content, place=kind)
    if kind == "template":
        outgoing.template = check_template(content, world=world)
        if by_user_id and outgoing.template.category == "AUTHENTICATION":
            raise GraphError(131062, "Authentication templates need a phone number.")
    else:
        check(kind, content, world=world)
    if "context" in body:
        required(an_object(body["context"], place="context"), "message_id", of="context")
    return outgoing


def check_way(world: World, outgoing: Outgoing, *, by_marketing: bool) -> None:
    """Refuse a message that goes by the wrong endpoint: `marketing_messages` takes marketing templates only."""
    is_marketing = outgoing.template is not None and outgoing.template.category == "MARKETING"
    if by_marketing and not is_marketing:
        raise GraphError(134100, "Only marketing templates may be sent with this endpoint.")
    if is_marketing and not by_marketing and world.records.marketing_apart:
        raise GraphError(131063, "Marketing templates of this account go by marketing_messages.")


def recipient(world: World, body: Body, *, number: Number) -> tuple[Person, str, bool]:
    """Return who a message goes to, the address as given, and whether it was a user id. `to` wins over `recipient`."""
    to = body.get("to")
    if to:
        digits = normal(str(to), world=world, number=number)
        if digits == number.digits:
            raise GraphError(131021, "The sender and the recipient are the same phone number.")
        return world.people.look(digits), str(to), False
    user_id = body.get("recipient")
    if not user_id:
        raise missing("to")
    phone = world.people.phone_of(str(user_id))
    if phone is None:
        raise GraphError(131009, "Param recipient is not a business-scoped user ID of this business portfolio.")
    return world.people.look(phone), str(user_id), True


def normal(to: str, *, world: World, number: Number) -> str:
    """Return the digits of a phone number.

    Without a plus sign Meta puts the sender's own calling code before it, unless it is a number that wrote before.
    """
    digits = to.translate(PUNCTUATION)
    if digits.isdecimal() and digits.isascii() and len(digits) <= 16:
        digits = phone_of_wa_id(digits)
        if to.lstrip()[:1] == "+" or digits in world.people.known or digits.startswith(number.calling_code):
            return digits
        return number.calling_code + digits.lstrip("0")
    raise GraphError(131009, "Param to is not a valid phone number.")


PUNCTUATION = str.maketrans("", "", "+-() ")


def within_limits(world: World, outgoing: Outgoing) -> None:
    """Refuse a message that is over a limit, and foresee how an acceptable one will fail; raises GraphError."""
    now = world.clock.now()
    number, person, ledger = outgoing.number, outgoing.person, world.ledger
    if number.status != "CONNECTED":
        raise GraphError(133010, f"The phone number is {number.status}.")
    if person.phone in world.blocked.get(number.id, ()):
        raise GraphError(130403, "The business has blocked this user.")
    outgoing.in_window = statuses.window_open(person, number.id, now)
    if outgoing.template is None and not outgoing.in_window:
        outgoing.failure = limits.outside_window()
        if world.settings.window == "sync":
            raise outgoing.failure
    if not world.limits.throughput(number, now):
        ledger.throughput_refused += 1
        raise limits.over_throughput(number)
    if not world.limits.pairs.take(number.id, person.phone, now):
        ledger.pair_limit_refused += 1
        raise limits.over_pair()
    if (
        not outgoing.in_window
        and outgoing.template is not None
        and not limits.begin(world.portfolio, person.phone, now)
    ):
        ledger.portfolio_refused += 1
        raise limits.over_portfolio(world.portfolio)
    outgoing.failure = outgoing.failure or foreseen(outgoing)


def foreseen(outgoing: Outgoing) -> GraphError | None:
    """Return how a message will fail because of whom it goes to."""
    person, template = outgoing.person, outgoing.template
    if not person.on_whatsapp or not plausible(person.phone):
        return GraphError(131026, "Message Undeliverable. The recipient phone number is not a WhatsApp phone number.")
    if template is not None and template.category == "MARKETING":
        if person.stopped_marketing:
            return GraphError(131050, "The user has stopped receiving marketing messages from this business.")
        if outgoing.person.user_id.startswith("US."):
            return GraphError(131049, "This message was not delivered to maintain healthy ecosystem engagement.")
    return None


def plausible(phone: str) -> bool:
    """Tell whether somebody can have this number: North American ones have eleven digits, others eight to fifteen."""
    return len(phone) == 11 if phone[0] == "1" else 8 <= len(phone) <= 15


def accept(world: World, outgoing: Outgoing, body: bytes) -> tuple[Reply, Entry]:
    """Write a message into the ledger, start its life, and return the answer."""
    ledger, person, number = world.ledger, outgoing.person, outgoing.number
    ordinal = ledger.next_ordinal()
    digest = world.digest(number.id, outgoing.callback or ordinal)
    wamid = "wamid." + base64.b64encode(b"\x1d\x0f%b%b%b" % (
        person.phone.encode(), ordinal.to_bytes(6, "big"), digest[:10]
    )).decode()  # fmt: skip
    entry = Entry(
        ordinal=ordinal,
        id=wamid,
        phone=number.id,
        person=person.phone,
        type=outgoing.kind,
        callback=outgoing.callback,
        body=body,
        at=world.clock.now(),
    )
    entry.answered = "200"
    if world.typing:
        world.typing.pop((person.phone, number.id), None)
    ledger.accept(entry, digest=digest[:16])
    held = start(world, outgoing, entry, digest)
    message: dict[str, Any] = {"id": wamid}
    if outgoing.template is not None:
        template_life.sent(world, outgoing.template)
        message["message_status"] = "held_for_quality_assessment" if held else "accepted"
    contact = {"input": outgoing.given}
    if not outgoing.by_user_id:
        contact["wa_id"] = person.wa_id
    contact["user_id"] = person.user_id
    return Reply({"messaging_product": "whatsapp", "contacts": [contact], "messages": [message]}), entry


def start(world: World, outgoing: Outgoing, entry: Entry, digest: bytes) -> bool:
    """Start a message's life, with the faults that bend it; tell whether it is held for a while first."""
    template, failure = outgoing.template, outgoing.failure
    life = Life(
        entry=entry,
        person=outgoing.person,
        category=template.category.lower() if template else "service",
        free=template is None or (template.category == "UTILITY" and outgoing.in_window),
        by_user_id=outgoing.by_user_id,
        digest=digest,
        lasts_seconds=lasts(template),
    )
    after, silent = 0.0, False
    for rule in outgoing.rules:
        given = rule.given
        if rule.kind == "accept_and_silence":
            silent = True
        elif rule.kind == "lose_statuses":
            life.lost = frozenset(given["statuses"])
        elif rule.kind == "reorder_statuses":
            life.disorder = True
        elif rule.kind == "duplicate_statuses":
            life.copies = given["copies"] - 1
        elif rule.kind == "fail":
            failure = GraphError(given["code"], given["details"])
        elif rule.kind == "hold":
            after = given["seconds"]
            failure = GraphError(132015, "Template is paused") if given["then"] == "drop" else failure
        elif rule.kind == "webhook_error":
            tell_error(world, outgoing.number, GraphError(given["code"], given["details"]))
    if not silent:
        statuses.live(world, life, failure=failure, after=after)
        acts.react(world, life, outgoing, failed=failure is not None)
    return after > 0


def lasts(template: Template | None) -> float:
    """Return how long (seconds) a message is kept for a phone that is off; authentication messages ten minutes."""
    if template is None:
        return statuses.LASTS_SECONDS
    said = template.extra.get("message_send_ttl_seconds")
    if isinstance(said, int) and said > 0:
        return float(said)
    return 600.0 if template.category == "AUTHENTICATION" and said != -1 else statuses.LASTS_SECONDS


def tell_error(world: World, number: Number, error: GraphError) -> None:
    """Tell an error that belongs to no message, in `value.errors`."""
    value = {"messaging_product": "whatsapp", "metadata": statuses.metadata(number), "errors": [error.in_status()]}
    world.emit("messages", value, phone=number.id)


ROUTES = (
    Route("POST", "/{version}/{phone}/messages", send, counted=False),
    Route("POST", "/{version}/{phone}/marketing_messages", send, counted=False),
)
