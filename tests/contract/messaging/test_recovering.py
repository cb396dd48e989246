"""What a dead sender held: nobody is lost and nobody is written to twice."""

import os
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction

from tocsin.journal.values import MACHINE
from tocsin.kernel import clock
from tocsin.kernel.loading import lazily
from tocsin.messaging import commands, queries, recovering, settling, spool
from tocsin.messaging.ports import TransportError
from tocsin.messaging.spool import Spool
from tocsin.messaging.states import MessageState
from tocsin.messaging.values import Accepted, Priority, Purpose, Reason, Verdict

models = lazily("tocsin.messaging.models")


def killed(notes: Spool) -> None:
    """Leave the notes of a sender as ``kill -9`` does: whole, and unlocked."""
    os.close(notes._descriptor)


def states(outbox: Any, ids: Any) -> list[MessageState]:
    return [outbox.state(each) for each in ids]


def test_a_kill_after_claim_loses_nobody(outbox: Any):
    notes = Spool("a")
    ids = outbox.queue(count=5)
    outbox.claim()
    killed(notes)
    assert commands.recover() == 5
    assert set(states(outbox, ids)) == {MessageState.QUEUED}
    assert len(outbox.claim(sender="b").messages) == 5


def test_a_kill_after_the_bytes_left_is_unknown_and_sent_to_nobody_twice(outbox: Any):
    notes = Spool("a")
    ids = outbox.queue(count=5)
    begun = outbox.claim().messages[2]
    notes.begin(begun.id)
    killed(notes)
    assert commands.recover() == 5
    assert sorted(states(outbox, ids)) == ["queued"] * 4 + ["unknown"]
    assert outbox.message(begun.id).reason == Reason.SENDER_DIED
    assert begun.id not in {message.id for message in outbox.claim(sender="b").messages}


def test_a_kill_between_answer_and_settling_settles_what_was_answered(outbox: Any):
    notes = Spool("a")
    outbox.queue(count=2)
    first, second = outbox.claim().messages
    for message in (first, second):
        notes.begin(message.id)
    notes.answer(outbox.outcome(first, accepted=Accepted("wamid.1")))
    killed(notes)
    commands.recover()
    assert states(outbox, [first.id, second.id]) == [MessageState.SENT, MessageState.UNKNOWN]
    assert outbox.message(first.id).provider_id == "wamid.1"


def test_a_kill_between_answer_and_settling_forgets_nobody_who_stopped_us(outbox: Any):
    notes = Spool("a")
    outbox.queue(count=2, purpose=Purpose.MARKETING)
    first, second = outbox.claim().messages
    for message, verdict in ((first, Verdict.STOPPED), (second, Verdict.DEAD)):
        notes.begin(message.id)
        error = TransportError(permanent=True, verdict=verdict, reason=Reason.REFUSED_BY_PERSON, code=131050)
        notes.answer(outbox.outcome(message, error=error))
    killed(notes)
    commands.recover()
    (stop,) = models.PersonObjection.objects.all()
    assert (stop.address, stop.purpose, stop.reason) == (first.address, "marketing", "refused_by_person 131050")
    commands.queue_messages([outbox.draft(address=first.address, purpose=Purpose.MARKETING)], by=MACHINE)
    assert not outbox.claim(sender="b").messages


def test_after_another_boot_nothing_is_proven_and_all_of_it_is_unknown(outbox: Any, monkeypatch: pytest.MonkeyPatch):
    with monkeypatch.context() as patched:
        patched.setattr(spool, "boot_id", lambda: "another boot")
        notes = Spool("a")
    ids = outbox.queue(count=3)
    outbox.claim()
    killed(notes)
    commands.recover()
    assert set(states(outbox, ids)) == {MessageState.UNKNOWN}


@pytest.mark.parametrize("left", [b"", b"no boot", b"b12\n", b"a{}\n", b"aother words\n", b"b\xff\n"])
def test_notes_nobody_can_read_prove_nothing_and_hold_up_nobody_else(outbox: Any, left: bytes):
    ids = outbox.queue(count=2)
    (message, other) = outbox.claim().messages
    notes = Spool("a")
    notes.answer(outbox.outcome(message, accepted=Accepted("wamid.1")))
    killed(notes)
    path = notes._path
    path.write_bytes(path.read_bytes() + left if left.endswith(b"\n") else left)
    assert commands.recover() == 2
    assert set(states(outbox, ids)) <= {MessageState.SENT, MessageState.UNKNOWN}
    assert outbox.state(other.id) == MessageState.UNKNOWN


def test_a_sender_of_another_machine_is_waited_for_until_its_lease_ends(outbox: Any):
    ids = outbox.queue(count=3)
    outbox.claim(sender="elsewhere")
    assert commands.recover() == 0
    assert commands.recover(now=clock.now() + timedelta(seconds=120)) == 3
    assert set(states(outbox, ids)) == {MessageState.UNKNOWN}


