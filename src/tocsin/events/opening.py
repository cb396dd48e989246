"""Files, folders and globs to streams of plain bytes, whatever they are packed in."""

import codecs
import hashlib
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from backports import zstd

from tocsin.events.errors import SourceUnreadable
from tocsin.kernel.language import gettext as _

BLOCK_BYTES = 8 * 1024 * 1024
GZIP_MAGIC = b"\x1f\x8b"
ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
PARQUET_MAGIC = b"PAR1"


def expand(paths: Iterable[str | Path], *, without: Path | None = None) -> list[Path]:
    """Return the files that paths, folders (searched whole) and globs name, each once, sorted.

    Hidden files and everything below ``without`` (the folder being written) are passed over. A path that leads to
    nothing is an error: a mistyped name must not look like a quiet log.
    """
    found: dict[Path, None] = {}
    for given in paths:
        path = Path(given).expanduser()
        if path.is_dir():
            inside = sorted(part for part in path.rglob("*") if part.is_file())
            named = [part for part in inside if not any(step.startswith(".") for step in part.relative_to(path).parts)]
        elif path.exists():
            named = [path]
        else:
            named = sorted(part for part in _globbed(path) if part.is_file())
        if not named:
            raise SourceUnreadable(
                _("Nothing is there to read."), where=path, mend=_("Check the path, the glob, or your permissions.")
            )
        for part in named:
            resolved = part.resolve()
            if without is None or not resolved.is_relative_to(without.resolve()):
                found[resolved] = None
    return sorted(found)


def _globbed(path: Path) -> Iterator[Path]:
    """Yield what a pattern matches, from the deepest folder that is written without wildcards."""
    steps = path.parts
    plain = next((number for number, step in enumerate(steps) if any(sign in step for sign in "*?[")), None)
    if plain is not None:
        yield from Path(*steps[:plain]).glob(str(Path(*steps[plain:])))


def digest_of(path: Path) -> str:
    """Return the SHA-256 of a file as it lies on disk, in hex."""
    try:
        with path.open("rb") as handle:
            return hashlib.file_digest(handle, "sha256").hexdigest()
    except OSError as error:
        raise SourceUnreadable(str(error.strerror or error), where=path) from error


class ByteStream:
    """The unpacked bytes of a file in blocks; ``cut`` says why they ended early, if they did."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.cut = ""
        self.consumed_bytes = 0  # of the file as it lies on disk, for progress

    def __iter__(self) -> Iterator[bytes]:
        blocks = self._unpacked()
        first = next(blocks, b"")
        if first.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            yield from self._from_utf16(first, blocks)
            return
        yield first.removeprefix(codecs.BOM_UTF8)
        yield from blocks

    def _raw(self) -> Iterator[bytes]:
        with self.path.open("rb") as handle:
            while block := handle.read(BLOCK_BYTES):
                self.consumed_bytes += len(block)
                yield block

    def _unpacked(self) -> Iterator[bytes]:
        with self.path.open("rb") as handle:
            magic = handle.read(4)
        if magic.startswith(GZIP_MAGIC):
            return self._gunzipped()
        if magic == ZSTD_MAGIC:
            return self._unzstd()
        return self._raw()

    def _gunzipped(self) -> Iterator[bytes]:
        member = zlib.decompressobj(wbits=31)
        fresh = True
        for packed in self._raw():
            block = packed
            while block:
                try:
                    # At most one block at a time comes out, so that a bomb cannot fill the memory.
                    yield member.decompress(block, BLOCK_BYTES)
                except zlib.error as error:
                    # Bytes after a whole member that are no member are padding, not damage.
                    if not fresh:
                        self.cut = f"gzip: {error}"
                    return
                fresh = False
                block = member.unconsumed_tail
                if member.eof:
                    block = member.unused_data.lstrip(b"\0")
                    member, fresh = zlib.decompressobj(wbits=31), True
        if not fresh:
            yield member.flush()
            if not member.eof:
                self.cut = "gzip: the file ends in the middle"

    def _unzstd(self) -> Iterator[bytes]:
        frame = zstd.ZstdDecompressor()
        try:
            for packed in self._raw():
                block = packed
                while block or not frame.needs_input:
                    yield frame.decompress(block, max_length=BLOCK_BYTES)
                    block = b""
                    if frame.eof:
                        block, frame = frame.unused_data, zstd.ZstdDecompressor()
                        if not block:
                            break
        except zstd.ZstdError as error:
            self.cut = f"zstd: {error}"
            return
        if not frame.eof and not frame.needs_input:
            self.cut = "zstd: the file ends in the middle"

    @staticmethod
    def _from_utf16(first: bytes, blocks: Iterator[bytes]) -> Iterator[bytes]:
        decoder = codecs.getincrementaldecoder("utf-16")(errors="replace")
        yield decoder.decode(first).encode("utf-8", "replace")
        for block in blocks:
            yield decoder.decode(block).encode("utf-8", "replace")
        yield decoder.decode(b"", final=True).encode("utf-8", "replace")
