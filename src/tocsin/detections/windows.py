"""Cutting one suspect's events into episodes: each step is one SQL table over the table ``counted``.

``counted`` has the keys, ``ts``, the columns ``r0, r1, ...`` of the measures, and ``v`` (VALUE_COUNT) or ``q`` (MARK,
1 or 0). The last table, ``placed``, has the same rows that belong to an episode, with its number ``run``. Windows
look back: the window of an event at ``t`` is ``[t - length, t]``, both ends included. Everything is linear in the
rows of a key after one sort, so that a key with a million events costs a million, not its square.
"""

from tocsin.detections.values import Window, WindowKind


def window_tables(window: Window, *, keys: tuple[str, ...]) -> list[tuple[str, str]]:
    """Return the named tables that lead from ``counted`` to ``placed``, in order."""
    listed = ", ".join(keys)
    length = window.length_ms
    match window.kind:
        case WindowKind.WHOLE:
            return [("placed", "SELECT *, 0 AS run FROM counted")]
        case WindowKind.BUCKET:
            return [("placed", f"SELECT *, ts // {length} AS run FROM counted")]
        case WindowKind.RUN:
            return [
                (
                    "fresh",
                    f"SELECT *, CASE WHEN ts - lag(ts) OVER (PARTITION BY {listed} ORDER BY ts) <= {length} "
                    "THEN 0 ELSE 1 END AS starts FROM counted",
                ),
                (
                    "placed",
                    f"SELECT *, sum(starts) OVER (PARTITION BY {listed} ORDER BY ts "
                    "RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS run FROM fresh",
                ),
            ]
        case WindowKind.MARK:
            return [("marked", "SELECT * FROM counted"), *_episodes(listed, length)]
        case WindowKind.EVENT_COUNT:
            return [*_enough_events(window, listed), *_episodes(listed, length)]
        case WindowKind.VALUE_COUNT:
            return [*_enough_values(window, keys), *_episodes(listed, length)]


def _enough_events(window: Window, listed: str) -> list[tuple[str, str]]:
    count = (
        f"count(*) OVER (PARTITION BY {listed} ORDER BY ts RANGE BETWEEN {window.length_ms} PRECEDING AND CURRENT ROW)"
    )
    return [
        *_busy_only(window, listed, "count(*)"),
        ("tallied", f"SELECT *, {count} AS tally FROM busy_rows"),
        ("marked", f"SELECT *, CASE WHEN tally {window.operator} {window.count} THEN 1 ELSE 0 END AS q FROM tallied"),
    ]


def _enough_values(window: Window, keys: tuple[str, ...]) -> list[tuple[str, str]]:
    """Count distinct values in a sliding window without comparing rows with rows.

    A value is in the window of ``t`` exactly while ``s <= t < min(next occurrence, s + length + 1)`` for one of its
    occurrences ``s``: so each occurrence is one step up and one step down, and a running sum is the exact count.
    """
    listed = ", ".join(keys)
    end = window.length_ms + 1
    return [
        *_busy_only(window, listed, "count(DISTINCT v)"),
        ("occurrences", f"SELECT DISTINCT {listed}, ts, v FROM busy_rows WHERE v IS NOT NULL"),
        (
            "stretches",
            f"SELECT {listed}, ts, lead(ts) OVER (PARTITION BY {listed}, v ORDER BY ts) AS next_ts FROM occurrences",
        ),
        (
            "edges",
            f"SELECT {listed}, ts AS edge_ts, 1 AS step FROM stretches UNION ALL "
            f"SELECT {listed}, least(coalesce(next_ts, ts + {end}), ts + {end}) AS edge_ts, -1 AS step FROM stretches",
        ),
        (
            "levels",
            f"SELECT {listed}, edge_ts, step, sum(step) OVER (PARTITION BY {listed} ORDER BY edge_ts "
            "RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS tally FROM edges",
        ),
        (
            "enough",
            f"SELECT DISTINCT {listed}, edge_ts FROM levels WHERE step = 1 AND tally {window.operator} {window.count}",
        ),
        (
            "marked",
            f"SELECT *, CASE WHEN ({listed}, ts) IN (SELECT {listed}, edge_ts FROM enough) THEN 1 ELSE 0 END AS q "
            "FROM busy_rows",
        ),
    ]


def _busy_only(window: Window, listed: str, total: str) -> list[tuple[str, str]]:
    """Leave out the keys that can never reach the count; only a lower bound allows it."""
    if window.operator not in {">=", ">", "="}:
        return [("busy_rows", "SELECT * FROM counted")]
    return [
        ("busy", f"SELECT {listed} FROM counted GROUP BY {listed} HAVING {total} >= {window.count}"),
        ("busy_rows", f"SELECT * FROM counted WHERE ({listed}) IN (SELECT {listed} FROM busy)"),
    ]


def _episodes(listed: str, length: int) -> list[tuple[str, str]]:
    """Merge the overlapping windows that end at marked rows (``q = 1``), and number them.

    A row is inside when a mark follows within the length. Two neighbours inside are in different episodes only when the
    first is a mark and the window of the second's mark starts after it.
    """
    ahead = (
        f"min(CASE WHEN q = 1 THEN ts END) OVER (PARTITION BY {listed} ORDER BY ts "
        f"RANGE BETWEEN CURRENT ROW AND {length} FOLLOWING)"
    )
    before = f"OVER (PARTITION BY {listed} ORDER BY ts, q)"
    return [
        ("reaching", f"SELECT *, {ahead} AS mark_ts FROM marked"),
        (
            "neighbours",
            f"SELECT *, lag(ts) {before} AS before_ts, lag(q) {before} AS before_q FROM reaching "
            "WHERE mark_ts IS NOT NULL",
        ),
        (
            "fresh",
            f"SELECT *, CASE WHEN before_ts IS NULL OR (before_q = 1 AND mark_ts - {length} > before_ts) "
            "THEN 1 ELSE 0 END AS starts FROM neighbours",
        ),
        (
            "placed",
            f"SELECT *, sum(starts) OVER (PARTITION BY {listed} ORDER BY ts, q "
            "ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS run FROM fresh",
        ),
    ]
