"""The locked DuckDB that answers questions about one investigation's sealed segments."""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import duckdb

from tocsin.events import arrays, memory
from tocsin.events.errors import NotAnInvestigation, QueryRefused
from tocsin.events.values import COLUMNS

Parameters = Mapping[str, Any] | None


def quoted(text: str) -> str:
    """Return a text as an SQL string literal."""
    return "'" + text.replace("'", "''") + "'"


class EventStore:
    """Read-only questions over the view ``events``; one in-memory DuckDB, external access off, configuration locked.

    It can read ``<folder>/events``, the files in ``readable`` and, when ``scratch`` is given, write below that folder:
    nothing else, whatever the SQL says. Parameters are DuckDB's named ones (``$name``). It holds what
    ``memory.limit_mib`` allows, or ``memory_megabytes``; the rest goes to the scratch folder, or is refused where there
    is none. ``ordered`` keeps rows in their order where none is asked for.
    """

    def __init__(
        self,
        segments: Iterable[Path],
        *,
        scratch: Path | None = None,
        threads: int | None = None,
        readable: Iterable[Path] = (),
        memory_megabytes: int | None = None,
        ordered: bool = True,
    ) -> None:
        files = sorted(str(path.resolve()) for path in segments)
        self._connection = duckdb.connect(":memory:")
        run = self._connection.execute
        run(f"SET threads = {threads or os.cpu_count() or 2}")
        run("SET TimeZone = 'UTC'")
        run("SET enable_progress_bar = false")
        run(f"SET preserve_insertion_order = {str(ordered).lower()}")
        run(memory.limits_sql(spill=scratch / "spill" if scratch else None, megabytes=memory_megabytes))
        folders = {str(Path(file).parent) for file in files}
        self.scratch = scratch
        if scratch is not None:
            scratch.mkdir(mode=0o700, parents=True, exist_ok=True)
            folders.add(str(scratch.resolve()))
        if folders:
            run("SET allowed_directories = [" + ", ".join(quoted(folder + os.sep) for folder in sorted(folders)) + "]")
        named = [quoted(str(path.resolve())) for path in readable]
        if named:
            run(f"SET allowed_paths = [{', '.join(named)}]")
        run("SET enable_external_access = false")
        run("SET lock_configuration = true")
        if files:
            listed = ", ".join(quoted(file) for file in files)
            run(f"CREATE VIEW events AS SELECT * FROM read_parquet([{listed}])")
        else:
            typed = ", ".join(f"NULL::{column.type} AS {column.name}" for column in COLUMNS)
            run(f"CREATE VIEW events AS SELECT {typed} WHERE false")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of memory and files."""
        self._connection.close()

    def _run(self, sql: str, params: Parameters) -> duckdb.DuckDBPyConnection:
        try:
            return self._connection.execute(sql, dict(params)) if params else self._connection.execute(sql)
        except duckdb.Error as error:
            raise QueryRefused(f"The store refused a question: {error}", where=sql[:200]) from error

    def rows(self, sql: str, params: Parameters = None) -> list[dict[str, Any]]:
        """Return every row of one SELECT, as dictionaries by column name."""
        cursor = self._run(sql, params)
        names = [column[0] for column in cursor.description or []]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def one(self, sql: str, params: Parameters = None) -> dict[str, Any]:
        """Return the first row of one SELECT; an empty answer is an error of the caller."""
        return self.rows(sql, params)[0]

    def column(self, sql: str, params: Parameters = None) -> list[Any]:
        """Return the first column of one SELECT."""
        return [row[0] for row in self._run(sql, params).fetchall()]

    def count(self, sql: str, params: Parameters = None) -> int:
        """Return the number of rows of one SELECT."""
        return int(self._run(f"SELECT count(*) FROM ({sql}) counted", params).fetchall()[0][0])

    def temporary(self, name: str, sql: str, params: Parameters = None) -> None:
        """Keep the answer of one SELECT as the temporary table ``name``, for later questions of this store."""
        self._run(f"CREATE OR REPLACE TEMP TABLE {name} AS {sql}", params)

    def view(self, name: str, sql: str) -> None:
        """Give one SELECT the name ``name`` for later questions; it is answered anew each time."""
        self._run(f"CREATE OR REPLACE TEMP VIEW {name} AS {sql}", None)

    def load(self, name: str, columns: Mapping[str, str], rows: Iterable[tuple[Any, ...]]) -> None:
        """Make the temporary table ``name`` (column -> SQL type) from Python rows, in one insert."""
        typed = ", ".join(f"{column} {kind}" for column, kind in columns.items())
        self._run(f"CREATE OR REPLACE TEMP TABLE {name} ({typed})", None)
        listed = [list(values) for values in zip(*rows, strict=True)]
        if listed:
            picked = ", ".join(f"unnest($c{number})" for number in range(len(listed)))
            self._run(f"INSERT INTO {name} SELECT {picked}", {f"c{n}": values for n, values in enumerate(listed)})

    def blocks(self, sql: str, *, widths: Sequence[int]) -> Iterator[tuple[memoryview, ...]]:
        """Yield a SELECT's integer columns as bare memory, block by block (arrays.blocks); nothing else may be asked
        of this store before the last block."""
        try:
            yield from arrays.blocks(self._connection.sql(sql).__arrow_c_stream__(), widths=widths)
        except duckdb.Error as error:
            raise QueryRefused(f"The store refused a question: {error}", where=sql[:200]) from error

    def copy_csv(self, sql: str, path: Path, params: Parameters = None) -> None:
        """Write the answer of one SELECT as CSV with a header, 0600: aside in scratch, then renamed into place."""
        self._copy(sql, path, "FORMAT csv, HEADER true", params)

    def copy_parquet(self, sql: str, path: Path, params: Parameters = None, *, compression: str = "zstd") -> None:
        """Write the answer of one SELECT as Parquet, the same way; ``uncompressed`` is for files of passing use."""
        self._copy(sql, path, f"FORMAT parquet, COMPRESSION {compression}", params)

    def _copy(self, sql: str, path: Path, options: str, params: Parameters) -> None:
        if self.scratch is None:
            raise QueryRefused("This store was opened for reading only", mend="Open it with a scratch folder.")
        aside = self.scratch / f".{path.name}.{os.getpid()}"
        self._run(f"COPY ({sql}) TO {quoted(str(aside.resolve()))} ({options})", params)
        aside.chmod(0o600)
        aside.replace(path)


def check_single_select(sql: str) -> None:
    """Raise QueryRefused unless ``sql`` is exactly one SELECT statement (as DuckDB itself parses it)."""
    try:
        statements = duckdb.extract_statements(sql)
    except duckdb.Error as error:
        raise QueryRefused(f"Not SQL: {error}", where=sql[:200]) from error
    if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
        raise QueryRefused("Evidence must be one SELECT", where=sql[:200])


def open_segments(folder: Path) -> list[Path]:
    """Return the sealed segments of an investigation's folder, oldest name first."""
    events = folder / "events"
    if not events.is_dir():
        raise NotAnInvestigation(
            f"{folder} holds no events", mend="Give the --out folder of an earlier `tocsin investigate`."
        )
    return sorted(path for path in events.glob("*.parquet") if not path.name.startswith("."))
