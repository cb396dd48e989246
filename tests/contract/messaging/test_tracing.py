"""Did she get it, and how do you know: every row is proven by the journal's entry of its batch, or says it is not."""

import hashlib
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection

from tocsin.journal import commands as journal_commands, queries as journal
from tocsin.kernel import clock
from tocsin.kernel.loading import lazily
from tocsin.messaging import commands, queries
from tocsin.messaging.errors import NoSuchMessage
from tocsin.messaging.values import Proof, StatusKind, StatusUpdate

models = lazily("tocsin.messaging.models")


@pytest.fixture
def read(outbox: Any) -> Any:
    """Return a message that was sent and read, among nine others."""
    outbox.queue(count=9)
    sent = outbox.send()
    update = StatusUpdate("wamid.1", StatusKind.READ, clock.now(), message_id=sent, line="line-main")
    commands.apply_statuses([update], channel_of_line={"line-main": "main"})
    return sent


def root_of(proof: Proof) -> str:
    """Follow a proof by hand, as RFC 9162 (section 2.1.3.2) says."""
    node = hashlib.sha256(b"\0" + proof.leaf.encode()).digest()
    place, last = proof.number, proof.size - 1
    for text in proof.path:
        sibling = bytes.fromhex(text)
        if place & 1 or place == last:
            node = hashlib.sha256(b"\1" + sibling + node).digest()
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            node = hashlib.sha256(b"\1" + node + sibling).digest()
        place, last = place >> 1, last >> 1
    return node.hex()


def test_a_trace_has_the_attempt_the_status_and_the_proof_of_each(outbox: Any, read: Any):
    journal_commands.number_entries()
    found = queries.trace(read)
    assert [proof.what for proof in found.proofs] == ["queued", "attempt 1", "status read"]
    assert {proof.proven for proof in found.proofs} == {"proven"}
    for proof in found.proofs:
        entry = journal.entry(str(proof.entry_number))
        assert (root_of(proof), proof.size) == (entry.facts["root"], entry.facts["rows"])


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE tocsin_outboundmessage SET address = '+34699999999' WHERE id = %s",
        "UPDATE tocsin_outboundmessage SET digest = sha256('x') WHERE id = %s",
        "UPDATE tocsin_messageattempt SET state = 'failed' WHERE message_id = %s",
        "UPDATE tocsin_messagestatus SET at = at - interval '1 day' WHERE message_id = %s",
        "UPDATE tocsin_messagebatch SET leaves = leaves || leaves WHERE id IN"
        " (SELECT batch_id FROM tocsin_outboundmessage WHERE id = %s)",
    ],
)
def test_a_row_that_was_changed_behind_our_back_is_not_proven(outbox: Any, read: Any, change: str):
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")  # as the owner of the server could
        cursor.execute(change, [read])
        cursor.execute("SET LOCAL session_replication_role = origin")
    assert sorted({proof.proven.value for proof in queries.trace(read).proofs}) == ["changed", "proven"]


def test_a_root_put_into_the_batch_is_not_believed_without_the_journal(outbox: Any, read: Any):
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute("UPDATE tocsin_messagebatch SET entry_id = gen_random_uuid()")
        cursor.execute("SET LOCAL session_replication_role = origin")
    assert {proof.proven.value for proof in queries.trace(read).proofs} == {"not_found"}


def test_an_answer_of_the_person_is_part_of_the_trace(outbox: Any, read: Any):
    message = outbox.message(read)
    models.InboundMessage.objects.create(
        channel="main", provider_id="wamid.in", address=message.address, address_kind="phone", kind="text",
        at=clock.now(), received_at=clock.now(), body_id=uuid4(), digest=b"", reply_to="wamid.1",
    )  # fmt: skip
    (answer,) = queries.trace(read).inbound
    assert (answer.kind, answer.reply_to) == ("text", "wamid.1")


def test_an_answer_within_the_second_is_none_that_came_before(outbox: Any, read: Any):
    """Providers tell whole seconds: an answer at 12:00:00.9 to a message of 12:00:00.2 is told as of 12:00:00."""
    queued_at = outbox.message(read).queued_at
    second, moment = queued_at.replace(microsecond=0), timedelta(microseconds=1)
    for name, at, received_at in [
        ("before", second, queued_at - moment),
        ("answer", second, queued_at + moment),
        ("late", second - timedelta(seconds=1), queued_at + moment),
    ]:
        models.InboundMessage.objects.create(
            channel="main", provider_id=f"wamid.{name}", address=outbox.message(read).address, address_kind="phone",
            kind=name, at=at, received_at=received_at, body_id=uuid4(), digest=b"", reply_to="",
        )  # fmt: skip
    assert [each.kind for each in queries.trace(read).inbound] == ["answer"]


def test_messages_are_found_by_what_is_known_of_them(outbox: Any, read: Any):
    message = outbox.message(read)
    assert [each.id for each in queries.messages(address=message.address)] == [read]
    models.AddressChange.objects.create(
        portfolio="p", kind="phone", value=message.address, other="+33612000000", at=message.queued_at,
        learned_at=message.queued_at,
    )  # fmt: skip
    assert [each.id for each in queries.messages(address="+33612000000")] == [read]
    assert [each.id for each in queries.messages(states=[message.state])] == [read]
    assert len(queries.messages(channel="main", limit=4)) == 4
    with pytest.raises(NoSuchMessage):
        queries.trace(uuid4())
