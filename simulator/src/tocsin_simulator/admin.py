"""`GET /_simulator/...`: what it received, how often and how fast; and which messages never came."""

from collections.abc import Callable
from itertools import islice

from tocsin_simulator.ledger import Entry
from tocsin_simulator.routing import Reply, Request, Route
from tocsin_simulator.steering import wrong
from tocsin_simulator.world import World


async def messages(world: World, request: Request) -> Reply:
    """Tell all kept messages, or those asked for: limit, offset, to, from, callback, id, phone, inbound=1|0, order."""
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
    offset, limit = whole(query, "offset", 0), whole(query, "limit", world.ledger.kept)
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
            "receipts": ledger.receipts,
            "typing": ledger.typing,
            "statuses": dict(ledger.statuses),
            "pair_limit_refused": ledger.pair_limit_refused,
            "throughput_refused": ledger.throughput_refused,
            "portfolio_refused": ledger.portfolio_refused,
            "portfolio_begun": len(world.portfolio.begun),
            "portfolio_most": world.portfolio.most,
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


async def pace(world: World, request: Request) -> Reply:
    """Tell how many messages were accepted in each simulated second, by number, for the last hour."""
    return Reply(
        {
            "by_phone": {
                phone: {str(second): count for second, count in seconds.items()}
                for phone, seconds in world.ledger.pace.items()
                if request.query.get("phone", phone) == phone
            }
        }
    )


async def missing(world: World, request: Request) -> Reply:
    """Tell which of some callbacks were never accepted: `{"callbacks": [...], "phone"?}`; exact for ever."""
    body = request.json()
    callbacks = body.get("callbacks")
    if not isinstance(callbacks, list):
        raise wrong("callbacks must be a list.")
    phones = [str(body["phone"])] if "phone" in body else list(world.numbers)
    seen = world.ledger.seen
    return Reply(
        {
            "missing": [
                callback
                for callback in callbacks
                if not any(world.digest(phone, callback)[:16] in seen for phone in phones)
            ]
        }
    )


ROUTES = tuple(
    Route(method, f"/_simulator/{name}", answered, counted=False, open=True)
    for method, name, answered in (
        ("GET", "messages", messages),
        ("GET", "count", count),
        ("GET", "state", state),
        ("GET", "pace", pace),
        ("POST", "missing", missing),
    )
)
