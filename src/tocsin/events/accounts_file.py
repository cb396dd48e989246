"""The operator's list of accounts: which of its columns are other names of the account, and what they say."""

import csv
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tocsin.kernel.errors import TocsinError
from tocsin.kernel.language import gettext as _

# A column is a name when its header is one of these words, with or without a word before it that says whose or which
# (``work_email``, ``user id``, ``Old-Login``, ``alias2``). Words two accounts may share (name, country, plan, phone)
# are none: joining by them would make one account of two people.
_NAME = re.compile(
    r"(?:(?:account|user|customer|member|subscriber|patient|client|person|external|internal|legacy|crm|"
    r"old|former|previous|new|primary|secondary|work|private|personal|contact)_)*"
    r"(?:id|uid|uuid|guid|sub|login|login_name|logon|logon_name|sign_in_name|e_?mail|e_?mail_address|mail|alias(?:es)?|"
    r"account|user|username|user_name|handle|upn|user_principal_name|customer|member|subscriber|number)"
    r"(?:_?\d{1,2})?"
)


@dataclass(frozen=True, slots=True)
class AccountColumns:
    """The header of a list of accounts: the account's own column, those taken as its other names, and those left."""

    account: str
    taken: tuple[str, ...]
    left: tuple[str, ...]


def columns_of(path: Path) -> AccountColumns:
    """Return how a list of accounts is read. Raises TocsinError where it is none."""
    with _opened(path) as (header, _rows):
        names = [cell for cell in header[1:] if _is_name(cell)]
        return AccountColumns(header[0], tuple(names), tuple(cell for cell in header[1:] if not _is_name(cell)))


def account_aliases(path: Path) -> Iterator[tuple[str, str]]:
    """Yield (alias, account) from a CSV whose first column is the account and whose columns of names are its others."""
    with _opened(path) as (header, rows):
        places = [place for place, cell in enumerate(header) if place and _is_name(cell)]
        for number, row in enumerate(rows, start=2):
            if len(row) > len(header):
                raise TocsinError(
                    _("More cells than the header has columns."),
                    where=f"{path}:{number}",
                    mend=_("Put a cell that holds a comma in quotes, or name the column in the first line."),
                )
            cells = [cell.strip() for cell in row]
            for alias in (cells[place] for place in places if place < len(cells)):
                if alias and cells[0] and alias != cells[0]:
                    yield alias, cells[0]


def _is_name(cell: str) -> bool:
    split = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", cell.strip())  # userName, emailAddress
    return _NAME.fullmatch(re.sub(r"[\W_]+", "_", split).strip("_").lower()) is not None


@contextmanager
def _opened(path: Path) -> Iterator[tuple[list[str], Iterator[list[str]]]]:
    """Open a list of accounts for a block: its header, and its rows from the second line on."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as handle:
            start = handle.readline()
            delimiter = max(",;\t", key=start.count)
            handle.seek(0)
            rows = csv.reader(handle, delimiter=delimiter)
            header = [cell.strip() for cell in next(rows, [])]
            if len(header) < 2 or not any(map(_is_name, header[1:])):
                raise TocsinError(
                    _("An accounts file needs a header: the account first, then at least one column of other names."),
                    where=f"{path}:1",
                    mend=_("For example: account,email,login"),
                )
            yield header, rows
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise TocsinError(
            _("The accounts file cannot be read: {why}").format(why=error),
            where=path,
            mend=_("It is a CSV in UTF-8 that names its columns in the first line, and that you may read."),
        ) from error
