"""What a sender gets, and what it does not: everything that forbids a message is asked when it is about to go."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection

from tocsin.customers.values import AddressKind
from tocsin.kernel import clock, home
from tocsin.kernel.loading import lazily
from tocsin.messaging import bodies, claiming, commands, naming, queries
from tocsin.messaging.holding import Refusal, take_refusals
from tocsin.messaging.naming import Line
from tocsin.messaging.states import MessageState
from tocsin.messaging.values import Priority, Purpose, Reason, Verdict
from tocsin.staff.errors import SealKeyMissing

models = lazily("tocsin.messaging.models")
ANA = "+34600000001"


def test_two_senders_never_take_the_same_message(committed_outbox: Any):
    outbox = committed_outbox
    queued = set(outbox.queue(count=400))

    def work(sender: str) -> list[Any]:
        taken = []
        while messages := outbox.claim(20, sender=sender).messages:
            taken += [message.id for message in messages]
        connection.close()
        return taken

    with ThreadPoolExecutor(4) as pool:
        taken = [each for found in pool.map(work, "abcd") for each in found]
    assert len(taken) == len(queued)
    assert set(taken) == queued


def test_a_security_notice_goes_before_a_campaign_that_was_queued_first(outbox: Any):
    outbox.queue(count=50, priority=Priority.BULK, purpose=Purpose.MARKETING)
    (notice,) = outbox.queue(outbox.draft("it is urgent", priority=Priority.SECURITY, purpose=Purpose.SECURITY))
    assert outbox.claim(1).messages[0].id == notice


def test_the_backlog_of_one_line_starves_no_other(outbox: Any):
    outbox.add("other")
    outbox.queue(count=300, priority=Priority.SECURITY)
    (mine,) = outbox.queue(outbox.draft(channel="other", priority=Priority.BULK))
    assert [message.id for message in outbox.claim(100, channel="other").messages] == [mine]


def test_a_message_carries_its_text_and_what_proves_it(outbox: Any):
    (message_id,) = outbox.queue(outbox.draft("hola", reply_to="wamid.0"))
    (message,) = outbox.claim().messages
    assert (message.id, message.content, message.number) == (message_id, {"text": "hola"}, 1)
    assert (message.address, message.reply_to, message.fallback) == (ANA, "wamid.0", False)
    assert message.digest.hex() == queries.message(message_id).digest


def test_a_message_goes_not_before_its_time_and_the_claim_says_when(outbox: Any):
    later = clock.now() + timedelta(hours=2)
    outbox.queue(outbox.draft(not_before_at=later))
    claimed = outbox.claim()
    assert (list(claimed.messages), claimed.next_due_at) == ([], later)
    with clock.fixed(later):
        assert len(outbox.claim().messages) == 1


def test_a_message_whose_time_has_passed_is_withheld_and_says_so(outbox: Any):
    (late,) = outbox.queue(outbox.draft(expires_at=clock.now() - timedelta(seconds=1)))
    assert not outbox.claim().messages
    assert (outbox.state(late), outbox.message(late).reason) == (MessageState.WITHHELD, Reason.TOO_LATE)


def object_to(address: str, *, purpose: str = "", kind: AddressKind = AddressKind.PHONE, lifted: bool = False) -> None:
    now = clock.now()
    models.PersonObjection.objects.create(
        kind=kind, address=address, purpose=purpose, reason="stopped", since_at=now, lifted_at=now if lifted else None
    )


@pytest.mark.parametrize(
    ("objected", "purpose", "state"),
    [
        ("", Purpose.MARKETING, MessageState.WITHHELD),
        ("", Purpose.SERVICE, MessageState.WITHHELD),
        ("", Purpose.SECURITY, MessageState.CLAIMED),
        ("marketing", Purpose.MARKETING, MessageState.WITHHELD),
        ("marketing", Purpose.SERVICE, MessageState.CLAIMED),
    ],
)
def test_who_objected_is_left_alone_but_nobody_opts_out_of_security(
    outbox: Any, objected: str, purpose: Purpose, state: MessageState
):
    object_to(ANA, purpose=objected)
    (message,) = outbox.queue(outbox.draft(purpose=purpose))
    outbox.claim()
    assert outbox.state(message) is state


def test_an_objection_made_after_queueing_counts_and_one_that_was_lifted_does_not(outbox: Any):
    first, second = outbox.queue(outbox.draft(), outbox.draft(address="+34600000002"))
    object_to(ANA)
    object_to("+34600000002", lifted=True)
    outbox.claim()
    assert (outbox.state(first), outbox.message(first).reason) == (MessageState.WITHHELD, Reason.OPTED_OUT)
    assert outbox.state(second) is MessageState.CLAIMED


def test_an_objection_under_another_name_of_the_same_person_counts(outbox: Any):
    models.AddressName.objects.create(
        portfolio="portfolio", kind="phone", value=ANA, other_kind="whatsapp", other_value="ES.1", seen_at=clock.now()
    )
    object_to("ES.1", kind=AddressKind.WHATSAPP)
    (message,) = outbox.queue(outbox.draft())
    outbox.claim()
    assert outbox.state(message) is MessageState.WITHHELD


def test_a_claim_hands_on_what_else_the_provider_calls_the_person(outbox: Any):
    known = {AddressKind.PHONE: ANA, AddressKind.WHATSAPP: "ES.1"}
    naming.name([(Line("main", "account", "portfolio"), known, clock.now())])
    outbox.queue()
    outbox.queue(outbox.draft(address=ANA))
    others = {message.address: message.other_addresses for message in outbox.claim().messages}
    assert others[ANA] == {AddressKind.WHATSAPP: "ES.1"}


FREE = {"needs_window": True}
FALLBACK = {**FREE, "fallback": {"text": "template"}, "fallback_template": "notice/en"}


@pytest.mark.parametrize(
    ("hours", "goes"), [(0, True), (23.9, True), (24 - 59 / 3600, False), (24 - 61 / 3600, True), (25, False)]
)
def test_free_text_goes_only_within_24_hours_less_a_margin_asked_at_dispatch(outbox: Any, hours: float, goes: bool):
    outbox.wrote(ANA, at=clock.now() - timedelta(hours=hours))
    (message,) = outbox.queue(outbox.draft(**FREE))
    assert len(outbox.claim().messages) == goes
    assert outbox.message(message).reason == ("" if goes else Reason.WINDOW_SHUT)


def test_a_window_that_shuts_while_the_message_waits_sends_the_template_instead(outbox: Any):
    outbox.wrote(ANA, at=clock.now())
    (message,) = outbox.queue(outbox.draft(**FALLBACK))
    with clock.fixed(clock.now() + timedelta(hours=24)):
        (claimed,) = outbox.claim().messages
        assert (claimed.content, claimed.fallback) == ({"text": "template"}, True)
        assert claimed.digest.hex() != outbox.message(message).digest


def test_a_template_held_by_the_provider_waits_and_hides_nothing_behind_it(outbox: Any):
    until = clock.now() + timedelta(hours=3)
    models.MessageTemplate.objects.create(
        account="account", name="notice", language="en", status="PAUSED", held_until=until, held_reason="quality",
        seen_at=clock.now(),
    )  # fmt: skip
    held = outbox.queue(count=120, template="notice/en")
    (other,) = outbox.queue(outbox.draft("other", template="notice/fr"))
    assert [message.id for message in outbox.claim(10).messages] in ([], [other])
    while outbox.state(other) is not MessageState.CLAIMED:
        outbox.claim(30)
    assert {outbox.message(each).next_try_at for each in held} == {until}
    assert {outbox.message(each).reason for each in held} == {Reason.TEMPLATE_NOT_USABLE}
    with clock.fixed(until):
        assert len(outbox.claim(200).messages) == 120


def test_a_held_channel_sends_nothing_until_then(outbox: Any):
    outbox.queue()
    until = clock.now() + timedelta(minutes=5)
    commands.hold_channel("main", until=until, reason="quality")
    claimed = outbox.claim()
    assert (list(claimed.messages), claimed.next_due_at) == ([], until)
    with clock.fixed(until):
        assert outbox.claim().messages


def test_one_message_that_cannot_be_opened_is_quarantined_and_blocks_nobody(outbox: Any):
    first, second, third = outbox.queue(count=3)
    bodies = {body.id: body.sealed for body in models.MessageBody.objects.all()}
    models.MessageBody.objects.filter(id=second).update(sealed=bodies[first])
    assert {message.id for message in outbox.claim().messages} == {first, third}
    assert (outbox.state(second), outbox.message(second).reason) == (MessageState.WITHHELD, Reason.POISONOUS)


def test_without_the_key_nothing_is_claimed_and_nothing_is_lost(outbox: Any):
    queued = outbox.queue(count=3)
    key = home.data_home() / "keys" / "secrets"
    kept = key.read_bytes()
    key.unlink()
    models.MessageBody.objects.update(sealed=b"TCSEAL2" + bytes(200))
    with pytest.raises(SealKeyMissing):
        outbox.claim()
    key.write_bytes(kept)
    key.chmod(0o600)
    assert {outbox.state(each) for each in queued} == {MessageState.QUEUED}


def test_what_was_sealed_with_a_key_that_was_lost_waits_and_holds_up_nothing_else(outbox: Any):
    before, since = outbox.queue(count=2)
    models.MessageBody.objects.filter(id=before).update(sealed=b"TCSEAL2" + bytes(200))
    assert [message.id for message in outbox.claim().messages] == [since]
    assert (outbox.state(before), outbox.message(before).reason) == (MessageState.QUEUED, Reason.KEY_MISSING)


def test_a_portfolio_nobody_named_is_the_account_so_that_an_objection_under_another_name_counts(outbox: Any):
    models.MessagingChannel.objects.update(portfolio="")
    models.AddressName.objects.create(
        portfolio="account", kind="phone", value="+34600000000", other_kind="whatsapp", other_value="ES.1",
        seen_at=clock.now(),
    )  # fmt: skip
    object_to("ES.1", kind=AddressKind.WHATSAPP)
    outbox.queue(purpose=Purpose.MARKETING)
    assert not outbox.claim().messages


def test_a_complaint_about_mail_counts_however_the_address_is_written(outbox: Any):
    mail = {"address_kind": AddressKind.EMAIL, "purpose": Purpose.MARKETING}
    outbox.queue(outbox.draft(address="Anna@example.org", **mail))
    (message,) = outbox.claim().messages
    refusal = Refusal(message.id, Verdict.STOPPED, Reason.REFUSED_BY_PERSON, complained=True)
    take_refusals([refusal], now=clock.now())
    outbox.queue(outbox.draft(address="anna@example.org", **mail), outbox.draft(address="ANNA@example.org", **mail))
    assert not outbox.claim().messages


def test_one_person_s_backlog_waits_for_the_pair_and_nobody_else_does(outbox: Any):
    mine = outbox.queue(*[outbox.draft(str(n)) for n in range(8)])
    (other,) = outbox.queue(outbox.draft(address="+34600000002"))
    taken = outbox.claim(100, pair_seconds=6.0, pair_burst=4).messages
    assert other in {message.id for message in taken}
    assert 0 < len(taken) - 1 < 8
    waiting = [outbox.message(each) for each in mine if outbox.state(each) is MessageState.QUEUED]
    assert all(message.next_try_at > clock.now() for message in waiting)
    assert {message.reason for message in waiting} == {Reason.RATE_LIMITED}


def test_a_portfolio_begins_to_write_to_no_more_people_a_day_than_it_may(outbox: Any):
    outbox.wrote("+34600000000", at=clock.now())
    outbox.queue(count=30)
    taken = outbox.claim(100, people_per_day=10).messages
    assert len(taken) == 11
    assert not outbox.claim(100, people_per_day=10).messages


def test_the_pace_of_a_line_is_the_claim_s(outbox: Any):
    outbox.queue(count=100)
    claimed = outbox.claim(100, per_second=2.0)
    assert len(claimed.messages) == 1
    assert claimed.every_seconds == pytest.approx(1 / 2, rel=0.02)
    assert outbox.claim(100, per_second=2.0).next_due_at is not None


def test_what_was_withheld_is_an_attempt_the_journal_proves(outbox: Any):
    (late,) = outbox.queue(outbox.draft(expires_at=clock.now()))
    outbox.claim()
    found = queries.trace(late)
    (attempt,) = found.attempts
    assert (attempt.state, attempt.reason, attempt.begun_at) == (MessageState.WITHHELD, Reason.TOO_LATE, None)
    assert {proof.proven for proof in found.proofs} == {"proven"}


def test_a_claim_reads_the_due_messages_by_their_index_in_the_order_they_go(outbox: Any):
    outbox.queue(count=5)
    now = clock.now()
    given = {"channel": "main", "account": "", "portfolio": "", "now": now, "limit": 10, "open_since": now}
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute("SET LOCAL enable_bitmapscan = off")
        cursor.execute(f"EXPLAIN {claiming._DUE}", {**given, "look_again": now})
        plan = "\n".join(line for (line,) in cursor.fetchall())
    chosen = plan[plan.index("CTE due") : plan.index("CTE Scan on due")]
    assert "Index Scan using message_due" in chosen
    assert "Sort" not in chosen
    assert "service_window_once" in plan


def test_a_text_nobody_understands_is_kept_back_and_keeps_back_no_other(outbox: Any):
    *poisonous, other = outbox.queue(count=4)
    for message, nonsense in zip(poisonous, (b"{}", b"[1]", b"\xff"), strict=True):
        sealed = bodies.SEALING.seal(nonsense, about=str(message))
        models.MessageBody.objects.filter(id=message).update(sealed=sealed)
    assert [message.id for message in outbox.claim().messages] == [other]
    assert {outbox.message(message).reason for message in poisonous} == {Reason.POISONOUS}
