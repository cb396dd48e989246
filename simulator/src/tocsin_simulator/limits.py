"""Meta's limits as data, and who is over them.

Figures: the pages throughput, messaging-limits and about-the-platform (pairs, management calls) of Meta's
documentation.
"""

from tocsin_simulator.errors import GraphError
from tocsin_simulator.values import LEVELS, WINDOW_SECONDS, Number, Portfolio

PAIR_SECONDS = 6.0  # one message per so many seconds to the same person
PAIR_BURST = 45  # borrowed from the future
CALLS_AN_HOUR = 5_000
# A number may send one second's worth at once.
BURST_SECONDS = 1.0


class Bucket:
    """Tokens that come back at a rate. Full at first."""

    __slots__ = ("_at", "_tokens", "rate", "size")

    def __init__(self, *, rate: float, size: float) -> None:
        """`rate` tokens come per second; at most `size` are there."""
        self.rate = rate
        self.size = size
        self._tokens = size
        self._at: float | None = None

    def take(self, now: float) -> bool:
        """Take one, if there is one."""
        if self._at is not None and now > self._at:
            self._tokens = min(self.size, self._tokens + (now - self._at) * self.rate)
        self._at = now if self._at is None else max(now, self._at)
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


class Pairs:
    """When each pair of a number and a person is even again (the generic cell rate algorithm)."""

    def __init__(self) -> None:
        self._even_at: dict[tuple[str, str], float] = {}
        self._sweep_at = 0.0

    def take(self, phone: str, person: str, now: float) -> bool:
        """Count a message, unless the pair has borrowed all it may."""
        if now > self._sweep_at:
            self._sweep(now)
        key = (phone, person)
        even_at = max(self._even_at.get(key, 0.0), now)
        # A little is allowed for clocks that differ by a rounding.
        if even_at - now > (PAIR_BURST - 1) * PAIR_SECONDS + 1e-6:
            return False
        self._even_at[key] = even_at + PAIR_SECONDS
        return True

    def _sweep(self, now: float) -> None:
        """Forget pairs that are even: they are as good as new."""
        self._even_at = {key: even_at for key, even_at in self._even_at.items() if even_at > now}
        self._sweep_at = now + 2 * PAIR_SECONDS

    def __len__(self) -> int:
        return len(self._even_at)


class Limits:
    """All limits of one account."""

    def __init__(self) -> None:
        self._numbers: dict[str, Bucket] = {}
        self.pairs = Pairs()
        self._calls = Bucket(rate=CALLS_AN_HOUR / 3600, size=CALLS_AN_HOUR)

    def throughput(self, number: Number, now: float) -> bool:
        """Count a message of a number, in or out; tell whether it is within the number's level."""
        rate = LEVELS[number.level]
        bucket = self._numbers.get(number.id)
        if bucket is None or bucket.rate != rate:
            bucket = self._numbers[number.id] = Bucket(rate=rate, size=rate * BURST_SECONDS)
        return bucket.take(now)

    def call(self, now: float) -> bool:
        """Count a management call; tell whether it is within 5,000 an hour."""
        return self._calls.take(now)


def begin(portfolio: Portfolio, person: str, now: float) -> bool:
    """Count a person we begin to write to outside a window; tell whether the portfolio's tier allows it.

    A person counts once, until 24 hours after the last message that began a conversation with them.
    """
    limit = portfolio.limit
    if limit is None:
        return True
    begun = portfolio.begun
    while begun and next(iter(begun.values())) <= now - WINDOW_SECONDS:
        begun.popitem(last=False)
    if person not in begun and len(begun) >= limit:
        return False
    begun[person] = now
    begun.move_to_end(person)
    portfolio.most = max(portfolio.most, len(begun))
    return True


def over_throughput(number: Number) -> GraphError:
    """Return the refusal of a number that sends too fast."""
    return GraphError(
        130429,
        f"Message failed to send because there were too many messages sent from this phone number in a short period of "
        f"time ({LEVELS[number.level]} messages per second).",
    )


def over_pair() -> GraphError:
    """Return the refusal of a message to somebody who got too many from this number."""
    return GraphError(
        131056,
        "Message failed to send because there were too many messages sent from this phone number to the same phone "
        "number in a short period of time.",
    )


def over_portfolio(portfolio: Portfolio) -> GraphError:
    """Return the refusal of one person too many in 24 hours.

    Meta's documentation names no code for it; people report 131048, whose text fits.
    """
    return GraphError(
        131048,
        "Message failed to send because there are restrictions on how many messages can be sent from this phone "
        f"number: the messaging limit of {portfolio.limit} people in 24 hours is used up.",
    )


def outside_window() -> GraphError:
    """Return the refusal of free text to somebody who has not written for 24 hours."""
    return GraphError(
        131047,
        "Message failed to send because more than 24 hours have passed since the customer last replied to this number.",
    )
