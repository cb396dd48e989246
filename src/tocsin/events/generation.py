"""Making events up: a DuckDB of its own that draws millions of rows and writes them as log files, never reading any."""

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import duckdb

# One column whose delimiter cannot occur in it and no quoting: each value becomes one physical line, as it is.
_AS_LINES = "FORMAT csv, HEADER false, QUOTE '', ESCAPE '', DELIMITER '\x01'"


def _literal(path: Path | str) -> str:
    return "'" + str(path).replace("'", "''") + "'"


class Generator:
    """An in-memory DuckDB, locked to ``folder``: what does not fit in ``memory_mib`` spills there and is removed."""

    def __init__(self, folder: Path, *, threads: int = 2, memory_mib: int = 1500) -> None:
        folder = folder.resolve()
        self._connection = duckdb.connect(":memory:")
        run = self._connection.execute
        run(f"SET threads = {threads}")
        run(f"SET memory_limit = '{memory_mib}MiB'")
        run("SET TimeZone = 'UTC'")
        run("SET enable_progress_bar = false")
        run(f"SET temp_directory = {_literal(folder / '.spill')}")
        run(f"SET allowed_directories = [{_literal(f'{folder}{os.sep}')}]")
        run("SET enable_external_access = false")
        run("SET lock_configuration = true")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()

    def run(self, sql: str, params: Mapping[str, Any] | None = None) -> None:
        """Execute one statement; parameters are ``$name``."""
        self._connection.execute(sql, params or {})

    def rows(self, sql: str, params: Mapping[str, Any] | None = None) -> list[tuple[Any, ...]]:
        """Return every row of a query."""
        return self._connection.execute(sql, params or {}).fetchall()

    def load(self, table: str, columns: Mapping[str, str], rows: Iterable[Sequence[Any]]) -> None:
        """Append rows (values in the order of ``columns``: name to DuckDB type) to a table, made if missing."""
        listed = ", ".join(f"{name} {kind}" for name, kind in columns.items())
        self._connection.execute(f"CREATE TABLE IF NOT EXISTS {table} ({listed})")
        values = list(zip(*rows, strict=True))
        if not values:
            return
        # Whole columns as list parameters: a hundred times faster than a row at a time.
        drawn = ", ".join(f"unnest(${name}::{kind}[]) AS {name}" for name, kind in columns.items())
        params = {name: list(column) for name, column in zip(columns, values, strict=True)}
        self._connection.execute(f"INSERT INTO {table} SELECT {drawn}", params)

    def write_json_lines(self, sql: str, path: Path) -> int:
        """Write a query as JSON lines, one key per column in order, nulls kept; return the number of lines."""
        return self._copy(f"COPY ({sql}) TO {_literal(path)} (FORMAT json)")

    def write_lines(self, sql: str, path: Path) -> int:
        """Write a one-column query as text lines, gzipped when ``path`` ends in ``.gz``; return the number of lines."""
        compression = "gzip" if path.suffix == ".gz" else "none"
        return self._copy(f"COPY ({sql}) TO {_literal(path)} ({_AS_LINES}, COMPRESSION {compression})")

    def write_csv(self, sql: str, path: Path) -> int:
        """Write a query as CSV with a header; return the number of rows."""
        return self._copy(f"COPY ({sql}) TO {_literal(path)} (FORMAT csv, HEADER true)")

    def _copy(self, sql: str) -> int:
        count = self._connection.execute(sql).fetchone()
        return int(count[0]) if count else 0
