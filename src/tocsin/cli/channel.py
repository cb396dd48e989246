"""`tocsin channel`: the ways to people, their settings, secrets and health."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

import click

from tocsin.cli import listing
from tocsin.cli.acting import Acting, acting
from tocsin.cli.channel_rules import flagged, words
from tocsin.cli.given import print_kinds, secrets_in, settings_in
from tocsin.cli.message_shown import reason_words
from tocsin.cli.whatsapp_received import webhook
from tocsin.cli.wired import Wired
from tocsin.kernel import clock
from tocsin.kernel.errors import TocsinError
from tocsin.kernel.language import format_datetime, format_number, gettext as _
from tocsin.kernel.loading import lazily
from tocsin.kernel.remarks import Remark, Standing
from tocsin.messaging import commands, queries
from tocsin.messaging.errors import ChannelNotUnderstood
from tocsin.messaging.ports import Checkable, Placed, Sending
from tocsin.messaging.values import Channel, IntakeBody

db = lazily("django.db")
FAULTY = 3
TRY_AGAIN = 75  # EX_TEMPFAIL of sysexits.h, which mail servers understand
MAIL_BYTES_MAX = 2_000_000
_STANDING = {Standing.OK: ("ok", "green"), Standing.WARNING: ("!", "yellow"), Standing.FAULT: ("x", "red")}


@click.group("channel")
def command() -> None:
    """Connect the ways to people: WhatsApp numbers, mail servers, SMS lines, webhooks of your own product."""


for each in (flagged, webhook, words):
    command.add_command(each)


@command.command("add")
@click.argument("called", metavar="NAME")
@click.option("--kind", required=True, help="What it is; `tocsin channel kinds` lists them.")
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
    """Connect a channel under NAME. Secrets are sealed and never shown again."""
    settings = settings_in(config, mend=_("`tocsin channel kinds` explains every setting."))
    secrets = secrets_in(given)
    _known_kind(wired, kind)
    sending = wired.channel(kind, name=called, settings=settings, secrets=secrets)  # says what is wrong before anything
    line, account, portfolio = "", "", ""
    if isinstance(sending, Placed):
        line, account, portfolio = sending.line, sending.account, sending.portfolio
    with wired.rows():
        commands.add_channel(
            called, kind=kind, line=line, account=account, portfolio=portfolio, settings=settings, secrets=secrets,
            replace=replace, by=acts.author(),
        )  # fmt: skip
    listing.lines(_("{name} is connected. Look whether it works: tocsin channel check {name}").format(name=called))


@command.command("list")
@listing.JSON
@click.pass_obj
def list_channels(wired: Wired, as_json: bool) -> None:
    """List the connected channels: what they are, and whether they are paused or held."""
    with wired.rows():
        found, paused = queries.channels(), queries.all_paused()
    if as_json:
        listing.print_json(found)
        return
    table = listing.table(_("name"), _("kind"), _("line"), _("connected"), _("sends"), _("reason"))
    for channel in found:
        sends, reason = (_("no: everything is paused"), paused[1]) if paused else _sends(channel)
        listing.add(table, channel.name, channel.kind, channel.line, format_datetime(channel.added_at), sends, reason)
    listing.console().print(table)


@command.command("check")
@click.argument("called", metavar="NAME")
@listing.JSON
@click.pass_obj
def check(wired: Wired, called: str, as_json: bool) -> int:
    """Ask the provider of NAME: do address, credentials and rights suffice, how fast may it send, what is to be mended.

    Nothing is sent to anybody. Ends with 0 when all is well, 3 when messages would not go out.
    """
    with wired.rows():
        channel = queries.channel(called)
        secrets = queries.channel_secrets(called)
    sending = wired.channel(channel.kind, name=called, settings=channel.settings, secrets=secrets)
    remarks = asyncio.run(_asked(sending))
    if as_json:
        listing.print_json(remarks)
    for remark in () if as_json else remarks:
        word, colour = _STANDING[remark.standing]
        listing.lines(f"{word:3}{remark.text}" + (f" {remark.mend}" if remark.mend else ""), style=colour)
    if not as_json:
        listing.console().print(listing.pairs(_told(sending)))
    return FAULTY if any(remark.standing is Standing.FAULT for remark in remarks) else 0


@command.command("remove")
@click.argument("called", metavar="NAME")
@click.option("--reason", required=True, help="Why; it is kept in the journal.")
@acting
@click.pass_obj
def remove(wired: Wired, called: str, reason: str, acts: Acting) -> None:
    """Disconnect NAME and forget its secrets; what waits for it waits until it is connected again."""
    with wired.rows():
        commands.remove_channel(called, reason=reason, by=acts.author())
    listing.lines(_("{name} is disconnected.").format(name=called))


@command.command("kinds")
@click.argument("kind", required=False)
@listing.JSON
@click.pass_obj
def kinds(wired: Wired, kind: str | None, as_json: bool) -> None:
    """Explain every kind of channel, or only KIND: its settings and its secrets."""
    known = wired.channel_kinds()
    if kind is not None:
        _known_kind(wired, kind)
    print_kinds(known, only=kind, as_json=as_json)


@command.command("bounce")
@click.argument("mail", type=click.File("rb"), default="-")
@click.option("--app", "named", default="", help="Where its webhooks arrive, when there are several of kind email.")
@click.pass_obj
def bounce(wired: Wired, mail: BinaryIO, named: str) -> int:
    """Take one mail that a mail server sent back: a bounce or a complaint, from the file MAIL or a pipe.

    It is kept and read by the worker like a webhook. Ends with 75 when it cannot be kept, so that the mail server tries
    again. Nothing is printed: mail servers send what a pipe says to somebody.
    """
    raw = mail.read(MAIL_BYTES_MAX)
    try:
        with wired.rows():
            commands.store_intake([IntakeBody(_mail_app(named), clock.now(), raw)])
    except (TocsinError, db.DatabaseError, OSError) as error:
        click.echo(error.what if isinstance(error, TocsinError) else type(error).__name__, err=True)
        return TRY_AGAIN
    return 0


def _mail_app(named: str) -> str:
    apps = [app for app in queries.apps() if app.kind == "email" and named in {"", app.name}]
    if len(apps) != 1:
        raise ChannelNotUnderstood(
            _("There is no place where bounces arrive.") if not apps else _("There are several places for bounces."),
            mend=_("Make one with `tocsin channel webhook add NAME --kind email`, and name it with --app."),
        )
    return apps[0].id


async def _asked(sending: Sending) -> Sequence[Remark]:
    try:
        return await sending.check() if isinstance(sending, Checkable) else ()
    finally:
        await sending.close()


def _sends(channel: Channel) -> tuple[str, str]:
    if channel.paused_at:
        return _("paused"), channel.paused_reason
    if channel.held_until:
        until = _("held until {time}").format(time=format_datetime(channel.held_until))
        return until, reason_words(channel.held_reason)
    return (_("held"), reason_words(channel.held_reason)) if channel.held_reason else (_("yes"), "")


def _told(sending: Sending) -> list[tuple[str, object]]:
    """Return what a person should know of a channel, as pairs."""
    limits = sending.limits
    pace = _("{n} messages a second").format(n=format_number(limits.per_second)) if limits.per_second else _("no limit")
    settles = _("yes") if sending.reports else _("no: a person decides")
    rows: list[tuple[str, object]] = [
        (_("reaches"), ", ".join(str(kind) for kind in sending.reaches)),
        (_("pace"), pace),
        (_("reports come back"), settles),
    ]
    if limits.people_per_day:
        rows.append((_("people in 24 h"), format_number(limits.people_per_day)))
    return rows


def _known_kind(wired: Wired, kind: str) -> None:
    known = sorted(wired.channel_kinds())
    if kind not in known:
        raise ChannelNotUnderstood(
            _("There is no kind of channel called {kind}.").format(kind=kind),
            mend=_("The kinds are: {kinds}.").format(kinds=", ".join(known)),
        )
