"""Which kinds of data the intruder reached, which not, and for which the logs cannot tell.

Absence of logs is not exclusion: *not reached* needs, for every stream that would show that kind of data, logs over
the whole of the intruder's window, without a gap and without a notable share of unreadable lines.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tocsin.detections.values import Reason
from tocsin.events.queries import EventStore, stream_name
from tocsin.events.values import Gap, SourceRead
from tocsin.kernel.language import gettext_noop
from tocsin.scopes.roles import INFRASTRUCTURE, OWNER
from tocsin.scopes.values import DataReach, Reach

ALWAYS_ASKED = ("profile", "contact", "payment", "password")
# A stream may fall silent before the end of the logs for as long as this many of its usual pauses, within bounds.
PAUSES_MAX = 30
SILENCE_MS_MIN, SILENCE_MS_MAX = 5 * 60 * 1000, 3600 * 1000
REJECTED_SHARE_MAX = 0.001
HARMLESS_REJECTIONS = frozenset({"directive", "empty"})
# Stores of things whose content the log does not name.
_STORED = "regexp_matches(object_type, '(object|blob|file|table|database|snapshot|document|backup|volume|disk|secret)')"
Stretch = tuple[int, int]


@dataclass(frozen=True, slots=True)
class _Stream:
    """What one family of files says: its kinds of data, and the stretches it covers of the window."""

    name: str
    kinds: frozenset[str]
    gaps: tuple[Stretch, ...]
    unreadable: int  # lines, when they are more than a negligible share


def reached_data(
    store: EventStore, *, window: Stretch | None, intruder: bool, sources: Sequence[SourceRead], gaps: Sequence[Gap]
) -> tuple[DataReach, ...]:
    """Return one line per kind of data.

    ``window`` runs from the first event of the intruder to the end of the logs; without an ``intruder`` it is the
    whole of the logs.
    """
    reached = _reached(store)
    streams = _streams(store, window=window, sources=sources, gaps=gaps)
    hidden = _unnamed_objects(store)
    kinds = sorted({*ALWAYS_ASKED, *reached, *(kind for stream in streams for kind in stream.kinds)})
    return tuple(
        _judged(kind, reached.get(kind), streams, window=window, intruder=intruder, hidden=hidden) for kind in kinds
    )


def _reached(store: EventStore) -> Mapping[str, Mapping[str, Any]]:
    """Count, per kind, whose and which data the intruder touched; an attacker's own data is not anybody else's."""
    rows = store.rows(
        f"""
        SELECT data_category AS kind, count(*) FILTER (status_id = 1 AND NOT in_doubt) AS successes,
            count(*) FILTER (status_id = 1 AND in_doubt) AS doubted,
            count(DISTINCT coalesce({OWNER}, CASE WHEN role <> 'attacker' THEN account END))
                FILTER (status_id = 1 AND coalesce({OWNER}, account) NOT IN (SELECT account FROM staff_names))
                AS accounts,
            count(DISTINCT (object_type, object_id)) FILTER (status_id = 1 AND object_id IS NOT NULL) AS objects
        FROM intruder_events JOIN detected USING (n)
        WHERE data_category IS NOT NULL AND class_uid NOT IN (3001, 3002) AND coalesce(status_id, 0) <> 2
            AND NOT coalesce(coalesce({OWNER}, CASE WHEN object_id IS NULL THEN account ELSE object_id END)
                IN (SELECT account FROM role_touches WHERE role_rank = 3), false)
        GROUP BY data_category
        """
    )
    return {row["kind"]: row for row in rows}


def _unnamed_objects(store: EventStore) -> int:
    return store.count(
        f"""
        SELECT DISTINCT object_type, object_id FROM intruder_events
        WHERE status_id = 1 AND operation IN ('read', 'copied') AND data_category IS NULL AND object_id IS NOT NULL
            AND (class_uid = 6005 OR {INFRASTRUCTURE}) AND {_STORED}
        """
    )


def _streams(
    store: EventStore, *, window: Stretch | None, sources: Sequence[SourceRead], gaps: Sequence[Gap]
) -> tuple[_Stream, ...]:
    names = {source.source_id: stream_name(source.path) for source in sources}
    rows = store.rows(
        "SELECT source_id, min(ts) AS first_ts, max(ts) AS last_ts, count(*) AS events, "
        "list(DISTINCT data_category) FILTER (data_category IS NOT NULL) AS kinds FROM events GROUP BY source_id"
    )
    by_stream: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        by_stream.setdefault(names.get(row["source_id"], row["source_id"]), []).append(row)
    return tuple(
        _Stream(
            name=name,
            kinds=frozenset(kind for part in parts for kind in part["kinds"] or ()),
            gaps=_silences(parts, [gap for gap in gaps if gap.source == name], window=window),
            unreadable=_unreadable([source for source in sources if names[source.source_id] == name]),
        )
        for name, parts in sorted(by_stream.items())
    )


def _silences(
    parts: Sequence[Mapping[str, Any]], gaps: Sequence[Gap], *, window: Stretch | None
) -> tuple[Stretch, ...]:
    """Return where a stream is silent inside the window: its gaps, and the ends it does not reach."""
    if window is None:
        return ()
    start, end = window
    first_ts, last_ts = min(part["first_ts"] for part in parts), max(part["last_ts"] for part in parts)
    pause_ms = (last_ts - first_ts) // max(sum(part["events"] for part in parts) - 1, 1)
    allowed_ms = min(max(PAUSES_MAX * pause_ms, SILENCE_MS_MIN), SILENCE_MS_MAX)
    found = [(gap.first_ts, gap.last_ts) for gap in gaps]
    if first_ts - start > allowed_ms:
        found.append((start, first_ts))
    if end - last_ts > allowed_ms:
        found.append((last_ts, end))
    return merged((max(first, start), min(last, end)) for first, last in found if first < end and last > start)


def _unreadable(sources: Sequence[SourceRead]) -> int:
    lost = sum(
        n
        for source in sources
        for reason, n in (source.rejected_by_reason or {"": source.rejected}).items()
        if reason not in HARMLESS_REJECTIONS
    )
    return lost if lost > REJECTED_SHARE_MAX * sum(source.lines for source in sources) else 0


def merged(stretches: Any) -> tuple[Stretch, ...]:
    """Return stretches in order, overlapping ones joined."""
    joined: list[Stretch] = []
    for first, last in sorted(stretches):
        if joined and first <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], last))
        else:
            joined.append((first, last))
    return tuple(joined)


def _judged(
    kind: str,
    found: Mapping[str, Any] | None,
    streams: Sequence[_Stream],
    *,
    window: Stretch | None,
    intruder: bool,
    hidden: int,
) -> DataReach:
    carriers = [stream for stream in streams if kind in stream.kinds]
    # A kind no log mentions would have shown in the streams whose requests are told apart by kind at all.
    carriers = carriers or [stream for stream in streams if stream.kinds]
    gaps = merged(gap for stream in carriers for gap in stream.gaps)
    reach, reason = _verdict(found, carriers, gaps, intruder=intruder, hidden=hidden)
    return DataReach(
        data_kind=kind,
        reach=reach,
        accounts=found["accounts"] if found else 0,
        objects=found["objects"] if found else 0,
        covered=_covered(window, gaps) if carriers else (),
        gaps=gaps,
        reason=reason,
    )


def _verdict(
    found: Mapping[str, Any] | None,
    carriers: Sequence[_Stream],
    gaps: Sequence[Stretch],
    *,
    intruder: bool,
    hidden: int,
) -> tuple[Reach, Reason]:
    if found and found["successes"]:
        text = gettext_noop("{events} successful {events:event of the intruder shows|events of the intruder show} it")
        return Reach.REACHED, Reason(text, {"events": found["successes"]})
    if found and found["doubted"]:
        text = gettext_noop(
            "{events} {events:read|reads} by a suspect who may have had a reason to, which no log tells"
        )
        return Reach.UNKNOWABLE, Reason(text, {"events": found["doubted"]})
    if found:
        text = gettext_noop("the intruder asked for it; the log does not say with what outcome")
        return Reach.UNKNOWABLE, Reason(text)
    if not carriers:
        return Reach.UNKNOWABLE, Reason(gettext_noop("no log given here would show it"))
    streams = ", ".join(stream.name for stream in carriers)
    if gaps:
        hours = round(sum(last - first for first, last in gaps) / 3_600_000, 1)
        text = gettext_noop("the logs that would show it ({streams}) are missing for {hours} {hours:hour|hours}")
        return Reach.UNKNOWABLE, Reason(text, {"streams": streams, "hours": hours})
    unreadable = sum(stream.unreadable for stream in carriers)
    if unreadable:
        text = gettext_noop("{lines} {lines:line|lines} of the logs that would show it ({streams}) could not be read")
        return Reach.UNKNOWABLE, Reason(text, {"lines": unreadable, "streams": streams})
    if hidden:
        text = gettext_noop(
            "the intruder read {objects} stored {objects:object|objects} whose content the logs do not name"
        )
        return Reach.UNKNOWABLE, Reason(text, {"objects": hidden})
    if not intruder:
        text = gettext_noop("no intruder was found; the logs that would show it are complete ({streams})")
        return Reach.NOT_REACHED, Reason(text, {"streams": streams})
    text = gettext_noop("the logs that would show it are complete ({streams}) and show no access")
    return Reach.NOT_REACHED, Reason(text, {"streams": streams})


def _covered(window: Stretch | None, gaps: Sequence[Stretch]) -> tuple[Stretch, ...]:
    if window is None:
        return ()
    covered, position = [], window[0]
    for first, last in gaps:
        if first > position:
            covered.append((position, first))
        position = max(position, last)
    if position < window[1] or not gaps:
        covered.append((position, window[1]))
    return tuple(covered)
