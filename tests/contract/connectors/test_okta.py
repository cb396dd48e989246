"""Okta, against a stand-in written from its published API description."""

from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from fakes.asking import REAUTHENTICATE, RESET, REVOKE, SUSPEND, answers, holdings, later, order
from fakes.okta import FakeOkta

from tocsin.containment.errors import SystemNotUnderstood, SystemUnreachable
from tocsin.containment.ports import Answer, Holding
from tocsin.containment.values import DoneKind
from tocsin.integrations.okta.connector import connect


@pytest.fixture
def okta():
    with FakeOkta() as fake:
        yield fake


@pytest.fixture
def organisation(okta):
    def connected(**settings):
        return connect("okta-main", settings={"url": okta.url, **settings}, secrets={"api_token": okta.api_token})

    fast = connected()
    list(fast.verify([]))
    return connected


@pytest.fixture
def quick(okta, organisation):
    """Return a connector that has read the (high) limit from an answer already."""
    return informed(organisation(), okta)


def informed(connected, okta):
    for pace in connected._wire.paces.values():
        pace.learn(status=200, headers=okta.headers())
    return connected


def test_a_password_is_expired_for_exactly_those_ordered_and_done_when_they_chose_a_new_one(okta, quick):
    ada, bob = okta.add("ada@x.example"), okta.add("bob@x.example")
    assert answers(quick.apply([order(ada)])) == {ada: Answer.TAKEN}
    assert (okta.users[ada]["status"], okta.users[bob]["status"]) == ("PASSWORD_EXPIRED", "ACTIVE")
    assert holdings(quick.verify([order(ada), order(bob)])) == {ada: Holding.IN_FORCE, bob: Holding.NOT_IN_FORCE}
    okta.changes_password(ada)
    (shown,) = quick.verify([order(ada)])
    assert (shown.holding, shown.done_at is not None) == (Holding.DONE, True)
    assert answers(quick.apply([order(ada)])) == {ada: Answer.HELD_ALREADY}
    assert okta.count("expire_password") == 1
    assert okta.count("temp_password") == 0


def test_sessions_and_tokens_end_once_and_the_log_proves_it(okta, quick):
    ada = okta.add("ada@x.example")
    assert answers(quick.apply([order(ada, REVOKE)])) == {ada: Answer.TAKEN}
    assert holdings(quick.verify([order(ada, REVOKE)])) == {ada: Holding.IN_FORCE}
    assert answers(quick.apply([order(ada, REVOKE), order(ada, REAUTHENTICATE)])) == {ada: Answer.HELD_ALREADY}
    assert okta.count("DELETE") == 1
    assert holdings(quick.verify([order(ada, REAUTHENTICATE)])) == {ada: Holding.IN_FORCE}
    okta.signs_in(ada)
    assert holdings(quick.verify([order(ada, REAUTHENTICATE)])) == {ada: Holding.DONE}


def test_while_the_log_lags_nobody_knows_and_afterwards_silence_is_a_no(okta, quick):
    ada, bob = okta.add("ada@x.example"), okta.add("bob@x.example")
    okta.log_lag_seconds = 600
    list(quick.apply([order(ada, REVOKE)]))
    assert holdings(quick.verify([order(ada, REVOKE)])) == {ada: Holding.UNKNOWN}
    assert answers(quick.apply([order(ada, REVOKE)])) == {ada: Answer.HELD_ALREADY}
    okta.does_nothing = True
    list(quick.apply([order(bob, REVOKE)]))
    with later(130):
        assert holdings(quick.verify([order(bob, REVOKE)])) == {bob: Holding.NOT_IN_FORCE}


def test_the_log_is_asked_for_many_accounts_at_once_because_its_limit_is_the_tightest(okta, quick):
    accounts = [okta.add(f"member{n}@x.example") for n in range(200)]
    orders = [order(account, REVOKE) for account in accounts]
    okta.log_limit = 2400
    list(quick.verify(orders[:1]))
    assert set(answers(quick.apply(orders)).values()) == {Answer.TAKEN}
    assert set(holdings(quick.verify(orders)).values()) == {Holding.IN_FORCE}
    assert set(okta.by_path("DELETE").values()) == {1} and okta.count("DELETE") == 200
    assert okta.count("GET /api/v1/logs") <= 50  # one an account would be 400


def test_an_answer_without_a_deed_is_found_out_by_reading_back(okta, quick):
    ada = okta.add("ada@x.example")
    okta.does_nothing = True
    orders = [order(ada), order(ada, SUSPEND)]
    assert [outcome.answer for outcome in quick.apply(orders)] == [Answer.TAKEN] * 2
    assert [each.holding for each in quick.verify(orders)] == [Holding.NOT_IN_FORCE] * 2


