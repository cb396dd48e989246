"""A stream of bytes cut into numbered lines of clean UTF-8, in chunks a reader takes at a time."""

import csv
import io
import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice

import orjson

from tocsin.events.values import Shape

CHUNK_BYTES = 16 * 1024 * 1024
LINE_BYTES_MAX = 16 * 1024 * 1024
KEPT_OF_A_LONG_LINE = 4096
DOCUMENT_BYTES_MAX = 2 * 1024**3
QUOTED_LINES_MAX = 100  # a quoted CSV cell that runs over more physical lines is a stray quote
PLACEHOLDER = b"\x02"  # stands in a chunk for a line refused before any format saw it
# U+2400 and its neighbours are the pictures of control characters (Unicode block 2400).
_CONTROL = {0x00: "\u2400", 0x01: "\u2401", 0x02: "\u2402", 0x0D: "\u240d"}
_WRAPPER = re.compile(r'\A\s*\{\s*"(?:Records|records|value|items|events|logEvents)"\s*:\s*\[')


@dataclass(slots=True)
class Chunk:
    """Consecutive lines of one source. ``data`` holds ``count`` lines, each ended by a newline."""

    first_line: int
    count: int = 0
    data: bytes = b""
    refused: list[tuple[int, str, str]] = field(default_factory=list)  # line number, reason, text


def clean(line: bytes) -> bytes:
    """Return one line (or several) as UTF-8 without the characters the readers use for themselves.

    A line that is not UTF-8 is taken as Latin-1, which every byte string is and which loses nothing.
    """
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError:
        text = line.decode("latin-1")
    return text.translate(_CONTROL).encode("utf-8", "backslashreplace")


def _clean_lines(block: bytes) -> bytes:
    """Clean a block of whole lines, fast when nothing is wrong with it."""
    if b"\r" in block:
        block = block.replace(b"\r\n", b"\n")
    if not any(byte in block for byte in (b"\x00", b"\x01", b"\x02", b"\r")):
        try:
            block.decode("utf-8")
        except UnicodeDecodeError:
            pass
        else:
            return block
    return b"\n".join(clean(line) for line in block.split(b"\n"))


def text_chunks(blocks: Iterable[bytes], *, cut: Callable[[], str]) -> Iterator[Chunk]:
    """Cut physical lines. ``cut`` says, once the blocks have ended, why they ended early (or is empty).

    The fragment before a cut is one refused line: what it would have said is unknown.
    """
    first_line, held = 1, b""
    for block in blocks:
        held += block
        if len(held) < CHUNK_BYTES:
            continue
        end = held.rfind(b"\n") + 1
        if not end:
            if len(held) <= LINE_BYTES_MAX * 2:
                continue
            end = len(held)
        for chunk in _text_chunk(held[:end], first_line=first_line):
            yield chunk
            first_line += chunk.count
        held = held[end:]
    fragment = b""
    if cut():
        end = held.rfind(b"\n") + 1
        held, fragment = held[:end], held[end:]
    for chunk in _text_chunk(held, first_line=first_line):
        yield chunk
        first_line += chunk.count
    if cut() and fragment:
        yield refused_chunk(first_line, reason=f"cut off ({cut()})", text=fragment)


def refused_chunk(line: int, *, reason: str, text: bytes) -> Chunk:
    """Return a chunk of one line that no format gets to see."""
    kept = clean(text[:KEPT_OF_A_LONG_LINE]).decode("utf-8", "replace")
    return Chunk(line, 1, PLACEHOLDER + b"\n", [(line, reason, kept)])


