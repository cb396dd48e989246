"""Waves, what holds them, undoing, appeals, and plans that follow others."""

from datetime import UTC, datetime, timedelta

import pytest

from tocsin.containment import commands, policy_file, queries
from tocsin.containment.errors import MoveNotAllowed, NotApproved, NotInPlan
from tocsin.containment.states import PlanState, StepState, WaveState
from tocsin.containment.values import MinuteSeen
from tocsin.journal.values import MACHINE, Assurance, Author
from tocsin.kernel import clock
from tocsin.kernel.loading import lazily
from tocsin.staff.errors import SignatureNeeded

models = lazily("tocsin.containment.models")
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
NIGHT = Author(name="night shift", assurance=Assurance.ASSERTED)
MANY = [f"u{n}" for n in range(1000)]


@pytest.fixture
def running(company, started):
    company.freeze(MANY)
    with clock.fixed(NOON):
        return started()


def states(number):
    return [wave.state.value for wave in queries.plan(number).waves]


def test_a_plan_starts_with_its_canary_and_goes_on_when_the_wait_is_over(running, ann):
    assert states(running.number) == ["begun", "waiting", "waiting", "waiting"]
    assert running.since_at == NOON
    with clock.fixed(NOON + timedelta(minutes=14)):
        assert queries.waves_due() == ()
        commands.begin_next_wave(running.number, by=MACHINE)
        with pytest.raises(MoveNotAllowed, match="watched until"):
            commands.begin_next_wave(running.number, by=ann)
    with clock.fixed(NOON + timedelta(minutes=15)):
        assert queries.waves_due() == (running.number,)
        commands.begin_next_wave(running.number, by=MACHINE)
    assert states(running.number) == ["begun", "begun", "waiting", "waiting"]


def test_a_person_may_be_earlier_with_a_reason(running, ann):
    commands.begin_next_wave(running.number, reason="the intruder is in now", by=ann)
    assert states(running.number)[:2] == ["begun", "begun"]
    with pytest.raises(SignatureNeeded):
        commands.begin_next_wave(running.number, reason="quick", by=NIGHT)


def test_an_emergency_begins_every_wave_with_its_reason(company, started):
    company.freeze(MANY)
    plan = started(emergency_reason="the intruder reads mailboxes this minute")
    assert states(plan.number) == ["begun"] * 4
    assert plan.emergency_reason == "the intruder reads mailboxes this minute"


@pytest.mark.parametrize(
    ("minute", "rule"),
    [
        (MinuteSeen(NOON + timedelta(minutes=3), 1, 4, 0), "failed_sign_ins_per_account"),
        (MinuteSeen(NOON + timedelta(minutes=3), 1, 0, 601), "resets_per_minute"),
    ],
)
def test_a_stop_rule_holds_the_wave_until_a_person_resumes(running, ann, minute, rule):
    held = commands.record_minutes(running.number, source="auth", minutes=[minute], by=MACHINE)
    assert held.state is PlanState.PAUSED and held.paused_reason.startswith(rule)
    assert held.waves[0].state is WaveState.HELD
    assert queries.waves_due() == ()
    with clock.fixed(NOON + timedelta(minutes=30)):
        resumed = commands.resume_plan(running.number, reason="a broken test phone", by=ann)
    assert resumed.waves[0].state is WaveState.BEGUN
    with clock.fixed(NOON + timedelta(minutes=45)):
        assert commands.begin_next_wave(running.number, by=MACHINE).state is PlanState.RUNNING


def test_minutes_told_twice_count_once(running):
    minute = MinuteSeen(NOON + timedelta(minutes=3), 1, 3, 0)
    for _ in range(3):
        plan = commands.record_minutes(running.number, source="auth", minutes=[minute], by=MACHINE)
    assert plan.state is PlanState.RUNNING
    assert {each.rule.value: each.value for each in queries.watching(plan.number)}["failed_sign_ins_per_account"] == 3


def test_a_complaint_in_the_canary_holds_the_rest(running, rows_of):
    (canary,) = (account for account, row in rows_of(running).items() if row["wave"] == 1)
    held = commands.appeal(running.number, account=canary, text="why me", by=NIGHT)
    assert held.state is PlanState.PAUSED and held.paused_reason.startswith("complaints_share")
    assert queries.account_state(running.number, canary).state is StepState.APPEALED


def test_pausing_needs_no_key_and_resuming_a_large_plan_does(running, ann):
    commands.pause_plan(running.number, reason="support is overrun", by=NIGHT)
    with pytest.raises(SignatureNeeded):
        commands.resume_plan(running.number, reason="all well", by=NIGHT)
    assert commands.resume_plan(running.number, reason="all well", by=ann).state is PlanState.RUNNING


def test_undoing_a_plan_ends_it_and_needs_a_key_when_it_is_large(running, ann):
    with pytest.raises(SignatureNeeded):
        commands.undo_plan(running.number, reason="wrong scope", by=NIGHT)
    assert commands.undo_plan(running.number, reason="wrong scope", by=ann).state is PlanState.UNDONE
    assert queries.plans_in_force() == ()


