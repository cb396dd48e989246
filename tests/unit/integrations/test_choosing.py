"""What a field is taken for depends on its name and on what stands in it."""

from pathlib import Path

import pytest

from tocsin.events.values import Sample, Shape
from tocsin.integrations import sign_ins
from tocsin.integrations.expressions import choose, literal, name
from tocsin.integrations.generic.choosing import fields_of, looks_like_address, looks_like_time, plain, structure_of
from tocsin.integrations.generic.columns import parts_of


def parts(*records):
    return parts_of(fields_of(Sample(Path("a"), Shape.JSON, (), records), nested=True))


def test_names_are_compared_without_case_and_signs():
    assert plain("Login Timestamp") == plain("login_timestamp") == plain("login.timestamp") == "logintimestamp"


@pytest.mark.parametrize(
    "value",
    [
        "2024-06-15T12:00:00Z",
        "2024/06/15 12:00",
        1718452800,
        1718452800123,
        "1718452800.5",
        "15/Jun/2024:12:00:00 +0000",
    ],
)
def test_a_time_is_known_by_its_looks(value):
    assert looks_like_time(value)


@pytest.mark.parametrize("value", [True, 12.5, "0.125", "soon", 7, None, "192.0.2.1", "2024"])
def test_other_values_are_no_times(value):
    assert not looks_like_time(value)


def test_an_address_may_have_a_port_and_a_name_is_none():
    assert all(looks_like_address(value) for value in ("192.0.2.1", "192.0.2.1:80", "2001:db8::1", "[2001:db8::1]:443"))
    assert not any(looks_like_address(value) for value in ("example.com", "", 7, "1.2.3", None))


def test_a_duration_called_request_time_is_not_taken_for_the_moment():
    chosen = parts({"request_time": 0.125, "created": "2024-06-15T12:00:00Z", "ip": "192.0.2.1"})
    assert chosen.of("time") == [("created",)]


def test_a_status_is_a_code_or_a_verdict_by_its_values():
    assert parts({"time": 1718452800, "status": 200}).of("code") == [("status",)]
    assert parts({"time": 1718452800, "status": "failed"}).of("verdict") == [("status",)]


def test_the_server_s_own_address_is_not_the_client_s():
    chosen = parts({"time": 1718452800, "host": {"ip": "192.0.2.200"}, "client": {"ip": "192.0.2.1"}})
    assert chosen.of("address") == [("client", "ip")]


def test_fields_that_exclude_each_other_are_not_read_together():
    structure, kept = structure_of([("userId",), ("USERID",), ("a", "b"), ("a",), ("tags", "[1]")])
    assert structure == {"userId": "VARCHAR", "a": {"b": "VARCHAR"}, "tags": ["VARCHAR"]}
    assert kept == {("userId",), ("a", "b"), ("tags", "[1]")}


def test_hostile_texts_stay_texts_in_sql():
    assert literal("'; DROP TABLE x; --\0") == "'''; DROP TABLE x; --'"
    assert name('"; DROP TABLE x; --') == '"""; DROP TABLE x; --"'
    assert choose("x", {"a'b": 1}) == "CASE x WHEN 'a''b' THEN 1 ELSE NULL END"


@pytest.mark.parametrize(
    "line",
    [
        "Failed login for 'ann' from 192.0.2.1",
        "authentication failure; rhost=::ffff:192.0.2.1 user=root",
        "User bob logged in from ip 192.0.2.1",
        "Access denied for user 'root'@'192.0.2.1' (using password: YES)",
        "[WARN] Username or password is incorrect. IP: 2001:db8::1.",
    ],
)
def test_a_sentence_tells_of_a_log_in(line):
    assert sign_ins.tells(line)


@pytest.mark.parametrize(
    "line",
    ["checkpoint starting", "failed to open file /etc/x", "login page rendered for 192.0.2.1", "password failed"],
)
def test_a_sentence_about_something_else_does_not(line):
    assert not sign_ins.tells(line)
