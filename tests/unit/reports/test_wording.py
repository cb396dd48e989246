"""The small words: hostile characters shown, spans of time, lists, shares, in both languages."""

import pytest
from hypothesis import given, strategies as st

from tocsin.detections.values import Kind, Reason
from tocsin.kernel import language
from tocsin.reports import vocabulary, wording

DAY = 1_394_755_200_000  # 2014-03-14 00:00 UTC
HOUR = 3_600_000
MINUTE = 60_000


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("plain é 日本", "plain é 日本"),
        ("\u202egpj.exe", "\\u202egpj.exe"),
        ("\x1b[31mred\x07", "\\x1b[31mred\\x07"),
        ("a\nb\tc", "a\\x0ab\\x09c"),
        ("zero\u200bwidth", "zero\\u200bwidth"),
        ("\ud800", "\\ud800"),
        ("\U000e0041", "\\U000e0041"),
    ],
)
def test_what_would_hide_or_reorder_is_shown(value: str, shown: str) -> None:
    assert wording.visible(value) == shown


def test_a_long_value_says_how_much_is_left_out() -> None:
    assert wording.visible("a" * 5_000, length_max=10) == "aaaaaaaaaa… (+4,990)"


@given(st.text())
def test_any_text_is_shown_on_one_line_that_can_be_written(value: str) -> None:
    shown = wording.visible(value)
    shown.encode()
    assert len(shown.splitlines()) <= 1


@pytest.mark.parametrize(
    ("first", "last", "written"),
    [
        (DAY, DAY + 24 * HOUR, "14 March 2014, 00:00–24:00"),
        (DAY + 4_000, DAY + 24 * HOUR - 2_000, "14 March 2014, 00:00–24:00"),
        (DAY + 2 * HOUR, DAY + 3 * HOUR, "14 March 2014, 02:00–03:00"),
        (DAY + 22 * HOUR, DAY + 27 * HOUR, "14 March 2014, 22:00 to 15 March 2014, 03:00"),
        (DAY + 22 * HOUR, DAY + 48 * HOUR, "14 March 2014, 22:00 to 15 March 2014, 24:00"),
        (DAY + HOUR, DAY + HOUR, "14 March 2014, 01:00–01:00"),
    ],
)
def test_spans_are_widened_to_whole_minutes_and_end_at_24(first: int, last: int, written: str) -> None:
    assert wording.span(first, last, zone="UTC") == written


def test_a_span_across_the_change_of_the_clock_names_local_hours() -> None:
    spring = 1_396_141_200_000  # 2014-03-30 01:00 UTC: 02:00 becomes 03:00 in Stockholm
    assert wording.span(spring - HOUR, spring + HOUR, zone="Europe/Stockholm", dated=False) == "01:00–04:00"


def test_lists_are_joined_in_the_language() -> None:
    assert wording.listed(["a"]) == "a"
    assert wording.listed(["a", "b", "c"]) == "a, b and c"
    with language.use("fr"):
        assert wording.listed(["a", "b", "c"]) == "a, b et c"


@pytest.mark.parametrize(
    ("part", "whole", "written"),
    [(0, 10, "0 %"), (1, 10, "10 %"), (10, 10, "100 %"), (1, 10**6, "under 0.1 %"), (10**6 - 1, 10**6, "over 99.9 %")],
)
def test_a_share_is_never_rounded_to_none_or_all(part: int, whole: int, written: str) -> None:
    assert wording.share(part, whole) == written


def test_a_reason_translates_its_rule_and_shows_what_hides() -> None:
    why = Reason("used by the intruder: {rule}", {"rule": "\u202eabc"})
    assert vocabulary.reason(why) == "used by the intruder: \\u202eabc"
    guessed = Reason("used by the intruder: {rule}", {"rule": "Passwords guessed for one account"})
    with language.use("fr"):
        assert vocabulary.reason(guessed) == "utilisé par l’intrus\u202f: Mots de passe devinés pour un compte"


@pytest.mark.parametrize("spoken", ["en", "fr"])
def test_every_kind_has_a_word(spoken: str) -> None:
    with language.use(spoken):
        assert all(vocabulary.kind_word(kind) for kind in Kind)


def test_the_evidence_command_is_quoted_for_a_shell(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("a b;rm -rf")
    assert wording.evidence_command(folder, "f00") == f"tocsin evidence '{folder}' f00"


@pytest.mark.parametrize(
    ("span_ms", "written"),
    [
        (900, "1 second"),
        (90 * MINUTE, "90 minutes"),
        (HOUR, "1 hour"),
        (15 * MINUTE, "15 minutes"),
        (3 * 24 * HOUR, "3 days"),
    ],
)
def test_lengths_are_told_in_the_unit_a_person_would_choose(span_ms: int, written: str) -> None:
    assert wording.length(DAY, DAY + span_ms) == written


@pytest.mark.parametrize(
    ("code", "english", "french"),
    [("SE", "Sweden", "Suède"), ("CI", "Côte d’Ivoire", "Côte d’Ivoire"), ("", "country unknown", "pays inconnu")],
)
def test_countries_have_names(code: str, english: str, french: str) -> None:
    assert vocabulary.country_name(code) == english
    with language.use("fr"):
        assert vocabulary.country_name(code) == french


def test_a_country_code_from_nowhere_is_shown_as_it_is() -> None:
    assert vocabulary.country_name("X\u202e") == "X\\u202e"
