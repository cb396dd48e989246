"""What becomes of an accepted message: sent, delivered, read or failed, when, and in which order the webhooks tell.

Delays are log-normal. Everything follows from the seed and the message's callback data (else its id), so that a run can
be repeated.
"""

import math
from dataclasses import dataclass, field
from statistics import NormalDist
from typing import Any

import orjson

from tocsin_simulator.errors import GraphError
from tocsin_simulator.ledger import Entry
from tocsin_simulator.people import Person
from tocsin_simulator.values import WINDOW_SECONDS, Number
from tocsin_simulator.world import World

# Median and spread (of the logarithm) of the seconds from one step to the next.
SENT = (math.log(0.4), 0.5)
DELIVERED = (math.log(1.2), 0.9)
READ = (math.log(45.0), 1.5)
PLAYED = (math.log(15.0), 1.0)
ANSWERED = (math.log(30.0), 1.0)
NORMAL = NormalDist()
# A message that cannot be delivered is kept for so long, unless its template says otherwise.
LASTS_SECONDS = 30 * 24 * 3600.0
# How much later than its neighbour a status comes that was overtaken.
OVERTAKEN_SECONDS = 2.0


@dataclass(slots=True)
class Life:
    """One message on its way."""

    entry: Entry
    person: Person
    category: str  # of its template, lower-case; "service" without one
    free: bool  # nothing is charged
    by_user_id: bool  # it was sent to a business-scoped user id
    digest: bytes
    lasts_seconds: float = LASTS_SECONDS
    lost: frozenset[str] = frozenset()  # statuses never told
    copies: int = 0  # extra copies of every status
    disorder: bool = False
    contact: bytes = b""  # the person as webhooks name them, written once
    priced: set[str] = field(default_factory=set)


def normal_of(digest: bytes, place: int, shape: tuple[float, float], *, scale: float) -> float:
    """Return a log-normal number of seconds that follows from two bytes of a digest."""
    if not scale:
        return 0.0
    share = (int.from_bytes(digest[place : place + 2], "big") + 0.5) / 65_536
    return math.exp(shape[0] + shape[1] * NORMAL.inv_cdf(share)) * scale


def share_of(digest: bytes, place: int) -> float:
    """Return a number in [0, 1) that follows from two bytes of a digest."""
    return int.from_bytes(digest[place : place + 2], "big") / 65_536


def live(world: World, life: Life, *, failure: GraphError | None = None, after: float = 0.0) -> None:
    """Let a message that was just accepted go its way; `failure` is how it ends instead."""
    digest, person, scale = life.digest, life.person, world.settings.delay
    at = world.clock.now() + after + normal_of(digest, 0, SENT, scale=scale)
    if failure is not None:
        world.clock.at(at, fail, world, life, failure, at)
        return
    steps = [("sent", at)]
    expires_at = at + life.lasts_seconds
    delivered_at = max(at, person.away_until) + normal_of(digest, 4, DELIVERED, scale=scale)
    blocked = life.entry.phone in person.blocked
    if not blocked and share_of(digest, 2) < person.receives and delivered_at <= expires_at:
        at = delivered_at
        steps.append(("delivered", at))
        if share_of(digest, 6) < person.reads:
            at += read_after(life, scale=scale)
            steps.append(("read", at))
            if life.entry.type == "audio":
                at += normal_of(digest, 26, PLAYED, scale=scale)
                steps.append(("played", at))
    told_at = [at for _, at in steps]
    if len(steps) > 1 and (life.disorder or share_of(digest, 10) < world.settings.disorder):
        # The earlier one of two neighbours is overtaken.
        place = digest[12] % (len(steps) - 1)
        told_at[place] = told_at[place + 1] + OVERTAKEN_SECONDS * scale
        if not scale:
            steps.reverse()
    for place, (status, reached_at) in enumerate(steps):
        world.clock.at(told_at[place], tell, world, life, status, reached_at)
        if share_of(digest, 14 + 2 * (place % 3)) < world.settings.duplicates:
            world.clock.at(told_at[place] + OVERTAKEN_SECONDS * scale, tell, world, life, status, reached_at)


def read_after(life: Life, *, scale: float) -> float:
    """Return how long (seconds) after the delivery somebody reads."""
    told = life.person.reads_after_seconds
    return normal_of(life.digest, 8, READ, scale=scale) if told is None else told


