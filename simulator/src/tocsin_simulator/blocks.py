"""People the business blocked: `/{phone}/block_users`."""

from typing import Any

from tocsin_simulator.errors import GraphError, missing
from tocsin_simulator.fields import paged
from tocsin_simulator.people import phone_of_wa_id, wa_id_of
from tocsin_simulator.routing import Reply, Request, Route
from tocsin_simulator.values import WINDOW_SECONDS
from tocsin_simulator.world import World

BLOCKED_MAX = 64_000
AT_ONCE = 1000


def _persons(world: World, request: Request) -> list[tuple[dict[str, str], str | None]]:
    """Return for each person asked about: how an answer names them, and their digits (None: nobody)."""
    given = request.json()
    if given.get("messaging_product") != "whatsapp":
        raise missing("messaging_product")
    asked = given.get("block_users")
    if not isinstance(asked, list) or not 1 <= len(asked) <= AT_ONCE:
        raise GraphError(100, f"Param block_users must be an array of 1 to {AT_ONCE} objects.")
    found: list[tuple[dict[str, str], str | None]] = []
    for each in asked:
        entry = each if isinstance(each, dict) else {}
        if user_id := entry.get("user_id"):
            phone = world.people.phone_of(str(user_id))
            found.append(({"input": str(user_id), "user_id": str(user_id)}, phone))
        elif user := entry.get("user"):
            digits = phone_of_wa_id("".join(letter for letter in str(user) if letter.isdigit()))
            named = {"input": str(user)} | ({"wa_id": wa_id_of(digits)} if digits else {})
            found.append((named, digits or None))
        else:
            raise missing("user")
    return found


def _error(code: int, told: str) -> dict[str, Any]:
    return {"message": f"(#{code}) {told}", "code": code, "error_data": {"details": told}}


async def block(world: World, request: Request) -> Reply:
    """Block people who wrote in the last 24 hours; who cannot be blocked is named, and the answer is then a 400."""
    phone_id = request.given["phone"]
    blocked = world.blocked.setdefault(phone_id, set())
    added: list[dict[str, Any]] = []
    failed: list[dict[str, Any]] = []
    for named, phone in _persons(world, request):
        wrote_at = world.people.look(phone).wrote_at.get(phone_id) if phone else None
        if wrote_at is None or wrote_at < world.clock.now() - WINDOW_SECONDS:
            failed.append(named | {"errors": [_error(131047, "The user has not messaged in the last 24 hours.")]})
        elif len(blocked) >= BLOCKED_MAX:
            failed.append(named | {"errors": [_error(139101, f"The block list is full: {BLOCKED_MAX} users.")]})
        else:
            blocked.add(phone or "")
            added.append(named)
    return _answered(added, failed, done="added_users")


async def unblock(world: World, request: Request) -> Reply:
    """Let people write again."""
    blocked = world.blocked.setdefault(request.given["phone"], set())
    removed: list[dict[str, Any]] = []
    failed: list[dict[str, Any]] = []
    for named, phone in _persons(world, request):
        if phone in blocked:
            blocked.discard(phone)
            removed.append(named)
        else:
            failed.append(named | {"errors": [_error(139100, "The user is not blocked.")]})
    return _answered(removed, failed, done="removed_users")


def _answered(done_for: list[dict[str, Any]], failed: list[dict[str, Any]], *, done: str) -> Reply:
    body: dict[str, Any] = {"messaging_product": "whatsapp", "block_users": {done: done_for}}
    if not failed:
        return Reply(body)
    body["block_users"]["failed_users"] = failed
    refusal = GraphError(139100, "Failed to block some users, see the block_users response list for details")
    return Reply(body | refusal.body(done), status=400)


async def list_blocked(world: World, request: Request) -> Reply:
    """Answer one page of who is blocked."""
    persons = sorted(world.blocked.get(request.given["phone"], ()))
    rows = [
        {
            "messaging_product": "whatsapp",
            "input": each,
            "wa_id": wa_id_of(each),
            "user_id": world.people.user_id_of(each),
        }
        for each in persons
    ]
    return Reply(paged(rows, keys=persons, request=request, address=world.address))


ROUTES: tuple[Route, ...] = (
    Route("GET", "/{version}/{phone}/block_users", list_blocked),
    Route("POST", "/{version}/{phone}/block_users", block),
    Route("DELETE", "/{version}/{phone}/block_users", unblock),
)
