"""The only clock: everything that needs the time asks here, so that tests can set it."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

_fixed_at: datetime | None = None


def now() -> datetime:
    """Return the present moment, aware and in UTC."""
    return _fixed_at or datetime.now(UTC)


def from_ms(milliseconds: int) -> datetime:
    """Turn epoch milliseconds (how events keep time) into an aware UTC datetime."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def to_ms(moment: datetime) -> int:
    """Turn an aware datetime into epoch milliseconds; a naive one is a programming error."""
    if moment.tzinfo is None:
        raise ValueError("a moment without a time zone cannot be placed on the time line")
    return round(moment.timestamp() * 1000)


@contextmanager
def fixed(moment: datetime) -> Iterator[None]:
    """Hold the clock still at ``moment`` for the length of a block."""
    global _fixed_at
    before, _fixed_at = _fixed_at, moment
    try:
        yield
    finally:
        _fixed_at = before
