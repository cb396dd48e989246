"""One made-up log per format: a success, a failure and a hostile line, and what must be read from each."""

import json
from dataclasses import dataclass
from typing import Any

Expected = dict[str, Any] | None


@dataclass(frozen=True)
class Example:
    """A log of format ``key``; ``events`` has one entry per line: columns that must be so, or None for a refused line."""

    key: str
    file: str
    text: str
    events: tuple[Expected, ...]


def lines(*texts: str) -> str:
    """Return physical lines as the text of a file."""
    return "\n".join(texts) + "\n"


def json_lines(*records: dict[str, Any]) -> str:
    """Return records as JSON lines."""
    return "".join(json.dumps(record) + "\n" for record in records)
