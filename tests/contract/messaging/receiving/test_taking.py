"""What webhooks bring, in a real database."""

from datetime import timedelta

from tests.contract.messaging.conftest import Outbox
from tests.contract.messaging.receiving.conftest import NOW, PHONE, SCOPED, Hooks, models

from tocsin.messaging.states import MessageState


def test_a_message_is_kept_with_its_text_sealed_and_opens_the_window(hooks: Hooks) -> None:
    assert hooks.take(hooks.messages(messages=[hooks.text("are you there?")])) == 1
    row = models.InboundMessage.objects.get()
    assert (row.channel, row.address, row.kind, row.at) == ("main", PHONE, "text", NOW)
    assert hooks.inbound()[0]["text"] == "are you there?"
    assert hooks.windows() == {PHONE: NOW}
    assert hooks.states() == [("done", "")]


def test_statuses_move_our_message_and_count_its_price_once(hooks: Hooks, outbox: Outbox) -> None:
    (ours,) = outbox.queue()
    outbox.send(provider_id="wamid.x")
    pricing = {"billable": True, "pricing_model": "PMP", "type": "regular", "category": "utility"}
    hooks.take(hooks.messages(statuses=[hooks.status("sent", ours=ours, pricing=pricing)]))
    assert not models.MessagePrice.objects.exists()
    hooks.take(
        hooks.messages(statuses=[hooks.status("delivered", ours=ours, seconds=2)]),
        hooks.messages(statuses=[hooks.status("read", ours=ours, seconds=9, pricing=pricing)]),
    )
    assert outbox.state(ours) is MessageState.READ
    price = models.MessagePrice.objects.get()
    assert (price.category, price.price_type, price.market) == ("utility", "regular", "Spain")
    assert price.at == NOW + timedelta(seconds=2)


def test_a_phone_and_a_scoped_id_are_one_person_with_one_window(hooks: Hooks) -> None:
    later = NOW + timedelta(hours=1)
    contacts = [{"wa_id": PHONE[1:], "user_id": SCOPED, "profile": {"name": "Ana"}}]
    hooks.take(hooks.messages(messages=[hooks.text()], contacts=contacts))
    assert hooks.windows() == {PHONE: NOW, SCOPED: NOW}
    hooks.take(hooks.messages(messages=[hooks.text(from_user_id=SCOPED, at=later)]), at=later)
    assert hooks.windows() == {PHONE: later, SCOPED: later}
