"""Who writes STOP gets no more marketing, in whatever language, and warnings all the same."""

from datetime import timedelta
from typing import Any

import pytest
from tests.contract.messaging.conftest import MONA, Outbox
from tests.contract.messaging.receiving.conftest import NOW, PHONE, SCOPED, Hooks

from tocsin.customers.values import AddressKind
from tocsin.kernel import clock
from tocsin.kernel.loading import lazily
from tocsin.messaging import commands, queries
from tocsin.messaging.queries import Words
from tocsin.messaging.states import MessageState
from tocsin.messaging.values import Prepared, Purpose

models = lazily("tocsin.messaging.models")
ANSWERS = {language: Prepared({"text": text}, shown=text) for language, text in (("en", "Done."), ("fr", "Fait."))}


def stops() -> list[str]:
    """Return of which purposes she stopped us, as it stands."""
    return [
        each.purpose.value if each.purpose else "" for each in queries.standing_objections([(AddressKind.PHONE, PHONE)])
    ]


def answers() -> list[Any]:
    rows = models.OutboundMessage.objects.filter(once_key__startswith="stopped:").order_by("id")
    return [(row.address, queries.body_of(row.id)) for row in rows]


@pytest.mark.parametrize("word", ["STOP", " Arrêt! ", "abmelden", "توقف", "退订", "Stop 🛑"])
def test_the_word_alone_stops_marketing_in_many_languages(hooks: Hooks, word: str) -> None:
    hooks.take(hooks.messages(messages=[hooks.text(word)]))
    assert stops() == ["marketing"]


@pytest.mark.parametrize("text", ["please stop the alarm", "cancel", "no", "yes", "", "stopover"])
def test_what_may_answer_something_else_stops_nothing(hooks: Hooks, text: str) -> None:
    hooks.take(hooks.messages(messages=[hooks.text(text)]))
    assert stops() == []


def test_marketing_stays_away_and_warnings_and_services_go_on(hooks: Hooks, outbox: Outbox) -> None:
    hooks.take(hooks.messages(messages=[hooks.text("STOP", **{"from": PHONE[1:], "from_user_id": SCOPED})]))
    kept = {
        purpose: outbox.queue(outbox.draft(address=PHONE, purpose=purpose))[0]
        for purpose in (Purpose.MARKETING, Purpose.SERVICE, Purpose.SECURITY)
    }
    outbox.claim()
    states = {purpose: outbox.state(message) for purpose, message in kept.items()}
    assert states.pop(Purpose.MARKETING) is MessageState.WITHHELD
    assert set(states.values()) == {MessageState.CLAIMED}


def test_start_begins_again_and_the_newest_word_counts_in_whatever_order(hooks: Hooks) -> None:
    later = NOW + timedelta(minutes=5)
    hooks.take(hooks.messages(messages=[hooks.text("START", at=later, **{"from": PHONE[1:]})]), at=later)
    hooks.take(hooks.messages(messages=[hooks.text("STOP", at=NOW)]), at=later)
    assert stops() == []
    again = NOW + timedelta(minutes=6)
    hooks.take(hooks.messages(messages=[hooks.text("stop", at=again, **{"from": PHONE[1:]})]), at=again)
    assert stops() == ["marketing"]


def test_staff_choose_words_and_what_they_stop(hooks: Hooks) -> None:
    chosen = Words(stop=("Ruhe bitte",), start=("weiter",), without=("alto",), everything=True)
    commands.choose_words("main", chosen, by=MONA)
    assert queries.channel_rules("main").words == chosen
    hooks.take(hooks.messages(messages=[hooks.text("alto")]))
    assert stops() == []
    hooks.take(hooks.messages(messages=[hooks.text("ruhe  bitte.")]))
    assert stops() == [""]
    later = NOW + timedelta(minutes=1)
    hooks.take(hooks.messages(messages=[hooks.text("Weiter", at=later, **{"from": PHONE[1:]})]), at=later)
    assert stops() == []


def test_a_stop_is_answered_once_a_day_in_the_language_of_the_word(hooks: Hooks) -> None:
    commands.choose_words("main", Words(answers=ANSWERS), by=MONA)
    said = hooks.messages(messages=[hooks.text("arrêt")])
    for _ in range(2):
        hooks.take(said)
    hooks.take(hooks.messages(messages=[hooks.text("STOP", at=NOW + timedelta(seconds=1), **{"from": PHONE[1:]})]))
    assert answers() == [(PHONE, {"text": "Fait."})]


def test_what_somebody_told_staff_counts_like_a_word(hooks: Hooks) -> None:
    known = [(AddressKind.PHONE, PHONE), (AddressKind.EMAIL, "Ana@example.org")]
    commands.object_to(known, purpose=None, stopped=True, reason="by telephone", by=MONA)
    assert stops() == [""]
    assert [each.address for each in queries.standing_objections([(AddressKind.EMAIL, "ana@Example.org")])] == [
        "ana@example.org"
    ]
    with clock.fixed(clock.now() + timedelta(seconds=1)):
        commands.object_to(known, purpose=None, stopped=False, reason="", by=MONA)
    assert stops() == []
