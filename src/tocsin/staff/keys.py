"""A person's Ed25519 key in a file sealed by a passphrase (PKCS #8, encrypted PEM)."""

import os
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_ssh_private_key,
)

from tocsin.kernel.language import gettext as _
from tocsin.staff.errors import KeyUnusable

PASSPHRASE_CHARACTERS_MIN = 12


def make(path: Path, *, passphrase: str) -> Ed25519PrivateKey:
    """Make a key and seal it in a new file, 0600; an existing file is never overwritten."""
    if len(passphrase) < PASSPHRASE_CHARACTERS_MIN:
        raise KeyUnusable(
            _("The passphrase is too short; it needs {n} characters.").format(n=PASSPHRASE_CHARACTERS_MIN),
            mend=_("Four unrelated words are easy to remember and hard to guess."),
        )
    key = Ed25519PrivateKey.generate()
    sealed = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(passphrase.encode()))
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as handle:
            handle.write(sealed)
            handle.flush()
            os.fsync(handle.fileno())
    except OSError as error:
        raise KeyUnusable(str(error), where=path, mend=_("Choose a place that can be written.")) from error
    return key


def unseal(path: Path, *, passphrase: str) -> Ed25519PrivateKey:
    """Open a key file: ours, or one of ``ssh-keygen -t ed25519``."""
    try:
        text = path.read_bytes()
        load = load_ssh_private_key if b"OPENSSH" in text[:100] else load_pem_private_key
        key = load(text, passphrase.encode())
    except (OSError, ValueError, TypeError) as error:
        raise KeyUnusable(
            _("The key cannot be opened: {error}").format(error=error),
            where=path,
            mend=_("Check the file and its passphrase; a key without a passphrase is not taken."),
        ) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise KeyUnusable(
            _("This is not an Ed25519 key."), where=path, mend=_("Enrol with a new file, and one is made.")
        )
    return key


def public_bytes(key: Ed25519PrivateKey | Ed25519PublicKey) -> bytes:
    """Return the 32 bytes of a public key."""
    public = key.public_key() if isinstance(key, Ed25519PrivateKey) else key
    return public.public_bytes(Encoding.Raw, PublicFormat.Raw)
