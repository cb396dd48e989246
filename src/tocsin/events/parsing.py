"""One chunk of lines, read by one format, becomes one Parquet segment and a count of what was refused."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import duckdb
import orjson

from tocsin.events import dialect, memory
from tocsin.events.cutting import LINE_BYTES_MAX, Chunk
from tocsin.events.enrichment import Enrichment
from tocsin.events.ports import Format
from tocsin.events.store import quoted
from tocsin.events.values import COLUMN_TYPES, COLUMNS, Shape
from tocsin.kernel import files

# What a format may name beside the columns: it is used while reading and not kept.
FORWARDED = "x_forwarded_for"
PERSON_TYPES = "['customer', 'user', 'account', 'member', 'patient', 'subscriber', 'profile']"


@dataclass(frozen=True, slots=True)
class ChunkRead:
    """What became of one chunk. ``refused`` counts by reason; ``parsed + sum(refused) == lines``.

    ``written`` is what of the parsed lay between since and until.
    """

    lines: int
    parsed: int
    written: int
    refused: dict[str, int]
    first_ts: int | None
    last_ts: int | None

    @classmethod
    def kept(cls, path: Path) -> "ChunkRead | None":
        """Return what an interrupted run has kept of a chunk it finished, if it did."""
        return cls(**orjson.loads(path.read_bytes())) if path.exists() else None

    def keep(self, path: Path) -> Self:
        """Keep this for the next run, should this one be interrupted."""
        files.write_whole(path, orjson.dumps(self))
        return self


class Parser:
    """Reads chunks, of one source after another. Not for two threads at once: each has its own."""

    def __init__(
        self, *, options: dialect.ReadingOptions, enrichment: Enrichment, spill: Path | None = None, shares: int = 1
    ) -> None:
        self._options, self._enrichment = options, enrichment
        self._form: Format | None = None
        self._source = SourceName("", "", 0)
        self._connection = duckdb.connect(":memory:")
        run = self._connection.execute
        run("SET threads = 1")
        run(memory.limits_sql(spill=spill, shares=shares))
        run("SET enable_progress_bar = false")
        run(dialect.macros(options))
        self._enrichment.attach(self._connection)

    def turn_to(self, source: "SourceName", *, form: Format | None) -> None:
        """Make ready for another source, read by ``form``; None refuses every line of it."""
        self._form, self._source = form, source
        self._connection.execute(f"SET VARIABLE reference_ms = {source.reference_ms}")

    def close(self) -> None:
        """Let go of the connection."""
        self._connection.close()

    def read(self, chunk: Chunk, *, folder: Path, number: int) -> ChunkRead:
        """Write ``<number>.parquet`` and ``<number>.rejected.gz`` into ``folder``, each aside and then renamed."""
        self._read_lines(chunk, path=folder / f"{number:05d}.lines")
        return self._write(chunk, folder=folder, number=number)

    def read_parcel(self, parcel: "Sequence[tuple[SourceName, Chunk, Path]]") -> Iterator[ChunkRead]:
        """Read the only chunks of several small sources by one statement, whose plan costs more than their lines.

        They are of one format and, but for its id and path, of one SourceName. Writes and yields what ``read`` would.
        """
        run = self._connection.execute
        whole = Chunk(1, sum(chunk.count for _name, chunk, _folder in parcel))
        whole.data = b"".join(chunk.data for _name, chunk, _folder in parcel)
        self._read_lines(whole, path=parcel[0][2] / "parcel.lines")
        run("CREATE OR REPLACE TEMP TABLE parcel AS FROM outcome")
        before = 0
        for name, chunk, folder in parcel:
            self._source = name
            run(
                f"CREATE OR REPLACE TEMP TABLE outcome AS SELECT * REPLACE (n - {before} AS n, "
                f"n - {before} AS line_number, {quoted(name.source_id)} AS source_id) "
                f"FROM parcel WHERE n > {before} AND n <= {before + chunk.count}"
            )
            before += chunk.count
            yield self._write(chunk, folder=folder, number=1)

    def _read_lines(self, chunk: Chunk, *, path: Path) -> None:
        """Make ``outcome`` of a chunk's lines, and look up the addresses and clients in it."""
        path.write_bytes(chunk.data)
        try:
            self._load_lines(path, chunk=chunk)
        finally:
            path.unlink()
        if self._form is not None:
            self._parse()
            self._enrichment.learn(self._connection, table="outcome")
        else:
            self._connection.execute(
                "CREATE OR REPLACE TEMP TABLE outcome AS SELECT n, line, 'unknown format' AS reason FROM lines"
            )

    def _load_lines(self, path: Path, *, chunk: Chunk) -> None:
        run = self._connection.execute
        longest = min(LINE_BYTES_MAX * 5 // 4, len(chunk.data)) + 1
        run(
            f"""
            CREATE OR REPLACE TEMP TABLE lines AS
            SELECT row_number() OVER () + {chunk.first_line - 1} AS n, line FROM read_csv({quoted(str(path))},
                columns = {{'line': 'VARCHAR'}}, delim = '\x01', quote = '', escape = '', header = false,
                auto_detect = false, new_line = '\\n', comment = '', strict_mode = false, nullstr = '\x03',
                max_line_size = {longest}, buffer_size = {longest * 2})
            """
        )
        (counted,) = run("SELECT count(*) FROM lines").fetchall()[0]
        if counted != chunk.count:
            # The reader and the cutter must agree on every line; where they do not, the cutter's own lines are used.
            texts = chunk.data.decode("utf-8").split("\n")[:-1]
            run("CREATE OR REPLACE TEMP TABLE lines (n BIGINT, line VARCHAR)")
            numbers = list(range(chunk.first_line, chunk.first_line + chunk.count))
            run("INSERT INTO lines SELECT unnest($n), unnest($t)", {"n": numbers, "t": texts})

    def _parse(self) -> None:
        """Make ``outcome`` (n, line, reason, and the columns), line by line if the whole chunk will not go."""
        assert self._form is not None
        sql = outcome_sql(self._form, options=self._options, source=self._source)
        try:
            self._connection.execute(f"CREATE OR REPLACE TEMP TABLE outcome AS {sql.format(lines='lines')}")
        except duckdb.Error:
            self._parse_by_halves(sql)

    def _parse_by_halves(self, sql: str) -> None:
        """Find the lines an expression breaks on by halving, refuse those, and parse the rest."""
        run = self._connection.execute
        (first, last), *_ = run("SELECT min(n), max(n) FROM lines").fetchall()
        run(f"CREATE OR REPLACE TEMP TABLE outcome AS {sql.format(lines='(SELECT * FROM lines LIMIT 0)')}")
        waiting = [(first, last)]
        while waiting:
            low, high = waiting.pop()
            part = f"(SELECT * FROM lines WHERE n BETWEEN {low} AND {high})"
            try:
                run(f"INSERT INTO outcome {sql.format(lines=part)}")
            except duckdb.Error as error:
                if low == high:
                    reason = f"could not be read: {str(error).splitlines()[0][:120]}"
                    run(f"INSERT INTO outcome (n, line, reason) SELECT n, line, $r FROM {part}", {"r": reason})
                else:
                    middle = (low + high) // 2
                    waiting += [(middle + 1, high), (low, middle)]

    def _write(self, chunk: Chunk, *, folder: Path, number: int) -> ChunkRead:
        run = self._connection.execute
        if chunk.refused:
            run("CREATE OR REPLACE TEMP TABLE refused (n BIGINT, reason VARCHAR, line VARCHAR)")
            columns = [list(values) for values in zip(*chunk.refused, strict=True)]
            run("INSERT INTO refused SELECT unnest($a), unnest($b), unnest($c)", dict(zip("abc", columns, strict=True)))
            run("UPDATE outcome SET reason = r.reason, line = r.line FROM refused r WHERE outcome.n = r.n")
        refused = dict(
            run("SELECT reason, count(*) FROM outcome WHERE reason IS NOT NULL GROUP BY 1 ORDER BY 1").fetchall()
        )
        parsed, written, first_ts, last_ts = 0, 0, None, None
        if self._form is not None:
            aside = folder / f"{number:05d}.parquet.aside"
            window = self._window_sql()
            enriched = self._enrichment.final_sql("outcome", where=f"reason IS NULL{window}")
            run(f"COPY ({enriched}) TO {quoted(str(aside))} (FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1)")
            aside.replace(folder / f"{number:05d}.parquet")
            parsed, written, first_ts, last_ts = run(
                f"SELECT count(*), count(*) FILTER (true{window}), min(ts), max(ts) FROM outcome WHERE reason IS NULL"
            ).fetchall()[0]
        if refused:
            self._write_refused(folder / f"{number:05d}.rejected.gz")
        return ChunkRead(chunk.count, parsed, written, refused, first_ts, last_ts)

    def _window_sql(self) -> str:
        since, until = self._options.since_ms, self._options.until_ms
        return (f" AND ts >= {since}" if since is not None else "") + (
            f" AND ts < {until}" if until is not None else ""
        )

    def _write_refused(self, path: Path) -> None:
        aside = path.with_suffix(".aside")
        self._connection.execute(
            f"COPY (SELECT {quoted(self._source.path)} AS file, n AS line, reason, masked(coalesce(line, '')) AS raw "
            f"FROM outcome WHERE reason IS NOT NULL ORDER BY n) TO {quoted(str(aside))} (FORMAT json, COMPRESSION gzip)"
        )
        aside.chmod(0o600)
        aside.replace(path)


@dataclass(frozen=True, slots=True)
class SourceName:
    """Which source a parser reads: its id, its path as shown, and the newest a year-less stamp in it can be."""

    source_id: str
    path: str
    reference_ms: int


def outcome_sql(form: Format, *, options: dialect.ReadingOptions, source: SourceName) -> str:
    """Return the SELECT that reads ``{lines}`` (n, line) with a format.

    Columns: n, line, reason (null when parsed), every column of an event the format names or that can be derived, and
    the raw text of X-Forwarded-For while it is needed.
    """
    text = form.shape is Shape.TEXT
    record = _text_record(form) if text else _json_record(form)
    named = dict(form.columns)
    skew = _skew_ms(form, options=options, path=source.path)
    if skew:
        named["ts"] = f"({named['ts']}) + {skew}"
    if "unmapped" not in named and (unmapped := _unmapped_sql(form)):
        named["unmapped"] = unmapped
    picked = ",\n".join(
        f"try_cast({sql} AS {COLUMN_TYPES.get(name, 'VARCHAR')}) AS {name}" for name, sql in named.items()
    )
    reasons = "".join(f"WHEN {condition} THEN {quoted(reason)} " for reason, condition in form.reject.items())
    directive = f"WHEN regexp_matches(line, {quoted(form.directive)}) THEN 'directive' " if form.directive else ""
    bad = "not of the recognised format" if text else "not valid JSON"
    inner = f"""
        SELECT n, line, CASE WHEN line IS NULL OR line = '' THEN 'empty line' {directive}
            WHEN r IS NULL THEN '{bad}' {reasons} END AS refusal,
        {picked} FROM ({_kept_once("records", record)}) records"""
    if "url_path" in named:
        inner, named = _with_object(inner, named=named)
    derived = _derived(named)
    columns = ", ".join(
        f"{derived.get(name, name if name in named else f'NULL::{COLUMN_TYPES.get(name)}')} AS {name}"
        for name in _kept(named)
    )
    outer = f"""
        SELECT n, line, CASE WHEN refusal IS NOT NULL THEN refusal WHEN ts IS NULL THEN 'no readable time'
            WHEN ts < 0 OR ts > 32503680000000 THEN 'time out of range' END AS reason,
        {quoted(source.source_id)} AS source_id, n AS line_number, {quoted(form.key)} AS format, {columns}
        FROM ({_kept_once("named", inner)}) named"""
    # Braces of JSON paths and routes are doubled, so that only {lines} is a place to fill.
    return outer.replace("{", "{{").replace("}", "}}").replace("{{lines}}", "{lines}")


def _kept(named: Mapping[str, str]) -> list[str]:
    made = {"source_id", "line", "format", "src_network", "src_kind"}
    kept = [column.name for column in COLUMNS if column.name not in made]
    return [*kept, FORWARDED] if FORWARDED in named else kept


def _with_object(inner: str, *, named: dict[str, str]) -> tuple[str, dict[str, str]]:
    """Add the route of a path and the object its last id names, one stage at a time, unless the format says them."""
    steps = (
        ("route", "route_of(url_path)"),
        ("id_at", "id_place(route)"),
        ("object_id", "nullif(split_part(url_path, '/', id_at), '')"),
        ("object_kind", "lower(nullif(split_part(route, '/', id_at - 1), '{id}'))"),
        ("object_type", "CASE WHEN id_at IS NOT NULL THEN singular(object_kind) END"),
    )
    for name, sql in steps:
        if name not in named:
            inner = f"SELECT *, {sql} AS {name} FROM ({_kept_once(f'before_{name}', inner)}) {name}_added"
    return inner, named | {"route": "route", "object_id": "object_id", "object_type": "object_type"}


def _kept_once(name: str, sql: str) -> str:
    """Return a stage whose columns are computed once; inlined, what is built on them would compute them again."""
    return f"WITH {name} AS MATERIALIZED ({sql}) SELECT * FROM {name}"


def _text_record(form: Format) -> str:
    names = "[" + ", ".join(quoted(name) for name in form.fields) + "]"
    pattern = quoted(form.pattern)
    return (
        f"SELECT n, line, CASE WHEN regexp_matches(line, {pattern}) "
        f"THEN regexp_extract(line, {pattern}, {names}) END AS r FROM {{lines}} chunk_lines"
    )


def _json_record(form: Format) -> str:
    structure = quoted(orjson.dumps(form.fields).decode())
    return (
        f"SELECT n, line, line AS j, CASE WHEN json_valid(line) AND json_type(line) = 'OBJECT' "
        f"THEN from_json(line, {structure}) END AS r FROM {{lines}} chunk_lines"
    )


def _unmapped_sql(form: Format) -> str | None:
    if form.unmapped is not None:
        return form.unmapped
    if form.shape is Shape.TEXT or not form.fields:
        return None
    patch = quoted(orjson.dumps(dict.fromkeys(form.fields)).decode())
    # A list with a filter stands for nullif, which would merge every record twice.
    rest = f"[CASE WHEN r IS NOT NULL THEN json_merge_patch(j::JSON, {patch})::VARCHAR END]"
    return f"masked(list_filter({rest}, lambda t: t <> '{{}}')[1])"


def _derived(named: Mapping[str, str]) -> dict[str, str]:
    """Return SQL for the columns that follow from others when the format says nothing of them."""
    derived: dict[str, str] = {}

    def when_missing(name: str, needs: str, sql: str) -> None:
        if name not in named and needs in named:
            derived[name] = sql

    who = [f"blank({name})" for name in ("actor_user_uid", "actor_user_name") if name in named]
    if "account" not in named and who:
        derived["account"] = f"coalesce({', '.join(who)})"
    if "route" in named:
        when_missing("data_category", "ts", "category_of(route)")
    if "object_owner" not in named and "object_type" in named and "object_id" in named:
        # /customers/7/payments/31: the payment is the thing, the customer owns it.
        owner = f"CASE WHEN list_contains({PERSON_TYPES}, object_type) THEN object_id END"
        derived["object_owner"] = f"coalesce({owner}, person_of(url_path))" if "url_path" in named else owner
    if "class_uid" in named:
        derived |= _derived_login(named)
    return derived


def _derived_login(named: Mapping[str, str]) -> dict[str, str]:
    """A POST to a log-in path is an authentication, whatever web server wrote it down."""
    code = "status_code" if "status_code" in named else "NULL"
    status = "status_id" if "status_id" in named else f"CASE WHEN class_uid = 4002 THEN http_status({code}) ELSE 0 END"
    if "http_method" not in named or "url_path" not in named:
        return {"status_id": status}
    login = "(class_uid = 4002 AND is_login(http_method, url_path))"
    activity = "activity_id" if "activity_id" in named else "NULL"
    return {
        "class_uid": f"CASE WHEN {login} THEN 3002 ELSE class_uid END",
        "activity_id": f"CASE WHEN {login} THEN 1 ELSE {activity} END",
        "status_id": f"CASE WHEN {login} THEN login_status(url_path, {code}) ELSE {status} END",
    }


def _skew_ms(form: Format, *, options: dialect.ReadingOptions, path: str) -> int:
    for name, milliseconds in (options.skew_ms or {}).items():
        if name == form.key or Path(path).match(name):
            return milliseconds
    return 0
