"""An incident with its scope, an address book, and channels to tell people on."""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tocsin.customers import commands as customers
from tocsin.incidents import commands as incidents
from tocsin.incidents.values import Severity
from tocsin.integrations.email import channel as email
from tocsin.journal.values import Assurance, Author
from tocsin.messaging.ports import Sending
from tocsin.scopes import commands as scopes

MONA = Author(name="Mona", assurance=Assurance.ASSERTED)
COLUMNS = ("account", "role", "certainty", "country", "first_at", "last_at", "data", "platform", "client_version",
           "reasons", "detections")  # fmt: skip


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
