"""Times as other systems write them."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

# Events of transactions that ended late appear behind newer ones; facts carry a reference and count once.
OVERLAP = timedelta(minutes=2)


def from_iso(text: object) -> datetime | None:
    """Return an aware UTC datetime from ISO 8601 text as vendors write it; None when it is absent or unreadable."""
    if not isinstance(text, str) or not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)


def to_iso(moment: datetime) -> str:
    """Return ``2014-03-14T09:12:00.000Z``."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def onward(cursor: str, moments: Iterable[datetime | None]) -> str:
    """Return the cursor after events at ``moments``: a little before the last of them, and never back."""
    latest = max((moment for moment in moments if moment is not None), default=None)
    begun_at = from_iso(cursor)
    if latest is None or (begun_at is not None and latest - OVERLAP <= begun_at):
        return cursor
    return to_iso(latest - OVERLAP)
