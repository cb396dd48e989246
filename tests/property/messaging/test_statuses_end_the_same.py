"""Statuses of one message, in any order and any number, bring it to the same end."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import reduce
from uuid import UUID

from hypothesis import given, strategies as st

from tocsin.messaging.states import MESSAGE_MOVES, RANK, MessageState
from tocsin.messaging.statuses import BRINGS, Standing, brought
from tocsin.messaging.values import Reason, StatusKind, StatusUpdate

BEGAN_AT = datetime(2026, 3, 1, tzinfo=UTC)
MESSAGE = UUID(int=1)
OPEN = [state for state in MessageState if state is not MessageState.WITHHELD]
words = st.builds(
    lambda kind, seconds, reason, code: StatusUpdate(
        "wamid.1", kind, BEGAN_AT + timedelta(seconds=seconds), message_id=MESSAGE, reason=reason, code=code
    ),
    st.sampled_from(StatusKind),
    st.integers(0, 9),
    st.none() | st.sampled_from([Reason.NOT_REACHABLE, Reason.TRY_LATER]),
    st.integers(0, 3),
)


def standing(state: MessageState) -> Standing:
    return Standing(MESSAGE, "main", state, "wamid.1", "", "", None, None, None, None)


def end_of(began: MessageState, told: Sequence[StatusUpdate]) -> Standing:
    return reduce(brought, told, standing(began))


@given(st.data(), st.sampled_from(OPEN), st.lists(words, max_size=8))
def test_any_order_and_any_repetition_end_the_same(data: st.DataObject, began: MessageState, told: list[StatusUpdate]):
    again = data.draw(
        st.permutations(told + data.draw(st.lists(st.sampled_from(told), max_size=6) if told else st.just([])))
    )
    assert end_of(began, again) == end_of(began, told)


@given(st.sampled_from(OPEN), st.lists(words, max_size=8))
def test_the_end_is_the_highest_word_and_every_step_is_an_allowed_move(began: MessageState, told: list[StatusUpdate]):
    reached = standing(began)
    for word in told:
        after = brought(reached, word)
        before, now = reached.state, after.state
        assert now == before or (now in MESSAGE_MOVES[before] and RANK[now] > RANK[before])
        reached = after
    assert RANK[reached.state] == max([RANK[began], *(RANK[BRINGS[word.status]] for word in told)])


@given(st.lists(words, max_size=8))
def test_nothing_revives_what_was_withheld(told: list[StatusUpdate]):
    assert end_of(MessageState.WITHHELD, told).state == MessageState.WITHHELD
