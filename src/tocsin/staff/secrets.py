"""Secrets of other systems, sealed: a fresh data key each, itself sealed by a key of this installation.

Both layers are AES-256-GCM (NIST SP 800-38D) with fresh 96-bit nonces; what a secret is about is bound into both as
associated data, so that a sealed secret put into another row does not open. The installation's key is the file
``keys/secrets`` (docs/explanation/secrets.md).

A sealed secret is ``TCSEAL1`` | 8 bytes naming the installation's key | nonce | sealed data key | nonce | sealed text.
"""

import hashlib
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tocsin.kernel import home
from tocsin.kernel.language import gettext as _
from tocsin.staff.errors import SealBroken, SealKeyMissing

MAGIC = b"TCSEAL1"
KEY_NAME = "secrets"
_NAME_BYTES, _NONCE_BYTES, _KEY_BYTES, _TAG_BYTES = 8, 12, 32, 16
_WRAPPED_BYTES = _NONCE_BYTES + _KEY_BYTES + _TAG_BYTES
_HEAD_BYTES = len(MAGIC) + _NAME_BYTES


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


def _installation_key(name: bytes) -> bytes:
    """Return the key that sealed; it is never made here, because a fresh one could open nothing."""
    path = home.home_path() / "keys" / KEY_NAME
    sealing = home.installation_key(KEY_NAME) if path.exists() else b""
    if not sealing or _name_of(sealing) != name:
        raise SealKeyMissing(
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
