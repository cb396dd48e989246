"""The keys of the gate's list, and what a gate needs to believe it: kept under the installation's home."""

import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tocsin.kernel import files
from tocsin.kernel.home import installation_key

TRUST_FORMAT = "tocsin-gate-trust/1"
SNAPSHOT_CONTEXT = b"tocsin-gate-snapshot/1\n"
CHANGE_CONTEXT = b"tocsin-gate-change/1\n"
_SIGNING, _HASHING, _FEED = "gate", "gate-hash", "gate-feed"


def hash_key_digits() -> str:
    """Return the hash key as its 64 hexadecimal digits: what stands before an account when it is hashed."""
    return installation_key(_HASHING).hex()


def key_id() -> str:
    """Return the 16 hex digits that name the hash key without telling it."""
    return hashlib.sha256(b"tocsin-gate-key-id" + installation_key(_HASHING)).hexdigest()[:16]


def installation() -> str:
    """Return how lists name this installation: it stays when the signing key is changed."""
    return hashlib.sha256(b"tocsin-gate-installation" + installation_key(_HASHING)).hexdigest()[:16]


def public_key() -> bytes:
    """Return the raw Ed25519 public key lists and changes are signed with."""
    return _private_key().public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)


def sign_snapshot(prologue_and_header: bytes) -> bytes:
    """Return the 64 bytes of signature over the beginning of a snapshot, which holds the hash of every section."""
    return _private_key().sign(SNAPSHOT_CONTEXT + prologue_and_header)


def sign_change(change: Mapping[str, Any]) -> str:
    """Return the exact JSON a gate gets: canonical, with ``sig`` over the same without it."""
    signature = _private_key().sign(CHANGE_CONTEXT + canonical(change))
    return canonical({**change, "sig": signature.hex()}).decode()


def canonical(value: Mapping[str, Any]) -> bytes:
    """Return JSON in UTF-8 with sorted keys and no blanks: the form that is hashed and signed."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def feed_token() -> str:
    """Return the bearer token with which gates fetch the list and its changes."""
    return hmac.digest(installation_key(_FEED), b"tocsin-gate-feed/1", "sha256").hex()


def trust(*, pins: Sequence[str] = (), channel_trusted: bool = False) -> dict[str, Any]:
    """Return what a gate needs to believe this installation's lists; it holds two secrets.

    ``pins`` are SHA-256 of prologue and header, for gates that cannot check a signature; ``channel_trusted`` lets such
    gates take changes that they cannot check either.
    """
    said: dict[str, Any] = {
        "format": TRUST_FORMAT,
        "installation": installation(),
        "hash_key": hash_key_digits(),
        "public_keys": [public_key().hex()],
        "snapshot_sha256": sorted(pins),
        "feed_token": feed_token(),
    }
    return said | ({"changes": "trusted_channel"} if channel_trusted else {})


def export_trust(out: Path, *, pins: Sequence[str] = (), channel_trusted: bool = False) -> dict[str, Any]:
    """Write the trust file (0600: it holds the hash key and the feed's token) and return what it says."""
    said = trust(pins=pins, channel_trusted=channel_trusted)
    files.write_whole(out, json.dumps(said, indent=1, sort_keys=True) + "\n", mode=0o600)
    return said


def _private_key() -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(installation_key(_SIGNING))
