"""`tocsin whatsapp read|refresh`: show a person that they were read; ask what became of what was sent to them."""

from uuid import UUID

import click

from tocsin.cli import listing
from tocsin.cli.acting import Acting, acting
from tocsin.cli.whatsapp_asking import CHANNEL, Change, address_of
from tocsin.cli.wired import Wired
from tocsin.kernel.language import gettext as _
from tocsin.messaging import commands, queries
from tocsin.messaging.errors import NoSuchMessage


@click.command("read")
@click.argument("message_id", metavar="[ID]", type=click.UUID, required=False)
@click.option("--address", default="", metavar="ADDRESS", help="The newest message of this person instead of an ID.")
@CHANNEL
@click.option("--typing", is_flag=True, help="Show also that an answer is being written, for 25 seconds at most.")
@acting
@click.pass_obj
def read(wired: Wired, message_id: UUID | None, address: str, called: str, typing: bool, acts: Acting) -> None:
    """Show a person that you read what they wrote: message ID, and all before it, get their blue ticks.

    IDs stand in `tocsin message trace --json`. Nothing is sent to the person, and their 24 hours do not change.
    """
    if bool(message_id) == bool(address):
        raise click.UsageError(_("Name a message or an --address."))
    with wired.rows():
        of_message = queries.heard(message_id=message_id) if message_id else None
        change = Change(wired, of_message.channel if of_message else called, acts=acts)
        found = of_message or _newest(wired, change, address)
        if found is None:
            raise NoSuchMessage(
                _("No such message came in on {name}.").format(name=change.channel.name),
                mend=_("Webhooks bring them: look with `tocsin whatsapp webhook list` whether they arrive."),
            )
        change.made(
            lambda meta: meta.receipts.read(found.provider_id, typing=typing),
            what="message read", message=str(found.id), typing=typing,
        )  # fmt: skip
    listing.lines(_("Shown as read, with the typing sign.") if typing else _("Shown as read."))


def _newest(wired: Wired, change: Change, address: str) -> queries.Heard | None:
    if not address:
        return None
    return queries.heard(channel=change.channel.name, address=address_of(wired, change.channel, address))


@click.command("refresh")
@click.argument("message_id", metavar="ID", type=click.UUID)
@acting
@click.pass_obj
def refresh(wired: Wired, message_id: UUID, acts: Acting) -> None:
    """Ask Meta what became of message ID, and keep it: for webhooks that were lost. Not every account may ask.

    A message whose sending nobody knows about has no id at Meta to ask with: for those see `tocsin outbox unknown`.
    """
    with wired.rows():
        message = queries.message(message_id)
        change = Change(wired, message.channel, acts=acts)
        if not message.provider_id:
            raise NoSuchMessage(
                _("Meta never told an id of this message, so it cannot be asked about it."),
                mend=_("`tocsin message trace ID` says what is known."),
            )
        found = change.made(
            lambda meta: meta.history.of(message.provider_id), what="statuses asked for", message=str(message.id)
        )
        commands.apply_statuses(found, channel_of_line={change.channel.line: change.channel.name})
        after = queries.message(message_id)
    listing.lines(_("Before: {before}. Now: {now}.").format(before=message.state, now=after.state))
