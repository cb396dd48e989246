"""Reading a list of customers as spreadsheets and data bases write it: encoding, delimiter, headings, broken lines."""

import codecs
import csv
import io
import re
import unicodedata
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import BinaryIO, TextIO

from tocsin.customers.errors import ImportNotUnderstood
from tocsin.kernel.language import gettext as _


class Column(StrEnum):
    """What a column of a list of customers can hold."""

    ACCOUNT = "account"
    PERSON = "person"
    NAME = "name"
    LANGUAGE = "language"
    PHONE = "phone"
    EMAIL = "email"
    WHATSAPP = "whatsapp"
    APP = "app"
    PREFERRED = "preferred"
    COUNTRY = "country"


# English and French headings, lower case, without accents, words joined by one blank.
_HEADINGS = {
    Column.ACCOUNT: "account|accounts|login|user|username|user name|user id|account id|compte|identifiant|"
    "nom d utilisateur|utilisateur|id compte|pseudo|identifiant client",
    Column.PERSON: "person|key|person id|person key|customer|customer id|customer number|client|client id|id client|"
    "numero client|numero de client|no client|n client|personne|id personne|cle|household id",
    Column.NAME: "name|full name|display name|customer name|nom|nom complet|nom et prenom|nom affiche|nom du client",
    Column.LANGUAGE: "language|lang|locale|langue|preferred language|langue preferee",
    Column.PHONE: "phone|phone number|telephone|telephone number|mobile|mobile phone|mobile number|cell|sms|tel|"
    "portable|numero de telephone|telephone portable|telephone mobile|tel portable|tel mobile|gsm|msisdn",
    Column.EMAIL: "email|e mail|mail|email address|e mail address|courriel|adresse email|adresse e mail|adresse mail|"
    "adresse electronique|mel",
    Column.WHATSAPP: "whatsapp|whatsapp number|numero whatsapp|whatsapp id|wa id|bsuid",
    Column.APP: "app|app id|in app|in app id|application|id application|external id|id externe",
    Column.PREFERRED: "preferred|preferred channel|preferred address|channel|canal|canal prefere|prefere|preference",
    Column.COUNTRY: "country|country code|pays|code pays",
}  # fmt: skip
_KNOWN = {heading: column for column, headings in _HEADINGS.items() for heading in headings.split("|")}
_SEVERAL = frozenset({Column.PHONE, Column.EMAIL})  # a first and a second one are usual
_DELIMITERS = ",;\t|"
_SAID_DELIMITER = re.compile(r'"?sep=(.)"?', re.IGNORECASE)
LINES_OF_ROW_MAX = 10  # a cell may hold line breaks; one that holds more has a quotation mark nobody closed
LINE_CHARACTERS_MAX = 100_000
_READ_BYTES = 1 << 20
_START_BYTES = 4096
_NOT_TEXT = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0", b"%PDF")  # xlsx and ods; xls; PDF
_BOMS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))


@dataclass(frozen=True, slots=True)
class Row:
    """One row: the line it begins on (from 1), and its cells; where it cannot be read, None and its text, ``raw``."""

    line: int
    cells: Sequence[str] | None
    raw: str = ""


@dataclass(slots=True)
class Listing:
    """A list that is being read. ``places`` says at which places each column is; the first of several comes first."""

    encoding: str
    heading: tuple[str, ...]
    places: Mapping[Column, tuple[int, ...]]
    ignored: tuple[str, ...]
    rows: Iterator[Row] = field(repr=False)
    text: TextIO = field(repr=False)  # held: were it let go of, the file below would be closed


def encoding_of(file: BinaryIO) -> str:
    """Return ``utf-8``, ``utf-8-sig`` or ``utf-16`` by what the bytes are, else ``cp1252`` (Windows' Latin-1)."""
    file.seek(0)
    start = file.read(4)
    for mark, name in _BOMS:
        if start.startswith(mark):
            return name
    decoder = codecs.getincrementaldecoder("utf-8")()
    file.seek(0)
    try:
        while block := file.read(_READ_BYTES):
            decoder.decode(block)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return "cp1252"
    return "utf-8"


