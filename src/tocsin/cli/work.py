"""`tocsin work`: the process that carries out what waits, answering nobody and sending no message."""

import click

from tocsin.cli.wired import Wired
from tocsin.kernel.language import gettext as _


@click.command("work")
@click.pass_obj
def command(wired: Wired) -> None:
    """Carry out what waits until SIGTERM: measures, webhooks to be taken in, what dead senders left, retention.

    Several may run side by side, on several machines.
    """
    with wired.rows():
        click.echo(_("Working."))
        wired.work()
    click.echo(_("Stopped."))
