"""Who is who: sessions and aliases joined to accounts where the logs or the operator say so, and counted where not."""

from dataclasses import dataclass
from pathlib import Path

import duckdb

from tocsin.events import memory
from tocsin.events.accounts_file import account_aliases
from tocsin.events.sealing import InvestigationFolder
from tocsin.events.store import quoted
from tocsin.events.values import COLUMNS

UNJOINED_MAX = 100_000  # rows of unjoined.csv; the counts in the summary know of all


@dataclass(frozen=True, slots=True)
class Unjoined:
    """What could not be joined: never guessed, always counted. ``unjoined.csv`` lists them.

    ``examples`` are a few of the names that several accounts go by; sessions are kept as keyed hashes, which nobody
    would recognise.
    """

    sessions_without_account: int
    sessions_with_several_accounts: int
    aliases_of_several_accounts: int
    events_without_account: int
    examples: tuple[str, ...] = ()


def settle(folder: InvestigationFolder, *, accounts: Path | None) -> tuple[Unjoined, dict[str, int]]:
    """Write the resolved account into every segment that needs it, and drop records delivered twice.

    Returns what stays unjoined, and per source how many events its segments hold. May be run any number of times: each
    segment is rewritten aside and renamed, and only when something in it changes.
    """
    files = sorted(folder.events.glob("*.parquet"))
    if not files:
        return Unjoined(0, 0, 0, 0), {}
    connection = duckdb.connect(":memory:")
    try:
        connection.execute(memory.limits_sql(spill=folder.partial / "spill"))
        listed = ", ".join(quoted(str(path)) for path in files)
        connection.execute(f"CREATE VIEW segments AS SELECT * FROM read_parquet([{listed}], filename = true)")
        _learn_aliases(connection, accounts=accounts)
        _learn_sessions(connection)
        _find_repeats(connection)
        for path in _changed_segments(connection):
            _rewrite(connection, path)
        held = dict(connection.execute("SELECT source_id, count(*) FROM segments GROUP BY 1").fetchall())
        return _unjoined(connection, folder=folder), {str(key): int(value) for key, value in held.items()}
    finally:
        connection.close()


def _learn_aliases(connection: duckdb.DuckDBPyConnection, *, accounts: Path | None) -> None:
    """Make ``aliases`` (kind, alias, account): the operator's word, then the logs' where nothing contradicts it."""
    run = connection.execute
    run("CREATE TEMP TABLE told (alias VARCHAR, account VARCHAR)")
    if accounts is not None:
        pairs = list(account_aliases(accounts))
        run(
            "INSERT INTO told SELECT unnest($a), unnest($b)",
            {"a": [pair[0].lower() for pair in pairs], "b": [pair[1] for pair in pairs]},
        )
    run(
        """
        CREATE TEMP TABLE claimed AS
        SELECT '*' AS kind, alias, account FROM told
        UNION
        SELECT coalesce(actor_type, 'customer') AS kind, lower(actor_user_name) AS alias, actor_user_uid AS account
        FROM segments
        WHERE actor_user_uid IS NOT NULL AND actor_user_name IS NOT NULL AND actor_user_uid <> actor_user_name
            AND lower(actor_user_name) NOT IN (SELECT alias FROM told)
        """
    )
    run(
        "CREATE TEMP TABLE ambiguous_aliases AS SELECT kind, alias, count(DISTINCT account) AS accounts FROM claimed "
        "GROUP BY kind, alias HAVING count(DISTINCT account) > 1"
    )
    # An account that is itself an alias of another would make chains; the operator's word ends them.
    run(
        "CREATE TEMP TABLE aliases AS SELECT kind, alias, any_value(account) AS account FROM claimed "
        "GROUP BY kind, alias HAVING count(DISTINCT account) = 1"
    )


def _learn_sessions(connection: duckdb.DuckDBPyConnection) -> None:
    """Make ``sessions`` (session, account) from every event that carries both, and the sessions of several accounts."""
    connection.execute(
        """
        CREATE TEMP TABLE session_accounts AS
        SELECT DISTINCT actor_session_uid AS session,
            coalesce(t.account, o.account, s.account) AS account, coalesce(actor_type, 'customer') AS kind
        FROM (SELECT DISTINCT actor_session_uid, account, actor_type FROM segments
              WHERE actor_session_uid IS NOT NULL AND account IS NOT NULL) s
        LEFT JOIN aliases t ON t.kind = '*' AND t.alias = lower(s.account)
        LEFT JOIN aliases o ON o.kind = coalesce(actor_type, 'customer') AND o.alias = lower(s.account)
        """
    )
    connection.execute(
        "CREATE TEMP TABLE sessions AS SELECT session, any_value(account) AS account, any_value(kind) AS kind "
        "FROM session_accounts GROUP BY session HAVING count(DISTINCT account) = 1"
    )


