"""``tocsin evidence``: exactly the events a detection counted, asked for anew.

The folder may come from somebody else and be hostile: the SELECT is rebuilt from our own rule where we have it, and
runs in a store that can read that folder's segments and nothing more.
"""

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import orjson

from tocsin.cli.listing import add, console, lines, table
from tocsin.detections import queries
from tocsin.events import queries as events
from tocsin.kernel import clock, files
from tocsin.kernel.language import gettext as _, ngettext
from tocsin.kernel.redaction import csv_cell, printable

# What fits on a terminal; csv and jsonl have every column.
_SHOWN = (
    "ts", "format", "line", "src_endpoint_ip", "account", "actor_user_uid", "api_operation", "http_method", "url_path",
    "object_id", "status_code", "user_agent",
)  # fmt: skip


@click.command("evidence", help="Print exactly the events a detection stands on.")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path, file_okay=False, exists=True))
@click.argument("detection", metavar="DETECTION")
@click.option(
    "--format", "shape", type=click.Choice(["table", "csv", "jsonl"]), default="table", show_default=True,
    help="How to print them.",
)  # fmt: skip
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Write to a file instead of the screen.")
@click.option(
    "--rules",
    "rules_folder",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of rules to use instead of ours.",
)
@click.option("--sql", is_flag=True, help="Print the SELECT instead of running it.")
def command(folder: Path, detection: str, shape: str, out: Path | None, rules_folder: Path | None, sql: bool) -> None:
    """Print the events of one detection of an investigation's folder; refused when they are not as many as were
    counted.
    """
    rules = queries.load_rules(rules_folder) if rules_folder else queries.shipped_rules()
    evidence = queries.read_evidence(folder, detection, rules=rules)
    if sql:
        lines(evidence.sql)
        return
    with events.open_events(folder) as store:
        rows = queries.evidence_of(store, evidence)
    if out is not None:
        files.write_whole(out, _as_csv(rows) if shape == "csv" else "".join(_as_json_lines(rows)))
        lines(_("{n} events written to {file}").format(n=len(rows), file=out))
    elif shape == "table":
        _show(rows, rebuilt=evidence.rebuilt)
    else:
        click.echo(_as_csv(rows) if shape == "csv" else "".join(_as_json_lines(rows)), nl=False)


def _show(rows: list[dict[str, Any]], *, rebuilt: bool) -> None:
    used = [name for name in _SHOWN if any(row[name] is not None for row in rows)]
    made = table(*used)
    for row in rows:
        add(made, *(_cell(name, row[name]) for name in used))
    console().print(made)
    lines(ngettext("{n} event, as counted.", "{n} events, as counted.", len(rows)).format(n=len(rows)))
    if not rebuilt:
        lines(_("The rule is not one of ours: the SELECT is the folder's own."), style="bold")


def _cell(name: str, value: Any) -> str:
    if value is None:
        return ""
    return clock.from_ms(value).isoformat(timespec="milliseconds") if name == "ts" else str(value)[:200]


def _as_csv(rows: list[dict[str, Any]]) -> str:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(rows[0] if rows else [])
    for row in rows:
        writer.writerow(csv_cell(printable(value)) if isinstance(value, str) else value for value in row.values())
    return buffer.getvalue()


def _as_json_lines(rows: list[dict[str, Any]]) -> Iterator[str]:
    for row in rows:
        yield orjson.dumps(row).decode() + "\n"
