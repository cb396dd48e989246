"""The server process: answers over HTTP, sends, and carries out what waits, until it is told to stop."""

import asyncio
import signal
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from granian.constants import Interfaces
from granian.http import HTTP1Settings
from granian.server.embed import Server

from tocsin.api import outgoing, rounds
from tocsin.api.app import Api
from tocsin.api.errors import CannotListen
from tocsin.kernel import long_running
from tocsin.kernel.language import gettext as _

BACKPRESSURE = 1024  # requests at once; each gate that follows holds one
HEADER_MILLISECONDS_MAX = 10_000
STOP_SECONDS_MAX = 10
LOOK_SECONDS = 0.01


@dataclass(frozen=True, slots=True)
class Serving:
    """What the server is started with: where it listens, the wiring, and who is told that it listens.

    ``alone``: other processes do everything beside answering.
    """

    host: str
    port: int
    listening: Callable[[str], None] = lambda _address: None
    wired: Any = None
    alone: bool = False


def serve(serving: Serving) -> None:
    """Answer until SIGTERM or SIGINT. The database must be open; it stays so while this runs."""
    _check_free(serving)
    asyncio.run(_serve(serving))


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
    threads = []
    if not serving.alone:
        threads = [*rounds.begin(serving.wired, stop=stop), outgoing.begin(serving.wired, stop=stop)]
    long_running.settle_in()
    said = loop.create_task(_say_that_it_listens(serving))
    try:
        await server.serve()
    finally:
        said.cancel()
        stop.set()
        for thread in threads:
            await asyncio.to_thread(thread.join, STOP_SECONDS_MAX)
        await asyncio.to_thread(api.close)


async def _say_that_it_listens(serving: Serving) -> None:
    """Say where it listens once somebody who calls is let in; the server itself does not tell when that is."""
    called = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(serving.host, serving.host)  # noqa: S104 - of what was asked for
    while True:
        try:
            _reader, writer = await asyncio.open_connection(called, serving.port)
        except OSError:
            await asyncio.sleep(LOOK_SECONDS)
            continue
        writer.close()
        serving.listening(f"http://{serving.host}:{serving.port}")
        return


def work(wired: Any) -> None:
    """Carry out what waits until SIGTERM or SIGINT, answering nobody."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_given: stop.set())
    threads = rounds.begin(wired, stop=stop)
    long_running.settle_in()
    stop.wait()
    for thread in threads:
        thread.join(STOP_SECONDS_MAX)
