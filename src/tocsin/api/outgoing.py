"""The sender of messages inside the server process: a thread of its own with an event loop of its own."""

import asyncio
import logging
import threading
from collections.abc import Mapping
from typing import Any

from django.db import connection

from tocsin.messaging import commands
from tocsin.messaging.ports import Sending
from tocsin.messaging.values import Channel

TROUBLE_SECONDS = 5.0
_LOG = logging.getLogger("tocsin.api")


def begin(wired: Any, *, stop: threading.Event) -> threading.Thread:
    """Start sending; it ends soon after ``stop``, when what was begun is settled."""
    thread = threading.Thread(target=_again, args=(wired, stop), name="tocsin-sender")
    thread.start()
    return thread


def _again(wired: Any, stop: threading.Event) -> None:
    """Go on until told to stop: a disk without room for the sender's notes may have some later, a key may come back."""
    while not stop.is_set():
        try:
            asyncio.run(_send(wired, stop))
        except Exception as error:  # noqa: BLE001 - a sender that ended would be missed by nobody
            _LOG.warning("sending: %s", (isinstance(error, OSError) and error.strerror) or type(error).__name__)
            stop.wait(TROUBLE_SECONDS)
    connection.close()


async def _send(wired: Any, stop: threading.Event) -> None:
    def open_channel(channel: Channel, secrets: Mapping[str, str]) -> Sending:
        made: Sending = wired.channel(channel.kind, name=channel.name, settings=channel.settings, secrets=secrets)
        return made

    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()

    def watch() -> None:
        stop.wait()
        loop.call_soon_threadsafe(stopped.set)

    watching = threading.Thread(target=watch, name="tocsin-sender-stop", daemon=True)
    watching.start()
    await commands.Sender(open_channel).run(stopped)
