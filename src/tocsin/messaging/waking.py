"""Who waits for work is woken by the database (LISTEN and NOTIFY of PostgreSQL) instead of asking again and again.

Nothing depends on it: what is said may be lost with a connection, or never come through a pool of connections, so
whoever waits also looks by itself, only seldom.
"""

import contextlib
import logging
import os
import select
import threading
from collections.abc import Callable
from enum import StrEnum

import psycopg
from django.db import Error, connection

TROUBLE_SECONDS = 5.0
TEXT_BYTES_MAX = 7_999  # of what can be said (PostgreSQL, NOTIFY)
_LOG = logging.getLogger("tocsin.messaging")


class Bell(StrEnum):
    """What is listened to."""

    OUTBOX = "tocsin_outbox"  # says the channel on which something may go now; nothing: perhaps on any
    INTAKE = "tocsin_intake"


def ring(bell: Bell, text: str = "") -> None:
    """Wake those who listen, when the caller's transaction is committed; the same text once a transaction."""
    said = text if len(text.encode()) <= TEXT_BYTES_MAX else ""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_notify(%s, %s)", [bell.value, said])


class Listening:
    """A thread with a connection of its own that calls ``heard`` with what is said, and after each new connection."""

    def __init__(self, bell: Bell, heard: Callable[[str], object]) -> None:
        self._bell, self._heard = bell, heard
        self._ending = threading.Event()
        self._end_read, self._end_write = os.pipe()
        self._thread = threading.Thread(target=self._run, name=f"{bell.value}-listening", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Listen no more."""
        self._ending.set()
        os.write(self._end_write, b"e")
        self._thread.join()
        os.close(self._end_read)
        os.close(self._end_write)

    def _run(self) -> None:
        while not self._ending.is_set():
            try:
                self._listen()
            except (Error, psycopg.Error, OSError) as error:
                _LOG.debug("listening: %s", type(error).__name__)
                with contextlib.suppress(Error, psycopg.Error):
                    connection.close()
                self._ending.wait(TROUBLE_SECONDS)
        connection.close()

    def _listen(self) -> None:
        connection.ensure_connection()
        ours = connection.connection
        ours.execute(f"LISTEN {self._bell.value}")
        self._heard("")  # whatever was said while nobody listened
        while not self._ending.is_set():
            select.select([ours.fileno(), self._end_read], [], [])
            for told in ours.notifies(timeout=0):
                self._heard(told.payload)
