"""`tocsin contain` as a person types it: what it prints, what it refuses, and the exit codes."""

import csv
import io
import json
from contextlib import AbstractContextManager, nullcontext

import click
import pytest
from click.testing import CliRunner

from tocsin.cli import contain, contain_shown
from tocsin.containment import commands, queries
from tocsin.containment.values import MinuteSeen
from tocsin.journal.values import MACHINE
from tocsin.kernel import clock, language
from tocsin.kernel.errors import TocsinError


class Wiring:
    """The part of the wiring these commands ask for."""

    def rows(self) -> AbstractContextManager[None]:
        return nullcontext()


@pytest.fixture
def typed(company):
    def run(*arguments: str):
        return CliRunner().invoke(contain.command, [str(each) for each in arguments], obj=Wiring())

    return run


@pytest.fixture
def small(company):
    company.freeze(
        [{"account": "u1", "platform": "android", "client_version": "8.1"}, {"account": "evil", "role": "attacker"}]
    )


def test_from_the_plan_to_the_undoing(small, typed, tmp_path):
    drawn = typed("plan", 1, "--leaked", "session", "--as", "dora")
    assert drawn.exit_code == 0, drawn.output
    assert "Plan minus scope: 0. Scope minus plan: 0." in drawn.output
    assert "Nothing is enforced yet. Next: tocsin contain approve 1 --accounts 2" in drawn.output
    own = typed("approve", 1, "--as", "dora")
    assert isinstance(own.exception, TocsinError) and "nobody approves their own act" in own.exception.what
    assert "It may start" in typed("approve", 1, "--accounts", 2, "--as", "ann").output
    started = typed("start", 1, "--as", "dora")
    assert started.exit_code == 0, started.output
    assert "running" in started.output and "Not yet safe: 2 accounts." in started.output
    assert "role          attacker" in typed("status", 1, "--account", "evil").output
    told = json.loads(typed("status", 1, "--json").output)
    assert sum(sum(line["counts"].values()) for line in told["funnel"]) == 3
    out = tmp_path / "accounts.csv"
    assert typed("show", 1, "--accounts", out).exit_code == 0
    rows = {row["account"]: row["measures"] for row in csv.DictReader(io.StringIO(out.read_text(encoding="utf-8")))}
    assert rows == {"u1": "revoke_sessions + reauthenticate", "evil": "suspend"}
    assert typed("undo", 1, "--account", "u1", "--reason", "a test", "--as", "ann").exit_code == 0
    assert "undone" in typed("undo", 1, "--reason", "all wrong", "--as", "ann").output
    assert typed("status").output.strip() == "No plan is in force."


def test_a_held_plan_ends_with_its_own_exit_code(small, typed, started):
    plan = started("policy: p\nrules:\n  - {measures: [reauthenticate]}\n")
    minute = MinuteSeen(clock.now(), 0, 100, 0)
    commands.record_minutes(plan.number, source="auth", minutes=[minute], by=MACHINE)
    held = CliRunner().invoke(contain.command, ["status", str(plan.number)], obj=Wiring(), standalone_mode=False)
    assert held.return_value == contain.HELD
    assert "failed sign-ins per account" in held.output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["plan", "1"], "Give either --policy or --leaked."),
        (["plan", "1", "--leaked", "client"], "say what replaces it"),
        (["plan", "1", "--leaked", "client", "--update", "android"], "--update platform=version"),
        (["plan", "1", "--leaked", "session", "--since", "noon"], "is not a moment"),
        (["appeal", "1", "--account", "u1", "--uphold", "--reject"], "Either --uphold or --reject."),
        (["release", "1", "--reason", "x"], "Name the accounts."),
    ],
)
def test_a_mistake_on_the_command_line_is_explained(typed, arguments, said):
    result = typed(*arguments)
    assert result.exit_code == 2
    assert said in result.output


def test_the_policies_that_come_with_it_are_listed_and_printed(typed):
    assert [name in typed("policies").output for name in queries.shipped_policies()] == [True] * 3
    assert typed("policies", "session-leak").output.startswith("# Sessions or tokens were stolen")


def test_a_bar_shows_even_one_account_among_millions():
    drawn = contain_shown.bar({"planned": 39_999_999, "refused": 1})
    assert len(drawn) == contain_shown.BAR_COLUMNS and "!" in drawn


def test_every_word_shown_is_one_the_translators_know():
    with language.use("fr"):
        assert all(isinstance(contain_shown.word(each), str) for each in contain_shown.WORDS)
    assert isinstance(contain.command, click.Group)
