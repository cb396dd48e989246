"""Layouts and mappings the operator states are read as stated, and refused with their line when they make no sense."""

from dataclasses import replace
from pathlib import Path

import duckdb
import pytest

from tocsin.events.values import Shape
from tocsin.integrations.mapping.mapping import load_mapping
from tocsin.integrations.mapping.suggestion import suggest_mapping
from tocsin.integrations.web_server.log_format import from_log_format
from tocsin.kernel.errors import TocsinError

from .conftest import read_files
from .examples import json_lines, lines

NOON = 1_718_452_800_000  # 2024-06-15T12:00:00Z

NGINX = (
    "log_format main '$remote_addr - $remote_user [$time_local] \"$request\" '\n"
    '    \'$status $body_bytes_sent "$http_referer" "$http_user_agent" "$http_x_forwarded_for" rt=$request_time s=$cookie_session\';'
)
APACHE = r'LogFormat "%{X-Forwarded-For}i %h %l %u %{%Y-%m-%dT%H:%M:%S%z}t \"%r\" %>s %O \"%{Referer}i\" \"%{User-Agent}i\" %D" own'


@pytest.mark.parametrize(
    ("layout", "line", "expected"),
    [
        (
            NGINX,
            r'192.0.2.1 - ann [15/Jun/2024:12:00:00 +0000] "GET /a?x=1 HTTP/1.1" 200 12 "-" "curl \x22x" "-" rt=0.123 s=abcd',
            {
                "ts": NOON,
                "src_endpoint_ip": "192.0.2.1",
                "account": "ann",
                "url_path": "/a",
                "user_agent": 'curl "x',
                "duration_ms": 123,
            },
        ),
        (
            APACHE,
            '198.51.100.1, 192.0.2.9 192.0.2.1 - bob 2024-06-15T14:00:00+0200 "POST /login HTTP/1.1" 401 12 "-" "curl" 1234',
            {
                "ts": NOON,
                "src_endpoint_ip": "192.0.2.1",
                "account": "bob",
                "class_uid": 3002,
                "status_id": 2,
                "duration_ms": 1,
            },
        ),
        (
            '%h %l %u %t "%r" %>s %b',
            '192.0.2.1 - - [15/Jun/2024:12:00:00 +0000] "GET /v1/tracks/123 HTTP/1.1" 200 12',
            {"ts": NOON, "object_type": "track", "object_id": "123"},
        ),
        (
            "$time_iso8601|$remote_addr|$request_method|$uri|$args|$status",
            "2024-06-15T12:00:00+00:00|192.0.2.1|GET|/v1/tracks/7|a=b&token=c|404",
            {"ts": NOON, "url_path": "/v1/tracks/7", "url_query": "a=b&token=[secret]", "status_id": 2},
        ),
        (
            "$msec $remote_addr ($request) $status",
            "1718452800.000 192.0.2.1 (GET /a(b HTTP/1.1) 200",
            {"ts": NOON, "http_method": "GET", "status_id": 1},
        ),
    ],
)
def test_a_stated_layout_is_read(tmp_path, read, layout, line, expected):
    path = tmp_path / "own.log"
    path.write_text(lines(line, "something else"))
    source, events = read(path, using=[from_log_format(layout)])
    assert (source.parsed, source.rejected) == (1, 1)
    assert {name: events[1][name] for name in expected} == expected


@pytest.mark.parametrize(
    ("layout", "complaint"),
    [
        ("$remote_addr$time_local", "side by side"),
        ("nothing", "no variable"),
        ("$remote_addr $status", "no time"),
        ('{"at":"$time_local"}', "JSON"),
        ("%h %Q %t", "%Q"),
    ],
)
def test_a_layout_that_cannot_be_read_back_is_refused_with_the_reason(layout, complaint):
    with pytest.raises(TocsinError, match=complaint):
        from_log_format(layout)


