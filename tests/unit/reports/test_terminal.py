"""What the terminal shows: the answer first; a log cannot move the cursor or forge markup."""

import io
from dataclasses import replace
from types import ModuleType

import pytest
from rich.console import Console

from tocsin.reports import queries
from tocsin.reports.values import Investigation


def _printed(investigation: Investigation, *, width: int = 100, colours: bool = False) -> str:
    out = io.StringIO()
    console = Console(file=out, width=width, force_terminal=colours, color_system="standard" if colours else None)
    console.print(queries.render_terminal(queries.answer(investigation), investigation))
    return out.getvalue()


def test_the_answer_comes_first_and_the_tables_follow(cases: ModuleType) -> None:
    text = _printed(cases.small())
    assert (
        text.index("1 customer's data was read") < text.index("Who") < text.index("Detections") < text.index("Sources")
    )
    assert "and 2,416 more in affected.csv" in text
    assert "aware since 14 March 2014, 10:00 UTC" in text
    assert "nginx, JSON lines" in text


@pytest.mark.parametrize("width", [80, 200])
def test_hostile_values_stay_text(cases: ModuleType, width: int) -> None:
    hostile = replace(
        cases.hostile(), sources=(cases.source("/var/log/[bold red]x\x1b]0;title\x07\u202e", format_title="[link=x]"),)
    )
    text = _printed(hostile, width=width)
    assert "\x1b" not in text
    assert "\x07" not in text
    assert "\u202e" not in text
    assert "[boldred]x" in "".join(text.split())


def test_hostile_values_bring_no_colours_of_their_own(cases: ModuleType) -> None:
    text = _printed(cases.hostile(), colours=True)
    assert "\x1b]0" not in text
    assert "\\x1b[31m" in text


def test_french_is_spoken_whole(cases: ModuleType) -> None:
    text = _printed(replace(cases.small(), language="fr"))
    assert "La réponse" in text
    assert "connu depuis le 14 mars 2014" in text
    assert "Sources" in text
    assert "suspects cleared" not in text


def test_an_investigation_without_anything_shows_no_empty_tables(cases: ModuleType) -> None:
    text = _printed(cases.investigation())
    assert "Detections" not in text
    assert "Who" not in text
