"""Published lists and their changes, on a real database, applied to the gate's own reader."""

import random
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
from click.testing import CliRunner

from tocsin.cli import gate as cli_gate
from tocsin.containment import commands, gate_changes, gate_epochs, gate_list, queries
from tocsin.containment.values import GateList
from tocsin.journal.values import MACHINE
from tocsin.kernel import clock
from tocsin.kernel.loading import lazily
from tocsin_gate import Applied, Gate

models = lazily("tocsin.containment.models")
journal_models = lazily("tocsin.journal.models")

SINCE = datetime(2026, 3, 2, 12, tzinfo=UTC)
NOW = SINCE + timedelta(hours=6)
TOKEN = SINCE.timestamp()  # of the containment's very second: new enough


@pytest.fixture(autouse=True)
def _clock():
    gate_changes._known.clear()
    with clock.fixed(NOW):
        yield


def asks(*kinds: str, systems: tuple[str, ...] = ("gate",), **details: str) -> dict[str, Any]:
    listed = [{"kind": kind} | (details if kind.endswith("_client") else {}) for kind in kinds]
    return {"measures": listed, "systems": {kind: list(systems) for kind in kinds}}


def publish(reason: str = "test") -> GateList:
    return commands.publish_list(reason=reason, by=MACHINE)


def gate() -> Gate:
    """Open the file gates look at, and bring it every change there is."""
    opened = Gate(gate_epochs.folder() / gate_list.NAME, trust=queries.trust(), clock=lambda: clock.now().timestamp())
    follow(opened)
    return opened


def follow(opened: Gate) -> None:
    epoch, seq = opened.position
    for change in queries.changes_after(epoch, seq=seq, limit=1000).changes:
        assert opened.apply(orjson.loads(change.content)) is Applied.APPLIED


def progress(plan: Any, account: str, *, state: str = "planned", done: tuple[str, ...] = (), combination: int = 0, wave: int = 1):  # fmt: skip
    models.ContainmentProgress.objects.update_or_create(
        plan=plan, account=account,
        defaults={"combination": combination, "wave": wave, "state": state, "state_at": clock.now(),
                  "measures_done": dict.fromkeys(done, SINCE.isoformat())},
    )  # fmt: skip


def measures(opened: Gate, account: str, **more: Any) -> tuple[str, ...]:
    return opened.check(account, **more).measures


def test_the_list_is_of_the_begun_waves_of_plans_in_force_and_of_what_the_gate_takes(plans):
    combinations = [asks("reset_password", "revoke_sessions"), asks("reauthenticate"), asks("rotate_key", systems=("aws",)), asks("suspend")]  # fmt: skip
    plan = plans(combinations, {"a": 0, "b": 1, "c": 2, "d": 3})
    published = publish()
    opened = gate()
    assert (published.epoch, published.accounts, published.plans) == (1, 3, (plan.number,))
    assert measures(opened, "a") == ("reset_password", "revoke_sessions")
    assert measures(opened, "b") == ("reauthenticate",) and opened.check("b", token_issued_at=TOKEN).allow
    assert opened.check("c").allow and opened.check("nobody").allow
    assert measures(opened, "d") == ("suspend",)
    assert opened.check("a").reference == f"I{plan.incident.number}-P{plan.number}"


def test_an_account_of_several_plans_is_asked_for_all_of_them(plans):
    plans([asks("reauthenticate")], {"a": 0, "b": 0})
    plans([asks("reauthenticate", "reset_password")], {"a": 0, "c": 0}, since=SINCE + timedelta(hours=1))
    publish()
    opened = gate()
    assert measures(opened, "a", token_issued_at=TOKEN + 3599) == ("reset_password", "reauthenticate")
    assert measures(opened, "a", token_issued_at=TOKEN + 3600) == ("reset_password",)
    assert opened.check("b", token_issued_at=TOKEN).allow
    assert opened.check("a").reference == "I2-P2"


def test_what_is_due_and_why_is_a_question(plans):
    assert queries.list_due() is None and not queries.changes_due()
    plan = plans([asks("suspend")], {"a": 0})
    assert queries.list_due() == "first"
    publish()
    assert queries.list_due() is None and not queries.changes_due()
    plan.waves.update(state="waiting")
    assert queries.list_due() == "plans_changed"
    plan.waves.update(state="held")
    assert queries.list_due() is None
    gate_list.path_of(1).unlink()
    assert queries.list_due() == "file_lost"
    with clock.fixed(NOW + timedelta(days=16)):
        publish()
        assert queries.list_due() is None
    with clock.fixed(NOW + timedelta(days=40)):
        assert queries.list_due() == "renewed"
    models.ContainmentPlan.objects.update(state="undone")
    assert queries.list_due() == "plans_changed"
    assert publish().accounts == 0 and gate().check("a").allow


