"""What the worker does for messages: takes webhooks in, fetches files, takes up what dead senders left, erases."""

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from datetime import datetime, timedelta
from time import monotonic
from typing import Any

from tocsin.kernel import clock
from tocsin.messaging import commands
from tocsin.messaging.ports import Sending
from tocsin.messaging.values import Channel, Update

INTAKE_SECONDS = 0.25  # between two looks: the statuses of one message that come together are then one change
INTAKE_FULL = 200  # so many bodies are not waited after
INTAKE_IDLE_SECONDS = 2.0  # where nothing came: the receiver tells when something does
STOP_SECONDS = 0.25  # between two looks whether to stop
FETCH_SECONDS = 2.0
RECOVER_SECONDS = 5.0
ERASE_EVERY = timedelta(minutes=10)
_LOG = logging.getLogger("tocsin.api")


def intake(wired: Any, *, stop: threading.Event) -> Callable[[], None]:
    """Return what takes in the bodies that wait until ``stop``, at once when a receiver tells that some came."""

    def read(kind: str, body: bytes, headers: Mapping[str, str]) -> Sequence[Update]:
        updates: Sequence[Update] = wired.webhook(kind).updates(body, headers=headers)
        return updates

    def take_in() -> None:
        came = threading.Event()
        with closing(commands.Listening(commands.Bell.INTAKE, lambda _said: came.set())):
            while not stop.is_set():
                taken = commands.take_intake(read)
                if not taken:
                    _wait(came, stop=stop)
                came.clear()
                if taken < INTAKE_FULL:
                    stop.wait(INTAKE_SECONDS)

    return take_in


def _wait(came: threading.Event, *, stop: threading.Event) -> None:
    until = monotonic() + INTAKE_IDLE_SECONDS
    while not stop.is_set() and monotonic() < until and not came.wait(STOP_SECONDS):
        pass


def media(wired: Any, *, stop: threading.Event) -> Callable[[], None]:
    """Return a look that fetches the files that came with messages, and pauses when there is none to fetch."""

    def open_channel(channel: Channel, secrets: Mapping[str, str]) -> Sending:
        made: Sending = wired.channel(channel.kind, name=channel.name, settings=channel.settings, secrets=secrets)
        return made

    def look() -> None:
        if not commands.fetch_media(open_channel):
            stop.wait(FETCH_SECONDS)

    return look


def outbox(*, stop: threading.Event) -> Callable[[], None]:
    """Return a look that takes up what dead senders held, and from time to time erases what nobody needs."""
    erased_at: list[datetime] = []

    def look() -> None:
        moved = commands.recover()
        if moved:
            _LOG.warning("messages of senders that died, now unknown or queued again: %d", moved)
        if not erased_at or abs(clock.now() - erased_at[-1]) > ERASE_EVERY:
            erased_at[:] = [clock.now()]
            commands.due_again()
            commands.forget_paces(clock.now())
            commands.erase_bodies()
            commands.erase_intake()
            commands.erase_media()
        stop.wait(RECOVER_SECONDS)

    return look
