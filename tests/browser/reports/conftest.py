"""A real Chromium, and reports written to look at; skipped, visibly, where there is no Chromium."""

import importlib.util
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tocsin.reports import commands

_CASES = Path(__file__).parents[2] / "unit" / "reports" / "cases.py"


@pytest.fixture(scope="module")
def cases() -> ModuleType:
    """The module of example investigations."""
    spec = importlib.util.spec_from_file_location("report_cases", _CASES)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["report_cases"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def report_of(cases: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A function that writes the report of a case in a language, once, and returns its address."""
    written: dict[tuple[str, str], str] = {}

    def address(name: str, language: str) -> str:
        if (name, language) not in written:
            folder = tmp_path_factory.mktemp(f"{name}-{language}")
            path = commands.write_report(replace(cases.ALL[name](), language=language), folder=folder)
            written[name, language] = path.as_uri()
        return written[name, language]

    return address
