"""Where a message goes when its person's address changed after it was queued."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from tests.contract.messaging.conftest import MONA

from tocsin.customers.values import AddressKind
from tocsin.kernel import clock
from tocsin.kernel.loading import lazily
from tocsin.messaging import commands, holding, naming, queries, statuses
from tocsin.messaging.naming import Line
from tocsin.messaging.ports import TransportError
from tocsin.messaging.states import MessageState
from tocsin.messaging.values import (
    Accepted,
    AddressChanged,
    Proven,
    Purpose,
    Reason,
    StatusKind,
    StatusUpdate,
    Verdict,
)

models = lazily("tocsin.messaging.models")
LINE = Line("main", "account", "portfolio")
ANA, LATER_ANA, LAST_ANA = "+34600000001", "+34600000002", "+34600000003"
HERS, SOMEBODY_S = "ES.1", "ES.2"


def became(before: str, after: str, *, at: datetime | None = None, kind: AddressKind = AddressKind.PHONE) -> None:
    """Take in that a provider told of a change, now or before."""
    naming.change([(AddressChanged(kind, before, after, at or clock.now()), LINE)])


def seen(phone: str, scoped: str, *, at: datetime | None = None) -> None:
    naming.join(naming.name([(LINE, {AddressKind.PHONE: phone, AddressKind.WHATSAPP: scoped}, at or clock.now())]))


def test_what_was_queued_for_a_number_goes_to_the_one_its_person_took_since(outbox: Any):
    (queued,) = outbox.queue(outbox.draft(address=ANA))
    became(ANA, LATER_ANA)
    became(LATER_ANA, LAST_ANA)
    (message,) = outbox.claim().messages
    assert message.address == LAST_ANA
    outbox.settle(message, accepted=Accepted("wamid.1"))
    kept = outbox.message(queued)
    assert (kept.state, kept.address, kept.goes_to) == (MessageState.SENT, ANA, LAST_ANA)
    assert {proof.proven for proof in queries.trace(queued).proofs} == {Proven.PROVEN}
    for address in (ANA, LATER_ANA, LAST_ANA):
        assert [each.id for each in queries.messages(address=address)] == [queued]


def test_what_is_queued_after_a_change_was_taken_in_is_for_whoever_has_the_number_now(outbox: Any):
    became(ANA, LATER_ANA, at=clock.now() - timedelta(days=1))
    outbox.queue(outbox.draft(address=ANA))
    assert [message.address for message in outbox.claim().messages] == [ANA]


def test_what_is_queued_while_nobody_here_knew_of_the_change_is_for_its_person(outbox: Any):
    outbox.queue(outbox.draft(address=ANA))
    became(ANA, LATER_ANA, at=clock.now() - timedelta(days=1))  # told a day late: the address book had the old one
    became(LATER_ANA, LAST_ANA, at=clock.now() - timedelta(hours=1))
    assert [message.address for message in outbox.claim().messages] == [LAST_ANA]


def test_a_template_instead_of_a_text_goes_where_the_person_is_now(outbox: Any):
    shut = {"needs_window": True, "fallback": {"text": "template"}, "fallback_template": "notice/en"}
    (queued,) = outbox.queue(outbox.draft(address=ANA, **shut))
    outbox.wrote(ANA, at=clock.now())
    outbox.send(provider_id="wamid.1")
    became(ANA, LATER_ANA)
    failed = StatusUpdate(
        "wamid.1", StatusKind.FAILED, clock.now(), message_id=queued, reason=Reason.WINDOW_SHUT, code=131047
    )
    statuses.apply_statuses([failed], channel_of_line={})
    assert [message.address for message in outbox.claim().messages] == [LATER_ANA]


def test_a_changed_business_scoped_id_is_followed_too(outbox: Any):
    outbox.queue(outbox.draft(address=HERS, address_kind=AddressKind.WHATSAPP))
    became(HERS, "ES.9", kind=AddressKind.WHATSAPP)
    assert [message.address for message in outbox.claim().messages] == ["ES.9"]


def test_nothing_goes_to_a_number_that_somebody_else_has_now(outbox: Any):
    seen(ANA, HERS, at=clock.now() - timedelta(days=3))
    (queued,) = outbox.queue(outbox.draft(address=ANA, purpose=Purpose.SECURITY))
    seen(ANA, SOMEBODY_S)
    assert not outbox.claim().messages
    assert (outbox.state(queued), outbox.message(queued).reason) == (MessageState.WITHHELD, Reason.ADDRESS_GIVEN_UP)
    outbox.queue(outbox.draft(address=ANA))  # by somebody who took the number from their own address book since
    assert [message.address for message in outbox.claim().messages] == [ANA]


def test_a_new_name_of_the_same_person_is_no_other_person(outbox: Any):
    seen(ANA, HERS, at=clock.now() - timedelta(days=3))
    outbox.queue(outbox.draft(address=ANA))
    became(HERS, "ES.9", kind=AddressKind.WHATSAPP)
    seen(ANA, "ES.9")
    assert [message.address for message in outbox.claim().messages] == [ANA]


def test_the_change_that_is_told_after_the_new_owner_was_seen_is_followed_all_the_same(outbox: Any):
    seen(ANA, HERS, at=clock.now() - timedelta(days=3))
    outbox.queue(outbox.draft(address=ANA))
    changed_at = clock.now()
    with clock.fixed(changed_at + timedelta(hours=2)):
        seen(ANA, SOMEBODY_S)
        became(ANA, LATER_ANA, at=changed_at)
        assert [message.address for message in outbox.claim().messages] == [LATER_ANA]


@pytest.mark.parametrize(("purpose", "claimed"), [(Purpose.MARKETING, 0), (Purpose.SECURITY, 1)])
def test_the_wishes_and_the_window_are_those_of_the_number_of_now(outbox: Any, purpose: Purpose, claimed: int):
    (queued,) = outbox.queue(outbox.draft(address=ANA, purpose=purpose, needs_window=True))
    outbox.wrote(ANA, at=clock.now() - timedelta(minutes=1))
    models.PersonObjection.objects.create(
        kind="phone", address=ANA, purpose="", reason="stopped", since_at=clock.now() - timedelta(days=1)
    )
    became(ANA, LATER_ANA)
    models.PersonObjection.objects.get(address=LATER_ANA)
    assert len(outbox.claim().messages) == claimed
    assert outbox.message(queued).reason == ("" if claimed else Reason.OPTED_OUT)


def test_a_refusal_is_the_word_of_whom_it_was_queued_for(outbox: Any):
    outbox.queue(outbox.draft(address=ANA))
    became(ANA, LATER_ANA)
    (message,) = outbox.claim().messages
    error = TransportError(permanent=True, verdict=Verdict.STOPPED, reason=Reason.REFUSED_BY_PERSON)
    outbox.settle(message, error=error)
    assert list(models.PersonObjection.objects.values_list("address", flat=True)) == [LATER_ANA]
    outbox.queue(outbox.draft(address=ANA))
    assert [message.address for message in outbox.claim().messages] == [ANA]


def both(outbox: Any, count: int) -> None:
    """Queue so many messages to her number, and as many to her other name."""
    for _each in range(count):
        outbox.queue(outbox.draft(address=ANA), outbox.draft(address=HERS, address_kind=AddressKind.WHATSAPP))


def test_one_person_has_one_pace_under_whichever_name_she_is_written_to(outbox: Any):
    seen(ANA, HERS)
    both(outbox, 4)
    sent = outbox.claim(pair_seconds=6.0, pair_burst=4).messages
    assert len(sent) == 3  # of a burst of 4 one is kept in reserve
    assert {message.address for message in sent} <= {ANA, HERS}
    assert list(models.PairPace.objects.values_list("address", flat=True)) == [ANA]
    refused = outbox.outcome(sent[0]).message_id
    holding.take_refusals([holding.Refusal(refused, Verdict.SLOW_PAIR, Reason.RATE_LIMITED)], now=clock.now())
    assert models.PairPace.objects.get().wait_until is not None


def test_what_was_counted_under_one_name_counts_once_the_other_is_known(outbox: Any):
    both(outbox, 4)
    assert len(outbox.claim(pair_seconds=6.0, pair_burst=4).messages) == 6  # nobody knew that they are one
    seen(ANA, HERS)
    assert [row.address for row in models.PairPace.objects.all()] == [ANA]
    both(outbox, 1)
    assert not outbox.claim(pair_seconds=6.0, pair_burst=4).messages


def test_one_person_counts_once_against_the_people_of_a_day(outbox: Any):
    seen(ANA, HERS)
    both(outbox, 1)
    outbox.queue(outbox.draft(address=LAST_ANA))
    assert len(outbox.claim(people_per_day=1).messages) == 2


def test_a_number_that_somebody_else_has_is_no_other_name_of_hers_in_whatever_order_it_was_told(outbox: Any):
    seen(ANA, SOMEBODY_S)
    seen(ANA, HERS, at=clock.now() - timedelta(days=3))  # told late
    outbox.queue(outbox.draft(address=HERS, address_kind=AddressKind.WHATSAPP))
    assert [message.other_addresses for message in outbox.claim().messages] == [{}]


def test_a_number_she_gave_up_is_no_other_name_of_hers(outbox: Any):
    seen(ANA, HERS, at=clock.now() - timedelta(days=3))
    became(ANA, LATER_ANA)
    outbox.queue(outbox.draft(address=HERS, address_kind=AddressKind.WHATSAPP))
    (message,) = outbox.claim().messages
    assert message.other_addresses.get(AddressKind.PHONE) != ANA
    seen(LATER_ANA, HERS)
    outbox.queue(outbox.draft(address=HERS, address_kind=AddressKind.WHATSAPP))
    assert [each.other_addresses for each in outbox.claim().messages] == [{AddressKind.PHONE: LATER_ANA}]


def test_a_number_that_comes_back_to_her_is_her_other_name_again(outbox: Any):
    became(ANA, LATER_ANA, at=clock.now() - timedelta(days=3))
    seen(ANA, HERS)
    outbox.queue(outbox.draft(address=HERS, address_kind=AddressKind.WHATSAPP))
    assert [each.other_addresses for each in outbox.claim().messages] == [{AddressKind.PHONE: ANA}]


def test_who_has_a_number_now_has_it_as_the_other_name(outbox: Any):
    seen(ANA, HERS, at=clock.now() - timedelta(days=3))
    seen(ANA, SOMEBODY_S)
    outbox.queue(outbox.draft(address=SOMEBODY_S, address_kind=AddressKind.WHATSAPP))
    assert [each.other_addresses for each in outbox.claim().messages] == [{AddressKind.PHONE: ANA}]


def test_a_number_that_is_of_no_account_is_followed_too(outbox: Any):
    commands.add_channel("alone", kind="whatsapp", line="7", settings={}, secrets={}, by=MONA)
    outbox.queue(outbox.draft(address=ANA, channel="alone"))
    naming.change([(AddressChanged(AddressKind.PHONE, ANA, LATER_ANA, clock.now()), Line("alone", "", "alone"))])
    assert [message.address for message in outbox.claim(channel="alone").messages] == [LATER_ANA]


def test_a_number_that_changed_hands_twice_leads_to_nobody_s_but_hers(outbox: Any):
    (hers,) = outbox.queue(outbox.draft(address=ANA))
    became(ANA, LATER_ANA)  # then somebody had the number, and has another one since
    (somebody_s,) = outbox.queue(outbox.draft(address=ANA))
    became(ANA, "+34600000008")
    outbox.queue(outbox.draft(address=ANA))  # for whoever has it now
    assert {message.id: message.address for message in outbox.claim().messages if message.address != ANA} == {
        hers: LATER_ANA, somebody_s: "+34600000008"
    }  # fmt: skip
    assert {each.id for each in queries.messages(address=LATER_ANA)} >= {hers}


def test_a_number_that_changed_hands_before_the_first_change_was_told_leads_to_her_all_the_same(outbox: Any):
    changed_at = clock.now()
    (hers,) = outbox.queue(outbox.draft(address=ANA, not_before_at=changed_at + timedelta(hours=2)))
    with clock.fixed(changed_at + timedelta(hours=2)):
        became(ANA, "+34600000008", at=changed_at + timedelta(hours=1))
        became(ANA, LATER_ANA, at=changed_at + timedelta(minutes=1))  # told late
        assert [(message.id, message.address) for message in outbox.claim().messages] == [(hers, LATER_ANA)]


def test_who_lost_a_number_that_had_changed_hands_before_gets_nothing_sent_to_the_third(outbox: Any):
    seen(ANA, HERS, at=clock.now() - timedelta(days=9))
    became(ANA, LATER_ANA, at=clock.now() - timedelta(days=8))
    seen(ANA, SOMEBODY_S, at=clock.now() - timedelta(days=7))
    (somebody_s,) = outbox.queue(outbox.draft(address=ANA))
    seen(ANA, "ES.3")
    assert not outbox.claim().messages
    assert outbox.message(somebody_s).reason == Reason.ADDRESS_GIVEN_UP


def test_an_older_name_that_is_told_late_shows_who_lost_the_number_too(outbox: Any):
    seen(ANA, SOMEBODY_S, at=clock.now() - timedelta(hours=1))
    (hers,) = outbox.queue(outbox.draft(address=ANA))
    seen(ANA, HERS, at=clock.now() - timedelta(days=3))
    assert not outbox.claim().messages
    assert outbox.message(hers).reason == Reason.ADDRESS_GIVEN_UP


def test_what_was_queued_for_the_new_owner_never_goes_to_her_whose_change_is_told_late(outbox: Any):
    changed_at = clock.now() - timedelta(hours=2)
    seen(ANA, SOMEBODY_S, at=changed_at + timedelta(hours=1))
    (somebody_s,) = outbox.queue(outbox.draft(address=ANA))
    became(ANA, LATER_ANA, at=changed_at)
    assert not outbox.claim().messages
    assert outbox.message(somebody_s).reason == Reason.ADDRESS_GIVEN_UP


def test_another_scoped_id_of_hers_does_not_hide_that_somebody_else_has_her_number(outbox: Any):
    seen(ANA, HERS, at=clock.now() - timedelta(days=3))
    (hers,) = outbox.queue(outbox.draft(address=ANA))
    became(HERS, "ES.9", kind=AddressKind.WHATSAPP, at=clock.now() - timedelta(days=2))
    seen(ANA, SOMEBODY_S)
    assert not outbox.claim().messages
    assert outbox.message(hers).reason == Reason.ADDRESS_GIVEN_UP


def test_a_change_that_is_told_again_changes_nothing(outbox: Any):
    at = clock.now()
    became(ANA, LATER_ANA, at=at)
    entries = models.AddressChange.objects.count()
    outbox.wrote(ANA, at=at - timedelta(minutes=1))
    became(ANA, LATER_ANA, at=at)
    assert models.AddressChange.objects.count() == entries == 1
    assert list(models.ServiceWindow.objects.values_list("address", flat=True)) == [ANA]
