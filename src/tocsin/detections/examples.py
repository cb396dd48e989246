"""The ``examples:`` block: events that must make a rule fire, and events that must leave it silent, written
compactly.

An event names columns. ``at`` is an offset from the example's start (``10m``), ``repeat: 200`` with ``every: 5s``
makes many, and texts may count: ``{n}`` is 0, 1, 2, ..., ``{n%7}`` and ``{n//7}`` its remainder and quotient. A
``repeat`` may hold ``events`` of its own; the outer counter is then ``{m}``.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from tocsin.detections.durations import duration_ms
from tocsin.detections.places import Document
from tocsin.detections.values import Example
from tocsin.events.values import COLUMN_TYPES

START_MS = 1_788_220_800_000  # 2026-09-01T00:00:00Z; a Tuesday, far from any change of clocks
EVENTS_MAX = 20_000
_COUNTER = re.compile(r"\{([mn])(?:(%|//|\+|\*)(\d+))?\}")
Row = dict[str, str | int | float | None]


def read_examples(document: Document) -> tuple[Example, ...]:
    """Read the examples of a rule; a rule without one of each kind is refused."""
    block = document.values.get("examples")
    if (
        not isinstance(block, dict)
        or block.keys() != {"fire", "silent"}
        or not all(isinstance(v, list) and v for v in block.values())
    ):
        raise document.refuse("A rule carries examples that fire and examples that stay silent", "examples")
    examples = []
    for kind in ("fire", "silent"):
        for number, value in enumerate(block[kind]):
            path = ("examples", kind, number)
            if (
                not isinstance(value, dict)
                or not value.keys() <= {"name", "suspects", "with", "events"}
                or "events" not in value
            ):
                raise document.refuse("An example has name, events, and perhaps with and suspects", *path)
            rows = tuple(_filled(row, number) for number, row in enumerate(_rows(document, value, path), start=1))
            suspects = tuple(str(suspect) for suspect in value.get("suspects", ()))
            examples.append(Example(str(value.get("name", "")), kind == "fire", rows, suspects, document.place(*path)))
    return tuple(examples)


def _rows(document: Document, example: Mapping[str, Any], path: tuple[str | int, ...]) -> list[Row]:
    rows: list[Row] = []
    for row in _spread(document, example["events"], example.get("with", {}), 0, {}, (*path, "events")):
        rows.append(row)
        if len(rows) > EVENTS_MAX:
            raise document.refuse(f"An example has at most {EVENTS_MAX} events", *path)
    return rows


def _spread(
    document: Document,
    events: object,
    shared: Mapping[str, Any],
    start: int,
    counters: Mapping[str, int],
    path: tuple[str | int, ...],
) -> Iterator[Row]:
    if not isinstance(events, list):
        raise document.refuse("events is a list", *path)
    for number, event in enumerate(events):
        place = (*path, number)
        if not isinstance(event, dict):
            raise document.refuse("An event is a mapping of columns", *place)
        plain = {key: value for key, value in event.items() if key not in {"at", "repeat", "every", "events"}}
        at, every = _offset(document, event, "at", place), _offset(document, event, "every", place)
        times = event.get("repeat", 1)
        if not isinstance(times, int) or times < 1 or times > EVENTS_MAX:
            raise document.refuse("repeat is a number from 1", *place)
        for turn in range(times):
            moment = start + at + turn * every
            if "events" in event:
                yield from _spread(
                    document,
                    event["events"],
                    {**shared, **_turned(plain, {"m": turn})},
                    moment,
                    {"m": turn},
                    (*place, "events"),
                )
            else:
                yield _row(document, {**shared, **plain}, moment, {**counters, "n": turn}, place)


def _offset(document: Document, event: Mapping[str, Any], key: str, place: tuple[str | int, ...]) -> int:
    value = event.get(key, 0)
    found = 0 if value == 0 else duration_ms(value)
    if found is None:
        raise document.refuse(f"{key} is a length of time such as 10m", *place, key)
    return found


def _row(
    document: Document,
    values: Mapping[str, Any],
    moment: int,
    counters: Mapping[str, int],
    place: tuple[str | int, ...],
) -> Row:
    for column, value in values.items():
        if column not in COLUMN_TYPES:
            raise document.refuse(f"Unknown column {column}", *place, column)
        if value is not None and (COLUMN_TYPES[column] == "VARCHAR") != isinstance(value, str):
            raise document.refuse(f"{column} is {COLUMN_TYPES[column]}", *place, column)
    return {**_turned(values, counters), "ts": START_MS + moment}


def _turned(values: Mapping[str, Any], counters: Mapping[str, int]) -> Row:
    return {key: _counted(value, counters) if isinstance(value, str) else value for key, value in values.items()}


def _counted(text: str, counters: Mapping[str, int]) -> str:
    def replaced(found: re.Match[str]) -> str:
        if found[1] not in counters:
            return found[0]
        number, operand = counters[found[1]], int(found[3] or 0)
        match found[2]:
            case "%":
                return str(number % operand)
            case "//":
                return str(number // operand)
            case "+":
                return str(number + operand)
            case "*":
                return str(number * operand)
        return str(number)

    return _COUNTER.sub(replaced, text)


def _filled(row: Row, line: int) -> Row:
    address = row.get("src_endpoint_ip")
    if isinstance(address, str) and "src_network" not in row and address.count(".") == 3:
        row["src_network"] = address.rsplit(".", 1)[0] + ".0/24"
    return {**row, "source_id": "example", "line": line, "format": row.get("format", "example")}
