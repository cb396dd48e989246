"""The worker takes every step to its end: sent once, believed when read back, lost never."""

import json
from datetime import timedelta

import pytest
from django.db import connection

from tocsin import story
from tocsin.containment import commands, queries, sending, settling, systems
from tocsin.containment.states import STEP_MOVES, StepState
from tocsin.journal.values import MACHINE, Assurance, Author
from tocsin.kernel import clock
from tocsin.kernel.loading import lazily

models = lazily("tocsin.containment.models")
RESET = [{"measures": [{"kind": "reset_password"}], "systems": {"reset_password": ["gate", "shop"]}}]
STAFF = Author(name="ada", assurance=Assurance.ASSERTED)


def people(n: int) -> list[str]:
    return [f"person-{number:04}" for number in range(n)]


def states() -> dict[str, int]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT state, count(*) FROM tocsin_containmentstep GROUP BY 1")
        return dict(cursor.fetchall())


def reasons() -> set[str]:
    return set(models.ContainmentStep.objects.values_list("reason", flat=True))


def work(between, *, at=None, only=()) -> None:
    with clock.fixed(at or clock.now()):
        story.contain_work(lambda _system, _secrets: between, once=True, only=only)


def test_exactly_the_accounts_of_the_plan_are_contained_and_each_is_changed_once(plans, shop, between):
    shop.add(people(40))
    wanted = people(40)[::4]
    plans(RESET, dict.fromkeys(wanted, 0), steps_made=False)
    work(between)
    assert shop.flagged() == wanted
    assert shop.seen() == dict.fromkeys(wanted, 1)
    assert states() == {StepState.CONFIRMED: 10}
    work(between)
    assert shop.seen() == dict.fromkeys(wanted, 1)


def test_only_connected_systems_get_steps_and_they_are_made_once(plans, shop, between):
    accounts = shop.add(people(5))
    plan = plans(RESET, dict.fromkeys(accounts, 0), steps_made=False)
    assert commands.make_steps(plan.number, wave=1, by=MACHINE) == 5
    assert commands.make_steps(plan.number, wave=1, by=MACHINE) == 0
    assert set(models.ContainmentStep.objects.values_list("system", flat=True)) == {"shop"}
    assert models.ContainmentWave.objects.get(plan=plan).steps_made_at


def test_the_riskiest_accounts_are_sent_first(plans, shop, between, monkeypatch):
    monkeypatch.setattr(settling, "TRIES_MAX", 8)
    accounts = shop.add(people(6))
    plan = plans(RESET, dict.fromkeys(accounts, 0), steps_made=False)
    commands.make_steps(plan.number, wave=1, by=MACHINE)
    first = sending.claim_steps("shop", limit=2, lease_seconds=60, worker="a")
    second = sending.claim_steps("shop", limit=10, lease_seconds=60, worker="b")
    assert [step.order.account for step in first + second] == accounts


def test_two_workers_never_hold_the_same_step(plans, shop):
    accounts = shop.add(people(20))
    plan = plans(RESET, dict.fromkeys(accounts, 0), steps_made=False)
    commands.make_steps(plan.number, wave=1, by=MACHINE)
    held = [
        {step.order.account for step in sending.claim_steps("shop", limit=12, lease_seconds=60, worker=name)}
        for name in "ab"
    ]
    assert (len(held[0]), len(held[1]), held[0] & held[1]) == (12, 8, set())
    assert sending.claim_steps("shop", limit=12, lease_seconds=60, worker="c") == []


def test_an_order_has_the_same_key_at_every_try(plans, shop):
    plan = plans(RESET, dict.fromkeys(shop.add(people(1)), 0), steps_made=False)
    commands.make_steps(plan.number, wave=1, by=MACHINE)
    first = sending.claim_steps("shop", limit=1, lease_seconds=60, worker="a")
    with clock.fixed(clock.now() + timedelta(minutes=2)):
        again = sending.claim_steps("shop", limit=1, lease_seconds=60, worker="b")
    assert first[0].order == again[0].order and len(first[0].order.key) == 64


