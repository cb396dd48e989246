"""A private server for the whole session, and for each test a database of its own, copied from one that is migrated."""

import csv
import itertools
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tocsin.customers import commands as customers
from tocsin.incidents import commands as incidents
from tocsin.incidents.values import Severity
from tocsin.integrations.email import channel as email
from tocsin.journal.values import Assurance, Author
from tocsin.messaging.ports import Sending
from tocsin.project import database, database_place, database_server, settings
from tocsin.project.database_place import Place
from tocsin.scopes import commands as scopes

MONA = Author(name="Mona", assurance=Assurance.ASSERTED)
COLUMNS = ("account", "role", "certainty", "country", "first_at", "last_at", "data", "platform", "client_version",
           "reasons", "detections")  # fmt: skip
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
            yield place
    shutil.rmtree(place.base)


@pytest.fixture
def url(server: Place, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Name a fresh, migrated database in ``TOCSIN_DATABASE_URL``."""
    name = f"test_{os.getpid()}_{next(_numbers)}"
    with psycopg.connect(host=str(server.socket_folder), user="tocsin", dbname="postgres", autocommit=True) as session:
        session.execute(f"CREATE DATABASE {name} TEMPLATE tocsin")
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


class Company:
    """One incident with its scope, and an address book; each ``freeze`` makes the next revision."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.count = folder, 0
        self.incident = incidents.declare_incident("x", severity=Severity.HIGH, leads=(), facts=(), by=MONA).number

    def knows(self, text: str) -> None:
        """Import a list of customers."""
        path = self.folder / "customers.csv"
        path.write_text(text, encoding="utf-8")
        customers.import_customers(path, by=MONA)

    def freeze(self, accounts: Sequence[str], *, attackers: Sequence[str] = (), frozen: bool = True) -> Any:
        """Open a revision with these accounts and freeze it."""
        folder = self.found(accounts, attackers=attackers)
        revision = scopes.open_revision(self.incident, folder=folder, by=MONA)
        return scopes.freeze_scope(self.incident, by=MONA) if frozen else revision

    def found(self, accounts: Sequence[str], *, attackers: Sequence[str] = ()) -> Path:
        """Write a folder of findings."""
        self.count += 1
        folder = self.folder / f"out-{self.count}"
        folder.mkdir()
        roles = [(each, "victim") for each in accounts] + [(each, "attacker") for each in attackers]
        usual = {"certainty": "likely", "platform": "web", "reasons": "seen"}
        with (folder / "affected.csv").open("w", newline="", encoding="utf-8") as handle:
            writer = csv.DictWriter(handle, COLUMNS)
            writer.writeheader()
            writer.writerows([{**usual, "account": account, "role": role} for account, role in roles])
        return folder


@pytest.fixture
def company(rows: None, tmp_path: Path) -> Company:
    return Company(tmp_path)


@pytest.fixture
def mail() -> Sending:
    """Return the real e-mail channel; nothing is sent by it here."""
    settings = {"host": "127.0.0.1", "port": 9, "security": "none", "from": "us@example.com"}
    channel: Sending = email.connect("mail", settings=settings, secrets={})
    return channel
