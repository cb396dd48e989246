"""What the other side of a connector must offer to be tried by test_port.py: a real system, or a stand-in of its own.

A new implementation adds a file ``peer_<kind>.py`` here, with a context manager ``running(folder)`` that yields a Peer
and skips visibly where the system is missing. A stand-in is written from the vendor's documents, not from our client.
"""

from datetime import datetime
from typing import Protocol

from tocsin.containment.ports import Connector
from tocsin.containment.values import MeasureKind


class Peer(Protocol):
    """A system with accounts, looked at from its own side."""

    kind: str
    measures: tuple[MeasureKind, ...]  # that the suite tries, one after the other

    def connector(self) -> Connector:
        """Return a fresh connector to this system, as the wiring would make it."""

    def accounts(self, n: int) -> list[str]:
        """Return ``n`` accounts nobody was given before; none of them has done anything within the last hour."""

    def holds(self, account: str, kind: MeasureKind) -> bool:
        """Say whether the measure is in force, seen in the system itself and not through the connector."""

    def fingerprint(self, account: str) -> object:
        """Return everything the system knows of an account, so that untouched ones can be told."""

    def finish(self, account: str, kind: MeasureKind) -> datetime | None:
        """Do what the person would do now; return when, or None where this measure asks nothing of a person."""

    def stop(self) -> None:
        """Take the whole system down."""

    def start(self) -> None:
        """Bring it back."""

    def secrets(self) -> list[str]:
        """Return texts that may show up in no error and no outcome."""
