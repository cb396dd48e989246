"""Bodies with values nobody sends: each keeps back itself at most, never the others."""

import random
from collections.abc import Mapping, Sequence
from datetime import timedelta

import pytest
from tests.contract.messaging.conftest import Outbox
from tests.contract.messaging.receiving.conftest import NOW, Hooks, models

from tocsin.integrations.sms.receiving import RECEIVING
from tocsin.kernel import clock
from tocsin.messaging import commands
from tocsin.messaging.values import IntakeBody, Update


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


def test_a_word_without_a_time_of_its_own_is_of_when_it_came_however_late_it_is_taken_in(hooks: Hooks) -> None:
    def read(_kind: str, body: bytes, headers: Mapping[str, str]) -> Sequence[Update]:
        return RECEIVING.updates(body, headers=headers)

    def took(word: str, *, came_at_minute: int, taken_at_minute: int) -> None:
        body = f"From=%2B34600000001&To=%2B34600000009&MessageSid=SM{word}&Body={word}".encode()
        at = NOW + timedelta(minutes=came_at_minute)
        commands.store_intake([IntakeBody(hooks.app, at, body, {":path": "/webhooks/v1/x"})])
        with clock.fixed(NOW + timedelta(minutes=taken_at_minute)):
            commands.take_intake(read)

    took("STOP", came_at_minute=5, taken_at_minute=6)
    took("START", came_at_minute=1, taken_at_minute=60)
    (objection,) = models.PersonObjection.objects.all()
    assert (objection.lifted_at, objection.since_at) == (None, NOW + timedelta(minutes=5))
