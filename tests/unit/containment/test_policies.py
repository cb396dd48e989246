"""Policies: read with every mistake named by file and line, and chosen from what leaked."""

from pathlib import Path

import pytest

from tocsin.containment import policy_file
from tocsin.containment.errors import PolicyNotUnderstood
from tocsin.containment.policy import APPROVAL_ABOVE_MAX, Leaked, automatic, policy_json
from tocsin.containment.values import Measure, MeasureKind

HEAD = "policy: p\n"


def read(text, folder=Path("x")):
    return policy_file.policy_of(text, file=folder / "p.yml")


def kinds(rule):
    return [each.kind.value for each in rule.measures]


@pytest.mark.parametrize("name", policy_file.shipped_policies())
def test_a_shipped_policy_suspends_attackers_and_leaves_nobody_without_a_rule(name):
    policy = policy_file.read_policy(name)
    attackers = next(rule for rule in policy.rules if rule.when.roles == ("attacker",))
    assert kinds(attackers) == ["suspend"] and attackers.at_once
    assert next(rule for rule in policy.rules if rule.when.roles == ("principal",)).at_once
    assert all(rule.measures for rule in policy.rules)


def test_three_policies_are_shipped():
    assert policy_file.shipped_policies() == ("password-leak", "precaution", "session-leak")


@pytest.mark.parametrize(
    ("leaked", "measures"),
    [
        (["session"], ["revoke_sessions", "reauthenticate"]),
        (["password"], ["reset_password", "revoke_sessions"]),
        (["key"], ["rotate_key"]),
        (["session", "password"], ["revoke_sessions", "reauthenticate", "reset_password"]),
    ],
)
def test_what_leaked_chooses_the_measures(leaked, measures):
    policy = automatic(tuple(Leaked(each) for each in leaked))
    assert kinds(policy.rules[-1]) == measures
    assert kinds(policy.rules[0]) == ["suspend"]


def test_a_leaked_client_key_asks_only_that_platform_to_update():
    update = Measure(MeasureKind.UPDATE_CLIENT, platform="android", version_min="8.11")
    policy = automatic((Leaked.CLIENT,), updates=(update,))
    asking = [rule for rule in policy.rules if update in rule.measures]
    assert {rule.when.platforms for rule in asking} == {("android",)}
    assert {rule.when.version_below for rule in asking} == {"8.11"}
    assert policy.everyone == (update,)


def test_a_version_stays_the_text_it_was():
    text = HEAD + "rules:\n  - when: {platform: android, version_below: 8.10}\n    measures: [reauthenticate]\n"
    assert read(text).rules[0].when.version_below == "8.10"


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        (HEAD + "rules:\n  - measurs: [suspend]\n", 3, "Unknown key 'measurs'"),
        (HEAD + "rules:\n  - measures: [supend]\n", 3, "'supend' is not known"),
        (HEAD + "rules:\n  - measures: none\n", 3, "needs a reason"),
        (HEAD + "rules:\n  - measures: auto\n", 3, "does not say"),
        (HEAD + "rules:\n  - measures: [update_client]\n", 3, "which client"),
        (HEAD + "rules:\n  - measures:\n    - update_client: {platform: ios}\n", 4, "needs version_min"),
        (HEAD + "rules:\n  - measures: [suspend, reset_password]\n", 3, "cannot do anything else"),
        (HEAD + "rules:\n  - {when: {version_below: '8'}, measures: [suspend]}\n", 3, "of a platform"),
        (HEAD + "rules:\n  - {when: {list: x}, measures: [suspend]}\n", 3, "'x' is not known"),
        (HEAD + "rules:\n  - {when: {role: boss}, measures: [suspend]}\n", 3, "'boss' is not known"),
        (HEAD + "rules: []\n", 2, "needs rules"),
        ("rules:\n  - measures: [suspend]\n", 1, "policy is missing"),
        (HEAD + "policy: q\nrules:\n  - measures: [suspend]\n", 2, "stands here twice"),
        (HEAD + "rules:\n  - measures: [suspend]\nwaves: {shares: [0.5, 0.1, 1]}\n", 4, "grow from wave to wave"),
        (HEAD + f"rules:\n  - measures: [suspend]\napproval: {{above: {APPROVAL_ABOVE_MAX + 1}}}\n", 4, "between 0 and"),
        (HEAD + "rules:\n  - measures: [suspend]\napproval: {people: 1}\n", 4, "between 2 and"),
        (HEAD + "rules:\n  - measures: [suspend]\neveryone: [suspend]\n", 4, "Only rules about clients"),
        (HEAD + "exempt:\n  - {accounts: [a], kind: service}\nrules:\n  - measures: [suspend]\n", 3, "needs a reason"),
        (HEAD + "rules:\n  - measures: [suspend\n", 4, "not YAML"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_by_line_with_a_mend(text, line, what):
    with pytest.raises(PolicyNotUnderstood) as caught:
        read(text)
    assert what in caught.value.what
    assert caught.value.where.endswith(f"p.yml:{line}")
    assert caught.value.mend


def test_a_list_file_without_the_column_account_is_refused(tmp_path):
    (tmp_path / "l.csv").write_text("name\nx\n", encoding="utf-8")
    text = HEAD + "lists: {l: {file: l.csv}}\nrules:\n  - {when: {list: l}, measures: [suspend]}\n"
    with pytest.raises(PolicyNotUnderstood, match="no column account"):
        read(text, tmp_path)


def test_a_plan_keeps_what_a_list_holds_and_not_where_it_lay(tmp_path):
    (tmp_path / "l.csv").write_text("account\nx\n", encoding="utf-8")
    text = HEAD + "lists: {l: {file: l.csv}}\nrules:\n  - {when: {list: l}, measures: [suspend]}\n"
    kept = policy_json(read(text, tmp_path), list_sizes={"l": 1})
    assert kept["lists"][0]["accounts"] == 1 and len(kept["lists"][0]["sha256"]) == 64
    assert str(tmp_path) not in str(kept)


def test_a_rule_for_another_leak_is_left_out():
    text = (
        HEAD + "leaked: [session]\nrules:\n  - {leaked: password, measures: [reset_password]}\n  - {measures: auto}\n"
    )
    assert [kinds(rule) for rule in read(text).rules] == [["revoke_sessions", "reauthenticate"]]