def _text_chunk(block: bytes, *, first_line: int) -> Iterator[Chunk]:
    if not block:
        return
    if not block.endswith(b"\n"):
        block += b"\n"
    refused: list[tuple[int, str, str]] = []
    if _has_long_line(block):
        lines = block.split(b"\n")[:-1]
        for number, line in enumerate(lines):
            if len(line) > LINE_BYTES_MAX:
                reason = f"longer than {LINE_BYTES_MAX // 1024**2} MiB, the start is kept"
                refused += refused_chunk(first_line + number, reason=reason, text=line).refused
                lines[number] = PLACEHOLDER
        kept = [line if line == PLACEHOLDER else clean(line.removesuffix(b"\r")) for line in lines]
        yield Chunk(first_line, len(kept), b"\n".join(kept) + b"\n", refused)
        return
    data = _clean_lines(block)
    yield Chunk(first_line, data.count(b"\n"), data)


def _has_long_line(block: bytes) -> bool:
    start = 0
    while len(block) - start > LINE_BYTES_MAX:
        end = block.rfind(b"\n", start, start + LINE_BYTES_MAX + 1)
        if end < 0:
            return True
        start = end + 1
    return False


def record_chunks(records: Iterable[bytes | tuple[str, bytes]], *, chunk_bytes: int = CHUNK_BYTES) -> Iterator[Chunk]:
    """Gather records (JSON text, or a reason and the text it refuses) into chunks, numbered from 1."""
    chunk, parts, size = Chunk(1), [], 0
    for record in records:
        if isinstance(record, tuple):
            reason, text = record
            chunk.refused += refused_chunk(chunk.first_line + chunk.count, reason=reason, text=text).refused
            parts.append(PLACEHOLDER)
        elif len(record) > LINE_BYTES_MAX:
            reason = f"longer than {LINE_BYTES_MAX // 1024**2} MiB, the start is kept"
            chunk.refused += refused_chunk(chunk.first_line + chunk.count, reason=reason, text=record).refused
            parts.append(PLACEHOLDER)
        else:
            parts.append(record)
            size += len(record)
        chunk.count += 1
        if size >= chunk_bytes:
            chunk.data = b"\n".join(parts) + b"\n"
            yield chunk
            chunk, parts, size = Chunk(chunk.first_line + chunk.count), [], 0
    if parts:
        chunk.data = b"\n".join(parts) + b"\n"
        yield chunk


def _json_line(value: object) -> bytes:
    try:
        return orjson.dumps(value)
    except TypeError:  # numbers beyond 64 bits, lone surrogates
        return json.dumps(value, ensure_ascii=True).encode()


def document_records(content: bytes) -> Iterator[bytes | tuple[str, bytes]]:
    """Yield the elements of a JSON document: of an array, of ``Records`` and its like, or objects one after another.

    After a damaged element reading goes on at the next one that begins as the first did.
    """
    text = clean(content).decode("utf-8", "replace")
    wrapped = _WRAPPER.match(text)
    at = wrapped.end() if wrapped else len(text) - len(text.lstrip())
    if not wrapped and text[at : at + 1] == "[":
        at += 1
    decoder = json.JSONDecoder()
    separators = re.compile(r"[\s,]*")
    closing = re.compile(r"\s*\][\s\]\}]*\Z") if wrapped else re.compile(r"\s*\]?\s*\Z")
    opening = re.compile(r'\{\s*"[^"]*"\s*:')
    pattern: re.Pattern[str] | None = None
    while True:
        skipped = separators.match(text, at)
        at = skipped.end() if skipped else at
        if at >= len(text) or closing.match(text, at):
            return
        if wrapped and text[at] == "]":
            return  # what follows Records is about the delivery, not an event
        try:
            value, end = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            following = pattern.search(text, at + 1) if pattern else None
            end = following.start() if following else len(text)
            yield "cut off or damaged JSON", text[at:end].encode("utf-8", "replace")
            at = end
            continue
        if pattern is None and (start := opening.match(text, at)):
            key = re.escape(start.group(0)[1:].strip().rstrip(":").strip())
            pattern = re.compile(r"\{\s*" + key + r"\s*:")
        at = end
        if isinstance(value, dict):
            yield _json_line(value)
        else:
            yield "not a JSON object", _json_line(value)


