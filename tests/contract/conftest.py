"""Our own rows for contract tests: one private server a session, and databases copied from one that is migrated."""

import itertools
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from tocsin.project import database, database_place, database_server, settings
from tocsin.project.database_place import Place

_numbers = itertools.count()


@contextmanager
def home_named(folder: Path) -> Iterator[None]:
    before = os.environ.get("TOCSIN_HOME")
    os.environ["TOCSIN_HOME"] = str(folder)
    try:
        yield
    finally:
        if before is None:
            del os.environ["TOCSIN_HOME"]
        else:
            os.environ["TOCSIN_HOME"] = before


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """Run one server for the session, with the migrated database ``tocsin`` to copy from."""
    with home_named(tmp_path_factory.mktemp("server")):
        place = database_place.find()
        with database_server.running(place):
            with database.opened():
                pass
            hurry(place)
            yield place
    shutil.rmtree(place.base)


def hurry(place: Place) -> None:
    """Let the server answer before its disk does: nothing in it outlives the session, and each test copies a database."""
    with psycopg.connect(host=str(place.socket_folder), user="tocsin", dbname="postgres", autocommit=True) as session:
        session.execute("ALTER SYSTEM SET fsync = off")
        session.execute("SELECT pg_reload_conf()")


@pytest.fixture
def url(server: Place, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Name a fresh, migrated database in ``TOCSIN_DATABASE_URL``."""
    name = f"test_{os.getpid()}_{next(_numbers)}"
    with psycopg.connect(host=str(server.socket_folder), user="tocsin", dbname="postgres", autocommit=True) as session:
        session.execute(f"CREATE DATABASE {name} TEMPLATE tocsin STRATEGY FILE_COPY")
        address = f"postgresql://tocsin@/{name}?host={server.socket_folder}"
        monkeypatch.setenv("TOCSIN_DATABASE_URL", address)
        yield address
        session.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def rows(url: str) -> Iterator[None]:
    """Open a fresh database for the length of the test, without numbering or witnessing anything at its end."""
    settings.use_database(settings.parameters_of_url(url))
    yield
    settings.connections.close_all()
