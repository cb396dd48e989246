"""A rule file from a few lines, and events from a few columns."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest

from tocsin.detections.queries import detection_sql
from tocsin.detections.rulefile import read_rule
from tocsin.detections.values import Rule
from tocsin.events.queries import EventStore
from tocsin.events.values import COLUMN_NAMES, COLUMN_TYPES

HEAD = """title: A rule
name: a_rule
level: low
logsource: {product: tocsin}
"""
TAIL = """
tocsin: {version: 1, kind: scan, suspect: address, reasons: [{text: seen}]}
examples: {fire: [{events: [{}]}], silent: [{events: [{}]}]}
"""


@pytest.fixture
def rule_of(tmp_path: Path) -> Callable[..., Rule]:
    def read(body: str, *, head: str = HEAD, tail: str = TAIL) -> Rule:
        path = tmp_path / "rule.yml"
        path.write_text(head + body + tail, encoding="utf-8")
        return read_rule(path)

    return read


@pytest.fixture
def matching(rule_of: Callable[..., Rule]) -> Callable[[str, Iterable[Mapping[str, Any]]], list[int]]:
    """Return the numbers of the events a condition counts."""

    def match(detection: str, events: Iterable[Mapping[str, Any]]) -> list[int]:
        rule = rule_of("detection:\n" + detection)
        with stored(dict(event, line=number) for number, event in enumerate(events)) as store:
            return store.column(f"SELECT line FROM seen WHERE {rule.condition} ORDER BY line")

    return match


@pytest.fixture
def episodes() -> Callable[[Rule, Iterable[Mapping[str, Any]]], list[dict[str, Any]]]:
    def run(rule: Rule, events: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
        with stored(events) as store:
            return store.rows(detection_sql(rule, relation="seen"))

    return run


def stored(events: Iterable[Mapping[str, Any]]) -> EventStore:
    store = EventStore(())
    store.load("seen", COLUMN_TYPES, [tuple(event.get(name) for name in COLUMN_NAMES) for event in events])
    return store
