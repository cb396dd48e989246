"""Where a step goes after an answer or a reading back."""

import itertools
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from tocsin.containment import settling
from tocsin.containment.ports import Answer, Holding, Order, Outcome, ReadBack
from tocsin.containment.settling import ClaimedStep
from tocsin.containment.states import STEP_MOVES, StepState
from tocsin.containment.values import Measure, MeasureKind, StepReason

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
ORDER = Order("ada", Measure(MeasureKind.RESET_PASSWORD), NOW - timedelta(hours=1), "k")
REASONS = ("", StepReason.HELD_ALREADY, StepReason.NOT_YET, StepReason.DID_NOTHING, StepReason.NO_ANSWER)


def step(before: StepState, *, tries: int = 0, reason: str = "", since_at: datetime = NOW) -> ClaimedStep:
    return ClaimedStep(UUID(int=1), 1, ORDER, before, since_at, tries, reason)


def sent(answer: Answer, *, tries: int = 0, reason: str = "", wait: float = 0.0) -> settling.Settled:
    outcome = Outcome(ORDER, answer, "words", wait)
    return settling.after_sending(step(StepState.PLANNED, tries=tries, reason=reason), outcome=outcome, now=NOW)


def read(
    holding: Holding, before: StepState, *, tries: int = 1, reason: str = "", since_at: datetime = NOW, can: bool = True
) -> settling.Settled:
    claimed = step(before, tries=tries, reason=reason, since_at=since_at)
    return settling.after_reading_back(claimed, read=ReadBack(ORDER, holding), now=NOW, reads_back=can)


def test_every_move_is_one_the_table_of_states_allows():
    for answer, tries, reason, wait in itertools.product(Answer, range(12), REASONS, (0.0, 60.0)):
        to = sent(answer, tries=tries, reason=reason, wait=wait).state
        assert to in STEP_MOVES[StepState.SENDING] | {StepState.SENDING}
    for holding, before, tries, reason, can in itertools.product(
        Holding, (StepState.SENDING, StepState.SENT), range(12), REASONS, (True, False)
    ):
        for since_at in (NOW, NOW - timedelta(days=3)):
            to = read(holding, before, tries=tries, reason=reason, since_at=since_at, can=can).state
            assert to in STEP_MOVES[before] | {before}
    for answer, tries, held in itertools.product(Answer, range(12), (None, *Holding)):
        seen = ReadBack(ORDER, held) if held else None
        claimed = step(StepState.UNDOING, tries=tries)
        to = settling.after_undoing(claimed, outcome=Outcome(ORDER, answer), read=seen, now=NOW).state
        assert to in STEP_MOVES[StepState.UNDOING] | {StepState.UNDOING}


def test_no_answer_confirms_anything():
    assert not [answer for answer in Answer if sent(answer).confirmed or sent(answer).state is StepState.CONFIRMED]


def test_only_reading_back_in_force_or_done_confirms():
    for before in (StepState.SENDING, StepState.SENT):
        confirming = {holding for holding in Holding if read(holding, before).state is StepState.CONFIRMED}
        assert confirming == {Holding.IN_FORCE, Holding.DONE}


@pytest.mark.parametrize("answer", [Answer.TAKEN, Answer.HELD_ALREADY])
def test_what_was_taken_is_read_back_at_once(answer):
    assert (sent(answer).state, sent(answer).next_try_at) == (StepState.SENT, NOW)


def test_what_was_so_before_us_is_remembered_only_before_our_first_order():
    assert sent(Answer.HELD_ALREADY).reason == StepReason.HELD_ALREADY
    assert sent(Answer.HELD_ALREADY, reason=StepReason.RATE_LIMITED).reason == StepReason.HELD_ALREADY
    assert sent(Answer.HELD_ALREADY, tries=1).reason != StepReason.HELD_ALREADY
    assert sent(Answer.HELD_ALREADY, reason=StepReason.NO_ANSWER).reason != StepReason.HELD_ALREADY
    assert read(Holding.IN_FORCE, StepState.SENT, reason=StepReason.HELD_ALREADY).reason == StepReason.HELD_ALREADY