def test_undoing_and_releasing_accounts_says_so_of_each_and_of_nobody_else(running):
    commands.undo_plan(running.number, accounts=["u1"], reason="a test account", by=NIGHT)
    commands.release_accounts(running.number, accounts=["u2"], reason="came to the desk", by=NIGHT)
    told = {name: queries.account_state(running.number, name) for name in ("u1", "u2", "u3")}
    assert {name: each.state for name, each in told.items()} == {
        "u1": StepState.UNDONE,
        "u2": StepState.EXEMPT,
        "u3": StepState.PLANNED,
    }
    assert told["u2"].reason == "released_by_staff: came to the desk"
    with pytest.raises(NotInPlan, match="stranger"):
        commands.undo_plan(running.number, accounts=["u3", "stranger"], reason="x", by=NIGHT)
    assert queries.account_state(running.number, "u3").state is StepState.PLANNED


def test_letting_out_many_needs_a_key(running, ann):
    with pytest.raises(SignatureNeeded):
        commands.undo_plan(running.number, accounts=MANY[:101], reason="x", by=NIGHT)
    commands.undo_plan(running.number, accounts=MANY[:101], reason="x", by=ann)
    assert sum(line.counts.get(StepState.UNDONE, 0) for line in queries.funnel(running.number)) == 2 * 101


def test_an_appeal_is_upheld_or_rejected_and_decided_once(company, started):
    company.freeze([f"u{n}" for n in range(20)])
    plan = started("policy: p\nrules:\n  - {measures: [reauthenticate]}\nstop: {complaints_share: 0}\n")
    for account in ("u1", "u2"):
        commands.appeal(plan.number, account=account, text="not me", by=NIGHT)
    commands.decide_appeal(plan.number, account="u1", uphold=True, reason="a shared office", by=NIGHT)
    commands.decide_appeal(plan.number, account="u2", uphold=False, reason="the log is clear", by=NIGHT)
    assert queries.account_state(plan.number, "u1").state is StepState.UNDONE
    assert queries.account_state(plan.number, "u2").state is StepState.PLANNED
    with pytest.raises(MoveNotAllowed):
        commands.decide_appeal(plan.number, account="u2", uphold=True, reason="x", by=NIGHT)


def test_a_follow_up_holds_only_who_is_new_and_releases_who_left(company, started, rows_of):
    company.freeze(["stays", "leaves"])
    first = started()
    company.freeze(["stays", "comes"])
    drawn = company.draw()
    assert (drawn.follows, drawn.accounts, drawn.dry_run["held"], drawn.dry_run["released"]) == (first.number, 1, 1, 1)
    assert {a: row["kept"] for a, row in rows_of(drawn).items()} == {"stays": "held", "comes": "measured"}
    second = started()
    assert queries.account_state(first.number, "leaves").reason == "left_the_scope"
    assert queries.account_state(first.number, "stays").state is StepState.PLANNED
    assert [plan.number for plan in queries.plans_in_force()] == [first.number, second.number]
    company.freeze(["stays", "comes", "leaves"])
    third = company.draw()
    assert {a for a, row in rows_of(third).items() if row["kept"] == "measured"} == {"leaves"}


def test_who_was_written_off_or_let_out_is_contained_again(company, started, rows_of):
    company.freeze(["given up", "undone", "safe"])
    first = started("policy: p\nrules:\n  - {measures: [reauthenticate]}\nstop: {collateral_share: 0}\n")
    models.ContainmentProgress.objects.create(
        plan_id=first.id, account="safe", combination=0, wave=1, state=StepState.CLOSED, state_at=clock.now()
    )
    commands.undo_plan(first.number, accounts=["undone"], reason="a mistake", by=NIGHT)
    commands.close_plan(first.number, reason="give up", by=NIGHT)
    company.freeze(["given up", "undone", "safe", "new"])
    plan = company.draw("policy: p\nrules:\n  - {measures: [reauthenticate]}\n")
    assert {a: row["kept"] for a, row in rows_of(plan).items()} == {
        "given up": "measured",
        "undone": "measured",
        "new": "measured",
        "safe": "held",
    }
    assert plan.dry_run["again"] == 1


def test_a_plan_lapses_when_one_it_relies_on_is_undone(company, started, ann, ben, drawer):
    company.freeze(["u1", "u2"])
    first = started()
    company.freeze(["u1", "u2", "u3"])
    second = company.draw()
    for each in (ann, ben):
        commands.approve_plan(second.number, typed_count=1, by=each)
    commands.undo_plan(first.number, accounts=["u1"], reason="x", by=NIGHT)
    with pytest.raises(NotApproved, match="relies on"):
        commands.start_plan(second.number, by=drawer)


def test_a_paused_plan_is_resumed_and_never_started_again(running, ann):
    commands.pause_plan(running.number, reason="x", by=NIGHT)
    with pytest.raises(MoveNotAllowed, match="started before"):
        commands.start_plan(running.number, emergency_reason="quick", by=ann)
    assert queries.plan(running.number).since_at == NOON


