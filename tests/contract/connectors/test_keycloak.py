"""Keycloak, against a stand-in written from its published source."""

from collections import Counter

import pytest
from fakes.asking import REAUTHENTICATE, REVOKE, SUSPEND, answers, holdings, later, order
from fakes.keycloak import FakeKeycloak

from tocsin.containment.errors import SystemNotUnderstood, SystemUnreachable
from tocsin.containment.ports import Answer, Holding, Standing
from tocsin.containment.values import DoneKind
from tocsin.integrations.keycloak.connector import connect
from tocsin.kernel import clock


@pytest.fixture
def keycloak():
    with FakeKeycloak() as fake:
        yield fake


@pytest.fixture
def realm(keycloak):
    def connected(**settings):
        given = {"url": keycloak.url, "realm": "shop", "client_id": "tocsin", **settings}
        return connect("id-main", settings=given, secrets={"client_secret": keycloak.client_secret})

    return connected


def test_a_required_action_joins_the_others_and_nothing_else_changes(keycloak, realm):
    ada = keycloak.add("ada", requiredActions=["CONFIGURE_TOTP"])
    neighbour = keycloak.add("bob")
    before = dict(keycloak.users[ada])
    assert answers(realm().apply([order(ada)])) == {ada: Answer.TAKEN}
    after = keycloak.users[ada]
    assert set(after["requiredActions"]) == {"CONFIGURE_TOTP", "UPDATE_PASSWORD"}
    assert {key: after[key] for key in before if key != "requiredActions"} == {
        key: before[key] for key in before if key != "requiredActions"
    }
    assert keycloak.users[neighbour]["requiredActions"] == []
    assert keycloak.count(neighbour) == 0
    assert holdings(realm().verify([order(ada)])) == {ada: Holding.IN_FORCE}


def test_an_order_applied_twice_changes_nothing_twice(keycloak, realm):
    ada = keycloak.add("ada")
    connected = realm()
    list(connected.apply([order(ada), order(ada, REVOKE), order(ada, SUSPEND)]))
    again = [order(ada), order(ada, REVOKE), order(ada, SUSPEND)]
    assert [outcome.answer for outcome in connected.apply(again)] == [Answer.HELD_ALREADY] * 3
    assert (keycloak.count("PUT"), keycloak.count("logout")) == (2, 1)


def test_a_person_who_changed_the_password_since_is_done_and_not_asked_again(keycloak, realm):
    ada = keycloak.add("ada")
    connected = realm()
    list(connected.apply([order(ada)]))
    keycloak.changes_password(ada)
    (shown,) = connected.verify([order(ada)])
    assert shown.holding is Holding.DONE
    assert shown.done_at == clock.from_ms(keycloak.passwords[ada]["createdDate"])
    assert answers(connected.apply([order(ada)])) == {ada: Answer.HELD_ALREADY}
    assert keycloak.users[ada]["requiredActions"] == []


def test_sessions_ended_are_believed_only_when_access_tokens_have_run_out(keycloak, realm):
    ada = keycloak.add("ada")
    connected = realm()
    assert answers(connected.apply([order(ada, REVOKE)])) == {ada: Answer.TAKEN}
    (soon,) = connected.verify([order(ada, REVOKE)])
    assert (soon.holding, "access tokens" in soon.reason) == (Holding.UNKNOWN, True)
    with later(302):
        assert holdings(connected.verify([order(ada, REVOKE)])) == {ada: Holding.IN_FORCE}
    with later(302):
        keycloak.signs_in(ada)
        (done,) = connected.verify([order(ada, REAUTHENTICATE)])
    assert (done.holding, done.done_at is not None) == (Holding.DONE, True)


def test_without_the_right_to_see_the_realm_the_default_life_of_a_token_counts(keycloak, realm):
    ada = keycloak.add("ada")
    keycloak.sees_realm, keycloak.access_token_lifespan = False, 5
    connected = realm()
    list(connected.apply([order(ada, REVOKE)]))
    with later(100):
        assert holdings(connected.verify([order(ada, REVOKE)])) == {ada: Holding.UNKNOWN}
    assert holdings(realm(access_token_seconds="0").verify([order(ada, REVOKE)])) == {ada: Holding.IN_FORCE}