def test_a_step_whose_worker_died_is_read_back_before_anything_is_sent(plans, shop, between):
    accounts = shop.add(people(4))
    plan = plans(RESET, dict.fromkeys(accounts, 0), steps_made=False)
    commands.make_steps(plan.number, wave=1, by=MACHINE)
    claimed = sending.claim_steps("shop", limit=2, lease_seconds=60, worker="dead")
    list(between.real.apply([claimed[0].order]))  # one arrived, the other did not, and then the worker died
    work(between)
    assert states() == {StepState.CONFIRMED: 2, StepState.SENDING: 2}
    work(between, at=clock.now() + timedelta(minutes=2))
    assert states() == {StepState.CONFIRMED: 4}
    assert shop.seen() == dict.fromkeys(accounts, 1)


def test_what_a_worker_settles_after_its_lease_is_not_believed(plans, shop):
    plan = plans(RESET, dict.fromkeys(shop.add(people(1)), 0), steps_made=False)
    commands.make_steps(plan.number, wave=1, by=MACHINE)
    late = sending.claim_steps("shop", limit=1, lease_seconds=60, worker="late")
    with clock.fixed(clock.now() + timedelta(minutes=2)):
        sending.claim_steps("shop", limit=1, lease_seconds=60, worker="next")
        settled = settling.Settled(late[0].id, StepState.REFUSED, 1, None, "late")
        assert (
            sending.settle_steps([(late[0], settled)], system="shop", worker="late", verb="containment.steps_sent") == 0
        )
    assert states() == {StepState.SENDING: 1}


def test_a_system_that_answers_and_does_nothing_is_found_out(plans, shop, between):
    accounts = shop.add(people(3))
    plans(RESET, dict.fromkeys(accounts, 0), steps_made=False)
    between.ignores = True
    at = clock.now()
    work(between, at=at)
    for _round in range(12):
        work(between, at=at, only=["shop"])
        at += timedelta(minutes=2)
    assert states() == {StepState.REFUSED: 3}
    assert reasons() == {"answered_but_did_nothing"}
    assert set(models.ContainmentStep.objects.values_list("tries", flat=True)) == {settling.NOTHING_TRIES_MAX}


def test_a_system_that_did_nothing_at_first_is_asked_again(plans, shop, between):
    accounts = shop.add(people(3))
    plans(RESET, dict.fromkeys(accounts, 0), steps_made=False)
    between.ignores = True
    work(between)
    between.ignores = False
    at = clock.now()
    for _round in range(6):
        at += timedelta(minutes=2)
        work(between, at=at)
    assert states() == {StepState.CONFIRMED: 3}
    assert shop.seen() == dict.fromkeys(accounts, 1)


def test_lost_answers_are_read_back_and_nobody_is_changed_twice(plans, shop, between):
    accounts = shop.add(people(7))
    plans(RESET, dict.fromkeys(accounts, 0), steps_made=False)
    between.loses_answers = True
    work(between)
    assert states() == {StepState.SENDING: 7}
    work(between, at=clock.now() + timedelta(minutes=1))
    assert states() == {StepState.CONFIRMED: 7}
    assert (between.applied, shop.seen()) == (7, dict.fromkeys(accounts, 1))


def test_a_system_that_is_down_for_an_hour_loses_nothing(plans, shop, between):
    accounts = shop.add(people(9))
    plans(RESET, dict.fromkeys(accounts, 0), steps_made=False)
    between.down = True
    at = clock.now()
    work(between, at=at)
    for _minute in range(60):
        work(between, at=at, only=["shop"])
        at += timedelta(minutes=1, seconds=1)
    system = systems.system("shop")
    assert system.held_until and "down" in system.held_reason
    assert sum(states().values()) == 9 and shop.seen() == {}
    between.down = False
    work(between, at=at)
    assert states() == {StepState.CONFIRMED: 9}
    assert shop.seen() == dict.fromkeys(accounts, 1)
    assert systems.system("shop").held_until is None
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM tocsin_journalentry WHERE verb = 'containment.system_held'")
        assert cursor.fetchone() == (1,)  # once an outage, not once a try


