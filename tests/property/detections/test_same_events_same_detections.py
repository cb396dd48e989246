"""Whatever the order and the chunks events come in, the detections are the same; and sliding windows are exact."""

import random
from collections import defaultdict
from pathlib import Path

from hypothesis import given, settings, strategies as st

from tocsin.detections.compilation import detection_sql
from tocsin.detections.queries import detect, shipped_rules
from tocsin.detections.rulefile import read_rule
from tocsin.events.queries import EventStore
from tocsin.events.values import COLUMN_NAMES, COLUMN_TYPES

SPAN = 10

RULE = """title: Base
name: base_rule
logsource: {{product: tocsin}}
detection: {{s: {{class_uid: 4002}}, condition: s}}
---
title: Correlated
name: a_rule
level: low
correlation:
  type: {kind}
  rules: [base_rule]
  group-by: [src_endpoint_ip]
  timespan: 10s
  condition: {{{field}{operator}: {count}}}
tocsin: {{version: 1, kind: scan, suspect: address, reasons: [{{text: seen}}]}}
examples: {{fire: [{{events: [{{}}]}}], silent: [{{events: [{{}}]}}]}}
"""
EVENTS = st.lists(
    st.tuples(st.sampled_from("ab"), st.integers(0, 60), st.sampled_from(["x", "y", "z", "w", None])), max_size=40
)
EXAMPLES = [event for rule in shipped_rules() for example in rule.examples for event in example.events]


def store_of(events) -> EventStore:
    store = EventStore(())
    store.load("given_rows", COLUMN_TYPES, [tuple(event.get(name) for name in COLUMN_NAMES) for event in events])
    store._run("CREATE OR REPLACE VIEW events AS SELECT * FROM given_rows", None)
    return store


def by_hand(events, *, distinct: bool, holds) -> list[tuple[str, int, int, int]]:
    """The definition, read literally: every window [t - span, t] that ends at an event; overlapping ones merged."""
    grouped = defaultdict(list)
    for address, second, value in events:
        grouped[address].append((second, value))
    found = []
    for address, seen in grouped.items():
        windows = []
        for end, value in sorted(seen, key=lambda each: each[0]):
            inside = [other for other in seen if end - SPAN <= other[0] <= end]
            number = len({v for _, v in inside if v is not None}) if distinct else len(inside)
            if holds(number) and (not distinct or value is not None):
                windows.append((end - SPAN, end))
        merged: list[list[int]] = []
        for low, high in windows:
            if merged and low <= merged[-1][1]:
                merged[-1][1] = high
            else:
                merged.append([low, high])
        for low, high in merged:
            times = [second for second, _ in seen if low <= second <= high]
            found.append((address, min(times), max(times), len(times)))
    return sorted(found)


@settings(max_examples=60)
@given(
    EVENTS,
    st.sampled_from(["event_count", "value_count"]),
    st.integers(2, 4),
    st.sampled_from(["gte", "gt", "lte", "lt"]),
)
def test_a_sliding_window_counts_what_its_definition_counts(tmp_path_factory, events, kind, count, operator):
    path: Path = tmp_path_factory.mktemp("rule") / "rule.yml"
    field = "field: object_id, " if kind == "value_count" else ""
    path.write_text(RULE.format(kind=kind, field=field, operator=operator, count=count))
    compare = {"gte": int.__ge__, "gt": int.__gt__, "lte": int.__le__, "lt": int.__lt__}[operator]
    rows = [{"class_uid": 4002, "src_endpoint_ip": a, "ts": s * 1000, "object_id": v} for a, s, v in events]
    with store_of(rows) as store:
        found = store.rows(detection_sql(read_rule(path)))
    answer = sorted(
        (row["src_endpoint_ip"], row["first_ts"] // 1000, row["last_ts"] // 1000, row["events"]) for row in found
    )
    assert answer == by_hand(events, distinct=kind == "value_count", holds=lambda number: compare(number, count))


@settings(max_examples=4)
@given(st.integers(0, 2**32))
def test_the_order_of_events_changes_nothing(seed):
    shuffled = random.Random(seed).sample(EXAMPLES, len(EXAMPLES))
    with store_of(EXAMPLES) as first, store_of(shuffled) as second:
        expected, found = detect(first), detect(second)
        assert expected == found
        assert len({one.uid for one in found}) == len(found)
        for one in found[::7]:
            assert second.count(one.evidence_sql) == one.events
