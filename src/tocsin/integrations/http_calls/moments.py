"""Times as other systems write them."""

from datetime import UTC, datetime


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
