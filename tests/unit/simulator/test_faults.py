"""Fault plans: read strictly, and decided by the seed and the message alone."""

import random
from itertools import pairwise

import pytest

from tocsin_simulator.faults import Faults, FaultsUnreadable

TENTH = {"rules": [{"kind": "drop_after_accept", "share": 0.1}]}


def hit(faults: Faults, keys: list[str]) -> set[str]:
    return {key for place, key in enumerate(keys, 1) if faults.pick("messages", key=key, ordinal=place)}


def test_the_same_seed_hits_the_same_messages_in_whatever_order_they_come():
    keys = [f"row-{place}" for place in range(2000)]
    mixed = random.Random(3).sample(keys, len(keys))
    first, second = hit(Faults(seed=7, plan=TENTH), keys), hit(Faults(seed=7, plan=TENTH), mixed)
    assert first == second
    assert 140 < len(first) < 260
    assert hit(Faults(seed=8, plan=TENTH), keys) != first


def test_the_seed_of_the_plan_wins():
    keys = [f"row-{place}" for place in range(200)]
    assert hit(Faults(seed=1, plan=TENTH | {"seed": 9}), keys) == hit(Faults(seed=2, plan=TENTH | {"seed": 9}), keys)


def test_a_message_that_was_hit_is_decided_anew_when_it_comes_again():
    faults = Faults(seed=1, plan={"rules": [{"kind": "refuse", "share": 0.5}]})
    tries = [bool(faults.pick("messages", key="row", ordinal=place)) for place in range(1, 40)]
    assert not tries[-1], "sooner or later it passes, and then for good"
    assert all(earlier or not later for earlier, later in pairwise(tries))


def test_a_rule_keeps_to_its_span_its_times_its_person_and_its_number():
    faults = Faults(seed=1, plan={"rules": [
        {"kind": "refuse", "from": 3, "until": 4},
        {"kind": "slow", "times": 2},
        {"kind": "hold", "to": "+33600000001"},
        {"kind": "fail", "phone": "12"},
    ]})  # fmt: skip
    met = [
        [rule.kind for rule in faults.pick("messages", key=str(place), ordinal=place, person=person, phone=phone)]
        for place, person, phone in ((1, "33600000001", "11"), (2, "2", "12"), (3, "3", "11"), (4, "", ""), (5, "", ""))
    ]
    assert met == [["slow", "hold"], ["slow", "fail"], ["refuse"], ["refuse"], []]


@pytest.mark.parametrize(
    ("plan", "said"),
    [
        ([], 'the plan must be an object with a list "rules"'),
        ({"rule": []}, "rule: unknown key; known are rules, seed"),
        ({"seed": "x"}, "seed: must be a whole number"),
        ({"rules": [1]}, "rules[0]: must be an object"),
        ({"rules": [{"kind": "slow"}, {"kind": "explode"}]}, "rules[1].kind: 'explode' is unknown; known for messages"),
        ({"rules": [{"on": "moon"}]}, "rules[0].on: 'moon' is unknown"),
        ({"rules": [{"kind": "slow", "second": 1}]}, "rules[0].second: unknown key; known are on, kind, share"),
        ({"rules": [{"kind": "slow", "seconds": "1"}]}, "rules[0].seconds: must be int or float"),
        ({"rules": [{"kind": "slow", "share": 2}]}, "rules[0].share: must be between 0 and 1"),
        ({"rules": [{"kind": "slow", "times": True}]}, "rules[0].times: must be int"),
    ],
)
def test_a_plan_that_makes_no_sense_is_refused_with_its_place(plan, said):
    with pytest.raises(FaultsUnreadable) as refused:
        Faults(seed=1, plan=plan)
    assert str(refused.value).startswith(said)
