"""A product that runs the receiver of docs/howto/connect-webhook.md, word for word, as a program of its own."""

import base64
import contextlib
import os
import re
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from tests.ports import free_port

from tocsin.containment.ports import Connector
from tocsin.containment.values import MeasureKind
from tocsin.integrations.webhook.connector import connect

PAGE = Path(__file__).resolve().parents[3] / "docs" / "howto" / "connect-webhook.md"
COLUMN = {"reset_password": "must_change_at", "revoke_sessions": "sessions_since", "suspend": "suspended_at"}


def program() -> str:
    return re.search(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)[1]


class WebhookPeer:
    kind = "webhook"
    measures = (MeasureKind.SUSPEND, MeasureKind.RESET_PASSWORD, MeasureKind.REVOKE_SESSIONS)

    def __init__(self, folder: Path) -> None:
        self.secret = "whsec_" + base64.b64encode(b"s3cret-of-the-product-0123456789").decode()
        self.old_secret = "whsec_" + base64.b64encode(b"the-one-before-0123456789-abcdef").decode()
        self.members, self.receiver = folder / "members.db", folder / "receiver.py"
        self.receiver.write_text(program(), encoding="utf-8")
        with self.db() as db:
            db.execute(
                "CREATE TABLE member (account TEXT PRIMARY KEY, password_changed_at TEXT, must_change_at TEXT,"
                " sessions_since TEXT, suspended_at TEXT)"
            )
        self.port = free_port()
        self._made = 0
        self.knows = self.secret
        self.start()

    @contextlib.contextmanager
    def db(self) -> Iterator[sqlite3.Connection]:
        db = sqlite3.connect(self.members, timeout=30)
        try:
            with db:
                yield db
        finally:
            db.close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/tocsin"

    def start(self) -> None:
        told = os.environ | {"WEBHOOK_SECRETS": self.knows, "MEMBERS": str(self.members), "PORT": str(self.port)}
        self._process = subprocess.Popen([sys.executable, "-I", str(self.receiver)], env=told)
        until = time.monotonic() + 60
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
                return
            assert time.monotonic() < until and self._process.poll() is None, "the receiver did not start"
            time.sleep(0.02)

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(60)

    def connector(self, *, secrets: dict[str, str] | None = None, **settings: str) -> Connector:
        given = {
            "url": self.url, "takes": "suspend,reset_password,revoke_sessions", "undoes": "suspend,reset_password",
            "allow_private": "yes", **settings,
        }  # fmt: skip
        return connect("shop", settings=given, secrets=secrets or {"secret": self.secret})

    def accounts(self, n: int) -> list[str]:
        self._made += n
        names = [f"u{number:08}" for number in range(self._made - n, self._made)]
        with self.db() as db:
            db.executemany(
                "INSERT INTO member (account, password_changed_at) VALUES (?, '2013-01-01T00:00:00.000Z')",
                [[name] for name in names],
            )
        return names

    def holds(self, account: str, kind: MeasureKind) -> bool:
        with self.db() as db:
            return (
                db.execute(f"SELECT {COLUMN[kind]} FROM member WHERE account = ?", [account]).fetchone()[0] is not None
            )

    def fingerprint(self, account: str) -> object:
        with self.db() as db:
            return db.execute("SELECT * FROM member WHERE account = ?", [account]).fetchone()

    def finish(self, account: str, kind: MeasureKind) -> datetime | None:
        if kind is not MeasureKind.RESET_PASSWORD:
            return None
        at = datetime.now(UTC)
        text = at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        with self.db() as db:
            db.execute(
                "UPDATE member SET must_change_at = NULL, password_changed_at = ? WHERE account = ?", [text, account]
            )
        return at

    def secrets(self) -> list[str]:
        return [self.secret, self.secret.removeprefix("whsec_")]


@contextlib.contextmanager
def running(folder: Path) -> Iterator[WebhookPeer]:
    peer = WebhookPeer(folder)
    try:
        yield peer
    finally:
        peer.stop()
