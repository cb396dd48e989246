"""Opening a snapshot: everything is checked before a single account is looked up in it.

The format is described in ``docs/reference/gate-snapshot.md``.
"""

import contextlib
import errno
import hashlib
import json
import mmap
import os
import shutil
import stat
import struct
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, BinaryIO, Literal, cast

from tocsin_gate import signatures
from tocsin_gate.errors import Refusal, SnapshotRefused
from tocsin_gate.rulebook import Malformed, Rulebook
from tocsin_gate.trust import Trust
from tocsin_gate.values import Way

MAGIC = b"TOCSGAT1"
PROLOGUE = struct.Struct("<8sIIQ8s")
PAGE = 4096
SIGNED = b"tocsin-gate-snapshot/1\n"
SIGNATURE_SLOT = 96
HEADER_BYTES_MAX = 256 * 1024 * 1024
# Large, because a thread that gives up the interpreter for every chunk waits its turn behind the checks each time.
CHUNK = 8 * 1024 * 1024
PIECE = 16 * 1024
# Linux 5.14; the standard library has no name for it yet.
_POPULATE_READ = 22
FORMATS: dict[int, Literal["B", "H", "I"]] = {1: "B", 2: "H", 4: "I"}
_MEND = "Build it anew with `tocsin gate build`, or fetch it again."


class FileIdentity(tuple[int, int, int, int]):
    """Device, inode, size and nanoseconds of the last write: what a cheap stat can tell two files apart by."""

    __slots__ = ()

    @classmethod
    def of(cls, state: os.stat_result) -> "FileIdentity":
        """Take it from a stat."""
        return cls((state.st_dev, state.st_ino, state.st_size, state.st_mtime_ns))


@dataclass(frozen=True, slots=True)
class Section:
    """Where a section lies, in bytes, and its SHA-256."""

    offset: int
    size: int
    sha256: bytes


