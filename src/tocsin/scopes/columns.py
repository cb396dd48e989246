"""The column file of a revision's accounts: built from a draft and the decisions on it, compared, hashed by row."""

import json
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tocsin.events import queries as events
from tocsin.journal import queries as journal
from tocsin.scopes import evidence
from tocsin.scopes.evidence import Pinned
from tocsin.scopes.values import Difference

COLUMNS = (
    "account", "role", "certainty", "country", "first_at", "last_at", "data", "platform", "client_version", "reasons",
    "detections",
)  # fmt: skip
_ROW = "to_json({" + ", ".join(f"{name}: {name}" for name in COLUMNS) + "})"
# Cells were made harmless for spreadsheets with one apostrophe in front (scopes/files.py).
_ORIGINAL = ", ".join(f"CASE WHEN starts_with({n}, '''') THEN substr({n}, 2) ELSE {n} END AS {n}" for n in COLUMNS)
_CHANGES = ("added", "removed", "changed")
ROWS_AT_ONCE = 100_000


@dataclass(frozen=True, slots=True)
class Decided:
    """A decision in force: an exclusion with the row it was made on, or an account taken in."""

    account: str
    excluded: bool
    row_sha256: str
    certainty: str
    reason: str


@dataclass(frozen=True, slots=True)
class Built:
    """The column file, what it counts, and the Merkle root over its rows in order of account."""

    pinned: Pinned
    accounts: int
    by_certainty: dict[str, int]
    by_role: dict[str, int]
    excluded: tuple[str, ...]
    lapsed: tuple[str, ...]  # excluded once, but on other evidence: in again
    rows_root: str


@contextmanager
def _store() -> Iterator[events.EventStore]:
    with events.EventStore([], scratch=evidence.folder()) as store:
        yield store


def build(affected: Pinned, *, decisions: Sequence[Decided]) -> Built:
    """Write the column file of ``affected`` (the CSV of a draft) under the decisions in force."""
    with _store() as store:
        _load(store, affected=affected, decisions=decisions)
        aside = evidence.folder() / f".building-{secrets.token_hex(8)}"
        try:
            store.copy_parquet("SELECT * FROM rows ORDER BY account", aside)
            pinned = evidence.pin(aside, kind="accounts", name="accounts.parquet")
        finally:
            aside.unlink(missing_ok=True)
        lapsed = (
            "SELECT account FROM decided SEMI JOIN drafted USING (account) ANTI JOIN struck USING (account) "
            "WHERE kind = 'excluded' ORDER BY account"
        )
        return Built(
            pinned=pinned,
            accounts=store.count("SELECT 1 FROM rows"),
            by_certainty=_counted(store, "certainty"),
            by_role=_counted(store, "role"),
            excluded=tuple(store.column("SELECT account FROM struck ORDER BY account")),
            lapsed=tuple(store.column(lapsed)),
            rows_root=_rows_root(store),
        )


def _load(store: events.EventStore, *, affected: Pinned, decisions: Sequence[Decided]) -> None:
    """Make the tables ``drafted``, ``decided``, ``struck`` (accounts whose exclusion is in force) and ``rows``."""
    csv = events.quoted(str(evidence.path_of(affected.sha256).resolve()))
    store.temporary(
        "drafted",
        f"SELECT {_ORIGINAL} FROM read_csv({csv}, header = true, all_varchar = true, delim = ',', quote = '\"', "
        "escape = '\"', nullstr = '', strict_mode = true)",
    )
    typed = dict.fromkeys(("account", "kind", "row_sha256", "certainty", "reason"), "VARCHAR")
    rows = [
        (d.account, "excluded" if d.excluded else "included", d.row_sha256, d.certainty, d.reason) for d in decisions
    ]
    store.load("decided", typed, rows)
    # In force only on the very row it was made on: new evidence reopens the question.
    store.temporary(
        "struck",
        f"SELECT account FROM (SELECT account, sha256({_ROW}) AS row_sha256 FROM drafted SEMI JOIN decided "
        "USING (account)) SEMI JOIN (FROM decided WHERE kind = 'excluded') USING (account, row_sha256)",
    )
    told = {"role": "'victim'", "account": "account", "certainty": "certainty", "reasons": "reason"}
    included = ", ".join(told.get(name, "NULL") for name in COLUMNS)
    store.temporary(
        "rows",
        f"SELECT {', '.join(COLUMNS)} FROM drafted ANTI JOIN struck USING (account) UNION ALL "
        f"SELECT {included} FROM decided ANTI JOIN drafted USING (account) WHERE kind = 'included'",
    )


