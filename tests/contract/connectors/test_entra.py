"""Microsoft Entra ID, against a stand-in written from Microsoft Graph's documentation."""

from datetime import UTC, datetime, timedelta

import pytest
from fakes.asking import REAUTHENTICATE, RESET, REVOKE, SUSPEND, answers, holdings, order
from fakes.entra import FakeEntra

from tocsin.containment.errors import SystemUnreachable
from tocsin.containment.ports import Answer, Holding
from tocsin.containment.values import DoneKind
from tocsin.integrations.entra.connector import connect
from tocsin.kernel import clock


@pytest.fixture
def entra():
    with FakeEntra() as fake:
        yield fake


@pytest.fixture
def tenant(entra):
    def connected(*, secret=None, **settings):
        given = {
            "tenant": entra.tenant,
            "client_id": entra.client_id,
            "graph": entra.url,
            "login": entra.url,
            **settings,
        }
        connector = connect("entra-main", settings=given, secrets={"client_secret": secret or entra.client_secret})
        connector._wire.paces["write"]._allowed = 2_000  # the documented 20 a second would only make the test slow
        return connector

    return connected


def test_exactly_the_ordered_must_change_their_password_and_no_password_is_ever_set(entra, tenant):
    ada, bob = entra.add("ada"), entra.add("bob")
    connected = tenant()
    assert answers(connected.apply([order(ada)])) == {ada: Answer.TAKEN}
    assert entra.users[ada]["passwordProfile"]["forceChangePasswordNextSignIn"] is True
    assert holdings(connected.verify([order(ada), order(bob)])) == {ada: Holding.IN_FORCE, bob: Holding.NOT_IN_FORCE}
    entra.changes_password(ada)
    (done,) = connected.verify([order(ada)])
    assert (done.holding, done.done_at is not None) == (Holding.DONE, True)
    assert answers(tenant().apply([order(ada)])) == {ada: Answer.HELD_ALREADY}
    assert entra.count("PATCH") == 1


def test_a_second_factor_may_be_asked_first(entra, tenant):
    ada = entra.add("ada")
    connected = tenant(with_mfa="yes")
    list(connected.apply([order(ada)]))
    assert entra.users[ada]["passwordProfile"]["forceChangePasswordNextSignInWithMfa"] is True
    assert holdings(connected.verify([order(ada)])) == {ada: Holding.IN_FORCE}


def test_reads_travel_twenty_at_a_time_and_writes_alone(entra, tenant):
    accounts = [entra.add(f"member{n}") for n in range(100)]
    assert set(answers(tenant().apply([order(account) for account in accounts])).values()) == {Answer.TAKEN}
    assert set(entra.by_path("PATCH").values()) == {1} and entra.count("PATCH") == 100
    assert entra.count("$batch") < 40  # reads wait for one another, not for a clock
    before = entra.count("$batch")
    assert set(holdings(tenant().verify([order(account) for account in accounts])).values()) == {Holding.IN_FORCE}
    assert entra.count("$batch") - before <= 8


def test_sessions_are_revoked_once_and_seen_after_a_while(entra, tenant):
    ada = entra.add("ada")
    entra.lag_seconds = 60
    connected = tenant()
    assert answers(connected.apply([order(ada, REVOKE)])) == {ada: Answer.TAKEN}
    assert holdings(connected.verify([order(ada, REVOKE)])) == {ada: Holding.UNKNOWN}
    assert answers(connected.apply([order(ada, REVOKE)])) == {ada: Answer.HELD_ALREADY}
    entra.seen.clear()
    assert holdings(connected.verify([order(ada, REVOKE)])) == {ada: Holding.IN_FORCE}
    assert answers(tenant().apply([order(ada, REAUTHENTICATE)])) == {ada: Answer.HELD_ALREADY}
    assert entra.count("revokeSignInSessions") == 1
    entra.changes_password(ada)
    assert holdings(tenant().verify([order(ada, REAUTHENTICATE)])) == {ada: Holding.DONE}


@pytest.mark.parametrize("kind", [RESET, REVOKE, SUSPEND])
def test_an_answer_without_a_deed_is_unknown_at_first_and_then_found_out(entra, tenant, kind):
    ada = entra.add("ada")
    entra.does_nothing = True
    connected = tenant()
    assert answers(connected.apply([order(ada, kind)])) == {ada: Answer.TAKEN}
    assert holdings(connected.verify([order(ada, kind)])) == {ada: Holding.UNKNOWN}
    with clock.fixed(datetime.now(UTC) + timedelta(seconds=301)):
        assert holdings(connected.verify([order(ada, kind)])) == {ada: Holding.NOT_IN_FORCE}


@pytest.mark.parametrize("after_doing_it", [True, False])
@pytest.mark.parametrize(("kind", "call"), [(RESET, "PATCH"), (REVOKE, "revokeSignInSessions"), (SUSPEND, "PATCH")])
def test_a_lost_answer_is_unknown_and_read_back(entra, tenant, after_doing_it, kind, call):
    ada = entra.add("ada")
    entra.lose(after_doing_it=after_doing_it, match=call)
    connected = tenant()
    assert answers(connected.apply([order(ada, kind)])) == {ada: Answer.UNKNOWN}
    assert entra.count(call) == 1
    expected = Holding.IN_FORCE if after_doing_it else Holding.NOT_IN_FORCE
    assert holdings(connected.verify([order(ada, kind)])) == {ada: expected}
    assert answers(connected.apply([order(ada, kind)])) == {
        ada: Answer.HELD_ALREADY if after_doing_it else Answer.TAKEN
    }