def test_a_system_that_answers_nonsense_is_held_and_stops_no_other(plans, shop, between, monkeypatch):
    accounts = shop.add(people(2))
    commands.add_system("a-broken-one", kind="sql", settings=shop.settings(), secrets={}, by=STAFF)
    both = [{"measures": [{"kind": "reset_password"}], "systems": {"reset_password": ["a-broken-one", "shop"]}}]
    plans(both, dict.fromkeys(accounts, 0), steps_made=False)

    class Broken(type(between)):
        name = "a-broken-one"

        def apply(self, orders):
            raise KeyError(accounts[0])

        def done_since(self, cursor):
            raise TypeError(accounts[0])

    broken = Broken(between.real)
    story.contain_work(lambda system, _secrets: broken if system.name == broken.name else between, once=True)
    assert shop.flagged() == accounts
    held = systems.system("a-broken-one")
    assert held.held_until and "KeyError" in held.held_reason and accounts[0] not in held.held_reason


def test_a_rate_limit_is_waited_for_and_costs_no_try(plans, shop, between):
    accounts = shop.add(people(3))
    plans(RESET, dict.fromkeys(accounts, 0), steps_made=False)
    between.limited = 600.0
    at = clock.now()
    work(between, at=at)
    for _round in range(20):
        work(between, at=at, only=["shop"])
        at += timedelta(minutes=11)
    assert states() == {StepState.PLANNED: 3}
    assert set(models.ContainmentStep.objects.values_list("tries", flat=True)) == {0}
    between.limited = 0.0
    work(between, at=at - timedelta(minutes=11) + timedelta(seconds=300))
    assert states() == {StepState.PLANNED: 3}
    work(between, at=at)
    assert states() == {StepState.CONFIRMED: 3}


def test_an_account_the_system_does_not_know_is_unreachable_and_says_so(plans, shop, between):
    shop.add(people(1))
    plans(RESET, dict.fromkeys([*people(1), "nobody"], 0), steps_made=False)
    work(between)
    assert states() == {StepState.CONFIRMED: 1, StepState.UNREACHABLE: 1}
    assert models.ContainmentStep.objects.get(account="nobody").reason == "account_not_known"


def test_who_did_it_is_done_and_not_asked_again(plans, shop, between):
    accounts = shop.add(people(3))
    plans(RESET, dict.fromkeys(accounts, 0), steps_made=False)
    work(between)
    shop.ask("UPDATE customers SET must_change = false, changed_at = now() WHERE login = %s", accounts[0])
    work(between, at=clock.now() + timedelta(minutes=1))
    assert models.ContainmentProgress.objects.get(account=accounts[0]).measures_done.keys() == {"reset_password"}
    assert models.ContainmentStep.objects.get(account=accounts[0]).done_at
    assert shop.flagged() == accounts[1:]


def test_a_paused_plan_sends_nothing_and_reads_back_what_was_sent(plans, shop, between):
    accounts = shop.add(people(4))
    plan = plans(RESET, dict.fromkeys(accounts, 0), steps_made=False)
    commands.make_steps(plan.number, wave=1, by=MACHINE)
    sending.claim_steps("shop", limit=2, lease_seconds=0, worker="dead")
    models.ContainmentPlan.objects.update(state="paused")
    work(between)
    assert shop.seen() == {}
    assert states() == {StepState.PLANNED: 4}
    models.ContainmentPlan.objects.update(state="running")
    work(between)
    assert states() == {StepState.CONFIRMED: 4}


def test_undoing_lifts_what_is_in_force_and_leaves_alone_what_was_so_before_us(plans, shop, between):
    accounts = shop.add(people(5))
    shop.ask("UPDATE customers SET must_change = true WHERE login = %s", accounts[4])
    plan = plans(RESET, dict.fromkeys(accounts, 0), steps_made=False)
    work(between)
    assert len(shop.flagged()) == 5
    assert sending.undo_steps(plan.id, accounts=accounts[3:]) == 2
    work(between)
    assert shop.flagged() == [*accounts[:3], accounts[4]]
    assert states() == {StepState.CONFIRMED: 3, StepState.UNDONE: 2}


def test_what_another_plan_holds_is_lifted_by_the_last_of_them(plans, shop, between):
    accounts = shop.add(people(3))
    first = plans(RESET, dict.fromkeys(accounts, 0), steps_made=False)
    work(between)
    second = plans(RESET, dict.fromkeys(accounts[1:], 0), steps_made=False)
    work(between)
    for plan, left in ((first, accounts[1:]), (second, [])):
        models.ContainmentPlan.objects.filter(id=plan.id).update(state="undone")
        sending.undo_steps(plan.id)
        work(between)
        assert shop.flagged() == left
    assert "another_plan_holds_it" in reasons() and states() == {StepState.UNDONE: 5}


