"""One line of the table of routes: a method, a path with ``{named}`` parts, and the function that answers."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from tocsin.api.exchange import Answer, Request

Answering = Callable[[Request], Awaitable[Answer]]


@dataclass(frozen=True, slots=True)
class Route:
    """``GET /gate/v1/snapshot``. ``answers`` raises exchange.Problem for whatever it will not do."""

    method: str
    path: str
    answers: Answering

    def values_of(self, path: str) -> dict[str, str] | None:
        """Return the named parts of a path that matches, or None. A part never spans a slash and is never empty."""
        wanted, given = self.path.split("/"), path.split("/")
        if len(wanted) != len(given):
            return None
        values: dict[str, str] = {}
        for want, got in zip(wanted, given, strict=True):
            if want.startswith("{") and got:
                values[want.strip("{}")] = got
            elif want != got:
                return None
        return values
