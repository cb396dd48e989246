"""The time line counts every event once, in bars of the zone, and a suspect's events inside its own window only."""

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tocsin.detections.values import Detection, Kind, ScopeHint, SuspectType
from tocsin.events import queries as event_queries
from tocsin.events.values import COLUMNS
from tocsin.reports import queries

DAY = 1_394_755_200_000  # 2014-03-14 00:00 UTC
MINUTE, HOUR = 60_000, 3_600_000


def _store(folder: Path, events: Sequence[dict[str, Any]]) -> event_queries.EventStore:
    (folder / "events").mkdir(parents=True)
    with duckdb.connect() as connection:
        connection.execute(f"CREATE TABLE e ({', '.join(f'{column.name} {column.type}' for column in COLUMNS)})")
        for n, event in enumerate(events):
            row = {"source_id": "s", "line": n, **event}
            names = ", ".join(row)
            connection.execute(f"INSERT INTO e ({names}) VALUES ({', '.join('?' * len(row))})", list(row.values()))
        connection.execute(f"COPY e TO '{folder}/events/part-00001.parquet' (FORMAT parquet)")
    return event_queries.open_events(folder)


def _detection(suspect_type: SuspectType, suspect: str, *, first_ts: int, last_ts: int) -> Detection:
    return Detection(
        uid="d", rule_id="r", rule_version=1, rule_title="r", kind=Kind.SCAN, lead="l", suspect_type=suspect_type,
        suspect=suspect, severity="low", score=1, first_ts=first_ts, last_ts=last_ts, events=1, reasons=(),
        parameters={}, evidence_sql="", scope=ScopeHint(),
    )  # fmt: skip


def test_every_event_stands_in_one_bar_by_its_status(tmp_path: Path) -> None:
    events = [{"ts": DAY + n * 10 * MINUTE, "status_id": n % 3} for n in range(144)]
    with _store(tmp_path, events) as store:
        points = queries.timeline(store, detections=())
    assert sum(point.events for point in points) == 144
    assert [sum(getattr(point, name) for point in points) for name in ("success", "failure", "unknown")] == [48, 48, 48]
    assert len({point.last_ts - point.first_ts for point in points}) == 1
    assert all(left.last_ts == right.first_ts for left, right in itertools.pairwise(points))
    assert points[0].first_ts == DAY
    assert 60 <= len(points) <= 120


def test_a_status_that_is_not_known_counts_as_unknown(tmp_path: Path) -> None:
    with _store(tmp_path, [{"ts": DAY}, {"ts": DAY, "status_id": 99}]) as store:
        points = queries.timeline(store, detections=())
    assert [(point.events, point.unknown) for point in points] == [(2, 2)]


def test_no_events_give_no_bars(tmp_path: Path) -> None:
    with _store(tmp_path, []) as store:
        assert queries.timeline(store, detections=()) == ()


def test_days_begin_at_midnight_of_the_zone(tmp_path: Path) -> None:
    events = [{"ts": DAY + n * 24 * HOUR} for n in range(100)]
    with _store(tmp_path, events) as store:
        points = queries.timeline(store, detections=(), timezone="Asia/Tokyo")
    assert points[0].first_ts == DAY - 9 * HOUR
    assert points[0].last_ts - points[0].first_ts == 24 * HOUR


@pytest.mark.parametrize(
    ("suspect_type", "column"),
    [
        (SuspectType.ACCOUNT, "account"),
        (SuspectType.SESSION, "actor_session_uid"),
        (SuspectType.ADDRESS, "src_endpoint_ip"),
        (SuspectType.NETWORK, "src_network"),
        (SuspectType.API_KEY, "actor_credential_uid"),
        (SuspectType.PRINCIPAL, "actor_user_uid"),
    ],
)
def test_a_suspect_is_counted_inside_its_window_only(tmp_path: Path, suspect_type: SuspectType, column: str) -> None:
    events = [{"ts": DAY + n * HOUR, column: "x'; DROP TABLE events --" if n % 2 else "other"} for n in range(24)]
    found = _detection(suspect_type, "x'; DROP TABLE events --", first_ts=DAY + 4 * HOUR, last_ts=DAY + 9 * HOUR)
    with _store(tmp_path, events) as store:
        points = queries.timeline(store, detections=(found,))
    assert {point.first_ts for point in points if point.intruder} == {DAY + n * HOUR for n in (5, 7, 9)}


def test_an_event_of_two_suspects_is_counted_once(tmp_path: Path) -> None:
    events = [{"ts": DAY, "account": "a", "src_endpoint_ip": "192.0.2.1"}]
    found = (
        _detection(SuspectType.ACCOUNT, "a", first_ts=DAY, last_ts=DAY),
        _detection(SuspectType.ACCOUNT, "a", first_ts=DAY - HOUR, last_ts=DAY + HOUR),
        _detection(SuspectType.ADDRESS, "192.0.2.1", first_ts=DAY, last_ts=DAY),
    )
    with _store(tmp_path, events) as store:
        assert [point.intruder for point in queries.timeline(store, detections=found)] == [1]
