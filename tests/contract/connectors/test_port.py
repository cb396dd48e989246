"""What every connector promises, on every system there is one for."""

from datetime import UTC, datetime, timedelta

import pytest

from tocsin.containment.errors import SystemUnreachable
from tocsin.containment.ports import Answer, Checkable, Holding, Order, Standing
from tocsin.containment.values import Measure, MeasureKind

TAKEN = {Answer.TAKEN, Answer.HELD_ALREADY}


def per_measure(peer):
    """Yield (connector, measure) for every measure the peer tries."""
    for kind in peer.measures:
        yield peer.connector(), kind


def test_it_takes_and_reads_back_what_it_says(peer):
    for connector, kind in per_measure(peer):
        assert kind in connector.abilities().takes
        assert kind in connector.abilities().reads_back
        assert connector.abilities().undoes <= connector.abilities().takes


def test_its_limits_say_how_many_orders_at_once_and_where_the_figure_comes_from(peer):
    limits = peer.connector().limits()
    assert limits.at_once >= 1 and limits.calls_per_order >= 1
    assert limits.per_second is None or limits.per_second > 0
    assert limits.source


def test_a_plan_changes_nothing_and_counts_rightly(peer, orders_for):
    for connector, kind in per_measure(peer):
        accounts = peer.accounts(5)
        before = [peer.fingerprint(account) for account in accounts]
        foreseen = connector.plan(orders_for([*accounts, "no-such-account-1", "no-such-account-2"], kind))
        assert [peer.fingerprint(account) for account in accounts] == before
        assert (foreseen.known, foreseen.absent_count, foreseen.changes) == (5, 2, 5)
        assert set(foreseen.absent) == {"no-such-account-1", "no-such-account-2"}


def test_exactly_the_ordered_accounts_change(peer, orders_for):
    for connector, kind in per_measure(peer):
        accounts = peer.accounts(12)
        ordered, others = accounts[::3], [account for account in accounts if account not in accounts[::3]]
        before = {account: peer.fingerprint(account) for account in others}
        outcomes = list(connector.apply(orders_for(ordered, kind)))
        assert {outcome.answer for outcome in outcomes} == {Answer.TAKEN}
        assert sorted(outcome.order.account for outcome in outcomes) == sorted(ordered)
        assert [account for account in accounts if peer.holds(account, kind)] == ordered
        assert {account: peer.fingerprint(account) for account in others} == before


def test_applying_twice_is_applying_once(peer, orders_for):
    for connector, kind in per_measure(peer):
        orders = orders_for(peer.accounts(4), kind)
        list(connector.apply(orders))
        once = [peer.fingerprint(order.account) for order in orders]
        again = list(peer.connector().apply(orders))
        assert {outcome.answer for outcome in again} <= TAKEN
        assert [peer.fingerprint(order.account) for order in orders] == once


def test_an_account_it_does_not_know_is_absent(peer, orders_for):
    for connector, kind in per_measure(peer):
        known = peer.accounts(1)[0]
        orders = orders_for([known, "no-such-account", "*", "a)(uid=*", "'; --", ""], kind)
        answers = {outcome.order.account: outcome.answer for outcome in connector.apply(orders)}
        assert answers.pop(known) in TAKEN
        assert set(answers.values()) == {Answer.ABSENT}
        read = {each.order.account: each.holding for each in connector.verify(orders)}
        assert read.pop(known) is Holding.IN_FORCE
        assert set(read.values()) == {Holding.ABSENT}


def test_reading_back_says_what_the_system_itself_shows(peer, orders_for):
    for connector, kind in per_measure(peer):
        accounts = peer.accounts(6)
        list(connector.apply(orders_for(accounts[:3], kind)))
        for read in connector.verify(orders_for(accounts, kind)):
            assert (read.holding is Holding.IN_FORCE) == peer.holds(read.order.account, kind)
            assert read.holding in (Holding.IN_FORCE, Holding.NOT_IN_FORCE)


def test_undoing_lifts_exactly_what_was_ordered(peer, orders_for):
    for connector, kind in per_measure(peer):
        if kind not in connector.abilities().undoes:
            continue
        orders = orders_for(peer.accounts(6), kind)
        list(connector.apply(orders))
        outcomes = list(connector.undo(orders[:2]))
        assert {outcome.answer for outcome in outcomes} <= TAKEN
        assert [peer.holds(order.account, kind) for order in orders] == [False, False, True, True, True, True]
        assert {outcome.answer for outcome in connector.undo(orders[:2])} <= TAKEN