@dataclass(frozen=True, slots=True)
class Header:
    """The header of a snapshot. ``made_at`` and ``not_after`` are Unix seconds; ``given`` is its JSON."""

    installation: str
    epoch: int
    made_at: float
    not_after: float | None
    key_id: str
    accounts: int
    index_bits: int
    width: int
    sections: dict[str, Section]
    sensitive_age_seconds_max: float
    rules: dict[int, dict[str, Any]]
    combinations: dict[int, dict[str, Any]]
    given: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A checked snapshot, mapped into memory. ``digest`` is the SHA-256 of prologue and header: its identity."""

    header: Header
    rulebook: Rulebook
    digest: bytes
    way: Way
    identity: FileIdentity
    index: memoryview
    hashes: memoryview
    codes: memoryview


def open_snapshot(path: Path, *, trust: Trust | None) -> Snapshot:
    """Open, check and map a snapshot; raises ``SnapshotRefused``.

    Without trust nothing is believed and ``way`` says so: that is for looking at a file only. Time (``not_after``) and
    epochs are the gate's to judge.
    """
    if sys.byteorder != "little":
        raise SnapshotRefused(Refusal.UNREADABLE, "this machine is big-endian; the list is little-endian.", where=path)
    try:
        with path.open("rb", buffering=0) as file:
            return _read(file, path=path, trust=trust)
    except OSError as error:
        what = f"cannot be read: {error.strerror or error}."
        raise SnapshotRefused(Refusal.UNREADABLE, what, where=path, mend=_MEND) from error


def _read(file: BinaryIO, *, path: Path, trust: Trust | None) -> Snapshot:
    before = os.fstat(file.fileno())
    if not stat.S_ISREG(before.st_mode):
        raise SnapshotRefused(Refusal.UNREADABLE, "is no regular file.", where=path)
    start = _beginning(file, size=before.st_size, path=path)
    digest = hashlib.sha256(start[:-SIGNATURE_SLOT]).digest()
    way = Way.UNTRUSTED
    if trust:
        way = believed(start[:-SIGNATURE_SLOT], slot=start[-SIGNATURE_SLOT:], digest=digest, trust=trust, path=path)
    try:
        header = read_header(start[PROLOGUE.size : -SIGNATURE_SLOT])
        rulebook = Rulebook.read(rules=header.rules, combinations=header.combinations)
    except (Malformed, KeyError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise _malformed(f"its header cannot be read: {error}", path) from error
    if trust:
        _check_origin(header, trust=trust, path=path)
    with contextlib.ExitStack() as opened:
        kept = opened.enter_context(_copy(file)) or file
        # What is checked is what will be asked: the copy, from its first byte.
        kept.seek(0)
        identity = FileIdentity.of(before)
        if _exactly(kept, len(start), path) != start or FileIdentity.of(os.fstat(file.fileno())) != identity:
            what = "was written to while it was read."
            mend = "Write a new file beside it and rename it into place."
            raise SnapshotRefused(Refusal.SWAPPED_WHILE_READ, what, where=path, mend=mend)
        _check_sections(kept, header, path=path, body_from=len(start), size=before.st_size)
        pages = mmap.mmap(kept.fileno(), before.st_size, access=mmap.ACCESS_READ)
    _warm(pages)
    mapped = memoryview(pages)
    views = {name: mapped[part.offset : part.offset + part.size] for name, part in header.sections.items()}
    snapshot = Snapshot(
        header=header,
        rulebook=rulebook,
        digest=digest,
        way=way,
        identity=identity,
        index=views["index"].cast("I"),
        hashes=views["hashes"].cast("Q"),
        codes=views["codes"].cast(FORMATS[header.width]),
    )
    _check_numbers(snapshot, path)
    return snapshot


def _beginning(file: BinaryIO, *, size: int, path: Path) -> bytes:
    """Return prologue, header and signature slot."""
    prologue = _exactly(file, PROLOGUE.size, path)
    magic, header_bytes, reserved, file_bytes, rest = PROLOGUE.unpack(prologue)
    if magic != MAGIC:
        raise SnapshotRefused(Refusal.NOT_A_SNAPSHOT, "does not begin like a snapshot.", where=path, mend=_MEND)
    if size < file_bytes:
        raise SnapshotRefused(Refusal.CUT_OFF, f"has {size:,} bytes of {file_bytes:,}.", where=path, mend=_MEND)
    if size > file_bytes or reserved or any(rest) or header_bytes > min(HEADER_BYTES_MAX, file_bytes):
        raise _malformed("its first 32 bytes contradict the file", path)
    return prologue + _exactly(file, header_bytes + SIGNATURE_SLOT, path)


@contextlib.contextmanager
def _copy(file: BinaryIO) -> Iterator[BinaryIO | None]:
    """Copy a list to a nameless file that nobody else can write to.

    A map of the original would change, or end the program (SIGBUS), when somebody copies another file over it instead
    of renaming. Where nothing can be written, on a read-only system, None: then the original is safe enough.
    """
    for folder in (Path(file.name).parent, None):
        try:
            copy = tempfile.TemporaryFile(dir=folder, prefix=".tocsin-gate-")  # noqa: SIM115 (entered below)
        except OSError as error:
            if error.errno in (errno.EACCES, errno.EROFS, errno.EPERM, errno.ENOENT):
                continue
            raise
        with copy:
            _pour(file, copy)
            yield cast("BinaryIO", copy)
        return
    yield None


def _pour(file: BinaryIO, copy: IO[bytes]) -> None:
    """Copy a whole file, within the kernel where it can."""
    file.seek(0)
    try:
        while os.copy_file_range(file.fileno(), copy.fileno(), 64 * CHUNK):
            pass
    except (AttributeError, OSError):
        # Not on this system, or not between these two.
        file.seek(0)
        copy.seek(0)
        copy.truncate()
        shutil.copyfileobj(file, copy, CHUNK)
        copy.flush()


def _warm(mapped: mmap.mmap) -> None:
    """Let the kernel map the pages now rather than during the first check that needs each."""
    with contextlib.suppress(OSError, AttributeError, ValueError):
        for start in range(0, len(mapped), CHUNK):
            mapped.madvise(_POPULATE_READ, start, min(CHUNK, len(mapped) - start))


def _check_origin(header: Header, *, trust: Trust, path: Path) -> None:
    if header.installation != trust.installation:
        what = f"is a list of {header.installation!r}; trusted is {trust.installation!r}."
        raise SnapshotRefused(Refusal.OTHER_INSTALLATION, what, where=path)
    if header.key_id != trust.key_id:
        what = f"was made with hash key {header.key_id}; trusted is {trust.key_id}."
        raise SnapshotRefused(Refusal.OTHER_HASH_KEY, what, where=path, mend="Export the trust file anew.")


def believed(message: bytes, *, slot: bytes, digest: bytes, trust: Trust, path: Path) -> Way:
    """Return why prologue and header are believed; raises ``SnapshotRefused``."""
    public_key, signature = slot[:32], slot[32:]
    if signatures.AVAILABLE and trust.public_keys:
        if not any(slot):
            raise SnapshotRefused(Refusal.UNSIGNED, "is not signed.", where=path, mend=_MEND)
        if public_key not in trust.public_keys:
            what = f"is signed by {public_key.hex()}, which is not trusted."
            raise SnapshotRefused(
                Refusal.FOREIGN_KEY, what, where=path, mend="Export the trust file anew if this is yours."
            )
        if not signatures.holds(public_key=public_key, signature=signature, message=SIGNED + message):
            raise SnapshotRefused(Refusal.SIGNATURE_WRONG, "its signature does not hold.", where=path, mend=_MEND)
        return Way.SIGNATURE
    if digest in trust.snapshot_sha256:
        return Way.PINNED
    if trust.public_keys and not trust.snapshot_sha256:
        mend = "Install `cryptography`, or pin the list: `tocsin gate trust --pin SNAPSHOT --out TRUST`."
        raise SnapshotRefused(Refusal.CANNOT_VERIFY, "its signature cannot be checked here.", where=path, mend=mend)
    mend = f"If it is the right list, put {digest.hex()} under snapshot_sha256 in the trust file."
    raise SnapshotRefused(Refusal.NOT_PINNED, "its SHA-256 is not in the trust file.", where=path, mend=mend)


def read_header(raw: bytes) -> Header:
    """Read the header's JSON; raises ``Malformed`` or the error of the missing field."""
    given = json.loads(raw)
    if given["format"] != 1:
        raise Malformed(f"format {given['format']} is not known here")
    numbers = [given[name] for name in ("epoch", "n", "index_bits", "width", "made_at")]
    if not all(type(number) is int and number >= 0 for number in numbers):
        raise Malformed("epoch, n, index_bits, width or made_at is no number")
    if given["epoch"] < 1 or not 8 <= given["index_bits"] <= 24 or given["width"] not in FORMATS:
        raise Malformed("epoch, index_bits or width is out of range")
    sections = {
        name: Section(offset=int(part["offset"]), size=int(part["bytes"]), sha256=bytes.fromhex(part["sha256"]))
        for name, part in given["sections"].items()
    }
    not_after = given["not_after"]
    return Header(
        installation=str(given["installation"]),
        epoch=given["epoch"],
        made_at=given["made_at"] / 1000,
        not_after=not_after / 1000 if not_after is not None else None,
        key_id=str(given["key_id"]),
        accounts=given["n"],
        index_bits=given["index_bits"],
        width=given["width"],
        sections=sections,
        sensitive_age_seconds_max=float(given.get("sensitive_age_seconds_max", 900)),
        rules=dict(enumerate(given.get("rules", []))),
        combinations=dict(enumerate(given.get("combinations", []), start=1)),
        given=given,
    )


