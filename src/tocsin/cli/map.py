"""`tocsin map`: draft a mapping for a log Tocsin does not know, and look at what it makes of the log."""

import tempfile
from itertools import islice
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from tocsin.cli.wired import Wired
from tocsin.events import commands as events, queries
from tocsin.events.values import COLUMN_NAMES
from tocsin.kernel.errors import TocsinError
from tocsin.kernel.files import write_whole
from tocsin.kernel.language import format_number, gettext as _

ROWS_SHOWN = 5
_QUIET = ("source_id", "line", "format", "unmapped")


@click.group("map")
def command() -> None:
    """Draft a mapping for a JSON, CSV or Parquet log, and check one against a log."""


@command.command("suggest")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option(
    "--out", type=click.Path(path_type=Path, dir_okay=False), help="Write the draft there instead of the screen."
)
@click.pass_obj
def suggest(wired: Wired, file: Path, out: Path | None) -> None:
    """Draft a mapping from the log itself, with samples of what stands in each field; secrets are masked."""
    draft = wired.suggest_mapping(file)
    if out is None:
        click.echo(draft, nl=False)
        return
    if out.exists():
        raise TocsinError(_("this file exists already."), where=out, mend=_("Name another, or remove it first."))
    write_whole(out, draft)
    Console(highlight=False).print(
        Text(_("Draft written to {path}. Read it, then: tocsin map check {path} {file}").format(path=out, file=file))
    )


@command.command("check")
@click.argument("mapping", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.pass_obj
def check(wired: Wired, mapping: Path, file: Path) -> None:
    """Read FILE with MAPPING and show the first events and what was refused."""
    form = wired.stated_formats(log_format=None, mapping=mapping)
    console = Console(highlight=False)
    with tempfile.TemporaryDirectory(prefix="tocsin-map-") as work:
        folder = Path(work) / "events"
        read, _unjoined = events.read_sources([file], folder=folder, formats=form, options=events.ReadingOptions())
        source = read[0]
        console.print(
            Text(
                _("{parsed} of {lines} lines read with {title}.").format(
                    parsed=format_number(source.parsed), lines=format_number(source.lines), title=source.format_title
                )
            )
        )
        for reason, count in islice(sorted(source.rejected_by_reason.items(), key=lambda each: -each[1]), 5):
            console.print(Text(_("refused, {count}: {reason}").format(count=format_number(count), reason=reason)))
        with queries.open_events(folder) as store:
            rows = store.rows(f"SELECT * FROM events ORDER BY line LIMIT {ROWS_SHOWN}")
    table = Table(show_header=True, header_style="bold")
    table.add_column(_("column"))
    for number in range(len(rows)):
        table.add_column(_("event {number}").format(number=number + 1), overflow="fold")
    for name in COLUMN_NAMES:
        if name not in _QUIET and any(row[name] is not None for row in rows):
            table.add_row(name, *(Text("" if row[name] is None else _shown(row[name])) for row in rows))
    console.print(table)


def _shown(value: object) -> str:
    """Return a value without the control characters a log could steer a terminal with."""
    return "".join(each if each.isprintable() else "\u2423" for each in str(value))[:200]
