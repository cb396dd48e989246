"""What the server does beside answering: publish what gates must know, work containment off, and what messages need."""

import logging
import threading
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db import connection

from tocsin import story
from tocsin.api import accounts, messages
from tocsin.containment import commands, queries
from tocsin.containment.ports import Connector
from tocsin.containment.values import System, Worked
from tocsin.journal import commands as journal
from tocsin.journal.values import MACHINE
from tocsin.kernel import clock
from tocsin.kernel.errors import TocsinError

PUBLISH_SECONDS = 0.5  # between two looks: a change is to be with the gates within two seconds
JOURNAL_EVERY = 10  # looks
POLL_SECONDS = 30  # between two questions to a transmitter of signals that does not say how often
TROUBLE_SECONDS = 5.0
_ASKING = frozenset({"contain", "media", "accounts"})  # rounds that ask other systems
_LOG = logging.getLogger("tocsin.api")


class _Stopping(Exception):
    """The server was told to stop: leaves the story between two of its takings."""


def begin(wired: Any, *, stop: threading.Event) -> list[threading.Thread]:
    """Start the rounds in threads of their own, each with its own connection; they end soon after ``stop``.

    Those of containment, files and accounts may be in the middle of asking a slow system: they are not waited for. What
    they hold is leased, and whoever works next goes on from the rows.
    """
    rounds = {
        "publish": _publishing(stop),
        "contain": lambda: _story(wired, stop),
        "intake": messages.intake(wired, stop=stop),
        "media": messages.media(wired, stop=stop),
        "outbox": messages.outbox(stop=stop),
        "accounts": accounts.accounts(wired, stop=stop),
    }
    threads = [
        threading.Thread(target=_again, args=(look, stop), name=f"tocsin-{name}", daemon=name in _ASKING)
        for name, look in rounds.items()
    ]
    for thread in threads:
        thread.start()
    return threads


def _again(work: Callable[[], None], stop: threading.Event) -> None:
    """Go on until told to stop; after trouble with a fresh connection, a little later."""
    while not stop.is_set():
        try:
            work()
        except _Stopping:
            break
        except Exception as error:  # noqa: BLE001 - a round that ended would be missed by nobody
            # Its kind only: the text may name an account.
            _LOG.warning("work: %s", type(error).__name__)
            connection.close()
            stop.wait(TROUBLE_SECONDS)
    connection.close()


def _publishing(stop: threading.Event) -> Callable[[], None]:
    looks = iter(range(2**62))

    def look() -> None:
        if queries.changes_due():
            commands.publish_changes(by=MACHINE)
        if next(looks) % JOURNAL_EVERY == 0:
            journal.number_entries()
            for _failure in journal.deliver_heads():
                _LOG.warning("the witness did not take the journal's head; it is shown again")
        stop.wait(PUBLISH_SECONDS)

    return look


def _story(wired: Any, stop: threading.Event) -> None:
    """Run the story's arrows of containment, and in their pauses what only time brings."""

    def connect(system: System, secrets: Mapping[str, str]) -> Connector:
        made: Connector = wired.connector(system.kind, name=system.name, settings=system.settings, secrets=secrets)
        return made

    def told(_worked: Worked) -> None:
        if stop.is_set():
            raise _Stopping

    pausing = _Pauses(wired, stop=stop)
    story.contain_work(connect, once=False, told=told, wait=pausing)


class _Pauses:
    """Polls streams of security event tokens when their time has come, then waits; leaves when the server stops."""

    def __init__(self, wired: Any, *, stop: threading.Event) -> None:
        self._wired, self._stop = wired, stop
        self._polled_at: dict[str, datetime] = {}
        self._settled_at = clock.now()

    def __call__(self, seconds: float) -> None:
        """Do what is due and wait so long."""
        since, self._settled_at = self._settled_at, clock.now()
        commands.settle_progress(changed_since=since, by=MACHINE)
        for stream in queries.streams():
            last = self._polled_at.get(stream.name)
            every = timedelta(seconds=float(stream.settings.get("poll_seconds", POLL_SECONDS)))
            if stream.settings.get("delivery") == "poll" and (last is None or clock.now() - last >= every):
                self._polled_at[stream.name] = clock.now()
                self._poll(stream.name)
        if self._stop.wait(seconds):
            raise _Stopping

    def _poll(self, name: str) -> None:
        """Ask one transmitter; one that does not answer must not hold up the others."""
        try:
            self._wired.poll_signals(name)
        except TocsinError as error:
            _LOG.warning("polling a stream of signals: %s", type(error).__name__)
