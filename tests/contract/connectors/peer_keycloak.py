"""Keycloak as its published source describes it."""

import contextlib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from fakes.keycloak import FakeKeycloak

from tocsin.containment.ports import Connector
from tocsin.containment.values import MeasureKind
from tocsin.integrations.keycloak.connector import connect


class KeycloakPeer:
    kind = "keycloak"
    measures = (MeasureKind.RESET_PASSWORD, MeasureKind.REAUTHENTICATE, MeasureKind.SUSPEND)

    def __init__(self, fake: FakeKeycloak) -> None:
        self.fake, self._made = fake, 0
        self.stop, self.start = fake.stop, fake.start

    def connector(self) -> Connector:
        settings = {
            "url": self.fake.url,
            "realm": "shop",
            "client_id": "tocsin",
            "access_token_seconds": "0",
            "sign_ins": "yes",
        }
        return connect("id-main", settings=settings, secrets={"client_secret": self.fake.client_secret})

    def accounts(self, n: int) -> list[str]:
        self._made += n
        return [self.fake.add(f"member{number}") for number in range(self._made - n, self._made)]

    def holds(self, account: str, kind: MeasureKind) -> bool:
        person = self.fake.users[account]
        if kind is MeasureKind.RESET_PASSWORD:
            return "UPDATE_PASSWORD" in person["requiredActions"]
        if kind is MeasureKind.SUSPEND:
            return not person["enabled"]
        return bool(person["notBefore"]) and not self.fake.sessions[account]

    def fingerprint(self, account: str) -> object:
        return repr((self.fake.users[account], self.fake.sessions[account], self.fake.passwords[account]))

    def finish(self, account: str, kind: MeasureKind) -> datetime | None:
        if kind is MeasureKind.SUSPEND:
            return None
        (self.fake.changes_password if kind is MeasureKind.RESET_PASSWORD else self.fake.signs_in)(account)
        return datetime.now(UTC)

    def secrets(self) -> list[str]:
        return [self.fake.client_secret, *self.fake.tokens]


@contextlib.contextmanager
def running(folder: Path) -> Iterator[KeycloakPeer]:
    with FakeKeycloak() as fake:
        yield KeycloakPeer(fake)
