"""Meta's limits, in simulated seconds."""

from tocsin_simulator.limits import CALLS_AN_HOUR, Limits, Pairs, begin
from tocsin_simulator.values import Number, Portfolio


def number(level: str) -> Number:
    return Number(id="11", display="+1 555-010-0001", digits="15550100001", level=level)


def test_a_number_sends_its_level_each_second_and_not_one_more():
    limits = Limits()
    assert sum(limits.throughput(number("STANDARD"), 1000.0) for _ in range(100)) == 80
    assert sum(limits.throughput(number("STANDARD"), 1000.5) for _ in range(100)) == 40
    assert sum(limits.throughput(number("STANDARD"), 1060.0) for _ in range(100)) == 80


def test_a_number_that_was_upgraded_sends_a_thousand():
    limits = Limits()
    assert sum(limits.throughput(number("STANDARD"), 1000.0) for _ in range(100)) == 80
    assert sum(limits.throughput(number("HIGH"), 1000.0) for _ in range(1100)) == 1000


def test_a_pair_borrows_45_messages_and_then_gets_one_in_six_seconds():
    pairs = Pairs()
    assert sum(pairs.take("11", "33600000001", 1000.0) for _ in range(60)) == 45
    assert not pairs.take("11", "33600000001", 1005.9)
    assert pairs.take("11", "33600000001", 1006.0)
    assert not pairs.take("11", "33600000001", 1006.0)
    assert pairs.take("11", "33600000002", 1006.0)
    assert pairs.take("12", "33600000001", 1006.0)


def test_a_pair_that_keeps_to_six_seconds_is_never_refused_and_leaves_no_memory():
    pairs = Pairs()
    assert all(pairs.take("11", "33600000001", 1000.0 + 6 * place) for place in range(1000))
    pairs.take("11", "33600000002", 9000.0)
    assert len(pairs) == 1


def test_a_refused_message_borrows_nothing():
    pairs = Pairs()
    for _ in range(1000):
        pairs.take("11", "33600000001", 1000.0)
    assert pairs.take("11", "33600000001", 1006.0)


def test_a_portfolio_begins_to_write_to_its_tier_of_people_in_any_24_hours():
    portfolio = Portfolio(id="41", tier="TIER_250")
    begun = [begin(portfolio, str(person), 1000.0 + person) for person in range(300)]
    assert sum(begun) == 250
    assert begin(portfolio, "7", 2000.0), "who was written to already costs nothing"
    day = 24 * 3600
    assert begin(portfolio, "300", 1000.0 + day), "the first person's day is over"
    assert not begin(portfolio, "301", 1000.0 + day)
    assert not begin(portfolio, "302", 1000.5 + day)
    assert begin(portfolio, "302", 1001.0 + day)
    assert sum(begin(portfolio, f"new {place}", 1007.0 + day) for place in range(10)) == 5, "7 was written to again"


def test_an_unlimited_portfolio_remembers_nobody():
    portfolio = Portfolio(id="41", tier="TIER_UNLIMITED")
    assert all(begin(portfolio, str(person), 1000.0) for person in range(1000))
    assert not portfolio.begun


def test_a_hundred_thousand_people_leave_the_24_hours_in_no_time():
    portfolio = Portfolio(id="41", tier="TIER_100K")
    assert all(begin(portfolio, str(person), float(person) / 10) for person in range(100_000))
    assert begin(portfolio, "new", 200_000.0)
    assert list(portfolio.begun) == ["new"]


def test_an_account_makes_five_thousand_management_calls_an_hour():
    limits = Limits()
    assert sum(limits.call(1000.0) for _ in range(6000)) == CALLS_AN_HOUR
    assert sum(limits.call(1000.0 + 3600) for _ in range(6000)) == CALLS_AN_HOUR
