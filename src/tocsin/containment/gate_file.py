"""The gate's list as a file: docs/reference/gate-snapshot.md. Written aside, signed, and renamed into place."""

import hashlib
import json
import mmap
import os
import secrets
import struct
from array import array
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal

from tocsin.containment import gate_keys
from tocsin.containment.errors import ListUnreadable
from tocsin.containment.gate_demands import Rulebook
from tocsin.kernel.language import gettext as _

MAGIC = b"TOCSGAT1"
PAGE = 4096
SIGNATURE_BYTES = 96
SENSITIVE_AGE_SECONDS_MAX = 900
CODE_TYPES: dict[int, Literal["B", "H", "I"]] = {
    1: "B",
    2: "H",
    4: "I",
}  # bytes of one code -> its type in array and memoryview
_PROLOGUE = struct.Struct("<8sIIQ8x")
_PIECE_BYTES = 4 * 1024 * 1024
_BUCKET = 32  # hashes to one entry of the index, about: a look-up ends within five steps


@dataclass(frozen=True, slots=True)
class Columns:
    """What a list is made of, in two files: ``n`` ascending hashes of 8 bytes, and codes of ``width`` bytes."""

    hashes: Path
    codes: Path
    n: int
    width: int


@dataclass(frozen=True, slots=True)
class Written:
    """A snapshot that was written; ``sha256`` is of prologue and header, what a pin names."""

    path: Path
    epoch: int
    accounts: int
    bytes: int
    sha256: str


