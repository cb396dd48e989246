"""What a sender notes on its own disk: which messages it began, and what was answered before that was settled.

One file a sender, ``outbox/<sender>.begun`` in the folder of this installation, locked (``flock``) while its process
lives. A killed process leaves it whole, because what was written survives in the kernel; a crash of the machine does
not, so the first line names the boot, and after another boot the file proves nothing.

The lines after it: ``b`` and a message's id before its first byte may leave, ``a`` and an outcome as JSON, ``s``
and the id of a message that is settled.
"""

import errno
import fcntl
import os
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson

from tocsin.kernel import clock, failpoints, home
from tocsin.messaging.ports import Outcome, TransportError
from tocsin.messaging.values import Accepted, Reason, Verdict

FOLDER = "outbox"
SUFFIX = ".begun"
DEAD_SECONDS = 15.0
BYTES_MAX = 4_000_000  # then it is written anew with what is not settled
_BOOT = Path("/proc/sys/kernel/random/boot_id")


def boot_id() -> str:
    """Return the random id of this boot (Linux, random(4)); elsewhere nothing is provable after a crash."""
    return _BOOT.read_text().strip() if _BOOT.exists() else ""


class Spool:
    """The file of one living sender."""

    def __init__(self, sender: str) -> None:
        self.sender = sender
        self._path = _folder() / f"{sender}{SUFFIX}"
        self._open: dict[UUID, list[bytes]] = {}  # the lines of what is not settled
        self._descriptor, self._size = self._written_anew()

    def begin(self, message: UUID) -> None:
        """Note that a message's bytes may leave from now on. Raises OSError when that cannot be noted."""
        failpoints.reach("spool_begin")
        line = b"b%s\n" % message.hex.encode()
        self._append(line)
        self._open[message] = [line]

    def answer(self, outcome: Outcome) -> None:
        """Note an outcome, so that it is not lost with the process before it is settled."""
        line = b"a%s\n" % orjson.dumps(_plain(outcome))
        self._append(line)
        self._open.setdefault(outcome.message_id, []).append(line)

    def settled(self, messages: Collection[UUID]) -> None:
        """Forget what the database knows now. A full disk only makes it look unsettled after a crash."""
        known = [message for message in messages if self._open.pop(message, None)]
        self._append(b"".join(b"s%s\n" % message.hex.encode() for message in known))
        if self._size > BYTES_MAX:
            before = self._descriptor
            self._descriptor, self._size = self._written_anew()
            os.close(before)

    def close(self, *, keep: bool = False) -> None:
        """Let go of the file; it is removed when everything in it is settled, unless more may be claimed than it says.

        ``keep``: it is the proof that the rest never began.
        """
        if not self._open and not keep:
            self._path.unlink(missing_ok=True)
        os.close(self._descriptor)

    def _append(self, line: bytes) -> None:
        written = 0
        try:
            written = os.write(self._descriptor, line)
        finally:
            if written != len(line):  # the disk is full: half a line must not spoil the next one
                os.ftruncate(self._descriptor, self._size)
        if written != len(line):
            raise _no_room()
        self._size += written

    def _written_anew(self) -> tuple[int, int]:
        """Write the file aside, locked before it has its name: nobody may take it for one left behind."""
        aside = self._path.with_suffix(".aside")
        descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            head = orjson.dumps({"boot": boot_id(), "sender": self.sender}) + b"\n"
            text = head + b"".join(line for lines in self._open.values() for line in lines)
            if os.write(descriptor, text) != len(text):
                raise _no_room()
            aside.rename(self._path)
        except OSError:
            os.close(descriptor)  # with its lock, for which the next attempt would wait for ever
            raise
        return descriptor, len(text)


@dataclass(frozen=True, slots=True)
class LeftBehind:
    """What a dead sender of this machine left: ``begun`` is None when nothing can be proven any more."""

    sender: str
    begun: frozenset[UUID] | None
    answered: Mapping[UUID, Outcome]
    _path: Path = field(repr=False)
    _descriptor: int = field(repr=False)

    def forget(self) -> None:
        """Remove the file, unless its sender died just now: its last claim may still be on its way to be committed."""
        if abs(clock.now().timestamp() - self._path.stat().st_mtime) > DEAD_SECONDS:
            self._path.unlink()


