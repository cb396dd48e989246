"""The time line: events per stretch of time, and among them those of the suspects."""

from collections.abc import Iterator
from datetime import datetime
from zoneinfo import ZoneInfo

from tocsin.detections.values import Detection, SuspectType
from tocsin.events.queries import EventStore
from tocsin.kernel import clock
from tocsin.reports.values import TimelinePoint

BARS_MAX = 120
_SECOND, _MINUTE, _HOUR, _DAY = 1_000, 60_000, 3_600_000, 86_400_000
# Widths a person counts in; beyond the last one whole multiples of 30 days are taken.
_WIDTHS = (
    *(_SECOND * n for n in (1, 2, 5, 10, 15, 30)),
    *(_MINUTE * n for n in (1, 2, 5, 10, 15, 30)),
    *(_HOUR * n for n in (1, 2, 3, 6, 12)),
    *(_DAY * n for n in (1, 2, 7, 14, 30)),
)
_COLUMNS = {
    SuspectType.ACCOUNT: "account",
    SuspectType.SESSION: "actor_session_uid",
    SuspectType.ADDRESS: "src_endpoint_ip",
    SuspectType.NETWORK: "src_network",
    SuspectType.API_KEY: "actor_credential_uid",
    SuspectType.PRINCIPAL: "actor_user_uid",
}


def bar_width(span_ms: int) -> int:
    """Return the narrowest width, in ms, with which at most ``BARS_MAX`` bars cover ``span_ms``."""
    for width in _WIDTHS:
        if span_ms // width + 1 < BARS_MAX:
            return width
    return (span_ms // (BARS_MAX * 30 * _DAY) + 1) * 30 * _DAY


def measured(store: EventStore, *, detections: tuple[Detection, ...], zone: str) -> tuple[TimelinePoint, ...]:
    """Count the events of the whole store per bar, empty bars included; no events give no bars."""
    edges = store.one("SELECT min(ts) AS first_ts, max(ts) AS last_ts FROM events")
    if edges["first_ts"] is None:
        return ()
    first_ts, last_ts = int(edges["first_ts"]), int(edges["last_ts"])
    width = bar_width(last_ts - first_ts)
    start = _aligned(first_ts, width=width, zone=zone)
    window = {"start": start, "width": width}
    counted = store.rows(
        """
        SELECT (ts - $start) // $width AS bar, count(*) AS events,
            count(*) FILTER (status_id = 1) AS success, count(*) FILTER (status_id = 2) AS failure
        FROM events GROUP BY 1
        """,
        window,
    )
    by_bar = {int(row["bar"]): row for row in counted}
    intruder = _suspects_per_bar(store, detections=detections, window=window)
    return tuple(_points(by_bar, intruder, start=start, width=width, last_ts=last_ts))


def _points(
    counted: dict[int, dict[str, int]], intruder: dict[int, int], *, start: int, width: int, last_ts: int
) -> Iterator[TimelinePoint]:
    for bar in range((last_ts - start) // width + 1):
        row = counted.get(bar, {"events": 0, "success": 0, "failure": 0})
        yield TimelinePoint(
            first_ts=start + bar * width,
            last_ts=start + (bar + 1) * width,
            success=row["success"],
            failure=row["failure"],
            unknown=row["events"] - row["success"] - row["failure"],
            intruder=intruder.get(bar, 0),
        )


def _suspects_per_bar(
    store: EventStore, *, detections: tuple[Detection, ...], window: dict[str, int]
) -> dict[int, int]:
    """Count, per bar, the events of any suspect inside the window of its own detection, each once."""
    parts = []
    params: dict[str, object] = dict(window)
    for suspect_type, column in _COLUMNS.items():
        chosen = [detection for detection in detections if detection.suspect_type is suspect_type]
        if not chosen:
            continue
        params[f"{suspect_type}_suspects"] = [detection.suspect for detection in chosen]
        params[f"{suspect_type}_firsts"] = [detection.first_ts for detection in chosen]
        params[f"{suspect_type}_lasts"] = [detection.last_ts for detection in chosen]
        parts.append(
            f"""
            SELECT source_id, line, ts FROM events JOIN (
                SELECT unnest(${suspect_type}_suspects) AS suspect, unnest(${suspect_type}_firsts) AS first_ts,
                    unnest(${suspect_type}_lasts) AS last_ts
            ) suspects ON events.{column} = suspects.suspect AND ts BETWEEN suspects.first_ts AND suspects.last_ts
            """
        )
    if not parts:
        return {}
    rows = store.rows(
        f"SELECT (ts - $start) // $width AS bar, count(*) AS events FROM ({' UNION '.join(parts)}) found GROUP BY 1",
        params,
    )
    return {int(row["bar"]): int(row["events"]) for row in rows}


def _aligned(ts: int, *, width: int, zone: str) -> int:
    """Return the start of the bar that holds ``ts``, so that bars begin at full hours and midnights of the zone."""
    offset = _offset_ms(clock.from_ms(ts), zone=zone)
    return (ts + offset) // width * width - offset


def _offset_ms(moment: datetime, *, zone: str) -> int:
    difference = moment.astimezone(ZoneInfo(zone)).utcoffset()
    return round(difference.total_seconds() * 1000) if difference else 0