MAPPING = """\
name: shop_api
title: Shop API
shape: json
timezone: Europe/Paris
columns:
  ts: {field: when, time: iso8601}
  actor_user_uid: who.id
  actor_session_uid: sess
  src_endpoint_ip: {first: [peer.ip, peer.address]}
  http_method: req.verb
  url_path: req.url
  status_code: req.code
  actor_type: {field: who.kind, values: {emp: staff, cust: customer}, otherwise: service}
  device_uid: [odd.key, inner]
routes:
  - match: /v1/session
    method: POST
    login: true
    operation: session.create
  - match: /v1/customers/{customer}/cards/{card}
    operation: card.read
    object_type: card
    object: card
    owner: customer
    data_category: payment
  - match: ^/export/(?P<what>[a-z]+)$
    object_type: export
    object: what
"""
RECORDS = (
    {"when": "2024-06-15T14:00:00", "who": {"id": "u1", "kind": "cust"}, "peer": {"ip": "192.0.2.7"}, "sess": "s3cr3t", "odd.key": {"inner": "d1"},
     "req": {"verb": "get", "url": "/v1/customers/77/cards/5?token=abc", "code": 200}},
    {"when": "2024-06-15T12:00:01Z", "who": {"id": "u1", "kind": "emp"}, "peer": {"address": "192.0.2.8"},
     "req": {"verb": "POST", "url": "/v1/session", "code": 401}},
    {"when": "2024-06-15T12:00:02Z", "who": {"id": "'; --"}, "req": {"verb": "GET", "url": "/export/all", "code": 200}},
    {"when": "whenever"},
)  # fmt: skip


def _mapping(folder: Path, text: str = MAPPING) -> Path:
    path = folder / "map.yml"
    path.write_text(text)
    return path


def test_a_mapping_reads_fields_values_times_and_routes(tmp_path, read):
    path = tmp_path / "app.jsonl"
    path.write_text(json_lines(*RECORDS))
    source, events = read(path, using=[load_mapping(_mapping(tmp_path))])
    assert (source.format, source.parsed, source.rejected) == ("shop_api", 3, 1)
    first = {"ts": NOON, "account": "u1", "actor_type": "customer", "src_endpoint_ip": "192.0.2.7", "device_uid": "d1", "class_uid": 4002,
             "status_id": 1, "api_operation": "card.read", "object_type": "card", "object_id": "5", "object_owner": "77",
             "data_category": "payment", "route": "/v1/customers/{id}/cards/{id}", "url_query": "token=[secret]"}  # fmt: skip
    assert {name: events[1][name] for name in first} == first
    assert events[1]["actor_session_uid"] not in (None, "s3cr3t")
    second = {
        "class_uid": 3002,
        "activity_id": 1,
        "status_id": 2,
        "actor_type": "staff",
        "src_endpoint_ip": "192.0.2.8",
    }
    assert {name: events[2][name] for name in second} == second
    third = {"account": "'; --", "actor_type": "service", "object_type": "export", "object_id": "all"}
    assert {name: events[3][name] for name in third} == third


def test_a_text_mapping_reads_named_groups(tmp_path, read):
    mapping = _mapping(tmp_path, "name: door\nshape: text\npattern: '^(?P<at>\\d+) (?P<who>\\w+) (?P<said>ok|no)$'\n"
                       "columns:\n  ts: {field: at, time: epoch}\n  actor_user_uid: who\n  status_id: said\n"
                       "  class_uid: {constant: 3002}\n  activity_id: {constant: 1}\n")  # fmt: skip
    path = tmp_path / "door.log"
    path.write_text(lines("1718452800 ann ok", "1718452801 bob no", "?"))
    source, events = read(path, using=[load_mapping(mapping)])
    assert (source.parsed, source.rejected) == (2, 1)
    assert [(row["account"], row["class_uid"], row["status_id"]) for row in events.values()] == [
        ("ann", 3002, 1),
        ("bob", 3002, 2),
    ]


@pytest.mark.parametrize(
    ("change", "line", "complaint"),
    [
        (("shape: json", "shape: xml"), 3, "unknown shape"),
        (("name: shop_api", "name: Shop API"), 1, "small letters"),
        (("  actor_user_uid: who.id", "  actor_uid: who.id"), 7, "actor_user_uid"),
        (("time: iso8601", "time: someday"), 6, "unknown time format"),
        (("Europe/Paris", "Mars/Olympus"), 4, "unknown time zone"),
        (("  url_path: req.url\n", ""), 15, "routes need the column url_path"),
        (("object: card", "object: cart"), 23, "names 'cart'"),
        (("    login: true", "    login: maybe"), 18, "true or false"),
        (("title: Shop API", "title: Shop API\ntitle: again"), 3, "twice"),
        (("  ts: {field: when, time: iso8601}\n", ""), 5, "no column ts"),
        (("  actor_session_uid: sess", "  actor_session_uid: Who.ID"), 8, "nearly the same name"),
        (("what>[a-z]+)$", "what>[a-z]+$"), 26, "no regular expression"),
        (("shape: json", "shape: [json"), 4, "not YAML"),
    ],
)
def test_a_wrong_mapping_is_refused_at_its_line(tmp_path, change, line, complaint):
    path = _mapping(tmp_path, MAPPING.replace(*change))
    with pytest.raises(TocsinError) as caught:
        load_mapping(path)
    assert complaint in str(caught.value)
    assert abs(int(caught.value.where.rpartition(":")[2]) - line) <= 1


