"""What lines ask for, and how several askings become one."""

import itertools

import hypothesis
import hypothesis.strategies as some
import pytest

from tocsin.containment import gate_asked
from tocsin.containment.gate_asked import Asked, NotUnderstood
from tocsin.containment.gate_demands import (
    DONE_BY_CHANGE,
    NOTHING,
    GateDemand,
    GateRule,
    Rulebook,
    demands_of,
    merged,
    without,
)
from tocsin.containment.gate_file import index_bits
from tocsin.containment.values import Measure, MeasureKind

K = MeasureKind
NOW = 1_772_452_800_000
TIMED = (K.REAUTHENTICATE, K.RESET_PASSWORD, K.REVOKE_SESSIONS, K.ROTATE_KEY, K.SUSPEND)
demand = some.builds(GateDemand, some.sampled_from(TIMED), some.integers(0, 5).map(lambda n: n * 1000)) | some.builds(
    lambda since, version: GateDemand(K.UPDATE_CLIENT, since, GateRule(K.UPDATE_CLIENT, "android", version)),
    some.integers(0, 5), some.sampled_from(["8.1", "9"]),
)  # fmt: skip
demands = some.frozensets(demand, max_size=5)


@pytest.mark.parametrize("apart", [";", "|", "+", " ", " ; ", "\t"])
def test_measures_are_parted_by_several_signs(apart: str):
    asked = gate_asked.demands_of(Asked(measures=f"Reauthenticate{apart}reset-password"), now_ms=NOW)
    assert asked == {GateDemand(K.REAUTHENTICATE, NOW), GateDemand(K.RESET_PASSWORD, NOW)}


def test_none_asks_nothing_and_adds_nothing():
    assert gate_asked.demands_of(Asked(measures="none"), now_ms=NOW) == NOTHING
    assert gate_asked.demands_of(Asked(measures="none;suspend"), now_ms=NOW) == {GateDemand(K.SUSPEND, NOW)}


@pytest.mark.parametrize(
    ("text", "moment"),
    [("", NOW), ("1772452800", NOW), ("1772452799.999", NOW - 1), ("1772452800000", NOW),
     ("2026-03-02T12:00:00Z", NOW), ("2026-03-02 13:00:00+01:00", NOW), ("20260302T120000Z", NOW), ("0", 0)],
)  # fmt: skip
def test_moments(text: str, moment: int):
    assert gate_asked.moment_ms(text, now_ms=NOW) == moment


@pytest.mark.parametrize("text", ["soon", "2026-03-02", "2026-03-02T12:00:00", "-1", "1e9", "1772453200", "٣", "12:00"])
def test_what_is_no_definite_moment_is_refused(text: str):
    with pytest.raises(NotUnderstood):
        gate_asked.moment_ms(text, now_ms=NOW)


@hypothesis.given(some.lists(demands, max_size=4))
def test_merging_asks_all_that_any_asks_whatever_the_order_and_how_often(several: list[frozenset[GateDemand]]):
    result = merged(several)
    asked = {(each.kind, each.rule): max(
        other.since_ms for group in several for other in group if (other.kind, other.rule) == (each.kind, each.rule)
    ) for group in several for each in group}  # fmt: skip
    assert {(each.kind, each.rule): each.since_ms for each in result} == asked
    assert merged([*several, *several]) == merged([result]) == result
    assert all(merged(order) == result for order in itertools.permutations(several))


@hypothesis.given(demands, some.frozensets(some.sampled_from(K)))
def test_done_takes_away_only_what_a_request_cannot_show(asked: frozenset[GateDemand], done: frozenset[K]):
    rest = without(asked, done=done)
    assert rest == {each for each in asked if each.kind not in done & DONE_BY_CHANGE}


@hypothesis.given(some.lists(demands, max_size=30))
def test_numbers_of_combinations_never_change_and_are_told_again_from_the_header(several: list[frozenset[GateDemand]]):
    book = Rulebook()
    book.add_rule(GateRule(K.UPDATE_CLIENT, "android", "9"), everyone=True, since_ms=0)
    codes = {each: book.code_of(each, reference="I1") for each in several}
    assert all(book.demands_of(code) == each for each, code in codes.items())
    header = {
        "rules": book.rules_as_json(),
        "combinations": [book.combination_as_json(n) for n in range(1, len(book.combinations) + 1)],
    }
    again = Rulebook.of_header(header)
    assert {each: again.code_of(each) for each in several} == codes
    assert again.rules_as_json() == book.rules_as_json()


def test_a_moment_is_rounded_up_to_whole_seconds():
    (asked,) = demands_of([Measure(K.REAUTHENTICATE), Measure(K.NONE)], since_ms=1001)
    assert asked.since_ms == 2000
    assert demands_of([Measure(K.NONE)], since_ms=1) == NOTHING


@pytest.mark.parametrize(("n", "bits"), [(0, 8), (1, 8), (10_000, 8), (1_000_000, 14), (40_000_000, 20), (2**31, 24)])
def test_the_index_grows_with_the_list(n: int, bits: int):
    assert index_bits(n) == bits
