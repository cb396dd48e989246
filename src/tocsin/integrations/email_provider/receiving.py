"""What mail providers tell us over HTTP, verified and put into one form by django-anymail.

Which provider it is stands in the address it was told: ``/webhooks/v1/{app}?provider=postmark``.
"""

import io
from collections.abc import Mapping, Sequence
from datetime import datetime
from importlib import import_module
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

from tocsin.customers.values import AddressKind
from tocsin.integrations.email.replies import shown
from tocsin.integrations.email_provider.channel import OUR_ID
from tocsin.integrations.email_provider.providers import PROVIDERS, Provider
from tocsin.kernel import clock
from tocsin.kernel.loading import lazily
from tocsin.messaging.values import Aside, Objection, Purpose, Reason, StatusKind, StatusUpdate, Update, Verdict

exceptions = lazily("anymail.exceptions")
wsgi = lazily("django.core.handlers.wsgi")

# That a mail was opened is not among them: mail programs fetch its pictures by themselves.
_STATUSES = {
    "sent": StatusKind.SENT,
    "delivered": StatusKind.DELIVERED,
    "clicked": StatusKind.READ,
    "bounced": StatusKind.BOUNCED,
    "rejected": StatusKind.FAILED,
    "failed": StatusKind.FAILED,
    "complained": StatusKind.COMPLAINED,
}
_UNDER_WAY = frozenset({"queued", "deferred", "opened", "autoresponded"})
_WHY: Mapping[str, tuple[Verdict, Reason]] = {
    "invalid": (Verdict.DEAD, Reason.NOT_REACHABLE),
    "bounced": (Verdict.DEAD, Reason.NOT_REACHABLE),
    "timed_out": (Verdict.OUR_MISTAKE, Reason.TRY_LATER),
    "blocked": (Verdict.OUR_MISTAKE, Reason.REFUSED_BY_POLICY),
    "spam": (Verdict.STOPPED, Reason.REFUSED_BY_PERSON),
    "unsubscribed": (Verdict.STOPPED, Reason.REFUSED_BY_PERSON),
}
_OTHERWISE = (Verdict.OUR_MISTAKE, Reason.REFUSED)
_UNREADABLE = (ValueError, TypeError, LookupError, AttributeError)


class Tracking:
    """Tracking webhooks of every provider there is."""

    def verified(self, headers: Mapping[str, str], body: bytes, *, secrets: Sequence[str], address: str) -> bool:
        """Say whether the provider signed it, or gave the name and password it was told, with one of the secrets."""
        provider = _provider(address)
        if provider is None:
            return False
        matches = [_is_verified(provider, headers, body, secret=secret) for secret in secrets if secret]
        return any(matches)

    def updates(self, body: bytes, *, headers: Mapping[str, str]) -> Sequence[Update]:
        """Read one verified body."""
        provider = _provider(headers.get(":path", ""))
        if provider is None:
            return (Aside("mail_provider_unknown", {}),)
        try:
            view = _view(provider, secret="unused:unused")  # noqa: S106 - it was verified before
            events = view.parse_events(_request(headers, body))
        except (*_UNREADABLE, exceptions.AnymailError):
            return (Aside("mail_provider_not_understood", {"provider": provider.module}),)
        return tuple(update for event in events for update in _updates(event))


def _updates(event: Any) -> Sequence[Update]:
    word, at = str(event.event_type), _moment(event.timestamp)
    if word in _UNDER_WAY:
        return ()
    if word == "unsubscribed" and event.recipient:
        return (Objection({AddressKind.EMAIL: event.recipient}, purpose=Purpose.MARKETING, stopped=True, at=at),)
    kind = _STATUSES.get(word)
    if kind is None:
        return (Aside("mail_event_unknown", {"type": word[:40]}),)
    verdict: Verdict | None = None
    reason: Reason | None = None
    if kind is StatusKind.COMPLAINED:
        verdict, reason = Verdict.STOPPED, Reason.REFUSED_BY_PERSON
    elif kind in {StatusKind.BOUNCED, StatusKind.FAILED}:
        verdict, reason = _WHY.get(str(event.reject_reason), _OTHERWISE)
    said = " ".join(str(event.mta_response or event.description or "").split())
    return (
        StatusUpdate(
            str(event.message_id or ""), kind, at, message_id=_our_id(event.metadata), verdict=verdict, reason=reason,
            detail=shown(said, without=str(event.recipient or "")) if verdict else "",
        ),
    )  # fmt: skip


def _is_verified(provider: Provider, headers: Mapping[str, str], body: bytes, *, secret: str) -> bool:
    try:
        view = _view(provider, secret=secret)
        view.run_validators(_request(headers, body))
    except (*_UNREADABLE, exceptions.AnymailWebhookValidationFailure):
        return False
    return True


def _view(provider: Provider, *, secret: str) -> Any:
    module = import_module(f"anymail.webhooks.{provider.module}")
    view = getattr(module, f"{provider.label}TrackingWebhookView")
    return view(**({provider.signing: secret} if provider.signing else {"webhook_secret": secret}))


def _request(headers: Mapping[str, str], body: bytes) -> Any:
    named = {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in headers.items() if name[0] != ":"}
    environ = {
        **named, "REQUEST_METHOD": "POST", "PATH_INFO": "/", "wsgi.input": io.BytesIO(body),
        "CONTENT_LENGTH": str(len(body)), "CONTENT_TYPE": named.get("HTTP_CONTENT_TYPE", "application/json"),
        "SERVER_NAME": "localhost", "SERVER_PORT": "443",
    }  # fmt: skip
    return wsgi.WSGIRequest(environ)


def _provider(address: str) -> Provider | None:
    return PROVIDERS.get(parse_qs(urlsplit(address).query, max_num_fields=20).get("provider", [""])[0])


def _our_id(metadata: object) -> UUID | None:
    try:
        return UUID(str(metadata[OUR_ID])) if isinstance(metadata, Mapping) else None
    except (KeyError, ValueError):
        return None


def _moment(told: object) -> datetime:
    now = clock.now()
    return min(told, now) if isinstance(told, datetime) and told.tzinfo else now


RECEIVING = Tracking()