def _check_sections(file: BinaryIO, header: Header, *, path: Path, body_from: int, size: int) -> None:
    """Compare the hash of every section, and see that the bytes between them are zero."""
    n = header.accounts
    wanted = {"index": 4 * (2**header.index_bits + 1), "hashes": 8 * n, "codes": header.width * n}
    if {name: part.size for name, part in header.sections.items()} != wanted:
        raise _malformed("its sections do not fit its counts", path)
    # Refused here, every byte of the file is either signed, hashed or zero: nothing can be hidden or lost.
    place = body_from
    for name, part in sorted(header.sections.items(), key=lambda item: (item[1].offset, item[1].size)):
        if part.offset % PAGE or part.offset < place or part.offset + part.size > size:
            raise _malformed(f"its section {name} lies wrongly", path)
        _check_zero(file, place, part.offset - place, path)
        known = frozenset(range(1, len(header.combinations) + 1)) if (name, header.width) == ("codes", 1) else None
        if _hash_of(file, part, known, path) != part.sha256:
            what = f"its section {name} is not what its header says."
            raise SnapshotRefused(Refusal.HASH_MISMATCH, what, where=path, mend=_MEND)
        place = part.offset + part.size
    _check_zero(file, place, size - place, path)


def _check_zero(file: BinaryIO, offset: int, size: int, path: Path) -> None:
    file.seek(offset)
    if size >= PAGE or any(_exactly(file, size, path)):
        raise _malformed("there is something between its sections", path)