@pytest.mark.parametrize("after_doing_it", [True, False])
@pytest.mark.parametrize(("kind", "call"), [(RESET, "expire_password"), (REVOKE, "DELETE"), (SUSPEND, "/suspend")])
def test_a_lost_answer_is_unknown_and_read_back(okta, quick, organisation, after_doing_it, kind, call):
    ada = okta.add("ada@x.example")
    okta.lose(after_doing_it=after_doing_it, match=call)
    assert answers(quick.apply([order(ada, kind)])) == {ada: Answer.UNKNOWN}
    assert okta.count(call) == 1
    started_again = informed(organisation(), okta)  # another process knows only what Okta shows
    expected = Holding.IN_FORCE if after_doing_it else Holding.NOT_IN_FORCE
    assert holdings(started_again.verify([order(ada, kind)])) == {ada: expected}
    expected = Answer.HELD_ALREADY if after_doing_it else Answer.TAKEN
    assert answers(started_again.apply([order(ada, kind)])) == {ada: expected}
    assert okta.count(call) == (1 if after_doing_it else 2)


def test_a_storm_of_refusals_ends_with_every_account_expired_exactly_once(okta, quick):
    accounts = [okta.add(f"member{n}@x.example") for n in range(60)]
    okta.throttle(times=45)
    left, rounds = list(accounts), 0
    while left:
        rounds += 1
        outcomes = list(quick.apply([order(account) for account in left]))
        assert {outcome.answer for outcome in outcomes} <= {Answer.TAKEN, Answer.LATER}
        left = [outcome.order.account for outcome in outcomes if outcome.answer is Answer.LATER]
    assert rounds > 1
    expired = [event["target"][0]["id"] for event in okta.log if event["eventType"] == "user.account.expire_password"]
    assert sorted(expired) == sorted(accounts)
    assert {user["status"] for user in okta.users.values()} == {"PASSWORD_EXPIRED"}


def test_a_full_window_is_waited_out_elsewhere_until_its_reset(okta, quick):
    accounts = [okta.add(f"member{n}@x.example") for n in range(20)]
    okta.remaining = (
        3  # others use up the organisation's calls: our own limit is not reached, sign-in pages need theirs
    )
    outcomes = list(quick.apply([order(account) for account in accounts]))
    waiting = [outcome for outcome in outcomes if outcome.answer is Answer.LATER]
    assert len(waiting) >= 10
    assert all(50 < outcome.retry_after_seconds <= 61 for outcome in waiting)


def test_the_time_is_predicted_from_the_documented_limit_and_then_from_the_one_read(okta, organisation):
    connected = organisation()
    before = connected.limits()
    assert 1_000_000 * before.calls_per_order / before.per_second / 3600 == pytest.approx(55.6, abs=0.1)
    assert "documented default" in before.source
    okta.limit = 1200
    list(connected.apply([order(okta.add("ada@x.example"))]))
    after = connected.limits()
    assert (after.per_second, after.source) == (10.0, "X-Rate-Limit-Limit 1200, share 50%")
    assert organisation(share="1").limits().per_second == 10.0
    assert organisation(per_second="2").limits().source == "setting per_second"


def test_statuses_and_passwords_kept_elsewhere_are_told_apart(okta, quick):
    gone = okta.add("gone@x.example", status="DEPROVISIONED")
    staged = okta.add("staged@x.example", status="STAGED")
    social = okta.add("social@x.example", provider="SOCIAL")
    synced = okta.add("synced@x.example", provider="ACTIVE_DIRECTORY")
    outcomes = {
        each.order.account: each
        for each in quick.apply([order(who) for who in ("nobody", gone, staged, social, synced)])
    }
    assert {account: each.answer for account, each in outcomes.items()} == {
        "nobody": Answer.ABSENT, gone: Answer.ABSENT, staged: Answer.REFUSED, social: Answer.REFUSED, synced: Answer.TAKEN,
    }  # fmt: skip
    assert "another system" in outcomes[social].reason


def test_a_password_that_a_directory_keeps_is_neither_believed_changed_nor_asked_for_twice(okta, quick):
    ada = okta.add("ada@x.example", provider="ACTIVE_DIRECTORY")
    okta.users[ada]["passwordChanged"] = None
    assert holdings(quick.verify([order(ada)])) == {ada: Holding.NOT_IN_FORCE}
    assert answers(quick.apply([order(ada)])) == {ada: Answer.TAKEN}
    okta.users[ada] |= {"status": "ACTIVE", "statusChanged": datetime.now(UTC).isoformat()}
    assert holdings(quick.verify([order(ada)])) == {ada: Holding.UNKNOWN}
    assert answers(quick.apply([order(ada)])) == {ada: Answer.HELD_ALREADY}


