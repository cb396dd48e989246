"""The investigations of ``cases.py``, for every test of the reports."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

_PLACE = Path(__file__).with_name("cases.py")


@pytest.fixture(scope="session")
def cases() -> ModuleType:
    """The module of example investigations."""
    spec = importlib.util.spec_from_file_location("report_cases", _PLACE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["report_cases"] = module
    spec.loader.exec_module(module)
    return module
