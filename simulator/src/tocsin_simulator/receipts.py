"""Read receipts and typing indicators: what people see of us before we answer."""

from collections import deque

from tocsin_simulator.errors import GraphError
from tocsin_simulator.ledger import Entry
from tocsin_simulator.outbound import Body, an_object, required
from tocsin_simulator.routing import Reply
from tocsin_simulator.world import World

TYPING_SECONDS = 25.0
UNREAD_MOST = 500  # of one person; who reads so late reads the rest unseen


def wait(world: World, entry: Entry) -> None:
    """Remember that a message of a person waits to be read."""
    unread = world.unread.setdefault((entry.person, entry.phone), deque(maxlen=UNREAD_MOST))
    unread.append(entry.id)


def mark(world: World, body: Body, *, phone: str) -> Reply:
    """Take a read receipt, with or without a typing indicator: the message and all before it are read."""
    if body["status"] != "read":
        raise GraphError(100, "Param status must be one of {READ}.")
    if body.get("messaging_product") != "whatsapp":
        raise GraphError(100, "Param messaging_product must be one of {WHATSAPP}.")
    entry = world.ledger.get(str(required(body, "message_id", of="message")))
    if entry is None or not entry.inbound or entry.phone != phone:
        raise GraphError(131009, "Invalid message_id.")
    typing = "typing_indicator" in body
    if typing and an_object(body["typing_indicator"], place="typing_indicator").get("type") != "text":
        raise GraphError(100, "Param typing_indicator['type'] must be one of {text}.")
    world.ledger.receipts += 1
    for each in read_now(world, entry):
        each.statuses = (*each.statuses, ("read", world.clock.now()))
        world.tell({"kind": "status", "id": each.id, "status": "read", "at": world.clock.now()})
    if typing:
        world.ledger.typing += 1
        world.typing[entry.person, phone] = world.clock.now() + TYPING_SECONDS
        world.tell({"kind": "typing", "to": entry.person, "from": phone, "seconds": TYPING_SECONDS})
    return Reply()


def read_now(world: World, entry: Entry) -> list[Entry]:
    """Return what this receipt is the first to read."""
    unread = world.unread.get((entry.person, entry.phone), deque())
    found = []
    while unread:
        earlier = world.ledger.get(unread[0])
        if earlier is not None and earlier.ordinal > entry.ordinal:
            break
        unread.popleft()
        if earlier is not None:
            found.append(earlier)
    return found


def typing_for(world: World, person: str, phone: str) -> float:
    """Return how many seconds more somebody sees that we write."""
    return max(0.0, world.typing.get((person, phone), 0.0) - world.clock.now())
