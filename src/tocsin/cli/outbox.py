"""`tocsin outbox`: what waits to be sent and what holds it up, the kill switches, and what only a person decides."""

import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import click

from tocsin.cli import listing, message_shown as shown, send
from tocsin.cli.acting import Acting, acting
from tocsin.cli.channel_rules import FLAGGED
from tocsin.cli.wired import Wired
from tocsin.customers import queries as customers
from tocsin.kernel import clock
from tocsin.kernel.language import format_datetime, format_number, gettext as _, ngettext
from tocsin.messaging import commands, queries
from tocsin.messaging.queries import MessageState, WhenFlagged
from tocsin.messaging.values import ChannelState, Message, OutboxStatus, Reason

UNKNOWN_SECONDS = 900  # within this a status usually comes and settles it
_CHANNEL = click.argument("channel", metavar="[CHANNEL]", required=False)
_JSON = click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
_FINAL = tuple(state for state in MessageState if state not in queries.OPEN_STATES)


@click.group("outbox")
def command() -> None:
    """See what waits and what is unknown; drain, pause, resume."""


@command.command("status")
@click.option("--all", "final", is_flag=True, help="Count what is done too; this reads every message.")
@_JSON
@click.pass_obj
def status(wired: Wired, final: bool, as_json: bool) -> None:
    """Show per channel what waits, since when, and what holds it up."""
    with wired.rows():
        found = queries.outbox_status(final=final)
    if as_json:
        click.echo(json.dumps(_status_as_json(found), indent=2))
        return
    if found.paused_at:
        words = _("Everything is paused since {time}: {reason}")
        listing.lines(words.format(time=format_datetime(found.paused_at), reason=found.paused_reason), style="red")
    states = (*queries.OPEN_STATES, *(_FINAL if final else ()))
    table = listing.table(_("channel"), *(_(shown.STATES[state]) for state in states), _("oldest"), _("sends"))
    paused = found.paused_at is not None
    for channel in found.channels:
        counts = (format_number(channel.counts.get(state, 0)) for state in states)
        listing.add(
            table,
            channel.channel,
            *counts,
            _age(channel.oldest_due_at, at=found.at),
            _sends(channel, paused=paused),
        )
    listing.console().print(table)
    for channel in found.channels:
        for line in _what_waits(channel):
            listing.lines(f"{channel.channel}: {line}", style="yellow")
    unknown = sum(channel.counts.get(MessageState.UNKNOWN, 0) for channel in found.channels)
    if unknown:
        words = ngettext(
            "Nobody knows whether {n} message arrived: tocsin outbox unknown",
            "Nobody knows whether {n} messages arrived: tocsin outbox unknown",
            unknown,
        )
        listing.lines(words.format(n=format_number(unknown)))


def _age(oldest: datetime | None, *, at: datetime) -> str:
    """Return for how long the oldest due message has waited: the first thing to look at when nobody gets anything."""
    if oldest is None:
        return ""
    return _("{n} s").format(n=format_number(max(0, round((at - oldest).total_seconds()))))


def _sends(channel: ChannelState, *, paused: bool) -> str:
    """Return whether a channel sends, and why not; ``paused`` when all channels are."""
    if not channel.kind:
        return _("no: no channel has this name any more")
    if paused:
        return _("no: everything is paused")
    if channel.paused_reason:
        return _("no: paused by a person: {reason}").format(reason=channel.paused_reason)
    if channel.held_reason and channel.held_until:
        until = format_datetime(channel.held_until)
        return _("no, until {time}: {reason}").format(time=until, reason=shown.reason_words(channel.held_reason))
    if channel.held_reason:
        return _("no, until it is mended: {reason}").format(reason=shown.reason_words(channel.held_reason))
    if channel.warning or channel.templates:
        return _("yes, not everything: see below")
    if channel.per_second is not None:
        return _("yes, slowed down to {n} a second").format(n=format_number(channel.per_second, decimals=1))
    return _("yes")


def _what_waits(channel: ChannelState) -> Iterator[str]:
    """Yield what is held up though the channel sends, each with why and until when."""
    if channel.warning:
        words = _("the provider warns of this number ({word}): {campaigns}. All else goes on.")
        yield words.format(word=channel.warning, campaigns=_(FLAGGED[WhenFlagged(channel.campaigns)]))
    if channel.quality.upper() == "RED":
        yield _("the provider calls its quality low: people block or report it")
    if channel.restrictions:
        yield _("the provider restricts the account: {what}").format(what=", ".join(channel.restrictions))
    for each in channel.templates:
        text = ngettext(
            "{n} message waits for the template {template}: {reason}, {until}",
            "{n} messages wait for the template {template}: {reason}, {until}",
            each.messages,
        )
        until = _("until {time}").format(time=format_datetime(each.until)) if each.until else _("until it is approved")
        reason = shown.reason_words(each.reason)
        yield text.format(n=format_number(each.messages), template=each.template, reason=reason, until=until)
    for word, count in sorted(channel.waits_for.items()):
        if word != Reason.TEMPLATE_NOT_USABLE or not channel.templates:
            text = ngettext("{n} message waits: {reason}", "{n} messages wait: {reason}", count)
            yield text.format(n=format_number(count), reason=shown.reason_words(word))


def _status_as_json(found: OutboxStatus) -> dict[str, Any]:
    return {
        "at": found.at.isoformat(),
        "paused_at": _iso(found.paused_at),
        "paused_reason": found.paused_reason,
        "channels": [
            {
                "channel": each.channel, "kind": each.kind, "counts": {key.value: n for key, n in each.counts.items()},
                "oldest_due_at": _iso(each.oldest_due_at), "next_due_at": _iso(each.next_due_at),
                "paused_reason": each.paused_reason, "held_reason": each.held_reason,
                "held_until": _iso(each.held_until), "per_second": each.per_second, "warning": each.warning,
                "quality": each.quality, "restrictions": list(each.restrictions), "campaigns": each.campaigns,
                "waits_for": dict(each.waits_for),
                "templates": [
                    {"template": held.template, "reason": held.reason, "until": _iso(held.until),
                     "messages": held.messages}
                    for held in each.templates
                ],
            }
            for each in found.channels
        ],
    }  # fmt: skip


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None


