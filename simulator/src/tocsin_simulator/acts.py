"""What people do: read, answer, write first, react, tap, block, change their number; each as its webhook."""

import base64
import hashlib
from typing import Any, Protocol

import orjson

from tocsin_simulator import receipts, statuses, template_life
from tocsin_simulator.ledger import Entry
from tocsin_simulator.people import Person
from tocsin_simulator.statuses import Life
from tocsin_simulator.values import Number, Template
from tocsin_simulator.world import World


class Sent(Protocol):
    """What of an outgoing message people react to."""

    kind: str
    content: Any
    template: Template | None


def react(world: World, life: Life, sent: Sent, *, failed: bool) -> None:
    """Let the recipient of a message do what they are like: answer, or block."""
    person, digest = life.person, life.digest
    if failed or sent.kind == "reaction" or not (person.answers or person.blocks):
        return
    if statuses.share_of(digest, 2) >= person.receives:
        return
    scale = world.settings.delay
    after = (
        max(person.away_until - world.clock.now(), 0.0)
        + statuses.normal_of(digest, 0, statuses.SENT, scale=scale)
        + statuses.normal_of(digest, 4, statuses.DELIVERED, scale=scale)
        + statuses.read_after(life, scale=scale)
        + statuses.answer_after(life, scale=scale)
    )
    if statuses.share_of(digest, 22) < person.blocks:
        world.clock.after(after, block, world, person.phone, life.entry.phone)
        if sent.template is not None:
            world.clock.after(after, template_life.blocked, world, sent.template.id)
    elif statuses.share_of(digest, 24) < person.answers and person.patience > 0:
        world.people.remember(person.phone).patience -= 1
        world.clock.after(after, answer, world, life.entry, answer_to(sent, person))


def answer_to(sent: Sent, person: Person) -> dict[str, Any]:
    """Return what somebody answers: the first button or row of a message that has some, else their own words."""
    if sent.kind == "interactive":
        action = sent.content.get("action", {})
        if sent.content.get("type") == "button":
            return tapped_button(action["buttons"][0]["reply"])
        if sent.content.get("type") == "list":
            return chosen_row(action["sections"][0]["rows"][0])
    return {"type": "text", "text": {"body": person.answer}}


def tapped_button(reply: dict[str, Any]) -> dict[str, Any]:
    """Return the message of a tap on a reply button."""
    button = {"id": reply["id"], "title": reply["title"]}
    return {"type": "interactive", "interactive": {"type": "button_reply", "button_reply": button}}


def chosen_row(row: dict[str, Any]) -> dict[str, Any]:
    """Return the message of a choice from a list."""
    chosen = {key: row[key] for key in ("id", "title", "description") if key in row}
    return {"type": "interactive", "interactive": {"type": "list_reply", "list_reply": chosen}}


def begin(world: World) -> None:
    """Let everybody who writes first begin to, each at a moment of their own."""
    for person in world.people:
        if person.writes_every_seconds > 0:
            world.clock.after(
                person.writes_every_seconds * world.chance("writes", person.phone), write_first, world, person
            )


def write_first(world: World, person: Person) -> None:
    """Let somebody write to one of our numbers, and again after a while."""
    numbers = list(world.numbers.values())
    number = numbers[int(world.chance("writes to", person.phone) * len(numbers))]
    write(world, person.phone, number, {"type": "text", "text": {"body": person.writes}})
    world.clock.after(person.writes_every_seconds, write_first, world, person)


def answer(world: World, entry: Entry, content: dict[str, Any]) -> Entry | None:
    """Let the recipient answer one of our messages."""
    number = world.numbers.get(entry.phone)
    if number is None:
        return None
    return write(world, entry.person, number, content | {"context": {"from": number.digits, "id": entry.id}})


def write(world: World, phone: str, number: Number, content: dict[str, Any]) -> Entry:
    """Let a person write to a number; `content` is a message of Meta's webhook without its address and id."""
    now = world.clock.now()
    person = world.people.remember(phone)
    # A reaction opens no window: Meta's pages do not say so, and this is the careful reading.
    if content.get("type") != "reaction":
        person.wrote_at[number.id] = now
    world.limits.throughput(number, now)
    ordinal = world.ledger.next_ordinal()
    token = phone.encode() + ordinal.to_bytes(6, "big") + world.digest("inbound", phone, ordinal)[:10]
    wamid = "wamid." + base64.b64encode(b"\x1d\x0e" + token).decode()
    message = sender_of(person) | {"id": wamid, "timestamp": str(int(now))} | content
    entry = Entry(
        ordinal=ordinal,
        id=wamid,
        phone=number.id,
        person=phone,
        type=str(content.get("type", "")),
        callback="",
        body=bytes(bytearray(orjson.dumps(message))),  # a copy: orjson's own keeps the room it was written in
        at=now,
    )
    entry.inbound = True
    world.ledger.inbound += 1
    world.ledger.add(entry)
    receipts.wait(world, entry)
    world.tell({"kind": "message", "message": entry.told()})
    tell(world, number, person, message)
    return entry