def test_an_answer_without_a_deed_is_found_out_by_reading_back(keycloak, realm):
    ada = keycloak.add("ada")
    keycloak.does_nothing = True
    orders = [order(ada), order(ada, REVOKE), order(ada, SUSPEND)]
    assert [outcome.answer for outcome in realm().apply(orders)] == [Answer.TAKEN] * 3
    assert [each.holding for each in realm().verify(orders)] == [Holding.NOT_IN_FORCE] * 3


@pytest.mark.parametrize("after_doing_it", [True, False])
def test_a_lost_answer_is_unknown_and_read_back(keycloak, realm, after_doing_it):
    ada = keycloak.add("ada")
    keycloak.lose(after_doing_it=after_doing_it, match="PUT")
    assert answers(realm().apply([order(ada)])) == {ada: Answer.UNKNOWN}
    assert keycloak.count("PUT") == 1  # never sent again unasked
    expected = Holding.IN_FORCE if after_doing_it else Holding.NOT_IN_FORCE
    assert holdings(realm().verify([order(ada)])) == {ada: expected}
    assert answers(realm().apply([order(ada)])) == {ada: Answer.HELD_ALREADY if after_doing_it else Answer.TAKEN}
    assert keycloak.count("PUT") == (1 if after_doing_it else 2)


def test_a_storm_of_refusals_ends_with_every_account_changed_exactly_once(keycloak, realm):
    accounts = [keycloak.add(f"member{n}") for n in range(60)]
    keycloak.throttle(times=40, retry_after="0")
    connected, left, rounds = realm(), list(accounts), 0
    while left:
        rounds += 1
        outcomes = list(connected.apply([order(account) for account in left]))
        assert {outcome.answer for outcome in outcomes} <= {Answer.TAKEN, Answer.LATER}
        left = [outcome.order.account for outcome in outcomes if outcome.answer is Answer.LATER]
    assert rounds > 1
    changed = Counter(path for method, path in keycloak.calls if method == "PUT")
    assert (
        len(changed) == 60
        and sum(keycloak.users[account]["requiredActions"] == ["UPDATE_PASSWORD"] for account in accounts) == 60
    )
    assert holdings(connected.verify([order(account) for account in accounts])) == dict.fromkeys(
        accounts, Holding.IN_FORCE
    )


def test_what_cannot_wait_here_is_handed_back_with_the_time_it_must_wait(keycloak, realm):
    accounts = [keycloak.add(f"member{n}") for n in range(20)]
    keycloak.throttle(times=1, retry_after="120", match="PUT")
    outcomes = list(realm(in_flight="1").apply([order(account) for account in accounts]))
    assert {outcome.answer for outcome in outcomes} == {Answer.LATER}
    assert all(100 < outcome.retry_after_seconds <= 120 for outcome in outcomes)
    assert keycloak.count("PUT") == 1


def test_absent_forbidden_read_only_and_passwordless_accounts_are_told_apart(keycloak, realm):
    hidden = keycloak.add("admin")
    keycloak.forbidden.add(hidden)
    synced = keycloak.add("synced", federationLink="ldap-1", origin="READ_ONLY")
    passkey = keycloak.add("passkey", password=False)
    outcomes = {
        each.order.account: each
        for each in realm().apply([order(account) for account in ("nobody", hidden, synced, passkey)])
    }
    assert {account: each.answer for account, each in outcomes.items()} == {
        "nobody": Answer.ABSENT, hidden: Answer.REFUSED, synced: Answer.REFUSED, passkey: Answer.REFUSED,
    }  # fmt: skip
    assert outcomes[synced].reason == "HTTP 400, User is read only!"
    assert "no password here" in outcomes[passkey].reason
    assert "HTTP 403" in outcomes[hidden].reason