def test_done_is_seen_when_the_person_did_it(peer, orders_for):
    for connector, kind in per_measure(peer):
        orders = orders_for(peer.accounts(3), kind)
        list(connector.apply(orders))
        done_at = peer.finish(orders[1].account, kind)
        if done_at is None:
            continue
        read = {each.order.account: each for each in connector.verify(orders)}
        assert [read[order.account].holding for order in orders] == [
            Holding.IN_FORCE,
            Holding.DONE,
            Holding.IN_FORCE,
        ]
        seen_at = read[orders[1].account].done_at
        assert seen_at is None or abs(seen_at - done_at) < timedelta(seconds=5)


def test_nobody_is_asked_again_for_what_they_have_done(peer, orders_for):
    for connector, kind in per_measure(peer):
        orders = orders_for(peer.accounts(2), kind)
        list(connector.apply(orders))
        if peer.finish(orders[0].account, kind) is None:
            continue
        after = peer.fingerprint(orders[0].account)
        answers = {outcome.order.account: outcome.answer for outcome in peer.connector().apply(orders)}
        assert answers[orders[0].account] is Answer.HELD_ALREADY
        assert peer.fingerprint(orders[0].account) == after


def test_what_people_did_is_told_once_the_cursor_moves(peer, orders_for, since_at):
    for connector, kind in per_measure(peer):
        accounts = peer.accounts(3)
        list(connector.apply(orders_for(accounts, kind)))
        _before, cursor = connector.done_since(since_at.isoformat())
        if peer.finish(accounts[0], kind) is None:
            continue
        facts, later = connector.done_since(cursor)
        assert {fact.account for fact in facts} >= {accounts[0]}
        assert not {fact.account for fact in facts} & set(accounts[1:])
        assert all(fact.done_at.tzinfo and fact.source == connector.name for fact in facts)
        again, last = connector.done_since(later)
        assert {(fact.account, fact.kind, fact.done_at) for fact in again} <= {
            (fact.account, fact.kind, fact.done_at) for fact in facts
        }
        assert connector.done_since(last)[1] == last


def test_done_can_be_asked_from_the_beginning(peer):
    facts, cursor = peer.connector().done_since("")
    assert all(fact.done_at <= datetime.now(UTC) + timedelta(seconds=5) for fact in facts)
    assert isinstance(cursor, str)


def test_a_measure_it_does_not_take_is_refused_and_changes_nothing(peer, since_at):
    connector = peer.connector()
    kind = next(kind for kind in MeasureKind if kind not in connector.abilities().takes and kind != MeasureKind.NONE)
    account = peer.accounts(1)[0]
    before = peer.fingerprint(account)
    outcomes = list(connector.apply([Order(account, Measure(kind), since_at, "0" * 64)]))
    assert [outcome.answer for outcome in outcomes] == [Answer.REFUSED]
    assert peer.fingerprint(account) == before


def test_no_orders_are_no_work(peer):
    connector = peer.connector()
    assert list(connector.apply([])) == list(connector.verify([])) == list(connector.undo([])) == []
    assert connector.plan([]).known == 0


def test_when_it_is_down_it_says_so_without_telling_secrets_and_when_it_is_back_nothing_is_lost(peer, orders_for):
    kind = peer.measures[0]
    connector = peer.connector()
    orders = orders_for(peer.accounts(3), kind)
    list(connector.apply(orders[:1]))  # so that a connection is open
    peer.stop()
    try:
        errors = []
        for ask in (connector.plan, connector.apply, connector.verify, connector.undo):
            with pytest.raises(SystemUnreachable) as raised:
                answered = ask(orders)
                answers = {each.answer for each in answered} if ask in (connector.apply, connector.undo) else set()
                if answers == {Answer.UNKNOWN}:  # the connection broke with the orders on their way
                    list(ask(orders))
                list(answered)
            errors.append(raised.value)
        with pytest.raises(SystemUnreachable):
            connector.done_since("")
        for error in errors:
            assert error.mend
            assert not [text for text in (*peer.secrets(), *(order.account for order in orders)) if text in str(error)]
    finally:
        peer.start()
    assert {outcome.answer for outcome in peer.connector().apply(orders)} <= TAKEN
    assert all(peer.holds(order.account, kind) for order in orders)


def test_checking_it_finds_no_fault_and_changes_nothing(peer):
    connector = peer.connector()
    if not isinstance(connector, Checkable):
        pytest.skip("this connector offers no check")
    account = peer.accounts(1)[0]
    before = peer.fingerprint(account)
    remarks = connector.check()
    assert [remark for remark in remarks if remark.standing is Standing.FAULT] == []
    assert peer.fingerprint(account) == before
