"""Who may let a plan start: enough other people, for exactly what they were shown."""

from pathlib import Path

import pytest

from tocsin.approvals.errors import ApprovedAlready
from tocsin.containment import commands, queries
from tocsin.containment.errors import MoveNotAllowed, NotApproved, NotYourOwn
from tocsin.containment.states import PlanState
from tocsin.journal.values import Assurance, Author
from tocsin.kernel.loading import lazily
from tocsin.scopes import queries as scopes
from tocsin.scopes.errors import EvidenceDamaged
from tocsin.staff.errors import SignatureNeeded

models = lazily("tocsin.containment.models")
staff_models = lazily("tocsin.staff.models")
NIGHT = Author(name="night shift", assurance=Assurance.ASSERTED)
LARGE = [f"u{n}" for n in range(101)]


@pytest.fixture
def large(company):
    company.freeze(LARGE)
    return company.draw()


@pytest.fixture
def small(company):
    company.freeze(["u1", "u2"])
    return company.draw()


def test_a_large_plan_starts_after_two_signed_approvals_and_not_after_one(large, ann, ben, drawer):
    commands.approve_plan(large.number, typed_count=101, by=ann)
    assert queries.approvals_missing(large.number) == (2, 1)
    with pytest.raises(NotApproved, match="1 of 2 approvals"):
        commands.start_plan(large.number, by=drawer)
    assert commands.approve_plan(large.number, typed_count=101, by=ben).state is PlanState.APPROVED
    assert commands.start_plan(large.number, by=drawer).state is PlanState.RUNNING


def test_nobody_approves_the_plan_they_drew(large, small, drawer):
    for plan in (large, small):
        if queries.plan(plan.number).state is PlanState.DRAWN:
            with pytest.raises(NotYourOwn):
                commands.approve_plan(plan.number, typed_count=plan.accounts, by=drawer)


def test_a_drawer_who_only_said_a_name_cannot_come_back_under_it(company, person):
    company.freeze(["u1"])
    plan = company.draw(by=Author(name="ann", assurance=Assurance.ASSERTED))
    with pytest.raises(NotYourOwn):
        commands.approve_plan(plan.number, typed_count=None, by=person("ann"))


def test_a_said_name_is_enough_for_few_accounts_and_never_for_many(company, drawer):
    company.freeze(["u1"])
    few = company.draw()
    assert commands.approve_plan(few.number, typed_count=None, by=NIGHT).state is PlanState.APPROVED
    company.freeze(LARGE)
    many = company.draw()
    with pytest.raises(SignatureNeeded):
        commands.approve_plan(many.number, typed_count=101, by=NIGHT)


def test_one_person_is_one_approval(large, ann):
    commands.approve_plan(large.number, typed_count=101, by=ann)
    with pytest.raises(ApprovedAlready):
        commands.approve_plan(large.number, typed_count=101, by=ann)
    assert queries.approvals_missing(large.number) == (2, 1)


@pytest.mark.parametrize("typed", [None, 100, 1010])
def test_the_number_of_accounts_is_typed_and_right(large, ann, typed):
    with pytest.raises(NotApproved, match="number"):
        commands.approve_plan(large.number, typed_count=typed, by=ann)
    assert queries.plan(large.number).approvals == ()


def test_starting_a_large_plan_needs_a_key(large, ann, ben):
    for each in (ann, ben):
        commands.approve_plan(large.number, typed_count=101, by=each)
    with pytest.raises(SignatureNeeded):
        commands.start_plan(large.number, by=NIGHT)


def test_the_approval_of_a_revoked_key_counts_no_more(large, ann, ben, drawer):
    for each in (ann, ben):
        commands.approve_plan(large.number, typed_count=101, by=each)
    member = staff_models.StaffMember.objects.get(name="ben")
    member.revoked_at = member.enrolled_at
    member.save()
    with pytest.raises(NotApproved, match="1 of 2"):
        commands.start_plan(large.number, by=drawer)


def test_a_newer_frozen_revision_lets_approvals_lapse(large, company, ann, ben, drawer):
    for each in (ann, ben):
        commands.approve_plan(large.number, typed_count=101, by=each)
    company.freeze([*LARGE, "one more"])
    with pytest.raises(NotApproved, match=r"Revision 2 .* lapsed"):
        commands.start_plan(large.number, by=drawer)


@pytest.mark.parametrize(
    "change",
    [
        {"policy": {"approval": {"above": 10**9, "people": 1}, "everyone": []}},
        {"accounts": 100},
        {"combinations": []},
        {"dry_run": {"since": "start", "cells": []}},
    ],
)
def test_any_change_to_what_was_shown_lets_approvals_lapse(large, ann, ben, drawer, change):
    for each in (ann, ben):
        commands.approve_plan(large.number, typed_count=101, by=each)
    models.ContainmentPlan.objects.filter(number=large.number).update(**change)
    with pytest.raises(NotApproved):
        commands.start_plan(large.number, by=drawer)


def test_a_column_file_that_was_touched_stops_the_plan(large, ann):
    path: Path = scopes.evidence_path(large.measures_sha256)
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(EvidenceDamaged):
        commands.approve_plan(large.number, typed_count=101, by=ann)


def test_a_rule_for_everyone_makes_a_small_plan_large(company, ann):
    company.freeze([{"account": "u1", "platform": "android"}])
    plan = company.draw(
        "policy: p\nrules:\n  - {measures: [reauthenticate]}\neveryone:\n"
        '  - update_client: {platform: android, version_min: "8.11"}\n'
    )
    assert queries.approvals_missing(plan.number) == (2, 2)
    assert plan.dry_run["gate"]["everyone"][0]["version_min"] == "8.11"


def test_a_plan_starts_once(small, ann, drawer):
    commands.approve_plan(small.number, typed_count=2, by=ann)
    commands.start_plan(small.number, by=drawer)
    with pytest.raises(MoveNotAllowed):
        commands.start_plan(small.number, by=drawer)
    with pytest.raises(MoveNotAllowed):
        commands.approve_plan(small.number, typed_count=2, by=ann)


def test_connecting_needs_a_key_as_soon_as_somebody_is_enrolled(rows, person):
    def connect(name: str, by: Author) -> None:
        commands.add_system(name, kind="webhook", settings={}, secrets={}, by=by)
        commands.add_stream(
            name, issuer="https://id.example", audience="us", settings={"delivery": "push"}, secrets={}, by=by
        )

    connect("early", NIGHT)
    ann = person("ann")
    with pytest.raises(SignatureNeeded):
        connect("late", NIGHT)
    with pytest.raises(SignatureNeeded):
        commands.remove_system("early", reason="x", by=NIGHT)
    with pytest.raises(SignatureNeeded):
        commands.remove_stream("early", reason="x", by=NIGHT)
    connect("late", ann)
