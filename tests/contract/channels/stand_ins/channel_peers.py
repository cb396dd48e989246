"""What the other side of a channel must offer to be tried by test_channels.py: a real server on loopback.

A new channel adds a file ``peer_<kind>.py`` beside this folder, with a context manager ``running(folder)`` that yields
a Peer and skips visibly where its server is missing. A stand-in is written from the provider's documents, not from our
client.
"""

import asyncio
import datetime as dt
import ipaddress
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol, TypeVar

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tocsin.customers.values import AddressKind
from tocsin.messaging.ports import Sending

T = TypeVar("T")
PATIENCE_SECONDS = 60.0


class Mood(StrEnum):
    """How the provider treats what comes next."""

    TAKES = "takes"
    REFUSES = "refuses"  # this message, for good
    REFUSES_PERSON = "refuses_person"  # nobody is at the address
    NOT_NOW = "not_now"
    TOO_FAST = "too_fast"
    WRONG_CREDENTIALS = "wrong_credentials"
    DROPS_BEFORE = "drops_before"  # the line goes before the message was handed over
    DROPS_AFTER = "drops_after"  # it was taken, and the line goes without an answer
    SILENT = "silent"  # it was taken, and no answer ever comes
    DOWN = "down"


class Peer(Protocol):
    """A provider, looked at from its own side. What it refuses it says in words that repeat address and text."""

    kind: str
    moods: frozenset[Mood]  # those it can show
    addresses: list[tuple[str, AddressKind, str]]  # as given, kind, normal form
    wrong_addresses: list[tuple[str, AddressKind]]
    wrong_contents: list[tuple[dict[str, Any], str]]  # with the place that must be named

    def channel(self, **settings: Any) -> Sending:
        """Return a fresh channel to this provider, as the wiring would make it."""

    def content(self, text: str) -> dict[str, Any]:
        """Return a content that says this."""

    def be(self, mood: Mood) -> None:
        """Treat everything so from now on."""

    def received(self) -> list[tuple[str, str]]:
        """Return our id and the address of every message handed over whole, as counted at the provider."""

    def tries(self) -> int:
        """Return how many times the provider was asked to take a message, whatever it answered."""

    def connections(self) -> int:
        """Return how many connections are open."""

    def secrets(self) -> list[str]:
        """Return texts that may show up in no error."""


class Loop:
    """An event loop in a thread of its own, on which stand-ins run."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(PATIENCE_SECONDS)

    def close(self) -> None:
        self.run(self._cancel_all())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(PATIENCE_SECONDS)
        self.loop.close()

    async def _cancel_all(self) -> None:
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for other in others:
            other.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        for _ in range(3):  # what was hung up is told so by the loop
            await asyncio.sleep(0)


@contextmanager
def looping() -> Iterator[Loop]:
    loop = Loop()
    try:
        yield loop
    finally:
        loop.close()


def eventually(holds: Callable[[], bool]) -> bool:
    """Wait until something holds that another thread brings about."""
    waited, until = threading.Event(), time.monotonic() + PATIENCE_SECONDS
    while not holds():
        if time.monotonic() > until:
            return False
        waited.wait(0.01)
    return True


def certificate(folder: Path) -> tuple[Path, Path]:
    """Write a certificate for the loopback, its own authority, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
            critical=False,
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    cert_file, key_file = folder / "cert.pem", folder / "key.pem"
    cert_file.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return cert_file, key_file
