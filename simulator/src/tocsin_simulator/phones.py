"""The page of the people's phones: what each of them sees, live, and a way to answer."""

import asyncio
from typing import Any

import orjson
from aiohttp import web

from tocsin_simulator import receipts
from tocsin_simulator.bubbles import bubble_of
from tocsin_simulator.errors import GraphError
from tocsin_simulator.ledger import Entry
from tocsin_simulator.routing import Reply, Request, Route
from tocsin_simulator.snapshot import snapshot
from tocsin_simulator.values import WINDOW_SECONDS
from tocsin_simulator.wording import CONTENT_SECURITY_POLICY, asset, language_of, page
from tocsin_simulator.world import World

REASONS_SHOWN = 8
PHONES_SHOWN = 12
PHONES_MAX = 60
MESSAGES_SHOWN = 40
LOOKED_AT_MAX = 20_000  # messages looked through for the phones that last rang
TOLD_EVERY_SECONDS = 0.15
TOLD_AT_ONCE = 80  # more at a time, and the page fetches everything anew instead
BEAT_SECONDS = 10.0
PICTURES = {"image/png", "image/jpeg", "image/webp"}
_HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


async def show(_world: World, request: Request) -> Reply:
    """Answer the page."""
    accepted = request.raw.headers.get("Accept-Language", "")
    language = language_of(accepted, asked=request.query.get("lang", ""))
    return Reply(page("phones.html", language=language), content_type="text/html; charset=utf-8", headers=_HEADERS)


async def show_still(world: World, request: Request) -> Reply:
    """Answer the page as one file, as it is now."""
    told = await phones(world, request)
    kept = {"/_simulator/threads": orjson.dumps(told.body).decode()}
    language = language_of(request.raw.headers.get("Accept-Language", ""), asked=request.query.get("lang", ""))
    whole = snapshot("phones.html", language=language, kept=kept)
    return Reply(whole, content_type="text/html; charset=utf-8", headers={"Cache-Control": "no-store"})


async def show_asset(_world: World, request: Request) -> Reply:
    """Answer a style sheet, script or picture of the page."""
    found = asset(request.given["name"])
    if found is None:
        raise GraphError(100, "There is no such file.", http=404)
    return Reply(found[0], content_type=f"{found[1]}; charset=utf-8", headers=_HEADERS)


async def show_media(world: World, request: Request) -> Reply:
    """Answer a picture somebody uploaded, and no other kind of file: it is shown in the page."""
    media = world.media.get(request.given["key"])
    if media is None or media.mime_type not in PICTURES:
        raise GraphError(100, "There is no such picture.", http=404)
    headers = _HEADERS | {"Content-Security-Policy": "default-src 'none'; sandbox"}
    return Reply(media.content, content_type=media.mime_type, headers=headers)


def counts(world: World) -> dict[str, int]:
    """Return the figures above the phones."""
    statuses, ledger = world.ledger.statuses, world.ledger
    return {
        "received": ledger.received,
        "delivered": statuses["delivered"],
        "read": statuses["read"],
        "answered": ledger.inbound,
        "failed": statuses["failed"],
        "refused": sum(ledger.refused.values()),
    }


def reasons(world: World) -> dict[str, str]:
    """Return why messages failed or were refused: Meta's codes and how often, the most frequent first."""
    failed, refused = world.ledger.failed, world.ledger.refused
    return {name: ", ".join(f"{code} × {times}" for code, times in each.most_common(REASONS_SHOWN))
            for name, each in (("failed", failed), ("refused", refused))}  # fmt: skip


