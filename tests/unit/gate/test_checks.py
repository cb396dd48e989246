"""What a check answers."""

from datetime import UTC, datetime

import pytest
from tests.unit.gate.conftest import NOW, OLD_ANDROID, OLD_PACKAGE, REAUTHENTICATE, RESET, SUSPEND, T0, combination

from tocsin_gate import Code, Gate, Misused

BEFORE, AFTER = T0 - 60, T0 + 60


def test_the_intruders_token_is_refused_and_a_neighbours_passes(gate_of):
    gate = gate_of({"ann": 1})
    refused = gate.check("ann", token_issued_at=BEFORE)
    assert (refused.allow, refused.measures, refused.code) == (False, ("reauthenticate",), "reauthentication_required")
    assert (refused.text_key, refused.reference) == ("gate.reauthentication_required", "R-1")
    assert gate.check("bob", token_issued_at=BEFORE).allow
    assert gate.check("bob").code == Code.ALLOWED


def test_who_signed_in_again_passes_without_any_change_of_the_list(gate_of):
    gate = gate_of({"ann": 1})
    assert gate.check("ann", token_issued_at=AFTER).allow
    assert gate.check("ann", token_issued_at=T0).allow
    assert not gate.check("ann", token_issued_at=T0 - 1).allow


def test_an_unknown_token_time_meets_nothing(gate_of):
    gate = gate_of({"ann": 1})
    assert not gate.check("ann").allow
    assert not gate.check("ann", token_issued_at=float("nan")).allow


def test_a_token_time_in_milliseconds_is_not_taken_for_the_far_future(gate_of):
    assert not gate_of({"ann": 1}).check("ann", token_issued_at=AFTER * 1000).allow


def test_a_token_of_the_same_second_does_not_pass_when_it_cannot_be_told_which_came_first(gate_of):
    demands = [{"measure": "reauthenticate", "since": T0 * 1000 + 1, "rule": None}]
    gate = gate_of({"ann": 1}, combinations=[{"demands": demands, "reference": ""}])
    assert not gate.check("ann", token_issued_at=T0).allow
    decision = gate.check("ann", token_issued_at=T0 + 1)
    assert (decision.allow, decision.reference) == (True, None)


def test_times_are_unix_seconds_or_aware_datetimes(gate_of):
    gate = gate_of({"ann": 1})
    assert gate.check("ann", token_issued_at=datetime.fromtimestamp(AFTER, tz=UTC)).allow
    assert not gate.check("ann", token_issued_at=datetime.fromtimestamp(BEFORE, tz=UTC)).allow
    for account in ("ann", "zoe"):
        with pytest.raises(Misused, match="has no zone"):
            gate.check(account, token_issued_at=datetime(2014, 5, 28))  # noqa: DTZ001


def test_a_new_token_does_not_stand_for_a_new_password(gate_of):
    gate = gate_of({"ann": 1}, combinations=[RESET])
    thief = gate.check("ann", token_issued_at=AFTER)
    assert (thief.measures, thief.code) == (("reset_password",), "password_reset_required")
    assert gate.check("ann", token_issued_at=AFTER, password_changed_at=AFTER).allow
    assert gate.check("ann", token_issued_at=BEFORE, password_changed_at=AFTER).measures == ("revoke_sessions",)
    assert not gate.check("ann", token_issued_at=AFTER, password_changed_at=BEFORE).allow


def test_the_weightiest_measure_gives_the_code(gate_of):
    gate = gate_of({"ann": 1}, combinations=[RESET])
    decision = gate.check("ann", token_issued_at=BEFORE)
    assert decision.measures == ("reset_password", "revoke_sessions")
    assert decision.code == "password_reset_required"


def test_suspended_stays_suspended_whatever_is_newer(gate_of):
    gate = gate_of({"eve": 1}, combinations=[SUSPEND])
    decision = gate.check("eve", token_issued_at=AFTER, password_changed_at=AFTER)
    assert (decision.code, decision.measures, decision.reference) == ("suspended", ("suspend",), "R-3")


def test_a_key_is_replaced_by_one_that_was_issued_later(gate_of):
    gate = gate_of({"key-1": 1}, combinations=[combination(("rotate_key", T0, None))])
    assert gate.check("key-1", token_issued_at=BEFORE).code == "key_rotation_required"
    assert gate.check("key-1", token_issued_at=AFTER).allow


def test_the_measure_none_asks_nothing(gate_of):
    assert gate_of({"ann": 1}, combinations=[combination(("none", T0, None))]).check("ann").allow


@pytest.mark.parametrize(
    ("platform", "version", "allowed"),
    [
        ("android", "8.10.2", False),
        ("Android", "8.10.2", False),
        (" ANDROID ", "v8.10", False),
        ("android", "8.11", True),
        ("android", "8.11.0-beta.2", False),
        ("android", "10.0", True),
        ("ios", "1.0", True),
        ("windows", None, True),
        (None, "1.0", True),
        ("", "1.0", True),
        ("android", None, True),
        ("android", "latest", True),
    ],
)
def test_old_android_is_told_to_update_and_nobody_else(gate_of, platform, version, allowed):
    combinations = [combination(("update_client", None, 0))]
    gate = gate_of({"ann": 1}, combinations=combinations, rules=[OLD_ANDROID])
    decision = gate.check("ann", platform=platform, client_version=version)
    assert decision.allow is allowed
    assert decision.version_min == (None if allowed else "8.11")
    assert gate.check("bob", platform=platform, client_version=version).allow


