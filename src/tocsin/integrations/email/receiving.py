"""What is handed to us over HTTP: bounces and complaints by the operator's mail server, and people's wish for no more."""

import hmac
from collections.abc import Mapping, Sequence
from datetime import datetime

from tocsin.integrations.email import reports, unsubscribing
from tocsin.integrations.http_calls.moments import from_iso
from tocsin.kernel import clock
from tocsin.messaging.values import Update

_SCHEME = "bearer "
_ADDRESS, _RECEIVED = ":path", ":received"


class Mails:
    """Raw mails (``message/rfc822``) with the secret as ``Authorization: Bearer``, and clicks on our own addresses."""

    def verified(self, headers: Mapping[str, str], body: bytes, *, secrets: Sequence[str], address: str) -> bool:
        """Say whether one of the secrets came with it, or made the address; each is compared in constant time."""
        if unsubscribing.is_clicked(body):
            return unsubscribing.message_of(address, keys=secrets) is not None
        given = next((value for name, value in headers.items() if name.lower() == "authorization"), "")
        if not given.lower().startswith(_SCHEME):
            return False
        token = given[len(_SCHEME) :].strip().encode()
        matches = [hmac.compare_digest(token, secret.encode()) for secret in secrets if secret]
        return any(matches)

    def updates(self, body: bytes, *, headers: Mapping[str, str]) -> Sequence[Update]:
        """Read one mail, or a click."""
        if unsubscribing.is_clicked(body) and (ours := unsubscribing.named_in(headers.get(_ADDRESS, ""))):
            return (unsubscribing.stopped(ours, at=_moment(headers.get(_RECEIVED))),)
        return reports.updates(body)

    def page(self, address: str, *, secrets: Sequence[str], languages: str, done: bool) -> bytes | None:
        """Return the page for a person who follows such an address; None when it is none of ours."""
        if unsubscribing.message_of(address, keys=secrets) is None:
            return None
        return unsubscribing.page(languages, done=done)


def _moment(told: object) -> datetime:
    found = from_iso(told)
    return clock.now() if found is None else found


RECEIVING = Mails()
