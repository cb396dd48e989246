import gzip
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tocsin import wiring
from tocsin.events import commands, queries
from tocsin.events.commands import ReadingOptions
from tocsin.events.values import SourceRead


@dataclass
class Reading:
    """What became of some files: the sources, the events in order, and the folder."""

    folder: Path
    sources: tuple[SourceRead, ...]
    unjoined: commands.Unjoined

    def rows(self, columns: str = "*", *, where: str = "true") -> list[dict[str, Any]]:
        with queries.open_events(self.folder) as store:
            return store.rows(f"SELECT {columns} FROM events WHERE {where} ORDER BY source_id, line")

    def rejected(self) -> str:
        return gzip.decompress((self.folder / "rejected.jsonl.gz").read_bytes()).decode()


@pytest.fixture(scope="session")
def formats():
    return wiring.formats()


@pytest.fixture
def read(tmp_path: Path, formats) -> Callable[..., Reading]:
    def read(
        paths: Sequence[Path], *, folder: str = "findings", accounts: Path | None = None, **options: Any
    ) -> Reading:
        out = tmp_path / folder
        sources, unjoined = commands.read_sources(
            paths, folder=out, formats=formats, options=ReadingOptions(**options), accounts=accounts, threads=1
        )
        assert all(source.parsed + source.rejected == source.lines for source in sources)
        return Reading(out, sources, unjoined)

    return read


@pytest.fixture
def combined() -> Callable[..., bytes]:
    """Combined log lines, one a second."""

    def lines(count: int, *, start: int = 0, path: str = "/a/{n}") -> bytes:
        text = "".join(
            f"192.0.2.{n % 250} - bob [17/May/2026:{n // 3600 % 24:02}:{n // 60 % 60:02}:{n % 60:02} +0000] "
            f'"GET {path.format(n=n)} HTTP/1.1" 200 203 "-" "curl/8.1"\n'
            for n in range(start, start + count)
        )
        return text.encode()

    return lines
