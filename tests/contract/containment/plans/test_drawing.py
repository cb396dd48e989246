"""Drawing a plan: exactly the scope, each account once, and everything a person must know before approving."""

from collections import Counter
from pathlib import Path

import pytest

from tocsin.containment import commands, policy_file, queries
from tocsin.containment.errors import AccountsLeftOut, NothingToContain, PolicyNotUnderstood, ScopeNotFrozen
from tocsin.containment.states import PlanState
from tocsin.journal.values import Assurance, Author

CASE_2014 = """
policy: stolen-signing-key
leaked: [session, client]
rules:
  - name: the intruder's own
    when: {role: attacker}
    measures: [suspend]
    at_once: true
  - name: the one the intruder used
    when: {certainty: confirmed}
    measures: [revoke_sessions, reauthenticate]
    at_once: true
  - name: old Android
    when: {platform: android, version_upto: 8.10.2}
    measures:
      - reauthenticate
      - update_client: {platform: android, version_min: "8.11"}
  - name: nobody else is troubled
    when: {platform: [ios, windows, android]}
    measures: none
    reason: Their clients prove themselves with other keys.
"""
SCOPE_2014 = [
    {"account": "victim", "certainty": "confirmed", "platform": "windows"},
    {"account": "old", "certainty": "precaution", "platform": "android", "client_version": "8.10.2"},
    {"account": "older", "certainty": "precaution", "platform": "Android", "client_version": "7.0-beta"},
    {"account": "unreadable", "certainty": "precaution", "platform": "android", "client_version": "nightly"},
    {"account": "new", "certainty": "precaution", "platform": "android", "client_version": "8.11"},
    {"account": "apple", "certainty": "precaution", "platform": "ios", "client_version": "1.0"},
    {"account": "scraper", "role": "attacker", "certainty": "confirmed", "platform": "web"},
]


def test_the_case_of_2014_gets_exactly_its_measures(company, rows_of):
    company.freeze(SCOPE_2014)
    plan = company.draw(CASE_2014)
    found = rows_of(plan)
    measures = {
        account: [each["kind"] for each in plan.combinations[row["combination"]]["measures"]]
        for account, row in found.items()
        if row["wave"]
    }
    update = ["reauthenticate", "update_client"]
    assert measures == {
        "victim": ["revoke_sessions", "reauthenticate"],
        "old": update,
        "older": update,
        "unreadable": update,
        "scraper": ["suspend"],
    }
    assert {account for account, row in found.items() if row["kept"] == "none"} == {"new", "apple"}
    assert plan.accounts == 5 and plan.dry_run["none"] == 2
    assert plan.dry_run["rules"][-1]["reason"] == "Their clients prove themselves with other keys."
    assert found["scraper"]["wave"] == 1 and found["victim"]["wave"] == 1


def test_identities_the_intruder_used_are_measured_and_counted_apart(company, rows_of):
    company.freeze(["u1", "both"], principals=["ravi@example.test", "both"])
    plan = commands.draw_plan(
        company.incident, policy=policy_file.read_policy("session-leak"), systems={}, by=company.by
    )
    found = rows_of(plan)["ravi@example.test"]
    assert (found["role"], found["certainty"], found["wave"]) == ("principal", "confirmed", 1)
    kinds = [each["kind"] for each in plan.combinations[found["combination"]]["measures"]]
    assert kinds == ["revoke_sessions", "reset_password"]
    assert plan.dry_run["principals"] == {"scope": 1, "measured": 1}
    assert (plan.accounts, plan.dry_run["scope_accounts"]) == (3, 2)
    assert plan.dry_run["difference"]["outside_scope"] == 0
    assert rows_of(plan)["both"]["role"] == "victim"


def test_who_is_proven_to_be_affected_does_not_wait_for_the_last_wave(company, rows_of):
    company.freeze([{"account": "proven", "certainty": "confirmed"}, *(f"u{n}" for n in range(500))])
    for policy in (policy_file.read_policy("session-leak"), queries.automatic((queries.Leaked.SESSION,))):
        plan = commands.draw_plan(company.incident, policy=policy, systems={}, by=company.by)
        assert rows_of(plan)["proven"]["wave"] == 1


def test_a_follow_up_keeps_hold_of_an_identity_the_evidence_still_names(company, started):
    company.freeze(["u1"], principals=["ravi"])
    started()
    company.freeze(["u1", "u2"], principals=["ravi"])
    plan = company.draw()
    assert (plan.dry_run["released"], plan.dry_run["held"], plan.accounts) == (0, 2, 1)


def test_a_plan_and_its_scope_differ_in_nobody(company):
    company.freeze([f"u{n}" for n in range(3000)])
    plan = company.draw()
    assert plan.dry_run["difference"] == {"outside_scope": 0, "missing_of_scope": 0, "without_measure": 0}
    assert plan.accounts == plan.dry_run["scope_accounts"] == 3000


def test_waves_hold_a_canary_first_and_are_the_same_each_time(company, rows_of):
    company.freeze([f"u{n}" for n in range(2000)])
    first, second = (rows_of(company.draw()) for _ in range(2))
    assert Counter(row["wave"] for row in first.values()) == {1: 2, 2: 18, 3: 180, 4: 1800}
    assert {a: row["wave"] for a, row in first.items()} == {a: row["wave"] for a, row in second.items()}


