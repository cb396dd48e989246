"""The engines a rule must mean the same on: DuckDB, and ClickHouse's own (chDB) where it is installed."""

import importlib
import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest
import sqlglot

from tocsin.events.queries import EventStore
from tocsin.events.values import COLUMN_NAMES, COLUMN_TYPES

Rows = list[dict[str, Any]]
Ask = Callable[[str, Iterable[Mapping[str, Any]]], Rows]
_CLICKHOUSE = {
    "VARCHAR": "Nullable(String)",
    "BIGINT": "Nullable(Int64)",
    "INTEGER": "Nullable(Int32)",
    "DOUBLE": "Nullable(Float64)",
}


@pytest.fixture
def duckdb_rows() -> Ask:
    def ask(sql: str, events: Iterable[Mapping[str, Any]]) -> Rows:
        with EventStore(()) as store:
            store.load("example", COLUMN_TYPES, [tuple(event.get(name) for name in COLUMN_NAMES) for event in events])
            return store.rows(sql)

    return ask


@pytest.fixture(scope="session")
def chdb() -> Any:
    """Return chDB, or skip: it is in the group ``engines``, not in the plain installation."""
    try:
        return importlib.import_module("chdb")
    except ModuleNotFoundError:
        pytest.skip("chDB is not installed (group engines)")


@pytest.fixture
def clickhouse_rows(chdb: Any, tmp_path: Path) -> Ask:
    def ask(sql: str, events: Iterable[Mapping[str, Any]]) -> Rows:
        path = tmp_path / "events.jsonl"
        path.write_text(
            "".join(json.dumps({name: event.get(name) for name in COLUMN_NAMES}) + "\n" for event in events)
        )
        structure = ", ".join(f"{name} {_CLICKHOUSE[kind]}" for name, kind in COLUMN_TYPES.items())
        (written,) = sqlglot.transpile(sql, read="duckdb", write="clickhouse")
        table = f"example AS (SELECT * FROM file('{path}', 'JSONEachRow', '{structure}')), "
        asked = (
            written.replace("WITH ", f"WITH {table}", 1)
            + " SETTINGS join_use_nulls = 1, output_format_json_quote_64bit_integers = 0"
        )
        return [json.loads(line) for line in str(chdb.query(asked, "JSONEachRow")).splitlines()]

    return ask
