"""Closing the door of the simulated company: scope, plan, two signatures, the gate's list, and who passes it."""

import csv
import secrets
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path

from tocsin.containment import commands as containment, queries as plans
from tocsin.containment.values import Plan
from tocsin.journal.values import Author
from tocsin.kernel import clock
from tocsin.kernel.language import gettext_noop
from tocsin.rehearsals.company import VERSIONS
from tocsin.rehearsals.values import DPO, ENGINEER, LEAD, DoorClosed, Knock, ScenarioName
from tocsin.scopes import commands as scope_commands, queries as scope_queries
from tocsin.staff import commands as staff_commands, queries as staff
from tocsin_gate import Gate


def enrol_people(home: Path) -> dict[str, Author]:
    """Enrol the company's three people with keys of their own and return them, able to sign."""
    found: dict[str, Author] = {}
    for name in (LEAD, DPO, ENGINEER):
        passphrase, key_file = secrets.token_urlsafe(24), home / f"{name.split()[0].lower()}.key"
        by = found.get(LEAD, staff.asserted_author(name))
        staff_commands.enrol_with_file(name, key_file=key_file, passphrase=passphrase, by=by)
        found[name] = staff.author_with_file(name, key_file=key_file, passphrase=passphrase)
    return found


def close_door(
    incident: int, *, scenario: ScenarioName, policy: Path, people: Mapping[str, Author], accounts: Path, attack_ts: int
) -> DoorClosed:
    """Freeze the scope, draw the plan, let two people sign it, start it whole, publish the list, and knock.

    ``accounts`` is the CSV of the company's accounts, ``attack_ts`` when the intruder's tokens were issued (epoch ms).
    """
    scope_commands.freeze_scope(incident, by=people[LEAD])
    drawn = containment.draw_plan(incident, policy=plans.read_policy(str(policy)), systems={}, by=people[LEAD])
    for name in (DPO, ENGINEER):
        containment.approve_plan(drawn.number, typed_count=drawn.accounts, by=people[name])
    reason = "a rehearsal has no time for waves"
    plan = containment.start_plan(drawn.number, emergency_reason=reason, by=people[LEAD])
    published = containment.publish_list(reason=f"plan {plan.number}", by=people[LEAD])
    gate = Gate(published.path, trust=plans.trust())
    knocks = tuple(_knocks(gate, plan=plan, scenario=scenario, accounts=accounts, then=clock.from_ms(attack_ts)))
    return DoorClosed(plan=plan, list=published, knocks=knocks, approved_by=(DPO, ENGINEER))


def _knocks(gate: Gate, *, plan: Plan, scenario: ScenarioName, accounts: Path, then: datetime) -> Iterator[Knock]:
    """Knock as those whom the story is about, and as people it must not trouble."""
    revision = scope_queries.revision(plan.incident, number=plan.revision)
    rows = scope_queries.affected_rows(revision, limit=1_000)
    neighbour = _neighbour(accounts, revision_rows={row["account"] for row in rows}, plan=plan)
    later = plan.since_at + timedelta(minutes=5)

    def knock(who: str, account: str, **said: object) -> Knock:
        return Knock(who, account, gate.check(account, **said))  # type: ignore[arg-type]

    if scenario is ScenarioName.INTRUDER:
        for name in scope_queries.principals(revision):
            yield knock(gettext_noop("the intruder, with the phished identity"), name, token_issued_at=then)
    attackers = [row["account"] for row in rows if row["role"] == "attacker"]
    proven = [row["account"] for row in rows if row["certainty"] == "confirmed" and row["role"] != "attacker"]
    cohort = [row["account"] for row in rows if row["certainty"] == "precaution"]
    if attackers:
        yield knock(gettext_noop("an account of the intruder's"), attackers[0], token_issued_at=later)
    if proven:
        yield knock(gettext_noop("an affected customer, on an old session"), proven[0], token_issued_at=then)
    if scenario is ScenarioName.STUFFING and proven:
        yield knock(gettext_noop("the thief, in again with the stolen password"), proven[0], token_issued_at=later)
        yield knock(
            gettext_noop("the customer, with a new password"), proven[0], token_issued_at=later,
            password_changed_at=later,
        )  # fmt: skip
    if cohort and scenario is ScenarioName.INTRUDER:
        old, new = VERSIONS["android"][0], VERSIONS["android"][-1]
        member = cohort[0]
        yield knock(
            gettext_noop("one of the cohort, on the old Android client"), member, token_issued_at=then,
            platform="android", client_version=old,
        )  # fmt: skip
        yield knock(
            gettext_noop("the same, signed in again and updated"), member, token_issued_at=later, platform="android",
            client_version=new,
        )  # fmt: skip
    elif cohort:
        yield knock(gettext_noop("one of the cohort, on an old session"), cohort[0], token_issued_at=then)
    yield knock(
        gettext_noop("a neighbour, on iOS"), neighbour, token_issued_at=then, platform="ios",
        client_version=VERSIONS["ios"][0],
    )  # fmt: skip


def _neighbour(accounts: Path, *, revision_rows: set[str], plan: Plan) -> str:
    """Return the first account of the company that nothing was found of."""
    with accounts.open(encoding="utf-8", newline="") as reading:
        for row in csv.DictReader(reading):
            name = row["account"]
            if name not in revision_rows and not scope_queries.why(plan.incident, account=name).row:
                return name
    raise ValueError("every account of the simulated company is in the scope")
