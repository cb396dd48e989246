"""Every ``peer_*.py`` of this folder is a provider the contract of the port is tried on."""

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

FOLDER = Path(__file__).resolve().parent
sys.path.insert(0, str(FOLDER / "stand_ins"))

KINDS = sorted(path.stem.removeprefix("peer_") for path in FOLDER.glob("peer_*.py"))


def peer_module(kind: str) -> ModuleType:
    """Return a peer's file as a module."""
    spec = importlib.util.spec_from_file_location(f"channel_peer_{kind}", FOLDER / f"peer_{kind}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module", params=KINDS)
def provider(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[object]:
    """Run each provider once for a whole file of tests."""
    with peer_module(request.param).running(tmp_path_factory.mktemp(request.param)) as running:
        yield running