def answer_after(life: Life, *, scale: float) -> float:
    """Return how long (seconds) after reading somebody answers."""
    told = life.person.answers_after_seconds
    return normal_of(life.digest, 20, ANSWERED, scale=scale) if told is None else told


def tell(world: World, life: Life, status: str, reached_at: float) -> None:
    """Tell one status; a second time when it was told already."""
    entry = life.entry
    if not any(status == known for known, _ in entry.statuses):
        entry.statuses = (*entry.statuses, (status, reached_at))
        world.ledger.statuses[status] += 1
        if world.watchers:
            world.tell({"kind": "status", "id": entry.id, "status": status, "at": reached_at})
            if status == "delivered":
                world.tell({"kind": "message", "message": entry.told()})
    if status in life.lost:
        return
    said = {"id": entry.id, "status": status, "timestamp": str(int(reached_at))} | addressed(life.person)
    if entry.callback:
        said["biz_opaque_callback_data"] = entry.callback
    price = price_of(life, status)
    if price:
        said["pricing"] = price
    status_bytes = orjson.dumps(said)
    life.contact = life.contact or orjson.dumps(contact_of(life.person))
    for _ in range(1 + life.copies):
        queue(world, entry.phone, contact=life.contact, status=status_bytes)


def fail(world: World, life: Life, failure: GraphError, at: float) -> None:
    """Tell that a message failed."""
    entry = life.entry
    entry.statuses = (*entry.statuses, ("failed", at))
    world.ledger.statuses["failed"] += 1
    world.ledger.failed[failure.code] += 1
    if world.ledger.get(entry.id) is not None:
        world.ledger.why[entry.id] = (failure.code, failure.details or failure.title_of())
    if world.watchers:
        why = f"{failure.code} · {failure.details or failure.title_of()}"
        world.tell({"kind": "status", "id": entry.id, "status": "failed", "at": at, "why": why})
    if "failed" in life.lost:
        return
    said: dict[str, Any] = {"id": entry.id, "status": "failed", "timestamp": str(int(at))}
    if not life.by_user_id:
        said["recipient_id"] = life.person.wa_id
    if entry.callback:
        said["biz_opaque_callback_data"] = entry.callback
    said["errors"] = [failure.in_status()]
    queue(world, entry.phone, contact=b"", status=orjson.dumps(said))


def queue(world: World, phone: str, *, contact: bytes, status: bytes) -> None:
    """Queue a status update of a number."""
    number = world.numbers[phone]
    world.webhooks.queue_status(head=head_of(number), contact=contact, status=status, url=world.webhook_of(phone))


def metadata(number: Number) -> dict[str, str]:
    """Return the metadata of a number's updates."""
    return {"display_phone_number": number.digits, "phone_number_id": number.id}


def head_of(number: Number) -> bytes:
    """Return a statuses change up to its contacts."""
    head = number.extra.get("head")
    if head is None:
        value = orjson.dumps({"messaging_product": "whatsapp", "metadata": metadata(number)})
        head = number.extra["head"] = b'{"field":"messages","value":' + value[:-1]
    return bytes(head)


def addressed(person: Person) -> dict[str, Any]:
    """Return who a status is about; the phone number is left out when it is withheld."""
    if person.withheld:
        return {"recipient_user_id": person.user_id}
    return {"recipient_id": person.wa_id, "recipient_user_id": person.user_id}


def contact_of(person: Person) -> dict[str, Any]:
    """Return a person as they stand in `contacts` of a webhook."""
    profile = {"name": person.name}
    if person.username:
        profile["username"] = person.username
    if person.withheld:
        return {"profile": profile, "user_id": person.user_id}
    return {"profile": profile, "wa_id": person.wa_id, "user_id": person.user_id}


def price_of(life: Life, status: str) -> dict[str, Any] | None:
    """Return the pricing object: in `sent`, and in the first told of delivered and read."""
    slot = "sent" if status == "sent" else "reached"
    if slot in life.priced and status not in life.priced:
        return None
    life.priced |= {slot, status}
    kind = "free_customer_service" if life.free else "regular"
    return {"billable": not life.free, "pricing_model": "PMP", "type": kind, "category": life.category}


def window_open(person: Person, phone: str, now: float) -> bool:
    """Tell whether somebody wrote to a number within the last 24 hours."""
    return now - person.wrote_at.get(phone, -math.inf) < WINDOW_SECONDS
