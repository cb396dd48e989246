"""Tables on the terminal in which no value can steer it: everything is plain text, control characters written out."""

import json
import re
import sys
from collections.abc import Mapping, Sequence, Set as AbstractSet
from dataclasses import fields, is_dataclass
from datetime import date
from enum import Enum
from typing import Any, TextIO

import click
import rich._wrap
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text

from tocsin.kernel.language import format_number, gettext, gettext_noop
from tocsin.kernel.redaction import printable

# The words of states, roles and certainties, as a person reads them.
WORDS = {
    "attacker": gettext_noop("attacker"),
    "closed": gettext_noop("closed"),
    "confirmed": gettext_noop("confirmed"),
    "critical": gettext_noop("critical"),
    "draft": gettext_noop("draft"),
    "accepted": gettext_noop("accepted"),
    "frozen": gettext_noop("frozen"),
    "high": gettext_noop("high"),
    "informational": gettext_noop("informational"),
    "instrument": gettext_noop("instrument"),
    "likely": gettext_noop("likely"),
    "low": gettext_noop("low"),
    "medium": gettext_noop("medium"),
    "open": gettext_noop("open"),
    "precaution": gettext_noop("precaution"),
    "rejected": gettext_noop("rejected"),
    "superseded": gettext_noop("superseded"),
    "victim": gettext_noop("victim"),
    "waiting": gettext_noop("waiting"),
}
# rich breaks lines at every blank; those that hold French punctuation to its word are no place to break.
rich._wrap.re_word = re.compile(r"[^\S\u00a0\u202f]*[\S\u00a0\u202f]+[^\S\u00a0\u202f]*")  # noqa: SLF001
PIPE_COLUMNS = 1000  # where there is no terminal: a row stays one line, for grep
JSON = click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")


class _Trimmed:
    """A file or pipe to which no line is written with the blanks that fill a column."""

    def __init__(self, out: TextIO) -> None:
        self.out = out

    def write(self, text: str) -> int:
        return self.out.write(re.sub(" +(?=\n)", "", text))

    def __getattr__(self, name: str) -> Any:
        return getattr(self.out, name)


class _Rows(Table):
    """A table that says so when it is empty, rather than show its headings."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        if self.row_count:
            yield from super().__rich_console__(console, options)
        else:
            yield Text(gettext("There is nothing to list."))


def word(value: str) -> str:
    """Return a word of the glossary in the reader's language; any other as it is."""
    return gettext(WORDS[value]) if value in WORDS else value


def counted(name: str, n: int) -> str:
    """Return how many there are of something, with the language's own colon."""
    return gettext("{name}: {n}").format(name=name, n=format_number(n))


def console() -> Console:
    """Return the console answers are printed on."""
    if sys.stdout.isatty():
        return Console(highlight=False)
    piped: Any = _Trimmed(sys.stdout)
    return Console(file=piped, highlight=False, width=PIPE_COLUMNS)


def table(*headings: str) -> Table:
    """Return an empty table with these headings."""
    made = _Rows(box=None, pad_edge=False, header_style="bold")
    for heading in headings:
        made.add_column(Text(heading), overflow="fold")
    return made


def add(to: Table, *cells: object, style: str = "") -> None:
    """Add one row; whatever the cells hold, they are shown as they are."""
    to.add_row(*(Text(printable(str(cell))) for cell in cells), style=style)


def lines(*texts: str, style: str = "") -> None:
    """Print lines of plain text."""
    out = console()
    for text in texts:
        out.print(Text(printable(text), style=style), soft_wrap=True)


def print_json(value: object) -> None:
    """Print values for programs: names as in the code, times as ISO 8601, and nothing that is kept from being shown."""
    click.echo(json.dumps(plain(value), indent=2, ensure_ascii=False))


def plain(value: Any) -> Any:
    """Return a value as JSON has it. What a value leaves out of its ``repr``, such as secrets, is left out here."""
    if is_dataclass(value):
        return {each.name: plain(getattr(value, each.name)) for each in fields(value) if each.repr}
    if isinstance(value, Mapping):
        return {str(plain(key)): plain(each) for key, each in value.items()}
    if isinstance(value, AbstractSet):
        return sorted((plain(each) for each in value), key=str)
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.hex()
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


def pairs(rows: Sequence[tuple[str, object]]) -> Table:
    """Return a two-column table of what something is."""
    made = Table.grid(padding=(0, 2))
    made.add_column(style="dim", no_wrap=True)
    made.add_column(overflow="fold")
    for name, value in rows:
        made.add_row(Text(name), Text(printable(str(value))))
    return made
