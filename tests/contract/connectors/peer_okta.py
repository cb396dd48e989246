"""Okta as its published API description says it is."""

import contextlib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from fakes.okta import FakeOkta

from tocsin.containment.ports import Connector
from tocsin.containment.values import MeasureKind
from tocsin.integrations.okta.connector import connect


class OktaPeer:
    kind = "okta"
    measures = (MeasureKind.SUSPEND, MeasureKind.RESET_PASSWORD, MeasureKind.REVOKE_SESSIONS)

    def __init__(self, fake: FakeOkta) -> None:
        self.fake, self._made = fake, 0
        self.stop, self.start = fake.stop, fake.start

    def connector(self) -> Connector:
        connected = connect("okta-main", settings={"url": self.fake.url}, secrets={"api_token": self.fake.api_token})
        for pace in connected._wire.paces.values():  # as after a first answer
            pace.learn(status=200, headers=self.fake.headers())
        return connected

    def accounts(self, n: int) -> list[str]:
        self._made += n
        return [self.fake.add(f"member{number}@x.example") for number in range(self._made - n, self._made)]

    def holds(self, account: str, kind: MeasureKind) -> bool:
        status = self.fake.users[account]["status"]
        wanted = {MeasureKind.RESET_PASSWORD: "PASSWORD_EXPIRED", MeasureKind.SUSPEND: "SUSPENDED"}
        return status == wanted[kind] if kind in wanted else self.fake.sessions[account] == 0

    def fingerprint(self, account: str) -> object:
        return repr((self.fake.users[account], self.fake.sessions[account]))

    def finish(self, account: str, kind: MeasureKind) -> datetime | None:
        if kind is not MeasureKind.RESET_PASSWORD:
            return None
        self.fake.changes_password(account)
        return datetime.now(UTC)

    def secrets(self) -> list[str]:
        return [self.fake.api_token]


@contextlib.contextmanager
def running(folder: Path) -> Iterator[OktaPeer]:
    with FakeOkta() as fake:
        yield OktaPeer(fake)
