"""`tocsin incident`: possible breaches and their facts."""

from datetime import UTC, datetime

import click

from tocsin.cli import listing
from tocsin.cli.acting import Acting, acting, said_by
from tocsin.cli.wired import Wired
from tocsin.incidents import commands, queries
from tocsin.incidents.values import FactKind, Incident, NewFact, Severity, Standing
from tocsin.kernel import clock
from tocsin.kernel.errors import TocsinError
from tocsin.kernel.language import format_datetime, gettext as _, gettext_noop

KINDS = {
    FactKind.DETECTED: gettext_noop("detected"),
    FactKind.SUSPECTED: gettext_noop("suspected"),
    FactKind.AWARE: gettext_noop("aware"),
    FactKind.BEGAN: gettext_noop("began"),
    FactKind.ENDED: gettext_noop("ended"),
    FactKind.CONTAINED: gettext_noop("contained"),
    FactKind.REPORTED: gettext_noop("reported to us"),
    FactKind.NOTE: gettext_noop("note"),
}
STANDINGS = {Standing.ALLEGED: gettext_noop("alleged"), Standing.VERIFIED: gettext_noop("verified")}


@click.group("incident")
def command() -> None:
    """List and show incidents, and add signed facts to them."""


@command.command("list")
@listing.JSON
@click.pass_obj
def list_incidents(wired: Wired, as_json: bool) -> None:
    """List every incident, newest first."""
    with wired.rows():
        found = queries.incidents()
    if as_json:
        listing.print_json(found)
        return
    table = listing.table(_("incident"), _("state"), _("severity"), _("declared"), _("title"))
    for incident in found:
        declared = format_datetime(incident.declared_at)
        state, severity = listing.word(incident.state), listing.word(incident.severity)
        listing.add(table, incident.number, state, severity, declared, incident.title)
    listing.console().print(table)


@command.command("show")
@click.argument("number", type=click.IntRange(1))
@listing.JSON
@click.pass_obj
def show(wired: Wired, number: int, as_json: bool) -> None:
    """Show an incident and its facts, in the order they were recorded."""
    with wired.rows():
        incident = queries.incident(number)
    if as_json:
        listing.print_json(incident)
        return
    _print(incident)


@command.command("declare")
@click.argument("title")
@click.option(
    "--severity", type=click.Choice([each.value for each in Severity]), default=Severity.MEDIUM.value, show_default=True
)
@click.option("--aware", metavar="TIME", help="When you became aware; now unless told, e.g. 2026-11-01T08:00+01:00.")
@click.option("--alleged", is_flag=True, help="It is a claim nobody verified yet.")
@acting
@click.pass_obj
def declare(
    wired: Wired,
    title: str,
    severity: str,
    aware: str | None,
    alleged: bool,
    acts: Acting,
) -> None:
    """Declare an incident by hand; `tocsin investigate --open` declares one from what it found."""
    standing = Standing.ALLEGED if alleged else Standing.VERIFIED
    fact = NewFact(kind=FactKind.AWARE, happened_at=_moment(aware), standing=standing)
    with wired.rows():
        by = acts.author()
        incident = commands.declare_incident(title, severity=Severity(severity), leads=(), facts=[fact], by=by)
    _print(incident)


@command.command("fact")
@click.argument("number", type=click.IntRange(1))
@click.argument("kind", type=click.Choice([each.value for each in FactKind]))
@click.option("--at", "at", metavar="TIME", help="When it happened (UTC unless it says a zone); now unless told.")
@click.option("--alleged/--verified", "alleged", default=True, show_default=True, help="A claim, or known to be so.")
@click.option("--text", default="", help="In words.")
@acting
@click.pass_obj
def fact(
    wired: Wired,
    number: int,
    kind: str,
    at: str | None,
    alleged: bool,
    text: str,
    acts: Acting,
) -> None:
    """Add a fact to an incident. Facts never change; a later one of the same kind corrects an earlier one."""
    standing = Standing.ALLEGED if alleged else Standing.VERIFIED
    added = NewFact(kind=FactKind(kind), happened_at=_moment(at), standing=standing, text=text)
    with wired.rows():
        by = acts.author()
        incident = commands.add_fact(number, fact=added, by=by)
    _print(incident)


@command.command("close")
@click.argument("number", type=click.IntRange(1))
@click.option("--reason", required=True, help="Why; it is kept in the journal.")
@acting
@click.pass_obj
def close(wired: Wired, number: int, reason: str, acts: Acting) -> None:
    """Close an incident: nothing more is added to it, and its leads are free again."""
    with wired.rows():
        by = acts.author()
        incident = commands.close_incident(number, reason=reason, by=by)
    _print(incident)


def _moment(text: str | None) -> datetime:
    if text is None:
        return clock.now()
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise TocsinError(
            _("This is not a time."), where=text, mend=_("For example: 2026-11-01T08:00+01:00")
        ) from error
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def _print(incident: Incident) -> None:
    out = listing.console()
    rows: list[tuple[str, object]] = [
        (_("incident"), incident.number),
        (_("title"), incident.title),
        (_("state"), listing.word(incident.state)),
        (_("severity"), listing.word(incident.severity)),
        (_("declared"), format_datetime(incident.declared_at, seconds=True)),
        (_("leads"), ", ".join(incident.leads) or "-"),
    ]
    if incident.closed_at:
        rows.append((_("closed"), format_datetime(incident.closed_at, seconds=True)))
    out.print(listing.pairs(rows))
    table = listing.table(_("fact"), _("when"), _("standing"), _("recorded"), _("by"), _("words"))
    for each in incident.facts:
        listing.add(
            table,
            _(KINDS[each.kind]),
            format_datetime(each.happened_at, seconds=True),
            _(STANDINGS[each.standing]),
            format_datetime(each.recorded_at, seconds=True),
            said_by(each.by, each.assurance),
            each.text,
        )
    out.print()
    out.print(table)
