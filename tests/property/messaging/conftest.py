"""The database and the webhooks of the contract tests."""

from tests.contract.conftest import rows, server, url
from tests.contract.messaging.conftest import shared_url, undone_rows
from tests.contract.messaging.receiving.conftest import hooks

__all__ = ["hooks", "rows", "server", "shared_url", "undone_rows", "url"]
