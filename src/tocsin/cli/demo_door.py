"""The second half of the demo: the door closed for exactly the affected accounts, and who still passes."""

import shutil
from pathlib import Path

import orjson

from tocsin import story
from tocsin.cli import listing
from tocsin.cli.wired import Wired
from tocsin.kernel import home
from tocsin.kernel.language import format_number, gettext as _, ngettext
from tocsin.rehearsals import commands as rehearsals, door
from tocsin.rehearsals.door import DoorClosed
from tocsin.rehearsals.values import ScenarioName, Simulated
from tocsin.reports.values import Investigation


def close_door(wired: Wired, *, scenario: ScenarioName, investigation: Investigation, made: Simulated) -> None:
    """Declare, freeze, plan, approve, start and publish in an installation of the rehearsal's own; print who passes."""
    folder = investigation.folder.parent / rehearsals.HOME
    shutil.rmtree(folder, ignore_errors=True)
    with home.elsewhere(folder):
        try:
            with wired.rows():
                people = door.enrol_people(home.data_home())
                incident, _revision = story.declare(investigation, by=people[door.LEAD])
                closed = door.close_door(
                    incident.number, scenario=scenario, policy=made.policy, people=people, accounts=made.accounts,
                    attack_ts=_attack_ts(made.truth),
                )  # fmt: skip
        finally:
            wired.remove_rows()
    _print(closed)


def _attack_ts(truth: Path) -> int:
    return max(int(each["last_ts"]) for each in orjson.loads(truth.read_bytes())["attacks"])


def _print(closed: DoorClosed) -> None:
    plan = closed.plan
    listing.lines("", _("The door is closed"), style="bold")
    listing.lines(
        ngettext(
            "{n} account contained, approved by {people} on exactly this plan.",
            "{n} accounts contained, approved by {people} on exactly this plan.",
            plan.accounts,
        ).format(n=format_number(plan.accounts), people=_(" and ").join(closed.approved_by)),
        _("Outside the scope: {outside}. In the scope and left out: {missing}.").format(
            outside=plan.dry_run["difference"]["outside_scope"], missing=plan.dry_run["difference"]["missing_of_scope"]
        ),
    )
    table = listing.table(_("measure"), _("platform"), _("accounts"))
    for line in plan.dry_run["measures"]:
        listing.add(table, line["measure"], line["platform"], format_number(line["accounts"]))
    listing.console().print(table)
    listing.lines("", _("At the gate"), style="bold")
    knocks = listing.table(_("who"), _("answer"), _("asked for"))
    for each in closed.knocks:
        passes = each.decision.allow
        asked = "; ".join(each.decision.measures)
        listing.add(
            knocks, _(each.who), _("passes") if passes else _("refused"), asked, style="green" if passes else "red"
        )
    listing.console().print(knocks)
    listing.lines(
        _("The gate's list holds {n} accounts in {kib} KiB, signed; a gate needs nothing else.").format(
            n=format_number(closed.list.accounts), kib=format_number(round(closed.list.bytes / 1024))
        )
    )