def test_what_was_so_before_any_of_our_plans_stays(plans, shop, between):
    accounts = shop.add(people(1))
    shop.ask("UPDATE customers SET must_change = true")
    made = []
    for _number in range(2):
        made.append(plans(RESET, dict.fromkeys(accounts, 0), steps_made=False))
        work(between)
    for each in made:
        models.ContainmentPlan.objects.filter(id=each.id).update(state="undone")
        sending.undo_steps(each.id)
        work(between)
    assert (shop.flagged(), states()) == (accounts, {StepState.UNDONE: 2})


def test_an_order_of_another_plan_has_another_key(plans, shop, between):
    accounts = shop.add(people(1))
    for _number in range(2):
        plan = plans(RESET, dict.fromkeys(accounts, 0), steps_made=False)
        commands.make_steps(plan.number, wave=1, by=MACHINE)
    models.ContainmentPlan.objects.update(revision=plan.revision)
    claimed = sending.claim_steps("shop", limit=9, lease_seconds=60, worker="a")
    assert len({step.order.key for step in claimed}) == 2


def test_what_was_lifted_on_its_way_is_undone_when_it_has_arrived(plans, shop, between):
    accounts = shop.add(people(2))
    plan = plans(RESET, dict.fromkeys(accounts, 0), steps_made=False)
    commands.make_steps(plan.number, wave=1, by=MACHINE)
    claimed = sending.claim_steps("shop", limit=2, lease_seconds=60, worker="a")
    list(between.real.apply([step.order for step in claimed]))
    models.ContainmentPlan.objects.update(state="undone")
    assert sending.undo_steps(plan.id) == 0
    now = clock.now()
    settled = [(step, settling.Settled(step.id, StepState.SENT, 1, now, "")) for step in claimed]
    sending.settle_steps(settled, system="shop", worker="a", verb="containment.steps_sent")
    assert states() == {StepState.UNDOING: 2}
    work(between)
    assert (states(), shop.flagged()) == ({StepState.UNDONE: 2}, [])


def test_one_journal_entry_a_batch_holds_every_account_as_a_provable_row(plans, shop, between):
    accounts = shop.add(people(6))
    plans(RESET, dict.fromkeys(accounts, 0), steps_made=False)
    work(between)
    with connection.cursor() as cursor:
        cursor.execute("SELECT verb, content FROM tocsin_journalentry WHERE verb LIKE 'containment.steps%' ORDER BY id")
        entries = [(verb, json.loads(content)) for verb, content in cursor.fetchall()]
    assert [verb for verb, _content in entries] == [
        "containment.steps_made",
        "containment.steps_sent",
        "containment.steps_read_back",
    ]
    assert [content["rows"]["n"] for _verb, content in entries[1:]] == [6, 6]
    assert not [account for account in accounts if account in json.dumps([content for _verb, content in entries])]


def test_secrets_and_accounts_stand_in_no_hold_reason(plans, shop, between):
    accounts = shop.add(people(1))
    plans(RESET, dict.fromkeys(accounts, 0), steps_made=False)
    shop.ask("ALTER TABLE customers RENAME TO gone")
    work(between)
    reason = systems.system("shop").held_reason
    assert reason and accounts[0] not in reason


def test_a_system_that_was_removed_is_left_alone_and_its_steps_wait(plans, shop, between):
    accounts = shop.add(people(2))
    plans(RESET, dict.fromkeys(accounts, 0), steps_made=False)
    commands.remove_system("shop", reason="moved", by=STAFF)
    work(between)
    assert states() == {StepState.PLANNED: 2}
    assert queries.steps_waiting()["shop"][0] == 2
    commands.add_system("shop", kind="sql", settings=shop.settings(), secrets={}, by=STAFF)
    work(between)
    assert states() == {StepState.CONFIRMED: 2}


@pytest.mark.parametrize("before", [StepState.PLANNED, StepState.SENDING, StepState.SENT])
def test_every_move_of_the_worker_is_in_the_table(before):
    held = StepState.SENDING if before is StepState.PLANNED else before
    assert {StepState.PLANNED, StepState.CONFIRMED, StepState.REFUSED, StepState.UNREACHABLE} <= STEP_MOVES[held]
