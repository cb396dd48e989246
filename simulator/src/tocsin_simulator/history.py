"""What became of messages, asked instead of told: `GET /{phone}/message_history` and the events of one message."""

from itertools import islice
from typing import Any

from tocsin_simulator.errors import GraphError
from tocsin_simulator.fields import asked, paged, picked
from tocsin_simulator.ledger import Entry
from tocsin_simulator.routing import Reply, Request, Route
from tocsin_simulator.world import World

LOOKED_AT_MOST = 10_000
PREFIX = "8"  # of the id of a history, before the ordinal of its message
WORDS = frozenset({"SENT", "DELIVERED", "READ", "PLAYED", "FAILED"})


def id_of(entry: Entry) -> str:
    """Return the id of a message's history."""
    return f"{PREFIX}{entry.ordinal:015d}"


def events_of(world: World, entry: Entry) -> list[dict[str, Any]]:
    """Return each status of a message, the earliest first, whether or not its webhook arrived."""
    address = world.webhook_of(entry.phone)
    return [
        {
            "id": f"{id_of(entry)}{place:02d}",
            "delivery_status": status.upper(),
            "timestamp": int(at),
            "webhook_update_state": "DELIVERED" if address else "FAILED",
            "application": {"id": world.settings.app_id},
        }
        | ({"webhook_uri": address} if address else {})
        for place, (status, at) in enumerate(entry.statuses)
    ]


async def read_history(world: World, request: Request) -> Reply:
    """Answer the messages a number sent, the newest first; `message_id` picks one."""
    phone, wanted = request.given["phone"], asked(request.query.get("fields") or "id,message_id")
    if key := request.query.get("message_id"):
        found = world.ledger.get(key)
        if found is None or found.inbound or found.phone != phone:
            raise GraphError(100, "The requested message_id was not found in the message history.", http=422)
        entries = [found]
    else:
        ours = (each for each in world.ledger.newest() if not each.inbound and each.phone == phone)
        entries = list(islice(ours, LOOKED_AT_MOST))
    rows = [
        picked(
            {"id": id_of(each), "message_id": each.id, "events": {"data": events_of(world, each)}},
            wanted=wanted,
            always=("id", "message_id"),
        )
        for each in entries
    ]
    return Reply(paged(rows, keys=[id_of(each) for each in entries], request=request, address=world.address))


async def read_events(world: World, request: Request) -> Reply:
    """Answer what happened to one message; `status_filter` picks a status."""
    only = request.query.get("status_filter", "").upper()
    if only and only not in WORDS:
        raise GraphError(100, "Invalid parameter: status_filter must be a valid delivery status")
    entry = world.ledger.by_ordinal(int(request.given["history"][len(PREFIX) :]))
    told = events_of(world, entry) if entry is not None else []
    nodes = [
        {
            "id": each["id"],
            "delivery_status": each["delivery_status"],
            "occurrence_timestamp": each["timestamp"],
            "status_timestamp": each["timestamp"],
            "application": each["application"],
        }
        for each in told
        if not only or each["delivery_status"] == only
    ]
    keys = [each["id"] for each in nodes]
    page = paged([{"node": each} for each in nodes], keys=keys, request=request, address=world.address)
    return Reply(page)


ROUTES: tuple[Route, ...] = (
    Route("GET", "/{version}/{phone}/message_history", read_history),
    Route("GET", "/{version}/{history}/events", read_events),
)
