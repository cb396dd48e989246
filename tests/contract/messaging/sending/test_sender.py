"""The sender: each message out once, whatever the channel does; what it cannot know it says so."""

import asyncio
import errno
import os
from collections import Counter

import pytest
from django.db import OperationalError, connection
from tests.contract.messaging.conftest import MONA, Pace
from tests.contract.messaging.sending.conftest import HttpChannel

from tocsin.kernel import home
from tocsin.messaging import claiming, commands, pacing, queries, settling, spool
from tocsin.messaging.line_sending import SendingLine
from tocsin.messaging.spool import Spool
from tocsin.messaging.values import Accepted, Purpose, Reason
from tocsin.staff.errors import SealKeyMissing


def states(sends, ids):
    return Counter(str(sends.outbox.state(message)) for message in ids)


def row(sql):
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchone()


def notes():
    return list((home.data_home() / "outbox").iterdir())


def test_everything_that_is_due_goes_out_once(sends):
    ids = sends.outbox.queue(count=250)
    sends.drain()
    assert states(sends, ids) == {"sent": 250}
    assert sends.provider.taken == Counter({str(message): 1 for message in ids})
    assert sends.told == {"sent": 250}
    assert sends.provider.most_at_once <= 64
    assert notes() == []


def test_a_dropped_line_a_hanging_one_and_a_broken_channel_end_as_unknown_and_hold_up_nobody(sends, monkeypatch):
    monkeypatch.setattr(HttpChannel, "seconds_max", 3.0)
    ids = sends.outbox.queue(count=40)
    for number, word in enumerate(("drop", "hang", "nonsense")):
        sends.provider.said[f"+3460{number:07}"] = [word]
    sends.drain()
    assert states(sends, ids) == {"sent": 37, "unknown": 3}
    details = [queries.message(message).detail for message in ids[:3]]
    assert details == ["ServerDisconnectedError", "no answer in 3 s", "KeyError"]
    assert set(sends.provider.taken.values()) == {1}
    assert sends.told == {"sent": 37, "unknown": 2, "broken": 1}


def test_a_channel_that_breaks_again_and_again_is_held_instead_of_spoiling_all(sends):
    ids = sends.outbox.queue(count=400)
    sends.provider.said = {f"+3460{number:07}": ["nonsense"] for number in range(400)}
    sends.drain()
    assert queries.channel("main").held_reason == "the channel breaks"
    assert states(sends, ids)["unknown"] < 250


def test_a_refused_pace_slows_the_line_and_the_message_goes_out_later(sends, monkeypatch):
    monkeypatch.setattr(pacing, "RECOVERY_SECONDS", 1e9)
    sends.limits = Pace(per_second=500)
    ids = sends.outbox.queue(count=30)
    sends.provider.said["+34600000003"] = ["slow_line"]
    sends.drain()
    assert states(sends, ids)["sent"] >= 29
    assert row("SELECT per_second FROM tocsin_linepace")[0] == pytest.approx(0.7 * 500 * 0.995, rel=0.02)


def test_a_paced_line_claims_some_times_a_second_and_not_for_each_message(sends, monkeypatch):
    claims = []
    claim = claiming.claim

    def counted(*given, **named):
        claims.append(given)
        return claim(*given, **named)

    monkeypatch.setattr(claiming, "claim", counted)
    sends.limits = Pace(per_second=200)
    sends.outbox.queue(count=200)
    sends.drain()
    assert sends.provider.taken.total() == 200
    assert len(claims) <= 25


def test_a_refused_pair_waits_and_all_others_go_on(sends):
    sends.limits = Pace(pair_seconds=6, pair_burst=45)
    ids = sends.outbox.queue(count=30)
    sends.provider.said["+34600000003"] = ["slow_pair"]
    sends.drain()
    assert states(sends, ids) == {"sent": 29, "retrying": 1}
    assert row("SELECT address, refused FROM tocsin_pairpace WHERE refused > 0") == ("+34600000003", 1)


@pytest.mark.parametrize(("word", "held"), [("hold_line", {"main"}), ("hold_account", {"main", "second"})])
def test_a_line_or_an_account_nobody_may_send_on_is_held(sends, word, held):
    sends.outbox.add("second")
    sends.limits = Pace(per_second=200)
    ids = sends.outbox.queue(count=200)
    sends.provider.said["+34600000000"] = [word]
    sends.drain()
    assert {channel.name for channel in queries.channels() if channel.held_reason} == held
    assert states(sends, ids)["retrying"] == 1
    assert states(sends, ids)["queued"] > 0  # the burst was not thrown at it
    commands.release_channel("main")


