"""Bodies with values nobody sends: each keeps back itself at most, never the others."""

import random

import pytest
from tests.contract.messaging.conftest import Outbox
from tests.contract.messaging.receiving.conftest import Hooks


def test_an_id_too_long_for_an_index_keeps_no_other_body_back(hooks: Hooks) -> None:
    long = random.Random(4).randbytes(6_000).hex()  # what cannot be compressed does not fit (PostgreSQL: 54000)
    hooks.take(hooks.messages(messages=[hooks.text("one", id=long)]), hooks.messages(messages=[hooks.text("two")]))
    assert [each["text"] for each in hooks.inbound()] == ["two"]
    assert [state for state, _ in hooks.states()] == ["waiting", "done"]


@pytest.mark.parametrize("code", [2**31, 2**62, -(2**40), "9" * 30, "9" * 5000])
def test_a_code_beyond_all_tables_loses_none_of_the_statuses_beside_it(
    hooks: Hooks, outbox: Outbox, code: object
) -> None:
    first, second = outbox.queue(count=2)
    failed = hooks.status("failed", ours=first, id="wamid.1", errors=[{"code": code, "title": "Odd"}])
    hooks.take(hooks.messages(statuses=[failed, hooks.status("sent", ours=second, id="wamid.2")]))
    assert (outbox.state(first), outbox.state(second)) == ("failed", "sent")
    assert hooks.states() == [("done", "")]


@pytest.mark.parametrize("back", [{"a": 1}, [1], 7, None, True])
def test_what_another_tool_wants_handed_back_may_be_anything(hooks: Hooks, outbox: Outbox, back: object) -> None:
    (ours,) = outbox.queue()
    theirs = {**hooks.status("sent", id="wamid.theirs"), "biz_opaque_callback_data": back}
    hooks.take(hooks.messages(statuses=[theirs, hooks.status("sent", ours=ours, id="wamid.ours")]))
    assert outbox.state(ours) == "sent"
