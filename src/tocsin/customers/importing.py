"""Importing a list of customers: staged by COPY into tables that end with the transaction, then joined in sets.

All of a list or nothing of it: an import that was killed left nothing, and importing the same list again changes
nothing.
"""

import hashlib
import secrets
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

from django.db import connection, transaction

from tocsin.customers import merging, reading
from tocsin.customers.errors import ImportNotUnderstood
from tocsin.customers.reading import Column, Listing
from tocsin.customers.staging import RefusedFile, Staged, Stager
from tocsin.customers.values import Imported, Refusal
from tocsin.journal import commands as journal
from tocsin.journal.values import Author
from tocsin.kernel import clock, home
from tocsin.kernel.language import gettext as _
from tocsin.staff import permissions
from tocsin.staff.permissions import Act

Progress = Callable[[int, int], None]  # bytes read, bytes in all
ROWS_AT_ONCE = 20_000
_READ_BYTES = 1 << 20


def import_customers(
    path: Path,
    *,
    country: str = "",
    by: Author,
    progress: Progress = lambda _read, _all: None,
    refused: Path | None = None,
) -> Imported:
    """Take the people, accounts and addresses of a CSV into the address book; nothing is ever removed by it.

    ``country`` (ISO 3166-1, two letters) reads national telephone numbers. Rows of which something cannot be used are
    kept in ``refused``, by default a file of the data folder. Raises ImportNotUnderstood.
    """
    permissions.check(Act.WRITE_CUSTOMERS, by=by)
    try:
        file = path.open("rb")
    except OSError as error:
        raise ImportNotUnderstood(_("The list cannot be read: {why}").format(why=error), where=path) from error
    with file:
        listing = reading.listing(file, where=str(path))
        aside = RefusedFile(refused or _refused_path(), heading=listing.heading)
        try:
            with transaction.atomic():
                imported = _imported(listing, file=file, country=country, aside=aside, progress=progress, by=by)
                aside.close()  # before the commit: what was refused is on the disk, or nothing is taken in
        except BaseException as error:
            aside.discard()
            if not isinstance(error, OSError):
                raise
            raise ImportNotUnderstood(
                _("Nothing of the list is taken in: what is refused of it cannot be kept ({why}).").format(
                    why=error.strerror
                ),
                where=aside.path,
                mend=_("Free some space, or name another file with --refused."),
            ) from error
        return imported


def _refused_path() -> Path:
    folder = home.data_home() / "refused"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder / f"customers-{clock.now():%Y%m%dT%H%M%S}-{secrets.token_hex(4)}.csv"


def _imported(
    listing: Listing, *, file: BinaryIO, country: str, aside: RefusedFile, progress: Progress, by: Author
) -> Imported:
    merging.begin()
    lines = _stage(listing, file=file, country=country, aside=aside, progress=progress)
    merged = merging.merge(at=clock.now())
    places = {column: each[0] for column, each in listing.places.items()}
    for reason, found in (
        (Refusal.ACCOUNT_OF_ANOTHER, merging.contested()),
        (Refusal.NO_ADDRESS, merging.unreachable()),
    ):
        for line, account, key in found:
            known = {places[Column.ACCOUNT]: account}
            if Column.PERSON in places and not key.startswith(merging.AUTOMATIC):
                known[places[Column.PERSON]] = key
            aside.add_known(reason, line=line, known=known)
    if merged.made or merged.changed:
        journal.write(
            verb="customers.imported",
            subject="customers",
            by=by,
            facts={
                "lines": lines,
                "made": merged.made,
                "changed": merged.changed,
                "unchanged": merged.unchanged,
                "refused": {reason.value: n for reason, n in sorted(aside.counts.items())},
                "sha256": _sha256(file),
            },
        )
    return Imported(
        lines=lines, made=merged.made, changed=merged.changed, unchanged=merged.unchanged, refused=dict(aside.counts),
        refused_file=str(aside.path) if aside.counts else "", encoding=listing.encoding,
        columns=_columns(listing), ignored=listing.ignored,
    )  # fmt: skip


def _columns(listing: Listing) -> Mapping[str, str]:
    return {
        column.value: ", ".join(listing.heading[place].strip() for place in places)
        for column, places in listing.places.items()
    }


def _sha256(file: BinaryIO) -> str:
    digest = hashlib.sha256()
    file.seek(0)
    while block := file.read(_READ_BYTES):
        digest.update(block)
    return digest.hexdigest()


def _stage(listing: Listing, *, file: BinaryIO, country: str, aside: RefusedFile, progress: Progress) -> int:
    """Copy every row into the staging tables and return how many rows there were."""
    stager = Stager(listing, country=country.upper())
    total, lines = _size(file), 0

    def rows() -> Iterator[Staged]:
        nonlocal lines
        for row in listing.rows:
            lines += 1
            made = stager.staged(row)
            for reason, column in made.refused:
                aside.add(reason, line=row.line, column=column, cells=row.cells or (), raw=row.raw)
            if made.account or made.key:
                yield made

    source = rows()
    while batch := list(islice(source, ROWS_AT_ONCE)):
        _copy(batch)
        progress(min(file.tell(), total), total)
    progress(total, total)
    return lines


def _size(file: BinaryIO) -> int:
    return Path(file.name).stat().st_size


def _copy(batch: list[Staged]) -> None:
    with connection.cursor() as cursor:
        with cursor.copy(merging.COPY_LINES) as copying:
            for each in batch:
                copying.write_row((each.line, each.key, each.account, each.name, each.language))
        with cursor.copy(merging.COPY_ADDRESSES) as copying:
            for each in batch:
                for address in each.addresses:
                    row: tuple[Any, ...] = (each.line, address.kind.value, address.value, address.preferred)
                    copying.write_row(row)
