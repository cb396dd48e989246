"""What providers say became of messages: late, twice, in any order, before our own answer, about nobody."""

import itertools
import random
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connection

from tocsin.kernel import clock
from tocsin.kernel.loading import lazily
from tocsin.messaging import commands, queries
from tocsin.messaging.states import MessageState
from tocsin.messaging.values import Accepted, Reason, StatusKind, StatusUpdate

models = lazily("tocsin.messaging.models")
ORDER = (StatusKind.SENT, StatusKind.DELIVERED, StatusKind.READ)


def says(message_id: UUID | None, kind: StatusKind, *, provider_id: str = "wamid.1", **named: Any) -> StatusUpdate:
    given = {"at": clock.now(), "line": "line-main", **named}
    return StatusUpdate(provider_id, kind, message_id=message_id, **given)


def apply(*updates: StatusUpdate) -> Sequence[StatusUpdate]:
    return commands.apply_statuses(updates, channel_of_line={"line-main": "main", "line-other": "other"})


@pytest.mark.parametrize("order", list(itertools.permutations(ORDER)))
def test_three_statuses_in_any_order_end_as_read_with_all_their_times(outbox: Any, order: Sequence[StatusKind]):
    outbox.queue()
    sent = outbox.send()
    moments = {kind: clock.now() + timedelta(seconds=n) for n, kind in enumerate(ORDER)}
    for kind in (*order, *order):
        apply(says(sent, kind, at=moments[kind]))
    message = outbox.message(sent)
    assert message.state is MessageState.READ
    assert (message.delivered_at, message.read_at) == (moments[StatusKind.DELIVERED], moments[StatusKind.READ])
    assert len(queries.trace(sent).statuses) == 3


def test_delivered_may_never_come_and_read_says_it_arrived(outbox: Any):
    outbox.queue()
    sent = outbox.send()
    apply(says(sent, StatusKind.READ))
    apply(says(sent, StatusKind.SENT))
    assert outbox.state(sent) is MessageState.READ


def test_a_late_sent_does_not_revive_failed(outbox: Any):
    outbox.queue()
    sent = outbox.send()
    apply(says(sent, StatusKind.FAILED, code=131026, detail="Undeliverable", reason=Reason.NOT_REACHABLE))
    apply(says(sent, StatusKind.SENT))
    message = outbox.message(sent)
    assert (message.state, message.reason) == (MessageState.FAILED, Reason.NOT_REACHABLE)
    assert message.detail == "131026 Undeliverable"


def test_delivered_after_failed_proves_that_it_arrived(outbox: Any):
    outbox.queue()
    sent = outbox.send()
    apply(says(sent, StatusKind.FAILED, reason=Reason.REFUSED), says(sent, StatusKind.DELIVERED))
    message = outbox.message(sent)
    assert (message.state, message.reason) == (MessageState.DELIVERED, "")


def test_a_failed_status_after_200_shows_its_reason_and_is_not_shown_as_sent(outbox: Any):
    outbox.queue()
    sent = outbox.send()
    apply(says(sent, StatusKind.FAILED))
    assert (outbox.state(sent), outbox.message(sent).reason) == (MessageState.FAILED, Reason.REFUSED)


def test_a_bounce_after_delivery_counts_and_a_complaint_shows_it_arrived(outbox: Any):
    outbox.queue(count=2)
    first, second = outbox.send(provider_id="a"), outbox.send(provider_id="b")
    apply(says(first, StatusKind.DELIVERED, provider_id="a"), says(first, StatusKind.BOUNCED, provider_id="a"))
    apply(says(second, StatusKind.COMPLAINED, provider_id="b"))
    assert (outbox.state(first), outbox.state(second)) == (MessageState.BOUNCED, MessageState.DELIVERED)


def test_a_status_before_our_answer_is_stored_lands_by_our_own_id(outbox: Any):
    outbox.queue()
    (held,) = outbox.claim().messages
    assert apply(says(held.id, StatusKind.DELIVERED, provider_id="wamid.7")) == []
    outbox.settle(held, accepted=Accepted("wamid.7"))
    assert (outbox.state(held.id), outbox.message(held.id).provider_id) == (MessageState.DELIVERED, "wamid.7")


def test_a_status_reconciles_an_unknown_message(outbox: Any):
    outbox.queue()
    (held,) = outbox.claim().messages
    outbox.settle(held, begun=True)
    assert outbox.state(held.id) is MessageState.UNKNOWN
    apply(says(held.id, StatusKind.SENT))
    assert outbox.state(held.id) is MessageState.SENT
    assert queries.unknown() == []