def test_a_closed_plan_keeps_stolen_tokens_and_suspended_accounts_out(plans):
    plan = plans([asks("suspend"), asks("reauthenticate", "reset_password")], {"thief": 0, "a": 1})
    plan.policy = {"everyone": [{"kind": "update_client", "platform": "android", "version_min": "8.11"}]}
    plan.state = "closed"
    plan.save()
    publish()
    opened = gate()
    assert measures(opened, "thief") == ("suspend",)
    assert measures(opened, "a", token_issued_at=TOKEN - 1) == ("reauthenticate",)
    assert opened.check("a", token_issued_at=TOKEN + 1).allow
    asked = measures(opened, "a", token_issued_at=TOKEN + 1, platform="android", client_version="8.10")
    assert asked == ("update_client",)
    models.ContainmentPlan.objects.update(closed_at=clock.now() - timedelta(days=91))
    assert queries.list_due() == "plans_changed"
    publish()
    opened = gate()
    assert opened.check("a", token_issued_at=TOKEN - 1).allow and measures(opened, "thief") == ("suspend",)


def test_what_was_lifted_or_done_before_is_not_in_the_next_list_but_the_old_token_stays_out(plans):
    plan = plans([asks("reset_password", "revoke_sessions", "update_client", platform="android", version_min="8.11")], dict.fromkeys("abcd", 0))  # fmt: skip
    progress(plan, "a", state="undone")
    progress(plan, "b", state="exempt")
    progress(plan, "c", state="done", done=("reset_password", "revoke_sessions", "update_client"))
    assert publish().accounts == 2
    opened = gate()
    assert opened.check("a").allow and opened.check("b").allow
    assert opened.check("c", token_issued_at=TOKEN, platform="android", client_version="8.11").allow
    assert measures(opened, "c", token_issued_at=TOKEN - 1) == ("revoke_sessions",)
    assert measures(opened, "c", token_issued_at=TOKEN, platform="android", client_version="8.9") == ("update_client",)
    assert measures(opened, "d", token_issued_at=TOKEN) == ("reset_password",)


def test_a_change_lets_exactly_one_account_through_and_taking_it_back_holds_it_again(plans):
    plan = plans([asks("reset_password", "reauthenticate")], dict.fromkeys("abc", 0))
    publish()
    opened = gate()
    progress(plan, "a", state="done", done=("reset_password", "reauthenticate"))
    assert queries.changes_due()
    assert commands.publish_changes(by=MACHINE) == 1
    follow(opened)
    assert opened.check("a", token_issued_at=TOKEN).allow and not opened.check("a", token_issued_at=TOKEN - 1).allow
    assert not opened.check("b", token_issued_at=TOKEN).allow
    progress(plan, "a", state="planned", done=("reauthenticate",))
    assert commands.publish_changes(by=MACHINE) == 1
    follow(opened)
    assert measures(opened, "a", token_issued_at=TOKEN) == ("reset_password",)
    assert commands.publish_changes(by=MACHINE) == 0


def test_what_a_request_shows_by_itself_needs_no_change(plans):
    plan = plans([asks("reauthenticate", "update_client", platform="ios", version_min="2")], {"a": 0})
    publish()
    progress(plan, "a", state="closed", done=("reauthenticate", "update_client"))
    assert commands.publish_changes(by=MACHINE) == 0
    assert models.GateChange.objects.count() == 0


def test_lifting_an_account_of_two_plans_leaves_what_the_other_asks(plans):
    first = plans([asks("suspend")], {"a": 0, "b": 0})
    second = plans([asks("reset_password", "rotate_key")], {"a": 0})
    publish()
    opened = gate()
    progress(first, "a", state="undone")
    assert commands.publish_changes(by=MACHINE) == 1
    follow(opened)
    assert measures(opened, "a") == ("reset_password", "rotate_key")
    progress(second, "a", done=("rotate_key",))
    assert commands.publish_changes(by=MACHINE) == 1
    follow(opened)
    assert measures(opened, "a") == ("reset_password",) and measures(opened, "b") == ("suspend",)
    progress(second, "a", state="undone")
    commands.publish_changes(by=MACHINE)
    follow(opened)
    assert opened.check("a").allow


def test_an_account_lifted_when_the_list_was_made_is_added_when_it_is_asked_again(plans):
    plan = plans([asks("suspend")], {"a": 0, "b": 0})
    progress(plan, "a", state="undone")
    assert publish().accounts == 1
    opened = gate()
    progress(plan, "a", state="planned")
    assert commands.publish_changes(by=MACHINE) == 1
    follow(opened)
    assert measures(opened, "a") == ("suspend",)
    progress(plan, "a", state="undone")
    assert commands.publish_changes(by=MACHINE) == 1
    follow(opened)
    assert opened.check("a").allow


