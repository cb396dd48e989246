"""What no webhook told is asked for: once for all processes, sooner again after a failure."""

import threading
from datetime import timedelta

import pytest
from tests.contract.messaging.conftest import MONA

from tocsin import wiring
from tocsin.api import accounts
from tocsin.kernel import clock
from tocsin.messaging import commands, queries
from tocsin.messaging.values import TemplateUpdate

from .test_cli import asked


@pytest.fixture
def look(rows, peer, monkeypatch):
    """Connect two numbers of one account and return what looks whether it is to be asked."""
    monkeypatch.setattr(accounts, "LOOK_SECONDS", 0.0)
    asked(peer, "reset", {"": ""})
    wired = wiring.build(rows=None, rows_state=None, remove_rows=None)
    settings = {"waba_id": peer.account, "base_url": peer.address}
    for name, line in (("one", peer.line), ("two", "999")):
        commands.add_channel(
            name, kind="whatsapp", line=line, account=peer.account, portfolio="p",
            settings=settings | {"phone_number_id": line}, secrets={"token": peer.token, "app_secret": "s"}, by=MONA,
        )  # fmt: skip
    return accounts.accounts(wired, stop=threading.Event())


def told(peer, **changes):
    body = {"name": "notice", "language": "en", "components": [{"type": "BODY", "text": "Hello"}]} | changes
    asked(peer, "template", body)


def statuses(account):
    return {each.name: (each.status, bool(each.held_reason)) for each in queries.templates(account)}


def test_a_template_paused_while_no_webhook_came_is_held_and_one_that_went_is_deleted(look, peer):
    told(peer)
    told(peer, name="gone")
    look()
    assert statuses(peer.account) == {"notice": ("APPROVED", False), "gone": ("APPROVED", False)}
    asked(peer, "reset", {"": ""})
    told(peer, status="PAUSED")
    now = clock.now()
    with clock.fixed(now + timedelta(hours=5)):
        look()
        assert statuses(peer.account)["notice"] == ("APPROVED", False)  # not yet
    with clock.fixed(now + timedelta(hours=7)):
        look()
        assert statuses(peer.account) == {"notice": ("PAUSED", True), "gone": ("DELETED", True)}


def test_what_a_webhook_tells_in_the_second_of_the_look_is_newer_than_the_list(look, peer):
    told(peer, status="PENDING")
    with clock.fixed(clock.now().replace(microsecond=700_000)):
        look()
        assert statuses(peer.account) == {"notice": ("PENDING", True)}
        second = clock.now().replace(microsecond=0)  # as webhooks say when it was approved, after the look
    save = commands.save_templates
    save(peer.account, [TemplateUpdate(peer.account, "notice", "en", "", second, status="APPROVED")], complete=False)
    assert statuses(peer.account) == {"notice": ("APPROVED", False)}


def test_a_raised_pace_and_limit_is_learnt(look, peer):
    asked(peer, "numbers", {"level": "HIGH", "tier": "TIER_10K"})
    look()
    settings = queries.channel("one").settings
    assert (settings["level"], settings["people_per_day"]) == ("HIGH", 10_000)


def test_one_process_asks_and_a_failure_is_asked_again_sooner(look, peer, caplog):
    assert commands.take_account_turn(peer.account, every=timedelta(hours=6))
    told(peer)
    look()
    assert statuses(peer.account) == {}  # somebody else has the turn
    now = clock.now()
    asked(peer, "change", {"token": "another"})
    try:
        with clock.fixed(now + timedelta(hours=7)):
            look()
    finally:
        asked(peer, "change", {"token": peer.token})
    assert "RefusedByMeta" in caplog.text
    assert peer.token not in caplog.text
    with clock.fixed(now + timedelta(hours=7, minutes=10)):
        look()
    assert statuses(peer.account) == {}
    with clock.fixed(now + timedelta(hours=7, minutes=16)):
        look()
    assert statuses(peer.account) == {"notice": ("APPROVED", False)}