def test_a_status_by_the_provider_s_id_alone_finds_its_message(outbox: Any):
    outbox.queue()
    sent = outbox.send(provider_id="SM1")
    assert apply(says(None, StatusKind.DELIVERED, provider_id="SM1", line="")) == []
    assert outbox.state(sent) is MessageState.DELIVERED


def test_statuses_of_nobody_are_handed_back_and_the_others_apply(outbox: Any):
    outbox.queue()
    sent = outbox.send()
    strangers = [says(uuid4(), StatusKind.READ), says(None, StatusKind.READ, provider_id="unknown")]
    assert apply(strangers[0], says(sent, StatusKind.READ), strangers[1]) == strangers
    assert outbox.state(sent) is MessageState.READ


def test_a_status_told_for_another_channel_s_message_moves_nothing(outbox: Any):
    outbox.queue()
    sent = outbox.send()
    update = says(sent, StatusKind.READ, line="line-other")
    assert apply(update) == [update]
    assert outbox.state(sent) is MessageState.SENT


def test_a_failure_of_an_earlier_attempt_does_not_fail_the_one_that_was_taken(outbox: Any):
    outbox.queue()
    sent = outbox.send(provider_id="second")
    apply(says(sent, StatusKind.FAILED, provider_id="first"))
    assert outbox.state(sent) is MessageState.SENT
    apply(says(sent, StatusKind.DELIVERED, provider_id="first"))
    assert outbox.state(sent) is MessageState.DELIVERED


def test_a_retry_stops_when_a_status_shows_that_the_first_try_arrived(outbox: Any):
    outbox.queue()
    (held,) = outbox.claim().messages
    commands.release({held.id: held.claimed_at}, sender="a")
    apply(says(held.id, StatusKind.DELIVERED))
    assert not outbox.claim().messages
    assert outbox.state(held.id) is MessageState.DELIVERED


def test_a_window_the_provider_finds_shut_afterwards_queues_the_template_once(outbox: Any):
    outbox.wrote("+34600000001", at=clock.now())
    fallback = {"needs_window": True, "fallback": {"text": "template"}, "fallback_template": "notice/en"}
    outbox.queue(outbox.draft(**fallback, broadcast="b1"))
    sent = outbox.send()
    refused = says(sent, StatusKind.FAILED, code=131047, reason=Reason.WINDOW_SHUT)
    apply(refused)
    apply(refused)
    (message,) = outbox.claim().messages
    assert (message.content, outbox.message(message.id).broadcast) == ({"text": "template"}, "b1")
    assert (outbox.state(sent), queries.trace(sent).instead) == (MessageState.FAILED, message.id)
    outbox.settle(message, accepted=Accepted("wamid.2"))
    apply(says(message.id, StatusKind.FAILED, provider_id="wamid.2", reason=Reason.WINDOW_SHUT))
    assert not outbox.claim().messages


def test_hundreds_of_statuses_are_one_entry_of_the_journal_and_each_is_proven(outbox: Any):
    ids = outbox.queue(count=50)
    outbox.claim()
    apply(*(says(each, kind, provider_id=str(each)) for each in ids for kind in ORDER))
    assert models.MessageBatch.objects.filter(kind="statuses").count() == 1
    assert {outbox.state(each) for each in ids} == {MessageState.READ}
    assert {proof.proven for proof in queries.trace(ids[17]).proofs} == {"proven"}


def test_answers_and_statuses_that_meet_at_the_same_messages_never_block_each_other(committed_outbox: Any):
    outbox = committed_outbox
    outbox.queue(count=300)
    held = list(outbox.claim(300).messages)
    words = [says(each.id, kind, provider_id=str(each.id)) for each in held for kind in ORDER]
    chance = random.Random(1)

    def settle() -> None:
        mixed = chance.sample(held, len(held))
        for start in range(0, len(mixed), 60):
            outcomes = [outbox.outcome(each, accepted=Accepted(str(each.id))) for each in mixed[start : start + 60]]
            commands.settle(outcomes, sender="a")
        connection.close()

    def tell() -> None:
        mixed = chance.sample(words, len(words))
        for start in range(0, len(mixed), 200):
            apply(*mixed[start : start + 200])
        connection.close()

    with ThreadPoolExecutor(4) as pool:
        for work in [pool.submit(settle), *(pool.submit(tell) for _worker in range(3))]:
            work.result(30)
    found = [outbox.message(each.id) for each in held]
    assert {message.state for message in found} == {MessageState.READ}
    assert {message.provider_id for message in found} == {str(each.id) for each in held}
    assert models.MessageStatus.objects.count() == 900
