"""What connected products report back: facts of done, signed."""

from dataclasses import asdict
from http import HTTPStatus
from typing import Any

from tocsin.api.exchange import Answer, Problem, Request
from tocsin.api.routes import Route
from tocsin.containment import commands
from tocsin.containment.errors import CallbackNotUnderstood, CallbackNotVerified, NoSuchSystem
from tocsin.journal.values import MACHINE

REPORT_BYTES_MAX = 4 * 1024 * 1024
# Who does not even claim to have signed (Standard Webhooks) sends no body into our memory.
_SIGNED = ("webhook-id", "webhook-timestamp", "webhook-signature")
_COUNTS = ("new", "repeated", "in_no_plan", "before_since")


async def done(request: Request) -> Answer:
    """Record what a product reports, once its signature over the raw body was verified; answer with counts."""
    if not all(request.headers.get(name) for name in _SIGNED):
        raise _unsigned()
    body = await request.body(bytes_max=REPORT_BYTES_MAX)
    try:
        counts = await request.in_thread(
            _record, request.wired, name=request.path_values["name"], headers=request.headers, body=body
        )
    except (CallbackNotVerified, NoSuchSystem) as error:
        # The same for a system there is not: who may not ask learns nothing.
        raise _unsigned() from error
    except CallbackNotUnderstood as error:
        raise Problem(HTTPStatus.BAD_REQUEST, str(error)) from error
    return Answer.of_json(counts)


def _unsigned() -> Problem:
    return Problem(HTTPStatus.UNAUTHORIZED, "The signature of this system is needed.")


def _record(wired: Any, *, name: str, headers: dict[str, str], body: bytes) -> dict[str, int]:
    wired.verified_callback(name, headers=headers, body=body)
    told = asdict(commands.record_facts(commands.facts_of(body, source=name), by=MACHINE))
    return {each: told[each] for each in _COUNTS}


ROUTES = (Route("POST", "/connectors/v1/{name}/done", done),)
