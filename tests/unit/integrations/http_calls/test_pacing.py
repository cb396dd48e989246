"""How fast a system is called, from what it answers."""

import asyncio
import time
from datetime import UTC, datetime

import pytest

from tocsin.integrations.http_calls.moments import from_iso, onward, to_iso
from tocsin.integrations.http_calls.pacing import Pace, retry_after
from tocsin.kernel import clock

NOW = datetime(2014, 5, 27, 9, 12, tzinfo=UTC)


def pace(**more):
    return Pace(**{"per_second": 10.0, "source": "documented", **more})


def test_a_wait_is_read_as_seconds_or_as_a_date_and_nonsense_as_none():
    with clock.fixed(NOW):
        assert retry_after({"Retry-After": "7"}) == 7
        assert retry_after({"Retry-After": "0.5"}) == 0.5
        assert retry_after({"Retry-After": "Tue, 27 May 2014 09:13:00 GMT"}) == 60
        assert retry_after({"Retry-After": "Tue, 27 May 2014 09:11:00 GMT"}) == 0
        assert retry_after({"Retry-After": "-5"}) == 0
        assert [retry_after({"Retry-After": text}) for text in ("", "soon")] == [None, None]


def test_a_refusal_closes_until_the_time_stated_and_halves_the_rate():
    kept = pace()
    kept.learn(status=429, headers={"Retry-After": "30"})
    assert 29 < kept.closed_for() <= 30
    assert (kept.per_second, kept.rate) == (10.0, 5.0)
    for _answer in range(40):
        kept.learn(status=200, headers={})
    assert kept.rate == 10.0


def test_a_refusal_without_a_time_waits_until_the_reset_or_longer_each_time():
    kept = pace()
    with clock.fixed(NOW):
        kept.learn(status=429, headers={"X-Rate-Limit-Reset": str(int(NOW.timestamp()) + 20)})
    assert 19 < kept.closed_for() <= 20
    waits = []
    for _refusal in range(4):
        kept = kept if waits else pace()
        before = kept.closed_for()
        kept.learn(status=429, headers={})
        waits.append(round(kept.closed_for() - before) + round(before))
    assert waits == [1, 2, 4, 8]


def test_a_system_that_is_busy_and_says_no_time_is_no_refusal():
    kept = pace()
    kept.learn(status=503, headers={})
    assert (kept.closed_for(), kept.rate) == (0, 10.0)
    kept.learn(status=503, headers={"Retry-After": "5"})
    assert kept.closed_for() > 4


def test_the_stated_limit_replaces_the_documented_one_and_only_our_share_is_used():
    kept = pace(share=0.5)
    kept.learn(status=200, headers={"X-Rate-Limit-Limit": "600", "X-Rate-Limit-Remaining": "599"})
    assert (kept.per_second, kept.source) == (5.0, "X-Rate-Limit-Limit 600, share 50%")
    kept.learn(status=200, headers={"X-Rate-Limit-Limit": "nonsense"})
    assert kept.per_second == 5.0


def test_the_last_tenth_of_a_window_is_left_to_everybody_else():
    kept = pace()
    with clock.fixed(NOW):
        told = {
            "X-Rate-Limit-Limit": "600",
            "X-Rate-Limit-Remaining": "59",
            "X-Rate-Limit-Reset": str(int(NOW.timestamp()) + 25),
        }
        kept.learn(status=200, headers=told)
    assert 24 < kept.closed_for() <= 25


def test_what_staff_allow_at_most_counts_when_it_is_less():
    assert (pace(ceiling=2.0).per_second, pace(ceiling=2.0).source) == (2.0, "setting per_second")
    assert (pace(ceiling=99.0).per_second, pace(ceiling=99.0).source) == (10.0, "documented")
    assert pace(per_second=None).rate is None


@pytest.mark.parametrize("rate", [200.0])
def test_turns_follow_one_another_at_the_rate_whoever_asks(rate):
    kept = pace(per_second=rate)

    async def all_at_once():
        await asyncio.gather(*(kept.turn() for _caller in range(41)))

    begun = time.monotonic()
    asyncio.run(all_at_once())
    assert 40 / rate <= time.monotonic() - begun


def test_a_cursor_goes_on_a_little_before_the_last_event_and_never_back():
    first = to_iso(NOW)
    assert onward("", []) == ""
    assert onward(first, []) == first
    assert onward("", [NOW, None]) == "2014-05-27T09:10:00.000Z"
    assert onward(first, [NOW]) == first
    assert (
        from_iso("2014-05-27T09:12:00Z")
        == from_iso("2014-05-27T11:12:00+02:00")
        == from_iso("2014-05-27T09:12:00")
        == NOW
    )
    assert [from_iso(text) for text in ("", "soon", None, 7)] == [None] * 4
