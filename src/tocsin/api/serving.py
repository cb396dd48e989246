"""The server process: answers over HTTP, and carries out what waits, until it is told to stop."""

import asyncio
import logging
import signal
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.db import DatabaseError, connection
from granian.constants import Interfaces
from granian.http import HTTP1Settings
from granian.server.embed import Server

from tocsin.api.app import Api
from tocsin.api.errors import CannotListen
from tocsin.containment import commands, queries
from tocsin.journal import commands as journal
from tocsin.journal.values import MACHINE
from tocsin.kernel.errors import TocsinError
from tocsin.kernel.language import gettext as _

BACKPRESSURE = 1024  # requests at once; each gate that follows holds one
HEADER_MILLISECONDS_MAX = 10_000
WORK_SECONDS = 0.5  # between two looks for what waits: a change is to be with the gates within two seconds
JOURNAL_EVERY = 10  # looks
TROUBLE_SECONDS = 5.0
STOP_SECONDS_MAX = 10
_LOG = logging.getLogger("tocsin.api")


@dataclass(frozen=True, slots=True)
class Serving:
    """What the server is started with: where it listens, what is done in rounds beside, and who is told it listens."""

    host: str
    port: int
    works: tuple[Callable[[], Any], ...] = ()
    listening: Callable[[str], None] = lambda _address: None
    wired: Any = None


def serve(serving: Serving) -> None:
    """Answer until SIGTERM or SIGINT. The database must be open; it stays so while this runs."""
    _check_free(serving)
    asyncio.run(_serve(serving))


def publish_waiting() -> None:
    """Bring the gate's list to where the plans and their progress are."""
    if queries.changes_due():
        commands.publish_changes(by=MACHINE)


def _check_free(serving: Serving) -> None:
    """Say what is wrong with the address in words; the server's own error is a traceback."""
    family = socket.AF_INET6 if ":" in serving.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((serving.host, serving.port))
        except OSError as error:
            raise CannotListen(
                _("Cannot listen there: {error}").format(error=error.strerror or error),
                where=f"{serving.host}:{serving.port}",
                mend=_("Name another address with --listen, or stop what listens there."),
            ) from error


async def _serve(serving: Serving) -> None:
    api = Api(wired=serving.wired)
    server = Server(
        api, address=serving.host, port=serving.port, interface=Interfaces.ASGI, websockets=False, log_enabled=False,
        backpressure=BACKPRESSURE, http1_settings=HTTP1Settings(header_read_timeout=HEADER_MILLISECONDS_MAX),
    )  # fmt: skip
    server.workers_kill_timeout = STOP_SECONDS_MAX
    stop = threading.Event()
    loop = asyncio.get_running_loop()

    def end() -> None:
        stop.set()
        api.stopping.set()
        server.stop()  # type: ignore[no-untyped-call]

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, end)
    worker = threading.Thread(target=_work, args=(serving, stop), name="tocsin-work")
    worker.start()
    try:
        serving.listening(f"http://{serving.host}:{serving.port}")
        await server.serve()
    finally:
        stop.set()
        await asyncio.to_thread(worker.join)
        await asyncio.to_thread(api.close)


def _work(serving: Serving, stop: threading.Event) -> None:
    """Do a round of everything that waits, again and again; what fails is tried again in the next one."""
    rounds = 0
    while not stop.is_set():
        pause = WORK_SECONDS
        for work in (publish_waiting, *serving.works, *((_keep_journal,) if rounds % JOURNAL_EVERY == 0 else ())):
            try:
                work()
            except (TocsinError, DatabaseError, OSError) as error:
                _LOG.warning("%s: %s", getattr(work, "__name__", "work"), type(error).__name__)
                connection.close()
                pause = TROUBLE_SECONDS
        rounds += 1
        stop.wait(pause)
    connection.close()


def _keep_journal() -> None:
    journal.number_entries()
    for failure in journal.deliver_heads():
        _LOG.warning("%s", failure)
