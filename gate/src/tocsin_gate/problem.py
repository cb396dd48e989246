"""The refusal as HTTP says it: RFC 9457 problem details, and headers for proxies that drop the body."""

import json
from http import HTTPStatus

from tocsin_gate.values import Code, Decision

CONTENT_TYPE = "application/problem+json"
REQUEST_UNCLEAR = Decision(allow=False, measures=(), code="request_unclear", text_key="gate.request_unclear")
TITLES = {
    Code.SUSPENDED: "This account is suspended.",
    Code.PASSWORD_RESET_REQUIRED: "Choose a new password to go on.",
    Code.REAUTHENTICATION_REQUIRED: "Sign in again to go on.",
    Code.KEY_ROTATION_REQUIRED: "This key has been replaced; use the new one.",
    Code.CLIENT_RETIRED: "This app has been replaced; install the new one.",
    Code.CLIENT_TOO_OLD: "Update this app to go on.",
    Code.LIST_TOO_OLD: "This cannot be done right now; try again later.",
    "request_unclear": "The request names an account in two ways.",
}
_CLIENT_CODES = {Code.CLIENT_RETIRED, Code.CLIENT_TOO_OLD}


def status_of(decision: Decision, *, too_old_status: HTTPStatus = HTTPStatus.FORBIDDEN) -> HTTPStatus:
    """Return 403, or for a client that is too old what was chosen instead (426: read the how-to first)."""
    return too_old_status if decision.code in _CLIENT_CODES else HTTPStatus.FORBIDDEN


def body_of(decision: Decision, *, status: HTTPStatus) -> bytes:
    """Return what the client needs to show the right thing, as one line of ASCII JSON."""
    told = {
        "type": f"urn:tocsin:gate:{decision.code}",
        "title": TITLES.get(decision.code, "This cannot be done."),
        "status": int(status),
        "code": str(decision.code),
        "text_key": decision.text_key,
        "measures": list(decision.measures),
        "version_min": decision.version_min,
        "reference": decision.reference,
    }
    return json.dumps({name: value for name, value in told.items() if value is not None}).encode("ascii")


def headers_of(decision: Decision, *, body: bytes) -> list[tuple[str, str]]:
    """Return the headers of a refusal. ``X-Tocsin-Problem`` is the body, for proxies that drop it (nginx)."""
    deed = decision.measures[0] if decision.measures else decision.code
    headers = [
        ("Content-Type", CONTENT_TYPE),
        ("Content-Length", str(len(body))),
        ("Cache-Control", "no-store"),
        ("X-Tocsin-Code", str(decision.code)),
        ("X-Tocsin-Action", deed.replace("_", "-")),
    ]
    if decision.version_min:
        headers.append(("X-Tocsin-Version-Min", decision.version_min))
    return [*headers, ("X-Tocsin-Problem", body.decode("ascii"))]
