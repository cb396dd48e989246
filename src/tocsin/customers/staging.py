"""From a row of a list to what can be kept of it: a person's key, an account, addresses in their normal form."""

import csv
import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tocsin.customers import addresses
from tocsin.customers.reading import Column, Listing, Row
from tocsin.customers.values import Address, AddressKind, Refusal
from tocsin.kernel.redaction import csv_cell

_SEVERAL = re.compile(r"[;|\n]")  # several addresses in one cell
_NOTHING = frozenset({"", "-", "n/a", "na", "null", "none", "nan", "\\n", "#n/a"})
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
        self.places = listing.places
        self.country = country

    def staged(self, row: Row) -> Staged:
        """Return what a row gives; nothing but its refusal when it cannot be read."""
        if row.cells is None:
            return Staged(row.line, None, "", "", "", [], [(Refusal.BAD_LINE, "")])
        cells = row.cells
        made = Staged(row.line, self._one(cells, Column.PERSON) or None, self._one(cells, Column.ACCOUNT), "", "", [])
        if not made.account and made.key is None:
            made.refused.append((Refusal.NO_ACCOUNT, Column.ACCOUNT))
            return made
        if len(made.account) > KEY_CHARACTERS_MAX or len(made.key or "") > KEY_CHARACTERS_MAX:
            return Staged(row.line, None, "", "", "", [], [(Refusal.BAD_LINE, "")])
        made.name = " ".join(self._one(cells, Column.NAME).split())[:NAME_CHARACTERS_MAX]
        self._language(made, cells)
        self._addresses(made, cells)
        return made

    def _one(self, cells: Sequence[str], column: Column) -> str:
        for place in self.places.get(column, ()):
            if place < len(cells) and (text := unguarded(cells[place].strip())):
                return "" if text.lower() in _NOTHING else text
        return ""

    def _language(self, made: Staged, cells: Sequence[str]) -> None:
        text = self._one(cells, Column.LANGUAGE)
        tag = addresses.language(text) if text else ""
        if tag is None:
            made.refused.append((Refusal.BAD_LANGUAGE, Column.LANGUAGE))
        made.language = tag or ""

    def _addresses(self, made: Staged, cells: Sequence[str]) -> None:
        country = self._one(cells, Column.COUNTRY).upper()
        country = country if country and addresses.known_country(country) else self.country
        preferred = _PREFERRED.get(self._one(cells, Column.PREFERRED).lower())
        found: dict[tuple[AddressKind, str], Address] = {}
        for column, text in self._given(cells):
            address = _address(column, text, country=country)
            if address is None:
                reason = Refusal.BAD_EMAIL if column is Column.EMAIL else Refusal.BAD_PHONE
                made.refused.append((reason, column))
            else:
                found.setdefault((address.kind, address.value), address)
        made.addresses = _marked(list(found.values()), preferred)

    def _given(self, cells: Sequence[str]) -> Iterator[tuple[Column, str]]:
        for column in (Column.PHONE, Column.WHATSAPP, Column.EMAIL, Column.APP):
            for place in self.places.get(column, ()):
                cell = cells[place] if place < len(cells) else ""
                for part in _SEVERAL.split(cell) if column is not Column.APP else (cell,):
                    text = unguarded(part.strip())
                    if text.lower() not in _NOTHING:
                        yield column, text


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
        self.close()
        self.path.unlink(missing_ok=True)
