"""Documentation that cannot lie: what a page says of the code is what the code says of itself."""

import importlib.machinery
import importlib.util
import re
import shlex
from importlib import metadata
from pathlib import Path

import click
import pytest

from tocsin.cli import program
from tocsin.events.values import COLUMN_NAMES

VARIABLE = re.compile(r"\bTOCSIN_[A-Z]+(?:_[A-Z]+)*\b")
COMMAND_LINE = re.compile(r"(?m)^    (?:bin/)?tocsin ([a-z][^#\n]*)")
LINK = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")


def script(root: Path, name: str):
    """Load a program of bin/ as a module."""
    loader = importlib.machinery.SourceFileLoader(name, str(root / "bin" / name))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(name, loader))
    loader.exec_module(module)
    return module


def variables(texts: list[str]) -> set[str]:
    return {name for text in texts for name in VARIABLE.findall(text)}


def test_pages_written_from_code_match_it(root: Path, capsys: pytest.CaptureFixture):
    assert script(root, "reference").main(["--check"]) == 0, capsys.readouterr().out


def test_a_page_that_no_longer_matches_is_seen(root: Path):
    page = "<!-- from code: columns -->\n| column | type | meaning |\n<!-- end -->"
    assert script(root, "reference").written(page) != page


def test_every_command_of_the_table_is_on_the_page(root: Path):
    page = (root / "docs" / "reference" / "cli.md").read_text(encoding="utf-8")
    assert [entry.name for entry in program.COMMANDS if f"\n## `tocsin {entry.name}`\n" not in page] == []


def test_every_column_is_on_the_page(root: Path):
    page = (root / "docs" / "reference" / "events.md").read_text(encoding="utf-8")
    assert [name for name in COLUMN_NAMES if f"| `{name}` |" not in page] == []


def test_every_environment_variable_is_on_the_page_and_no_other(root: Path, source: Path):
    files = [
        *source.rglob("*.py"),
        *(path for path in (root / "bin").iterdir() if path.is_file()),
        root / "tests" / "conftest.py",
    ]
    used = variables([path.read_text(encoding="utf-8") for path in files])
    documented = variables([(root / "docs" / "reference" / "settings.md").read_text(encoding="utf-8")])
    assert used == documented


def test_links_between_pages_lead_somewhere(root: Path):
    broken = []
    for page in [*root.glob("*.md"), *(root / "docs").rglob("*.md")]:
        targets = LINK.findall(page.read_text(encoding="utf-8"))
        broken += [f"{page.relative_to(root)} -> {target}" for target in targets if not (page.parent / target).exists()]
    assert broken == []


def slips(line: str) -> list[str]:
    """Return what is wrong with a command line as a page shows it: an unknown command, or an unknown option."""
    words = shlex.split(line)
    command = program.Program(build=object)
    context = click.Context(command)
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        name = words.pop(0)
        if name not in command.list_commands(context):
            return [f"no command {name}"]
        command = command.get_command(context, name)
    known = {
        option for parameter in command.get_params(context) for option in (*parameter.opts, *parameter.secondary_opts)
    }
    return [f"no option {word}" for word in words if word.startswith("--") and word.split("=")[0] not in known]


def test_every_command_line_on_a_page_can_be_typed(root: Path):
    found = {}
    for page in [root / "README.md", *(root / "docs").rglob("*.md")]:
        if page.name != "cli.md":
            lines = COMMAND_LINE.findall(page.read_text(encoding="utf-8"))
            found |= {f"{page.name}: {line}": slips(line) for line in lines if slips(line)}
    assert found == {}


def test_a_command_line_that_cannot_be_typed_is_seen():
    assert slips("rules explian x") == ["no command explian"]
    assert slips("demo --sead 3") == ["no option --sead"]
    assert slips("investigate /var/log --out x") == []


def test_every_page_is_reached_from_the_index(root: Path):
    index = (root / "docs" / "index.md").read_text(encoding="utf-8")
    linked = {(root / "docs" / target).resolve() for target in LINK.findall(index)}
    pages = {page.resolve() for page in (root / "docs").rglob("*.md")} - {(root / "docs" / "index.md").resolve()}
    assert {page.name for page in pages - linked} == set()


def test_every_dependency_is_explained_and_no_other(root: Path):
    record = (root / "docs" / "decisions" / "0006-dependencies.md").read_text(encoding="utf-8")
    explained = set(re.findall(r"^\| `([\w.-]+)` \|", record, re.MULTILINE))
    asked = {re.split(r"[^\w.-]", line, maxsplit=1)[0].lower() for line in metadata.requires("tocsin") or []}
    assert explained == asked


def test_every_sentence_is_translated(root: Path, capsys: pytest.CaptureFixture):
    assert script(root, "messages").main(["--check"]) == 0, capsys.readouterr().out


def test_a_sentence_without_translation_is_seen(root: Path):
    messages = script(root, "messages")
    planted = {("A sentence {n} nobody translated", ""): ["planted.py"]}
    catalogue = next((root / "src" / "tocsin" / "locale").glob("*/LC_MESSAGES/*.po"))
    assert any("nobody translated" in fault for fault in messages.faults(catalogue, planted))
