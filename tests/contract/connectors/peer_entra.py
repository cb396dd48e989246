"""Microsoft Entra ID as Microsoft Graph's documentation describes it."""

import contextlib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from fakes.entra import FakeEntra

from tocsin.containment.ports import Connector
from tocsin.containment.values import MeasureKind
from tocsin.integrations.entra.connector import connect


class EntraPeer:
    kind = "entra"
    measures = (MeasureKind.RESET_PASSWORD, MeasureKind.REVOKE_SESSIONS, MeasureKind.SUSPEND)

    def __init__(self, fake: FakeEntra) -> None:
        self.fake, self._made = fake, 0
        self.stop, self.start = fake.stop, fake.start

    def connector(self) -> Connector:
        url = self.fake.url
        settings = {"tenant": self.fake.tenant, "client_id": self.fake.client_id, "graph": url, "login": url}
        return connect("entra-main", settings=settings, secrets={"client_secret": self.fake.client_secret})

    def accounts(self, n: int) -> list[str]:
        self._made += n
        return [self.fake.add(f"member{number}") for number in range(self._made - n, self._made)]

    def holds(self, account: str, kind: MeasureKind) -> bool:
        person = self.fake.users[account]
        if kind is MeasureKind.RESET_PASSWORD:
            return person["passwordProfile"]["forceChangePasswordNextSignIn"]
        if kind is MeasureKind.SUSPEND:
            return not person["accountEnabled"]
        valid_at = datetime.fromisoformat(person["signInSessionsValidFromDateTime"])
        return (datetime.now(UTC) - valid_at).total_seconds() < 3600

    def fingerprint(self, account: str) -> object:
        return repr(self.fake.users[account])

    def finish(self, account: str, kind: MeasureKind) -> datetime | None:
        if kind is not MeasureKind.RESET_PASSWORD:
            return None
        self.fake.changes_password(account)
        return datetime.now(UTC)

    def secrets(self) -> list[str]:
        return [self.fake.client_secret, *self.fake.tokens]


@contextlib.contextmanager
def running(folder: Path) -> Iterator[EntraPeer]:
    with FakeEntra() as fake:
        yield EntraPeer(fake)
