"""Lists of customers, taken in."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tocsin.customers import commands
from tocsin.customers.values import Imported
from tocsin.journal.values import Assurance, Author

MONA = Author(name="Mona", assurance=Assurance.ASSERTED)


@pytest.fixture
def taken_in(rows: None, tmp_path: Path) -> Callable[..., Imported]:
    """Import a text (or bytes) as a list of customers."""

    def importing(text: str | bytes, **options: Any) -> Imported:
        path = tmp_path / "customers.csv"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return commands.import_customers(path, by=MONA, **options)

    return importing
