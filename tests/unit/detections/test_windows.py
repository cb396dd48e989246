"""Episodes: which events a window counts, and where one ends and the next begins."""

CORRELATED = """title: Base
name: base_rule
logsource: {{product: tocsin}}
detection: {{s: {{class_uid: 4002}}, condition: s}}
---
title: Correlated
name: a_rule
level: low
correlation:
  type: {type}
  rules: [base_rule]
  group-by: [src_endpoint_ip]
  timespan: 10s
  condition: {{{condition}}}
"""
BASE = "detection: {s: {class_uid: 4002}, bad: {status_id: 2}, condition: s}\n"


def at(*seconds: float, ip: str = "a", **more):
    return [{"class_uid": 4002, "src_endpoint_ip": ip, "ts": round(1000 * second), **more} for second in seconds]


def spans(rows):
    return [(row["first_ts"] / 1000, row["last_ts"] / 1000, row["events"]) for row in rows]


def test_a_window_holds_both_its_ends(rule_of, episodes):
    rule = rule_of("", head=CORRELATED.format(type="event_count", condition="gte: 3"))
    assert spans(episodes(rule, at(0, 5, 10))) == [(0, 10, 3)]
    assert spans(episodes(rule, at(0, 5, 10.001))) == []


def test_overlapping_windows_are_one_episode_and_others_are_not(rule_of, episodes):
    rule = rule_of("", head=CORRELATED.format(type="event_count", condition="gte: 3"))
    assert spans(episodes(rule, at(0, 1, 2, 8, 11, 12))) == [(0, 12, 6)]
    assert spans(episodes(rule, at(0, 1, 2, 13, 14, 15))) == [(0, 2, 3), (13, 15, 3)]


def test_an_event_before_the_window_is_not_counted(rule_of, episodes):
    rule = rule_of("", head=CORRELATED.format(type="event_count", condition="gte: 3"))
    assert spans(episodes(rule, at(0, 100, 101, 102, 140))) == [(100, 102, 3)]


def test_values_are_counted_once_within_the_window(rule_of, episodes):
    rule = rule_of("", head=CORRELATED.format(type="value_count", condition="field: object_id, gte: 3"))
    same = [event for number in range(9) for event in at(number, object_id=f"o{number % 2}")]
    assert episodes(rule, same) == []
    slow = [event for number in range(9) for event in at(number * 6, object_id=f"o{number}")]
    assert episodes(rule, slow) == []
    third = [*same, *at(9, object_id="o2")]
    assert spans(episodes(rule, third)) == [(0, 9, 10)]


def test_keys_do_not_mix(rule_of, episodes):
    rule = rule_of("", head=CORRELATED.format(type="event_count", condition="gte: 3"))
    assert episodes(rule, [*at(0, 1, ip="a"), *at(2, 3, ip="b")]) == []


def test_a_run_ends_with_silence(rule_of, episodes):
    rule = rule_of(BASE + "profile: {over: run, quiet: 5s, measures: {n: count}, having: n >= 2}\n")
    assert spans(episodes(rule, at(0, 5, 10, 15.001, 30, 31))) == [(0, 10, 3), (30, 31, 2)]


def test_neighbouring_stretches_that_qualify_are_one_and_measured_anew(rule_of, episodes):
    rule = rule_of(
        BASE + "profile: {over: 10s, measures: {things: {count_distinct: object_id}}, having: things >= 2}\n"
    )
    events = [event for second in (1, 2, 11, 12, 31, 32, 45) for event in at(second, object_id=f"o{second % 10}")]
    rows = episodes(rule, events)
    assert spans(rows) == [(1, 12, 4), (31, 32, 2)]
    assert [row["things"] for row in rows] == [2, 2]


def test_marks_look_back_from_what_changed(rule_of, episodes):
    body = BASE + "profile: {mark: url_path != previous_url_path, within: 3s, measures: {n: count}}\n"
    events = [*at(0, 1, 2, 3, url_path="/a"), *at(4, url_path="/b"), *at(9, url_path="/b")]
    assert spans(episodes(rule_of(body), events)) == [(1, 4, 4)]


def test_what_is_usual_is_measured_beside_the_episode(rule_of, episodes):
    body = BASE + (
        "profile: {over: run, quiet: 5s, measures: {n: count, failed: {count: bad}}, "
        "usual: {site: {of: s, measures: {everything: count, everything_bad: {count: bad}}}}, "
        "derive: {share: n / everything}, having: share > 0.5}\n"
    )
    rows = episodes(rule_of(body), [*at(0, 1, 2, ip="a", status_id=2), *at(0, ip="b")])
    assert [(row["src_endpoint_ip"], row["n"], row["everything"], row["everything_bad"]) for row in rows] == [
        ("a", 3, 4, 3)
    ]


def test_what_is_usual_may_be_joined_by_a_value_the_episode_measured(rule_of, episodes):
    body = BASE + (
        "profile: {over: run, quiet: 5s, measures: {worst: {max: object_id}}, "
        "usual: {there: {of: s, by: {worst: object_id}, measures: {everywhere: count}}}}\n"
    )
    rows = episodes(rule_of(body), [*at(0, ip="a", object_id="x"), *at(1, 2, ip="b", object_id="y"), *at(1, ip="a")])
    assert [(row["src_endpoint_ip"], row["worst"], row["everywhere"]) for row in rows] == [("a", "x", 1), ("b", "y", 2)]


def test_peers_are_the_episodes_that_look_alike(rule_of, episodes):
    body = BASE + (
        "profile: {over: whole, measures: {n: count}, "
        "peers: {where: n >= 2, measures: {alike: count, total: {sum: n}}}, having: alike >= 2}\n"
    )
    rows = episodes(rule_of(body), [*at(0, 1, ip="a"), *at(0, 1, 2, ip="b"), *at(0, ip="c")])
    assert [(row["src_endpoint_ip"], row["alike"], row["total"]) for row in rows] == [("a", 2, 5), ("b", 2, 5)]


def test_peers_within_a_length_began_at_most_so_long_before_or_after(rule_of, episodes):
    body = BASE + (
        "profile: {over: run, quiet: 5s, measures: {n: count}, "
        "peers: {within: 10s, where: n >= 2, measures: {alike: count}}}\n"
    )
    rows = episodes(rule_of(body), [*at(0, 1, ip="a"), *at(10, 12, ip="b"), *at(20.001, 21, ip="c"), *at(11, ip="d")])
    assert [(row["src_endpoint_ip"], row["alike"]) for row in rows] == [("a", 2), ("b", 2), ("c", 1)]


def test_a_hot_key_does_not_take_the_square_of_its_events(rule_of, episodes):
    rule = rule_of("", head=CORRELATED.format(type="value_count", condition="field: object_id, gte: 50"))
    events = [{"class_uid": 4002, "src_endpoint_ip": "a", "ts": n, "object_id": f"o{n % 5000}"} for n in range(60_000)]
    (row,) = episodes(rule, events)
    assert row["events"] == 60_000