def test_a_gate_that_joins_late_and_one_that_was_there_are_told_the_same(plans, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(gate_changes, "ITEMS_PER_CHANGE", 3)
    chance, accounts = random.Random(3), [f"a{n}" for n in range(60)]
    plan = plans(
        [asks("reset_password", "rotate_key"), asks("suspend")], {name: n % 2 for n, name in enumerate(accounts)}
    )
    publish()
    there = gate()
    for turn in range(12):
        with clock.fixed(NOW + timedelta(minutes=turn)):
            for name in chance.sample(accounts, 7):
                state = chance.choice(["planned", "done", "undone", "appealed", "exempt"])
                done = tuple(chance.sample(["reset_password", "rotate_key", "suspend"], chance.randrange(4)))
                progress(plan, name, state=state, done=done, combination=accounts.index(name) % 2)
            if turn % 5 == 4:
                gate_changes._known.clear()
            commands.publish_changes(by=MACHINE)
            follow(there)
            late = gate()
            rows = {row.account: row for row in models.ContainmentProgress.objects.all()}
            for n, name in enumerate(accounts):
                row, wanted = rows.get(name), ("reset_password", "rotate_key") if n % 2 == 0 else ("suspend",)
                if row and row.state in ("undone", "exempt"):
                    wanted = ()
                elif row:
                    wanted = tuple(each for each in wanted if each == "suspend" or each not in row.measures_done)
                assert measures(there, name) == measures(late, name) == wanted, (turn, name)
    assert models.GateChange.objects.count() > 12


def test_too_many_changes_make_a_new_list_and_another_wave_too(plans, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(gate_changes, "CHANGES_MIN", 3)
    plan = plans([asks("reset_password")], {f"a{n}": 0 for n in range(10)})
    publish()
    for n in range(4):
        progress(plan, f"a{n}", state="done", done=("reset_password",))
    assert commands.publish_changes(by=MACHINE) == 0
    published = queries.list_in_force()
    assert (published.epoch, published.accounts, published.reason) == (2, 6, "many_changes")
    assert commands.publish_changes(by=MACHINE) == 0 and queries.list_in_force().epoch == 2


def test_progress_of_a_transaction_that_was_still_open_is_not_lost(plans):
    plan = plans([asks("reset_password")], {"a": 0, "b": 0})
    publish()
    with clock.fixed(NOW + timedelta(hours=1)):
        progress(plan, "b", state="done", done=("reset_password",))
        commands.publish_changes(by=MACHINE)
    with clock.fixed(NOW + timedelta(hours=1) - gate_changes.gate_plans.OVERLAP):
        progress(plan, "a", state="done", done=("reset_password",))
    with clock.fixed(NOW + timedelta(hours=1)):
        assert commands.publish_changes(by=MACHINE) == 1


def test_every_list_and_change_has_its_journal_entry_and_no_account_in_it(plans):
    plan = plans([asks("reset_password")], {"secret-name": 0, "b": 0})
    publish("wave 1")
    progress(plan, "secret-name", state="done", done=("reset_password",))
    commands.publish_changes(by=MACHINE)
    entries = journal_models.JournalEntry.objects.order_by("id")
    assert [each.verb for each in entries] == ["containment.gate_list_published", "containment.gate_changes_published"]
    assert all("secret-name" not in each.content for each in entries)
    assert models.GateEpoch.objects.get().reason == "wave 1"


def test_only_the_last_two_lists_are_kept_and_epochs_outlive_the_database(plans):
    plans([asks("suspend")], {"a": 0})
    for _ in range(4):
        publish()
    assert sorted(path.name for path in (gate_epochs.folder() / "lists").iterdir()) == ["3.tcs", "4.tcs"]
    models.GateEpoch.objects.all().delete()
    assert publish().epoch == 5


def test_what_gates_report_is_kept_and_says_who_is_behind(plans):
    plans([asks("suspend")], {"a": 0})
    publish()
    commands.record_enforcing("edge-1", epoch=1, seq=0)
    commands.record_enforcing("edge-2", epoch=1, seq=0)
    publish()
    commands.record_enforcing("edge-2", epoch=2, seq=0)
    assert [(each.gate, each.current) for each in queries.gates()] == [("edge-1", False), ("edge-2", True)]


class Opened:
    """The wiring, of which these commands use only the way to the rows."""

    def rows(self):
        return nullcontext()


def test_from_the_shell_the_list_is_published_and_its_standing_told(plans):
    runner = CliRunner()
    assert "no list" in runner.invoke(cli_gate.command, ["publish"], obj=Opened()).stdout
    assert "No list" in runner.invoke(cli_gate.command, ["status"], obj=Opened()).stdout
    plan = plans([asks("reset_password")], {"a": 0, "b": 0})
    said = runner.invoke(cli_gate.command, ["publish"], obj=Opened()).stdout
    assert "Epoch 1: 2 accounts." in said and "new list" in said
    commands.record_enforcing("edge-1", epoch=1, seq=0)
    progress(plan, "a", state="undone")
    assert "1 account was changed." in runner.invoke(cli_gate.command, ["publish"], obj=Opened()).stdout
    said = runner.invoke(cli_gate.command, ["status"], obj=Opened()).stdout
    assert "edge-1" in said and "1.0" in said and "behind" in said
