"""From a path of Meta's to the function that answers it."""

import re
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import orjson
from aiohttp import web

from tocsin_simulator.errors import GraphError
from tocsin_simulator.world import World

PROFILE_OFFSET = 5_000_000_000_000_000  # from a number's id to the id of its profile
VERSION = re.compile(r"v[0-9]{1,2}\.[0-9]")


@dataclass
class Request:
    """A request, read whole."""

    method: str
    path: str
    raw: web.BaseRequest
    body: bytes
    given: dict[str, str]  # the path's placeholders: version, phone, waba ...

    @cached_property
    def query(self) -> dict[str, str]:
        """Return the query's fields; the last of a repeated one."""
        return dict(self.raw.query)

    @cached_property
    def token(self) -> str:
        """Return the access token, of the header or the query; empty when there is none."""
        word, _, token = self.raw.headers.get("Authorization", "").partition(" ")
        return token.strip() if word.lower() in {"bearer", "oauth"} else self.query.get("access_token", "")

    def json(self) -> dict[str, Any]:
        """Return the body, a JSON object.

        Raises:
            GraphError: it is none.

        """
        try:
            body = orjson.loads(self.body or b"{}")
        except orjson.JSONDecodeError as error:
            raise GraphError(100, f"The body is not JSON: {error}.") from error
        if not isinstance(body, dict):
            raise GraphError(100, "The body is not a JSON object.")
        return body


@dataclass
class Reply:
    """An answer. `body` is bytes as they are, or anything orjson takes."""

    body: Any = field(default_factory=lambda: {"success": True})
    status: int = 200
    content_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)

    def sent(self) -> bytes:
        """Return the bytes of the body."""
        return self.body if isinstance(self.body, bytes) else orjson.dumps(self.body)


class Dropped(Exception):
    """The line is cut without an answer, or in the middle of `reply`."""

    def __init__(self, reply: Reply | None = None) -> None:
        super().__init__()
        self.reply = reply


Answer = Callable[[World, Request], Awaitable[Reply | web.StreamResponse]]


@dataclass(frozen=True)
class Route:
    """One path of the API.

    `pattern` has placeholders: `{version}` any vNN.N; `{phone}`, `{waba}`, `{template}`, `{media}`, `{app}`,
    `{business}` only ids that exist; any other name takes any segment. The first route that fits wins.
    `counted`: a management call, of which 5,000 an hour are allowed. `open`: needs no access token.
    """

    method: str
    pattern: str
    answer: Answer
    counted: bool = True
    open: bool = False


KINDS: dict[str, Callable[[World, str], bool]] = {
    "version": lambda _, text: VERSION.fullmatch(text) is not None,
    "phone": lambda world, text: text in world.numbers,
    "waba": lambda world, text: text == world.settings.waba_id,
    "template": lambda world, text: text in world.templates,
    "media": lambda world, text: text in world.media,
    "upload": lambda world, text: text in world.records.uploads,
    "history": lambda world, text: (
        len(text) == 16 and text.isdecimal() and world.ledger.by_ordinal(int(text[1:])) is not None
    ),
    "profile": lambda world, text: text.isdecimal() and str(int(text) - PROFILE_OFFSET) in world.numbers,
    "app": lambda world, text: text == world.settings.app_id,
    "business": lambda world, text: text == world.portfolio.id,
}


class Router:
    """Finds the route of a request."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._by_shape: dict[tuple[str, int], list[tuple[Route, list[str]]]] = {}
        for route in routes:
            parts = route.pattern.strip("/").split("/")
            self._by_shape.setdefault((route.method, len(parts)), []).append((route, parts))

    def find(self, world: World, method: str, path: str) -> tuple[Route, dict[str, str]] | None:
        """Return the route and its placeholders, or None."""
        asked = path.strip("/").split("/")
        for route, parts in self._by_shape.get((method, len(asked)), ()):
            given = matched(world, parts, asked)
            if given is not None:
                return route, given
        return None


def matched(world: World, parts: list[str], asked: list[str]) -> dict[str, str] | None:
    """Return the placeholders of a path that fits, or None."""
    given: dict[str, str] = {}
    # From the end: the last segment tells most paths apart.
    for part, text in zip(reversed(parts), reversed(asked), strict=True):
        if part[:1] != "{":
            if part != text:
                return None
            continue
        name = part[1:-1]
        fits = KINDS.get(name)
        if fits is not None and not fits(world, text):
            return None
        given[name] = text
    return given