def test_a_template_nobody_may_use_is_held_and_other_messages_go_on(sends):
    sends.outbox.queue(count=3, template="notice/fr")
    sends.provider.said["+34600000000"] = ["hold_template"]
    sends.drain()
    found = row("SELECT account, name, language, held_reason FROM tocsin_messagetemplate")
    assert found == ("account", "notice", "fr", "try_later")
    others = sends.outbox.queue(count=2, template="other/fr")
    sends.drain()
    assert states(sends, others) == {"sent": 2}


def test_a_sender_lets_go_what_nothing_holds_any_more(sends):
    commands.hold_template("account", "notice/fr", until=None, reason="template_paused", by=MONA)
    ids = sends.outbox.queue(count=3, template="notice/fr")
    sends.drain()
    assert states(sends, ids) == {"queued": 3}
    with connection.cursor() as cursor:  # whoever released it died before anything was woken
        cursor.execute("UPDATE tocsin_messagetemplate SET held_reason = ''")
    sends.drain()
    assert states(sends, ids) == {"sent": 3}


@pytest.mark.parametrize(("purpose", "stopped"), [(Purpose.MARKETING, "marketing"), (Purpose.SERVICE, "")])
def test_who_stopped_us_gets_no_more_of_it(sends, purpose, stopped):
    sends.outbox.queue(purpose=purpose)
    sends.provider.said["+34600000000"] = ["stopped"]
    sends.drain()
    assert row("SELECT purpose, address FROM tocsin_personobjection") == (stopped, "+34600000000")
    (again,) = sends.outbox.queue(purpose=purpose)
    sends.drain()
    assert sends.outbox.message(again).reason == Reason.OPTED_OUT


def test_told_to_stop_it_gives_back_what_it_had_not_begun(sends):
    sends.limits = Pace(per_second=100)
    ids = sends.outbox.queue(count=300)

    async def stopped_soon():
        stop = asyncio.Event()
        async with sends.serving():
            running = asyncio.create_task(sends.sender().run(stop))
            while not sends.provider.taken:
                await asyncio.sleep(0.01)
            stop.set()
            await running

    asyncio.run(stopped_soon())
    sent = len(sends.provider.taken)
    assert sent < 100
    assert states(sends, ids) == {"sent": sent, "queued": 300 - sent}
    assert row("SELECT count(*) FROM tocsin_outboundmessage WHERE tries > 0") == (sent,)


def test_a_full_disk_sends_nothing_and_loses_nothing(sends, monkeypatch):
    ids = sends.outbox.queue(count=20)
    begin, calls = Spool.begin, iter(range(10**6))

    def full_at_first(self, message):
        if next(calls) == 5:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        begin(self, message)

    monkeypatch.setattr(Spool, "begin", full_at_first)
    sends.drain()
    assert states(sends, ids) == {"sent": 20}
    assert set(sends.provider.taken.values()) == {1}


@pytest.mark.parametrize(("module", "name"), [(claiming, "claim"), (settling, "settle")])
def test_a_commit_whose_answer_is_lost_is_neither_a_loss_nor_a_repeat(sends, monkeypatch, module, name):
    ids = sends.outbox.queue(count=120)
    done, calls = getattr(module, name), iter(range(10**6))

    def lost_at_first(*given, **named):
        result = done(*given, **named)
        if next(calls) == 0:
            raise OperationalError("the server went away")
        return result

    monkeypatch.setattr(module, name, lost_at_first)
    sends.drain()
    assert states(sends, ids) == {"sent": 120}
    assert sends.provider.taken == Counter({str(message): 1 for message in ids})
    assert row("SELECT max(tries) FROM tocsin_outboundmessage") == (1,)


def test_a_claim_that_is_committed_after_its_line_dropped_is_given_back(sends, monkeypatch):
    ids = sends.outbox.queue(count=120)
    done, calls = claiming.claim, iter(range(10**6))

    def late(*given, **named):
        call = next(calls)
        if call == 0:
            raise OperationalError("the server went away")
        if call == 1:
            done(*given, **{**named, "limit": 7})  # only now it is committed
        return done(*given, **named)

    monkeypatch.setattr(claiming, "claim", late)
    sends.drain()
    assert states(sends, ids) == {"sent": 120}
    assert set(sends.provider.taken.values()) == {1}


