"""The command line itself: lazy, teaching, and clear about what is wrong."""

import errno
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest

from tocsin import __version__
from tocsin.cli import borrowed, contents, examples, program
from tocsin.kernel.errors import TocsinError
from tocsin.project import main

HEAVY = {"duckdb", "django", "psycopg", "sigma", "jinja2", "cryptography", "rich", "tocsin.integrations.nginx"}


def nothing():
    raise AssertionError("the wiring must not be built for this")


def test_help_teaches_and_names_every_command(capsys):
    assert program.run(["--help"], build=nothing) == 0
    shown = capsys.readouterr().out
    assert "tocsin demo" in shown
    assert [entry.name for entry in program.COMMANDS if f"\n  {entry.name} " not in shown] == []
    assert not any(line != line.rstrip() for line in shown.splitlines())


def loaded_by(*command_lines: list[str]) -> set[str]:
    """Return the modules a new process has loaded after these command lines."""
    code = (
        f"import sys; from tocsin.project import main\nfor each in {command_lines}: main.run(each)\nprint(*sys.modules)"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    return set(printed.splitlines()[-1].split())


def test_help_loads_nothing_heavy():
    assert HEAVY & loaded_by(["--help"]) == set()


def groups_of(page: dict, path: list[str]):
    if "commands" in page:
        yield path
        for name, below in page["commands"].items():
            yield from groups_of(below, [*path, name])


def test_the_help_of_a_group_loads_neither_its_commands_nor_anything_heavy():
    groups = [path for name, page in contents.pages().items() for path in groups_of(page, [name])]
    assert len(groups) > 20
    seen = loaded_by(*([*path, "--help"] for path in groups))
    assert HEAVY & seen == set()
    assert {f"tocsin.cli.{entry.module}" for entry in program.COMMANDS} & seen == set()


def test_a_group_lists_what_is_in_it():
    for entry in program.COMMANDS:
        real, listed = program.loaded(entry), contents.pages().get(entry.name)
        assert contents.plain(real) == (listed is not None), entry.name
        assert listed is None or listed == contents.page_of(real), f"{entry.name}: run bin/reference"


@pytest.mark.parametrize(
    ("words", "offered"),
    [("tocsin mes", "message"), ("tocsin message tr", "trace"), ("tocsin channel webhook ro", "rotate")],
)
def test_a_shell_is_offered_commands(capfdbinary, monkeypatch, words, offered):
    monkeypatch.setenv("_TOCSIN_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", words)
    monkeypatch.setenv("COMP_CWORD", str(len(words.split()) - 1))
    with pytest.raises(SystemExit):
        program.run([], build=nothing)
    assert capfdbinary.readouterr().out == f"plain,{offered}\n".encode()


def test_help_is_french_when_asked(capsys, monkeypatch):
    monkeypatch.setenv("TOCSIN_LANG", "fr")
    program.run(["--help"], build=nothing)
    assert "Pour commencer" in capsys.readouterr().out


def test_what_click_says_by_itself_is_french_too(capsys, monkeypatch):
    monkeypatch.setenv("TOCSIN_LANG", "fr")
    assert program.run(["doctor", "--nope"], build=lambda: None) == 2
    shown = capsys.readouterr().err
    assert "Usage :" in shown.replace("\N{NARROW NO-BREAK SPACE}", " ")
    assert "Option inconnue" in shown


def test_every_sentence_listed_for_click_is_one_it_says():
    said = "".join(path.read_text(encoding="utf-8") for path in Path(click.__file__).parent.glob("*.py"))
    listed = [*borrowed.SENTENCES, *(sentence for pair in borrowed.COUNTED for sentence in pair)]
    assert [sentence for sentence in listed if repr(sentence)[1:-1] not in said and sentence not in said] == []


def test_the_version_is_said(capsys):
    assert program.run(["--version"], build=nothing) == 0
    assert capsys.readouterr().out == f"tocsin {__version__}\n"


@pytest.mark.parametrize(("arguments", "said"), [(["demmo"], "Did you mean 'demo'?"), (["--nope"], "No such option")])
def test_a_slip_of_the_pen_is_a_usage_error(capsys, arguments, said):
    assert program.run(arguments, build=lambda: None) == 2
    assert said in capsys.readouterr().err


def test_every_command_of_the_table_can_be_loaded():
    for entry in program.COMMANDS:
        assert isinstance(program.loaded(entry), click.Command), entry.name


def test_a_command_that_is_not_installed_says_how_to_mend_it():
    with pytest.raises(TocsinError, match="not part of this installation") as caught:
        program.loaded(program.Entry("absent", "absent", "", ""))
    assert "doctor" in caught.value.mend


def command_that(act):
    @click.command("act")
    def acting():
        return act()

    return acting


def fail():
    raise TocsinError("The file \x1b[2J is not readable.", where="logs/x", mend="Look at its owner.")


def run_out_of_disk():
    raise OSError(errno.ENOSPC, "No space left on device", "keys/x")


def interrupt():
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("act", "code", "said"),
    [
        (lambda: 10, 10, ""),
        (lambda: None, 0, ""),
        (fail, 2, "logs/x: The file \\x1b[2J is not readable.\nLook at its owner."),
        (run_out_of_disk, 2, "keys/x: The system does not allow it: No space left on device.\nFree some space"),
        (interrupt, 130, "run the same command to go on"),
        (lambda: click.get_current_context().exit(7), 7, ""),
        (lambda: click.get_current_context().fail("no"), 2, "no"),
    ],
)
def test_how_a_command_ends_is_the_exit_code_and_is_said(capsys, monkeypatch, act, code, said):
    monkeypatch.setattr(program, "loaded", lambda entry: command_that(act))
    assert main.run(["doctor"]) == code
    assert said in capsys.readouterr().err


def test_a_reader_that_goes_away_is_no_error():
    line = f"{sys.executable} -c 'import sys; from tocsin.project.main import main; sys.argv[1:] = [\"--help\"]; main()' | head -n 1"
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", line], capture_output=True, text=True, check=False, cwd=Path("/")
    )
    assert done.stderr == ""


def test_examples_under_a_help_can_be_typed():
    for path, shown in examples.EXAMPLES.items():
        command = click.Group("tocsin", {entry.name: program.loaded(entry) for entry in program.COMMANDS})
        for name in path.split():
            command = command.commands[name]
        known = {option for parameter in command.params for option in parameter.opts}
        assert path in command.epilog
        for typed, _meaning in shown:
            options = {word for word in shlex.split(typed) if word.startswith("--")}
            assert options <= known, f"{path} {typed}"
            command.make_context(path, shlex.split(typed), resilient_parsing=True)
