"""What waited for something goes on as soon as that is so, long before it would be looked at again."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from tests.contract.messaging.conftest import MONA

from tocsin.kernel import clock
from tocsin.kernel.loading import lazily
from tocsin.messaging import commands, going_on, lines, queries, releasing, templates
from tocsin.messaging.queries import WhenFlagged
from tocsin.messaging.values import LineUpdate, Priority, Purpose, Reason, TemplateUpdate

models = lazily("tocsin.messaging.models")
CAMPAIGN = {"purpose": Purpose.MARKETING, "priority": Priority.BULK}
_COPY = """
INSERT INTO tocsin_outboundmessage (id, channel, priority, purpose, address, address_kind, person_id, account, broadcast,
  reply_to, body_id, digest, batch_id, needs_window, template, category, state, reason, detail, tries, crashes,
  next_try_at, claimed_by, provider_id, queued_at, state_at)
SELECT gen_random_uuid(), channel, priority, purpose, '+336' || number, address_kind, person_id, account, broadcast,
       reply_to, body_id, digest, batch_id, needs_window, template, category, state, reason, detail, tries, crashes,
       next_try_at, claimed_by, provider_id, queued_at, state_at
  FROM tocsin_outboundmessage, generate_series(1, %s) AS number WHERE id = %s
"""


def told(**facts: Any) -> None:
    lines.keep([LineUpdate("account", "line-main", clock.now(), facts)])


def approved(name: str) -> None:
    templates.keep([TemplateUpdate("account", name, "en", "", clock.now(), status="APPROVED")])


@pytest.mark.parametrize("until", [None, timedelta(hours=5)])
def test_a_warning_goes_when_its_template_is_approved(outbox: Any, until: timedelta | None):
    held_until = until and clock.now() + until
    for name in ("notice", "other"):
        commands.hold_template("account", f"{name}/en", until=held_until, reason="template_paused", by=MONA)
    (queued,) = outbox.queue(outbox.draft(template="notice/en", purpose=Purpose.SECURITY))
    outbox.queue(outbox.draft(template="other/en"))
    assert not outbox.claim().messages
    approved("notice")
    assert [message.id for message in outbox.claim().messages] == [queued]


def test_campaigns_go_on_when_the_provider_warns_no_more(outbox: Any):
    commands.choose_when_flagged("main", WhenFlagged.HOLD, by=MONA)
    told(flagged=True)
    (queued,) = outbox.queue(outbox.draft(purpose=Purpose.MARKETING, priority=Priority.BULK))
    assert not outbox.claim().messages
    told(flagged=False)
    assert [message.id for message in outbox.claim().messages] == [queued]


def test_campaigns_go_on_when_somebody_chooses_so(outbox: Any):
    commands.choose_when_flagged("main", WhenFlagged.HOLD, by=MONA)
    told(flagged=True)
    (queued,) = outbox.queue(outbox.draft(purpose=Purpose.MARKETING, priority=Priority.BULK))
    assert not outbox.claim().messages
    commands.choose_when_flagged("main", WhenFlagged.SEND, by=MONA)
    assert [message.id for message in outbox.claim().messages] == [queued]


def test_a_limit_of_people_that_is_raised_is_used_at_once_and_not_in_a_day(outbox: Any):
    told(people_per_day=1)
    outbox.queue(count=3, purpose=Purpose.SECURITY)
    assert len(outbox.claim(people_per_day=1).messages) == 1
    told(people_per_day=250)
    with clock.fixed(clock.now() + timedelta(seconds=11)):
        assert len(outbox.claim(people_per_day=250).messages) == 2


def hold(name: str) -> None:
    commands.hold_template("account", f"{name}/en", until=None, reason="template_paused", by=MONA)


def claimed(outbox: Any, **pace: Any) -> set[Any]:
    return {message.id for message in outbox.claim(**pace).messages}


def let_go() -> int:
    return releasing.let_go(now=clock.now())


def places() -> str:
    """Return where the rows of all messages stand: another place for each that is written anew."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT md5(string_agg(ctid::text, ' ' ORDER BY id)) FROM tocsin_outboundmessage")
        found: str = cursor.fetchone()[0]
    return found


