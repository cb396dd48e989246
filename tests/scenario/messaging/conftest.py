"""The database of these scenarios: one server for the session, a fresh database for each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.contract.messaging.conftest import rows, server, url
from tests.scenario.messaging.stage import Stage, set_up

__all__ = ["rows", "server", "stage", "url"]


@pytest.fixture
def stage(rows: None, tmp_path: Path) -> Iterator[Stage]:
    """Return an installation whose processes are ended with the test."""
    with set_up(tmp_path) as made:
        yield made
