"""From staged accounts to a snapshot: sorted, those of one account made one, written and signed."""

import shutil
import tempfile
from array import array
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from tocsin.containment import gate_file
from tocsin.containment.errors import ListNotWritten
from tocsin.containment.gate_demands import Rulebook, merged
from tocsin.containment.gate_file import CODE_TYPES, Columns, Written
from tocsin.containment.gate_keys import hash_key_digits
from tocsin.events import queries as events
from tocsin.kernel.language import gettext as _, gettext_noop

MEMORY_MEGABYTES = 700  # of the sorting; the rest goes to the scratch folder
READING = gettext_noop("Reading and hashing accounts")
SORTING = gettext_noop("Sorting and writing")
SIGNING = gettext_noop("Checking and signing")
_SQL_TYPES = {1: "UTINYINT", 2: "USMALLINT", 4: "UINTEGER"}
_SAME, _BACKWARDS = 1, 2  # what the query says of a row and the one before

Told = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Sorted:
    """The columns of a list, how many rows were of an account seen before, and how many strangers share a number."""

    columns: Columns
    repeated: int
    shared: int


def number_sql(account: str) -> str:
    """Return the SQL of the number that stands for an account: the first 64 bits of SHA-256 over key and account."""
    return f"('0x' || substr(sha256('{hash_key_digits()}' || {account}), 1, 16))::UBIGINT"


def second_number_sql(account: str) -> str:
    """Return the SQL of another number, which tells two rows of one account from two accounts with one number."""
    return f"(hash({account}) & 4294967295)::UINTEGER"


@contextmanager
def workplace(near: Path) -> Iterator[Path]:
    """Make a folder for passing files (0700) beside where the list will be, and clear it away afterwards."""
    folder: Path | None = None
    try:
        folder = Path(tempfile.mkdtemp(prefix=".building-", dir=near))
        yield folder
    except OSError as error:
        raise ListNotWritten(
            _("The list could not be written: {error}").format(error=error.strerror or error),
            where=near,
            mend=_("Make room or check the permissions; the list before is untouched."),
        ) from error
    finally:
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)


def sort(store: events.EventStore, sql: str, *, book: Rulebook, work: Path) -> Sorted:
    """Sort the rows of a SELECT (``h`` UBIGINT, ``second`` UINTEGER, ``code``) into two files.

    Rows of one account become one that asks everything any of them asks. So do two accounts that share their number (at
    40 million the odds of one such pair are 1 in 23,000): both are on the list anyway, each then for the stricter.
    """
    width = _width(len(book.combinations))
    # The window has no order of its own, so it streams over the sorted rows, and proves their order on the way.
    ordered = (
        "SELECT h, code, second, (CASE WHEN h = lag(h) OVER () THEN 1 WHEN h < lag(h) OVER () THEN 2 ELSE 0 END)"
        f"::UTINYINT AS follows FROM (SELECT h, code::{_SQL_TYPES[width]} AS code, second FROM ({sql}) ORDER BY h)"
    )
    hashes, codes = work / "hashes", work / "codes"
    with hashes.open("wb") as to_hashes, codes.open("wb") as to_codes:
        sorting = _Sorting(book, width=width, hashes=to_hashes, codes=to_codes)
        for block in store.blocks(ordered, widths=(8, width, 4, 1)):
            sorting.take(*block)
        sorting.finish()
    needed = _width(len(book.combinations))
    if sorting.wide or needed > width:
        _widened(codes, wide=sorting.wide, width=width, to=needed, work=work)
    return Sorted(Columns(hashes, codes, sorting.n, needed), sorting.repeated, sorting.shared)


def write(
    out: Path, *, found: Sorted, book: Rulebook, epoch: int, made_at_ms: int, not_after_ms: int | None
) -> Written:
    """Write and sign the snapshot of sorted columns."""
    return gate_file.write(
        out, columns=found.columns, book=book, epoch=epoch, made_at_ms=made_at_ms, not_after_ms=not_after_ms
    )