async def phones(world: World, request: Request) -> Reply:
    """Answer the phones that last rang, or those `q` finds by number or name, with what each shows."""
    limit = request.query.get("limit", "")
    wanted = request.query.get("q", "").strip().lower().lstrip("+")
    most = min(int(limit), PHONES_MAX) if limit.isdigit() else PHONES_SHOWN
    threads: dict[str, list[Entry]] = {}
    for looked_at, entry in enumerate(world.ledger.newest()):
        if looked_at >= LOOKED_AT_MAX:
            break
        if entry.person not in threads and (len(threads) >= most or not _fits(world, entry.person, wanted)):
            continue
        thread = threads.setdefault(entry.person, [])
        if len(thread) < MESSAGES_SHOWN:
            thread.append(entry)
    numbers = [{"id": each.id, "display": each.display, "name": each.name} for each in world.numbers.values()]
    shown = [told_phone(world, phone, thread) for phone, thread in threads.items()]
    about = {"now": world.clock.now(), "waba": world.settings.waba_id, "address": world.address}
    return Reply({"count": counts(world), "why": reasons(world), "numbers": numbers, "phones": shown} | about)


def _fits(world: World, phone: str, wanted: str) -> bool:
    return not wanted or wanted in phone or wanted in world.people.look(phone).name.lower()


def told_phone(world: World, phone: str, thread: list[Entry]) -> dict[str, Any]:
    """Return one phone: whose, and what it shows, the oldest first."""
    person, now = world.people.look(phone), world.clock.now()
    return {
        "phone": phone,
        "name": person.name,
        "user_id": person.user_id,
        "withheld": person.withheld,
        "blocked": sorted(person.blocked),
        "on_whatsapp": person.on_whatsapp,
        "stopped": person.stopped_marketing,
        "away": max(0.0, person.away_until - now),
        "windows": {key: max(0.0, at + WINDOW_SECONDS - now) for key, at in person.wrote_at.items()},
        "typing": max((receipts.typing_for(world, phone, each) for each in world.numbers), default=0.0),
        "messages": [bubble_of(world, entry) for entry in reversed(thread)],
    }


async def follow(world: World, request: Request) -> web.StreamResponse:
    """Keep a page told of what happens on the phones, until it goes or the world begins anew."""
    response = web.StreamResponse(headers=_HEADERS | {"Content-Type": "text/event-stream"})
    await response.prepare(request.raw)
    watcher: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    world.watchers.add(watcher)
    try:
        await response.write(b"retry: 500\n\n" + _counted(world))
        while True:
            try:
                events = [await asyncio.wait_for(watcher.get(), BEAT_SECONDS)]
            except TimeoutError:
                await response.write(b": still here\n\n")
                continue
            await asyncio.sleep(TOLD_EVERY_SECONDS)
            while not watcher.empty():
                events.append(watcher.get_nowait())
            await response.write(_told(world, events))
            if any(event["kind"] == "reset" for event in events):
                return response
    except ConnectionError:
        return response
    finally:
        world.watchers.discard(watcher)


def _told(world: World, events: list[dict[str, Any]]) -> bytes:
    """Return some events as one text; too many become the one event that everything is to be fetched anew."""
    count = _counted(world)
    if len(events) > TOLD_AT_ONCE:
        return count + _event({"kind": "reload"})
    told = []
    for event in events:
        if event["kind"] == "message":
            entry = world.ledger.get(event["message"]["id"])
            if entry is None:
                continue
            said = told_phone(world, entry.person, [entry])
            told.append(_event({"kind": "message", "phone": said, "message": said["messages"][0]}))
        else:
            told.append(_event(event))
    return b"".join(told) + count


def _counted(world: World) -> bytes:
    return _event({"kind": "count", "count": counts(world), "why": reasons(world)})


def _event(event: dict[str, Any]) -> bytes:
    return b"data: " + orjson.dumps(event) + b"\n\n"


def _door(pattern: str, answer: Any) -> Route:
    return Route("GET", pattern, answer, counted=False, open=True)


ROUTES: tuple[Route, ...] = (
    _door("/", show),
    _door("/phones", show),
    _door("/_simulator", show),
    _door("/_simulator/phones", show),
    _door("/_simulator/snapshot.html", show_still),
    _door("/_simulator/threads", phones),
    _door("/_simulator/events", follow),
    _door("/_simulator/media/{key}", show_media),
    _door("/_simulator/assets/{name}", show_asset),
)