def test_a_living_sender_s_messages_are_its_own_however_slow_it_is(outbox: Any):
    notes = Spool("a")
    ids = outbox.queue(count=3)
    outbox.claim()
    assert commands.recover(now=clock.now() + timedelta(days=1)) == 0
    assert set(states(outbox, ids)) == {MessageState.CLAIMED}
    notes.close()


def test_an_answer_after_the_lease_ended_still_settles_and_both_are_traced(outbox: Any):
    outbox.queue()
    (held,) = outbox.claim().messages
    commands.recover(now=clock.now() + timedelta(seconds=120))
    assert outbox.state(held.id) is MessageState.UNKNOWN
    outbox.settle(held, accepted=Accepted("wamid.2"))
    found = queries.trace(held.id)
    assert found.message.state is MessageState.SENT
    assert [attempt.state for attempt in found.attempts] == [MessageState.UNKNOWN, MessageState.SENT]
    assert {proof.proven for proof in found.proofs} == {"proven"}


def test_recovering_again_moves_nothing(outbox: Any):
    notes = Spool("a")
    outbox.queue(count=3)
    outbox.claim()
    killed(notes)
    assert commands.recover() == 3
    before = models.MessageBatch.objects.count()
    assert commands.recover() == 0
    assert models.MessageBatch.objects.count() == before


def test_a_sending_to_thousands_goes_on_where_a_dead_sender_stopped_and_nobody_gets_two(outbox: Any):
    notes = Spool("a")
    ids = set(outbox.queue(count=2_300))
    taken = []
    for _claim in range(12):
        messages = outbox.claim(100).messages
        outcomes = [outbox.outcome(message, accepted=Accepted(str(message.id))) for message in messages]
        taken += [message.id for message in messages]
        commands.settle(outcomes, sender="a")
    outbox.claim(100)
    killed(notes)
    commands.recover()
    while messages := outbox.claim(500, sender="b").messages:
        taken += [message.id for message in messages]
    assert len(taken) == len(ids)
    assert set(taken) == ids


def test_what_a_sender_holds_is_found_without_reading_all_messages(committed_outbox: Any):
    asked = {"sender": "a", "limit": 10, "senders": ["a"], "before": clock.now(), "now": clock.now(), "ids": "{}"}
    release = settling._RELEASE.format(which="NOT id = ANY(%(ids)s::uuid[])")
    with transaction.atomic(), connection.cursor() as cursor:  # of a database nobody left dead rows in
        cursor.execute("SET LOCAL enable_seqscan = off")
        for sql in (recovering._HELD, recovering._HELD_TOO_LONG, recovering._RAN_OUT, release):
            cursor.execute(f"EXPLAIN {sql}", asked)
            plan = "\n".join(line for (line,) in cursor.fetchall())
            assert "message_leased" in plan, plan


def test_what_was_put_off_by_a_clock_that_was_set_back_since_is_due_again(outbox: Any):
    now = clock.now()
    with clock.fixed(now + timedelta(hours=4)):
        due, later, retried = outbox.queue(
            outbox.draft(address="+346001"),
            outbox.draft(address="+346002", not_before_at=now + timedelta(hours=9)),
            outbox.draft(address="+346003", priority=Priority.SECURITY),
        )
        (message,) = outbox.claim(1).messages
        error = TransportError(permanent=False, verdict=Verdict.LATER, reason=Reason.TRY_LATER)
        outbox.settle(message, error=error)
    assert message.id == retried
    (ahead,) = outbox.queue(outbox.draft(address="+346004", not_before_at=now + timedelta(hours=2)))
    assert not outbox.claim().messages
    assert commands.due_again() == 2
    assert {each.id for each in outbox.claim().messages} == {due, retried}
    assert commands.due_again() == 0
    assert {outbox.state(each) for each in (later, ahead)} == {"queued"}


def test_notes_that_cannot_be_settled_keep_no_others_from_being_taken_up(outbox: Any, monkeypatch: pytest.MonkeyPatch):
    ids = outbox.queue(count=2)
    for sender in ("a", "b"):
        notes = Spool(sender)
        (message,) = outbox.claim(1, sender=sender).messages
        if sender == "a":
            notes.begin(message.id)
            notes.answer(outbox.outcome(message, accepted=Accepted("wamid.1")))
        killed(notes)
    settle = settling.settle

    def broken(outcomes: Any, **named: Any) -> int:
        if outcomes:
            raise OverflowError("date value out of range")
        return settle(outcomes, **named)

    monkeypatch.setattr(settling, "settle", broken)
    commands.recover()
    assert sorted(states(outbox, ids)) == ["queued", "unknown"]