def test_ten_thousand_that_are_held_are_not_touched_while_they_are(committed_outbox: Any):
    outbox = committed_outbox
    hold("offer")
    (queued,) = outbox.queue(outbox.draft(template="offer/en"))
    assert not outbox.claim().messages
    with connection.cursor() as cursor:
        cursor.execute(_COPY, [9_999, queued])
    before = places()
    for hours in range(5):
        with clock.fixed(clock.now() + timedelta(hours=hours)):
            assert not outbox.claim().messages
            assert let_go() == 0
    assert places() == before
    (state,) = queries.outbox_status().channels
    assert [(each.template, each.messages) for each in state.templates] == [("offer/en", 10_000)]
    assert state.waits_for == {Reason.TEMPLATE_NOT_USABLE: 10_000}


def test_more_than_are_woken_at_once_go_on_all_the_same(outbox: Any, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(going_on, "AT_ONCE_MAX", 2)
    hold("offer")
    ids = outbox.queue(count=5, template="offer/en")
    assert not outbox.claim().messages
    approved("offer")
    assert len(outbox.claim().messages) == 2
    assert let_go() == 3
    assert claimed(outbox) < set(ids)
    assert let_go() == 0


def test_exactly_what_nothing_holds_any_more_goes_on_though_nobody_said_so(outbox: Any):
    for name in ("notice", "offer"):
        hold(name)
    (notice,) = outbox.queue(outbox.draft(template="notice/en"))
    outbox.queue(outbox.draft(template="offer/en"))
    assert not outbox.claim().messages
    models.MessageTemplate.objects.filter(name="notice").update(held_reason="")  # whoever did it died over it
    assert let_go() == 1
    assert claimed(outbox) == {notice}


def test_campaigns_that_are_held_go_on_though_nobody_said_that_the_warning_is_over(outbox: Any):
    commands.choose_when_flagged("main", WhenFlagged.HOLD, by=MONA)
    told(flagged=True)
    (queued,) = outbox.queue(outbox.draft(**CAMPAIGN))
    assert not outbox.claim().messages
    assert let_go() == 0
    models.MessagingChannel.objects.update(health={})
    assert let_go() == 1
    assert claimed(outbox) == {queued}


def test_of_campaigns_that_go_slowly_only_those_are_looked_at_that_have_their_turn_soon(outbox: Any):
    told(flagged=True)
    pace = {"per_second": 1.0}  # a tenth of it: 60 turns in ten minutes
    outbox.queue(count=100, **CAMPAIGN)
    now = clock.now()
    with clock.fixed(now):
        outbox.claim(limit=100, per_second=None)  # the pace that is usual gives all their turns
    models.LinePace.objects.filter(scope="campaigns:main").update(free_at=now, per_second=0.1)
    models.OutboundMessage.objects.filter(state="queued").update(
        reason=Reason.LINE_FLAGGED, next_try_at=now + timedelta(hours=6)
    )
    with clock.fixed(now):
        assert let_go() == 60
        assert len(outbox.claim(limit=100, **pace).messages) <= 1
        assert let_go() == 0
    with clock.fixed(now + timedelta(minutes=6)):
        assert let_go() == 1  # the others are due, and are given their turns by the coming claims


def test_what_waits_for_a_key_goes_on_when_it_is_back(outbox: Any):
    (queued,) = outbox.queue()
    body = models.MessageBody.objects.get(id=queued)
    models.MessageBody.objects.filter(id=queued).update(sealed=b"TCSEAL2" + bytes(200))
    assert not outbox.claim().messages
    assert outbox.message(queued).reason == Reason.KEY_MISSING
    assert let_go() == 0
    models.MessageBody.objects.filter(id=queued).update(sealed=bytes(body.sealed))
    assert let_go() == 1
    assert claimed(outbox) == {queued}


def test_what_the_provider_lets_wait_for_a_minute_is_not_woken_before(outbox: Any):
    outbox.queue(outbox.draft(template="offer/en"))
    models.OutboundMessage.objects.update(
        state="retrying", reason=Reason.TEMPLATE_NOT_USABLE, next_try_at=clock.now() + timedelta(minutes=1)
    )
    assert let_go() == 0
