"""A Sigma condition counts exactly the events it says."""

import pytest

from tocsin.detections.errors import RuleRefused

PATHS = [{"url_path": path} for path in ("/admin", "/ADMIN/x", "/a%min", None, "", "/x/admin")]


@pytest.mark.parametrize(
    ("written", "counted"),
    [
        ("url_path: /Admin", [0]),
        ("url_path|cased: /Admin", []),
        ("url_path|contains: admin", [0, 1, 5]),
        ("url_path|startswith: /admin", [0, 1]),
        ("url_path|endswith: ADMIN", [0, 5]),
        ("url_path: '/a?min'", [0, 2]),
        ("url_path: '/*/admin'", [5]),
        ("url_path: '*'", [0, 1, 2, 4, 5]),
        ("url_path: ''", [4]),
        ("url_path: null", [3]),
        ("url_path|exists: true", [0, 1, 2, 4, 5]),
        ("url_path|exists: false", [3]),
        ("url_path|re: '^/[a-z]+$'", [0]),
        ("url_path|re|i: '^/ADMIN$'", [0]),
        ("url_path|contains|all: [x, admin]", [1, 5]),
        ("url_path: [/admin, /x/admin, '/a%*']", [0, 2, 5]),
    ],
)
def test_text_is_compared_as_sigma_says(matching, written, counted):
    assert matching(f"  selection:\n    {written}\n  condition: selection", PATHS) == counted


def test_not_counts_events_that_lack_the_field(matching):
    detection = "  selection:\n    url_path: /admin\n  condition: not selection"
    assert matching(detection, PATHS) == [1, 2, 3, 4, 5]
    assert matching("  s:\n    url_path|startswith: /admin\n    class_uid: 1\n  condition: not s", PATHS) == [
        0,
        1,
        2,
        3,
        4,
        5,
    ]


def test_numbers_are_compared_as_numbers_and_codes_as_text(matching):
    events = [{"bytes_out": n, "status_code": str(n)} for n in (5, 10, 200)]
    assert matching("  s: {bytes_out|gte: 10}\n  condition: s", events) == [1, 2]
    assert matching("  s: {bytes_out|lt: 10}\n  condition: s", events) == [0]
    assert matching("  s: {status_code: 200}\n  condition: s", events) == [2]


def test_networks_are_compared_by_their_bits(matching):
    events = [{"src_endpoint_ip": ip} for ip in ("10.1.2.3", "10.15.0.1", "10.16.0.1", "110.1.2.3", "::1")]
    assert matching("  s: {src_endpoint_ip|cidr: 10.0.0.0/12}\n  condition: s", events) == [0, 1]


def test_a_field_can_be_compared_with_another(matching):
    events = [{"account": "Anna", "object_owner": "anna"}, {"account": "anna", "object_owner": "bert"}]
    assert matching("  s: {account|fieldref: object_owner}\n  condition: s", events) == [0]


def test_selections_are_counted_by_one_of_and_all_of(matching):
    detection = "  a_one: {url_path|contains: x}\n  a_two: {url_path|contains: admin}\n  condition: "
    assert matching(detection + "1 of a_*", PATHS) == [0, 1, 5]
    assert matching(detection + "all of a_*", PATHS) == [1, 5]
    assert matching(detection + "a_two and not a_one", PATHS) == [0]


def test_a_quote_in_a_rule_stays_a_quote(matching):
    events = [{"user_agent": "it's -- a ' test"}, {"user_agent": "other"}]
    assert matching("  s:\n    user_agent: \"it's -- a ' test\"\n  condition: s", events) == [0]


@pytest.mark.parametrize(
    ("detection", "line", "word"),
    [
        ("  s:\n    EventID: 5\n  condition: s", 7, "EventID"),
        ("  s:\n    url_path: /a\n    unmapped: x\n  condition: s", 8, "unmapped"),
        ("  s: [evil, words]\n  condition: s", 6, "Keywords"),
        ("  s:\n    url_path|re: '(?=x)'\n  condition: s", 7, "invalid"),
        ("  s:\n    url_path|re: '(a)\\1'\n  condition: s", 7, "invalid"),
        ("  s:\n    url_path|gt: 5\n  condition: s", 7, "text"),
        ("  s:\n    bytes_out: many\n  condition: s", 7, "number"),
        ("  s:\n    src_endpoint_ip|cidr: 2001:db8::/32\n  condition: s", 7, "IPv6"),
        ("  s:\n    url_path|expand: '%name%'\n  condition: s", 7, "placeholder"),
    ],
)
def test_what_cannot_be_expressed_is_refused_with_its_line(rule_of, detection, line, word):
    with pytest.raises(RuleRefused) as refusal:
        rule_of("detection:\n" + detection)
    assert refusal.value.where == f"rule.yml:{line}"
    assert word in refusal.value.what
