"""Lines, pairs and portfolios keep the provider's limits, however many processes ask."""

import time
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from django.db import connection, transaction

from tocsin.messaging import pacing

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
DAY = timedelta(hours=24)


@pytest.fixture(autouse=True)
def _rows(undone_rows):
    """All of these ask the database."""


def pairs(addresses, *, now=NOON, burst=45):
    asked = [(uuid4(), address) for address in addresses]
    with transaction.atomic():
        late = pacing.pairs("line", asked, seconds=6, burst=burst, now=now)
    return [late.get(message) for message, _address in asked]


def people(addresses, *, now=NOON, per_day=3, priority=2):
    asked = [(uuid4(), address, priority) for address in addresses]
    with transaction.atomic():
        late = pacing.people("firm", asked, per_day=per_day, now=now)
    return [late.get(message) for message, _address, _priority in asked]


def taken(wanted, *, per_second=1000.0):
    with transaction.atomic():
        return pacing.take_slots("line", wanted=wanted, per_second=per_second)


def test_moments_of_a_line_follow_each_other_and_are_never_promised_twice():
    begun = time.monotonic()
    first, second = taken(100), taken(100)
    assert first.count == second.count == 100
    gone = time.monotonic() - begun  # each tells its moments from now on
    assert second.first_seconds >= first.first_seconds + 99 * first.every_seconds - gone
    assert first.every_seconds == pytest.approx(1 / 995)


def test_no_more_than_a_quarter_of_a_second_is_promised_ahead():
    begun = time.monotonic()
    promised = sum(taken(1000).count for _each in range(3))
    assert promised <= 250 + 1000 * (time.monotonic() - begun) + 3
    refused = taken(1000, per_second=1000.0)
    assert refused.wait_seconds <= 0.1


def test_moments_not_needed_are_given_back():
    with transaction.atomic():
        slots = pacing.take_slots("line", wanted=200, per_second=1000)
        pacing.give_back("line", unused=200, slots=slots)
    assert taken(200).first_seconds == pytest.approx(0, abs=0.05)


def test_a_line_without_a_limit_gets_all_it_wants_at_once():
    slots = taken(500, per_second=None)
    assert (slots.count, slots.every_seconds, slots.wait_seconds) == (500, 0, 0)


def test_a_refused_line_slows_down_once_for_many_refusals_and_recovers(monkeypatch):
    taken(1)
    with monkeypatch.context() as still:
        still.setattr(pacing, "RECOVERY_SECONDS", 1e9)
        for _refusal in range(50):
            pacing.line_refused("line", per_second=1000)
        assert 1 / taken(10).every_seconds == pytest.approx(0.7 * 995, rel=0.02)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE tocsin_linepace SET lowered_at = lowered_at - interval '61 seconds'")
    assert 1 / taken(10).every_seconds == pytest.approx(995)


def test_a_provider_that_asks_for_silence_gets_it():
    taken(1)
    pacing.line_refused("line", per_second=1000, wait_seconds=60)
    slots = taken(10)
    assert slots.count == 0
    assert 30 < slots.wait_seconds <= 60


def test_a_clock_that_is_set_back_does_not_stop_a_line():
    taken(1)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE tocsin_linepace SET free_at = free_at + interval '1 hour'")
    assert taken(10).count == 10


def test_a_person_gets_the_burst_and_then_one_message_in_six_seconds():
    answers = pairs(["+33"] * 50)
    assert answers[:44] == [None] * 44
    assert answers[44] == NOON + timedelta(seconds=6)
    assert answers[45] == NOON + timedelta(seconds=12)
    assert pairs(["+33"], now=NOON + timedelta(seconds=5)) != [None]
    assert pairs(["+33"], now=NOON + timedelta(seconds=6)) == [None]


def test_one_person_who_must_wait_holds_up_nobody_else():
    pairs(["+33"] * 45)
    assert pairs(["+33", "+49", "+33", "+1"])[1::2] == [None, None]


def test_a_refused_pair_waits_four_times_longer_each_time():
    moments = [pacing.pairs_refused("line", ["+33"], now=NOON)["+33"] for _ in range(4)]
    assert [(moment - NOON).total_seconds() for moment in moments] == [1, 4, 16, 64]
    assert pairs(["+33"], now=NOON + timedelta(seconds=63)) == [NOON + timedelta(seconds=64)]
    assert pairs(["+33"], now=NOON + timedelta(seconds=65)) == [None]
    calm = NOON + timedelta(hours=2)
    assert pacing.pairs_refused("line", ["+33"], now=calm) == {"+33": calm + timedelta(seconds=1)}


def test_a_portfolio_begins_with_as_many_people_as_it_may_and_no_more():
    answers = people(["a", "b", "c", "d", "e"])
    assert answers[:3] == [None] * 3
    assert all(answer > NOON + DAY for answer in answers[3:])


def test_who_counts_already_takes_no_room_but_counts_from_their_last_message():
    people(["a", "b", "c"])
    later = NOON + timedelta(hours=23)
    assert people(["a"], now=later) == [None]
    next_day = NOON + DAY + timedelta(minutes=5)
    assert people(["d", "e", "f"], now=next_day)[:2] == [None, None]
    assert people(["f"], now=next_day) != [None]


def test_people_who_wait_are_spread_over_the_moments_at_which_others_come_free():
    people(["a"]), people(["b"], now=NOON + timedelta(hours=1)), people(["c"], now=NOON + timedelta(hours=2))
    now = NOON + timedelta(hours=3)
    first, second = people(["d"], now=now)[0], people(["e"], now=now)[0]
    assert first == NOON + pacing.DAY_KEPT
    assert second == NOON + timedelta(hours=1) + pacing.DAY_KEPT
    assert people(["urgent"], now=now, priority=0) == [NOON + pacing.DAY_KEPT]


def test_a_lower_limit_counts_at_once():
    people(["a", "b", "c"], per_day=10)
    assert people(["d"], per_day=3) != [None]
    assert people(["d"], per_day=4) == [None]


def test_what_limits_nothing_any_more_is_forgotten():
    pairs(["+33"])
    people(["a"])
    assert pacing.forget(NOON) == 0
    assert pacing.forget(NOON + timedelta(days=2)) == 2
