"""What waited for something goes on as soon as that is so, long before it would be looked at again."""

from datetime import timedelta
from typing import Any

import pytest
from tests.contract.messaging.conftest import MONA

from tocsin.kernel import clock
from tocsin.messaging import commands, lines, templates
from tocsin.messaging.queries import WhenFlagged
from tocsin.messaging.values import LineUpdate, Priority, Purpose, TemplateUpdate


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
