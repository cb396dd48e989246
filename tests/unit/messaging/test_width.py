"""How many messages a line has under way: enough, and no more."""

from tocsin.messaging.width import LEAST, MOST, Width


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
