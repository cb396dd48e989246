"""The store that answers questions about a hostile folder can read its events and nothing else."""

import stat
from pathlib import Path

import pytest

from tocsin.events import queries
from tocsin.events.errors import NotAnInvestigation, QueryRefused


@pytest.fixture
def store(tmp_path, read, combined):
    path = tmp_path / "a.log"
    path.write_bytes(combined(20))
    reading = read([path])
    with queries.open_events(reading.folder, scratch=reading.folder / ".partial") as opened:
        yield opened


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM read_text('/etc/passwd')",
        "SELECT * FROM '/etc/passwd'",
        "SELECT * FROM glob('/etc/*')",
        "COPY (SELECT 1) TO '/tmp/tocsin-must-not-appear'",
        "ATTACH '/tmp/tocsin-must-not-appear.db'",
        "INSTALL httpfs",
        "SET threads = 1",
        "SET enable_external_access = true",
    ],
)
def test_a_question_about_anything_else_is_refused(store, sql):
    assert store.count("SELECT * FROM events") == 20
    with pytest.raises(QueryRefused):
        store.rows(sql)
    assert not Path("/tmp/tocsin-must-not-appear").exists()


def test_evidence_must_be_exactly_one_select():
    queries.check_single_select("WITH a AS (SELECT 1) SELECT * FROM a")
    for sql in ("SELECT 1; SELECT 2", "DROP VIEW events", "COPY (SELECT 1) TO 'x'", "SELEC 1", ""):
        with pytest.raises(QueryRefused):
            queries.check_single_select(sql)


def test_a_folder_without_events_is_named_in_the_error(tmp_path):
    with pytest.raises(NotAnInvestigation):
        queries.open_events(tmp_path)


def test_rows_can_be_loaded_and_asked_for(store):
    store.load("pairs", {"a": "INTEGER", "b": "VARCHAR"}, [(1, "x"), (2, "y")])
    assert store.rows("SELECT b FROM pairs WHERE a = $a", {"a": 2}) == [{"b": "y"}]
    store.load("pairs", {"a": "INTEGER"}, [])
    assert store.count("SELECT * FROM pairs") == 0


def test_what_is_written_names_people_so_only_its_owner_may_read_it(store, tmp_path):
    store.copy_csv("SELECT 'someone' AS account", tmp_path / "accounts.csv")
    store.copy_parquet("SELECT 'someone' AS account", tmp_path / "accounts.parquet")
    assert {stat.S_IMODE((tmp_path / f"accounts.{kind}").stat().st_mode) for kind in ("csv", "parquet")} == {0o600}
