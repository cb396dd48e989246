"""`tocsin send`: the process that only sends what is queued."""

import asyncio
import signal
from collections import Counter
from collections.abc import Mapping

import click

from tocsin.cli import listing
from tocsin.cli.wired import Wired
from tocsin.kernel import long_running
from tocsin.kernel.language import format_number, gettext as _, gettext_noop
from tocsin.messaging import commands, queries
from tocsin.messaging.ports import Sending
from tocsin.messaging.values import Channel

WORDS = {
    "sent": gettext_noop("sent"),
    "refused": gettext_noop("refused"),
    "unknown": gettext_noop("unknown"),
    "broken": gettext_noop("broken"),
}


@click.command("send")
@click.option("--channel", "only", multiple=True, metavar="NAME", help="Send on this channel only; may be repeated.")
@click.option("--drain", is_flag=True, help="End as soon as nothing is due.")
@click.pass_obj
def command(wired: Wired, only: tuple[str, ...], drain: bool) -> None:
    """Send the messages that are queued, until SIGTERM.

    May be interrupted or killed at any moment: no message is lost, none is sent twice. Several may run side by side,
    on several machines; they keep the pace of each number together.
    """
    counts: Counter[str] = Counter()

    def told(_channel: str, settled: Mapping[str, int]) -> None:
        counts.update(settled)

    def open_channel(channel: Channel, secrets: Mapping[str, str]) -> Sending:
        return wired.channel(channel.kind, name=channel.name, settings=channel.settings, secrets=secrets)

    with wired.rows():
        for name in only:
            queries.channel(name)  # says so when there is none
        long_running.settle_in()
        asyncio.run(_send(commands.Sender(open_channel, only=only, told=told), drain=drain))
    words = [_("{name}: {n}").format(name=_(WORDS[word]), n=format_number(n)) for word, n in sorted(counts.items())]
    listing.lines(", ".join(words) or _("Nothing was due."))


async def _send(sender: commands.Sender, *, drain: bool) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    click.echo(_("Sending."))
    if drain:
        await sender.drain(stop)
    else:
        await sender.run(stop)