@command.command("drain")
@click.option("--channel", "only", multiple=True, metavar="NAME", help="On this channel only; may be repeated.")
@click.pass_context
def drain(context: click.Context, only: tuple[str, ...]) -> None:
    """Send what is due now, and end when nothing is."""
    context.invoke(send.command, only=only, drain=True)


@command.command("pause")
@_CHANNEL
@click.option("--reason", required=True, help="Why; kept in the journal, shown by status.")
@acting
@click.pass_obj
def pause(wired: Wired, channel: str | None, reason: str, acts: Acting) -> None:
    """Send nothing more on CHANNEL, or on any when none is named: security notices included.

    Nothing is taken out of the outbox after this ended. What senders held already, few at a time, may still leave.
    """
    with wired.rows():
        commands.pause(channel, reason=reason, by=acts.author())
    said = _("{name} is paused.").format(name=channel) if channel else _("Everything is paused.")
    listing.lines(said + " " + _("`tocsin outbox resume` lets it go on."))


@command.command("resume")
@_CHANNEL
@click.option("--reason", default="", help="Why; kept in the journal.")
@acting
@click.pass_obj
def resume(wired: Wired, channel: str | None, reason: str, acts: Acting) -> None:
    """Send again on CHANNEL, or lift the switch of all; a channel that was paused by itself stays so."""
    with wired.rows():
        commands.resume(channel, reason=reason, by=acts.author())
    said = _("{name} sends again.").format(name=channel) if channel else _("The switch of all channels is lifted.")
    listing.lines(said)


@command.command("cancel")
@click.argument("message_ids", metavar="[ID...]", nargs=-1, type=click.UUID)
@click.option("--broadcast", default="", help="All that waits of this sending.")
@click.option("--reason", required=True, help="Why; kept in the journal.")
@acting
@click.pass_obj
def cancel(wired: Wired, message_ids: tuple[UUID, ...], broadcast: str, reason: str, acts: Acting) -> None:
    """Withhold messages that still wait: these, or all of a sending. What was sent stays sent."""
    if not message_ids and not broadcast:
        raise click.UsageError(_("Name messages, or a sending with --broadcast."))
    with wired.rows():
        count = commands.cancel_messages(
            broadcast=broadcast, message_ids=message_ids, reason=reason, by=acts.author()
        )  # fmt: skip
    said = ngettext("{n} message is not sent any more.", "{n} messages are not sent any more.", count)
    listing.lines(said.format(n=format_number(count)))


@command.command("unknown")
@click.argument("message_id", metavar="[ID]", type=click.UUID, required=False)
@click.option("--resend", is_flag=True, help="Send ID again; it may then arrive twice.")
@click.option("--give-up", is_flag=True, help="Count ID as failed.")
@click.option("--reason", default="", help="Why; kept in the journal.")
@click.option(
    "--older-than-seconds", type=click.IntRange(min=0), default=UNKNOWN_SECONDS, show_default=True,
    help="List those for which no status has come for so long.",
)  # fmt: skip
@_JSON
@acting
@click.pass_obj
def unknown(
    wired: Wired, message_id: UUID | None, resend: bool, give_up: bool, reason: str, older_than_seconds: int,
    as_json: bool, acts: Acting,
) -> None:  # fmt: skip
    """List the messages nobody knows about, or decide about one of them.

    Their bytes left and no answer came. A status settles them by itself; they are never sent again by themselves.
    """
    if message_id:
        _decide(wired, message_id, resend=resend, give_up=give_up, reason=reason, acts=acts)
        return
    if resend or give_up:
        raise click.UsageError(_("Say which message by its ID."))
    with wired.rows():
        found = queries.unknown(older_than_seconds=older_than_seconds)
    if as_json:
        click.echo(json.dumps([_unknown_as_json(each) for each in found], indent=2))
    else:
        _print_unknown(found)


def _decide(wired: Wired, message_id: UUID, *, resend: bool, give_up: bool, reason: str, acts: Acting) -> None:
    if resend == give_up:
        raise click.UsageError(_("Give either --resend or --give-up."))
    with wired.rows():
        commands.decide_unknown(message_id, resend=resend, reason=reason, by=acts.author())
    listing.lines(_("It is sent again.") if resend else _("It counts as failed."))


def _unknown_as_json(message: Message) -> dict[str, Any]:
    return {
        "id": str(message.id), "channel": message.channel, "reason": message.reason, "detail": message.detail,
        "tries": message.tries, "queued_at": message.queued_at.isoformat(), "state_at": message.state_at.isoformat(),
    }  # fmt: skip


def _print_unknown(found: Sequence[Message]) -> None:
    if not found:
        listing.lines(_("Nothing waits for a decision."))
        return
    now = clock.now()
    table = listing.table(_("message id"), _("channel"), _("to"), _("unknown for"), _("why"))
    table.columns[0].no_wrap = True  # an id is copied whole
    for each in found:
        address = customers.masked(each.address)
        listing.add(
            table, each.id, each.channel, address, _age(each.state_at, at=now), shown.reason_words(each.reason)
        )  # fmt: skip
    listing.console().print(table)
    listing.lines(
        _("Ask the provider or the person; then: tocsin outbox unknown ID --give-up, or --resend (it may arrive twice)")
    )
