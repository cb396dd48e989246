"""Mails to an address from which they came back: withheld with the reason, but for warnings and tests."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from tocsin.customers.values import AddressKind
from tocsin.kernel import clock
from tocsin.messaging import commands
from tocsin.messaging.states import MessageState
from tocsin.messaging.values import Accepted, Purpose, Reason, StatusKind, StatusUpdate, Verdict

BOB, EVE = "bob@example.org", "eve@example.org"


def mail(outbox: Any, address: str, *, purpose: Purpose = Purpose.MARKETING) -> UUID:
    (queued,) = outbox.queue(outbox.draft(address=address, address_kind=AddressKind.EMAIL, purpose=purpose))
    return queued


def sent(outbox: Any, message: UUID) -> None:
    for each in outbox.claim().messages:
        outbox.settle(each, accepted=Accepted(f"{each.id}@x"))
    assert outbox.state(message) is MessageState.SENT


def told(message: UUID, kind: StatusKind, *, reason: Reason | None = None) -> None:
    verdict = Verdict.DEAD if reason else None
    update = StatusUpdate("", kind, clock.now(), message_id=message, verdict=verdict, reason=reason, code=550)
    assert commands.apply_statuses([update], channel_of_line={}) == []


@pytest.fixture
def gone(outbox: Any) -> Any:
    """An outbox from which a mail to Bob came back."""
    first = mail(outbox, BOB)
    sent(outbox, first)
    told(first, StatusKind.BOUNCED, reason=Reason.NOT_REACHABLE)
    return outbox


def test_what_would_go_to_a_dead_address_is_withheld_and_says_so(gone: Any):
    to_bob, to_eve = mail(gone, BOB), mail(gone, EVE)
    assert [each.id for each in gone.claim().messages] == [to_eve]
    assert (gone.state(to_bob), gone.message(to_bob).reason) == (MessageState.WITHHELD, Reason.NOT_REACHABLE)


@pytest.mark.parametrize("purpose", [Purpose.SECURITY, Purpose.TEST])
def test_warnings_and_tests_go_nevertheless_and_one_that_arrives_brings_it_back(gone: Any, purpose: Purpose):
    again = mail(gone, BOB, purpose=purpose)
    sent(gone, again)
    told(again, StatusKind.DELIVERED)
    campaign = mail(gone, BOB)
    assert [each.id for each in gone.claim().messages] == [campaign]


def test_after_half_a_year_it_is_tried_again(gone: Any):
    with clock.fixed(clock.now() + timedelta(days=181)):
        campaign = mail(gone, BOB)
        assert [each.id for each in gone.claim().messages] == [campaign]


def test_many_mails_to_one_address_that_wait_hide_nothing(gone: Any):
    waiting = [mail(gone, BOB) for _ in range(60)]
    assert not gone.claim(100).messages
    assert {gone.message(each).reason for each in waiting} == {Reason.NOT_REACHABLE}
