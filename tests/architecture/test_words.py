"""The code speaks the glossary: its last column must not turn up in names and docstrings."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

# Formats speak the words of the systems they read; migrations are written by Django.
FOREIGN = {"integrations", "migrations", "locale"}
# Standard terms, taken out before looking (regular expressions on the lower-case words, joined by blanks).
EXEMPT = [
    r"user agents?", r"actor user( uid| name)?", r"detection finding", r"incident finding", r"ssh agent",
    r"(regard to|upper|lower|sentence|in any|in|either|each|this|that|which|worst|best|edge|category) cases?",
    r"case (sensitive|insensitive|folding|when)", r"finding (entries|any|it|out|the)", r"termination signal",
    r"shared signals",  # the OpenID framework
    r"findings",  # the folder an investigation writes; one match of a rule is a detection
]  # fmt: skip
# Where a word means something else than the noun it is banned for.
ALLOWED = {
    "journal": {"subject"},  # what an entry is about
    "approvals": {"subject"},  # the same, of an approval
    "api/rounds.py": {"signal"},
    "project": {"user"},  # of the operating system, and of PostgreSQL
    "staff": {"agent"},  # ssh-agent, which holds signing keys
    "cli/acting.py": {"agent"},
    "cli/staff.py": {"agent"},
    "cli/journal.py": {"subject"},
    "rehearsals/telling.py": {"subject"},  # of a mail
    "rehearsals/values.py": {"subject"},
    "cli/message_content.py": {"subject"},  # an e-mail's
    # Shared Signals (OpenID) and its subject identifiers (RFC 9493); delivery is RFC 8935's and 8936's.
    "cli/signals.py": {"signal", "subject", "delivery"},
    **{
        file: {"signal"}
        for file in (
            *(
                "api/__init__.py",
                "api/signals.py",
                "cli/serve.py",
                "cli/wired.py",
                "containment/errors.py",
                "wiring.py",
            ),
            *("containment/models.py", "containment/signals.py", "containment/values.py"),
        )
    },
}
BANNED_ROW = re.compile(r"^\|[^|]+\|[^|]+\|([^|]*)\|$")


def banned_words(glossary: str) -> list[str]:
    """Return the words of the last column."""
    rows = [match[1] for line in glossary.splitlines() if (match := BANNED_ROW.match(line))][2:]
    return [word.strip() for row in rows for word in row.split(",") if word.strip()]


def spoken(code: str) -> Iterator[tuple[int, str]]:
    """Yield (line, words) of every name a file gives to something, and of every docstring."""
    tree = ast.parse(code)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            docstring = ast.get_docstring(node)
            if docstring:
                # What stands between backticks is quoted: a file's own field, a command, a value.
                yield getattr(node, "lineno", 1), re.sub(r"`[^`]*`", " ", docstring)
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.lineno, node.name
        elif isinstance(node, ast.arg):
            yield node.lineno, node.arg
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.lineno, node.id


def plain(text: str) -> str:
    """Return lower-case words joined by single blanks: ``UserAgent`` and ``user_agent`` become ``user agent``."""
    apart = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", text)
    words = " ".join(re.findall(r"[a-z0-9]+", apart.lower()))
    for exempt in EXEMPT:
        words = re.sub(exempt, " ", words)
    return words


def slips(code: str, words: list[str]) -> list[str]:
    """Return ``line: word`` for every banned word in the names and docstrings of a file."""
    pattern = re.compile(r"\b(" + "|".join(sorted(words, key=len, reverse=True)) + r")s?\b")
    found = [(line, match[1]) for line, text in spoken(code) for match in pattern.finditer(plain(text))]
    return [f"{line}: {word}" for line, word in sorted(set(found))]


@pytest.fixture(scope="module")
def words(root: Path) -> list[str]:
    return banned_words((root / "docs" / "glossary.md").read_text(encoding="utf-8"))


def test_the_glossary_has_words_to_avoid(words: list[str]):
    assert {"alert", "ticket", "user", "blast radius"} <= set(words)


def test_names_and_docstrings_use_the_words_of_the_glossary(source: Path, words: list[str]):
    found = {}
    for path in sorted(source.rglob("*.py")):
        if not FOREIGN & set(path.relative_to(source).parts):
            place = path.relative_to(source)
            allowed = ALLOWED.get(place.parts[0], set()) | ALLOWED.get(place.as_posix(), set())
            slipped = slips(path.read_text(encoding="utf-8"), [word for word in words if word not in allowed])
            if slipped:
                found[path.relative_to(source).as_posix()] = slipped
    assert found == {}


def test_planted_words_are_seen_and_standard_terms_are_not(words: list[str]):
    assert slips("def count_alerts(ticket):\n    '''How many users.'''\n", words) == [
        "1: alert",
        "1: ticket",
        "1: user",
    ]
    assert slips("user_agent = 1\nactor_user_uid = 2\n", words) == []
