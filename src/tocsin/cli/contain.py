"""`tocsin contain`: draw a plan on a frozen scope, approve it, run it, watch it close, lift what was wrong."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from tocsin.cli import contain_shown as shown, listing
from tocsin.cli.acting import Acting, acting
from tocsin.cli.contain_follow import follow
from tocsin.cli.contain_work import work
from tocsin.cli.given import moment
from tocsin.cli.wired import Wired
from tocsin.containment import commands, queries
from tocsin.containment.ports import Connector
from tocsin.containment.values import Measure, MeasureKind, Plan
from tocsin.journal.values import MACHINE
from tocsin.kernel.language import format_number, gettext as _

HELD = 20  # the exit code when a stop rule held the plan: nothing failed, and a person must look
_FILE = click.Path(path_type=Path, dir_okay=False, exists=True)
_NUMBER = click.argument("number", type=click.IntRange(1))
_REASON = click.option("--reason", required=True, help="Why; it is kept in the journal.")


@click.group("contain")
def command() -> None:
    """Close the door for exactly the accounts of a frozen scope, and know when each one is safe.

    Ends with 0 when it is done, 2 when it is refused, 20 when a stop rule holds the plan.
    """


command.add_command(follow)
command.add_command(work)


@command.command("plan")
@click.argument("incident", type=click.IntRange(1))
@click.option("--policy", "named", metavar="NAME|FILE", help="A shipped policy, or your own file.")
@click.option(
    "--leaked", multiple=True, type=click.Choice([each.value for each in queries.Leaked]),
    help="Choose the measures from what leaked; may be repeated.",
)  # fmt: skip
@click.option("--update", "updates", multiple=True, metavar="PLATFORM=VERSION", help="Ask for this client version.")
@click.option("--retire", "retired", multiple=True, metavar="CLIENT", help="This client may not be used any more.")
@click.option("--passkeys", type=_FILE, help="CSV of accounts that sign in with passkeys: they only lose sessions.")
@click.option("--since", metavar="MOMENT", help="What was issued before is not believed; by default, when it starts.")
@acting
@click.pass_obj
def draw(
    wired: Wired,
    incident: int,
    named: str | None,
    leaked: tuple[str, ...],
    updates: tuple[str, ...],
    retired: tuple[str, ...],
    passkeys: Path | None,
    since: str | None,
    acts: Acting,
) -> None:
    """Draw a plan on the latest frozen scope of INCIDENT and show its dry run. Nothing is enforced by it."""
    if bool(named) == bool(leaked):
        raise click.UsageError(_("Give either --policy or --leaked."))
    if named and (updates or retired or passkeys):
        raise click.UsageError(_("--update, --retire and --passkeys go with --leaked; a policy says them itself."))
    policy = queries.read_policy(named) if named else _automatic(leaked, updates, retired, passkeys)
    with wired.rows():
        plan = commands.draw_plan(
            incident, policy=policy, systems=_connected(wired), by=acts.author(), since_at=moment(since)
        )
        _print_plan(plan)
        needed, _missing = queries.approvals_missing(plan.number)
    listing.lines("", shown.next_step(plan, needed=needed), style="bold")


def _automatic(
    leaked: tuple[str, ...], updates: tuple[str, ...], retired: tuple[str, ...], passkeys: Path | None
) -> queries.Policy:
    measures = [Measure(MeasureKind.RETIRE_CLIENT, client=client) for client in retired]
    for text in updates:
        platform, sign, version = text.partition("=")
        if not (platform and sign and version[:1].isdigit()):
            raise click.UsageError(_("Write --update platform=version, as in android=8.11."))
        measures.append(Measure(MeasureKind.UPDATE_CLIENT, platform=platform.lower(), version_min=version))
    if queries.Leaked.CLIENT in leaked and not measures:
        raise click.UsageError(_("When a client's key leaked, say what replaces it: --update or --retire."))
    listed = queries.list_from_file("passkeys", passkeys, where="--passkeys") if passkeys else None
    kinds = tuple(queries.Leaked(each) for each in dict.fromkeys(leaked))
    return queries.automatic(kinds, updates=tuple(measures), passkeys=listed)


def _connected(wired: Wired) -> dict[str, Connector]:
    return {
        each.name: wired.connector(
            each.kind, name=each.name, settings=each.settings, secrets=queries.secrets_of(each.name)
        )
        for each in queries.systems()
    }


@command.command("show")
@click.argument("number", type=click.IntRange(1), required=False)
@click.option("--accounts", "out", type=click.Path(path_type=Path, dir_okay=False), help="Write every account as CSV.")
@click.option("--json", "as_json", is_flag=True, help="Print the plan as JSON.")
@click.pass_obj
def show(wired: Wired, number: int | None, out: Path | None, as_json: bool) -> None:
    """Show what plan NUMBER would do and to whom; without a number, list the plans."""
    with wired.rows():
        if number is None:
            plans = queries.plans()
            listing.print_json([_as_json(each) for each in plans]) if as_json else _print_list(plans)
            return
        plan = queries.plan(number)
        lines = queries.export_accounts(number, to=out) if out else 0
        if as_json:
            click.echo(json.dumps(_as_json(plan), indent=2, sort_keys=True, default=str))
        else:
            _print_plan(plan)
    if out:
        listing.lines(_("{n} accounts written to {file}.").format(n=format_number(lines), file=out))


@command.command("approve")
@_NUMBER
@click.option("--accounts", "typed", type=click.IntRange(0), help="The number of accounts it contains, as you read it.")
@acting
@click.pass_obj
def approve(wired: Wired, number: int, typed: int | None, acts: Acting) -> None:
    """Approve plan NUMBER exactly as it is shown; any change to it lets the approval lapse."""
    with wired.rows():
        plan = commands.approve_plan(number, typed_count=typed, by=acts.author())
        listing.console().print(listing.pairs(shown.plan_lines(plan, approvals=queries.approvals_missing(number))))
    if plan.state is queries.PlanState.APPROVED:
        listing.lines("", _("It may start: tocsin contain start {number}").format(number=number), style="bold")


@command.command("start")
@_NUMBER
@click.option("--emergency", metavar="REASON", default="", help="Begin every wave at once, and keep why.")
@acting
@click.pass_obj
def start(wired: Wired, number: int, emergency: str, acts: Acting) -> None:
    """Start an approved plan: its first wave begins and the gate gets its list."""
    with wired.rows():
        commands.start_plan(number, emergency_reason=emergency, by=acts.author())
        _publish(number)
        _print_status(number)


@command.command("next")
@_NUMBER
@click.option("--reason", default="", help="Why the wave that runs need not be watched any longer.")
@acting
@click.pass_obj
def begin_next(wired: Wired, number: int, reason: str, acts: Acting) -> int:
    """Begin the next wave now, unless a stop rule holds the plan; `contain work` does it by itself in time."""
    with wired.rows():
        plan = commands.begin_next_wave(number, reason=reason, by=acts.author())
        _publish(number)
        _print_status(number)
    return HELD if plan.state is queries.PlanState.PAUSED else 0


@command.command("status")
@click.argument("number", type=click.IntRange(1), required=False)
@click.option("--account", help="Everything the plan knows of one account.")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
@click.pass_obj
def status(wired: Wired, number: int | None, account: str | None, as_json: bool) -> int:
    """Show who is safe and who is not yet, and why; without a number, of every plan in force."""
    with wired.rows():
        numbers = [number] if number else [each.number for each in queries.plans_in_force()]
        if account is not None:
            stories = [queries.account_state(each, account) for each in numbers]
            if as_json:
                click.echo(json.dumps([asdict(each) for each in stories], indent=2, default=str))
            for story in () if as_json else stories:
                shown.print_story(story)
            return 0
        if as_json:
            told = [_status_json(each) for each in numbers]
            click.echo(json.dumps(told[0] if number else told, indent=2, sort_keys=True, default=str))
        else:
            for each in numbers:
                _print_status(each)
            if not numbers:
                listing.lines(_("No plan is in force."))
        paused = any(queries.plan(each).state is queries.PlanState.PAUSED for each in numbers)
    return HELD if paused else 0


@command.command("pause")
@_NUMBER
@_REASON
@acting
@click.pass_obj
def pause(wired: Wired, number: int, reason: str, acts: Acting) -> None:
    """Pause a plan: no wave begins and nothing is sent; what is in force stays in force."""
    with wired.rows():
        commands.pause_plan(number, reason=reason, by=acts.author())
        _print_status(number)


@command.command("resume")
@_NUMBER
@_REASON
@acting
@click.pass_obj
def resume(wired: Wired, number: int, reason: str, acts: Acting) -> None:
    """Let a paused plan go on; stop rules count anew."""
    with wired.rows():
        commands.resume_plan(number, reason=reason, by=acts.author())
        _print_status(number)


@command.command("undo")
@_NUMBER
@click.option("--account", "accounts", multiple=True, help="Only this account; may be repeated.")
@click.option("--accounts-file", type=_FILE, help="Only the accounts in this file, one a line.")
@_REASON
@acting
@click.pass_obj
def undo(
    wired: Wired, number: int, accounts: tuple[str, ...], accounts_file: Path | None, reason: str, acts: Acting
) -> None:
    """Undo a plan, or some accounts of it: at the gate in seconds, in connected systems where they can."""
    named = _names(accounts, accounts_file)
    with wired.rows():
        commands.undo_plan(number, accounts=named or None, reason=reason, by=acts.author())
        _publish(number)
        _print_status(number)


@command.command("release")
@_NUMBER
@click.argument("accounts", nargs=-1)
@click.option("--accounts-file", type=_FILE, help="The accounts in this file, one a line.")
@_REASON
@acting
@click.pass_obj
def release(
    wired: Wired, number: int, accounts: tuple[str, ...], accounts_file: Path | None, reason: str, acts: Acting
) -> None:
    """Ask nothing more of ACCOUNTS: somebody made sure of them in another way."""
    named = _names(accounts, accounts_file)
    if not named:
        raise click.UsageError(_("Name the accounts."))
    with wired.rows():
        commands.release_accounts(number, accounts=named, reason=reason, by=acts.author())
        _publish(number)
        _print_status(number)


@command.command("appeal")
@_NUMBER
@click.option("--account", required=True)
@click.option("--text", default="", help="What the person says.")
@click.option("--uphold", is_flag=True, help="Decide: the account is let out.")
@click.option("--reject", is_flag=True, help="Decide: it stays contained.")
@click.option("--reason", default="", help="Why it is upheld or rejected.")
@acting
@click.pass_obj
def appeal(
    wired: Wired, number: int, account: str, text: str, uphold: bool, reject: bool, reason: str, acts: Acting
) -> int:
    """Record that somebody objects; or decide on it with --uphold or --reject."""
    if uphold and reject:
        raise click.UsageError(_("Either --uphold or --reject."))
    if (uphold or reject) and not reason:
        raise click.UsageError(_("A decision needs a --reason."))
    with wired.rows():
        by = acts.author()
        if uphold or reject:
            plan = commands.decide_appeal(number, account=account, uphold=uphold, reason=reason, by=by)
            _publish(number)
        else:
            plan = commands.appeal(number, account=account, text=text, by=by)
        shown.print_story(queries.account_state(number, account))
    return HELD if plan.state is queries.PlanState.PAUSED else 0


@command.command("close")
@_NUMBER
@click.option("--reason", default="", help="Why the accounts that are not safe are written off.")
@acting
@click.pass_obj
def close(wired: Wired, number: int, reason: str, acts: Acting) -> None:
    """Close a plan; suspensions, refused old tokens and rules for everybody stay until it is undone."""
    with wired.rows():
        commands.settle_progress(number, by=MACHINE)
        commands.close_plan(number, reason=reason, by=acts.author())
        _publish(number)
        _print_status(number)


@command.command("policies")
@click.argument("name", required=False)
def policies(name: str | None) -> None:
    """List the policies that come with Tocsin, or print one to begin your own with."""
    if name:
        click.echo(queries.policy_path(name).read_text(encoding="utf-8"), nl=False)
        return
    table = listing.table(_("policy"), _("leaked"), _("for"))
    for each in queries.shipped_policies():
        policy = queries.read_policy(each)
        listing.add(table, each, ", ".join(policy.leaked), _(policy.title))
    listing.console().print(table)


def _names(accounts: tuple[str, ...], file: Path | None) -> tuple[str, ...]:
    listed = [line for line in file.read_text(encoding="utf-8").splitlines() if line] if file else []
    if file and not listed:
        raise click.UsageError(_("{file} names no account.").format(file=file))
    return tuple(dict.fromkeys([*accounts, *listed]))


def _publish(number: int) -> None:
    """Let the gate and the counts follow at once; a worker would do the same a little later."""
    commands.publish_changes(by=MACHINE)
    if queries.plan(number).state in (queries.PlanState.RUNNING, queries.PlanState.PAUSED):
        commands.settle_progress(number, by=MACHINE)


def _print_list(plans: tuple[Plan, ...]) -> None:
    table = listing.table(_("plan"), _("incident"), _("revision"), _("policy"), _("accounts"), _("state"))
    for each in plans:
        accounts = format_number(each.accounts)
        listing.add(
            table, each.number, each.incident, each.revision, each.policy_name, accounts, shown.word(each.state)
        )
    listing.console().print(table)


def _print_plan(plan: Plan) -> None:
    listing.console().print(listing.pairs(shown.plan_lines(plan, approvals=queries.approvals_missing(plan.number))))
    listing.lines("")
    shown.print_dry_run(plan)


def _print_status(number: int) -> None:
    plan = queries.plan(number)
    listing.console().print(listing.pairs(shown.plan_lines(plan, approvals=queries.approvals_missing(number))))
    waves = listing.table(_("wave"), _("accounts"), _("state"), "")
    for each in plan.waves:
        listing.add(waves, each.number, format_number(each.accounts), shown.word(each.state), each.held_reason)
    listing.console().print(waves)
    listing.lines("")
    shown.print_funnel(queries.funnel(number))
    listing.console().print(shown.legend())
    if plan.started_at:
        shown.print_rest(queries.residue(number))
        shown.print_watched(queries.watching(number))


def _as_json(plan: Plan) -> dict[str, Any]:
    return {**asdict(plan), "approvals": [asdict(each) for each in plan.approvals]}


def _status_json(number: int) -> dict[str, Any]:
    plan = queries.plan(number)
    needed, missing = queries.approvals_missing(number)
    return {
        "plan": plan.number, "incident": plan.incident, "revision": plan.revision, "state": plan.state.value,
        "accounts": plan.accounts, "digest": plan.digest, "since_at": plan.since_at,
        "approvals": {"needed": needed, "missing": missing},
        "waves": [asdict(each) for each in plan.waves],
        "funnel": [asdict(each) for each in queries.funnel(number)],
        "not_yet_safe": [asdict(each) for each in queries.residue(number)] if plan.started_at else [],
        "stop_rules": [
            {"rule": each.rule.value, "value": each.value, "limit": each.limit, "stops": each.stops}
            for each in queries.watching(number)
        ],
    }  # fmt: skip
