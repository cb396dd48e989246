"""What messages cost, by files of rates with dates."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest
from tests.contract.messaging.conftest import MONA
from tests.contract.messaging.receiving.conftest import Hooks, models

from tocsin.integrations.whatsapp.markets import MARKETS
from tocsin.messaging import commands, queries
from tocsin.messaging.errors import RatesNotUnderstood
from tocsin.messaging.queries import SpendBy, Spent

HEADER = "valid_from,currency,market,category,messages_from,price\n"
RATES = (
    HEADER
    + """2026-07-01,EUR,Spain,utility,0,0.02
2026-10-01,EUR,Spain,utility,0,0.03
2026-10-01,EUR,Spain,utility,3,0.01
2026-07-01,EUR,Spain,marketing,0,0.0585
2026-07-01,EUR,Other,utility,0,0.5
2026-10-01,EUR,France,service,0,0.004
"""
)
FROM, UNTIL = datetime(2026, 9, 1, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC)


@pytest.fixture
def rates(hooks: Hooks, tmp_path: Path) -> Path:
    path = tmp_path / "rates.csv"
    path.write_text(RATES)
    assert commands.import_rates(path, markets=MARKETS, by=MONA) == 6
    return path


def arrive(
    day: date, *, count: int = 1, category: str = "utility", type: str = "regular", market: str = "Spain",
    broadcast: str = "", channel: str = "main",
) -> None:  # fmt: skip
    at = datetime(day.year, day.month, day.day, 9, tzinfo=UTC)
    for number in range(count):
        models.MessagePrice.objects.create(
            message_id=UUID(int=models.MessagePrice.objects.count() + 1), channel=channel, broadcast=broadcast,
            category=category, price_type=type, market=market, at=at + timedelta(seconds=number),
        )  # fmt: skip


def spent(by: SpendBy = SpendBy.DAY, *, since: datetime = FROM, until: datetime = UNTIL) -> dict[str, Spent]:
    return {each.key: each for each in queries.spend(since=since, until=until, by=by)}


def test_the_rate_of_the_day_counts(rates: Path) -> None:
    arrive(date(2026, 9, 30))
    arrive(date(2026, 10, 1))
    found = spent()
    assert (found["2026-09-30"].micros, found["2026-10-01"].micros) == (20_000, 30_000)


def test_a_tier_begins_with_the_nth_message_of_a_month_and_ends_with_it(rates: Path) -> None:
    arrive(date(2026, 10, 30), count=5)
    arrive(date(2026, 11, 1))
    assert spent()["2026-10-30"].micros == 2 * 30_000 + 3 * 10_000
    assert spent()["2026-11-01"].micros == 30_000


def test_what_came_earlier_in_the_month_counts_for_the_tier_though_it_is_not_asked_for(rates: Path) -> None:
    arrive(date(2026, 10, 2), count=2)
    arrive(date(2026, 10, 20))
    assert spent(since=datetime(2026, 10, 15, tzinfo=UTC))["2026-10-20"].micros == 10_000


def test_what_is_free_costs_nothing_and_has_no_place_in_a_tier(rates: Path) -> None:
    arrive(date(2026, 10, 1), count=5, type="free_customer_service")
    arrive(date(2026, 10, 2))
    arrive(date(2026, 10, 2), category="service", type="")
    found = spent()
    assert (found["2026-10-01"].micros, found["2026-10-01"].free) == (0, 5)
    assert (found["2026-10-02"].micros, found["2026-10-02"].free) == (30_000, 1)


def test_answers_cost_what_a_file_says_they_cost(rates: Path) -> None:
    arrive(date(2026, 10, 2), category="service", market="France")
    assert spent()["2026-10-02"].micros == 4_000


def test_a_market_without_a_rate_has_that_of_the_others_and_a_category_without_one_is_shown(rates: Path) -> None:
    arrive(date(2026, 10, 2), market="Germany")
    arrive(date(2026, 10, 3), category="marketing_lite")
    arrive(date(2026, 10, 4), category="authentication")
    found = spent()
    assert found["2026-10-02"].micros == 500_000
    assert found["2026-10-03"].micros == 58_500
    assert (found["2026-10-04"].micros, found["2026-10-04"].unpriced) == (0, 1)


def test_spending_is_added_up_by_number_broadcast_and_category(rates: Path) -> None:
    arrive(date(2026, 9, 2), broadcast="one")
    arrive(date(2026, 9, 2), category="marketing", broadcast="two", channel="other")
    assert {key: each.micros for key, each in spent(SpendBy.NUMBER).items()} == {"main": 20_000, "other": 58_500}
    assert {key: each.messages for key, each in spent(SpendBy.BROADCAST).items()} == {"one": 1, "two": 1}
    assert set(spent(SpendBy.CATEGORY)) == {"utility", "marketing"}
    assert set(spent(SpendBy.MARKET)) == {"Spain"}


def test_rates_that_come_later_price_what_came_before(hooks: Hooks, tmp_path: Path) -> None:
    arrive(date(2026, 10, 2))
    assert spent()["2026-10-02"].unpriced == 1
    path = tmp_path / "rates.csv"
    path.write_text(RATES)
    commands.import_rates(path, by=MONA)
    assert spent()["2026-10-02"].micros == 30_000
    path.write_text(HEADER + "2026-10-01,EUR,Spain,utility,0,0.04\n")
    commands.import_rates(path, by=MONA)
    assert spent()["2026-10-02"].micros == 40_000


def test_of_several_currencies_one_has_to_be_said(rates: Path) -> None:
    rates.write_text(HEADER + "2026-10-01,USD,Spain,utility,0,0.04\n")
    commands.import_rates(rates, by=MONA)
    with pytest.raises(RatesNotUnderstood, match="EUR, USD"):
        spent()
    arrive(date(2026, 10, 2))
    (found,) = queries.spend(since=FROM, until=UNTIL, by=SpendBy.DAY, currency="usd")
    assert (found.micros, found.currency) == (40_000, "USD")


def test_a_file_with_one_wrong_line_brings_nothing_and_says_where(hooks: Hooks, tmp_path: Path) -> None:
    wrong = {
        "2026-10-01,EUR,Atlantis,utility,0,0.04": ":3: Atlantis",
        "soon,EUR,Spain,utility,0,0.04": ":3: ",
        "2026-10-01,EUR,Spain,utility,x,0.04": ":3: ",
        "2026-10-01,EUR,Spain,utility,0,-1": ":3: ",
        "2026-10-01,EUR,Spain,utility,0,0.0000001": ":3: ",
        "2026-10-01,EUR,Spain,utility,0,NaN": ":3: ",
        "2026-10-01,euros,Spain,utility,0,1": ":3: ",
        "2026-10-01,EUR,Spain,marketing,0,0.1": ":3: ",  # the same as the line above
        "2026-10-01,EUR": ":3: ",
    }
    path = tmp_path / "rates.csv"
    for line, where in wrong.items():
        path.write_text(f"{HEADER}2026-10-01,EUR,Spain,marketing,0,0.1\n{line}\n")
        with pytest.raises(RatesNotUnderstood, match=where):
            commands.import_rates(path, markets=MARKETS, by=MONA)
    for text in ("", HEADER, "market,price\nSpain,1\n"):
        path.write_text(text)
        with pytest.raises(RatesNotUnderstood):
            commands.import_rates(path, by=MONA)
    assert queries.rates() == ()


def test_the_rates_of_a_day_are_those_in_force(rates: Path) -> None:
    assert len(queries.rates()) == 6
    on = queries.rates(on=date(2026, 10, 5))
    assert [(each.market, each.category, each.messages_from, each.micros) for each in on] == [
        ("France", "service", 0, 4_000), ("Other", "utility", 0, 500_000), ("Spain", "marketing", 0, 58_500),
        ("Spain", "utility", 0, 30_000), ("Spain", "utility", 3, 10_000),
    ]  # fmt: skip
