"""The door of a Django project. Django is imported when the middleware is made, never before.

Settings::

    MIDDLEWARE = [..., "django.contrib.auth.middleware.AuthenticationMiddleware", "tocsin_gate.django.GateMiddleware"]
    TOCSIN_GATE = {"snapshot": "/srv/gate/list", "trust": "/etc/tocsin-gate/trust.json"}

and, once, in an AppConfig's ``ready``, so that sessions know when they began::

    user_logged_in.connect(tocsin_gate.django.remember_sign_in)
"""

import importlib
import threading
import time
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from tocsin_gate.asked import Asked, HeaderReader, Unclear, is_open
from tocsin_gate.gate import Gate
from tocsin_gate.problem import REQUEST_UNCLEAR, body_of, headers_of, status_of
from tocsin_gate.values import Decision
from tocsin_gate.wsgi import headers_in

SIGNED_IN_AT = "tocsin_gate_signed_in_at"
RequestReader = Callable[[Any], Asked | None]

_gates: dict[tuple[str, str], Gate] = {}
_gates_lock = threading.Lock()


def remember_sign_in(request: Any, **_: object) -> None:
    """Receive ``user_logged_in``: note in the session when it began.

    ``last_login`` will not do: it belongs to the account, so the rightful owner's new sign-in would open the gate for
    the intruder's old session.
    """
    request.session[SIGNED_IN_AT] = int(time.time())


def from_session(request: Any) -> Asked | None:
    """Ask about the signed-in account by its primary key; a session from before the gate has no time."""
    account = request.user.pk if request.user.is_authenticated else None
    headers = dict(headers_in(request.META))
    return Asked(
        account=str(account) if account is not None else None,
        token_issued_at=request.session.get(SIGNED_IN_AT),
        platform=headers.get("x-client-platform"),
        client_version=headers.get("x-client-version"),
        client=headers.get("x-client"),
    )


def from_proxy(request: Any) -> Asked | None:
    """Ask what the headers of a trusted proxy say."""
    return HeaderReader().read(headers_in(request.META), path=request.path)


class GateMiddleware:
    """Asks the gate before the view.

    ``TOCSIN_GATE`` holds ``snapshot`` and ``trust`` (paths), and where wanted ``reader`` (dotted name of a callable
    that takes the request and returns ``Asked`` or None; default ``tocsin_gate.django.from_session``), ``open_paths``
    (log-in, password reset, static files: they must stay reachable), ``too_old_status`` (403 or 426) and
    ``watch_seconds``.
    """

    # Sessions and accounts are read from the database, so under ASGI Django runs it in a thread.
    sync_capable = True
    async_capable = False

    def __init__(self, get_response: Callable[[Any], Any]) -> None:
        settings = importlib.import_module("django.conf").settings.TOCSIN_GATE
        self._response = importlib.import_module("django.http").HttpResponse
        self._get_response = get_response
        self._gate = _gate(str(settings["snapshot"]), str(settings["trust"]))
        self._reader: RequestReader = _named(settings.get("reader", "tocsin_gate.django.from_session"))
        self._open_paths = tuple(settings.get("open_paths", ()))
        self._too_old_status = HTTPStatus(settings.get("too_old_status", HTTPStatus.FORBIDDEN))
        self._watch_seconds = float(settings.get("watch_seconds", 5))

    def __call__(self, request: Any) -> Any:
        """Answer 403 or pass on."""
        self._gate.watch(every_seconds=self._watch_seconds)
        decision = self._decision(request)
        if decision is None or decision.allow:
            return self._get_response(request)
        status = status_of(decision, too_old_status=self._too_old_status)
        body = body_of(decision, status=status)
        return self._response(body, status=int(status), headers=dict(headers_of(decision, body=body)))

    def _decision(self, request: Any) -> Decision | None:
        if is_open(request.path, self._open_paths):
            return None
        try:
            asked = self._reader(request)
        except Unclear:
            return REQUEST_UNCLEAR
        return asked.of(self._gate) if asked else None


def _gate(snapshot: str, trust: str) -> Gate:
    """Return the gate of these files: one a process, however many middlewares ask."""
    with _gates_lock:
        if (snapshot, trust) not in _gates:
            _gates[snapshot, trust] = Gate(snapshot, trust=trust)
        return _gates[snapshot, trust]


def _named(dotted: str) -> RequestReader:
    module, _, name = dotted.rpartition(".")
    reader: RequestReader = getattr(importlib.import_module(module), name)
    return reader
