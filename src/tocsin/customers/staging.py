"""From a row of a list to what can be kept of it: a person's key, an account, addresses in their normal form."""

import csv
import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tocsin.customers import addresses
from tocsin.customers.reading import Column, Listing, Row
from tocsin.customers.values import Address, AddressKind, Refusal
from tocsin.kernel.redaction import csv_cell

_SEVERAL = re.compile(r"[;|\n]")  # several addresses in one cell
# Controls and what turns the direction of writing: a name is said in messages. Joiners stay, which scripts need.
_HIDDEN = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]")
_NOTHING = frozenset({"", "-", "n/a", "na", "null", "none", "nan", "\\n", "#n/a"})
_NOTHING_CHARACTERS_MAX = max(map(len, _NOTHING))
_REACHES = (Column.PHONE, Column.WHATSAPP, Column.EMAIL, Column.APP)
_PREFERRED = {
    "phone": AddressKind.PHONE, "sms": AddressKind.PHONE, "telephone": AddressKind.PHONE,
    "téléphone": AddressKind.PHONE, "mobile": AddressKind.PHONE, "email": AddressKind.EMAIL,
    "e-mail": AddressKind.EMAIL, "mail": AddressKind.EMAIL, "courriel": AddressKind.EMAIL,
    "whatsapp": AddressKind.WHATSAPP, "app": AddressKind.APP, "in-app": AddressKind.APP,
}  # fmt: skip
NAME_CHARACTERS_MAX = 200
KEY_CHARACTERS_MAX = 500


@dataclass(slots=True)
class Staged:
    """What one row gives. ``key`` is None where the row names no person: the account stands for one then."""

    line: int
    key: str | None
    account: str
    name: str
    language: str
    addresses: list[Address]
    refused: list[tuple[Refusal, str]] = field(default_factory=list)  # with the column


class Stager:
    """Turns rows into what can be kept; ``country`` reads national telephone numbers of rows that name none."""

    def __init__(self, listing: Listing, *, country: str) -> None:
        self.country = country
        self._single = [(column, places[0]) for column, places in listing.places.items() if column not in _REACHES]
        self._reaching = [(column, place) for column in _REACHES for place in listing.places.get(column, ())]

    def staged(self, row: Row) -> Staged:
        """Return what a row gives; nothing but its refusal when it cannot be read."""
        if row.cells is None:
            return Staged(row.line, None, "", "", "", [], [(Refusal.BAD_LINE, "")])
        cells = row.cells
        known = {column: text for column, place in self._single if place < len(cells) and (text := _said(cells[place]))}
        account, key = known.get(Column.ACCOUNT, ""), known.get(Column.PERSON)
        if not account and key is None:
            return Staged(row.line, None, "", "", "", [], [(Refusal.NO_ACCOUNT, Column.ACCOUNT)])
        if len(account) > KEY_CHARACTERS_MAX or len(key or "") > KEY_CHARACTERS_MAX:
            return Staged(row.line, None, "", "", "", [], [(Refusal.BAD_LINE, "")])
        name = " ".join(_HIDDEN.sub(" ", known.get(Column.NAME, "")).split())[:NAME_CHARACTERS_MAX]
        made = Staged(row.line, key, account, name, "", [])
        spoken = known.get(Column.LANGUAGE)
        if spoken:
            made.language = addresses.language(spoken) or ""
            if not made.language:
                made.refused.append((Refusal.BAD_LANGUAGE, Column.LANGUAGE))
        self._addresses(made, cells, known)
        return made

    def _addresses(self, made: Staged, cells: Sequence[str], known: Mapping[Column, str]) -> None:
        country = known.get(Column.COUNTRY, "").upper()
        if not country or not addresses.known_country(country):
            country = self.country
        found: dict[tuple[AddressKind, str], Address] = {}
        for column, place in self._reaching:
            for text in _several(column, cells[place]) if place < len(cells) else ():
                address = _address(column, text, country=country)
                if address is None:
                    reason = Refusal.BAD_EMAIL if column is Column.EMAIL else Refusal.BAD_PHONE
                    made.refused.append((reason, column))
                else:
                    found[address.kind, address.value] = address
        made.addresses = list(found.values())
        if Column.PREFERRED in known:
            made.addresses = _marked(made.addresses, _PREFERRED.get(known[Column.PREFERRED].lower()))


