"""The command `smtp`: catch mails on a port, show them on another."""

import asyncio
import contextlib
import signal
from importlib import import_module
from pathlib import Path
from typing import Any

import click

_STOP_SECONDS = 1.5


class Bad(click.ClickException):
    """Something given on the command line cannot be used."""

    exit_code = 2


PORT = click.IntRange(0, 65535)
FILE = click.Path(path_type=Path, exists=True, dir_okay=False)


@click.command()
@click.option("--port", type=PORT, default=1025, show_default=True, help="Port of the mail server; 0 takes a free one.")
@click.option(
    "--http-port", type=PORT, default=0, show_default=True, help="Port of the page and the JSON; 0 takes a free one."
)
@click.option("--listen", default="127.0.0.1", show_default=True, metavar="HOST", help="Address to listen on.")
@click.option("--login", "logins", multiple=True, metavar="NAME:PASSWORD", help="A login that is believed; repeatable.")
@click.option("--require-login", is_flag=True, help="Take no mail without a login.")
@click.option("--login-without-tls", is_flag=True, help="Offer AUTH on a line that is not encrypted.")
@click.option("--starttls", is_flag=True, help="Offer STARTTLS.")
@click.option("--require-starttls", is_flag=True, help="Take no mail before STARTTLS.")
@click.option("--tls", is_flag=True, help="Speak TLS from the first byte.")
@click.option("--certificate", type=FILE, help="Certificate, PEM; else one is made.")
@click.option("--key", type=FILE, help="Its key, PEM.")
@click.option(
    "--size-max", type=click.IntRange(min=1), default=35 * 1024 * 1024, show_default=True, help="Largest mail, bytes."
)
@click.option("--faults", type=FILE, help="JSON file of what goes wrong.")
@click.option("--bounces-to", metavar="HOST:PORT", help="Mail server that takes bounces and abuse reports.")
@click.option(
    "--keep",
    type=click.IntRange(min=0),
    default=10_000,
    show_default=True,
    help="Mails kept whole; counts stay exact for ever.",
)
@click.option("--seed", default=1, show_default=True, help="What chance depends on.")
def smtp(**given: Any) -> None:
    """Catch mails: count them, show them as they look, and fail on request."""
    server = import_module("tocsin_simulator.smtp")
    faults = import_module("tocsin_simulator.mail_faults")
    settings = server.SmtpSettings(
        host=given["listen"],
        port=given["port"],
        http_port=given["http_port"],
        logins=dict(_login(each) for each in given["logins"]),
        login_required=given["require_login"],
        login_without_tls=given["login_without_tls"],
        starttls=given["starttls"] or given["require_starttls"],
        starttls_required=given["require_starttls"],
        tls=given["tls"],
        certificate=given["certificate"],
        key=given["key"],
        size_bytes_max=given["size_max"],
        keep=given["keep"],
        seed=given["seed"],
        bounces_to=_address(given["bounces_to"]),
    )
    named: Path | None = given["faults"]
    try:
        plan = faults.read_mail_faults(
            named.read_bytes() if named else b'{"rules": []}', where=str(named), seed=given["seed"]
        )
        asyncio.run(_serve(server.SmtpCatcher(settings, plan)))
    except (faults.FaultPlanUnclear, server.Unusable) as error:
        raise Bad(str(error)) from error


async def _serve(catcher: Any) -> None:
    """Catch until the process is told to stop."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    await catcher.start()
    host = catcher.settings.host
    click.echo(f"Listening on smtp://{host}:{catcher.port} and http://{host}:{catcher.http_port}")
    await stopped.wait()
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(catcher.stop(), _STOP_SECONDS)


def _login(text: str) -> tuple[str, str]:
    name, colon, password = text.partition(":")
    if not colon or not name:
        raise click.BadParameter("a login is NAME:PASSWORD.", param_hint="--login")
    return name, password


def _address(text: str | None) -> tuple[str, int] | None:
    if text is None:
        return None
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise click.BadParameter("an address is HOST:PORT.", param_hint="--bounces-to")
    return host.strip("[]"), int(port)
