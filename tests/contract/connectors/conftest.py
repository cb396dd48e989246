"""The vendors' stand-ins are imported as ``fakes.<vendor>``; one of each is started a test."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

from fakes.keycloak import FakeKeycloak


@pytest.fixture
def keycloak():
    with FakeKeycloak() as fake:
        yield fake
