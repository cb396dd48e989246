"""The keys that seal, as files of 32 random bytes, 0600, in one folder.

``secrets`` seals. ``secrets.next`` opens already and seals from the next rotation on. Every other ``secrets.*`` only
opens what was sealed before. A key is named by its content, never by its file, so that one that is brought back from a
backup opens under whatever name it is put there. ``secrets.name`` says which key seals: when it is there and
``secrets`` is not, the key was lost, and no new one may be made over the loss.

Every step of a rotation leaves the folder whole: a process that dies between two has lost no key.
"""

import hashlib
import os
import secrets
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from tocsin.kernel import failpoints, home
from tocsin.kernel.language import gettext as _
from tocsin.staff.errors import KeyUnusable, SealedByAnotherKey, SealKeyMissing
from tocsin.staff.values import KeyUse, SealKey

VARIABLE = "TOCSIN_SECRETS_KEYS"
SEALS, NEXT, NAME = "secrets", "secrets.next", "secrets.name"
NAME_BYTES, KEY_BYTES = 8, 32
# In the folder of the installation; one that somebody chose may let a group in, as systemd's credentials seem to.
_READ_BY_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def folder() -> Path:
    """Return where the keys are or would be: ``TOCSIN_SECRETS_KEYS``, else ``keys`` in the installation's folder."""
    return file_of(SEALS).parent


def file_of(name: str) -> Path:
    """Return the path of a file in that folder.

    ``TOCSIN_SECRETS_KEYS`` that ends with ``_`` is the folder and the beginning of all names, as systemd loads them.
    """
    named = os.environ.get(VARIABLE)
    return _named_file(named, name) if named else home.home_path() / "keys" / name


def place() -> str:
    """Return the file of the key that seals, cheaply: it is asked for with every value that is sealed."""
    named = os.environ.get(VARIABLE)
    if named:
        return str(_named_file(named, SEALS))
    named = os.environ.get("TOCSIN_HOME")
    return f"{named}/keys/{SEALS}" if named else str(file_of(SEALS))


@cache
def _named_file(named: str, name: str) -> Path:
    return Path(f"{named}{name}" if named.endswith("_") else f"{named}/{name}").expanduser()


def stamp() -> tuple[int, int]:
    """Return what changes when another key seals. Raises SealKeyMissing when there is none."""
    try:
        found = os.stat(place())  # noqa: PTH116 - four times as fast, thousands of times a second
    except OSError as error:
        raise _missing() from error
    return found.st_ino, found.st_mtime_ns


def name_of(key: bytes) -> bytes:
    """Return the 8 bytes that name a key without telling it."""
    return hashlib.sha256(b"tocsin secrets key\0" + key).digest()[:NAME_BYTES]


def current() -> bytes:
    """Return the key that seals; in the folder of an installation that never had one, it is made."""
    path = file_of(SEALS)
    if is_lost():
        raise _missing()
    if not path.exists():
        home.installation_key(SEALS)
    key = _read(path)
    if not file_of(NAME).exists():
        with suppress(KeyUnusable):  # a folder nobody may write into keeps no such note
            _note(key)
    return key


def is_lost() -> bool:
    """Tell whether the key that seals is gone: there was one, or it is to be in a folder we make no key in."""
    # A folder somebody named that is not mounted yet looks like one that never held a key.
    is_expected = bool(os.environ.get(VARIABLE)) or file_of(NAME).exists()
    return is_expected and not file_of(SEALS).exists()


def opening(name: bytes) -> bytes:
    """Return the key of this name; it is never made here, because a fresh one could open nothing.

    Raises SealedByAnotherKey when it is none of those there are, SealKeyMissing when the one that seals is gone too.
    """
    files = _files()
    while True:
        for _path, key, _about in _contents(files):
            if len(key) == KEY_BYTES and name_of(key) == name:
                return key
        seen, files = files, _files()
        if files == seen:  # or else a rotation renamed a file while the others were read
            break
    if not file_of(SEALS).exists():
        raise _missing()
    raise SealedByAnotherKey(
        _("This was sealed with another key than those that are there: {name}.").format(name=name.hex()),
        where=folder(),
        mend=_(
            "Put the file of that key back from the backup, as secrets.back in this folder; `tocsin keys check` says "
            "what needs it. Without it, give the secrets again with --replace."
        ),
    )


def held() -> tuple[SealKey, ...]:
    """Return the keys there are: the one that seals, the next one, then those that only open. Each is there once."""
    found: dict[bytes, SealKey] = {}
    for path, content, about in _contents(_files()):
        if len(content) == KEY_BYTES:
            use = {file_of(SEALS): KeyUse.SEALS, file_of(NEXT): KeyUse.NEXT}.get(path, KeyUse.OPENS)
            made_at = datetime.fromtimestamp(about.st_mtime, tz=UTC)
            is_private = not about.st_mode & (stat.S_IRWXO if os.environ.get(VARIABLE) else _READ_BY_OTHERS)
            name = name_of(content)
            found.setdefault(name, SealKey(name.hex(), use=use, path=path, made_at=made_at, is_private=is_private))
    return tuple(found.values())


def unusable() -> tuple[Path, ...]:
    """Return the files among the keys that hold none: cut short, or something else."""
    return tuple(path for path, content, _about in _contents(_files()) if len(content) != KEY_BYTES)


