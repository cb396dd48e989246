"""The third part of the demo: two of the affected people are told, one answers; their phones are shown."""

import random
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from rich.columns import Columns
from rich.console import Group
from rich.padding import Padding
from rich.panel import Panel
from rich.text import Text

from tocsin.cli import listing, message_shown
from tocsin.cli.wired import SimulatedWorld, Wired
from tocsin.journal.values import Author
from tocsin.kernel import files, home, language
from tocsin.kernel.language import gettext as _
from tocsin.messaging import commands as messaging
from tocsin.messaging.states import MessageState
from tocsin.rehearsals import commands as rehearsals
from tocsin.rehearsals.errors import RehearsalStuck
from tocsin.rehearsals.values import Told
from tocsin.scopes.values import Revision

STOP_SECONDS_MAX = 15
_PORTS = range(20_000, 32_000)
_SCREEN_WIDTH = 46
_SERVE = "from tocsin.project.main import main; main()"
_TICKS = {MessageState.SENT: "\u2713", MessageState.DELIVERED: "\u2713\u2713", MessageState.READ: "\u2713\u2713"}


@dataclass(frozen=True, slots=True)
class Stage:
    """The simulated world with our own `tocsin serve` before it; ``ready`` returns when that listens."""

    world: SimulatedWorld
    ready: Callable[[], None]


@contextmanager
def stage(wired: Wired, *, seed: int, by: Author) -> Iterator[Stage]:
    """Start what the people are told through; it gets ready while the door is closed."""
    port, secrets = _free_port(), rehearsals.world_secrets()
    app = messaging.add_app(
        rehearsals.PHONE, kind="whatsapp", secrets=[secrets.app_secret], verify_token=secrets.verify_token, by=by
    )
    webhook = f"http://127.0.0.1:{port}/webhooks/v1/{app}"
    with _serving(port) as ready, wired.simulated_world(webhook=webhook, secrets=secrets, seed=seed) as world:
        yield Stage(world, ready)


def tell_people(
    wired: Wired, *, on: Stage, revision: Revision, accounts: Path, folder: Path, at: datetime, by: Author
) -> None:
    """Bring in the address book, connect two channels to the simulated world, write, wait, and show the phones.

    ``at`` is when it happened; the pages with the phones and mails are kept in ``folder``.
    """
    people = rehearsals.chosen(revision)
    if people is None:
        listing.lines("", _("Nobody is to be told: no customer's account is affected."), style="bold")
        return
    book = folder / "truth" / "customers.csv"
    rehearsals.write_address_book(book, revision=revision, accounts=accounts)
    rehearsals.import_address_book(book, by=by)
    sendings = {}
    for each in on.world.channels():
        sendings[each.name] = wired.channel(each.kind, name=each.name, settings=each.settings, secrets=each.secrets)
        messaging.add_channel(
            each.name, kind=each.kind, line=each.line, account=each.account, settings=each.settings,
            secrets=each.secrets, by=by,
        )  # fmt: skip
    on.ready()
    told = rehearsals.tell_two(
        on.world, people=people, sendings=sendings, company=rehearsals.COMPANY_NAME, at=at, by=by
    )
    for name, of_mails in zip(rehearsals.PAGES, (False, True), strict=True):
        files.write_whole(folder / name, on.world.page(of_mails=of_mails, language=language.current()))
    _print(told)


def _free_port() -> int:
    """Return a port of the loopback for a process that listens a few seconds later.

    Those the system hands out by itself (on Linux from 32768 on) may be somebody's by then.
    """
    while True:
        port = random.SystemRandom().choice(_PORTS)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


@contextmanager
def _serving(port: int) -> Iterator[Callable[[], None]]:
    """Run `tocsin serve` on this installation, as an operator would, until the block ends."""
    said = home.data_home() / "serve.log"
    with said.open("wb") as log:
        serving = subprocess.Popen(
            [sys.executable, "-c", _SERVE, "serve", "--listen", f"127.0.0.1:{port}"],
            stdout=subprocess.PIPE, stderr=log, text=True,
        )  # fmt: skip

    def ready() -> None:
        # It says where it listens once it does.
        if serving.stdout is None or not serving.stdout.readline():
            raise RehearsalStuck(
                _("The rehearsal's own `tocsin serve` did not start."),
                where=said,
                mend=_("Read there what it said, then run the rehearsal again."),
            )

    with serving:
        try:
            yield ready
        finally:
            serving.send_signal(signal.SIGTERM)
            try:
                serving.wait(STOP_SECONDS_MAX)
            except subprocess.TimeoutExpired:
                serving.kill()


def _print(told: tuple[Told, Told]) -> None:
    phone, mail = told
    listing.lines("", _("Two of them are told"), style="bold")
    listing.console().print(Columns([_phone(phone), _mail(mail)], padding=(0, 2)))
    for each in told:
        listing.lines("", _("Did it reach {name}, and how do we know?").format(name=each.name))
        message_shown.print_answer(each.trace)


def _phone(told: Told) -> Panel:
    """Draw the WhatsApp conversation as it looks on the person's telephone."""
    ours = Text.assemble(
        (told.text, "black on bright_green"), ("  " + _TICKS.get(told.trace.message.state, ""), "cyan")
    )
    rows = [
        Padding(Text(told.before, style="black on white", justify="right"), (0, 0, 1, 8)),
        Padding(ours, (0, 4, 1, 0)),
        Padding(Text(told.answer, style="black on white", justify="right"), (0, 0, 0, 8)),
    ]
    return Panel(Group(*rows), title=f"WhatsApp \u00b7 {told.name}", subtitle=told.address, width=_SCREEN_WIDTH)


def _mail(told: Told) -> Panel:
    rows = [Text(told.subject, style="bold"), Text(), Text(told.text)]
    return Panel(Group(*rows), title=f"{_('Mail')} \u00b7 {told.name}", subtitle=told.address, width=_SCREEN_WIDTH)
