"""Secrets of other systems, sealed: a fresh data key each, itself sealed by a key of this installation.

Both layers are AES-256-GCM (NIST SP 800-38D) with fresh 96-bit nonces; what a secret is about is bound into both as
associated data, so that a sealed secret put into another row does not open. The installation's key is the file
``keys/secrets`` (docs/explanation/secrets.md).

A sealed secret is ``TCSEAL1`` | 8 bytes naming the installation's key | nonce | sealed data key | nonce | sealed text.
Of many values sealed together (``Sealing``: ``TCSEAL2``, the same form) the data key is one and bound to their purpose,
each text to the purpose and its row.
"""

import hashlib
import os
from collections.abc import Iterator
from functools import lru_cache
from itertools import count
from typing import NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tocsin.kernel import home
from tocsin.kernel.language import gettext as _
from tocsin.staff.errors import SealBroken, SealedByAnotherKey, SealKeyMissing

MAGIC = b"TCSEAL1"
MAGIC_OF_MANY = b"TCSEAL2"
KEY_NAME = "secrets"
_NAME_BYTES, _NONCE_BYTES, _KEY_BYTES, _TAG_BYTES = 8, 12, 32, 16
_WRAPPED_BYTES = _NONCE_BYTES + _KEY_BYTES + _TAG_BYTES
_HEAD_BYTES = len(MAGIC) + _NAME_BYTES
_VALUES_A_KEY_MAX = 1 << 20  # far below the 2^32 that random nonces allow one key (NIST SP 800-38D, section 8.3)
_UNSEALED_KEYS_MAX = 4096


def seal(plain: bytes, *, about: str) -> bytes:
    """Seal a secret; it opens only with this installation's key and for the same ``about``."""
    sealing = home.installation_key(KEY_NAME)
    data_key = AESGCM.generate_key(bit_length=8 * _KEY_BYTES)
    head = MAGIC + _name_of(sealing)
    return head + _encrypted(sealing, data_key, bound=head, about=about) + _encrypted(
        data_key, plain, bound=head, about=about
    )  # fmt: skip


def unseal(sealed: bytes, *, about: str) -> bytes:
    """Open a sealed secret.

    Raises SealKeyMissing when the installation's key is gone or another one, SealBroken when what was sealed was
    changed or is about something else.
    """
    head, wrapped, body = sealed[:_HEAD_BYTES], sealed[_HEAD_BYTES:][:_WRAPPED_BYTES], sealed[_HEAD_BYTES:]
    body = body[_WRAPPED_BYTES:]
    if not head.startswith(MAGIC) or len(body) < _NONCE_BYTES + _TAG_BYTES:
        raise _broken(about)
    sealing = _installation_key(head[len(MAGIC) :])
    try:
        data_key = _decrypted(sealing, wrapped, bound=head, about=about)
        return _decrypted(data_key, body, bound=head, about=about)
    except InvalidTag as error:
        raise _broken(about) from error


class Sealing:
    """Seals and opens many values of one purpose, thousands a second: one data key serves many of them.

    Safe to be shared by threads; ``about`` is what a value belongs to, the id of its row.
    """

    def __init__(self, purpose: str) -> None:
        self.purpose = purpose
        self._key: _DataKey | None = None

    def seal(self, plain: bytes, *, about: str) -> bytes:
        """Seal one value; it opens only for the same purpose and ``about``."""
        key, place = self._key, _place()
        if key is None or key.home != place or next(key.used) >= _VALUES_A_KEY_MAX:
            self._key = key = _fresh_key(place, purpose=self.purpose)
        nonce = os.urandom(_NONCE_BYTES)
        return key.prefix + nonce + key.cipher.encrypt(nonce, plain, key.bound + about.encode())

    def unseal(self, sealed: bytes, *, about: str) -> bytes:
        """Open one value. Raises SealKeyMissing and SealBroken as ``unseal`` does."""
        head = sealed[:_HEAD_BYTES]
        prefix, body = sealed[: _HEAD_BYTES + _WRAPPED_BYTES], sealed[_HEAD_BYTES + _WRAPPED_BYTES :]
        if not head.startswith(MAGIC_OF_MANY) or len(body) < _NONCE_BYTES + _TAG_BYTES:
            raise _broken(f"{self.purpose} {about}")
        try:
            data_key = _unsealed_key(_place(), prefix, self.purpose)
            bound = _bound(head, purpose=self.purpose) + about.encode()
            return data_key.decrypt(body[:_NONCE_BYTES], body[_NONCE_BYTES:], bound)
        except InvalidTag as error:
            raise _broken(f"{self.purpose} {about}") from error


class _DataKey(NamedTuple):
    """A data key in use, for one installation; never changed, so that threads may share it."""

    home: str
    prefix: bytes
    bound: bytes
    cipher: AESGCM
    used: Iterator[int]


def _fresh_key(place: str, *, purpose: str) -> _DataKey:
    sealing = home.installation_key(KEY_NAME)
    fresh = AESGCM.generate_key(bit_length=8 * _KEY_BYTES)
    head = MAGIC_OF_MANY + _name_of(sealing)
    prefix = head + _encrypted(sealing, fresh, bound=head, about=purpose)
    return _DataKey(place, prefix, _bound(head, purpose=purpose), AESGCM(fresh), count())


def _place() -> str:
    """Return what names this installation's folder, cheaply: a rehearsal in the same process has another one."""
    named = os.environ.get("TOCSIN_HOME")
    return named or str(home.home_path())


def _bound(head: bytes, *, purpose: str) -> bytes:
    return head + purpose.encode() + b"\0"


@lru_cache(maxsize=_UNSEALED_KEYS_MAX)
def _unsealed_key(_place: str, prefix: bytes, purpose: str) -> AESGCM:
    """Return the data key of many values; kept, because thousands of values share it."""
    head, wrapped = prefix[:_HEAD_BYTES], prefix[_HEAD_BYTES:]
    sealing = _installation_key(head[len(MAGIC_OF_MANY) :])
    return AESGCM(_decrypted(sealing, wrapped, bound=head, about=purpose))


def _installation_key(name: bytes) -> bytes:
    """Return the key that sealed; it is never made here, because a fresh one could open nothing."""
    path = home.home_path() / "keys" / KEY_NAME
    sealing = home.installation_key(KEY_NAME) if path.exists() else b""
    if not sealing or _name_of(sealing) != name:
        raise (SealedByAnotherKey if sealing else SealKeyMissing)(
            _("The key that sealed the secrets is not there.") if not sealing
            else _("The secrets were sealed with another key than the one that is there."),
            where=path,
            mend=_(
                "Restore this file from the backup of the installation; without it, give the secrets again with "
                "`tocsin connector add NAME --replace`."
            ),
        )  # fmt: skip
    return sealing


def _name_of(sealing: bytes) -> bytes:
    return hashlib.sha256(b"tocsin secrets key\0" + sealing).digest()[:_NAME_BYTES]


def _encrypted(key: bytes, plain: bytes, *, bound: bytes, about: str) -> bytes:
    nonce = os.urandom(_NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, plain, bound + about.encode())


def _decrypted(key: bytes, sealed: bytes, *, bound: bytes, about: str) -> bytes:
    return AESGCM(key).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], bound + about.encode())


def _broken(about: str) -> SealBroken:
    return SealBroken(
        _("A sealed secret was changed, or belongs to something else."),
        where=about,
        mend=_("Give the secret again with `tocsin connector add NAME --replace`, and find out who changed the row."),
    )
