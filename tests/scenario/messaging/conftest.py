"""The database of these scenarios: one server for the session, a fresh database for each test."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from tests.contract.conftest import hurry, rows, server, url
from tests.scenario.messaging.disasters import SmallDisk
from tests.scenario.messaging.stage import Stage, set_up

from tocsin.project import database, database_place, settings
from tocsin.project.database_place import Place

__all__ = ["durable", "fragile_stage", "rows", "server", "small_disk_stage", "stage", "url"]


@pytest.fixture
def durable(server: Place) -> Iterator[None]:
    """Let the server wait for its disk, as it does for users: what a kill may lose is the question here."""
    with psycopg.connect(host=str(server.socket_folder), user="tocsin", dbname="postgres", autocommit=True) as session:
        session.execute("ALTER SYSTEM RESET fsync")
        session.execute("SELECT pg_reload_conf()")
    yield
    hurry(server)


@pytest.fixture
def stage(durable: None, rows: None, tmp_path: Path) -> Iterator[Stage]:
    """Return an installation whose processes are ended with the test."""
    with set_up(tmp_path) as made:
        yield made


@pytest.fixture
def fragile_stage(durable: None, server: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    """Return the same where the database's server may be killed: nothing of the test itself holds on to it."""
    name = f"fragile_{os.getpid()}"

    def administer(statement: str) -> None:
        with psycopg.connect(host=str(server.socket_folder), user="tocsin", dbname="postgres", autocommit=True) as one:
            one.execute(statement)

    administer(f"CREATE DATABASE {name} TEMPLATE tocsin")
    address = f"postgresql://tocsin@/{name}?host={server.socket_folder}"
    monkeypatch.setenv("TOCSIN_DATABASE_URL", address)
    settings.use_database(settings.parameters_of_url(address))
    with set_up(tmp_path) as made:
        yield made
    settings.connections.close_all()
    administer(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def small_disk_stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Stage, SmallDisk, Place]]:
    """Return an installation whose database, and what its senders note, lie on a disk of their own that can be full."""
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    monkeypatch.setenv("TOCSIN_HOME", str(home))
    disk = SmallDisk(database_place.find().base, megabytes=4_000)
    if not disk.mount():
        pytest.skip("only root, and not in every container, may mount a file system in memory")
    try:
        (disk.folder / "outbox").mkdir(mode=0o700)
        (home / "outbox").symlink_to(disk.folder / "outbox")
        with database.opened(), set_up(tmp_path) as made:
            yield made, disk, database_place.find()
    finally:
        disk.unmount()
        shutil.rmtree(disk.folder)
