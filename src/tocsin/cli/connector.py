"""`tocsin connector`: the systems on which measures are taken, their settings, secrets and health."""

from datetime import timedelta
from pathlib import Path

import click

from tocsin.cli import listing
from tocsin.cli.acting import Acting, acting
from tocsin.cli.given import print_kinds, secrets_in, settings_in
from tocsin.cli.wired import Wired
from tocsin.containment import commands, queries
from tocsin.containment.errors import SystemNotUnderstood
from tocsin.containment.ports import Checkable, Connector, Standing
from tocsin.containment.values import System
from tocsin.kernel.language import format_datetime, format_number, gettext as _

FAULTY = 3
EXAMPLE_ACCOUNTS = 1_000_000
_STANDING = {Standing.OK: ("ok", "green"), Standing.WARNING: ("!", "yellow"), Standing.FAULT: ("x", "red")}
_REASON = click.option("--reason", required=True, help="Why; it is kept in the journal.")


@click.group("connector")
def command() -> None:
    """Connect the systems on which measures are taken: directories, databases, identity providers, key stores."""


@command.command("add")
@click.argument("called", metavar="NAME")
@click.option("--kind", required=True, help="What it is; `tocsin connector kinds` lists them.")
@click.option(
    "--config", type=click.Path(path_type=Path, dir_okay=False, exists=True), required=True,
    help="Its settings as YAML, without secrets.",
)  # fmt: skip
@click.option(
    "--secret", "given", multiple=True, metavar="NAME=@FILE|env:VARIABLE", help="Where a secret is read from, once."
)
@click.option("--replace", is_flag=True, help="Change the settings and secrets of one that is connected.")
@acting
@click.pass_obj
def add(
    wired: Wired, called: str, kind: str, config: Path, given: tuple[str, ...], replace: bool, acts: Acting
) -> None:  # fmt: skip
    """Connect a system under NAME. Secrets are sealed and never shown again."""
    settings = settings_in(config, mend=_("`tocsin connector kinds` explains every setting."))
    secrets = secrets_in(given)
    _known_kind(wired, kind)
    wired.connector(kind, name=called, settings=settings, secrets=secrets)  # says what is wrong before anything is kept
    with wired.rows():
        by = acts.author()
        commands.add_system(called, kind=kind, settings=settings, secrets=secrets, replace=replace, by=by)
    listing.lines(_("{name} is connected. Look whether it works: tocsin connector check {name}").format(name=called))


@command.command("list")
@listing.JSON
@click.pass_obj
def list_systems(wired: Wired, as_json: bool) -> None:
    """List the connected systems: what they are, whether they are held, what waits for them."""
    with wired.rows():
        found, waiting = queries.systems(), queries.steps_waiting()
    if as_json:
        listing.print_json([{**listing.plain(each), "waiting": waiting.get(each.name, (0,))[0]} for each in found])
        return
    table = listing.table(_("name"), _("kind"), _("connected"), _("waiting"), _("held until"), _("reason"))
    for system in found:
        steps = format_number(waiting[system.name][0]) if system.name in waiting else ""
        held = format_datetime(system.held_until) if system.held_until else ""
        listing.add(table, system.name, system.kind, format_datetime(system.added_at), steps, held, system.held_reason)
    listing.console().print(table)
    left = sorted(set(waiting) - {system.name for system in found})
    for name in left:
        count = format_number(waiting[name][0])
        listing.lines(_("{n} steps wait for {name}, which is not connected.").format(n=count, name=name))


@command.command("check")
@click.argument("called", metavar="NAME")
@click.pass_obj
def check(wired: Wired, called: str) -> int:
    """Ask the system NAME: do the credentials and rights suffice, what can it do, how fast, what is to be mended.

    Nothing is changed. Ends with 0 when all is well, 3 when measures would fail.
    """
    with wired.rows():
        system = queries.system(called)
        connector = _connected(wired, system)
        remarks = connector.check() if isinstance(connector, Checkable) else ()
        if not remarks:
            connector.plan([])
    for remark in remarks:
        word, colour = _STANDING[remark.standing]
        listing.lines(f"{word:3}{remark.text}" + (f" {remark.mend}" if remark.mend else ""), style=colour)
    listing.console().print(listing.pairs(_told(connector)))
    faults = [remark for remark in remarks if remark.standing is Standing.FAULT]
    return FAULTY if faults else 0


@command.command("remove")
@click.argument("called", metavar="NAME")
@_REASON
@acting
@click.pass_obj
def remove(wired: Wired, called: str, reason: str, acts: Acting) -> None:
    """Disconnect NAME and forget its secrets; what waits for it waits until it is connected again."""
    with wired.rows():
        commands.remove_system(called, reason=reason, by=acts.author())
    listing.lines(_("{name} is disconnected.").format(name=called))


@command.command("kinds")
@click.argument("kind", required=False)
@listing.JSON
@click.pass_obj
def kinds(wired: Wired, kind: str | None, as_json: bool) -> None:
    """Explain every kind of system that can be connected, or only KIND: its settings and its secrets."""
    known = wired.connector_kinds()
    if kind is not None:
        _known_kind(wired, kind)
    print_kinds(known, only=kind, as_json=as_json)


def _told(connector: Connector) -> list[tuple[str, object]]:
    """Return what a person should know of a system, as pairs."""
    abilities, limits = connector.abilities(), connector.limits()
    pace = limits.per_second / limits.calls_per_order if limits.per_second else None
    rows: list[tuple[str, object]] = [
        (_("takes"), ", ".join(sorted(abilities.takes))),
        (_("reads back"), ", ".join(sorted(abilities.reads_back)) or _("nothing")),
        (_("undoes"), ", ".join(sorted(abilities.undoes)) or _("nothing")),
        (_("cannot undo"), ", ".join(sorted(abilities.takes - abilities.undoes)) or _("nothing")),
    ]
    if pace:
        seconds = timedelta(seconds=round(EXAMPLE_ACCOUNTS / pace))
        words = _("{pace} accounts a second ({source}): {n} accounts take {time}")
        said = words.format(
            pace=format_number(round(pace, 1)), source=limits.source, n=format_number(EXAMPLE_ACCOUNTS), time=seconds
        )
        rows.append((_("pace"), said))
    else:
        rows.append((_("pace"), limits.source))
    return rows + [(_("know"), warning) for warning in abilities.warnings]


def _connected(wired: Wired, system: System) -> Connector:
    return wired.connector(
        system.kind, name=system.name, settings=system.settings, secrets=queries.secrets_of(system.name)
    )


def _known_kind(wired: Wired, kind: str) -> None:
    known = sorted(wired.connector_kinds())
    if kind not in known:
        raise SystemNotUnderstood(
            _("There is no kind of system called {kind}.").format(kind=kind),
            mend=_("The kinds are: {kinds}.").format(kinds=", ".join(known)),
        )