def csv_records(lines: Iterator[str], *, header: list[str], delimiter: str) -> Iterator[bytes | tuple[str, bytes]]:
    """Yield CSV rows as JSON objects keyed by the header. A stray quote costs its own row, not the rest of the file."""
    waiting: list[str] = []

    def next_line() -> str | None:
        return waiting.pop(0) if waiting else next(lines, None)

    while (line := next_line()) is not None:
        row, taken = line, [line]
        while row.count('"') % 2 and len(taken) < QUOTED_LINES_MAX:
            following = next_line()
            if following is None:
                break
            taken.append(following)
            row += "\n" + following
        cells = None if row.count('"') % 2 else _csv_cells(row, delimiter=delimiter)
        if cells is not None and len(cells) == len(header):
            yield _json_line(dict(zip(header, cells, strict=True)))
            continue
        waiting[:0] = taken[1:]
        reason = "stray quote" if line.count('"') % 2 else "empty line" if not line else "wrong number of cells"
        yield reason, line.encode("utf-8", "replace")


def _csv_cells(row: str, *, delimiter: str) -> list[str] | None:
    csv.field_size_limit(LINE_BYTES_MAX)
    try:
        rows = list(csv.reader(io.StringIO(row, newline=""), delimiter=delimiter))
    except csv.Error:
        return None
    return rows[0] if len(rows) == 1 else None


def physical_lines(blocks: Iterable[bytes]) -> Iterator[str]:
    """Yield clean physical lines as text, one at a time."""
    held = b""
    for block in blocks:
        held += block
        *whole, held = held.split(b"\n")
        for line in whole:
            yield clean(line.removesuffix(b"\r")).decode("utf-8", "replace")
    if held:
        yield clean(held.removesuffix(b"\r")).decode("utf-8", "replace")


@dataclass(frozen=True, slots=True)
class Cut:
    """How a file is to be cut, read off its first block."""

    shape: Shape
    document: bool = False
    header: tuple[str, ...] = ()
    delimiter: str = ","


def cut_of(head: bytes) -> Cut:
    """Tell from its first block how a file is to be cut."""
    if head.startswith(b"PAR1"):
        return Cut(Shape.PARQUET)
    text = clean(head[: 4 * 1024 * 1024].replace(b"\r\n", b"\n")).decode("utf-8", "replace")
    lines = [line for line in text.split("\n")[:200] if line.strip()]
    if not lines:
        return Cut(Shape.TEXT)
    objects = sum(_is_object(line) for line in lines[: 50 if len(lines) > 1 else 1])
    if objects * 2 >= min(len(lines), 50) and not _WRAPPER.match(text):
        return Cut(Shape.JSON)
    start = text.lstrip()
    if _WRAPPER.match(text) or re.match(r"\[\s*[\{\]]", start) or re.match(r'\{\s*("|\})', start):
        return Cut(Shape.JSON, document=True)
    return _csv_cut(lines) or Cut(Shape.TEXT)


def _is_object(line: str) -> bool:
    try:
        return isinstance(orjson.loads(line), dict)
    except orjson.JSONDecodeError:
        return False


def _csv_cut(lines: list[str]) -> Cut | None:
    for delimiter in (",", ";", "\t", "|"):
        header = _csv_cells(lines[0].lstrip("\ufeff"), delimiter=delimiter)
        if header is None or len(header) < 3 or lines[0].startswith("#"):
            continue
        if not all(re.fullmatch(r"[A-Za-z_@][\w .:/()\[\]@#%-]{0,80}", cell.strip()) for cell in header[1:]):
            continue
        if len({cell.strip() for cell in header}) != len(header):
            continue
        rows = list(csv_records(islice(lines, 1, 30), header=header, delimiter=delimiter))
        fitting = sum(isinstance(row, bytes) for row in rows)
        if not rows or fitting * 2 >= len(rows):
            return Cut(Shape.CSV, header=tuple(cell.strip() for cell in header), delimiter=delimiter)
    return None
