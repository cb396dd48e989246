"""Reading made-up logs through the promised door."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from tocsin import wiring
from tocsin.events import commands, queries
from tocsin.events.ports import Format
from tocsin.events.values import SourceRead

Read = tuple[SourceRead, dict[int, dict[str, Any]]]


@pytest.fixture(scope="session")
def formats() -> tuple[Format, ...]:
    """Return every format of this installation."""
    return wiring.formats()


def read_files(paths: Sequence[Path], *, folder: Path, formats: Sequence[Format]) -> dict[str, Read]:
    """Read files and return, by file name, what was read and its events by line."""
    options = commands.ReadingOptions()
    sources, _unjoined = commands.read_sources(paths, folder=folder, formats=formats, options=options, threads=1)
    with queries.open_events(folder) as store:
        rows = store.rows("SELECT * FROM events ORDER BY source_id, line")
    return {
        Path(source.path).name: (source, {row["line"]: row for row in rows if row["source_id"] == source.source_id})
        for source in sources
    }


@pytest.fixture
def read(tmp_path: Path, formats: tuple[Format, ...]) -> Callable[..., Read]:
    """Return a function that reads one file, with the formats it is given or with all."""

    def _read(path: Path, *, using: Sequence[Format] = ()) -> Read:
        return read_files([path], folder=tmp_path / "out", formats=using or formats)[path.name]

    return _read
