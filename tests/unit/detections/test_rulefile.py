"""A rule file says everything or is refused where it says it wrongly."""

import pytest

from tocsin.detections.errors import RuleRefused
from tocsin.detections.queries import load_rules, shipped_rules
from tocsin.detections.values import Kind

BASE = "detection: {s: {class_uid: 4002}, condition: s}\n"
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
  timespan: 10m
  condition: {{{condition}}}
"""


def refused(rule_of, *args, **kwargs) -> RuleRefused:
    with pytest.raises(RuleRefused) as refusal:
        rule_of(*args, **kwargs)
    return refusal.value


def test_a_correlation_keeps_its_timespan_and_count(rule_of):
    rule = rule_of("", head=CORRELATED.format(type="event_count", condition="gte: 20"))
    assert (rule.window.length_ms, rule.window.operator, rule.window.count) == (600_000, ">=", 20)
    assert rule.parameters == {"timespan": "10m", "count": 20}


@pytest.mark.parametrize("kind", ["temporal", "temporal_ordered", "value_sum", "value_percentile"])
def test_other_correlations_are_refused(rule_of, kind):
    condition = "field: bytes_out, gte: 5" + (", percentile: 90" if kind == "value_percentile" else "")
    error = refused(rule_of, "", head=CORRELATED.format(type=kind, condition=condition))
    assert error.where.startswith("rule.yml:")
    assert error.where != "rule.yml:"


def test_unknown_keys_of_our_blocks_are_refused_where_they_stand(rule_of):
    tail = "tocsin:\n  version: 1\n  kind: scan\n  suspect: address\n  reasons: [{text: seen}]\n  threshhold: 3\n"
    error = refused(rule_of, BASE, tail=tail)
    assert error.where == "rule.yml:11"
    assert "threshhold" in error.what


def test_an_unknown_key_beside_sigmas_is_refused(rule_of):
    assert "timeframe" in refused(rule_of, BASE + "timeframe: 5m").what


def test_a_rule_for_another_products_fields_is_refused(rule_of):
    head = "title: A\nname: a_rule\nlevel: low\nlogsource: {product: windows, category: process_creation}\n"
    assert refused(rule_of, BASE, head=head).where == "rule.yml:4"


def test_a_rule_without_examples_of_both_kinds_is_refused(rule_of):
    tail = "tocsin: {version: 1, kind: scan, suspect: address, reasons: [{text: seen}]}\n"
    assert "stay silent" in refused(rule_of, BASE, tail=tail).what


def test_broken_yaml_and_double_keys_are_refused_with_a_line(rule_of):
    assert refused(rule_of, "detection: [").where.startswith("rule.yml:")
    assert "rule.yml" in refused(rule_of, BASE + BASE).where


def test_an_expression_with_an_unknown_name_is_refused_where_it_stands(rule_of):
    body = BASE + "profile:\n  measures: {n: count}\n  having: n > 5 and m > 3\n"
    error = refused(rule_of, body)
    assert error.where == "rule.yml:8"
    assert "m" in error.what


def test_an_expression_cannot_call_python(rule_of):
    body = BASE + "profile:\n  measures: {n: count}\n  having: __import__('os').system('x')\n"
    assert "not allowed" in refused(rule_of, body).what


def test_every_shipped_rule_is_complete():
    rules = shipped_rules()
    assert len(rules) >= 15
    for rule in rules:
        assert all((rule.advice, rule.false_positives, rule.description)), rule.rule_id
        assert any(tag.startswith("attack.t") for tag in rule.tags), rule.rule_id
        assert {example.fires for example in rule.examples} == {True, False}, rule.rule_id
    assert {Kind.SCRAPING, Kind.CREDENTIAL_STUFFING, Kind.PASSWORD_SPRAYING, Kind.BRUTE_FORCE, Kind.SESSION_THEFT,
            Kind.IMPOSSIBLE_TRAVEL, Kind.ENUMERATION, Kind.INTERNAL_ACCESS, Kind.PHISHING, Kind.SCAN, Kind.API_ABUSE,
            Kind.MISCONFIGURATION, Kind.DEFENCE_EVASION} <= {rule.kind for rule in rules}  # fmt: skip


def test_a_folder_without_rules_is_refused(tmp_path):
    with pytest.raises(RuleRefused):
        load_rules(tmp_path)
    with pytest.raises(RuleRefused):
        load_rules(tmp_path / "none")
