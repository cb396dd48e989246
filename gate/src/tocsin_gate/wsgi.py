"""The door of a WSGI application."""

from collections.abc import Callable, Iterable, Iterator
from http import HTTPStatus
from typing import Any

from tocsin_gate.asked import Asked, HeaderReader, Unclear
from tocsin_gate.gate import Gate
from tocsin_gate.problem import REQUEST_UNCLEAR, body_of, headers_of, status_of

Environ = dict[str, Any]
Application = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]
EnvironReader = Callable[[Environ], Asked | None]


def headers_in(environ: Environ) -> Iterator[tuple[str, str]]:
    """Yield (lower-case name, value) of a WSGI environment."""
    for name, value in environ.items():
        if name.startswith("HTTP_"):
            yield name[5:].replace("_", "-").lower(), value


def from_headers(reader: HeaderReader) -> EnvironReader:
    """Return a reader of WSGI environments from a reader of headers."""
    return lambda environ: reader.read(headers_in(environ), path=environ.get("PATH_INFO", "/"))


class GateWSGI:
    """Asks the gate before the application.

    ``reader`` takes the environment and returns what to ask, or None for what is not the gate's business; without one,
    the headers of a trusted proxy are read. The list is watched for a newer one every ``watch_seconds``.
    """

    def __init__(
        self,
        application: Application,
        *,
        gate: Gate,
        reader: EnvironReader | None = None,
        too_old_status: HTTPStatus = HTTPStatus.FORBIDDEN,
        watch_seconds: float = 5.0,
    ) -> None:
        self._application = application
        self._gate = gate
        self._reader = reader or from_headers(HeaderReader())
        self._too_old_status = too_old_status
        self._watch_seconds = watch_seconds

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer 403 or pass on."""
        self._gate.watch(every_seconds=self._watch_seconds)
        try:
            asked = self._reader(environ)
            decision = asked.of(self._gate) if asked else None
        except Unclear:
            decision = REQUEST_UNCLEAR
        if decision is None or decision.allow:
            return self._application(environ, start_response)
        status = status_of(decision, too_old_status=self._too_old_status)
        body = body_of(decision, status=status)
        start_response(f"{status.value} {status.phrase}", headers_of(decision, body=body))
        return [] if environ.get("REQUEST_METHOD") == "HEAD" else [body]
