"""Documentation that cannot lie: what a page says of the code is what the code says of itself."""

import importlib.machinery
import importlib.util
import re
from importlib import metadata
from pathlib import Path

import pytest

from tocsin.cli import program
from tocsin.events.values import COLUMN_NAMES

VARIABLE = re.compile(r"\bTOCSIN_[A-Z]+(?:_[A-Z]+)*\b")
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
