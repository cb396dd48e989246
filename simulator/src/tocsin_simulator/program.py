"""The commands: `whatsapp` and `smtp`. Heavy imports wait until one of them runs."""

import asyncio
import gc
import json
import os
import signal
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click

from tocsin_simulator.smtp_program import FILE, PORT, Bad, smtp
from tocsin_simulator.values import Settings

# Every account has it with Meta, in this language; the text is ours.
HELLO = {
    "name": "hello_world",
    "language": "en_US",
    "category": "UTILITY",
    "components": [
        {"type": "HEADER", "format": "TEXT", "text": "Hello World"},
        {"type": "BODY", "text": "This message says that messages from here arrive."},
        {"type": "FOOTER", "text": "A template every account has from the start"},
    ],
}


@click.group()
@click.version_option(package_name="tocsin-simulator")
def main() -> None:
    """Simulate the systems messages go out through."""


@main.command()
@click.option("--port", type=PORT, default=8100, show_default=True, help="0 takes a free one.")
@click.option("--listen", default="127.0.0.1", show_default=True, metavar="HOST", help="Address to listen on.")
@click.option(
    "--phone-id",
    "phone_ids",
    multiple=True,
    metavar="ID",
    default=Settings.phone_ids,
    show_default=True,
    help="A number's id; may be repeated.",
)
@click.option("--waba-id", metavar="ID", default=Settings.waba_id, show_default=True, help="The account's id.")
@click.option("--app-id", metavar="ID", default=Settings.app_id, show_default=True, help="The application's id.")
@click.option("--name", metavar="NAME", help="The company, as its profile and the phones show it.")
@click.option(
    "--token", metavar="TOKEN", default=Settings.token, show_default=True, help="The access token clients must send."
)
@click.option(
    "--app-secret", metavar="SECRET", default=Settings.app_secret, show_default=True, help="Signs the webhooks."
)
@click.option("--webhook", metavar="URL", help="Where webhooks go; none are sent without one.")
@click.option(
    "--verify-token",
    metavar="TOKEN",
    default=Settings.verify_token,
    show_default=True,
    help="Sent when the webhook's address is verified.",
)
@click.option(
    "--verify", is_flag=True, help="Verify the webhook's address at the start, and stop if it does not answer."
)
@click.option(
    "--seed",
    type=click.IntRange(-(2**63), 2**63 - 1),
    default=1,
    show_default=True,
    help="The same seed makes the same decisions.",
)
@click.option("--faults", type=FILE, help="A fault plan (JSON).")
@click.option("--people", metavar="FILE|N", help="People described in a JSON file, or a number of them.")
@click.option(
    "--templates",
    type=FILE,
    help="Templates approved from the start: a JSON list, each as in the request that makes one. Else hello_world.",
)
@click.option(
    "--ledger",
    type=click.Path(dir_okay=False, path_type=Path),
    help="A file that keeps the counts when the process is killed.",
)
@click.option(
    "--tier",
    type=click.Choice(["TIER_250", "TIER_1K", "TIER_2K", "TIER_10K", "TIER_100K", "TIER_UNLIMITED"]),
    default="TIER_UNLIMITED",
    show_default=True,
    help="People the portfolio may begin to write to in 24 hours.",
)
@click.option(
    "--level",
    type=click.Choice(["STANDARD", "HIGH", "COEXISTENCE"]),
    default="STANDARD",
    show_default=True,
    help="Messages per second of a number: 80, 1,000 or 20.",
)
@click.option(
    "--speed",
    type=click.FloatRange(min=0, min_open=True),
    default=1.0,
    show_default=True,
    help="Simulated seconds per real second.",
)
@click.option(
    "--delay",
    type=click.FloatRange(min=0),
    default=1.0,
    show_default=True,
    help="Scale of all delays of statuses, answers and reviews; 0 for at once.",
)
@click.option("--review/--no-review-delay", default=True, help="New templates are reviewed, or approved at once.")
@click.option(
    "--batch", type=click.IntRange(1, 1000), default=1, show_default=True, help="Updates per webhook, at most."
)
@click.option(
    "--connections",
    type=click.IntRange(1, 200),
    default=8,
    show_default=True,
    help="Webhooks under way at the same time.",
)
@click.option(
    "--window",
    type=click.Choice(["sync", "async"]),
    default="sync",
    show_default=True,
    help="Free text outside the 24-hour window is refused in the answer, or fails later.",
)
@click.option(
    "--disorder",
    type=click.FloatRange(0, 1),
    default=0.02,
    show_default=True,
    help="Share of messages whose statuses come in the wrong order.",
)
@click.option(
    "--duplicates",
    type=click.FloatRange(0, 1),
    default=0.02,
    show_default=True,
    help="Share of statuses that come twice.",
)
@click.option(
    "--reads", type=click.FloatRange(0, 1), default=0.7, show_default=True, help="Share of messages people read."
)
@click.option(
    "--answers", type=click.FloatRange(0, 1), default=0.0, show_default=True, help="Share of messages people answer."
)
@click.option(
    "--withhold",
    type=click.FloatRange(0, 1),
    default=0.0,
    show_default=True,
    help="Share of people whose phone number webhooks leave out.",
)
@click.option(
    "--keep",
    type=click.IntRange(min=0),
    default=100_000,
    show_default=True,
    help="Messages kept whole; counts stay exact.",
)
def whatsapp(**given: Any) -> None:
    """Simulate a WhatsApp Business account under Meta's paths.

    Prints `Listening on http://HOST:PORT` when it is ready, and stops on SIGTERM. What it received: GET
    /_simulator/messages and /_simulator/count; the phones of its people: GET /_simulator/phones.
    """
    verify, ledger = given.pop("verify"), given.pop("ledger")
    plan = read_json(given.pop("faults"))
    people, templates = given.pop("people"), read_json(given.pop("templates"))
    if templates is not None and not (
        isinstance(templates, list) and all(isinstance(each, dict) for each in templates)
    ):
        raise Bad("the file of templates must hold a list of objects")
    if templates is None:
        templates = [HELLO]
    if given["webhook"] and not _is_address(given["webhook"]):
        raise Bad(f"--webhook: {given['webhook']} is no address, such as http://127.0.0.1:8000/webhook")
    # What was not given keeps the default of Settings.
    settings = {key: value for key, value in given.items() if value not in {None, ()}}
    asyncio.run(run(settings, plan=plan, people=people, templates=templates, ledger=ledger, verify=verify))