def _said(cell: str) -> str:
    """Return what a cell says: nothing where somebody wrote a word for nothing."""
    text = unguarded(cell.strip())
    return "" if len(text) <= _NOTHING_CHARACTERS_MAX and text.lower() in _NOTHING else text


def _several(column: Column, cell: str) -> Sequence[str]:
    """Return the addresses in a cell."""
    if column is Column.APP or not _SEVERAL.search(cell):
        text = _said(cell)
        return (text,) if text else ()
    return [text for part in _SEVERAL.split(cell) if (text := _said(part))]


def _address(column: Column, text: str, *, country: str) -> Address | None:
    if column is Column.WHATSAPP:
        return addresses.whatsapp(text, country=country)
    if column is Column.APP:
        return Address(AddressKind.APP, text)
    kind, value = (
        (AddressKind.EMAIL, addresses.email(text))
        if column is Column.EMAIL
        else (AddressKind.PHONE, addresses.phone(text, country=country))
    )
    return Address(kind, value) if value else None


def _marked(found: list[Address], preferred: AddressKind | None) -> list[Address]:
    """Mark the address a person prefers; WhatsApp is reached by telephone number where no other id is known."""
    if preferred is AddressKind.WHATSAPP and not any(each.kind is AddressKind.WHATSAPP for each in found):
        preferred = AddressKind.PHONE
    first = next((each for each in found if each.kind is preferred), None)
    return [Address(each.kind, each.value, preferred=True) if each is first else each for each in found]


def unguarded(cell: str) -> str:
    """Return a cell without the apostrophe that keeps a spreadsheet from computing it."""
    return cell[1:] if cell[:1] == "'" and csv_cell(cell[1:]) == cell else cell


class RefusedFile:
    """The rows of which something cannot be used, as they came and with the reason; made (0600) when there is one.

    Its heading begins with ``refused_line``, ``refused_reason``, ``refused_column``: an import passes over these, so
    that the file can be mended and imported.
    """

    def __init__(self, path: Path, *, heading: Sequence[str]) -> None:
        self.path = path
        self.heading = heading
        self.counts: Counter[Refusal] = Counter()
        self._writer: Any = None
        self._file: Any = None

    def add(self, reason: Refusal, *, line: int, column: str = "", cells: Sequence[str] = (), raw: str = "") -> None:
        """Count a refusal and keep its row."""
        if self._writer is None:
            descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            self._file = os.fdopen(descriptor, "w", encoding="utf-8", newline="")
            self._writer = csv.writer(self._file)
            self._writer.writerow(("refused_line", "refused_reason", "refused_column", *self.heading))
        self.counts[reason] += 1
        kept = [csv_cell(cell) for cell in cells] or [csv_cell(raw)]
        self._writer.writerow((line, reason.value, column, *kept))

    def add_known(self, reason: Refusal, *, line: int, known: Mapping[int, str]) -> None:
        """Count a refusal of which only some cells are at hand: place -> cell."""
        self.add(reason, line=line, cells=[known.get(place, "") for place in range(len(self.heading))])

    def close(self) -> None:
        """Finish the file."""
        if self._file is not None:
            self._file.close()

    def discard(self) -> None:
        """Remove the file: the import it belongs to did not happen."""
        with suppress(OSError):  # a full disk takes the rest of it no better than the beginning
            self.close()
        if self._file is not None and self.path.is_file():  # a device stays, and a file nothing was written to
            self.path.unlink()
