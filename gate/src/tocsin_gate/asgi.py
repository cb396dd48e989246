"""The door of an ASGI application."""

from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from http import HTTPStatus
from typing import Any

from tocsin_gate.asked import Asked, HeaderReader, Unclear
from tocsin_gate.gate import Gate
from tocsin_gate.problem import REQUEST_UNCLEAR, body_of, headers_of, status_of
from tocsin_gate.values import Decision

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]
ScopeReader = Callable[[Scope], Asked | None]


def headers_in(scope: Scope) -> Iterator[tuple[str, str]]:
    """Yield (lower-case name, value) of an ASGI scope."""
    for name, value in scope["headers"]:
        yield name.decode("latin-1").lower(), value.decode("latin-1")


def from_headers(reader: HeaderReader) -> ScopeReader:
    """Return a reader of ASGI scopes from a reader of headers."""
    return lambda scope: reader.read(headers_in(scope), path=scope.get("path", "/"))


class GateASGI:
    """Asks the gate before the application, for HTTP and for WebSockets before they are accepted.

    ``reader`` takes the scope and returns what to ask, or None for what is not the gate's business; without one, the
    headers of a trusted proxy are read. A check takes microseconds and waits for nothing, so it is made in the loop.
    """

    def __init__(
        self,
        application: Application,
        *,
        gate: Gate,
        reader: ScopeReader | None = None,
        too_old_status: HTTPStatus = HTTPStatus.FORBIDDEN,
        watch_seconds: float = 5.0,
    ) -> None:
        self._application = application
        self._gate = gate
        self._reader = reader or from_headers(HeaderReader())
        self._too_old_status = too_old_status
        self._watch_seconds = watch_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 403 or pass on."""
        decision = self._decision(scope) if scope["type"] in ("http", "websocket") else None
        if decision is None or decision.allow:
            await self._application(scope, receive, send)
        elif scope["type"] == "websocket":
            # Closed before it was accepted, which servers turn into a 403.
            await receive()
            await send({"type": "websocket.close", "code": 1008, "reason": str(decision.code)})
        else:
            status = status_of(decision, too_old_status=self._too_old_status)
            body = body_of(decision, status=status)
            headers = [
                (name.lower().encode(), value.encode("latin-1")) for name, value in headers_of(decision, body=body)
            ]
            await send({"type": "http.response.start", "status": int(status), "headers": headers})
            await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})

    def _decision(self, scope: Scope) -> Decision | None:
        self._gate.watch(every_seconds=self._watch_seconds)
        try:
            asked = self._reader(scope)
        except Unclear:
            return REQUEST_UNCLEAR
        return asked.of(self._gate) if asked else None
