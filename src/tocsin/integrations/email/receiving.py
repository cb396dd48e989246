"""Mails that are handed to us over HTTP by the operator's mail server: bounces and complaints."""

import hmac
from collections.abc import Mapping, Sequence

from tocsin.integrations.email import reports
from tocsin.messaging.values import Update

_SCHEME = "bearer "


class Mails:
    """Raw mails (``message/rfc822``), with the secret as ``Authorization: Bearer``."""

    def verified(self, headers: Mapping[str, str], body: bytes, *, secrets: Sequence[str], address: str) -> bool:
        """Say whether one of the secrets came with it; each is compared in constant time."""
        given = next((value for name, value in headers.items() if name.lower() == "authorization"), "")
        if not given.lower().startswith(_SCHEME):
            return False
        token = given[len(_SCHEME) :].strip().encode()
        matches = [hmac.compare_digest(token, secret.encode()) for secret in secrets if secret]
        return any(matches)

    def updates(self, body: bytes, *, headers: Mapping[str, str]) -> Sequence[Update]:
        """Read one mail."""
        return reports.updates(body)


RECEIVING = Mails()
