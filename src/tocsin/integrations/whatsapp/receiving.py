"""Webhooks of the WhatsApp Cloud API: signed with the app's secret over the raw bytes of the body."""

import hashlib
import hmac
from collections.abc import Mapping, Sequence

from tocsin.integrations.whatsapp import webhooks
from tocsin.messaging.values import Update

SIGNATURE = "x-hub-signature-256"
_PREFIX = "sha256="


class WhatsAppReceiving:
    """Verifies and reads what Meta sends."""

    def verified(self, headers: Mapping[str, str], body: bytes, *, secrets: Sequence[str], address: str) -> bool:
        """Say whether one of the secrets signed these bytes (``X-Hub-Signature-256``); all are tried, each in full."""
        given = headers.get(SIGNATURE, "")
        is_signed = False
        for secret in secrets:
            made = _PREFIX + hmac.digest(secret.encode(), body, hashlib.sha256).hex()
            is_signed |= hmac.compare_digest(made.encode(), given.encode("latin-1", "replace"))
        return is_signed

    def updates(self, body: bytes, *, headers: Mapping[str, str]) -> Sequence[Update]:
        """Read a verified body; never raises."""
        return webhooks.read(body)


RECEIVING = WhatsAppReceiving()
