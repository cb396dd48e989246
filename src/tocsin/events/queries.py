"""What can be asked about the events of an investigation."""

from pathlib import Path

from tocsin.events import accounts_file
from tocsin.events.accounts_file import AccountColumns
from tocsin.events.coverage import Coverage, coverage_of, gaps_in, stream_name
from tocsin.events.sealing import sealed_sources
from tocsin.events.store import EventStore, check_single_select, open_segments, quoted
from tocsin.events.values import Gap, SourceRead

__all__ = [
    "AccountColumns",
    "EventStore",
    "account_columns",
    "check_single_select",
    "coverage",
    "gaps",
    "open_events",
    "quoted",
    "sources",
    "stream_name",
]


def open_events(folder: Path, *, scratch: Path | None = None, threads: int | None = None) -> EventStore:
    """Open the sealed events of an investigation's folder, read-only and locked; ``scratch`` may be written to."""
    return EventStore(open_segments(folder), scratch=scratch, threads=threads)


def sources(folder: Path) -> tuple[SourceRead, ...]:
    """Return what was read, one entry per source file, by path."""
    return sealed_sources(folder / "sources")


def coverage(store: EventStore, *, sources: tuple[SourceRead, ...]) -> tuple[Coverage, ...]:
    """Return, per stream of sources, from when to when it speaks and the stretches it is silent."""
    return coverage_of(store, sources=sources)


def gaps(store: EventStore, *, sources: tuple[SourceRead, ...]) -> tuple[Gap, ...]:
    """Return the stretches for which a stream that otherwise speaks often says nothing."""
    return gaps_in(coverage_of(store, sources=sources))


def account_columns(path: Path) -> AccountColumns:
    """Return which columns of the operator's list of accounts are taken as names, and which are left."""
    return accounts_file.columns_of(path)
