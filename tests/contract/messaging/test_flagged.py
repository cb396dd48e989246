"""A number its provider warns of: campaigns slowed or held as staff chose, warnings and answers going on; it is shown."""

import json
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from tests.contract.messaging.conftest import MONA

from tocsin.kernel import clock
from tocsin.kernel.loading import lazily
from tocsin.messaging import commands, lines, queries
from tocsin.messaging.queries import WhenFlagged
from tocsin.messaging.values import LineUpdate, Priority, Purpose, Reason
from tocsin.project import main

models = lazily("tocsin.messaging.models")
PACE = {"per_second": 80.0}


def told(*, at: datetime | None = None, **facts: Any) -> None:
    lines.keep([LineUpdate("account", "line-main", at or clock.now(), facts)])


def of_each_kind(outbox: Any) -> dict[str, UUID]:
    """Queue one campaign message, an answer, a service message and a warning; the warning goes as slowly as may be."""
    drafts = {
        "campaign": {"purpose": Purpose.MARKETING, "priority": Priority.BULK},
        "bulk": {"purpose": Purpose.SERVICE, "priority": Priority.BULK},
        "answer": {"purpose": Purpose.SERVICE, "priority": Priority.CONVERSATION},
        "warning": {"purpose": Purpose.SECURITY, "priority": Priority.BULK},
    }
    return {
        name: outbox.queue(outbox.draft(address=f"+336{n}", **named))[0]
        for n, (name, named) in enumerate(drafts.items())
    }


def claimed(outbox: Any, **pace: Any) -> set[UUID]:
    return {message.id for message in outbox.claim(**{**PACE, **pace}).messages}


def test_while_campaigns_are_held_everything_else_goes_on_and_after_it_they_do(outbox: Any):
    commands.choose_when_flagged("main", WhenFlagged.HOLD, by=MONA)
    told(flagged=True)
    queued = of_each_kind(outbox)
    assert claimed(outbox) == {queued["answer"], queued["warning"]}
    assert outbox.message(queued["campaign"]).reason == Reason.LINE_FLAGGED
    told(flagged=False)
    with clock.fixed(clock.now() + timedelta(minutes=31)):
        assert claimed(outbox) == {queued["campaign"], queued["bulk"]}


def test_slowed_campaigns_go_at_a_tenth_of_the_pace_each_at_its_turn(outbox: Any):
    told(status="FLAGGED")
    ids = outbox.queue(count=100, purpose=Purpose.MARKETING, priority=Priority.BULK)
    now = clock.now()
    sent: set[UUID] = set()
    with clock.fixed(now):
        sent |= claimed(outbox)
    assert len(sent) == 1
    (other,) = outbox.queue(outbox.draft(address="+336999", purpose=Purpose.SECURITY))
    for second in range(1, 6):
        models.LinePace.objects.filter(scope="line:main").update(free_at=now)  # the server's clock is not set on
        with clock.fixed(now + timedelta(seconds=second)):
            sent |= claimed(outbox)
    assert other in sent
    assert len(sent & set(ids)) == pytest.approx(5 * 8 + 1, abs=1)
    assert {outbox.message(each).reason for each in set(ids) - sent} == {Reason.LINE_SLOWED}


def test_whoever_chose_so_sends_on_as_if_nothing_were(outbox: Any):
    commands.choose_when_flagged("main", WhenFlagged.SEND, by=MONA)
    told(flagged=True)
    queued = of_each_kind(outbox)
    assert claimed(outbox) == set(queued.values())


def test_of_two_words_about_a_number_the_newest_counts(outbox: Any):
    now = clock.now()
    told(flagged=True, at=now)
    told(status="CONNECTED", at=now - timedelta(hours=1))
    (state,) = queries.outbox_status().channels
    assert state.warning == "FLAGGED"
    told(status="CONNECTED", at=now + timedelta(seconds=1))
    told(status="RESTRICTED", at=now + timedelta(seconds=2))
    assert queries.outbox_status().channels[0].warning == "RESTRICTED"
    told(flagged=False, at=now + timedelta(seconds=3))
    assert queries.outbox_status().channels[0].warning == ""


def test_the_status_says_what_is_held_though_the_channel_sends(
    committed_outbox: Any, capsys: pytest.CaptureFixture[str]
):
    outbox = committed_outbox
    template = {"template": "offer/en"}
    outbox.queue(outbox.draft(address="+33601", **template), outbox.draft(address="+33602", **template))
    commands.hold_template("account", "offer/en", until=None, reason="template_paused", by=MONA)
    told(flagged=True, quality="RED", restrictions=[{"kind": "RESTRICTED_ADD_PHONE_NUMBER_ACTION", "until": None}])
    outbox.queue(outbox.draft(address="+33603", purpose=Purpose.MARKETING), *[
        outbox.draft(address=f"+3361{n}", purpose=Purpose.MARKETING) for n in range(3)
    ])  # fmt: skip
    with clock.fixed(clock.now() + timedelta(hours=1)):
        outbox.claim()
    assert main.run(["outbox", "status"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    for said in (
        "not everything: see below", "2 messages wait for the template offer/en: the provider calls it PAUSED, until it is approved",
        "warns of this number (FLAGGED): campaigns go at a tenth of the pace", "quality low",
        "RESTRICTED_ADD_PHONE_NUMBER_ACTION", "campaigns go slowly",
    ):  # fmt: skip
        assert said in shown
    assert main.run(["outbox", "status", "--json"]) == 0
    (state,) = json.loads(capsys.readouterr().out)["channels"]
    assert (state["warning"], state["templates"][0]["messages"]) == ("FLAGGED", 2)
    assert main.run(["channel", "flagged", "main", "--campaigns", "hold", "--as", "mona"]) == 0
    assert "campaigns wait" in capsys.readouterr().out
