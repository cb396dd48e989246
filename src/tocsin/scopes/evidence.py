"""The evidence folder: files named by their SHA-256, 0600 in a 0700 folder, so that a scope can be told again."""

import hashlib
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from tocsin.kernel.home import data_home
from tocsin.kernel.language import gettext as _
from tocsin.scopes.errors import EvidenceDamaged

_PIECE_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Pinned:
    """A file in the evidence folder: what it is to the revision, the name it had, what it holds."""

    kind: str
    name: str
    sha256: str
    bytes: int


def folder() -> Path:
    """Return the evidence folder, made 0700 if missing."""
    path = data_home() / "evidence"
    path.mkdir(mode=0o700, exist_ok=True)
    return path


def path_of(sha256: str) -> Path:
    """Return where a file of this SHA-256 is or would be."""
    return folder() / sha256


def pin(source: Path, *, kind: str, name: str = "") -> Pinned:
    """Copy a file into the evidence folder under its SHA-256: aside, then renamed.

    A copy, not a link: whoever writes into the operator's file later must not reach the evidence.
    """
    aside = folder() / f".pinning-{secrets.token_hex(8)}"
    digest, size = hashlib.sha256(), 0
    try:
        descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with source.open("rb") as reading, os.fdopen(descriptor, "wb") as writing:
            while piece := reading.read(_PIECE_BYTES):
                digest.update(piece)
                writing.write(piece)
                size += len(piece)
            writing.flush()
            os.fsync(writing.fileno())
        aside.rename(path_of(digest.hexdigest()))
    finally:
        aside.unlink(missing_ok=True)
    return Pinned(kind=kind, name=name or source.name, sha256=digest.hexdigest(), bytes=size)


def check(sha256: str) -> None:
    """Raise EvidenceDamaged unless the file is there and still holds what its name says."""
    path = path_of(sha256)
    digest = hashlib.sha256()
    try:
        with path.open("rb") as reading:
            while piece := reading.read(_PIECE_BYTES):
                digest.update(piece)
    except OSError as error:
        raise _damaged(path, str(error)) from error
    if digest.hexdigest() != sha256:
        raise _damaged(path, _("its content changed"))


def _damaged(path: Path, reason: str) -> EvidenceDamaged:
    return EvidenceDamaged(
        _("A file the scope stands on is not as it was pinned: {reason}.").format(reason=reason),
        where=path,
        mend=_("Restore it from a backup, or investigate the same sources again with --incident."),
    )
