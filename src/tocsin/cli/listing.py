"""Tables on the terminal in which no value can steer it: everything is plain text, control characters written out."""

import sys
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from tocsin.kernel.redaction import printable

PIPE_COLUMNS = 160  # where there is no terminal to ask


def console() -> Console:
    """Return the console answers are printed on."""
    return Console(highlight=False, width=None if sys.stdout.isatty() else PIPE_COLUMNS)


def table(*headings: str) -> Table:
    """Return an empty table with these headings."""
    made = Table(box=None, pad_edge=False, header_style="bold")
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


def pairs(rows: Sequence[tuple[str, object]]) -> Table:
    """Return a two-column table of what something is."""
    made = Table.grid(padding=(0, 2))
    made.add_column(style="dim", no_wrap=True)
    made.add_column(overflow="fold")
    for name, value in rows:
        made.add_row(Text(name), Text(printable(str(value))))
    return made
