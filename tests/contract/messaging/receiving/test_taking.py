"""What webhooks bring, in a real database: once each, whatever is repeated, disordered or broken."""

import json
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from tests.contract.messaging.conftest import MONA, Outbox
from tests.contract.messaging.receiving.conftest import NOW, PHONE, SCOPED, Hooks, models, read

from tocsin.integrations.standard_webhooks import receiving as product
from tocsin.kernel import clock
from tocsin.kernel.loading import lazily
from tocsin.messaging import commands, intake, queries
from tocsin.messaging.states import MessageState
from tocsin.messaging.values import Accepted, IntakeBody, Update

journal_models = lazily("tocsin.journal.models")
people = lazily("tocsin.customers.models")
OTHER = "+34600000002"
PRICING = {"billable": True, "pricing_model": "PMP", "type": "regular", "category": "utility"}


def entries(verb: str) -> int:
    return int(journal_models.JournalEntry.objects.filter(verb=verb).count())


def test_a_message_is_kept_with_its_text_sealed_and_opens_the_window(hooks: Hooks) -> None:
    assert hooks.take(hooks.messages(messages=[hooks.text("are you there?")])) == 1
    row = models.InboundMessage.objects.get()
    assert (row.channel, row.address, row.kind, row.at) == ("main", PHONE, "text", NOW)
    assert hooks.inbound()[0]["text"] == "are you there?"
    assert hooks.windows() == {PHONE: NOW}
    assert queries.window_open("main", PHONE) is False  # by the real clock it is long shut
    with clock.fixed(NOW + timedelta(hours=23)):
        assert queries.window_open("main", PHONE) is True
    assert hooks.states() == [("done", "")]