def tell(world: World, number: Number, person: Person, message: dict[str, Any]) -> None:
    """Queue the webhook of something a person sent."""
    value = {
        "messaging_product": "whatsapp",
        "metadata": statuses.metadata(number),
        "contacts": [statuses.contact_of(person)],
        "messages": [message],
    }
    world.emit("messages", value, phone=number.id)


def sender_of(person: Person) -> dict[str, str]:
    """Return the sender as a message names it; the phone number is left out when it is withheld."""
    if person.withheld:
        return {"from_user_id": person.user_id}
    return {"from": person.wa_id, "from_user_id": person.user_id}


def read(world: World, entry: Entry) -> None:
    """Let the recipient read one of our messages now."""
    life = Life(
        entry=entry,
        person=world.people.look(entry.person),
        category="service",
        free=True,
        by_user_id=False,
        digest=world.digest(entry.id),
        priced={"reached", "sent"},
    )
    statuses.tell(world, life, "read", world.clock.now())


def block(world: World, phone: str, phone_id: str) -> None:
    """Let a person block one of our numbers: what we send stays `sent`."""
    world.people.remember(phone).blocked.add(phone_id)
    world.tell({"kind": "blocked", "person": phone, "phone": phone_id})


def unblock(world: World, phone: str, phone_id: str) -> None:
    """Let a person take a block back."""
    world.people.remember(phone).blocked.discard(phone_id)


def prefer(world: World, phone: str, number: Number, *, stop: bool) -> None:
    """Let a person stop, or take up again, marketing messages."""
    person = world.people.remember(phone)
    person.stopped_marketing = stop
    preference = {
        "category": "marketing_messages",
        "detail": f"User requested to {'stop' if stop else 'resume'} marketing messages",
        "value": "stop" if stop else "resume",
        "timestamp": int(world.clock.now()),
    }
    if not person.withheld:
        preference["wa_id"] = person.wa_id
    preference["user_id"] = person.user_id
    value = {
        "messaging_product": "whatsapp",
        "metadata": statuses.metadata(number),
        "contacts": [statuses.contact_of(person)],
        "user_preferences": [preference],
    }
    world.emit("user_preferences", value, phone=number.id)


def move(world: World, phone: str, new_phone: str, number: Number) -> None:
    """Let a person change their phone number; the business-scoped user id changes with it."""
    person = world.people.remember(phone)
    old_id = person.user_id
    moved = world.people.remember(new_phone)
    moved.name, moved.username, moved.withheld = person.name, person.username, person.withheld
    person.on_whatsapp = False
    system = {
        "type": "user_changed_number",
        "body": f"User {person.name} changed from {phone} to {new_phone}",
        "wa_id": moved.wa_id,
        "previous_user_id": old_id,
        "user_id": moved.user_id,
    }
    tell_system(world, number, sender_of(person), moved, system)


def rename(world: World, phone: str, number: Number) -> None:
    """Let a person get another business-scoped user id."""
    person = world.people.remember(phone)
    old_id = person.user_id
    country = old_id.partition(".")[0]
    new_id = f"{country}.{int.from_bytes(world.digest('user id', old_id)[:7], 'big'):020d}"
    world.people.rename(person, new_id)
    system = {
        "type": "user_changed_user_id",
        "body": f"User {person.name} changed their user id",
        "previous_user_id": old_id,
        "user_id": new_id,
    }
    tell_system(world, number, sender_of(person), person, system)


def tell_system(world: World, number: Number, sender: dict[str, str], person: Person, system: dict[str, Any]) -> None:
    """Queue the system message of a change."""
    now = world.clock.now()
    wamid = "wamid." + base64.b64encode(hashlib.blake2b(f"{system}{now}".encode(), digest_size=24).digest()).decode()
    message = sender | {"id": wamid, "timestamp": str(int(now)), "type": "system", "system": system}
    tell(world, number, person, message)
