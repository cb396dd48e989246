"""Hostile values before they reach a person, a terminal or a spreadsheet."""

import pytest
from hypothesis import given, strategies

from tocsin.kernel import redaction


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("GET /?password=hunter2&x=1", "hunter2"),
        ("Authorization: Bearer abcdef123456", "abcdef123456"),
        ('{"access_token": "s3cr3t-value"}', "s3cr3t-value"),
        ("token eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc", "eyJzdWIiOiIxIn0"),
        ("cookie: sid=0123456789", "0123456789"),
    ],
)
def test_what_looks_like_a_secret_is_masked(text, secret):
    masked = redaction.masked(text)
    assert secret not in masked
    assert redaction.SECRET in masked


def test_what_is_no_secret_stays():
    assert redaction.masked("GET /v1/tracks/17?page=2") == "GET /v1/tracks/17?page=2"


@given(strategies.text())
def test_nothing_printable_makes_can_steer_a_terminal(text):
    shown = redaction.printable(text)
    assert not any(ord(character) < 32 and character not in "\t\n" for character in shown)
    assert not any(0x7F <= ord(character) < 0xA0 for character in shown)


def test_an_escape_sequence_is_written_out():
    assert redaction.printable("a\x1b[2Jb\N{RIGHT-TO-LEFT OVERRIDE}c") == r"a\x1b[2Jb\u202ec"


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
def test_a_formula_becomes_text_in_a_spreadsheet(text):
    assert redaction.csv_cell(text) == f"'{text}"


def test_an_ordinary_cell_stays_as_it_is():
    assert redaction.csv_cell("anna@example.org") == "anna@example.org"
