"""Versions, cohorts and stretches of time, without any log."""

import itertools

import pytest
from hypothesis import given, strategies as st

from tocsin.scopes.cohorts import VERSION_PARTS, named_by_operator, version_key
from tocsin.scopes.files import original_cell
from tocsin.scopes.reach import merged


@pytest.mark.parametrize(
    ("lower", "higher"), [("1.9", "1.10"), ("1.4", "1.4.1"), ("9.0.0.9", "10"), ("v2.0", "2.0.1-beta"), ("", "0.1")]
)
def test_versions_compare_part_by_part(lower: str, higher: str) -> None:
    assert version_key(lower) < version_key(higher)


@pytest.mark.parametrize("same", ["1.4.0", "v1.4", "1.4-rc1", "Client 1.4"])
def test_versions_that_say_the_same_compare_equal(same: str) -> None:
    assert version_key("1.4") == version_key(same)


@given(st.text())
def test_any_text_has_a_version_key_of_fixed_length(text: str) -> None:
    assert len(version_key(text)) == VERSION_PARTS


def test_an_operators_cohort_keeps_its_words_as_its_name() -> None:
    named = named_by_operator("platform=Android, version<1.4")
    assert named.name.values == {"cohort": "platform=Android, version<1.4"}
    assert (named.platform, named.version_operator, named.version, named.measure) == (
        "android",
        "<",
        "1.4",
        "update_client",
    )


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)).map(lambda pair: (min(pair), max(pair)))))
def test_merged_stretches_are_apart_in_order_and_cover_the_same(stretches: list[tuple[int, int]]) -> None:
    joined = merged(stretches)
    assert all(left[1] < right[0] for left, right in itertools.pairwise(joined))
    inside = {moment for first, last in stretches for moment in range(first, last + 1)}
    assert {moment for first, last in joined for moment in range(first, last + 1)} == inside


def test_only_one_apostrophe_is_taken_off() -> None:
    assert [original_cell(cell) for cell in ("'=1", "''x", "x", "")] == ["=1", "'x", "x", ""]
