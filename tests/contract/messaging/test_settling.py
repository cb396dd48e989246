"""What becomes of a message after each kind of answer, and of answers that come twice, late or not at all."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from tocsin.journal import queries as journal
from tocsin.kernel import clock
from tocsin.kernel.loading import lazily
from tocsin.messaging import commands, queries
from tocsin.messaging.ports import OutcomeUnknown, TransportError
from tocsin.messaging.states import MessageState
from tocsin.messaging.values import Accepted, ClaimedMessage, Reason, StatusKind, StatusUpdate, Verdict

models = lazily("tocsin.messaging.models")
FALLBACK = {"needs_window": True, "fallback": {"text": "template"}, "fallback_template": "notice/en"}


def refused(verdict: Verdict, reason: Reason = Reason.TRY_LATER, **named: Any) -> TransportError:
    return TransportError(permanent=named.pop("permanent", False), verdict=verdict, reason=reason, code=7, **named)


@pytest.fixture
def held(outbox: Any) -> ClaimedMessage:
    outbox.queue()
    message: ClaimedMessage = outbox.claim().messages[0]
    return message


def test_a_message_the_provider_took_is_sent_with_its_id(outbox: Any, held: ClaimedMessage):
    outbox.settle(held, accepted=Accepted("wamid.9"))
    message = outbox.message(held.id)
    assert (message.state, message.provider_id, message.tries) == (MessageState.SENT, "wamid.9", 1)
    assert message.sent_at is not None


def test_a_lost_answer_is_unknown_and_is_never_sent_again_by_itself(outbox: Any, held: ClaimedMessage):
    outbox.settle(held, error=OutcomeUnknown("the line dropped"))
    assert (outbox.state(held.id), outbox.message(held.id).reason) == (MessageState.UNKNOWN, Reason.NO_ANSWER)
    with clock.fixed(clock.now() + timedelta(days=30)):
        commands.recover()
        assert not outbox.claim().messages
        assert [message.id for message in queries.unknown()] == [held.id]


@pytest.mark.parametrize(
    ("error", "state", "reason"),
    [
        (refused(Verdict.RETRY), MessageState.RETRYING, Reason.TRY_LATER),
        (refused(Verdict.RETRY, Reason.REFUSED, permanent=True), MessageState.FAILED, Reason.REFUSED),
        (refused(Verdict.RETRY_FEW), MessageState.RETRYING, Reason.TRY_LATER),
        (refused(Verdict.SLOW_LINE), MessageState.RETRYING, Reason.RATE_LIMITED),
        (refused(Verdict.SLOW_PAIR, Reason.RATE_LIMITED), MessageState.RETRYING, Reason.RATE_LIMITED),
        (refused(Verdict.HOLD_LINE), MessageState.RETRYING, Reason.RATE_LIMITED),
        (refused(Verdict.HOLD_ACCOUNT, Reason.REFUSED), MessageState.RETRYING, Reason.REFUSED),
        (refused(Verdict.HOLD_TEMPLATE, Reason.TEMPLATE_NOT_USABLE), MessageState.RETRYING, Reason.TEMPLATE_NOT_USABLE),
        (refused(Verdict.LATER, Reason.REFUSED_BY_POLICY), MessageState.RETRYING, Reason.REFUSED_BY_POLICY),
        (refused(Verdict.WINDOW_SHUT, Reason.WINDOW_SHUT), MessageState.FAILED, Reason.WINDOW_SHUT),
        (refused(Verdict.DEAD, Reason.NOT_REACHABLE), MessageState.FAILED, Reason.NOT_REACHABLE),
        (refused(Verdict.STOPPED, Reason.REFUSED_BY_PERSON), MessageState.FAILED, Reason.REFUSED_BY_PERSON),
        (refused(Verdict.OUR_MISTAKE, Reason.OUR_MISTAKE), MessageState.FAILED, Reason.OUR_MISTAKE),
    ],
)
def test_every_refusal_brings_its_message_to_a_state_with_a_reason(
    outbox: Any, held: ClaimedMessage, error: TransportError, state: MessageState, reason: Reason
):
    outbox.settle(held, error=error)
    message = outbox.message(held.id)
    assert (message.state, message.reason) == (state, reason)
    assert (message.next_try_at is not None) == (state is MessageState.RETRYING)
    assert message.detail.startswith("7")


def test_a_provider_that_asks_for_a_pause_gets_it(outbox: Any, held: ClaimedMessage):
    with clock.fixed(clock.now()):
        outbox.settle(held, error=refused(Verdict.SLOW_LINE, wait_seconds=90))
        assert outbox.message(held.id).next_try_at == clock.now() + timedelta(seconds=90)


def again(outbox: Any, error: TransportError) -> None:
    """Let the next try end with this error, whenever it is due."""
    (waiting,) = queries.messages()
    with clock.fixed(waiting.next_try_at or clock.now()):
        (message,) = outbox.claim().messages
        outbox.settle(message, error=error)


def test_retries_grow_and_end_while_waiting_for_a_line_uses_up_none(outbox: Any):
    (message_id,) = outbox.queue()
    for _time in range(20):
        again(outbox, refused(Verdict.SLOW_LINE, Reason.RATE_LIMITED))
    assert outbox.state(message_id) is MessageState.RETRYING
    for _time in range(12):
        assert outbox.state(message_id) is MessageState.RETRYING
        again(outbox, refused(Verdict.RETRY))
    message = outbox.message(message_id)
    assert (message.state, message.reason) == (MessageState.FAILED, Reason.TOO_MANY_TRIES)
    assert len(queries.trace(message_id).attempts) == 32


def test_an_outage_of_a_day_fails_nothing_and_all_goes_on_within_minutes_after_it(outbox: Any):
    (message_id,) = outbox.queue()
    for _time in range(30):
        again(outbox, TransportError(permanent=False, verdict=Verdict.RETRY, reason=Reason.TRY_LATER))
    message = outbox.message(message_id)
    assert message.state is MessageState.RETRYING
    assert message.next_try_at - message.state_at < timedelta(minutes=7)


def test_an_error_that_may_be_tried_twice_is_tried_no_more(outbox: Any):
    (message_id,) = outbox.queue()
    for _time in range(3):
        again(outbox, refused(Verdict.RETRY_FEW))
    assert outbox.message(message_id).reason == Reason.TOO_MANY_TRIES


def test_a_window_the_provider_says_is_shut_sends_the_template_at_once_though_we_think_it_open(outbox: Any):
    outbox.wrote("+34600000001", at=clock.now())
    outbox.queue(outbox.draft(**FALLBACK))
    (first,) = outbox.claim().messages
    outbox.settle(first, error=refused(Verdict.WINDOW_SHUT, Reason.WINDOW_SHUT))
    (second,) = outbox.claim().messages
    assert (first.fallback, second.fallback, second.content) == (False, True, {"text": "template"})
    outbox.settle(second, error=refused(Verdict.WINDOW_SHUT, Reason.WINDOW_SHUT))
    assert outbox.state(first.id) is MessageState.FAILED


def test_a_channel_that_broke_before_any_byte_left_tries_again_and_quarantines_at_last(outbox: Any):
    (message_id,) = outbox.queue()
    for expected in (MessageState.QUEUED, MessageState.QUEUED, MessageState.WITHHELD):
        with clock.fixed(outbox.message(message_id).next_try_at):
            (message,) = outbox.claim().messages
            outbox.settle(message, begun=False, detail="KeyError")
        assert outbox.state(message_id) is expected
    assert (outbox.message(message_id).reason, outbox.message(message_id).detail) == (Reason.POISONOUS, "KeyError")


def test_a_channel_that_broke_after_bytes_may_have_left_is_unknown(outbox: Any, held: ClaimedMessage):
    outbox.settle(held, begun=True, detail="KeyError")
    assert outbox.state(held.id) is MessageState.UNKNOWN


def test_settling_twice_changes_nothing_and_writes_nothing(outbox: Any, held: ClaimedMessage):
    outcome = outbox.outcome(held, accepted=Accepted("wamid.1"))
    assert commands.settle([outcome], sender="a") == 1
    before = (models.MessageBatch.objects.count(), models.MessageAttempt.objects.count())
    assert commands.settle([outcome], sender="a") == 0
    assert (models.MessageBatch.objects.count(), models.MessageAttempt.objects.count()) == before


def test_an_answer_after_a_status_only_adds_the_provider_s_id(outbox: Any, held: ClaimedMessage):
    now = clock.now()
    read = StatusUpdate("", StatusKind.READ, now, message_id=held.id, line="line-main")
    commands.apply_statuses([read], channel_of_line={"line-main": "main"})
    outbox.settle(held, accepted=Accepted("wamid.5"))
    assert (outbox.state(held.id), outbox.message(held.id).provider_id) == (MessageState.READ, "wamid.5")


def test_an_answer_to_an_attempt_that_is_not_the_last_moves_nothing_but_is_kept(outbox: Any, held: ClaimedMessage):
    commands.release({held.id: held.claimed_at}, sender="a")
    (second,) = outbox.claim(sender="b").messages
    outbox.settle(held, sender="a", error=refused(Verdict.DEAD, Reason.REFUSED))
    assert outbox.state(held.id) is MessageState.CLAIMED
    assert second.number == held.number
    assert len(queries.trace(held.id).attempts) == 1


def test_released_messages_are_queued_again_and_no_try_is_counted(outbox: Any):
    queued = outbox.queue(count=3)
    taken = outbox.claim().messages
    assert commands.release({taken[0].id: taken[0].claimed_at}, sender="another") == 0
    assert commands.release({taken[0].id: taken[0].claimed_at}, sender="a") == 1
    assert commands.release_all_but([taken[1].id], sender="a") == 1
    assert [outbox.state(each) for each in queued].count(MessageState.QUEUED) == 2
    assert {outbox.message(each).tries for each in (taken[0].id, taken[2].id)} == {0}


def test_words_of_a_provider_are_kept_whatever_is_in_them(outbox: Any, held: ClaimedMessage):
    words = 'a "b" \ud83d \\ {c},\0 NULL ñ\n🔔'
    outbox.settle(held, error=refused(Verdict.DEAD, Reason.REFUSED, detail=words))
    assert outbox.message(held.id).detail == "7 " + words.replace("\0", "").replace("\ud83d", "?")
    assert {proof.proven for proof in queries.trace(held.id).proofs} == {"proven"}


@pytest.mark.parametrize("again", ["queued", "retrying", "claimed", "unknown", "withheld"])
def test_the_database_itself_never_queues_again_what_was_sent(outbox: Any, held: ClaimedMessage, again: str):
    outbox.settle(held, accepted=Accepted("wamid.1"))
    with pytest.raises(IntegrityError), transaction.atomic():
        models.OutboundMessage.objects.filter(id=held.id).update(state=again, reason="refused")


def test_the_database_itself_keeps_an_attempt_as_it_was(outbox: Any, held: ClaimedMessage):
    outbox.settle(held, accepted=Accepted("wamid.1"))
    with pytest.raises(IntegrityError), transaction.atomic():
        models.MessageAttempt.objects.update(state="failed")


def test_a_code_too_large_for_a_column_ends_its_message_and_keeps_back_no_other(outbox: Any):
    outbox.queue(count=2)
    odd, good = outbox.claim().messages
    refused = TransportError(permanent=True, verdict=Verdict.DEAD, reason=Reason.REFUSED, code=2**40)
    outcomes = [outbox.outcome(odd, error=refused), outbox.outcome(good, accepted=Accepted("wamid.1"))]
    assert commands.settle(outcomes, sender="a") == 2
    assert (outbox.state(odd.id), outbox.state(good.id)) == (MessageState.FAILED, MessageState.SENT)
    assert {proof.proven for proof in queries.trace(odd.id).proofs} == {"proven"}


def test_who_stopped_us_is_noted_with_the_settling_and_not_again_when_it_is_repeated(outbox: Any, held: ClaimedMessage):
    outcome = outbox.outcome(held, error=refused(Verdict.STOPPED, Reason.REFUSED_BY_PERSON, permanent=True))
    commands.settle([outcome], sender="a")
    (stop,) = models.PersonObjection.objects.all()
    assert (stop.address, stop.purpose, stop.since_at) == (held.address, "", outcome.answered_at)
    assert journal.entries()[-1].verb == "messaging.objections_recorded"
    models.PersonObjection.objects.update(lifted_at=clock.now())
    commands.settle([outcome], sender="a")
    assert models.PersonObjection.objects.get().lifted_at is not None


def test_a_refusal_that_was_said_before_they_wanted_it_again_does_not_count(outbox: Any, held: ClaimedMessage):
    outcome = outbox.outcome(held, error=refused(Verdict.STOPPED, Reason.REFUSED_BY_PERSON, permanent=True))
    said = clock.now() + timedelta(seconds=5)
    models.PersonObjection.objects.create(
        kind="phone", address=held.address, purpose="", reason="resumed", since_at=said, lifted_at=said
    )
    commands.settle([outcome], sender="a")
    assert models.PersonObjection.objects.get().lifted_at == said
