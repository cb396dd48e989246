"""Ports for processes that must be told theirs before they listen."""

import random
import socket

# Below what Linux, macOS and gVisor hand out by themselves (from 32768, 49152, 16000 on): between the choice and the
# listening, and while what listened is away, no connection or listener of another test is given one of these.
PORTS = range(10_000, 16_000)

_chance = random.SystemRandom()
_given: set[int] = set()


def free_port() -> int:
    """Return a port of the loopback on which nobody listens, and which this process was not given before."""
    while True:
        port = _chance.choice(PORTS)
        if port not in _given and _is_free(port):
            _given.add(port)
            return port


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As servers do: a connection that ended a moment ago keeps nobody from listening.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
