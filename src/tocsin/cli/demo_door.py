"""The second half of the demo: the door closed for exactly the affected accounts, and who still passes."""

import shutil
from collections import Counter
from pathlib import Path

import orjson

from tocsin import story
from tocsin.cli import contain_shown, demo_people, listing
from tocsin.cli.wired import Wired
from tocsin.containment.values import Plan
from tocsin.kernel import clock, home
from tocsin.kernel.language import format_number, gettext as _, ngettext
from tocsin.rehearsals import commands as rehearsals
from tocsin.rehearsals.values import LEAD, DoorClosed, ScenarioName, Simulated
from tocsin.reports.values import Investigation
from tocsin.scopes import queries as scopes


def close_door(
    wired: Wired, *, scenario: ScenarioName, investigation: Investigation, made: Simulated, seed: int
) -> None:
    """Declare, freeze, plan, approve, start and publish in an installation of the rehearsal's own; print who passes.

    Then tell two of the people, and show their phones.
    """
    folder = investigation.folder.parent / rehearsals.HOME
    shutil.rmtree(folder, ignore_errors=True)
    with home.elsewhere(folder):
        try:
            with wired.rows():
                people = rehearsals.enrol_people(home.data_home())
                with demo_people.stage(wired, seed=seed, by=people[LEAD]) as stage:
                    incident, _revision = story.declare(investigation, by=people[LEAD])
                    attack_ts = _attack_ts(made.truth)
                    closed = rehearsals.close_door(
                        incident.number, scenario=scenario, policy=made.policy, people=people, accounts=made.accounts,
                        attack_ts=attack_ts,
                    )  # fmt: skip
                    _print(closed)
                    demo_people.tell_people(
                        wired, on=stage, revision=scopes.revision(incident.number, number=closed.plan.revision),
                        accounts=made.accounts, folder=folder.parent, at=clock.from_ms(attack_ts), by=people[LEAD],
                    )  # fmt: skip
        finally:
            wired.remove_rows()


def _attack_ts(truth: Path) -> int:
    return max(int(each["last_ts"]) for each in orjson.loads(truth.read_bytes())["attacks"])


def _identities(n: int) -> list[str]:
    if not n:
        return []
    text = ngettext(
        "{n} of them is an identity of the company's own that the intruder used.",
        "{n} of them are identities of the company's own that the intruder used.",
        n,
    )
    return [text.format(n=n)]


def _by_measure(plan: Plan) -> Counter[str]:
    """Return how many accounts each measure is asked of, whatever client they were last seen on."""
    counts: Counter[str] = Counter()
    for line in plan.dry_run["measures"]:
        counts[line["measure"]] += line["accounts"]
    return counts


def _print(closed: DoorClosed) -> None:
    plan = closed.plan
    listing.lines("", _("The door is closed"), style="bold")
    listing.lines(
        ngettext(
            "{n} account contained; {people} signed exactly this plan.",
            "{n} accounts contained; {people} signed exactly this plan.",
            plan.accounts,
        ).format(n=format_number(plan.accounts), people=_(" and ").join(closed.approved_by)),
        *_identities(plan.dry_run["principals"]["measured"]),
        _("Outside the scope: {outside}. In the scope and left out: {missing}.").format(
            outside=plan.dry_run["difference"]["outside_scope"], missing=plan.dry_run["difference"]["missing_of_scope"]
        ),
    )
    table = listing.table(_("measure"), _("accounts"))
    for measure, accounts in _by_measure(plan).items():
        listing.add(table, contain_shown.measure_words(measure), format_number(accounts))
    listing.console().print(table)
    listing.lines("", _("At the gate"), style="bold")
    knocks = listing.table(_("who"), _("answer"), _("asked for"))
    for each in closed.knocks:
        passes = each.decision.allow
        asked = ", ".join(contain_shown.word(measure) for measure in each.decision.measures)
        listing.add(
            knocks, _(each.who), _("passes") if passes else _("refused"), asked, style="green" if passes else "red"
        )
    listing.console().print(knocks)
    listing.lines(
        _("The gate's list holds {n} accounts in {kib} KiB, signed; a gate needs nothing else.").format(
            n=format_number(closed.list.accounts), kib=format_number(round(closed.list.bytes / 1024))
        )
    )
