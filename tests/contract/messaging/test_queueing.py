"""Messages are queued once each, sealed, all or none, by whoever may."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.db import connection
from tests.contract.messaging.conftest import MONA

from tocsin.journal import queries as journal
from tocsin.journal.values import MACHINE, Assurance, Author
from tocsin.kernel import clock
from tocsin.kernel.loading import lazily
from tocsin.messaging import commands, queries
from tocsin.messaging.states import MessageState
from tocsin.staff.errors import SignatureNeeded

models = lazily("tocsin.messaging.models")
staff = lazily("tocsin.staff.models")


def test_of_the_same_once_key_only_the_first_is_ever_queued(outbox: Any):
    drafts = [outbox.draft("one", once_key="k1"), outbox.draft("two", once_key="k2"), outbox.draft(once_key="k1")]
    first, second, repeated = commands.queue_messages(drafts, by=MACHINE)
    assert (repeated, first is None, second is None) == (None, False, False)
    assert commands.queue_messages(drafts, by=MACHINE) == [None, None, None]
    assert queries.body_of(first) == {"text": "one"}


def test_a_once_key_is_not_forgotten_after_two_hours_nor_after_two_years(outbox: Any):
    commands.queue_messages([outbox.draft(once_key="k1")], by=MACHINE)
    outbox.send()
    for hours in (2, 24 * 730):
        with clock.fixed(clock.now() + timedelta(hours=hours)):
            commands.erase_bodies()
            assert commands.queue_messages([outbox.draft(once_key="k1")], by=MACHINE) == [None]


def test_two_who_queue_the_same_at_the_same_moment_queue_it_once(committed_outbox: Any):
    drafts = [committed_outbox.draft(address=f"+3460{n:07}", once_key=f"k{n}") for n in range(200)]

    def queue(reverse: bool) -> int:
        queued = commands.queue_messages(list(reversed(drafts)) if reverse else drafts, by=MACHINE)
        connection.close()
        return sum(each is not None for each in queued)

    with ThreadPoolExecutor(4) as pool:
        counts = list(pool.map(queue, [False, True, False, True]))
    assert sum(counts) == models.OutboundMessage.objects.count() == models.MessageBody.objects.count() == 200


def test_a_queued_text_is_sealed_and_stands_nowhere_in_the_tables(outbox: Any):
    (message_id,) = outbox.queue(outbox.draft("correct horse"))
    body = models.MessageBody.objects.get(id=message_id)
    assert b"horse" not in bytes(body.sealed)
    assert queries.body_of(message_id) == {"text": "correct horse"}


def test_thousands_are_queued_with_an_entry_for_each_batch(outbox: Any):
    ids = outbox.queue(*[outbox.draft(address=f"+346{n:08}") for n in range(6_000)])
    entries = [entry for entry in journal.entries(limit=10) if entry.verb == "messaging.messages_queued"]
    assert sorted(entry.facts["rows"] for entry in entries) == [1_000, 5_000]
    assert {queries.trace(each).proofs[0].proven for each in (ids[0], ids[4_999], ids[5_999])} == {"proven"}


def people(outbox: Any, first: int, last: int, **named: Any) -> list[Any]:
    return [outbox.draft(address=f"+3460{n:07}", **named) for n in range(first, last)]


def signing(name: str) -> Author:
    """Enrol somebody who signs."""
    key = Ed25519PrivateKey.generate()
    public = key.public_key().public_bytes_raw()
    row = staff.StaffMember.objects.create(name=name, public_key=public, kept_in="file", enrolled_at=clock.now())
    return Author(name=name, assurance=Assurance.SIGNED, staff_id=row.id, public_key=public, sign=key.sign)


def test_to_more_than_a_hundred_people_needs_a_signature(outbox: Any):
    with pytest.raises(SignatureNeeded):
        commands.queue_messages(people(outbox, 0, 101), by=MONA)
    assert models.OutboundMessage.objects.count() == 0
    assert len(commands.queue_messages(people(outbox, 0, 100), by=MONA)) == 100


def test_pieces_count_as_the_whole_whatever_the_text_and_the_name_that_was_said(outbox: Any):
    outbox.add("second")
    commands.queue_messages(people(outbox, 0, 60), by=MONA)
    assert queries.people_without_signature() == 40
    commands.queue_messages(people(outbox, 0, 60, text="another text"), by=MONA)  # the same people
    ruth = Author(name="ruth", assurance=Assurance.ASSERTED)
    with pytest.raises(SignatureNeeded, match="101 people"):
        commands.queue_messages(people(outbox, 60, 101, channel="second"), by=ruth)
    commands.queue_messages(people(outbox, 60, 100, channel="second"), by=ruth)
    assert queries.people_without_signature() == 0
    assert len(commands.queue_messages(people(outbox, 100, 300), by=signing("ruth"))) == 200
    with clock.fixed(clock.now() + timedelta(hours=24, seconds=1)):
        commands.queue_messages(people(outbox, 300, 400), by=MONA)
        commands.forget_paces(clock.now())
    assert models.UnsignedWriting.objects.count() == 100


def test_who_wrote_first_is_answered_and_a_known_person_counts_once(outbox: Any):
    known = uuid4()
    for number in range(101):
        outbox.wrote(f"+3460{number:07}", at=clock.now())
    commands.queue_messages(people(outbox, 0, 101), by=MONA)
    assert queries.people_without_signature() == 100
    commands.queue_messages(people(outbox, 200, 205, person_id=known), by=MONA)
    assert queries.people_without_signature() == 99


def test_two_who_write_without_a_signature_at_once_count_each_other(committed_outbox: Any):
    def queue(first: int) -> bool:
        try:
            commands.queue_messages(people(committed_outbox, first, first + 60), by=MONA)
        except SignatureNeeded:
            return False
        finally:
            connection.close()
        return True

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(queue, [0, 60])) == [False, True]
    assert models.OutboundMessage.objects.count() == 60


def test_a_text_is_erased_after_its_retention_and_all_else_stays_proven(outbox: Any):
    outbox.queue(count=2)
    sent = outbox.send()
    (waiting,) = [message.id for message in queries.messages(states=[MessageState.QUEUED])]
    with clock.fixed(clock.now() + timedelta(days=91)):
        assert commands.erase_bodies() == 1
    assert queries.body_of(sent) is None
    assert queries.body_of(waiting) is not None
    assert {proof.proven for proof in queries.trace(sent).proofs} == {"proven"}