def test_hostile_names_in_a_mapping_stay_names(tmp_path, read):
    nasty = '"; DROP TABLE lines; --'
    mapping = _mapping(tmp_path, "name: nasty\nshape: csv\ncolumns:\n  ts: at\n"
                       f"  actor_user_uid: '{nasty}'\n  api_operation: {{constant: \"'; DROP TABLE lines; --\"}}\n"
                       "  status_detail: {field: at, values: {\"') --\": \"x') --\"}, otherwise: \"'\"}\n")  # fmt: skip
    path = tmp_path / "a.csv"
    path.write_text('at,"""; DROP TABLE lines; --",more\n2024-06-15T12:00:00Z,ann,1\n')
    form = load_mapping(mapping)
    _source, events = read(_as_json(path, {"at": "2024-06-15T12:00:00Z", nasty: "ann"}), using=[_json(form)])
    assert {name: events[1][name] for name in ("account", "api_operation", "status_detail")} == {
        "account": "ann", "api_operation": "'; DROP TABLE lines; --", "status_detail": "'",
    }  # fmt: skip


def _as_json(path: Path, record: dict[str, str]) -> Path:
    path = path.with_suffix(".jsonl")
    path.write_text(json_lines(record))
    return path


def _json(form):
    return replace(form, shape=Shape.JSON, recognise=lambda sample: 1.0)


@pytest.mark.parametrize("kind", ["json", "csv"])
def test_a_draft_can_be_loaded_and_reads_the_file_it_was_drafted_from(tmp_path, read, kind):
    if kind == "json":
        path = tmp_path / "app.jsonl"
        path.write_text(json_lines(*RECORDS))
    else:
        path = tmp_path / "logins.csv"
        path.write_text("Login Time,User ID,Client IP,password,Success\n2024-06-15 12:00:00,u1,192.0.2.1,hunter2,true\n"
                        "2024-06-15 12:00:01,u2,192.0.2.2,swordfish,false\n")  # fmt: skip
    draft = suggest_mapping(path)
    assert not any(secret in draft for secret in ("s3cr3t", "hunter2", "swordfish", "token=abc"))
    source, events = read(path, using=[load_mapping(_mapping(tmp_path, draft))])
    assert source.parsed >= 2
    assert events[1]["account"] == "u1"
    assert events[1]["ts"] in (NOON, NOON + 7_200_000)


def test_ocsf_in_parquet_and_parquet_nobody_described_are_read(tmp_path, read, formats):
    connection = duckdb.connect()
    event = {"class_uid": 3002, "activity_id": 1, "status_id": 2, "time": NOON, "metadata": {"uid": "o1"}, "user": {"uid": "u-1"},
             "src_endpoint": {"ip": "192.0.2.10"}}  # fmt: skip
    for name, record in (
        ("ocsf", event),
        ("app", {"created_at": NOON, "client_ip": "192.0.2.10", "user": {"id": "u-1"}, "event": "login_failed"}),
    ):
        (tmp_path / f"{name}.json").write_text(json_lines(record))
        connection.execute(f"COPY (FROM read_json('{tmp_path}/{name}.json')) TO '{tmp_path}/{name}.parquet'")
        (tmp_path / f"{name}.json").unlink()
    read_all = read_files([tmp_path], folder=tmp_path / "out", formats=formats)
    assert {source.format for source, _rows in read_all.values()} == {"ocsf_parquet", "generic_parquet"}
    for _source, rows in read_all.values():
        row = rows[1]
        assert (row["ts"], row["class_uid"], row["status_id"], row["account"], row["src_endpoint_ip"]) == (
            NOON,
            3002,
            2,
            "u-1",
            "192.0.2.10",
        )


def test_nothing_is_drafted_from_plain_text(tmp_path):
    path = tmp_path / "a.log"
    path.write_text("hello\n")
    with pytest.raises(TocsinError, match="text without fields"):
        suggest_mapping(path)
