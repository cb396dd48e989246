"""Signatures of Standard Webhooks 1.0.0: HMAC-SHA256 over ``id.timestamp.body``, several during a change of secret."""

import base64
import binascii
import hmac
from collections.abc import Iterable, Sequence

ID, TIMESTAMP, SIGNATURE = "webhook-id", "webhook-timestamp", "webhook-signature"
PREFIX = "whsec_"
SECRET_BYTES_MIN, SECRET_BYTES_MAX = 24, 64  # "at least 24 bytes (192 bits, 512 maximum)"


def key_of(secret: str) -> bytes:
    """Return the key of ``whsec_`` and base64; ValueError when it is none, or shorter or longer than the standard says."""
    try:
        key = base64.b64decode(secret.strip().removeprefix(PREFIX), validate=True)
    except binascii.Error:
        raise ValueError("not base64") from None
    if not SECRET_BYTES_MIN <= len(key) <= SECRET_BYTES_MAX:
        raise ValueError("not between 24 and 64 bytes")
    return key


def signature(id: str, *, timestamp: int, body: bytes, keys: Iterable[bytes]) -> str:
    """Return the header's value: one ``v1,`` signature a key, separated by blanks."""
    signed = f"{id}.{timestamp}.".encode() + body
    return " ".join("v1," + base64.b64encode(hmac.digest(key, signed, "sha256")).decode() for key in keys)


def is_signed(given: str, *, id: str, timestamp: int, body: bytes, keys: Sequence[bytes]) -> bool:
    """Say whether one of the signatures given is of one of our keys; every pair is compared, each in constant time."""
    ours = [each.removeprefix("v1,") for each in signature(id, timestamp=timestamp, body=body, keys=keys).split()]
    theirs = [each.removeprefix("v1,") for each in given.split()[:16] if each.startswith("v1,")]
    # All are compared before one is looked at: stopping at the first match would tell by its time which one matched.
    matches = [hmac.compare_digest(a.encode(), b.encode()) for a in ours for b in theirs]
    return any(matches)