def test_a_storm_of_refusals_ends_with_every_account_flagged_exactly_once(entra, tenant):
    accounts = [entra.add(f"member{n}") for n in range(60)]
    entra.throttle(times=30, match="PATCH")
    entra.throttle(times=30, match="GET /users/")  # inside batches
    entra.throttle(times=2, match="$batch")
    connected, left, rounds = tenant(), list(accounts), 0
    while left:
        rounds += 1
        outcomes = list(connected.apply([order(account) for account in left]))
        assert {outcome.answer for outcome in outcomes} <= {Answer.TAKEN, Answer.LATER}
        left = [outcome.order.account for outcome in outcomes if outcome.answer is Answer.LATER]
    assert rounds > 1
    assert sorted(entra.changed[60:]) == sorted(accounts)


def test_what_is_kept_elsewhere_is_refused_with_the_reason(entra, tenant):
    synced = entra.add("synced", onPremisesSyncEnabled=True)
    guest = entra.add("guest", externalUserState="Accepted", userType="Guest")
    federated = entra.add("fed", userPrincipalName="fed@Partner.example")
    connected = tenant(federated_domains="partner.example, other.example")
    orders = [order(synced), order(guest), order(federated), order(synced, SUSPEND), order(guest, REVOKE)]
    outcomes = list(connected.apply(orders))
    assert {outcome.answer for outcome in outcomes} == {Answer.REFUSED}
    assert all("another system" in each.reason or "own tenant" in each.reason for each in outcomes)
    assert entra.count("PATCH") == 0


def test_names_that_are_no_account_never_reach_another_function(entra, tenant):
    orders = [
        order(name) for name in ("delta", "", "$count", "00000000-0000-0000-0000-000000000000", "no@contoso.example")
    ]
    assert set(answers(tenant().apply(orders)).values()) == {Answer.ABSENT}
    assert entra.count("delta") == 0


def test_undo_lifts_the_flag_and_the_suspension_and_refuses_sessions(entra, tenant):
    ada = entra.add("ada")
    orders = [order(ada), order(ada, SUSPEND), order(ada, REVOKE)]
    connected = tenant()
    list(connected.apply(orders))
    assert [each.answer for each in connected.undo(orders)] == [Answer.TAKEN, Answer.TAKEN, Answer.REFUSED]
    assert entra.users[ada]["accountEnabled"] is True
    assert entra.users[ada]["passwordProfile"]["forceChangePasswordNextSignIn"] is False
    assert [each.answer for each in connected.apply(orders[:2])] == [Answer.TAKEN, Answer.TAKEN]  # wanted again at once


def test_changed_passwords_are_told_page_by_page_and_once(entra, tenant, monkeypatch):
    monkeypatch.setattr("tocsin.integrations.entra.connector.DELTA_PAGES", 2)
    entra.page = 3
    accounts = [entra.add(f"member{n}") for n in range(8)]
    connected, cursor, facts = tenant(), (datetime.now(UTC) - timedelta(hours=1)).isoformat(), []
    for _call in range(3):
        found, cursor = connected.done_since(cursor)
        facts += found
    assert facts == []  # all passwords are older than the moment asked for
    entra.changes_password(accounts[5])
    facts, cursor = connected.done_since(cursor)
    assert [(fact.account, fact.kind) for fact in facts] == [(accounts[5], DoneKind.PASSWORD_CHANGED)]
    assert connected.done_since(cursor) == ([], cursor)
    entra.forgets_delta = True
    facts, cursor = connected.done_since(cursor)
    entra.forgets_delta, entra.page = False, 100
    facts, cursor = connected.done_since(cursor)
    assert [fact.account for fact in facts] == [accounts[5]]


def test_accounts_may_be_called_by_their_principal_name(entra, tenant):
    entra.add("ada")
    connected = tenant(account_attribute="userPrincipalName")
    assert answers(connected.apply([order("ada@contoso.example")])) == {"ada@contoso.example": Answer.TAKEN}
    entra.changes_password(next(iter(entra.users)))
    assert {fact.account for fact in connected.done_since("")[0]} == {"ada@contoso.example"}


def test_the_time_is_predicted_from_the_documented_limit(entra):
    settings = {"tenant": "t", "client_id": "c"}
    limits = connect("e", settings=settings, secrets={"client_secret": "s"}).limits()
    assert 1_000_000 * limits.calls_per_order / limits.per_second / 3600 == pytest.approx(13.9, abs=0.1)
    assert "documented" in limits.source


def test_a_cursor_that_leads_elsewhere_is_not_followed(entra, tenant):
    with pytest.raises(SystemUnreachable, match="another address"):
        tenant().done_since("2014-03-14T00:00:00Z http://127.0.0.1:1/v1.0/users/delta?$deltatoken=1")


def test_a_wrong_secret_is_a_fault_of_the_whole_system_and_is_not_repeated(entra, tenant):
    with pytest.raises(SystemUnreachable, match="signing in is refused, HTTP 401") as raised:
        list(tenant(secret="not-the-secret").apply([order(entra.add("ada"))]))
    assert "not-the-secret" not in str(raised.value)
