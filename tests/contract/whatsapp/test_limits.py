"""Limits that all processes share: calls of an account, and what Meta decides about a number while it runs."""

import threading
from datetime import timedelta

import pytest

from tocsin.integrations.whatsapp.channel import connect
from tocsin.journal.values import Assurance, Author
from tocsin.kernel import clock
from tocsin.messaging import calling, commands, queries
from tocsin.messaging.values import LineUpdate

SETTINGS = {"phone_number_id": "100", "waba_id": "900", "level": "STANDARD", "tier": "TIER_250"}
SECRETS = {"token": "T"}
MONA = Author(name="mona", assurance=Assurance.ASSERTED)


@pytest.fixture
def number(rows):
    commands.add_channel(
        "wa", kind="whatsapp", line="100", account="900", portfolio="900", settings=SETTINGS, secrets=SECRETS, by=MONA
    )  # fmt: skip

    def limits():
        return connect("wa", settings=queries.channel("wa").settings, secrets=SECRETS).limits

    return limits


def told(**facts):
    commands.tell_lines([LineUpdate(account="900", line="100", at=facts.pop("at", clock.now()), facts=facts)])


def test_a_raise_by_meta_is_followed_without_anybody_asking(number):
    assert (number().per_second, number().people_per_day) == (80.0, 250)
    told(level="HIGH", people_per_day=2_000)
    assert (number().per_second, number().people_per_day) == (1000.0, 2_000)
    told(people_per_day=-1)
    assert number().people_per_day is None


def test_an_older_word_of_meta_takes_no_raise_back(number):
    told(people_per_day=10_000)
    told(people_per_day=250, at=clock.now() - timedelta(hours=1))
    assert number().people_per_day == 10_000


@pytest.fixture
def slow(rows, monkeypatch):
    """Three calls at once, then one in a hundred seconds."""
    monkeypatch.setattr(calling, "CALLS_PER_HOUR", 40)
    monkeypatch.setattr(calling, "CALLS_AT_ONCE", 3)


def test_calls_of_an_account_are_spread_when_too_many_come_at_once(slow):
    waits = [calling.take_call("900") for _call in range(6)]
    assert waits == pytest.approx([0, 0, 0, 100, 200, 300], abs=20)
    assert calling.take_call("901") == 0.0


def test_two_processes_together_keep_the_limit_of_calls(slow):
    waits = []
    both = [
        threading.Thread(target=lambda: waits.extend(calling._taken("900") for _call in range(4))) for _n in range(2)
    ]
    for each in both:
        each.start()
    for each in both:
        each.join()
    assert sorted(waits) == pytest.approx([0, 0, 0, 100, 200, 300, 400, 500], abs=20)