def test_an_unknown_answer_is_read_back_and_never_sent_blindly():
    assert sent(Answer.UNKNOWN).state is StepState.SENDING
    assert read(Holding.NOT_IN_FORCE, StepState.SENDING).state is StepState.PLANNED
    assert read(Holding.UNKNOWN, StepState.SENDING).state is StepState.SENDING


def test_a_system_that_cannot_be_read_is_trusted_to_be_repeatable_and_never_confirmed():
    assert read(Holding.UNKNOWN, StepState.SENDING, can=False).state is StepState.PLANNED
    settled = read(Holding.UNKNOWN, StepState.SENT, can=False)
    assert (settled.state, settled.next_try_at, settled.reason) == (StepState.SENT, None, StepReason.CANNOT_READ_BACK)


def test_a_rate_limit_is_obeyed_to_the_second_and_costs_no_try():
    settled = sent(Answer.LATER, tries=7, wait=123.0)
    assert (settled.state, settled.tries) == (StepState.PLANNED, 7)
    assert settled.next_try_at == NOW + timedelta(seconds=123)


def test_a_fault_that_passes_is_tried_a_bounded_number_of_times_at_growing_distances():
    waits = []
    for tries in range(settling.TRIES_MAX - 1):
        settled = sent(Answer.LATER, tries=tries)
        assert settled.next_try_at is not None
        waits.append(settled.next_try_at - NOW)
    assert waits == sorted(waits) and waits[0] < waits[-1]
    assert sent(Answer.LATER, tries=settling.TRIES_MAX - 1).state is StepState.UNREACHABLE


def test_nothing_seen_is_looked_at_twice_before_the_system_is_said_to_do_nothing():
    first = read(Holding.NOT_IN_FORCE, StepState.SENT)
    assert (first.state, first.reason) == (StepState.SENT, StepReason.NOT_YET)
    second = read(Holding.NOT_IN_FORCE, StepState.SENT, reason=StepReason.NOT_YET)
    assert (second.state, second.reason) == (StepState.PLANNED, StepReason.DID_NOTHING)
    last = read(Holding.NOT_IN_FORCE, StepState.SENT, reason=StepReason.DID_NOTHING, tries=settling.NOTHING_TRIES_MAX)
    assert (last.state, last.reason, last.next_try_at) == (StepState.REFUSED, StepReason.DID_NOTHING, None)


def test_a_system_that_lags_is_read_for_a_day_and_costs_no_try():
    for hours in (0, 1, 20):
        settled = read(Holding.UNKNOWN, StepState.SENT, since_at=NOW - timedelta(hours=hours))
        assert (settled.state, settled.tries) == (StepState.SENT, 1)
        assert settled.next_try_at and settled.next_try_at <= NOW + timedelta(hours=1)
    assert read(Holding.UNKNOWN, StepState.SENT, since_at=NOW - timedelta(hours=25)).state is StepState.UNREACHABLE


def test_undoing_is_believed_when_the_measure_is_seen_gone():
    claimed = step(StepState.UNDOING)
    taken = Outcome(ORDER, Answer.TAKEN)
    still = settling.after_undoing(claimed, outcome=taken, read=ReadBack(ORDER, Holding.IN_FORCE), now=NOW)
    gone = settling.after_undoing(claimed, outcome=taken, read=ReadBack(ORDER, Holding.NOT_IN_FORCE), now=NOW)
    assert (still.state, gone.state) == (StepState.UNDOING, StepState.UNDONE)


def test_a_system_s_own_words_are_kept_short():
    assert len(settling.said(StepReason.SAID_NO, "x" * 5000)) <= settling.REASON_CHARACTERS_MAX + 20
    assert settling.said(StepReason.SAID_NO, " a\n b ") == "refused: a b"
