"""A PostgreSQL server of our own with a shop's accounts and sessions, and a role that may do only what is needed."""

import contextlib
import os
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg

from tocsin.containment.values import MeasureKind
from tocsin.integrations.sql_accounts.connector import connect
from tocsin.project import database_place, database_server

ROLE_PASSWORD = "role-Secret-73"
SCHEMA = """
CREATE TABLE customers (
    id bigint PRIMARY KEY, login text UNIQUE NOT NULL, active boolean NOT NULL DEFAULT true,
    must_change boolean NOT NULL DEFAULT false, changed_at timestamptz, valid_from timestamptz);
CREATE TABLE sessions (
    token text PRIMARY KEY, customer_id bigint NOT NULL REFERENCES customers, created_at timestamptz NOT NULL);
CREATE INDEX ON sessions (customer_id);
CREATE TABLE must_reply (customer_id bigint PRIMARY KEY, since_at timestamptz NOT NULL, done_at timestamptz);
CREATE ROLE tocsin_shop;
GRANT SELECT (id, login, active, must_change, changed_at, valid_from) ON customers TO tocsin_shop;
GRANT UPDATE (active, must_change, valid_from) ON customers TO tocsin_shop;
GRANT SELECT, DELETE ON sessions TO tocsin_shop;
GRANT SELECT, INSERT, UPDATE, DELETE ON must_reply TO tocsin_shop;
"""
MEASURES = {
    "reset_password": {"set": {"must_change": True}, "undo": {"must_change": False}, "done": "changed_at"},
    "revoke_sessions": {
        "set": {"valid_from": {"time": "since"}},
        "delete": [{"table": "sessions", "column": "customer_id", "created_at": "created_at"}],
    },
    "reauthenticate": {
        "flag": {"table": "must_reply", "column": "customer_id", "since": "since_at", "done": "done_at"}
    },
    "suspend": {"set": {"active": False}, "undo": {"active": True}},
}


class Peer:
    kind = "sql"
    measures = (
        MeasureKind.RESET_PASSWORD,
        MeasureKind.REVOKE_SESSIONS,
        MeasureKind.REAUTHENTICATE,
        MeasureKind.SUSPEND,
    )

    def __init__(self, folder: Path) -> None:
        before = os.environ.get("TOCSIN_HOME")
        os.environ["TOCSIN_HOME"] = str(folder)
        self.place = database_place.find()
        if before is None:
            del os.environ["TOCSIN_HOME"]
        else:
            os.environ["TOCSIN_HOME"] = before
        self.stack = contextlib.ExitStack()
        self.next = 0
        self.start()
        with self.session("postgres") as session:
            session.autocommit = True
            session.execute("CREATE DATABASE shop")
        with self.session() as session:
            session.execute(SCHEMA)

    def session(self, database: str = "shop") -> psycopg.Connection:
        return psycopg.connect(host=str(self.place.socket_folder), user=database_server.ROLE, dbname=database)

    def settings(self, **more: object) -> dict[str, object]:
        return {
            "host": str(self.place.socket_folder), "database": "shop", "user": database_server.ROLE,
            "accounts": {"table": "public.customers", "account": "login", "key": "id"}, "measures": MEASURES, **more,
        }  # fmt: skip

    def connector(self, **more: object):
        return connect("shop", settings=self.settings(**more), secrets={"password": ROLE_PASSWORD})

    def accounts(self, n: int) -> list[str]:
        first, self.next = self.next, self.next + n
        long_ago = datetime.now(UTC) - timedelta(days=30)
        numbers = range(first, first + n)
        with self.session() as session, session.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO customers (id, login, changed_at) VALUES (%s, %s, %s)",
                [(number, f"login-{number}", long_ago) for number in numbers],
            )
            cursor.executemany(
                "INSERT INTO sessions VALUES (%s, %s, %s)",
                [(f"token-{number}-{each}", number, long_ago) for number in numbers for each in range(2)],
            )
        return [f"login-{number}" for number in numbers]

    def fingerprint(self, account: str) -> object:
        with self.session() as session:
            return session.execute(
                "SELECT c::text, (SELECT array_agg(s::text ORDER BY token) FROM sessions s WHERE customer_id = c.id), "
                "(SELECT r::text FROM must_reply r WHERE customer_id = c.id) FROM customers c WHERE login = %s",
                [account],
            ).fetchone()

    def holds(self, account: str, kind: MeasureKind) -> bool:
        asked = {
            MeasureKind.RESET_PASSWORD: "must_change",
            MeasureKind.SUSPEND: "NOT active",
            MeasureKind.REVOKE_SESSIONS: "valid_from IS NOT NULL AND NOT EXISTS (SELECT FROM sessions WHERE customer_id = customers.id)",
            MeasureKind.REAUTHENTICATE: "EXISTS (SELECT FROM must_reply WHERE customer_id = customers.id AND done_at IS NULL)",
        }
        with self.session() as session:
            return session.execute(f"SELECT {asked[kind]} FROM customers WHERE login = %s", [account]).fetchone()[0]

    def finish(self, account: str, kind: MeasureKind) -> datetime | None:
        now = datetime.now(UTC)
        done = {
            MeasureKind.RESET_PASSWORD: "UPDATE customers SET must_change = false, changed_at = %s WHERE login = %s",
            MeasureKind.REAUTHENTICATE: "UPDATE must_reply SET done_at = %s WHERE customer_id = (SELECT id FROM customers WHERE login = %s)",
        }
        if kind not in done:
            return None
        with self.session() as session:
            session.execute(done[kind], [now, account])
        return now

    def stop(self) -> None:
        self.stack.close()

    def start(self) -> None:
        self.stack.enter_context(database_server.running(self.place))

    def secrets(self) -> list[str]:
        return [ROLE_PASSWORD]


@contextlib.contextmanager
def running(folder: Path) -> Iterator[Peer]:
    peer = Peer(folder)
    try:
        yield peer
    finally:
        peer.stop()
        shutil.rmtree(peer.place.base)
