"""A small product of its own in a second database: what a connector does is counted there, at the receiving side."""

import itertools
from collections.abc import Iterator, Sequence

import psycopg
import pytest

from tocsin.containment import commands, systems
from tocsin.containment.errors import SystemUnreachable
from tocsin.containment.ports import Answer, Outcome
from tocsin.integrations.sql_accounts.connector import connect
from tocsin.journal.values import Assurance, Author
from tocsin.project.database_place import Place

_numbers = itertools.count()
STAFF = Author(name="ada", assurance=Assurance.ASSERTED)
RESET = [{"measures": [{"kind": "reset_password"}], "systems": {"reset_password": ["gate", "shop"]}}]
# The product itself writes down every change it sees, whoever makes it.
SCHEMA = """
CREATE TABLE customers (login text PRIMARY KEY, must_change boolean NOT NULL DEFAULT false, changed_at timestamptz);
CREATE TABLE seen (n bigserial PRIMARY KEY, login text NOT NULL, became boolean NOT NULL);
CREATE FUNCTION saw() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN INSERT INTO seen (login, became) VALUES (NEW.login, NEW.must_change); RETURN NEW; END $$;
CREATE TRIGGER saw AFTER UPDATE OF must_change ON customers FOR EACH ROW EXECUTE FUNCTION saw();
"""
MEASURES = {"reset_password": {"set": {"must_change": True}, "undo": {"must_change": False}, "done": "changed_at"}}


class Product:
    """The protected product: its accounts, and what it saw happen to them."""

    def __init__(self, host: str, name: str) -> None:
        self.host, self.name = host, name

    def session(self) -> psycopg.Connection:
        return psycopg.connect(host=self.host, user="tocsin", dbname=self.name)

    def ask(self, sql: str, *given: object) -> list[tuple]:
        with self.session() as session:
            cursor = session.execute(sql, given)
            return cursor.fetchall() if cursor.description else []

    def add(self, logins: Sequence[str]) -> list[str]:
        with self.session() as session, session.cursor() as cursor:
            cursor.executemany("INSERT INTO customers (login) VALUES (%s)", [(login,) for login in logins])
        return list(logins)

    def flagged(self) -> list[str]:
        return [login for (login,) in self.ask("SELECT login FROM customers WHERE must_change ORDER BY login")]

    def seen(self) -> dict[str, int]:
        """Return how often each account was really changed."""
        return dict(self.ask("SELECT login, count(*) FROM seen GROUP BY login ORDER BY login"))

    def settings(self, *, batch: int = 100) -> dict[str, object]:
        return {
            "host": self.host, "database": self.name, "user": "tocsin", "batch": batch,
            "accounts": {"table": "customers", "account": "login"}, "measures": MEASURES,
        }  # fmt: skip


@pytest.fixture
def product(server: Place, rows: None) -> Iterator[Product]:
    name = f"product_{next(_numbers)}"
    with psycopg.connect(host=str(server.socket_folder), user="tocsin", dbname="postgres", autocommit=True) as session:
        session.execute(f"CREATE DATABASE {name}")
        made = Product(str(server.socket_folder), name)
        with made.session() as inside:
            inside.execute(SCHEMA)
        yield made
        session.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def shop(product: Product) -> Product:
    """Connect the product as the system ``shop``."""
    commands.add_system("shop", kind="sql", settings=product.settings(), secrets={}, by=STAFF)
    return product


class Between:
    """Stands between the worker and a real connector, and spoils what comes through as a test says."""

    def __init__(self, real: object) -> None:
        self.real = real
        self.down = False
        self.ignores = False  # answers "taken" and does nothing
        self.loses_answers = False
        self.limited = 0.0  # seconds it asks us to wait
        self.applied = 0

    def __getattr__(self, name: str) -> object:
        return getattr(self.real, name)

    def apply(self, orders):
        if self.down:
            raise SystemUnreachable("down", mend="wait")
        if self.limited:
            return [Outcome(order, Answer.LATER, "slow down", self.limited) for order in orders]
        if self.ignores:
            return [Outcome(order, Answer.TAKEN) for order in orders]
        self.applied += len(orders)
        outcomes = list(self.real.apply(orders))
        return [] if self.loses_answers else outcomes

    def verify(self, orders):
        if self.down:
            raise SystemUnreachable("down", mend="wait")
        return self.real.verify(orders)

    def done_since(self, cursor):
        if self.down:
            raise SystemUnreachable("down", mend="wait")
        return self.real.done_since(cursor)


@pytest.fixture
def between(shop: Product) -> Between:
    system = systems.system("shop")
    return Between(connect("shop", settings=system.settings, secrets=dict(systems.secrets_of("shop"))))