def listing(file: BinaryIO, *, where: str) -> Listing:
    """Begin to read a list: its first line is the heading. Raises ImportNotUnderstood when it is none."""
    encoding = encoding_of(file)
    file.seek(0)
    if not encoding.startswith("utf-16") and _is_no_text(file.read(_START_BYTES)):
        raise ImportNotUnderstood(
            _("This is no CSV: it is a spreadsheet's own file, a picture, or UTF-16 without its mark."), where=where,
            mend=_("Save it as CSV from the spreadsheet, best in UTF-8, and import that."),
        )  # fmt: skip
    file.seek(0)
    text = io.TextIOWrapper(file, encoding=encoding, errors="replace", newline="")
    lines = _Lines(text)
    first = next(lines, "")
    if said := _SAID_DELIMITER.fullmatch(first.strip()):  # what Excel writes and reads before the heading
        lines.taken.clear()
        first = next(lines, "")
    lines.put_back()
    delimiter = said[1] if said else max(_DELIMITERS, key=lambda each: _understood(first, each))
    heading = next(csv.reader(lines, delimiter=delimiter), [])
    lines.taken.clear()
    places, ignored = _placed(heading)
    if Column.ACCOUNT not in places:
        raise ImportNotUnderstood(
            _("The list has no column of accounts in its first line."), where=f"{where}:1",
            mend=_("The first line names the columns: account, person, name, language, phone, email, whatsapp, app."),
        )  # fmt: skip
    rows = _rows(lines, delimiter=delimiter, columns=len(heading))
    return Listing(encoding, tuple(heading), places, ignored, rows, text)


def _is_no_text(start: bytes) -> bool:
    return b"\0" in start or start.startswith(_NOT_TEXT)


def _understood(line: str, delimiter: str) -> int:
    """Return how many headings a line has that are understood, cut this way."""
    return sum(_plain(cell) in _KNOWN for cell in next(csv.reader([line], delimiter=delimiter), []))


def _placed(heading: Sequence[str]) -> tuple[dict[Column, tuple[int, ...]], tuple[str, ...]]:
    places: dict[Column, tuple[int, ...]] = {}
    ignored = []
    for place, cell in enumerate(heading):
        plain = _plain(cell)
        column = _KNOWN.get(plain)
        if column is None and (numbered := _KNOWN.get(re.sub(r" ?\d$", "", plain))) in _SEVERAL:
            column = numbered
        if column is None or (column in places and column not in _SEVERAL):
            ignored.append(cell.strip())
        else:
            places[column] = (*places.get(column, ()), place)
    return places, tuple(ignored)


def _plain(cell: str) -> str:
    split = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", cell.strip())  # phoneNumber
    bare = unicodedata.normalize("NFKD", split).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", " ", bare).strip()


class _Lines:
    """The lines of a file, of which those taken since the last row can be put back, all or all but the first."""

    def __init__(self, lines: Iterator[str]) -> None:
        self.lines = lines
        self.back: deque[str] = deque()
        self.taken: list[str] = []
        self.number = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self.back.popleft() if self.back else next(self.lines)
        self.number += 1
        self.taken.append(line)
        if len(self.taken) > LINES_OF_ROW_MAX or len(line) > LINE_CHARACTERS_MAX:
            raise csv.Error
        return line

    def put_back(self, *, but: int = 0) -> None:
        self.back.extendleft(reversed(self.taken[but:]))
        self.number -= len(self.taken) - but
        self.taken.clear()


def _rows(lines: _Lines, *, delimiter: str, columns: int) -> Iterator[Row]:
    """Yield rows; a line whose quotation marks swallow those after it is one bad line, and no other is lost."""
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error:
            first = lines.taken[0] if lines.taken else ""
            lines.put_back(but=1)
            yield Row(lines.number, None, first.rstrip("\r\n"))
            reader = csv.reader(lines, delimiter=delimiter, strict=True)
            continue
        line = lines.number - len(lines.taken) + 1
        broken = any(cells[columns:]) or "\x00" in "".join(cells)
        raw = "".join(lines.taken) if broken else ""
        lines.taken.clear()
        if any(cells):
            yield Row(line, None if broken else cells, raw.rstrip("\r\n"))
