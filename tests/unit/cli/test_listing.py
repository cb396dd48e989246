"""What is printed for people and for programs: nothing steers a terminal, nothing secret, nothing unreadable."""

import json
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from enum import StrEnum
from pathlib import Path
from uuid import UUID

import click
import pytest

from tocsin.cli import contents, listing, program

# These print JSON as it is, or what only a person reads.
WITHOUT = {
    "tocsin whatsapp templates show", "tocsin channel webhook show", "tocsin whatsapp webhook show",
    "tocsin map check", "tocsin connector check",
}  # fmt: skip
READ_BY_PROGRAMS = {"list", "show", "status", "check", "kinds", "trace", "reach", "why", "diff", "unknown", "aside"}


class State(StrEnum):
    OPEN = "open"


@dataclass(frozen=True, slots=True)
class Kept:
    id: UUID
    state: State
    at: datetime
    on: date
    counts: dict[State, int]
    names: frozenset[str]
    raw: bytes
    place: Path
    price: float | None
    token: str = field(repr=False, default="secret")


def test_a_value_is_printed_for_programs_without_what_is_never_shown(capsys: pytest.CaptureFixture[str]):
    kept = Kept(
        UUID(int=1), State.OPEN, datetime(2026, 3, 2, 12, tzinfo=UTC), date(2026, 3, 2), {State.OPEN: 2},
        frozenset({"b", "a"}), b"\x01", Path("x"), None,
    )  # fmt: skip
    listing.print_json([kept])
    assert json.loads(capsys.readouterr().out) == [
        {
            "id": "00000000-0000-0000-0000-000000000001", "state": "open", "at": "2026-03-02T12:00:00+00:00",
            "on": "2026-03-02", "counts": {"open": 2}, "names": ["a", "b"], "raw": "01", "place": "x", "price": None,
        }
    ]  # fmt: skip


def test_a_pipe_gets_no_blanks_at_the_end_of_a_line(capsys: pytest.CaptureFixture[str]):
    table = listing.table("name", "state")
    listing.add(table, "a long name", "")
    listing.console().print(table)
    listing.console().print(listing.pairs([("name", "x"), ("longer name", "longer value")]))
    assert not any(line != line.rstrip() for line in capsys.readouterr().out.splitlines())


def test_a_row_is_one_line_in_a_pipe(capsys: pytest.CaptureFixture[str]):
    table = listing.table("name", "reason")
    listing.add(table, "x", "why " * 100)
    listing.console().print(table)
    assert len(capsys.readouterr().out.splitlines()) == 2


def test_an_empty_table_says_so(capsys: pytest.CaptureFixture[str]):
    listing.console().print(listing.table("name", "state"))
    assert capsys.readouterr().out == "There is nothing to list.\n"


def commands(command: click.Command, path: str):
    yield path, command
    if contents.plain(command):
        for name, below in command.commands.items():
            yield from commands(below, f"{path} {name}")


def test_every_listing_a_program_would_read_is_there_as_json():
    every = [each for entry in program.COMMANDS for each in commands(program.loaded(entry), f"tocsin {entry.name}")]
    read = {path: each for path, each in every if path.split()[-1] in READ_BY_PROGRAMS}
    without = {path for path, each in read.items() if not any("--json" in option.opts for option in each.params)}
    assert len(read) > 30
    assert without - WITHOUT == set()
