"""How many messages a line has under way: enough, and no more."""

from tocsin.messaging.width import AHEAD_LEAST, AHEAD_MOST, LEAST, MOST, Ahead, Width


def answers(width, seconds, *, count, full=True):
    for _answer in range(count):
        width.answered(seconds, full=full)
    return width.allowed


def test_it_begins_narrow_and_widens_while_answers_stay_as_quick():
    width = Width()
    assert width.allowed == LEAST
    assert answers(width, 0.2, count=100) == LEAST + 100
    assert answers(width, 0.2, count=1000) == MOST


def test_it_stays_narrow_where_nobody_waits_for_a_place():
    assert answers(Width(), 0.2, count=1000, full=False) == LEAST


def test_it_narrows_when_messages_only_wait_for_each_other():
    width = Width()
    wide = answers(width, 0.01, count=100)
    assert answers(width, 0.02, count=50) <= wide + 10
    assert answers(width, 0.2, count=300) == LEAST


def test_a_road_that_became_slower_for_good_is_learnt():
    width = Width()
    answers(width, 0.01, count=50)
    assert answers(width, 0.1, count=10_000) == MOST


def goes(ahead, *, a_second, seconds, left=1):
    """Let so many go out each second, asking ten times a second how many may wait."""
    at = 0.0
    for _step in range(int(10 * seconds)):
        at += 0.1
        for _message in range(a_second // 10):
            ahead.began()
        allowed = ahead.allowed(at, left=left)
    return allowed


def test_what_waits_claimed_is_one_second_of_what_goes_out():
    ahead = Ahead()
    assert ahead.allowed(0.0, left=0) == AHEAD_LEAST
    assert 95 <= goes(ahead, a_second=100, seconds=9) <= 115
    assert goes(Ahead(), a_second=5_000, seconds=9) == AHEAD_MOST
    assert goes(Ahead(), a_second=10, seconds=9) == AHEAD_LEAST


def test_a_line_that_becomes_slow_holds_little_back_from_what_is_urgent():
    ahead = Ahead()
    ahead.allowed(0.0, left=0)
    for _message in range(1_000):
        ahead.began()
    assert ahead.allowed(0.1, left=1) > AHEAD_LEAST
    ahead.began()
    assert ahead.allowed(10.0, left=1) == AHEAD_LEAST


def test_where_claiming_is_what_all_wait_for_claims_become_larger():
    assert goes(Ahead(), a_second=60, seconds=9, left=1) <= 70
    assert goes(Ahead(), a_second=60, seconds=9, left=0) >= 100