def _hash_of(file: BinaryIO, part: Section, codes: frozenset[int] | None, path: Path) -> bytes:
    """Return the SHA-256 of a section, read past the map so that it does not count as memory of the process."""
    digest, chunk, left = hashlib.sha256(), memoryview(bytearray(min(CHUNK, part.size))), part.size
    allowed = bytes(sorted(codes)) if codes is not None and len(codes) <= 255 else None
    stray = False
    file.seek(part.offset)
    while left:
        got = file.readinto(chunk[: min(left, CHUNK)])  # type: ignore[attr-defined]
        if not got:
            raise SnapshotRefused(Refusal.CUT_OFF, "ended while it was read.", where=path, mend=_MEND)
        digest.update(chunk[:got])
        if allowed is not None:
            pieces = (chunk[start : min(start + 64 * PIECE, got)] for start in range(0, got, 64 * PIECE))
            stray = stray or any(bytes(piece).translate(None, allowed) for piece in pieces)
        left -= got
    found = digest.digest()
    if stray and found == part.sha256:
        raise _malformed("it names a combination that it does not describe", path)
    return found


def _check_numbers(snapshot: Snapshot, path: Path) -> None:
    """See that no look-up can leave the list: a signed list of a faulty writer must not fail at a check."""
    index, n = snapshot.index, snapshot.header.accounts
    if index[0] != 0 or index[-1] != n or _extremes(index)[1] != n:
        raise _malformed("its index does not fit its hashes", path)
    if snapshot.header.width > 1 and n:
        least, most = _extremes(snapshot.codes)
        if least < 1 or most > len(snapshot.header.combinations):
            raise _malformed("it names a combination that it does not describe", path)


def _extremes(numbers: memoryview) -> tuple[int, int]:
    """Return the least and the greatest number; in pieces, so that other threads are let in meanwhile."""
    pieces = [numbers[start : start + PIECE] for start in range(0, len(numbers), PIECE)]
    return min(min(piece) for piece in pieces), max(max(piece) for piece in pieces)


def _exactly(file: BinaryIO, size: int, path: Path) -> bytes:
    data = bytearray()
    while len(data) < size:
        more = file.read(size - len(data))
        if not more:
            raise SnapshotRefused(Refusal.CUT_OFF, "ends too early.", where=path, mend=_MEND)
        data += more
    return bytes(data)


def _malformed(what: str, path: Path) -> SnapshotRefused:
    return SnapshotRefused(Refusal.MALFORMED, f"{what}.", where=path, mend=_MEND)