def _find_repeats(connection: duckdb.DuckDBPyConnection) -> None:
    """Make ``repeats``: records that carry the source's own id and were delivered before, in this file or another."""
    connection.execute(
        """
        CREATE TEMP TABLE repeats AS
        SELECT filename, source_id, line FROM (
            SELECT filename, source_id, line,
                row_number() OVER (PARTITION BY format, event_uid ORDER BY source_id, line) AS turn
            FROM segments WHERE event_uid IS NOT NULL
        ) turns WHERE turn > 1
        """
    )


def _changed_segments(connection: duckdb.DuckDBPyConnection) -> list[Path]:
    """Return the segments in which a name, a session or a repeat would change something."""
    rows = connection.execute(
        f"""
        SELECT DISTINCT filename FROM repeats
        UNION
        SELECT DISTINCT filename FROM ({_resolved_sql("segments")}) r
        WHERE r.account IS DISTINCT FROM r.account_before OR r.target_account IS DISTINCT FROM r.target_before
            OR r.object_owner IS DISTINCT FROM r.owner_before
        ORDER BY 1
        """
    ).fetchall()
    return [Path(row[0]) for row in rows]


def _resolved_sql(table: str) -> str:
    """Return a SELECT over a table of events with account, target and owner resolved beside what they were before.

    A staff name is never joined to a customer's: aliases learnt from logs keep to their own kind of actor.
    """
    return f"""
        SELECT e.* EXCLUDE (account, target_account, object_owner),
            coalesce(ta.account, oa.account, e.account, s.account) AS account, e.account AS account_before,
            coalesce(tt.account, ot.account, e.target_account) AS target_account, e.target_account AS target_before,
            coalesce(tw.account, ow.account, e.object_owner) AS object_owner, e.object_owner AS owner_before
        FROM {table} e
        LEFT JOIN aliases ta ON ta.kind = '*' AND ta.alias = lower(e.account)
        LEFT JOIN aliases oa ON oa.kind = coalesce(e.actor_type, 'customer') AND oa.alias = lower(e.account)
        LEFT JOIN aliases tt ON tt.kind = '*' AND tt.alias = lower(e.target_account)
        LEFT JOIN aliases ot ON ot.kind = 'customer' AND ot.alias = lower(e.target_account)
        LEFT JOIN aliases tw ON tw.kind = '*' AND tw.alias = lower(e.object_owner)
        LEFT JOIN aliases ow ON ow.kind = 'customer' AND ow.alias = lower(e.object_owner)
        LEFT JOIN sessions s ON e.account IS NULL AND s.session = e.actor_session_uid
    """


def _rewrite(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    aside = path.with_name(f".{path.name}.aside")
    names = ", ".join(f"r.{column.name}" for column in COLUMNS)
    one = f"(SELECT * FROM read_parquet({quoted(str(path))}))"
    connection.execute(
        f"COPY (SELECT {names} FROM ({_resolved_sql(one)}) r WHERE NOT EXISTS (SELECT 1 FROM repeats d "
        f"WHERE d.filename = {quoted(str(path))} AND d.line = r.line) ORDER BY r.line) TO {quoted(str(aside))} "
        "(FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1)"
    )
    aside.replace(path)


def _unjoined(connection: duckdb.DuckDBPyConnection, *, folder: InvestigationFolder) -> Unjoined:
    run = connection.execute
    run(
        """
        CREATE TEMP TABLE unjoined AS
        SELECT kind, value, sum(events)::BIGINT AS events, any_value(reason) AS reason FROM (
            SELECT 'session' AS kind, actor_session_uid AS value, count(*) AS events,
                CASE WHEN actor_session_uid IN (SELECT session FROM session_accounts) THEN 'several accounts'
                    ELSE 'no log-in seen' END AS reason
            FROM segments WHERE account IS NULL AND actor_session_uid IS NOT NULL
                AND actor_session_uid NOT IN (SELECT session FROM sessions) GROUP BY actor_session_uid
            UNION ALL
            SELECT 'alias', alias, accounts, 'several accounts' FROM ambiguous_aliases
        ) found GROUP BY kind, value
        """
    )
    listed = f"SELECT * FROM unjoined ORDER BY kind, events DESC, value LIMIT {UNJOINED_MAX}"
    aside, target = folder.partial / "unjoined.csv", folder.folder / "unjoined.csv"
    run(f"COPY ({listed}) TO {quoted(str(aside))} (FORMAT csv, HEADER true)")
    aside.chmod(0o600)
    aside.replace(target)
    counts = dict(run("SELECT kind || ':' || reason, count(*) FROM unjoined GROUP BY 1").fetchall())
    (without,) = run("SELECT count(*) FROM segments WHERE account IS NULL").fetchall()[0]
    return Unjoined(
        sessions_without_account=counts.get("session:no log-in seen", 0),
        sessions_with_several_accounts=counts.get("session:several accounts", 0),
        aliases_of_several_accounts=counts.get("alias:several accounts", 0),
        events_without_account=without,
        examples=tuple(row[0] for row in run(f"SELECT value FROM ({listed}) WHERE kind = 'alias' LIMIT 5").fetchall()),
    )
