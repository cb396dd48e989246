"""The providers of the channels' contract suite, for whole ways through the outbox."""

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "channels"
sys.path.insert(0, str(FOLDER / "stand_ins"))


@pytest.fixture(scope="session")
def peer_module() -> Callable[[str], ModuleType]:
    """Return what loads a peer's file by its kind: other folders have files of the same names."""

    def loaded(kind: str) -> ModuleType:
        spec = importlib.util.spec_from_file_location(f"channel_peer_{kind}", FOLDER / f"peer_{kind}.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return loaded
