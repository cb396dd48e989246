"""`tocsin serve`: the process that answers over HTTP, sends what is queued, and carries out what waits."""

import ipaddress

import click

from tocsin.cli.wired import Wired
from tocsin.kernel.language import gettext as _

LISTEN = "127.0.0.1:8600"


class Listen(click.ParamType[tuple[str, int]]):
    """``HOST:PORT``, an IPv6 address in brackets; returns both."""

    name = "HOST:PORT"

    def convert(
        self, value: str | tuple[str, int], param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, int]:
        """Return (host, port), or say how to write it."""
        if isinstance(value, tuple):
            return value
        host, _colon, port = value.rpartition(":")
        if not host or not port.isdecimal() or not 0 < int(port) < 65536:
            self.fail(_("{value} is no HOST:PORT, such as {example}.").format(value=repr(value), example=LISTEN))
        return host.removeprefix("[").removesuffix("]"), int(port)


@click.command("serve")
@click.option("--listen", type=Listen(), default=LISTEN, show_default=True, help="Where to answer.")
@click.pass_obj
def command(wired: Wired, listen: tuple[str, int]) -> None:
    """Answer gates, Shared Signals and webhooks over HTTP, send messages, and carry out what waits, until SIGTERM.

    The private database runs as long as this does. Only this machine can reach the default address; put a web server
    with TLS in front for others. For several processes see `tocsin receive`, `tocsin send` and `tocsin work`.
    """
    answer(wired, listen, alone=False)


def answer(wired: Wired, listen: tuple[str, int], *, alone: bool) -> None:
    """Answer until told to stop, saying where, and who can reach it."""
    host, port = listen
    if not _is_loopback(host):
        words = _("Everybody who reaches {host} can try the token; put TLS in front.").format(host=host)
        click.echo(words, err=True)
    with wired.rows():
        wired.serve(
            host=host, port=port,
            listening=lambda address: click.echo(_("Listening on {address}").format(address=address)), alone=alone,
        )  # fmt: skip
    click.echo(_("Stopped."))


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
