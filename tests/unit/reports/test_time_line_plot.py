"""The geometry of the time line: inside the picture, nothing there invisible, words that fit."""

from types import ModuleType

from hypothesis import given, strategies as st

from tocsin.reports import charts, timeline
from tocsin.reports.values import TimelinePoint

DAY = 1_394_755_200_000
YEARS = 60 * 365 * 86_400_000


def test_nothing_to_draw_draws_nothing() -> None:
    assert charts.plot((), gaps=(), detections=(), zone="UTC") is None


def test_a_single_event_of_the_intruder_among_millions_is_still_seen(cases: ModuleType) -> None:
    points = (TimelinePoint(DAY, DAY + 1, 5_000_000, 0, 0), TimelinePoint(DAY + 1, DAY + 2, 0, 1, 0, 1))
    plot = charts.plot(points, gaps=(), detections=(cases.detection(),), zone="UTC")
    assert plot is not None
    assert plot.failure[0].height >= 1.5
    assert plot.suspects[0].height > 50


def test_marks_and_gaps_outside_the_events_stay_inside_the_picture(cases: ModuleType) -> None:
    gap = cases.Gap("x", DAY - 10**9, DAY + 10**12, 1.0)
    early = cases.detection(first_ts=0, last_ts=1)
    plot = charts.plot(cases.timeline(), gaps=(gap,), detections=(early,), zone="UTC")
    assert plot is not None
    for bar in (*plot.gaps, *plot.marks[0].bars, *plot.success):
        assert bar.x >= 0
        assert bar.x + bar.width <= 100.1
        assert 0 <= bar.y < plot.height


def test_rules_beyond_the_room_are_counted(cases: ModuleType) -> None:
    found = tuple(cases.detection(n, rule_title=f"rule {n}") for n in range(9))
    plot = charts.plot(cases.timeline(), gaps=(), detections=found, zone="UTC")
    assert plot is not None
    assert (len(plot.marks), plot.marks_left_out) == (charts.MARKS_MAX, 9 - charts.MARKS_MAX)


def test_hours_are_those_of_the_zone(cases: ModuleType) -> None:
    plot = charts.plot(cases.timeline(), gaps=(), detections=(), zone="Asia/Tokyo")
    assert plot is not None
    assert plot.ticks[0].text == "03-14 09:00"


@given(st.integers(0, YEARS))
def test_any_span_gets_a_readable_number_of_bars(span_ms: int) -> None:
    width = timeline.bar_width(span_ms)
    assert span_ms // width + 1 <= timeline.BARS_MAX


def test_without_suspects_there_is_one_lane_and_its_gaps_are_drawn(cases):
    gap = cases.Gap("x", DAY + 10**6, DAY + 10**7, 1.0)
    quiet = charts.plot(cases.timeline(intruder=False), gaps=(gap,), detections=(), zone="UTC")
    loud = charts.plot(cases.timeline(), gaps=(gap,), detections=(), zone="UTC")
    assert quiet is not None
    assert loud is not None
    assert (len(quiet.gaps), len(loud.gaps)) == (1, 2)
    assert quiet.height < loud.height


def test_long_titles_are_cut_shorter_for_a_narrow_screen(cases):
    found = (cases.detection(rule_title="word " * 40),)
    plot = charts.plot(cases.timeline(), gaps=(), detections=found, zone="UTC")
    assert plot is not None
    assert [len(plot.marks[0].label), len(plot.marks[0].short_label)] <= [100, 38]
    assert plot.marks[0].short_label.endswith("…")
