"""What a gate believes before it has read any list: never taken from the list itself."""

import hashlib
import json
import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from tocsin_gate.errors import TrustUnusable

FORMAT = "tocsin-gate-trust/1"
TRUSTED_CHANNEL = "trusted_channel"
_HEX_64 = re.compile(r"[0-9a-fA-F]{64}")
_MEND = "Export it anew with `tocsin gate trust --out TRUST`."


@dataclass(frozen=True, slots=True)
class Trust:
    """The root of belief of one installation.

    ``hash_key`` (32 bytes, secret) turns account names into the numbers of the list. ``public_keys`` (raw Ed25519) sign
    lists; ``snapshot_sha256`` are digests of lists believed without a signature. ``changes_pinned`` says that changes
    without a verifiable signature are believed because their channel is trusted.
    """

    installation: str
    hash_key: bytes = field(repr=False)
    public_keys: tuple[bytes, ...] = ()
    snapshot_sha256: frozenset[bytes] = frozenset()
    feed_token: str | None = field(default=None, repr=False)
    changes_pinned: bool = False

    @property
    def key_id(self) -> str:
        """Sixteen hexadecimal digits that name the hash key without telling it."""
        return hashlib.sha256(b"tocsin-gate-key-id" + self.hash_key).hexdigest()[:16]

    @classmethod
    def of(cls, given: Mapping[str, Any], *, where: str = "trust") -> Self:
        """Read the fields of a trust file; raises ``TrustUnusable``."""
        if given.get("format") != FORMAT:
            raise TrustUnusable(f'"format" is not "{FORMAT}".', where=where, mend=_MEND)
        installation, token = given.get("installation"), given.get("feed_token")
        if not isinstance(installation, str) or not installation:
            raise TrustUnusable('"installation" is missing.', where=where, mend=_MEND)
        if token is not None and (not isinstance(token, str) or not token.isascii() or not token.isprintable()):
            raise TrustUnusable('"feed_token" is not printable ASCII.', where=where, mend=_MEND)
        return cls(
            installation=installation,
            hash_key=_digits(given.get("hash_key"), name="hash_key", where=where),
            public_keys=tuple(_list(given, "public_keys", where=where)),
            snapshot_sha256=frozenset(_list(given, "snapshot_sha256", where=where)),
            feed_token=token,
            changes_pinned=given.get("changes") == TRUSTED_CHANNEL,
        )

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> Self:
        """Read a trust file; raises ``TrustUnusable``."""
        place = Path(path)
        try:
            given = json.loads(place.read_bytes())
        except OSError as error:
            raise TrustUnusable(f"cannot be read: {error.strerror}.", where=place, mend=_MEND) from error
        except ValueError as error:
            raise TrustUnusable("is not JSON.", where=place, mend=_MEND) from error
        if not isinstance(given, dict):
            raise TrustUnusable("is not a JSON object.", where=place, mend=_MEND)
        return cls.of(given, where=str(place))


def open_to_others(path: str | os.PathLike[str]) -> bool:
    """Tell whether accounts of this machine other than the owner and its group can read the secret."""
    try:
        return os.name == "posix" and bool(Path(path).stat().st_mode & stat.S_IROTH)
    except OSError:
        return False


def _digits(value: object, *, name: str, where: str) -> bytes:
    if not isinstance(value, str) or not _HEX_64.fullmatch(value):
        raise TrustUnusable(f'"{name}" is not 64 hexadecimal digits.', where=where, mend=_MEND)
    return bytes.fromhex(value)


def _list(given: Mapping[str, Any], name: str, *, where: str) -> list[bytes]:
    values = given.get(name, [])
    if not isinstance(values, list | tuple):
        raise TrustUnusable(f'"{name}" is not a list.', where=where, mend=_MEND)
    return [_digits(value, name=name, where=where) for value in values]