def _counted(store: events.EventStore, column: str) -> dict[str, int]:
    rows = store.rows(f"SELECT {column} AS word, count(*) AS n FROM rows GROUP BY 1 ORDER BY 1")
    return {str(row["word"]): int(row["n"]) for row in rows}


def _rows_root(store: events.EventStore) -> str:
    store.temporary("numbered", f"SELECT row_number() OVER (ORDER BY account) - 1 AS n, {_ROW} AS row FROM rows")

    def pages() -> Iterator[bytes]:
        for start in range(0, store.count("SELECT 1 FROM numbered"), ROWS_AT_ONCE):
            page = "SELECT row FROM numbered WHERE n >= $start AND n < $end ORDER BY n"
            yield from (str(row).encode() for row in store.column(page, {"start": start, "end": start + ROWS_AT_ONCE}))

    return journal.root_over(pages()).hex()


def row_of(sha256: str, *, account: str) -> dict[str, str] | None:
    """Return the row of one account, empty texts for what is not known, or None; ``row_sha256`` names its content."""
    with _store() as store:
        found = store.rows(
            f"SELECT *, sha256({_ROW}) AS row_sha256 FROM {_file(sha256)} WHERE account = $account",
            {"account": account},
        )
    return {name: "" if value is None else str(value) for name, value in found[0].items()} if found else None


def rows_of(sha256: str, *, limit: int) -> list[dict[str, str]]:
    """Return the first rows, confirmed before likely before precaution."""
    order = "CASE certainty WHEN 'confirmed' THEN 0 WHEN 'likely' THEN 1 ELSE 2 END, account"
    with _store() as store:
        found = store.rows(f"SELECT * FROM {_file(sha256)} ORDER BY {order} LIMIT {int(limit)}")
    return [{name: "" if value is None else str(value) for name, value in row.items()} for row in found]


def principals_of(sha256: str) -> list[str]:
    """Return the names in a pinned ``principals.csv``, in order."""
    csv = events.quoted(str(evidence.path_of(sha256).resolve()))
    named = "CASE WHEN starts_with(principal, '''') THEN substr(principal, 2) ELSE principal END"
    with _store() as store:
        return [
            str(name)
            for name in store.column(
                f"SELECT {named} AS name FROM read_csv({csv}, header = true, all_varchar = true, delim = ',', "
                "quote = '\"', escape = '\"', strict_mode = true) ORDER BY name"
            )
        ]


def row_hashes(sha256: str, *, accounts: Sequence[str]) -> dict[str, str]:
    """Return account -> the hash of its row, of those accounts that are in the column file."""
    with _store() as store:
        store.load("asked", {"account": "VARCHAR"}, [(account,) for account in accounts])
        rows = store.rows(
            f"SELECT account, sha256({_ROW}) AS row_sha256 FROM {_file(sha256)} SEMI JOIN asked USING (account)"
        )
    return {str(row["account"]): str(row["row_sha256"]) for row in rows}


def difference(earlier_sha256: str | None, *, later_sha256: str, limit: int) -> Difference:
    """Return what came in, went out, or changed role or certainty between two column files."""
    with _store() as store:
        later = _file(later_sha256)
        earlier = _file(earlier_sha256) if earlier_sha256 else f"(SELECT * FROM {later} WHERE false)"
        store.temporary("added", f"SELECT account FROM {later} ANTI JOIN {earlier} earlier USING (account)")
        store.temporary("removed", f"SELECT account FROM {earlier} AS earlier ANTI JOIN {later} later USING (account)")
        store.temporary(
            "changed",
            f"SELECT account FROM {later} AS later JOIN {earlier} AS earlier USING (account) "
            "WHERE (later.role, later.certainty) IS DISTINCT FROM (earlier.role, earlier.certainty)",
        )
        added, removed, changed = (
            tuple(store.column(f"SELECT account FROM {name} ORDER BY account LIMIT {int(limit)}")) for name in _CHANGES
        )
        counts = [store.count(f"SELECT 1 FROM {name}") for name in _CHANGES]
    return Difference(added, removed, changed, *counts)


def _file(sha256: str) -> str:
    return f"read_parquet({events.quoted(str(evidence.path_of(sha256).resolve()))})"


def detections_named(sha256: str, *, uids: Sequence[str]) -> list[dict[str, Any]]:
    """Return those lines of a pinned ``detections.jsonl`` whose ``uid`` is asked for."""
    path: Path = evidence.path_of(sha256)
    with path.open(encoding="utf-8") as lines:
        read = (json.loads(line) for line in lines if line.strip())
        return [each for each in read if each.get("uid") in uids]
