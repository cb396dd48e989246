"""AWS IAM as moto does it: somebody else's implementation of its API, which checks signatures and policies."""

import contextlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.ports import free_port

from tocsin.containment.ports import Connector
from tocsin.containment.values import MeasureKind
from tocsin.integrations.aws_keys.connector import connect

moto_server = pytest.importorskip("moto.server")
moto_iam = pytest.importorskip("moto.iam.models")


class AwsPeer:
    kind = "aws_keys"
    measures = (MeasureKind.ROTATE_KEY,)

    def __init__(self) -> None:
        self._made = 0
        self._port = free_port()  # and the same after it was away
        self.start()
        self.backend.reset()  # one of a process
        self.secret = self._admin()

    def start(self) -> None:
        self._server = moto_server.ThreadedMotoServer(ip_address="127.0.0.1", port=self._port, verbose=False)
        self._server.start()
        self._port = self._server._server.server_port
        self.url = f"http://127.0.0.1:{self._port}"

    def stop(self) -> None:
        self._server.stop()
        self._server._server.server_close()

    @property
    def backend(self):
        return moto_iam.iam_backends["123456789012"]["aws"]

    def _admin(self) -> dict[str, str]:
        self.backend.create_user("aws", "tocsin")
        key = self.backend.create_access_key("tocsin")
        return {"access_key_id": key.access_key_id, "secret_access_key": key.secret_access_key}

    def connector(self) -> Connector:
        connected = connect("aws-main", settings={"endpoint": self.url}, secrets=self.secret)
        for pace in connected._wire.paces.values():
            pace._allowed = 2_000.0  # the careful five a second would only make the test slow
        return connected

    def accounts(self, n: int) -> list[str]:
        self._made += n
        names = [f"member{number}" for number in range(self._made - n, self._made)]
        for name in names:
            self.backend.create_user("aws", name)
            self.key(name, age=timedelta(days=1))
        return names

    def key(self, name: str, *, age: timedelta = timedelta(), is_active: bool = True) -> str:
        key = self.backend.create_access_key(name)
        key.create_date = datetime.now(UTC).replace(tzinfo=None) - age
        key.status = "Active" if is_active else "Inactive"
        return key.access_key_id

    def holds(self, account: str, kind: MeasureKind) -> bool:
        """Say whether every key stands still: neither an old one works nor has the owner made a new one."""
        return not [key for key in self.backend.users[account].access_keys if key.status == "Active"]

    def fingerprint(self, account: str) -> object:
        keys = [(key.access_key_id, key.status) for key in self.backend.users[account].access_keys]
        return (keys, self.backend.list_user_tags(account))

    def finish(self, account: str, kind: MeasureKind) -> datetime | None:
        self.key(account)
        return datetime.now(UTC)

    def secrets(self) -> list[str]:
        return [self.secret["secret_access_key"], self.secret["access_key_id"]]


@contextlib.contextmanager
def running(folder: Path) -> Iterator[AwsPeer]:
    peer = AwsPeer()
    try:
        yield peer
    finally:
        peer.stop()