def test_nobody_is_taken_for_somebody_else_because_a_name_begins_alike(okta, quick):
    ada = okta.add("ada@x.example")
    assert answers(quick.apply([order(name) for name in ("ada", "ADA", "me", ".", "..", "", "00u")])) == dict.fromkeys(
        ("ada", "ADA", "me", ".", "..", "", "00u"), Answer.ABSENT
    )
    assert okta.users[ada]["status"] == "ACTIVE"
    assert answers(quick.apply([order("Ada@x.example")])) == {"Ada@x.example": Answer.TAKEN}


def test_undo_unsuspends_and_refuses_what_cannot_be_undone(okta, quick):
    ada = okta.add("ada@x.example")
    list(quick.apply([order(ada, SUSPEND)]))
    assert okta.users[ada]["status"] == "SUSPENDED"
    orders = [order(ada, SUSPEND), order(ada), order(ada, REVOKE)]
    assert [each.answer for each in quick.undo(orders)] == [Answer.TAKEN, Answer.REFUSED, Answer.REFUSED]
    assert okta.users[ada]["status"] == "ACTIVE"
    assert answers(quick.undo([order(ada, SUSPEND)])) == {ada: Answer.HELD_ALREADY}


def test_the_log_tells_who_changed_their_own_password_page_by_page(okta, quick, monkeypatch):
    monkeypatch.setattr("tocsin.integrations.okta.connector.LOG_PAGE", 3)
    accounts = [okta.add(f"member{n}@x.example") for n in range(8)]
    for account in accounts[:7]:
        okta.changes_password(account)
    okta.changes_password(accounts[7], by="00uADMIN")  # set by somebody else: not done by the person
    facts, cursor = quick.done_since("")
    assert [fact.account for fact in facts] == accounts[:7]
    assert {fact.kind for fact in facts} == {DoneKind.PASSWORD_CHANGED}
    assert len({fact.reference for fact in facts}) == 7
    assert okta.count("GET /api/v1/logs") == 3
    again, still = quick.done_since(cursor)
    assert {fact.reference for fact in again} == {fact.reference for fact in facts}  # an overlap, which counts once
    assert still == cursor


def test_accounts_may_be_called_by_their_login(okta, organisation):
    ada = okta.add("ada@x.example")
    connected = organisation(account_attribute="login")
    assert answers(connected.apply([order("ada@x.example")])) == {"ada@x.example": Answer.TAKEN}
    okta.changes_password(ada)
    assert [fact.account for fact in connected.done_since("")[0]] == ["ada@x.example"]


def test_a_service_app_signs_in_with_its_key_and_asks_only_for_the_scopes_it_needs(okta):
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    okta.app_key = key.public_key()
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    connected = connect(
        "o", settings={"url": okta.url, "client_id": "0oaapp", "key_id": "k1"}, secrets={"private_key": pem}
    )
    ada = okta.add("ada@x.example")
    assert answers(connected.apply([order(ada)])) == {ada: Answer.TAKEN}
    assert next(iter(okta.tokens.values())) == {"okta.users.manage", "okta.users.read", "okta.logs.read"}
    other = connect("o", settings={"url": okta.url, "client_id": "another"}, secrets={"private_key": pem})
    with pytest.raises(SystemUnreachable, match="signing in is refused"):
        list(other.apply([order(ada)]))


def test_a_token_that_is_not_accepted_is_a_fault_of_the_whole_system(okta):
    wrong = connect("o", settings={"url": okta.url}, secrets={"api_token": "00wrong"})
    with pytest.raises(SystemUnreachable, match="does not accept our credentials") as raised:
        list(wrong.apply([order("a"), order("b")]))
    assert "00wrong" not in str(raised.value)


def test_a_log_that_continues_at_another_address_is_not_followed(okta, quick):
    okta.changes_password(okta.add("ada@x.example"))
    okta.answer(200, match="/logs", Link='<http://127.0.0.1:1/api/v1/logs?after=1>; rel="next"')
    with pytest.raises(SystemUnreachable):
        quick.done_since("")


@pytest.mark.parametrize(
    ("settings", "secrets", "place"),
    [
        ({"url": "https://x.okta.com", "share": "2"}, {"api_token": "t"}, "setting share"),
        ({"url": "https://x.okta.com"}, {}, "setting api_token"),
        ({"url": "https://x.okta.com"}, {"private_key": "no key"}, "setting client_id"),
        ({"url": "https://x.okta.com", "client_id": "c"}, {"private_key": "no key"}, "setting private_key"),
    ],
)
def test_a_wrong_setting_is_said_with_its_place(settings, secrets, place):
    with pytest.raises(SystemNotUnderstood, match=place) as raised:
        connect("o", settings=settings, secrets=secrets)
    assert "no key" not in str(raised.value)