def test_what_was_settled_is_let_go_of_though_giving_back_fails(sends, monkeypatch):
    sends.outbox.queue(count=30)
    begin, release = Spool.begin, settling.release
    begins, releases = iter(range(10**6)), iter(range(10**6))

    def full_at_first(self, message):
        if next(begins) == 5:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        begin(self, message)

    def away_at_first(*given, **named):
        if next(releases) == 0:
            raise OperationalError("the server went away")
        return release(*given, **named)

    monkeypatch.setattr(Spool, "begin", full_at_first)
    monkeypatch.setattr(settling, "release", away_at_first)
    sends.drain()
    assert sends.told == {"sent": 30}
    assert set(sends.provider.taken.values()) == {1}
    assert notes() == []


def test_a_message_claimed_again_before_its_settling_was_known_stays_held_and_noted_as_begun(sends):
    (message,) = sends.outbox.queue(sends.outbox.draft())
    sender = sends.sender()
    sender._spool = Spool(sender.name)
    line = SendingLine(queries.channel("main"), sends.open(queries.channel("main"), {}), desk=sender)
    sender._running[line] = None
    (first,) = sends.outbox.claim(sender=sender.name).messages
    commands.release({first.id: first.claimed_at}, sender=sender.name)
    (second,) = sends.outbox.claim(sender=sender.name).messages
    line.held[message] = second
    sender.begin(message)
    sender._free([(line, message, first.claimed_at)])
    assert line.held == {message: second}
    assert commands.release({first.id: first.claimed_at}, sender=sender.name) == 0
    os.close(sender._spool._descriptor)  # it is killed while the bytes leave
    assert [left.begun for left in spool.left_behind()] == [{message}]


def test_a_key_that_was_away_for_a_while_stops_no_line_for_ever(sends, monkeypatch):
    ids = sends.outbox.queue(count=3)
    done, calls = claiming.claim, iter(range(10**6))

    def without_the_key_at_first(*given, **named):
        if next(calls) == 0:
            raise SealKeyMissing("the key is not there")
        return done(*given, **named)

    monkeypatch.setattr(claiming, "claim", without_the_key_at_first)
    sends.drain()
    assert states(sends, ids) == {"sent": 3}


def test_what_a_dead_sender_left_is_told_apart_when_the_next_one_starts(sends):
    ids = sends.outbox.queue(count=5)
    claimed = {each.id: each for each in sends.outbox.claim(5, sender="dead").messages}
    died = Spool("dead")
    died.begin(ids[0])
    died.begin(ids[1])
    died.answer(sends.outbox.outcome(claimed[ids[1]], accepted=Accepted("provider-1")))
    os.close(died._descriptor)  # as the end of a process does
    sends.drain()
    assert [str(sends.outbox.state(each)) for each in ids] == ["unknown", "sent", "sent", "sent", "sent"]
    assert sends.outbox.message(ids[0]).reason == Reason.SENDER_DIED
    assert sends.outbox.message(ids[1]).provider_id == "provider-1"
    assert len(sends.provider.taken) == 3


def test_after_another_boot_nothing_of_a_dead_sender_is_proven(sends, monkeypatch):
    ids = sends.outbox.queue(count=3)
    sends.outbox.claim(5, sender="dead")
    died = Spool("dead")
    os.close(died._descriptor)
    monkeypatch.setattr(spool, "boot_id", lambda: "another")
    sends.drain()
    assert states(sends, ids) == {"unknown": 3}


def test_a_removed_channel_ends_and_a_changed_one_is_opened_anew(sends):
    opened = []
    sends.open, before = lambda channel, secrets: opened.append(dict(secrets)) or before(channel, secrets), sends.open
    sends.outbox.queue(count=2)
    sends.drain()
    commands.add_channel("main", kind="whatsapp", settings={}, secrets={"token": "new"}, replace=True, by=MONA)
    sends.outbox.queue(count=2)
    sends.drain()
    commands.remove_channel("main", reason="test", by=MONA)
    sends.drain()
    assert opened == [{"token": "x"}, {"token": "new"}]
