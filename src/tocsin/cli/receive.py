"""`tocsin receive`: the process that only answers over HTTP."""

import click

from tocsin.cli.serve import LISTEN, Listen, answer
from tocsin.cli.wired import Wired


@click.command("receive")
@click.option("--listen", type=Listen(), default=LISTEN, show_default=True, help="Where to answer.")
@click.pass_obj
def command(wired: Wired, listen: tuple[str, int]) -> None:
    """Answer gates, Shared Signals and webhooks over HTTP until SIGTERM, and do nothing else.

    What webhooks bring is kept before it is answered; `tocsin work` takes it in.
    """
    answer(wired, listen, alone=True)
