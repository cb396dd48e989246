"""Evidence that somebody wrote down is rebuilt, never believed."""

import json

import pytest

from tocsin.detections.errors import EvidenceRefused
from tocsin.detections.queries import detect, evidence_of, read_evidence, shipped_rules
from tocsin.events.queries import EventStore
from tocsin.events.values import COLUMN_NAMES, COLUMN_TYPES

NASTY = "203.0.113.9' OR '1'='1"


def store_of(events):
    store = EventStore(())
    rows = [tuple({"ts": n, "line": n, **event}.get(name) for name in COLUMN_NAMES) for n, event in enumerate(events)]
    store.load("rows_given", COLUMN_TYPES, rows)
    store._run("CREATE OR REPLACE VIEW events AS SELECT * FROM rows_given", None)
    return store


@pytest.fixture
def store():
    tries = [
        {
            "class_uid": 3002,
            "activity_id": 1,
            "status_id": 2,
            "src_endpoint_ip": NASTY,
            "account": f"a{n}",
            "ts": n * 1000,
        }
        for n in range(50)
    ]
    with store_of(
        [*tries, {"class_uid": 3002, "status_id": 1, "src_endpoint_ip": "198.51.100.1", "account": "b"}]
    ) as store:
        yield store


def written(tmp_path, detection, **changed):
    line = {
        "uid": detection.uid, "rule_id": detection.rule_id, "rule_version": detection.rule_version,
        "events": detection.events, "parameters": dict(detection.parameters), "evidence_sql": detection.evidence_sql,
    }  # fmt: skip
    (tmp_path / "detections.jsonl").write_text(json.dumps({**line, **changed}) + "\n")
    return read_evidence(tmp_path, detection.uid, rules=shipped_rules())


@pytest.fixture
def detection(store):
    return next(one for one in detect(store) if one.rule_id == "credential_stuffing")


def test_a_hostile_suspect_is_quoted_and_counts_only_its_own_events(store, detection):
    assert detection.suspect == NASTY
    assert store.count(detection.evidence_sql) == detection.events == 50


def test_the_select_is_rebuilt_from_the_rule_when_the_file_was_altered(tmp_path, store, detection):
    evidence = written(tmp_path, detection, evidence_sql="SELECT * FROM read_csv('/etc/passwd')")
    assert evidence.rebuilt
    assert evidence.sql == detection.evidence_sql
    assert len(evidence_of(store, evidence)) == 50


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM events; DROP VIEW events", "COPY events TO '/tmp/x.csv'", "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM '/etc/passwd'", "ATTACH '/tmp/x.db'", "SET threads = 1", "not sql", "SELECT * FROM events) x; DROP VIEW events --",
        "INSTALL httpfs", "PRAGMA version",
    ],
)  # fmt: skip
def test_the_select_of_an_unknown_rule_can_read_the_events_and_nothing_else(tmp_path, store, detection, sql):
    evidence = written(tmp_path, detection, rule_id="somebody_elses", evidence_sql=sql)
    assert not evidence.rebuilt
    with pytest.raises(EvidenceRefused):
        evidence_of(store, evidence)
    assert store.count("SELECT * FROM events") == 51


def test_a_wrong_count_is_refused(tmp_path, store, detection):
    with pytest.raises(EvidenceRefused, match="50 events found where 49"):
        evidence_of(store, written(tmp_path, detection, events=49))


@pytest.mark.parametrize("changed", [{"parameters": {}}, {"parameters": {"src_endpoint_ip": 5}}, {"events": "many"}])
def test_parameters_that_do_not_fit_are_refused(tmp_path, detection, changed):
    with pytest.raises(EvidenceRefused):
        written(tmp_path, detection, **changed)


def test_unknown_unclear_and_unreadable_names_are_refused(tmp_path, detection):
    written(tmp_path, detection)
    for name in ("", "ffff", "zz"):
        with pytest.raises(EvidenceRefused):
            read_evidence(tmp_path, name, rules=())
    (tmp_path / "detections.jsonl").write_bytes(b"\xff\xfe not json\n")
    with pytest.raises(EvidenceRefused):
        read_evidence(tmp_path, "a", rules=())
