"""The page of failures seen elsewhere names tests; each of them must be there."""

import re
from pathlib import Path

PAGE = "docs/explanation/failures-seen-elsewhere.md"
NAMED = re.compile(r"`(test_\w+)`")
DEFINED = re.compile(r"^\s*(?:async )?def (test_\w+)\(", re.MULTILINE)


def named(text: str) -> set[str]:
    return set(NAMED.findall(text))


def test_every_test_the_page_names_exists(root: Path):
    found = {name for path in (root / "tests").rglob("test_*.py") for name in DEFINED.findall(path.read_text())}
    missing = named((root / PAGE).read_text(encoding="utf-8")) - found
    assert missing == set()


def test_every_failure_of_the_page_names_one(root: Path):
    rows = [line for line in (root / PAGE).read_text(encoding="utf-8").splitlines() if line.startswith("| ")]
    told = [row for row in rows if not row.startswith("| what happened")]
    assert len(told) > 20
    assert [row for row in told if not named(row)] == []
