"""The real SMTP server of ``stand_ins/mail_server.py`` as a provider."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from channel_peers import Mood, looping
from mail_server import EmailPeer


@contextmanager
def running(folder: Path) -> Iterator[EmailPeer]:
    with looping() as loop:
        peer = EmailPeer(loop, folder=folder)
        yield peer
        peer.be(Mood.DOWN)
