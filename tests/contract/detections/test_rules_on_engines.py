"""Every shipped rule does what its examples say on DuckDB, and finds the very same rows on ClickHouse's engine."""

import math

import pytest
import sqlglot

from tocsin.detections.queries import detection_sql, run_examples, shipped_rules

RULES = shipped_rules()
EXAMPLES = [(rule, example) for rule in RULES for example in rule.examples]
# Functions of time and of one engine alone: they transpile silently into something else.
FORBIDDEN = {
    "EPOCH_MS",
    "TIME_BUCKET",
    "NOW",
    "DATE_TRUNC",
    "STRFTIME",
    "EPOCH",
    "TO_TIMESTAMP",
    "APPROX_COUNT_DISTINCT",
}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.rule_id)
def test_examples_fire_and_stay_silent(rule):
    assert [(run.example.name, run.problem) for run in run_examples(rule) if not run.right] == []


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.rule_id)
@pytest.mark.parametrize("dialect", ["clickhouse", "spark"])
def test_rules_stay_within_the_portable_core(rule, dialect):
    sql = detection_sql(rule)
    called = {
        name for node in sqlglot.parse_one(sql, read="duckdb").find_all(sqlglot.exp.Func) for name in node.sql_names()
    }
    assert called & FORBIDDEN == set()
    (written,) = sqlglot.transpile(sql, read="duckdb", write=dialect, unsupported_level=sqlglot.ErrorLevel.RAISE)
    assert written.startswith("WITH ")


@pytest.mark.parametrize(
    ("rule", "example"), EXAMPLES, ids=lambda each: getattr(each, "rule_id", getattr(each, "name", ""))
)
def test_clickhouse_finds_the_same_rows(rule, example, duckdb_rows, clickhouse_rows):
    sql = detection_sql(rule, relation="example")
    expected, found = duckdb_rows(sql, example.events), clickhouse_rows(sql, example.events)
    assert len(found) == len(expected)
    for ours, theirs in zip(expected, found, strict=True):
        assert ours.keys() == theirs.keys()
        for name, value in ours.items():
            same = (
                math.isclose(value, theirs[name], rel_tol=1e-9) if isinstance(value, float) else value == theirs[name]
            )
            assert same, f"{name}: {value!r} and {theirs[name]!r}"