main.add_command(smtp)


def read_json(path: Path | None) -> Any:
    """Return what a JSON file holds, or None without one."""
    if path is None:
        return None
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        raise Bad(f"{path}: the file is not JSON in UTF-8") from error
    except json.JSONDecodeError as error:
        raise Bad(f"{path}: {error}") from error
    except OSError as error:
        raise Bad(f"{path}: {error.strerror}") from error


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is none
        return False


async def run(
    settings: dict[str, Any],
    *,
    plan: Any,
    people: str | None,
    templates: list[dict[str, Any]] | None,
    ledger: Path | None,
    verify: bool,
) -> None:
    """Listen until SIGTERM or SIGINT."""
    from tocsin_simulator.errors import GraphError  # noqa: PLC0415 - `--help` is quick
    from tocsin_simulator.people import read_people  # noqa: PLC0415
    from tocsin_simulator.server import Server  # noqa: PLC0415

    try:
        described = read_people(people) if people is not None else None
        server = Server(Settings(**settings), plan=plan, people=described, described_templates=templates, ledger=ledger)
    except ValueError as error:
        raise Bad(str(error)) from error
    except OSError as error:
        raise Bad(f"the ledger {ledger} cannot be kept: {error.strerror}") from error
    where = f"{server.settings.listen}:{server.settings.port}"
    try:
        await server.start()
    except OSError as error:
        # asyncio's own words repeat the address as a tuple.
        said = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror or str(error)
        raise Bad(f"cannot listen on {where}: {said}; --port 0 takes a free port") from error
    # Kept messages make no circles: looking through them for some would only stop the world now and then.
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    try:
        if verify:
            await server.world.webhooks.verify(server.settings.webhook, server.settings.verify_token)
        click.echo(f"Listening on {server.address}")
        await stopped.wait()
    except GraphError as error:
        raise Bad(error.title) from error
    finally:
        await server.stop()
