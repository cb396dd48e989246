"""Every ``peer_*.py`` of this folder is a system the contract of the port is tried on.

The vendors' stand-ins are imported as ``fakes.<vendor>``; one of each is started a test.
"""

import importlib.util
import itertools
import sys
import warnings
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType

import pytest

from tocsin.containment.ports import Order
from tocsin.containment.values import Measure, MeasureKind

FOLDER = Path(__file__).resolve().parent
sys.path.insert(0, str(FOLDER))
with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # ldap3 2.9 imports two names that pyasn1 has renamed
    importlib.import_module("ldap3")

KINDS = sorted(path.stem.removeprefix("peer_") for path in FOLDER.glob("peer_*.py"))
_keys = itertools.count()


def peer_module(kind: str) -> ModuleType:
    """Return a peer's file as a module."""
    spec = importlib.util.spec_from_file_location(f"peer_{kind}", FOLDER / f"peer_{kind}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module", params=KINDS)
def peer(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[object]:
    """Run each system once for a whole file of tests."""
    with peer_module(request.param).running(tmp_path_factory.mktemp(request.param)) as running:
        yield running


@pytest.fixture(scope="session")
def since_at() -> datetime:
    """Return the containment time of every order here: what people did before it does not count."""
    return datetime.now(UTC) - timedelta(minutes=10)


@pytest.fixture
def orders_for(since_at: datetime):
    """Return what makes orders, each with a key of its own."""

    def made(accounts: list[str], kind: MeasureKind) -> list[Order]:
        return [Order(account, Measure(kind), since_at, f"{next(_keys):064x}") for account in accounts]

    return made
