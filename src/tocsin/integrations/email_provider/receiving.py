"""What mail providers tell us over HTTP, verified and put into one form by django-anymail.

Which provider it is stands in the address it was told: ``/webhooks/v1/{app}?provider=postmark``.
"""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib import import_module
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

from tocsin.containment.errors import CallbackNotUnderstood
from tocsin.customers.values import AddressKind
from tocsin.integrations.email import plain_bounces
from tocsin.integrations.email.replies import bounced, shown
from tocsin.integrations.email_provider.channel import OUR_ID
from tocsin.integrations.email_provider.providers import PROVIDERS, Provider, Signed
from tocsin.integrations.webhook import inbound
from tocsin.kernel import clock
from tocsin.kernel.loading import lazily
from tocsin.messaging.values import Aside, Objection, Purpose, Reason, StatusKind, StatusUpdate, Update, Verdict

exceptions = lazily("anymail.exceptions")
django_exceptions = lazily("django.core.exceptions")
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
_SOFT = (Verdict.OUR_MISTAKE, Reason.TRY_LATER)  # the address may be good: this mail did not reach it
_OTHERWISE = (Verdict.OUR_MISTAKE, Reason.REFUSED)
_UNREADABLE = (ValueError, TypeError, LookupError, AttributeError)


class Tracking:
    """Tracking webhooks of every provider there is."""

    def verified(self, headers: Mapping[str, str], body: bytes, *, secrets: Sequence[str], address: str) -> bool:
        """Say whether the provider signed it, or gave the name and password it was told, with one of the secrets."""
        provider = _provider(address)
        if provider is None or provider.signed is Signed.NO_WEBHOOKS:
            return False
        asked = _Asked(provider, headers, body, address)
        matches = [asked.is_verified(secret) for secret in secrets if secret]
        return any(matches)

    def updates(self, body: bytes, *, headers: Mapping[str, str]) -> Sequence[Update]:
        """Read one verified body."""
        provider = _provider(headers.get(":path", ""))
        if provider is None or provider.signed is Signed.NO_WEBHOOKS:
            return (Aside("mail_provider_unknown", {}),)
        asked = _Asked(provider, headers, body, "")
        try:
            events = asked.view(secret="unused:unused").parse_events(asked.request())  # noqa: S106 - verified before
        except (*_UNREADABLE, exceptions.AnymailError, django_exceptions.SuspiciousOperation):
            return (Aside("mail_provider_not_understood", {"provider": provider.module}),)
        return tuple(update for event in events for update in _updates(event))

    def page(self, address: str, *, secrets: Sequence[str], languages: str, done: bool) -> bytes | None:
        """Return an empty page: some providers look whether there is somebody before they take an address."""
        return None if _provider(address) is None else b""


def _updates(event: Any) -> Sequence[Update]:
    word, at = str(event.event_type), _moment(event.timestamp)
    if word in _UNDER_WAY:
        return ()
    if word == "unsubscribed" and event.recipient:
        return (Objection({AddressKind.EMAIL: event.recipient}, purpose=Purpose.MARKETING, stopped=True, at=at),)
    kind = _STATUSES.get(word)
    if kind is None:
        return (Aside("mail_event_unknown", {"type": word[:40]}),)
    said = " ".join(str(event.mta_response or event.description or "").split())
    verdict, reason = _why(event, kind=kind, said=said)
    return (
        StatusUpdate(
            str(event.message_id or ""), kind, at, message_id=_our_id(event.metadata), verdict=verdict, reason=reason,
            detail=shown(said, without=str(event.recipient or "")) if verdict else "",
        ),
    )  # fmt: skip


def _why(event: Any, *, kind: StatusKind, said: str) -> tuple[Verdict | None, Reason | None]:
    """Return what a failure means: the provider's word for it, else what the mail server said."""
    if kind is StatusKind.COMPLAINED:
        return Verdict.STOPPED, Reason.REFUSED_BY_PERSON
    if kind not in {StatusKind.BOUNCED, StatusKind.FAILED}:
        return None, None
    if _is_soft(event.esp_event):
        return _SOFT
    if str(event.reject_reason) in _WHY:
        return _WHY[str(event.reject_reason)]
    enhanced, code, words = plain_bounces.reason(said)
    return bounced(enhanced, code=code, text=words) if words else _OTHERWISE


def _is_soft(told: object) -> bool:
    """Say whether a provider calls a bounce soft: each has its own word for it, and the library has none."""
    if not isinstance(told, Mapping):
        return False
    words = " ".join(str(told.get(name, "")) for name in ("event", "Type", "type")).lower()
    return "soft" in words or told.get("hard_bounce") in (False, 0)


@dataclass(frozen=True, slots=True)
class _Asked:
    """One webhook of a provider as it came in; ``address`` is what it asked for."""

    provider: Provider
    headers: Mapping[str, str]
    body: bytes
    address: str

    def is_verified(self, secret: str) -> bool:
        """Say whether it was signed with a secret, or came with the name and password that it is."""
        if self.provider.signed is Signed.STANDARD and ":" not in secret:
            return self._is_standard(secret)
        try:
            self.view(secret=secret).run_validators(self.request())
        except (
            *_UNREADABLE,
            exceptions.AnymailWebhookValidationFailure,
            exceptions.AnymailConfigurationError,
            django_exceptions.SuspiciousOperation,
        ):
            return False
        return True

    def view(self, *, secret: str) -> Any:
        """Return the library's reader of such webhooks."""
        module = import_module(f"anymail.webhooks.{self.provider.module}")
        made = getattr(module, f"{self.provider.label}{self.provider.view}")
        signs = self.provider.signed is Signed.ALWAYS or (self.provider.signed is Signed.MAYBE and ":" not in secret)
        given = {self.provider.signing if signs else "webhook_secret": secret}
        if self.provider.module == "mandrill" and self.address:
            given["webhook_url"] = self.address  # it signs the address it was told
        return made(**given)

    def request(self) -> Any:
        """Return it as Django has it."""
        named = {
            f"HTTP_{name.upper().replace('-', '_')}": value for name, value in self.headers.items() if name[0] != ":"
        }
        environ = {
            **named, "REQUEST_METHOD": "POST", "PATH_INFO": "/", "wsgi.input": io.BytesIO(self.body),
            "CONTENT_LENGTH": str(len(self.body)), "CONTENT_TYPE": named.get("HTTP_CONTENT_TYPE", "application/json"),
            "SERVER_NAME": "localhost", "SERVER_PORT": "443",
        }  # fmt: skip
        return wsgi.WSGIRequest(environ)

    def _is_standard(self, secret: str) -> bool:
        told = {
            f"webhook-{name.lower().removeprefix('svix-')}": value
            for name, value in self.headers.items() if name.lower().startswith("svix-")
        }  # fmt: skip
        try:
            inbound.verified(told, self.body, secrets={"secret": secret}, now=clock.now())
        except CallbackNotUnderstood:
            return True  # theirs, and no JSON object: kept aside
        except (inbound.NotVerified, ValueError):
            return False
        return True


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