def index_bits(n: int) -> int:
    """Return how many leading bits the index goes by: 20 at 40 million."""
    return max(8, min(24, (n // _BUCKET).bit_length() - 1))


def write(
    out: Path, *, columns: Columns, book: Rulebook, epoch: int, made_at_ms: int, not_after_ms: int | None
) -> Written:
    """Write and sign a snapshot aside (0600), flush it to the disk and rename it into place."""
    bits = index_bits(columns.n)
    with _mapped(columns.hashes, n=columns.n) as hashes:
        index = _index(hashes, bits=bits)
    sizes = {"index": len(index) * 4, "hashes": columns.n * 8, "codes": columns.n * columns.width}
    header: dict[str, Any] = {
        "format": 1, "installation": gate_keys.installation(), "epoch": epoch, "made_at": made_at_ms,
        "not_after": not_after_ms, "key_id": gate_keys.key_id(), "n": columns.n, "index_bits": bits,
        "width": columns.width, "rules": book.rules_as_json(),
        "combinations": [book.combination_as_json(code) for code in range(1, len(book.combinations) + 1)],
        "sensitive_age_seconds_max": SENSITIVE_AGE_SECONDS_MAX,
    }  # fmt: skip
    header["sections"], file_bytes = _laid_out(header, sizes=sizes)
    aside = out.with_name(f".{out.name}.{secrets.token_hex(8)}.aside")
    try:
        descriptor = os.open(aside, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "r+b") as handle:
            _write_sections(handle, header["sections"], index=index, columns=columns)
            handle.truncate(file_bytes)
            raw = gate_keys.canonical(header)
            beginning = _PROLOGUE.pack(MAGIC, len(raw), 0, file_bytes) + raw
            handle.seek(0)
            handle.write(beginning + gate_keys.public_key() + gate_keys.sign_snapshot(beginning))
            handle.flush()
            os.fsync(handle.fileno())
        aside.replace(out)
        sync_folder(out.parent)
    finally:
        aside.unlink(missing_ok=True)
    return Written(out, epoch, columns.n, file_bytes, hashlib.sha256(beginning).hexdigest())


def sync_folder(folder: Path) -> None:
    """Flush a folder to the disk, so that a rename in it outlives a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _laid_out(header: Mapping[str, Any], *, sizes: Mapping[str, int]) -> tuple[dict[str, dict[str, Any]], int]:
    """Return the sections with hashes still to come, and the size of the file; the header's own length moves them."""
    offset = PAGE
    while True:
        sections, end = dict[str, dict[str, Any]](), offset
        for name, size in sizes.items():
            sections[name] = {"offset": end, "bytes": size, "sha256": "0" * 64}
            end = _page_after(end + size)
        taken = _PROLOGUE.size + len(gate_keys.canonical({**header, "sections": sections})) + SIGNATURE_BYTES
        if taken <= offset:
            return sections, max(part["offset"] + part["bytes"] for part in sections.values())
        offset = _page_after(taken)


def _page_after(place: int) -> int:
    return -(-place // PAGE) * PAGE


@contextmanager
def _mapped(path: Path, *, n: int) -> Iterator[memoryview]:
    """Map a file of 8-byte numbers; an empty file cannot be mapped."""
    if not n:
        yield memoryview(b"").cast("Q")
        return
    with path.open("rb") as handle, mmap.mmap(handle.fileno(), n * 8, access=mmap.ACCESS_READ) as mapped:
        view = memoryview(mapped).cast("Q")
        try:
            yield view
        finally:
            view.release()


def _index(hashes: memoryview, *, bits: int) -> "array[int]":
    """Return, for every value of the leading bits, the first position whose hash has at least that value."""
    n, shift, found = len(hashes), 64 - bits, 0
    stride = 4 * max(1, n >> bits)
    index = array("I", [0])
    for value in range(1, 1 << bits):
        bound, end = value << shift, min(n, found + stride)
        while end < n and hashes[end - 1] < bound:
            end = min(n, end + stride)
        found = bisect_left(hashes, bound, found, end)
        index.append(found)
    index.append(n)
    return index


def _write_sections(
    handle: BinaryIO, sections: Mapping[str, dict[str, Any]], *, index: "array[int]", columns: Columns
) -> None:
    """Write the three sections where the header says, and put their hashes into it."""
    handle.seek(sections["index"]["offset"])
    handle.write(index)
    sections["index"]["sha256"] = hashlib.sha256(index).hexdigest()
    for name, source in (("hashes", columns.hashes), ("codes", columns.codes)):
        digest = hashlib.sha256()
        handle.seek(sections[name]["offset"])
        with source.open("rb") as reading:
            while piece := reading.read(_PIECE_BYTES):
                digest.update(piece)
                handle.write(piece)
        sections[name]["sha256"] = digest.hexdigest()


class ListFile:
    """A snapshot of our own making, mapped: for looking up ranks. ``check`` compares it with its hashes."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            with path.open("rb") as handle:
                self._map = mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ)
        except (OSError, ValueError) as error:
            raise _unreadable(path) from error
        view = memoryview(self._map)
        try:
            magic, header_bytes, _reserved, file_bytes = _PROLOGUE.unpack_from(view)
            end = _PROLOGUE.size + header_bytes
            self.header: dict[str, Any] = json.loads(bytes(view[_PROLOGUE.size : end]))
            self.sha256 = hashlib.sha256(view[:end]).hexdigest()
            self.slot = bytes(view[end : end + SIGNATURE_BYTES])
            parts = {name: self._part(view, name) for name in ("index", "hashes", "codes")}
            self._index, self._hashes = parts["index"].cast("I"), parts["hashes"].cast("Q")
            self._codes = parts["codes"].cast(CODE_TYPES[self.header["width"]])
        except (struct.error, ValueError, KeyError, TypeError) as error:
            raise _unreadable(path) from error
        if magic != MAGIC or file_bytes != len(self._map):
            raise _unreadable(path)
        self._shift = 64 - int(self.header["index_bits"])

    def _part(self, view: memoryview, name: str) -> memoryview:
        said = self.header["sections"][name]
        return view[said["offset"] : said["offset"] + said["bytes"]]

    @property
    def epoch(self) -> int:
        """Return the epoch the header says."""
        return int(self.header["epoch"])

    def rank_of(self, number: int) -> int:
        """Return the position of an account's hash in the list, or -1."""
        slot = number >> self._shift
        end = self._index[slot + 1]
        rank = bisect_left(self._hashes, number, self._index[slot], end)
        return rank if rank < end and self._hashes[rank] == number else -1

    def code_at(self, rank: int) -> int:
        """Return the number of the combination at a position."""
        return int(self._codes[rank])

    def counts(self) -> dict[int, int]:
        """Return how many accounts each combination has."""
        return dict(sorted(Counter(self._codes).items()))


def _unreadable(path: Path) -> ListUnreadable:
    return ListUnreadable(
        _("This is not a list for the gate, or not a whole one."), where=path, mend=_("Build or fetch it again.")
    )


def number_of(account: str) -> int:
    """Return the 64-bit number that stands for an account in this installation's lists."""
    digest = hashlib.sha256(gate_keys.hash_key_digits().encode() + account.encode())
    return int.from_bytes(digest.digest()[:8])
