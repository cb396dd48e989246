"""People, their numbers and their business-scoped user ids."""

import re

import pytest

from tocsin_simulator.people import People


def test_a_user_id_leads_back_to_its_phone_number_without_any_memory():
    people = People(seed=1)
    for phone in ("33612345678", "15551234567", "4915112345678", "971501234567", "351912345678"):
        user_id = people.user_id_of(phone)
        assert re.fullmatch(r"[A-Z]{2}\.[0-9]{19}", user_id)
        assert people.phone_of(user_id) == phone
    assert not people.known


@pytest.mark.parametrize("user_id", ["", "US.", "US.12", "nobody", "FR.0000000000000000001", "US.9999999999999999999"])
def test_a_user_id_of_nobody_leads_nowhere(user_id):
    assert People(seed=1).phone_of(user_id) is None


def test_user_ids_differ_from_portfolio_to_portfolio():
    assert People(seed=1).user_id_of("33612345678") != People(seed=2).user_id_of("33612345678")


def test_somebody_is_the_same_each_time_one_looks():
    assert People(seed=5).look("33612345678") == People(seed=5).look("33612345678")


def test_a_share_of_people_withholds_the_number():
    people = People(seed=1, withhold=0.3)
    withheld = sum(people.look(f"336{place:08d}").withheld for place in range(2000))
    assert 500 < withheld < 700


def test_a_renamed_person_is_found_by_both_ids():
    people = People(seed=1)
    old = people.user_id_of("33612345678")
    people.rename(people.remember("33612345678"), "FR.77")
    assert people.phone_of("FR.77") == people.phone_of(old) == "33612345678"
    assert people.user_id_of("33612345678") == "FR.77"


@pytest.mark.parametrize(
    ("described", "said"),
    [
        ([{"phone": "+336", "colour": 1}], "people[0]: unknown key colour"),
        ([{"phone": "+33600000001"}, {"name": "Ada"}], "people[1]: phone must be digits"),
    ],
)
def test_a_file_of_people_that_makes_no_sense_is_refused_with_its_place(described, said):
    with pytest.raises(ValueError, match=re.escape(said)):
        People(seed=1).load(described)