def test_a_password_that_a_federation_keeps_is_seen_changed_in_the_events(keycloak, realm):
    ada = keycloak.add("ada", password=False, federationLink="ldap-1")
    connected = realm()
    assert answers(connected.apply([order(ada)])) == {ada: Answer.TAKEN}
    assert holdings(connected.verify([order(ada)])) == {ada: Holding.IN_FORCE}
    keycloak.changes_password(ada)
    assert holdings(connected.verify([order(ada)])) == {ada: Holding.DONE}
    assert answers(connected.apply([order(ada)])) == {ada: Answer.HELD_ALREADY}
    keycloak.sees_events = False
    (outcome,) = connected.apply([order(ada)])  # nobody could see it done: not asked again and again
    assert (outcome.answer, "user federation" in outcome.reason) == (Answer.REFUSED, True)
    assert holdings(connected.verify([order(ada)])) == {ada: Holding.UNKNOWN}
    assert keycloak.count("PUT") == 1


def test_what_is_missing_is_found_before_anything_is_sent(keycloak, realm):
    assert {remark.standing for remark in realm().check()} == {Standing.OK}
    keycloak.sees_realm = keycloak.saves_events = False
    assert [remark.standing for remark in realm().check()] == [Standing.OK, Standing.WARNING, Standing.WARNING]
    assert {remark.standing for remark in realm(access_token_seconds="600").check()} == {Standing.OK, Standing.WARNING}


def test_a_name_that_would_lead_elsewhere_is_no_account(keycloak, realm):
    ada = keycloak.add("ada")
    names = ("..", ".", "", f"{ada}/logout", f"../users/{ada}", f"{ada}?x=1", f"{ada}#", f"{ada}%2Flogout")
    assert answers(realm().apply([order(name, SUSPEND) for name in names])) == dict.fromkeys(names, Answer.ABSENT)
    assert keycloak.users[ada]["enabled"] is True
    assert keycloak.count("PUT") + keycloak.count("POST", "/users/") == 0


def test_undo_takes_the_action_and_the_suspension_back_and_refuses_sessions(keycloak, realm):
    ada = keycloak.add("ada", requiredActions=["VERIFY_EMAIL"])
    connected = realm()
    orders = [order(ada), order(ada, SUSPEND), order(ada, REVOKE)]
    list(connected.apply(orders))
    assert keycloak.users[ada]["enabled"] is False
    assert [outcome.answer for outcome in connected.undo(orders)] == [Answer.TAKEN, Answer.TAKEN, Answer.REFUSED]
    assert keycloak.users[ada]["requiredActions"] == ["VERIFY_EMAIL"]
    assert keycloak.users[ada]["enabled"] is True
    assert keycloak.users[ada]["email"] == "ada@example.com"
    assert [outcome.answer for outcome in connected.undo(orders[:2])] == [Answer.HELD_ALREADY] * 2


def test_the_dry_run_reads_and_changes_nothing(keycloak, realm):
    ada, bob = keycloak.add("ada", requiredActions=["UPDATE_PASSWORD"]), keycloak.add("bob")
    foreseen = realm().plan([order(ada), order(bob), order("nobody")])
    assert (foreseen.known, foreseen.absent, foreseen.held_already, foreseen.changes) == (2, ("nobody",), 1, 1)
    assert {method for method, path in keycloak.calls if "/admin/" in path} == {"GET"}


def test_events_tell_who_changed_the_password_once_each_from_a_cursor_on(keycloak, realm, monkeypatch):
    monkeypatch.setattr("tocsin.integrations.keycloak.connector.EVENTS_PAGE", 3)
    accounts = [keycloak.add(f"member{n}") for n in range(4)]
    for account in accounts:
        keycloak.changes_password(account)
    keycloak.signs_in(accounts[0])
    facts, cursor = realm().done_since("")
    assert {fact.account for fact in facts} == set(accounts)
    assert {fact.kind for fact in facts} == {DoneKind.PASSWORD_CHANGED}
    again, still = realm().done_since(cursor)
    assert {fact.reference for fact in again} == {fact.reference for fact in facts}  # an overlap, which counts once
    assert still == cursor
    assert len({fact.reference for fact in facts}) == len(facts)
    facts, _cursor = realm(sign_ins="yes").done_since("")
    assert [fact.account for fact in facts if fact.kind is DoneKind.SIGNED_IN] == [accounts[0]]


