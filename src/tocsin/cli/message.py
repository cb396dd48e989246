"""`tocsin message`: send a message, and say whether it arrived and how that is known."""

import json
from collections.abc import Sequence
from uuid import UUID

import click

from tocsin.cli import listing, message_found, message_shown as shown
from tocsin.cli.acting import Acting, acting
from tocsin.cli.message_content import WHATSAPP
from tocsin.cli.message_send import send
from tocsin.cli.wired import Wired
from tocsin.customers import commands as customer_commands
from tocsin.journal.values import Author
from tocsin.kernel.language import format_number, gettext as _, ngettext
from tocsin.messaging import queries
from tocsin.messaging.queries import MessageState
from tocsin.messaging.values import Message

_REVEAL = click.option("--reveal", is_flag=True, help="Show addresses whole; the journal keeps that you did.")
_ID = click.argument("message_id", metavar="ID", type=click.UUID)
STORIES_MAX = 20


@click.group("message")
def command() -> None:
    """Send a message; say whether it arrived, and how that is known."""


command.add_command(send)


@command.command("show")
@_ID
@listing.JSON
@_REVEAL
@acting
@click.pass_obj
def show(wired: Wired, message_id: UUID, as_json: bool, reveal: bool, acts: Acting) -> None:
    """Show what message ID says, to whom, and where it is."""
    with wired.rows():
        message = queries.message(message_id)
        content = queries.body_of(message_id)
        if reveal:
            _record([message], by=acts.author())
    if as_json:
        listing.print_json({**shown.message_as_json(message, reveal=reveal), "content": content})
        return
    shown.print_list([message], reveal=reveal)
    if content is None:
        listing.lines("", _("Its text was erased; its digest is {digest}.").format(digest=message.digest))
    else:
        listing.lines("", json.dumps(content, indent=2, ensure_ascii=False))


@command.command("list")
@click.option("--channel", default="", metavar="NAME", help="Of this channel.")
@click.option("--broadcast", default="", help="Of this sending, e.g. incident:1:affected.")
@click.option("--state", "states", multiple=True, type=click.Choice([each.value for each in MessageState]))
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True)
@listing.JSON
@_REVEAL
@acting
@click.pass_obj
def list_messages(
    wired: Wired, channel: str, broadcast: str, states: tuple[str, ...], limit: int, as_json: bool, reveal: bool,
    acts: Acting,
) -> None:  # fmt: skip
    """List the newest messages."""
    with wired.rows():
        chosen = [MessageState(each) for each in states]
        found = queries.messages(channel=channel, broadcast=broadcast, states=chosen, limit=limit)
        if reveal:
            _record(found, by=acts.author())
    if as_json:
        listing.print_json([shown.message_as_json(each, reveal=reveal) for each in found])
    else:
        shown.print_list(found, reveal=reveal)


@command.command("trace")
@click.argument("who", metavar="[WHO]", default="")
@click.option("--account", default="", help="Only as the account of a person.")
@click.option("--address", default="", help="Only as an address.")
@click.option("--country", default="", metavar="CC", help="Reads a national telephone number, e.g. FR.")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
@_REVEAL
@acting
@click.pass_obj
def trace(
    wired: Wired, who: str, account: str, address: str, country: str, as_json: bool, reveal: bool, acts: Acting
) -> None:
    """Answer "did she get it, and how do you know": the answer, its grounds, the proofs, then every step.

    WHO is a telephone number, a mail address, an account, a message's id, or the id the provider gave it.
    """
    if sum(map(bool, (who, account, address))) != 1:
        raise click.UsageError(_("Say who or which: a number, a mail address, an account or a message's id."))
    with wired.rows():
        if who:
            found = message_found.of_anything(who, country=country)
        else:
            found = message_found.of_account(account) if account else message_found.of_address(address, country=country)
        if reveal:
            _record(found, by=acts.author())
        if as_json:
            stories = [shown.as_json(queries.trace(each.id), reveal=reveal) for each in found[:STORIES_MAX]]
            click.echo(json.dumps(stories, indent=2, ensure_ascii=False, default=str))
        elif found:
            _print_stories(found, reveal=reveal)
        else:
            message_found.print_nothing(who or address, account=account)


def _print_stories(found: Sequence[Message], *, reveal: bool) -> None:
    if len(found) > 1:
        text = ngettext("{n} message, the newest first:", "{n} messages, the newest first:", len(found))
        listing.lines(text.format(n=format_number(len(found))), "")
    for place, message in enumerate(found[:STORIES_MAX]):
        if place:
            listing.lines("", "-" * 60, "")
        shown.print_trace(queries.trace(message.id), beside=_beside(message), reveal=reveal)


def _beside(message: Message) -> list[tuple[str, object]]:
    """Return what stands beside the rows of a message: its text, its price, whether the person's 24 hours last."""
    body = queries.prepared_of(message.id)
    return [
        (_("text"), body.shown if body else _("erased")),
        (_("price"), shown.price_words(queries.price_of(message.id))),
        (_("24 hours"), _window(message)),
    ]


def _window(message: Message) -> str:
    """Return whether free-form messages may go to a person on WhatsApp now."""
    kinds = {channel.name: channel.kind for channel in queries.channels()}
    if kinds.get(message.channel) != WHATSAPP:
        return ""
    return _("open") if queries.window_open(message.channel, message.address) else _("shut: templates only")


def _record(found: Sequence[Message], *, by: Author) -> None:
    for message in found:
        customer_commands.record_reveal(f"message:{message.id}", addresses=1, by=by)