def test_a_plan_of_one_account_has_one_wave(company):
    company.freeze(["only"])
    assert [(wave.number, wave.share, wave.accounts) for wave in company.draw().waves] == [(1, 1.0, 1)]


def test_a_scope_that_is_not_frozen_is_refused_with_the_mend(company):
    company.freeze(["u1"], frozen=False)
    with pytest.raises(ScopeNotFrozen, match="tocsin scope freeze 1"):
        company.draw()


def test_accounts_without_a_rule_are_named_and_the_plan_is_refused(company):
    company.freeze([{"account": "u1", "platform": "web"}, {"account": "u2", "platform": "ios"}])
    only = "policy: p\nrules:\n  - {when: {platform: web}, measures: [reauthenticate]}\n"
    with pytest.raises(AccountsLeftOut, match=r"1 accounts .* u2 \(victim, likely, ios\)"):
        company.draw(only)


def test_exempt_accounts_are_named_and_not_measured(company, rows_of, tmp_path: Path):
    company.freeze(["u1", "u2", "robot", "root"])
    (tmp_path / "robots.csv").write_text("account,owner\nrobot,ops\nnot-in-scope,ops\n", encoding="utf-8")
    text = """
policy: p
lists: {robots: {file: robots.csv}}
exempt:
  - {list: robots, kind: service, reason: the nightly export}
  - {accounts: [root], kind: break_glass, reason: the last way in}
rules:
  - {measures: [reset_password]}
"""
    plan = company.draw(text)
    shown = plan.dry_run["exemptions"]
    assert [(each["kind"], each["accounts"], each["named"], each["names"]) for each in shown] == [
        ("service", 1, 2, ["robot"]),
        ("break_glass", 1, 1, ["root"]),
    ]
    assert {a for a, row in rows_of(plan).items() if row["wave"]} == {"u1", "u2"}
    assert rows_of(plan)["robot"]["exempt"] == "service: the nightly export"


def test_passkey_accounts_only_lose_their_sessions(company, rows_of, tmp_path: Path):
    company.freeze(["passkey", "password"])
    (tmp_path / "keys.csv").write_text("account\npasskey\n", encoding="utf-8")
    passkeys = policy_file.list_from_file("passkeys", tmp_path / "keys.csv", where="--passkeys")
    policy = queries.automatic((queries.Leaked.PASSWORD,), passkeys=passkeys)
    plan = commands.draw_plan(company.incident, policy=policy, systems={}, by=company.by)
    found = rows_of(plan)
    kinds = {a: [m["kind"] for m in plan.combinations[row["combination"]]["measures"]] for a, row in found.items()}
    assert kinds == {"passkey": ["revoke_sessions"], "password": ["reset_password", "revoke_sessions"]}


def test_the_dry_run_says_what_a_system_cannot_undo_and_how_long_it_takes(company, system):
    company.freeze([f"u{n}" for n in range(300)])
    plan = company.draw(directory=system)
    (shown,) = plan.dry_run["systems"]
    assert shown["orders"] == {"revoke_sessions": 300}
    assert shown["cannot_undo"] == ["revoke_sessions"]
    assert shown["warnings"] == ["A flag is not enforcement."]
    assert shown["seconds"] == 300 * 2 / 10
    assert shown["asked"]["absent"] == 1
    assert plan.combinations[0]["systems"] == {"revoke_sessions": ["gate", "directory"], "reauthenticate": ["gate"]}


def test_collateral_damage_is_counted_and_its_assumptions_are_shown(company):
    company.freeze([f"u{n}" for n in range(1000)])
    plan = company.draw("policy: p\nrules:\n  - {measures: [reset_password]}\ncollateral: {calls_per_reset: 0.1}\n")
    shown = plan.dry_run["collateral"]
    assert (shown["resets"], shown["support_calls"], shown["locked_out"]) == (1000, 100, 20)
    assert shown["assumptions"]["calls_per_reset"] == 0.1


def test_a_measure_that_no_named_system_takes_is_refused(company, system):
    company.freeze(["u1"])
    text = "policy: p\nsystems: [directory]\nrules:\n  - {measures: [rotate_key]}\n"
    with pytest.raises(PolicyNotUnderstood, match="takes the measure rotate_key"):
        company.draw(text, directory=system)
    with pytest.raises(PolicyNotUnderstood, match="No connected system is called directory"):
        company.draw(text)


def test_a_plan_drawn_again_takes_the_place_of_the_one_that_waited(company):
    company.freeze(["u1"])
    first, second = company.draw(), company.draw()
    assert queries.plan(first.number).state is PlanState.SUPERSEDED
    assert (second.number, second.state) == (2, PlanState.DRAWN)


def test_a_plan_for_nobody_is_refused(company):
    company.freeze(["u1"])
    with pytest.raises(NothingToContain):
        company.draw("policy: p\nrules:\n  - {measures: none, reason: nothing was taken}\n")


def test_drawing_needs_no_key_but_a_name(company):
    company.freeze(["u1"])
    plan = company.draw(by=Author(name="night shift", assurance=Assurance.ASSERTED))
    assert plan.by_staff_id is None
