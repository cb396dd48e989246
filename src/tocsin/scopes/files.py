"""Writes ``affected.csv``, ``objects.csv`` and ``principals.csv``: straight from SQL, aside and renamed into place.

Attackers write the logs, and a spreadsheet runs a cell that begins like a formula (OWASP, "CSV Injection"): a cell
that begins with ``= + - @``, their full-width forms or an apostrophe gets one apostrophe in front, which
``original_cell`` takes off again. Control and direction characters become U+FFFD: left out without a trace, they would
let one account pass for another.
"""

from pathlib import Path

from tocsin.events.queries import EventStore

# C0 and C1 controls, line and paragraph separators, and the characters that turn the direction of writing.
_HIDDEN = r"[\x00-\x1f\x7f-\x{9f}\x{200e}\x{200f}\x{2028}-\x{202e}\x{2066}-\x{2069}\x{feff}]"
_FORMULA = r"^([\s\x{fffd}]*[=+\-@\x{ff1d}\x{ff0b}\x{ff0d}\x{ff20}]|')"


def cell_sql(column: str) -> str:
    """Return SQL for a text made harmless for spreadsheets; null becomes the empty cell."""
    plain = f"regexp_replace(coalesce({column}, ''), '{_HIDDEN}', '\N{REPLACEMENT CHARACTER}', 'g')"
    doubled = _FORMULA.replace("'", "''")
    return f"CASE WHEN regexp_matches({plain}, '{doubled}') THEN '''' || {plain} ELSE {plain} END"


def original_cell(cell: str) -> str:
    """Return what a cell said before it was made harmless (a control character stays replaced)."""
    return cell.removeprefix("'")


def _moment_sql(column: str) -> str:
    """Return SQL for ISO 8601 in UTC with milliseconds."""
    return f"strftime(make_timestamp_ms({column}), '%Y-%m-%dT%H:%M:%S.%gZ')"


def write_scope_files(store: EventStore, *, folder: Path) -> tuple[Path, ...]:
    """Write the files of the scope drafted in this store into ``folder`` and return their paths.

    ``principals.csv`` has the staff, service and cloud identities the intruder used: never customers' accounts.

    Lists inside a cell are joined by ``;``. Reasons are in English, so that a file is the same wherever it is written.
    """
    written = {"affected": _affected_sql(), "objects": _objects_sql(), "principals": _principals_sql()}
    for name, sql in written.items():
        store.copy_csv(sql, folder / f"{name}.csv")
    return tuple(folder / f"{name}.csv" for name in written)


def _affected_sql() -> str:
    return f"""
        WITH reasoned AS (
            SELECT keys, string_agg(DISTINCT text, '; ' ORDER BY text) AS reasons
            FROM (SELECT keys, unnest(keys) AS key FROM (SELECT DISTINCT keys FROM affected_accounts))
                JOIN reason_texts USING (key)
            GROUP BY keys
        ), told AS (SELECT keys, {cell_sql("reasons")} AS reasons FROM reasoned)
        SELECT {cell_sql("a.account")} AS account, role, certainty, {cell_sql("country")} AS country,
            {_moment_sql("first_ts")} AS first_at, {_moment_sql("last_ts")} AS last_at,
            {cell_sql("array_to_string(data, ';')")} AS data, {cell_sql("platform")} AS platform,
            {cell_sql("client_version")} AS client_version, told.reasons,
            array_to_string(detections, ';') AS detections
        FROM affected_accounts a JOIN told USING (keys)
        ORDER BY certainty_rank DESC, first_ts, a.account
    """


def _principals_sql() -> str:
    return f"""
        SELECT {cell_sql("principal")} AS principal, {_moment_sql("first_ts")} AS first_at,
            {_moment_sql("last_ts")} AS last_at
        FROM principals ORDER BY principals.principal
    """


def _objects_sql() -> str:
    return f"""
        SELECT {cell_sql("object_type")} AS object_type, {cell_sql("object")} AS object, {cell_sql("owner")} AS owner,
            operation, count, {_moment_sql("first_ts")} AS first_at, {_moment_sql("last_ts")} AS last_at,
            {cell_sql("suspect")} AS "by"
        FROM affected_objects ORDER BY affected_objects.owner, affected_objects.object_type, affected_objects.object,
            operation, suspect
    """
