"""An incident from declaration to frozen scope through the command line, on the private server."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tocsin.cli import program
from tocsin.project import database_place, main

PASSPHRASE = "correct horse battery staple"
HEADER = "account,role,certainty,country,first_at,last_at,data,platform,client_version,reasons,detections"

Run = Callable[..., str]


@pytest.fixture
def tocsin(capsys: pytest.CaptureFixture[str]) -> Iterator[Run]:
    """Run commands in this test's own home and return what they print; the server goes at the end."""

    def run(*arguments: str, code: int = 0) -> str:
        capsys.readouterr()
        ended = main.run([str(each) for each in arguments])
        printed = capsys.readouterr()
        assert ended == code, printed.err
        return printed.out + printed.err

    yield run
    base = database_place.base_if_made()
    if base is not None:
        shutil.rmtree(base)


def findings(folder: Path, *accounts: str) -> Path:
    (folder / "events").mkdir(parents=True)
    (folder / "sources").mkdir()
    rows = [f"{name},victim,confirmed,FR,,,profile,android,1.3,read by a stranger,d1" for name in accounts]
    (folder / "affected.csv").write_text("\n".join([HEADER, *rows]) + "\n")
    (folder / "detections.jsonl").write_text("")
    return folder


def open_revision(folder: Path) -> None:
    """Do what `investigate --open` does, after the logs were read."""
    code = (
        "from pathlib import Path; from tocsin.project import database; from tocsin.scopes import commands\n"
        "from tocsin.staff import queries\n"
        "with database.opened():\n"
        f"    commands.open_revision(1, folder=Path({str(folder)!r}), by=queries.asserted_author('Mona'))\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_from_declaration_to_a_frozen_scope_that_a_stranger_can_verify(tocsin: Run, tmp_path: Path):
    (tmp_path / "word").write_text(PASSPHRASE + "\n")
    witness = tmp_path / "heads.jsonl"
    key = ("--key", tmp_path / "mona.pem", "--passphrase-file", tmp_path / "word")
    enrol = ("--new-key", tmp_path / "mona.pem", "--new-passphrase-file", tmp_path / "word")

    assert "is enrolled" in tocsin("staff", "enrol", "Mona", *enrol, "--as", "Mona")
    assert "Mona (signed)" in tocsin("incident", "declare", "A stranger read", "--as", "Mona", *key)
    told = tocsin("incident", "fact", "1", "detected", "--at", "2026-01-01T10:00+01:00", "--verified", "--as", "Nils")
    assert "Acting as Nils (asserted, not signed)." in told
    assert "1 January 2026, 09:00:00 UTC" in told

    open_revision(findings(tmp_path / "first", "anna", "bert"))
    assert "added: 2" in tocsin("scope", "show", "1")
    assert "anna is in revision 1: victim, confirmed." in tocsin("scope", "why", "1", "anna")
    assert "nobody is not in revision 1" in tocsin("scope", "why", "1", "nobody")
    tocsin("scope", "exclude", "1", "bert", "--reason", "own phone", "--as", "Mona", *key)
    assert "bert was taken out" in tocsin("scope", "why", "1", "bert")
    tocsin("scope", "claim", "1", "zoe", "--text", "me too", "--as", "Mona")
    assert "zoe is in revision 3" in tocsin(
        "scope", "claim", "1", "zoe", "--accept", "--reason", "true", "--as", "Mona", *key
    )
    assert "+ zoe" in tocsin("scope", "diff", "1", "1", "3")
    frozen = tocsin("scope", "freeze", "1", "--as", "Mona", *key)
    assert "digest" in frozen
    assert "frozen already" in tocsin("scope", "freeze", "1", code=2)

    witness.write_text(tocsin("journal", "head"))
    assert "The journal holds: 8 entries" in tocsin("journal", "verify", "--head", witness)
    proof = json.loads(tocsin("journal", "prove", "0"))
    assert json.loads(proof["content"])["verb"] == "staff.enrolled"
    listed = tocsin("journal", "list")
    assert "scope.frozen" in listed
    assert "Mona (signed)" in listed


def test_values_of_an_attacker_cannot_steer_the_terminal(tocsin: Run, tmp_path: Path):
    tocsin("incident", "declare", "[red]x[/] \x1b]0;owned\x07", "--as", "\x1b[2J")
    open_revision(findings(tmp_path / "first", "an\x1b[31mna[bold]"))
    for command in (("incident", "show", "1"), ("incident", "list"), ("journal", "list"), ("scope", "show", "1")):
        printed = tocsin(*command)
        assert "\x1b" not in printed
        assert "\x07" not in printed
    assert "[red]x[/]" in tocsin("incident", "show", "1")
    assert "[bold]" in tocsin("scope", "show", "1")


def test_a_forged_journal_ends_with_one_and_says_where(tocsin: Run, tmp_path: Path):
    tocsin("incident", "declare", "First", "--as", "Mona")
    head = tmp_path / "head"
    head.write_text(tocsin("journal", "head").replace('\\"size\\":1', '\\"size\\":2'))
    assert "earlier head 2" in tocsin("journal", "verify", "--head", head, code=1)
    assert "does not hold signed heads" in tocsin("journal", "verify", "--head", tmp_path / "none", code=2)


def test_errors_say_where_and_how_to_mend_it_and_leave_no_traceback(tocsin: Run):
    assert "There is no incident 7." in tocsin("incident", "show", "7", code=2)
    assert "tocsin incident list" in tocsin("scope", "show", "7", code=2)
    assert "no entry 3" in tocsin("journal", "prove", "3", code=2)
    assert "not enrolled" in tocsin("incident", "declare", "x", "--as", "Mona", "--agent", code=2)
    assert "A signature needs a name." in tocsin("incident", "declare", "x", "--agent", code=2)
    assert "This is not a time." in tocsin("incident", "declare", "x", "--aware", "soon", code=2)


def test_a_database_that_cannot_be_reached_is_said_without_its_password(tocsin: Run, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TOCSIN_DATABASE_URL", "postgresql://me:topsecret@127.0.0.1:1/x")
    printed = tocsin("incident", "list", code=2)
    assert "does not answer" in printed
    assert "topsecret" not in printed
    monkeypatch.setenv("TOCSIN_DATABASE_URL", "postgresql://me:topsecret@[x")
    printed = tocsin("incident", "list", code=2)
    assert "cannot be read" in printed
    assert "topsecret" not in printed


@pytest.mark.parametrize("name", ["journal", "staff", "incident", "scope"])
def test_each_group_teaches_its_commands_without_starting_anything(tocsin: Run, name: str):
    tocsin(name, "--help")
    for each in program.loaded(next(entry for entry in program.COMMANDS if entry.name == name)).commands:
        assert "Usage" in tocsin(name, each, "--help")
    assert database_place.base_if_made() is None


def test_what_needs_no_rows_loads_no_tables():
    code = "import sys, tocsin.story\nprint([name for name in sys.modules if name.endswith('.models')])"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed.strip() == "[]"
