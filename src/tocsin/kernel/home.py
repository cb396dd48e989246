"""Where this installation keeps what is its own: keys, the private database, tables brought in."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tocsin.kernel.errors import TocsinError
from tocsin.kernel.language import gettext as _


def home_path() -> Path:
    """Return where the folder of this installation is or would be: ``TOCSIN_HOME``, else the XDG data folder."""
    named = os.environ.get("TOCSIN_HOME")
    if named:
        return Path(named).expanduser()
    xdg = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
    return Path(xdg).expanduser() / "tocsin"


def data_home() -> Path:
    """Return the folder of this installation, made 0700 if missing; TocsinError when it cannot be."""
    home = home_path()
    try:
        if not home.is_dir():
            home.parent.mkdir(parents=True, exist_ok=True)
            home.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise TocsinError(
            _("The folder of this installation cannot be made: {why}.").format(why=error.strerror), where=home,
            mend=_("Name a folder of your own in TOCSIN_HOME."),
        ) from error  # fmt: skip
    return home


# What would lead a rehearsal to the real installation: its home, its rows, its keys, its witness.
_REAL = ("TOCSIN_HOME", "TOCSIN_DATABASE_URL", "TOCSIN_SECRETS_KEYS", "TOCSIN_WITNESS")


@contextmanager
def elsewhere(folder: Path) -> Iterator[None]:
    """Keep everything in ``folder`` for the length of a block: a rehearsal has a home, rows and keys of its own."""
    before = {name: os.environ.pop(name) for name in _REAL if name in os.environ}
    os.environ["TOCSIN_HOME"] = str(folder.resolve())
    try:
        yield
    finally:
        del os.environ["TOCSIN_HOME"]
        os.environ.update(before)


def installation_key(name: str) -> bytes:
    """Return the 32 random bytes kept under ``keys/<name>`` (0600), made on first use and never changed.

    Two commands that start at once get the same key: the file is written aside and linked into place,
    and the loser of the race reads the winner's.
    """
    folder = data_home() / "keys"
    folder.mkdir(mode=0o700, exist_ok=True)
    path = folder / name
    if not path.exists():
        aside = folder / f".{name}.{secrets.token_hex(8)}"
        descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as handle:
            handle.write(secrets.token_bytes(32))
            handle.flush()
            os.fsync(handle.fileno())
        try:
            os.link(aside, path)
        except FileExistsError:
            pass
        finally:
            aside.unlink()
    key = path.read_bytes()
    if len(key) != 32:
        raise ValueError(f"{path} does not hold 32 bytes; restore it from a backup")
    return key