def test_many_small_plans_are_one_large_one(company, started, ann, ben):
    names = [f"u{n}" for n in range(120)]
    company.freeze(names)
    listed = ", ".join(names[:60])
    half = (
        f"policy: p\nlists: {{l: {{accounts: [{listed}]}}}}\nrules:\n  - {{when: {{list: l}}, measures: [suspend]}}\n"
    )
    started(half + "  - {measures: none, reason: later}\n")
    second = company.draw("policy: p\nrules:\n  - {measures: [suspend]}\n")
    assert (second.accounts, queries.approvals_missing(second.number)) == (60, (2, 2))
    with pytest.raises(SignatureNeeded):
        commands.approve_plan(second.number, typed_count=60, by=NIGHT)


def test_a_containment_time_in_the_future_is_refused_and_a_later_one_holds_again(company, started, rows_of):
    company.freeze(["u1"])
    started()
    later = clock.now() + timedelta(hours=1)
    policy = policy_file.policy_of("policy: p\nrules:\n  - {measures: [reauthenticate]}\n", file=company.folder / "p")
    with pytest.raises(MoveNotAllowed, match="future"):
        commands.draw_plan(company.incident, policy=policy, systems={}, by=company.by, since_at=later)
    with clock.fixed(later + timedelta(minutes=5)):
        plan = commands.draw_plan(company.incident, policy=policy, systems={}, by=company.by, since_at=later)
    assert rows_of(plan)["u1"]["kept"] == "measured"


def test_two_workers_do_not_trip_over_each_other(running):
    with clock.fixed(NOON + timedelta(minutes=15)):
        for _ in range(2):
            commands.begin_next_wave(running.number, by=MACHINE)
    assert states(running.number) == ["begun", "begun", "waiting", "waiting"]
    assert commands.close_plan(running.number, by=MACHINE).state is PlanState.RUNNING


def test_a_follow_up_adds_what_is_missing_to_who_needs_more_now(company, started, rows_of):
    company.freeze(["u1", "u2"])
    started("policy: p\nrules:\n  - {measures: [reauthenticate]}\n")
    company.freeze([{"account": "u1", "certainty": "confirmed"}, "u2"])
    plan = company.draw(
        "policy: p\nrules:\n  - {when: {certainty: confirmed}, measures: [reauthenticate, reset_password]}\n"
        "  - {measures: [reauthenticate]}\n"
    )
    assert plan.accounts == 1
    assert [each["kind"] for each in plan.combinations[0]["measures"]] == ["reset_password"]


def test_every_line_of_the_funnel_adds_up_to_the_plan(company, started, system):
    company.freeze([{"account": f"u{n}", "platform": ("web", "ios")[n % 2]} for n in range(40)])
    plan = started(systems={"directory": system})
    commands.undo_plan(plan.number, accounts=["u1", "u2"], reason="x", by=NIGHT)
    sums = {}
    for line in queries.funnel(plan.number):
        key = (line.system, line.measure)
        sums[key] = sums.get(key, 0) + sum(line.counts.values())
    assert sums == {
        ("gate", "revoke_sessions"): 40,
        ("gate", "reauthenticate"): 40,
        ("directory", "revoke_sessions"): 40,
    }


def test_closing_with_open_accounts_needs_a_reason(company, started):
    company.freeze(["u1"])
    plan = started()
    with pytest.raises(MoveNotAllowed, match="1 accounts that are not safe"):
        commands.close_plan(plan.number, by=NIGHT)
    assert queries.plans_finished() == ()
    models.ContainmentProgress.objects.create(
        plan_id=plan.id, account="u1", combination=0, wave=1, state=StepState.CLOSED, state_at=clock.now()
    )
    assert queries.plans_finished() == (plan.number,)
    assert commands.close_plan(plan.number, by=MACHINE).state is PlanState.CLOSED


def test_every_act_is_in_the_journal_with_its_reason(running, ann):
    commands.pause_plan(running.number, reason="look first", by=NIGHT)
    commands.undo_plan(running.number, reason="wrong", by=ann)
    entries = lazily("tocsin.journal.models").JournalEntry.objects.filter(verb__startswith="containment.")
    verbs = list(entries.order_by("written_at").values_list("verb", flat=True))
    assert verbs == [
        "containment.plan_drawn",
        "containment.plan_approved",
        "containment.plan_started",
        "containment.plan_paused",
        "containment.plan_undone",
    ]


def test_whoever_was_let_out_is_not_contained_again_by_objecting(running):
    commands.undo_plan(running.number, accounts=["u1"], reason="a test account", by=NIGHT)
    with pytest.raises(MoveNotAllowed, match="let out"):
        commands.appeal(running.number, account="u1", text="not me", by=NIGHT)
    assert queries.account_state(running.number, "u1").state is StepState.UNDONE


def test_whoever_is_let_out_before_their_wave_was_never_needlessly_contained(running):
    waiting = next(each for each in MANY if queries.account_state(running.number, each).wave == 4)
    commands.undo_plan(running.number, accounts=[waiting], reason="a test account", by=NIGHT)
    assert {each.rule.value: each.value for each in queries.watching(running.number)}["collateral_share"] == 0
