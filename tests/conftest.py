"""What every test may rely on: a home of its own, English, a still environment, and the real data where there is some."""

import os
from pathlib import Path

import hypothesis
import pytest

ROOT = Path(__file__).resolve().parent.parent

ABOUT_TESTS = {"TOCSIN_TEST_DATA", "TOCSIN_FAULTS", "TOCSIN_BENCHMARK_LINES"}

# The browser's driver keeps an event loop in the thread all tests run in; Django would take every test for a coroutine.
os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"

hypothesis.settings.register_profile("tocsin", deadline=None, derandomize=True, database=None)
hypothesis.settings.load_profile("tocsin")


@pytest.fixture(autouse=True)
def _own_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give each test an empty home, and nothing of the developer's environment."""
    for name in [name for name in os.environ if name.startswith("TOCSIN_") and name not in ABOUT_TESTS]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("TOCSIN_HOME", str(tmp_path_factory.mktemp("home")))
    monkeypatch.setenv("TOCSIN_LANG", "en")


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """Return the folder of real logs (``TOCSIN_TEST_DATA``, else ``shared/data`` beside the checkout), or skip."""
    named = os.environ.get("TOCSIN_TEST_DATA")
    folder = Path(named) if named else ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("no folder of real logs; name one in TOCSIN_TEST_DATA")
    return folder