def prepare() -> SealKey:
    """Make the next key, unless there is one already: it opens from now on, and seals nothing yet."""
    if not file_of(NEXT).exists():
        _write(NEXT, secrets.token_bytes(KEY_BYTES))
        failpoints.reach("key_prepared")
    return next(key for key in held() if key.use is KeyUse.NEXT)


def begin() -> SealKey:
    """Make the first key, or one over the loss of the one before."""
    seals, following = file_of(SEALS), file_of(NEXT)
    if not seals.exists() and following.exists():
        with _writable():
            following.replace(seals)
            _keep_names()
    elif not seals.exists():
        _write(SEALS, secrets.token_bytes(KEY_BYTES))
    _note(_read(seals))
    return held()[0]


def switch() -> SealKey:
    """Let the next key seal; the one that did only opens from now on. Whoever seals notices with its next value."""
    seals, following = file_of(SEALS), file_of(NEXT)
    before = _read(seals)
    if name_of(_read(following)) != name_of(before):
        with _writable(), suppress(FileExistsError):  # as far as a rotation that died came
            os.link(seals, file_of(f"{SEALS}.{name_of(before).hex()}"))
            _keep_names()
        failpoints.reach("key_kept_for_opening")
    with _writable():
        following.replace(seals)
        _keep_names()
    failpoints.reach("key_switched")
    _note(_read(seals))
    return held()[0]


def remove(name: str) -> None:
    """Remove every file of a key that only opens."""
    with _writable():
        for path, content, _about in _contents(_files()):
            if path != file_of(SEALS) and len(content) == KEY_BYTES and name_of(content).hex() == name:
                path.unlink()
        _keep_names()


def _files() -> list[tuple[Path, int]]:
    """Return the files that may hold a key with their inodes: the one that seals first, the next one after it."""
    seals, following, note = (file_of(name).name for name in (SEALS, NEXT, NAME))
    try:
        with os.scandir(folder()) as entries:
            found = [
                (folder() / entry.name, entry.inode())
                for entry in entries
                if entry.name == seals or (entry.name.startswith(f"{seals}.") and entry.name != note)
            ]
    except (FileNotFoundError, NotADirectoryError):
        return []
    order = {seals: 0, following: 1}
    return sorted(found, key=lambda file: (order.get(file[0].name, 2), file[0].name))


def _contents(files: Sequence[tuple[Path, int]]) -> Iterator[tuple[Path, bytes, os.stat_result]]:
    for path, _inode in files:
        try:
            found = path, _bytes_of(path), path.stat()
        except FileNotFoundError:  # renamed or removed meanwhile
            continue
        yield found


def _read(path: Path) -> bytes:
    try:
        key = _bytes_of(path)
    except FileNotFoundError as error:
        raise _missing() from error
    if len(key) != KEY_BYTES:
        raise SealKeyMissing(
            _("The key that seals the secrets is damaged."),
            where=path,
            mend=_("Restore this file from the backup of the installation."),
        )
    return key


def _bytes_of(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise
    except OSError as error:
        raise SealKeyMissing(
            _("The key that seals the secrets cannot be read: {why}.").format(why=error.strerror or ""),
            where=path,
            mend=_("Let the account Tocsin runs under read it, and nobody else: owner, and mode 0600."),
        ) from error


def _write(name: str, content: bytes) -> None:
    """Write a file whole and durable, for the owner of the keys alone, or leave none."""
    where = folder()
    with _writable():
        if not os.environ.get(VARIABLE):
            home.data_home()
            where.mkdir(mode=0o700, exist_ok=True)
        aside = where / f".{name}.{secrets.token_hex(8)}"
        descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as handle:
                _give_to_owner(descriptor)
                handle.write(content)
                handle.flush()
                os.fsync(handle.fileno())
            aside.replace(file_of(name))
        finally:
            aside.unlink(missing_ok=True)
        _keep_names()


def _give_to_owner(descriptor: int) -> None:
    """Root may rotate for the account Tocsin runs under: that account must be able to read what was made."""
    if os.geteuid() == 0:
        seals = file_of(SEALS)
        owner = (seals if seals.exists() else folder()).stat()
        os.fchown(descriptor, owner.st_uid, owner.st_gid)


def _note(key: bytes) -> None:
    _write(NAME, name_of(key).hex().encode() + b"\n")


def _keep_names() -> None:
    """Make what happened to names in the folder survive a crash of the machine."""
    descriptor = os.open(folder(), os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _writable() -> Iterator[None]:
    """Say what to do where the folder of the keys cannot be written."""
    try:
        yield
    except OSError as error:
        raise KeyUnusable(
            _("The folder of the keys cannot be written: {why}.").format(why=error.strerror or ""),
            where=folder(),
            mend=_("Make room there if the disk is full, or run this as an account that may write there."),
        ) from error


def _missing() -> SealKeyMissing:
    return SealKeyMissing(
        _("The key that sealed the secrets is not there."),
        where=file_of(SEALS),
        mend=_(
            "Restore this file from the backup of the installation. If there is none, `tocsin keys rotate --lost` "
            "makes a new one; what was sealed stays closed then, and the secrets must be given again with --replace."
        ),
    )