def test_a_rule_for_everyone_holds_for_those_outside_the_list_and_for_nobody_signed_in(gate_of):
    gate = gate_of({"ann": 1}, rules=[{**OLD_ANDROID, "everyone": True}])
    for account in ("ann", "bob", None):
        decision = gate.check(account, token_issued_at=AFTER, platform="android", client_version="8.10")
        assert (decision.code, decision.version_min) == ("client_too_old", "8.11")
        assert decision.reference is None
    both = gate.check("ann", token_issued_at=BEFORE, platform="android", client_version="8.10")
    assert both.measures == ("reauthenticate", "update_client")
    assert (both.code, both.reference) == ("reauthentication_required", "R-1")


def test_an_unknown_version_is_refused_only_where_the_rule_says_so_and_after_its_grace(gate_of, clock):
    rule = {**OLD_ANDROID, "everyone": True, "unknown": "refuse", "until_grace": (NOW + 10) * 1000}
    gate = gate_of({}, rules=[rule])
    assert gate.check("bob", platform="android", client_version="garbage").allow
    clock.now = NOW + 11
    assert gate.check("bob", platform="android", client_version="garbage").code == "client_too_old"
    assert gate.check("bob", platform="android").code == "client_too_old"
    assert gate.check("bob", platform="android", client_version="8.11").allow
    assert gate.check("bob", platform="ios").allow


def test_of_two_minimum_versions_the_higher_is_told(gate_of):
    rules = [{**OLD_ANDROID, "everyone": True, "version_min": low} for low in ("8.9", "8.10")]
    assert gate_of({}, rules=rules).check("bob", platform="android", client_version="1").version_min == "8.10"


def test_a_retired_client_is_refused_by_its_name_and_on_its_platform(gate_of):
    gate = gate_of({}, rules=[{**OLD_PACKAGE, "everyone": True, "platform": "android"}])
    assert gate.check("bob", client="com.example.old", platform="android").code == "client_retired"
    assert gate.check("bob", client="com.example.old", platform="ios").allow
    assert gate.check("bob", client="com.example.new", platform="android").allow
    assert gate.check("bob").allow
    everywhere = gate_of({}, rules=[{**OLD_PACKAGE, "everyone": True}])
    assert everywhere.check("bob", client="com.example.old").code == "client_retired"


def test_accounts_are_used_exactly_as_they_are(gate_of):
    gate = gate_of({"Zoé": 1, "": 1})
    assert not gate.check("Zoé").allow
    for other in ("zoé", "Zoe\u0301", " Zoé", "Zoé\0", "Zo\udce9"):
        assert gate.check(other).allow, other
    assert not gate.check("").allow
    assert gate.check(None).allow


def test_sensitive_acts_are_refused_for_all_when_the_list_is_old(gate_of, clock):
    gate = gate_of({"ann": 1}, made_at=NOW * 1000)
    assert gate.check("bob", sensitive=True).allow
    clock.now = NOW + 900
    assert gate.check("bob", sensitive=True).allow
    clock.now = NOW + 901
    decision = gate.check("bob", sensitive=True)
    assert (decision.allow, decision.code, decision.measures) == (False, "list_too_old", ())
    assert gate.check("ann", sensitive=True, token_issued_at=BEFORE).code == "reauthentication_required"
    assert gate.check("bob").allow
    assert gate.status().stale


def test_a_list_that_says_it_comes_from_the_future_is_no_fresher_than_its_arrival(gate_of, clock):
    gate = gate_of({}, made_at=(NOW + 10**6) * 1000)
    clock.now = NOW + 901
    assert gate.check("bob", sensitive=True).code == "list_too_old"


def test_a_stale_and_expired_list_goes_on_being_enforced(gate_of, clock):
    gate = gate_of({"ann": 1}, not_after=(NOW + 100) * 1000)
    clock.now = NOW + 10**7
    assert not gate.check("ann", token_issued_at=BEFORE).allow
    assert gate.check("bob").allow
    status = gate.status()
    assert (status.expired, status.stale) == (True, True)
    assert status.age_seconds == pytest.approx(clock.now - T0)


def test_more_combinations_widen_the_column(gate_of):
    many = [combination(("reauthenticate", T0 + i, None), reference=f"R-{i}") for i in range(300)]
    gate = gate_of({"ann": 300, "bob": 1}, combinations=many, width=2)
    assert gate.check("ann").reference == "R-299"
    assert gate.check("bob").reference == "R-0"
    wide = gate_of({"ann": 300}, combinations=many, width=4, epoch=2)
    assert wide.check("ann").reference == "R-299"


def test_an_empty_list_asks_nothing(gate_of):
    gate = gate_of({})
    assert gate.check("ann").allow
    assert gate.status().accounts == 0


def test_status_counts_and_is_plain_json(gate_of, writer):
    told = gate_of({"ann": 1, "bob": 1}).status().as_json()
    assert (told["epoch"], told["accounts"], told["way"], told["installation"]) == (1, 2, "signature", "inst-1")
    assert (told["seq"], told["last_refusal"], told["following"], told["changes_believed"]) == (
        0,
        None,
        None,
        "signature",
    )


def test_a_trust_file_that_everyone_can_read_is_told(writer, clock):
    path = writer.trust_file()
    gate = Gate(writer.write({}), trust=path, clock=clock)
    assert gate.status().warnings == ()
    path.chmod(0o644)
    assert "read by everyone" in gate.status().warnings[0]


def test_one_decision_is_made_once(gate_of):
    gate = gate_of({"ann": 1, "bob": 1}, combinations=[REAUTHENTICATE])
    assert gate.check("ann") is gate.check("bob")