def test_accounts_may_be_called_by_their_name(keycloak, realm):
    keycloak.add("ada")
    keycloak.add("adam")
    connected = realm(account_attribute="username")
    assert answers(connected.apply([order("ada"), order("ad")])) == {"ada": Answer.TAKEN, "ad": Answer.ABSENT}
    keycloak.changes_password(next(iter(keycloak.users)))
    assert {fact.account for fact in connected.done_since("")[0]} == {"ada"}


def test_a_token_that_runs_out_is_renewed_and_asked_for_once_a_batch(keycloak, realm):
    accounts = [keycloak.add(f"member{n}") for n in range(30)]
    connected = realm()
    list(connected.verify([order(account) for account in accounts]))
    assert keycloak.count("token") == 1
    keycloak.tokens.clear()  # as after a restart: it is not known there any more
    assert set(answers(connected.apply([order(account) for account in accounts])).values()) == {Answer.TAKEN}
    assert keycloak.count("PUT") == 30


def test_a_system_that_is_down_or_refuses_us_says_so_as_a_whole_and_names_no_secret(keycloak, realm):
    wrong = connect(
        "id-main",
        settings={"url": keycloak.url, "realm": "shop", "client_id": "tocsin"},
        secrets={"client_secret": "not-the-secret"},
    )
    with pytest.raises(SystemUnreachable, match="signing in is refused, HTTP 401") as raised:
        list(wrong.apply([order("a"), order("b")]))
    assert "not-the-secret" not in str(raised.value)
    away = connect(
        "id", settings={"url": "http://127.0.0.1:9", "realm": "r", "client_id": "c"}, secrets={"client_secret": "x"}
    )
    with pytest.raises(SystemUnreachable, match="no connection"):
        list(away.verify([order("a")]))
    with pytest.raises(SystemUnreachable):
        away.done_since("")


def test_a_redirect_is_not_followed(keycloak, realm):
    keycloak.answer(302, match="token", Location="http://127.0.0.1:1/steal")
    with pytest.raises(SystemUnreachable, match="redirect"):
        list(realm().apply([order("a")]))


def test_an_answer_that_takes_too_long_is_unknown(keycloak, realm):
    ada = keycloak.add("ada")
    keycloak.delay(20.0, match="PUT")
    assert answers(realm(timeout_seconds="2").apply([order(ada)])) == {ada: Answer.UNKNOWN}


def test_a_taker_that_stops_early_stops_the_rest(keycloak, realm):
    accounts = [keycloak.add(f"member{n}") for n in range(50)]
    keycloak.delay(0.5, match="GET", times=100)
    outcomes = realm(in_flight="2").apply([order(account) for account in accounts])
    next(outcomes)
    outcomes.close()
    assert keycloak.count("PUT") < 10


@pytest.mark.parametrize(
    ("settings", "place"),
    [
        ({"url": "http://id.example.com"}, "setting url"),
        ({"url": "ftp://x"}, "setting url"),
        ({"url": "https://u:p@x.example"}, "setting url"),
        ({"account_attribute": "phone"}, "setting account_attribute"),
        ({"timeout_seconds": "soon"}, "setting timeout_seconds"),
        ({"ca_file": "/no/such"}, "setting ca_file"),
        ({"colour": "red"}, "setting colour"),
        ({"realm": ""}, "setting realm"),
    ],
)
def test_a_wrong_setting_is_said_with_its_place(keycloak, realm, settings, place):
    with pytest.raises(SystemNotUnderstood, match=place):
        realm(**settings)


def test_a_missing_secret_is_said_with_its_place():
    with pytest.raises(SystemNotUnderstood, match="setting client_secret"):
        connect("id", settings={"url": "https://id.example", "realm": "r", "client_id": "c"}, secrets={})