def left_behind() -> Iterator[LeftBehind]:
    """Return what dead senders of this machine left, each locked while it is looked at."""
    for path in sorted(_folder().glob(f"*{SUFFIX}")):
        descriptor = _locked(path)
        if descriptor is None:
            continue
        try:
            yield _read(path, descriptor)
        finally:
            os.close(descriptor)


def alive(sender: str) -> bool:
    """Tell whether a sender lives on this machine."""
    path = _folder() / f"{sender}{SUFFIX}"
    descriptor = _locked(path)
    if descriptor is not None:
        os.close(descriptor)
    return descriptor is None and path.exists()


def _locked(path: Path) -> int | None:
    """Open and lock a file, or return None when its sender lives or it is gone."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    # Its sender may have written it anew, or somebody else may have settled it, since it was opened.
    if os.fstat(descriptor).st_ino != _inode(path):
        os.close(descriptor)
        return None
    return descriptor


def _inode(path: Path) -> int:
    try:
        return path.stat().st_ino
    except FileNotFoundError:
        return 0  # which no file has


def _read(path: Path, descriptor: int) -> LeftBehind:
    head, *lines = path.read_bytes().split(b"\n")[:-1] or [b""]  # after the last line end is nothing, or half a line
    same = bool(boot_id()) and boot_id().encode() in head
    begun: set[UUID] = set()
    answered: dict[UUID, Outcome] = {}
    try:
        for line in lines if same else ():  # a crash of the machine may have left anything
            _take_line(line, begun=begun, answered=answered)
    except (ValueError, KeyError, TypeError):
        same = False  # what cannot be read proves nothing
    return LeftBehind(
        sender=path.name.removesuffix(SUFFIX), begun=frozenset(begun) if same else None, answered=answered,
        _path=path, _descriptor=descriptor,
    )  # fmt: skip


def _take_line(line: bytes, *, begun: set[UUID], answered: dict[UUID, Outcome]) -> None:
    kind, text = line[:1], line[1:].decode()
    if kind == b"b":
        begun.add(UUID(text))
    elif kind == b"a":
        outcome = _outcome(orjson.loads(text))
        answered[outcome.message_id] = outcome
    else:
        begun.discard(UUID(text))
        answered.pop(UUID(text), None)


def _no_room() -> OSError:
    """Return what a write that ended early means (write(2))."""
    return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _folder() -> Path:
    folder = home.data_home() / FOLDER
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


def _plain(outcome: Outcome) -> dict[str, Any]:
    """Return an outcome as JSON, without how the provider names the person."""
    accepted, error = outcome.accepted, outcome.error
    return {
        "id": outcome.message_id.hex, "number": outcome.number, "fallback": outcome.fallback,
        "digest": outcome.digest.hex(), "detail": outcome.detail,
        "times": [outcome.claimed_at, outcome.begun_at, outcome.answered_at],
        "accepted": accepted and [accepted.provider_id, accepted.held],
        "error": error and [
            error.permanent, error.verdict, error.reason, error.code, error.detail, error.wait_seconds
        ],
    }  # fmt: skip


def _outcome(plain: Mapping[str, Any]) -> Outcome:
    claimed_at, begun_at, answered_at = (at and datetime.fromisoformat(at) for at in plain["times"])
    accepted, error = plain["accepted"], None
    if plain["error"]:
        permanent, verdict, reason, code, detail, wait = plain["error"]
        error = TransportError(
            permanent=permanent, verdict=Verdict(verdict), reason=Reason(reason), code=code, detail=detail,
            wait_seconds=wait,
        )  # fmt: skip
    return Outcome(
        message_id=UUID(plain["id"]), number=plain["number"], claimed_at=claimed_at, begun_at=begun_at,
        answered_at=answered_at, accepted=accepted and Accepted(accepted[0], held=accepted[1]), error=error,
        fallback=plain["fallback"], digest=bytes.fromhex(plain["digest"]), detail=plain["detail"],
    )  # fmt: skip