def _width(combinations: int) -> int:
    return 1 if combinations < 1 << 8 else 2 if combinations < 1 << 16 else 4


class _Sorting:
    """Takes sorted blocks and writes them, making runs of one number one row. The last run waits for the next block."""

    def __init__(self, book: Rulebook, *, width: int, hashes: BinaryIO, codes: BinaryIO) -> None:
        self.n = self.repeated = self.shared = 0
        self.wide: dict[int, int] = {}  # position -> a code that does not fit the column as it is
        self._book, self._type = book, CODE_TYPES[width]
        self._code_max = (1 << (8 * width)) - 1
        self._out_hashes, self._out_codes = hashes, codes
        self._hashes, self._codes, self._seconds = array("Q"), array(self._type), array("I")
        self._follows = bytearray()
        self._merged: dict[tuple[int, ...], int] = {}

    def take(self, hashes: memoryview, codes: memoryview, seconds: memoryview, follows: memoryview) -> None:
        """Take the next block; columns are the bytes of the query's, in its order."""
        self._hashes.frombytes(hashes)
        self._codes.frombytes(codes)
        self._seconds.frombytes(seconds)
        self._follows += follows
        end = len(self._follows) - 1
        while end > 0 and self._follows[end] == _SAME:
            end -= 1
        if end > 0:
            self._write(end)

    def finish(self) -> None:
        """Write what waits."""
        self._write(len(self._follows))

    def _write(self, end: int) -> None:
        """Write the first ``end`` rows, which begin and end with whole runs, and forget them."""
        follows = self._follows
        if follows.find(_BACKWARDS, 0, end) >= 0:
            raise ListNotWritten("the rows did not come in order")
        start, at = 0, follows.find(_SAME, 0, end)
        while at >= 0:
            first = at - 1
            self._write_plain(start, first)
            last = at
            while last + 1 < end and follows[last + 1] == _SAME:
                last += 1
            self._write_run(first, last + 1)
            start, at = last + 1, follows.find(_SAME, last + 1, end)
        self._write_plain(start, end)
        del self._hashes[:end], self._codes[:end], self._seconds[:end], follows[:end]

    def _write_plain(self, start: int, end: int) -> None:
        if end > start:
            self._out_hashes.write(memoryview(self._hashes)[start:end])
            self._out_codes.write(memoryview(self._codes)[start:end])
            self.n += end - start

    def _write_run(self, start: int, end: int) -> None:
        codes = tuple(sorted(set(self._codes[start:end])))
        accounts = len(set(self._seconds[start:end]))
        self.repeated += end - start - accounts
        self.shared += accounts - 1
        code = codes[0] if len(codes) == 1 else self._code_of_all(codes)
        if code > self._code_max:
            self.wide[self.n], code = code, 0
        self._out_hashes.write(memoryview(self._hashes)[start : start + 1])
        self._out_codes.write(array(self._type, [code]))
        self.n += 1

    def _code_of_all(self, codes: tuple[int, ...]) -> int:
        code = self._merged.get(codes)
        if code is None:
            references = {self._book.references[each - 1] for each in codes} - {""}
            code = self._merged[codes] = self._book.code_of(
                merged(self._book.demands_of(each) for each in codes), reference=" ".join(sorted(references))
            )
        return code


def _widened(codes: Path, *, wide: dict[int, int], width: int, to: int, work: Path) -> None:
    """Write the column of codes anew with wider numbers, and put those in that did not fit before."""
    aside = work / "codes.wide"
    with codes.open("rb") as reading, aside.open("wb") as writing:
        while piece := reading.read(1 << 20):
            narrow = array(CODE_TYPES[width])
            narrow.frombytes(piece)
            writing.write(array(CODE_TYPES[to], narrow))
    with aside.open("r+b") as handle:
        for position, code in wide.items():
            handle.seek(position * to)
            handle.write(array(CODE_TYPES[to], [code]))
    aside.replace(codes)
