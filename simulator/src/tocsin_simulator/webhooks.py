"""Updates to the receiver: batched, signed over the raw bytes, tried again for seven days of simulated time."""

import hashlib
import hmac
from collections import Counter
from typing import Any


from tocsin_simulator.clock import Clock
from tocsin_simulator.values import Settings

MAX_BYTES = 3 * 1024 * 1024
MAX_UPDATES = 1_000
GIVE_UP_SECONDS = 7 * 24 * 3600
FIRST_PAUSE_SECONDS = 5.0
LONGEST_PAUSE_SECONDS = 6 * 3600.0
# How long (real seconds) a batch waits to be filled.
LINGER_SECONDS = 0.02
ANSWER_SECONDS = 20.0


def signature(app_secret: str, body: bytes) -> str:
    """Return the value of `X-Hub-Signature-256`."""
    return "sha256=" + hmac.new(app_secret.encode(), body, hashlib.sha256).hexdigest()


class Webhooks:
    """Takes updates and brings them to the receiver."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self.settings = settings
        self.clock = clock
        self.counts: Counter[str] = Counter()  # updates, posts, accepted, refused, unreachable, retried, given_up

    def queue(self, field: str, value: dict[str, Any], *, url: str) -> None:
        """Queue one update."""
        self.counts["updates"] += 1

    async def verify(self, url: str, verify_token: str) -> None:
        """Ask the receiver for its challenge, as Meta does before it takes a webhook's address.

        Raises:
            GraphError: it did not answer 200 with the bare challenge.

        """
