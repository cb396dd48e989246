"""Kill switches, what a person decides, and what the outbox says of itself."""

from datetime import timedelta
from threading import Event, Thread
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection, transaction
from tests.contract.messaging.conftest import MONA

from tocsin.journal import queries as journal
from tocsin.journal.values import MACHINE
from tocsin.kernel import clock
from tocsin.messaging import commands, queries
from tocsin.messaging.errors import NoSuchChannel, NoSuchMessage, NotDecidable
from tocsin.messaging.ports import TransportError
from tocsin.messaging.states import MessageState
from tocsin.messaging.values import Accepted, Priority, Purpose, Reason, Verdict
from tocsin.staff.errors import SignatureNeeded


def test_a_paused_channel_sends_nothing_and_the_others_go_on(outbox: Any):
    outbox.add("other")
    outbox.queue(outbox.draft(), outbox.draft(channel="other"))
    commands.pause("main", reason="wrong wording", by=MONA)
    assert not outbox.claim().messages
    assert outbox.claim(channel="other").messages
    commands.resume("main", reason="mended", by=MONA)
    assert outbox.claim().messages


def test_the_switch_of_all_stops_security_notices_too_and_keeps_a_paused_channel_paused(outbox: Any):
    outbox.add("other")
    urgent = {"priority": Priority.SECURITY, "purpose": Purpose.SECURITY}
    outbox.queue(outbox.draft(**urgent), outbox.draft(channel="other", **urgent))
    commands.pause("other", reason="x", by=MONA)
    commands.pause(None, reason="everything", by=MONA)
    assert not outbox.claim().messages
    assert queries.outbox_status().paused_reason == "everything"
    commands.resume(None, reason="", by=MONA)
    assert outbox.claim().messages
    assert not outbox.claim(channel="other").messages


def test_after_pause_returned_nothing_is_claimed_any_more(committed_outbox: Any):
    outbox = committed_outbox
    outbox.queue(count=5)
    claimed, paused = Event(), Event()

    def throw() -> None:
        claimed.wait(60)
        commands.pause("main", reason="stop", by=MONA)
        paused.set()
        connection.close()

    switching = Thread(target=throw)
    switching.start()
    with transaction.atomic():
        assert len(outbox.claim(2).messages) == 2
        claimed.set()
        assert not paused.wait(0.2)  # the claim is not committed: the switch waits for it
    switching.join()
    assert not outbox.claim().messages


def test_switches_are_journalled_once_with_who_and_why(outbox: Any):
    commands.pause("main", reason="wrong wording", by=MONA)
    commands.pause("main", reason="again", by=MONA)
    commands.resume("main", reason="mended", by=MONA)
    commands.resume("main", reason="mended", by=MONA)
    entries = journal.entries(subject="messaging_channel:main")[-2:]
    assert [entry.verb for entry in entries] == ["messaging.outbox_paused", "messaging.outbox_resumed"]
    assert [entry.personal["reason"] for entry in entries] == ["wrong wording", "mended"]


def test_only_people_throw_switches_and_only_of_channels_that_exist(outbox: Any):
    with pytest.raises(SignatureNeeded):
        commands.pause("main", reason="x", by=MACHINE)
    with pytest.raises(NoSuchChannel):
        commands.pause("nowhere", reason="x", by=MONA)


def unknown(outbox: Any) -> Any:
    outbox.queue()
    (held,) = outbox.claim(1).messages
    outbox.settle(held, begun=True)
    return held.id


def test_a_person_may_have_an_unknown_message_sent_again(outbox: Any):
    message_id = unknown(outbox)
    commands.decide_unknown(message_id, resend=True, reason="she called", by=MONA)
    (again,) = outbox.claim().messages
    assert (again.id, again.number) == (message_id, 2)


def test_a_person_may_give_an_unknown_message_up(outbox: Any):
    message_id = unknown(outbox)
    commands.decide_unknown(message_id, resend=False, reason="too late", by=MONA)
    assert (outbox.state(message_id), outbox.message(message_id).reason) == (MessageState.FAILED, Reason.NO_REPORT)
    assert queries.unknown() == []


def test_only_an_unknown_message_is_decided_and_only_once(outbox: Any):
    message_id = unknown(outbox)
    commands.decide_unknown(message_id, resend=False, reason="", by=MONA)
    with pytest.raises(NotDecidable):
        commands.decide_unknown(message_id, resend=True, reason="", by=MONA)
    with pytest.raises(NoSuchMessage):
        commands.decide_unknown(uuid4(), resend=True, reason="", by=MONA)


def test_what_waits_of_a_broadcast_is_cancelled_and_what_was_sent_stays_sent(outbox: Any):
    ids = outbox.queue(count=4, broadcast="b1")
    others = outbox.queue(count=2)
    outbox.claim(1)
    assert commands.cancel_messages(broadcast="b1", reason="wrong list", by=MONA) == 3
    assert sorted(outbox.state(each) for each in ids) == ["claimed", "withheld", "withheld", "withheld"]
    assert {outbox.state(each) for each in others} == {MessageState.QUEUED}
    assert commands.cancel_messages(message_ids=others[:1], reason="", by=MONA) == 1
    assert {proof.proven for proof in queries.trace(others[0]).proofs} == {"proven"}


def test_what_was_under_way_when_it_was_cancelled_is_not_tried_again(outbox: Any):
    first, second, third = outbox.queue(count=3, broadcast="spring")
    taken, refused = outbox.claim(2).messages
    assert commands.cancel_messages(broadcast="spring", reason="wrong wording", by=MONA) == 1
    outbox.settle(taken, accepted=Accepted("wamid.1"))
    slow = TransportError(permanent=False, verdict=Verdict.SLOW_LINE, reason=Reason.TRY_LATER)
    outbox.settle(refused, error=slow)
    with clock.fixed(clock.now() + timedelta(minutes=5)):
        assert not outbox.claim().messages
    assert [str(outbox.state(each)) for each in (first, second, third)] == ["sent", "withheld", "withheld"]


def test_the_answer_of_a_slow_sender_ends_what_a_person_had_sent_again(outbox: Any):
    outbox.queue()
    (message,) = outbox.claim(sender="elsewhere").messages
    with clock.fixed(clock.now() + timedelta(minutes=5)):
        commands.recover()
    commands.decide_unknown(message.id, resend=True, reason="no status came", by=MONA)
    outbox.settle(message, sender="elsewhere", accepted=Accepted("wamid.1"))
    assert outbox.state(message.id) == MessageState.SENT
    assert not outbox.claim().messages


def test_the_outbox_says_what_waits_on_each_channel_and_why(outbox: Any):
    outbox.add("other")
    outbox.queue(count=3)
    outbox.claim(1)
    commands.hold_channel("other", until=None, reason="131031 locked")
    main, other = queries.outbox_status().channels
    assert dict(main.counts) == {MessageState.QUEUED: 2, MessageState.CLAIMED: 1}
    assert main.oldest_due_at is not None
    assert (other.held_reason, dict(other.counts)) == ("131031 locked", {})
    message_id = unknown(outbox)
    commands.decide_unknown(message_id, resend=False, reason="", by=MONA)
    assert queries.outbox_status(final=True).channels[0].counts[MessageState.FAILED] == 1