def test_statuses_move_our_message_and_count_its_price_once(hooks: Hooks, outbox: Outbox) -> None:
    (ours,) = outbox.queue()
    outbox.send(provider_id="wamid.x")
    hooks.take(hooks.messages(statuses=[hooks.status("sent", ours=ours, pricing=PRICING)]))
    assert not models.MessagePrice.objects.exists()
    hooks.take(
        hooks.messages(statuses=[hooks.status("delivered", ours=ours, seconds=2)]),
        hooks.messages(statuses=[hooks.status("read", ours=ours, seconds=9, pricing=PRICING)]),
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


def test_a_status_tells_both_names_of_a_person_so_that_the_window_of_one_is_the_others(
    hooks: Hooks, outbox: Outbox
) -> None:  # fmt: skip
    hooks.take(hooks.messages(messages=[hooks.text(from_user_id=SCOPED)]))
    (ours,) = outbox.queue()
    outbox.send()
    status = hooks.status("sent", ours=ours, recipient_user_id=SCOPED)
    hooks.take(hooks.messages(statuses=[status]))
    assert hooks.windows() == {PHONE: NOW, SCOPED: NOW}


def test_a_clock_of_theirs_opens_no_window_in_the_future(hooks: Hooks) -> None:
    hooks.take(hooks.messages(messages=[hooks.text(at=NOW + timedelta(days=300)), hooks.text(timestamp="1")]))
    assert hooks.windows() == {PHONE: NOW}


def test_a_reaction_a_revocation_and_a_group_open_no_window(hooks: Hooks) -> None:
    reaction = hooks.text(type="reaction", reaction={"message_id": "wamid.0"}, **{"from": PHONE[1:]})
    revoke = hooks.text(type="revoke", revoke={"original_message_id": "wamid.0"}, **{"from": PHONE[1:]})
    group = hooks.text(group_id="g", **{"from": PHONE[1:]})
    hooks.take(hooks.messages(messages=[reaction, revoke, group]))
    assert models.InboundMessage.objects.count() == 3
    assert not hooks.windows()


# -- complaints of other people about receiving


def test_the_same_message_in_another_batch_is_one_message(hooks: Hooks) -> None:
    """github.com/chatwoot/chatwoot/issues/5433: doubled conversations; a digest of the body does not see this."""
    once = hooks.text("once")
    hooks.take(hooks.messages(messages=[once]))
    hooks.take(hooks.messages(messages=[hooks.text("new"), once]), hooks.messages(messages=[once]))
    assert sorted(each["text"] for each in hooks.inbound()) == ["new", "once"]


def test_a_message_whose_processing_failed_is_not_judged_a_repetition(
    hooks: Hooks, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    """github.com/chatwoot/chatwoot/issues/15754: the lock of the duplicate guard outlived the failure."""
    payload = hooks.messages(messages=[hooks.text("keep me")])
    with monkeypatch.context() as broken:
        broken.setattr(intake.taking, "apply", _broken)
        hooks.take(payload)
    assert not models.InboundMessage.objects.exists()
    hooks.take(payload, at=NOW + timedelta(seconds=30))
    assert [each["text"] for each in hooks.inbound()] == ["keep me"]
    assert {state for state, _reason in hooks.states()} == {"done"}


def _broken(_bodies: Any) -> Any:
    raise KeyError("+34600000001 wrote")


def test_a_message_is_kept_although_its_file_cannot_be_fetched(hooks: Hooks) -> None:
    """github.com/chatwoot/chatwoot/pull/13610: a failed download lost the whole message."""
    image = {"id": "77", "mime_type": "image/jpeg", "sha256": "x", "caption": "the door"}
    hooks.take(hooks.messages(messages=[hooks.text(type="image", image=image, **{"from": PHONE[1:]})]))
    (message,) = models.InboundMessage.objects.all()
    (file,) = queries.media_of(message.id)
    assert (hooks.inbound()[0]["text"], file.is_fetched, file.tries) == ("the door", False, 0)


def test_a_late_sent_takes_nothing_back(hooks: Hooks, outbox: Outbox) -> None:
    """github.com/chatwoot/chatwoot/issues/14529: a late status downgraded what was delivered."""
    (ours,) = outbox.queue()
    outbox.send(provider_id="wamid.x")
    for status in ("read", "sent", "delivered", "sent"):
        hooks.take(hooks.messages(statuses=[hooks.status(status, ours=ours)]))
    assert outbox.state(ours) is MessageState.READ


def test_a_status_before_our_answer_is_stored_lands(hooks: Hooks, outbox: Outbox) -> None:
    """github.com/opengovsg/postmangovsg/pull/2151: the status came before the id was stored, and was dropped."""
    (ours,) = outbox.queue()
    (message,) = outbox.claim(1).messages
    hooks.take(hooks.messages(statuses=[hooks.status("delivered", id="wamid.early")]))
    assert hooks.states() == [("waiting", "status_of_no_message")]
    outbox.settle(message, accepted=Accepted("wamid.early"))
    with clock.fixed(NOW + timedelta(seconds=30)):
        commands.take_intake(read)
    assert outbox.state(ours) is MessageState.DELIVERED
    assert hooks.states() == [("done", "")]


def test_a_status_of_nobodys_message_is_tried_for_minutes_and_then_kept_aside(hooks: Hooks) -> None:
    hooks.store(hooks.messages(statuses=[hooks.status("sent", id="wamid.theirs")]))
    at = NOW
    for pause in (0, *intake.NOBODYS_PAUSES_SECONDS):
        at += timedelta(seconds=pause)
        assert hooks.states()[0][0] == "waiting"
        with clock.fixed(at):
            assert commands.take_intake(read) == 1
    assert hooks.states() == [("aside", "status_of_no_message")]
    assert at - NOW >= timedelta(minutes=10)


def test_a_product_cannot_say_of_another_channel_s_message_that_it_was_read(hooks: Hooks, outbox: Outbox) -> None:
    (ours,) = outbox.queue()
    outbox.send(provider_id="wamid.x")
    app = commands.add_app("product", kind="webhook", secrets=["s"], by=MONA)
    body = json.dumps({"type": "message.read", "timestamp": NOW.isoformat(), "data": {"id": str(ours)}}).encode()
    commands.store_intake([IntakeBody(app, NOW, body)])
    with clock.fixed(NOW + timedelta(seconds=1)):
        commands.take_intake(lambda _kind, raw, headers: product.RECEIVING.updates(raw, headers=headers))
    assert outbox.state(ours) == "sent"
    assert hooks.states() == [("waiting", "status_of_no_message")]


def test_a_price_told_thrice_is_counted_once(hooks: Hooks, outbox: Outbox) -> None:
    (ours,) = outbox.queue()
    outbox.send(provider_id="wamid.x")
    delivered = hooks.messages(statuses=[hooks.status("delivered", ours=ours, pricing=PRICING)])
    hooks.take(delivered, delivered)
    hooks.take(delivered, hooks.messages(statuses=[hooks.status("read", ours=ours, seconds=3, pricing=PRICING)]))
    assert models.MessagePrice.objects.count() == 1


# -- faults


def test_one_body_that_fails_keeps_no_other_back(hooks: Hooks, monkeypatch: pytest.MonkeyPatch) -> None:
    apply = intake.taking.apply

    def picky(bodies: Sequence[Any]) -> Any:
        if any(getattr(update, "text", "") == "poison" for each in bodies for update in each.updates):
            raise ValueError("poison")
        return apply(bodies)

    monkeypatch.setattr(intake.taking, "apply", picky)
    texts = ["one", "poison", "two"]
    hooks.take(*(hooks.messages(messages=[hooks.text(text)]) for text in texts))
    assert sorted(each["text"] for each in hooks.inbound()) == ["one", "two"]
    states = hooks.states()
    assert [state for state, _ in states] == ["done", "waiting", "done"]
    assert states[1][1].startswith("ValueError at ")


def test_a_body_that_always_fails_is_tried_a_bounded_number_of_times_and_then_listed(
    hooks: Hooks, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:  # fmt: skip
    monkeypatch.setattr(intake.taking, "apply", _broken)
    hooks.store(hooks.messages(messages=[hooks.text()]))
    at = NOW
    for pause in (0, *intake.PAUSES_SECONDS):
        at += timedelta(seconds=pause)
        with clock.fixed(at - timedelta(seconds=1)):
            assert commands.take_intake(read) == 0 or pause == 0
        with clock.fixed(at):
            commands.take_intake(read)
    (kept,) = queries.intake_aside()
    assert (kept.state, kept.tries) == ("failed", intake.TRIES_MAX)
    assert "34600000001" not in kept.reason + caplog.text
    commands.retry_intake(kept.id, by=MONA)
    assert hooks.states() == [("waiting", "")]


def test_a_body_whose_seal_is_broken_fails_alone(hooks: Hooks) -> None:
    hooks.store(*(hooks.messages(messages=[hooks.text(text)]) for text in ("one", "two")))
    first = models.WebhookIntake.objects.order_by("id").first()
    first.sealed = bytes(first.sealed)[:-1] + b"x"
    first.save()
    with clock.fixed(NOW + timedelta(seconds=1)):
        commands.take_intake(read)
    assert [state for state, _ in hooks.states()] == ["waiting", "done"]
    assert hooks.states()[0][1].startswith("SealBroken")


def test_what_nobody_understands_is_kept_whole_and_taken_in_once_it_is_understood(hooks: Hooks) -> None:
    payload = hooks.change("brand_new", {"some": "thing"})
    hooks.take(payload, hooks.messages(messages=[hooks.text()]))
    (kept,) = queries.intake_aside()
    assert (kept.state, kept.reason) == ("aside", "field:brand_new")
    assert json.loads(queries.intake_body(kept.id)[1]) == payload
    commands.retry_intake(kept.id, by=MONA)

    def wiser(_kind: str, _body: bytes, _headers: Any) -> Sequence[Update]:
        return ()

    assert commands.take_intake(wiser) == 1
    assert {state for state, _ in hooks.states()} == {"done"}
    assert entries("messaging.intake_retried") >= 1


def test_a_message_on_a_line_nobody_connected_waits_aside_until_somebody_does(hooks: Hooks) -> None:
    payload = hooks.messages(messages=[hooks.text("early")])
    payload["entry"][0]["changes"][0]["value"]["metadata"]["phone_number_id"] = "2"
    hooks.take(payload)
    (kept,) = queries.intake_aside()
    assert kept.reason == "message_on_unknown_line"
    commands.add_channel("late", kind="whatsapp", line="2", account="9", settings={}, secrets={}, by=MONA)
    commands.retry_intake(kept.id, by=MONA)
    commands.take_intake(read)
    assert [each["text"] for each in hooks.inbound()] == ["early"]


def test_a_part_nobody_understands_keeps_none_of_the_others_back(hooks: Hooks) -> None:
    messages = [hooks.text("one"), {"type": "text", "id": "wamid.q"}, hooks.text("two")]
    hooks.take(hooks.messages(messages=messages))
    assert [each["text"] for each in hooks.inbound()] == ["one", "two"]
    assert hooks.states() == [("aside", "message_without_sender")]


def test_a_thousand_updates_in_one_body_are_taken_at_once(hooks: Hooks, outbox: Outbox) -> None:
    ours = outbox.queue(count=500)
    statuses = [
        hooks.status(status, ours=message, id=f"wamid.{number}")
        for number, message in enumerate(ours) for status in ("sent", "delivered")
    ]  # fmt: skip
    hooks.take(hooks.messages(statuses=statuses))
    assert hooks.states() == [("done", "")]
    assert models.OutboundMessage.objects.filter(state="delivered").count() == 500


def test_retention_deletes_what_is_done_and_old_and_nothing_that_waits(hooks: Hooks) -> None:
    hooks.take(hooks.messages(messages=[hooks.text()]), hooks.change("brand_new", {"a": 1}))
    hooks.store(hooks.messages(messages=[hooks.text()]))
    assert commands.erase_intake(NOW + timedelta(days=6)) == 0
    assert commands.erase_intake(NOW + timedelta(days=8)) == 1
    assert commands.erase_intake(NOW + timedelta(days=91)) == 1
    assert [state for state, _ in hooks.states()] == ["waiting"]


# -- people


def test_who_changed_number_takes_windows_objections_and_the_address_book_along(hooks: Hooks) -> None:
    ana = people.CustomerPerson.objects.create(key="ana", changed_at=NOW)
    people.CustomerAddress.objects.create(person=ana, kind="phone", value=PHONE)
    stop = {"wa_id": PHONE[1:], "category": "marketing_messages", "value": "stop", "timestamp": int(NOW.timestamp())}
    hooks.take(
        hooks.messages(messages=[hooks.text()]),
        hooks.change("user_preferences", {"metadata": {"phone_number_id": "1"}, "user_preferences": [stop]}),
    )
    changed = hooks.text(
        type="system", system={"type": "user_changed_number", "wa_id": OTHER[1:]}, at=NOW + timedelta(seconds=5),
        **{"from": PHONE[1:]},
    )  # fmt: skip
    before = entries("messaging.addresses_changed")
    for _ in range(2):
        hooks.take(hooks.messages(messages=[changed]), at=NOW + timedelta(minutes=1))
    assert hooks.windows() == {OTHER: NOW}
    assert list(models.PersonObjection.objects.values_list("address", "purpose")) == [(OTHER, "marketing")]
    assert people.CustomerAddress.objects.get().value == OTHER
    assert entries("messaging.addresses_changed") == before + 1


def test_what_was_said_before_a_change_and_comes_after_it_is_of_the_new_number(hooks: Hooks) -> None:
    changed = hooks.text(
        type="system", system={"type": "user_changed_number", "wa_id": OTHER[1:]}, at=NOW + timedelta(seconds=5),
        **{"from": PHONE[1:]},
    )  # fmt: skip
    later = NOW + timedelta(minutes=1)
    hooks.take(hooks.messages(messages=[changed]), at=later)
    hooks.take(hooks.messages(messages=[hooks.text("before")]), at=later)
    assert hooks.windows() == {OTHER: NOW}
    hooks.take(hooks.messages(messages=[hooks.text("somebody else has it now", at=later)]), at=later)
    assert hooks.windows() == {OTHER: NOW, PHONE: later}


def test_the_newest_word_about_marketing_counts_in_whatever_order_it_comes(hooks: Hooks) -> None:
    def said(value: str, seconds: int) -> dict[str, Any]:
        told = {"wa_id": PHONE[1:], "category": "marketing_messages", "value": value}
        told["timestamp"] = int(NOW.timestamp()) + seconds
        return hooks.change("user_preferences", {"metadata": {"phone_number_id": "1"}, "user_preferences": [told]})

    later = NOW + timedelta(minutes=1)
    hooks.take(said("resume", 20), at=later)
    hooks.take(said("stop", 10), at=later)
    objection = models.PersonObjection.objects.get()
    assert objection.lifted_at == NOW + timedelta(seconds=20)
    hooks.take(said("stop", 30), at=later)
    objection.refresh_from_db()
    assert objection.lifted_at is None


def test_who_reported_spam_by_a_failed_status_is_not_written_to_again(hooks: Hooks, outbox: Outbox) -> None:
    (ours,) = outbox.queue()
    outbox.send(provider_id="wamid.x")
    errors = [{"code": 131050, "title": "User has stopped marketing"}]
    hooks.take(hooks.messages(statuses=[hooks.status("failed", ours=ours, errors=errors)]))
    assert outbox.state(ours) is MessageState.FAILED
    assert models.PersonObjection.objects.filter(address="+34600000000", lifted_at=None).exists()


def test_the_journal_says_what_the_machine_took_in(hooks: Hooks) -> None:
    before = entries("messaging.line_changed")
    for _ in range(2):
        hooks.take(hooks.change("account_update", {"event": "ACCOUNT_DELETED"}))
    assert entries("messaging.line_changed") == before + 1
