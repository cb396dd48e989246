"""Which hours the logs cover, and where a log that usually speaks is silent."""

import re
from dataclasses import dataclass
from pathlib import PurePath

from tocsin.events.store import EventStore
from tocsin.events.values import Gap, SourceRead

# A stretch of silence counts as a gap when, at the pace of the stream just before and just after it, this many
# events were due. For a Poisson stream that is a chance of e^-30; pauses of people at work stay below it.
EVENTS_DUE_MIN = 30
SILENCE_MS_MIN = 10 * 60 * 1000
NEIGHBOURS = (30, 200)  # the pace is the slower of the two: a burst beside a pause is not a steady stream


@dataclass(frozen=True, slots=True)
class Coverage:
    """The hours one stream of sources covers. ``stream`` is the file name without dates and numbers."""

    stream: str
    format: str
    first_ts: int
    last_ts: int
    events: int
    data_categories: tuple[str, ...]
    gaps: tuple[Gap, ...]


def stream_name(path: str) -> str:
    """Return what rotated files share: ``access.log.3.gz`` and ``access-2026-11-02.log`` are ``access.log``."""
    name = re.sub(r"\.(?:gz|zst|zstd)$", "", PurePath(path).name)
    name = re.sub(r"[-_.]?\d{4}[-_]?\d{2}[-_]?\d{2}(?:[-_T]?\d{2}(?:[-_:]?\d{2}){0,2}Z?)?", "", name)
    return re.sub(r"[-_.]?\d+(?=\.|$)", "", name) or name


def coverage_of(store: EventStore, *, sources: tuple[SourceRead, ...]) -> tuple[Coverage, ...]:
    """Measure each stream: its span, its kinds of data, and its silences."""
    if not sources:
        return ()
    store.load(
        "source_streams",
        {"source_id": "VARCHAR", "stream": "VARCHAR"},
        [(source.source_id, stream_name(source.path)) for source in sources],
    )
    near, far = NEIGHBOURS
    # The pace on each side is measured over the nearest 30 and 200 events; the slowest of the four decides.
    store.temporary(
        "stream_silences",
        f"""
        SELECT stream, format, before_ts, ts AS after_ts, due FROM (
            SELECT stream, format, before_ts, ts, (ts - before_ts) * least(
                coalesce({near} / greatest(before_ts - near_before_ts, 1), 1e9),
                coalesce({near} / greatest(near_after_ts - ts, 1), 1e9),
                coalesce({far} / greatest(before_ts - far_before_ts, 1), 1e9),
                coalesce({far} / greatest(far_after_ts - ts, 1), 1e9)
            ) AS due, near_before_ts, near_after_ts FROM (
                SELECT stream, format, ts,
                    lag(ts) OVER w AS before_ts,
                    lag(ts, {near + 1}) OVER w AS near_before_ts, lead(ts, {near}) OVER w AS near_after_ts,
                    lag(ts, {far + 1}) OVER w AS far_before_ts, lead(ts, {far}) OVER w AS far_after_ts
                FROM events JOIN source_streams USING (source_id)
                WINDOW w AS (PARTITION BY stream, format ORDER BY ts)
            ) neighbours WHERE ts - before_ts >= {SILENCE_MS_MIN}
        ) silences
        WHERE due >= {EVENTS_DUE_MIN} AND near_before_ts IS NOT NULL AND near_after_ts IS NOT NULL
        """,
    )
    silences: dict[tuple[str, str], list[Gap]] = {}
    for row in store.rows("SELECT * FROM stream_silences ORDER BY stream, format, before_ts"):
        length_ms = row["after_ts"] - row["before_ts"]
        gap = Gap(row["stream"], row["before_ts"], row["after_ts"], round(row["due"] * 3_600_000 / length_ms, 1))
        silences.setdefault((row["stream"], row["format"]), []).append(gap)
    spans = store.rows(
        """
        SELECT stream, format, min(ts) AS first_ts, max(ts) AS last_ts, count(*) AS events,
            list_sort(list(DISTINCT data_category) FILTER (data_category IS NOT NULL)) AS categories
        FROM events JOIN source_streams USING (source_id) GROUP BY stream, format ORDER BY stream, format
        """
    )
    return tuple(
        Coverage(
            stream=row["stream"],
            format=row["format"],
            first_ts=row["first_ts"],
            last_ts=row["last_ts"],
            events=row["events"],
            data_categories=tuple(row["categories"] or ()),
            gaps=tuple(silences.get((row["stream"], row["format"]), ())),
        )
        for row in spans
    )


def gaps_in(covered: tuple[Coverage, ...]) -> tuple[Gap, ...]:
    """Return every stream's silences, by time."""
    return tuple(sorted((gap for part in covered for gap in part.gaps), key=lambda gap: (gap.first_ts, gap.source)))
