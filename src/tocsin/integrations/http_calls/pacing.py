"""As fast as a system allows and no faster: a token bucket that learns from what the system answers.

Read at run time: ``Retry-After`` (RFC 9110, section 10.2.3: seconds or a date), ``X-Rate-Limit-Limit``, ``-Remaining`` and
``-Reset`` (Okta, "Rate limit best practices": calls in a window of a minute; reset in UTC epoch seconds).
"""

import asyncio
import time
from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime

from tocsin.kernel import clock

BACKOFF_SECONDS_MIN, BACKOFF_SECONDS_MAX = 1.0, 300.0
_RECOVERY = 1.02  # of the rate, for every answer that is no refusal: doubled again after about 35 of them
_RESERVE = 0.1  # of a window's calls, left to everybody else however the counting went
THROTTLED = {429, 503}


class Pace:
    """How fast calls may follow one another.

    ``per_second`` is the figure to begin with (None: as fast as it answers), ``share`` how much of a limit the system
    states we may use, ``window_seconds`` the window such a limit counts in, ``ceiling`` what staff allow at most.
    """

    def __init__(
        self,
        *,
        per_second: float | None,
        source: str,
        share: float = 1.0,
        window_seconds: float = 60.0,
        ceiling: float | None = None,
    ) -> None:
        self._allowed = per_second
        self._slowed = 1.0  # what refusals have left of the allowed rate
        self._share, self._window, self._ceiling = share, window_seconds, ceiling
        self._source = source
        self._next_turn = 0.0
        self._closed_until = 0.0
        self._refusals = 0

    @property
    def per_second(self) -> float | None:
        """Return the calls a second now allowed, as documented or last read; None when nothing limits them."""
        figures = [figure for figure in (self._allowed, self._ceiling) if figure is not None]
        return min(figures) if figures else None

    @property
    def rate(self) -> float | None:
        """Return the calls a second we make: what is allowed, less what refusals took away."""
        return None if self.per_second is None else self.per_second * self._slowed

    @property
    def source(self) -> str:
        """Return where the figure comes from."""
        if self._ceiling is not None and (self._allowed is None or self._ceiling <= self._allowed):
            return "setting per_second"
        return self._source

    def closed_for(self) -> float:
        """Return the seconds until the system may be asked again; 0 when it may now."""
        return max(0.0, self._closed_until - time.monotonic())

    async def turn(self) -> None:
        """Wait for our turn at the allowed rate; whether the system is closed is asked with ``closed_for``."""
        rate = self.rate
        if rate is None:
            return
        now = time.monotonic()
        gap = 1.0 / rate
        mine = max(now, self._next_turn)
        self._next_turn = mine + gap
        if mine > now:
            await asyncio.sleep(mine - now)

    def learn(self, *, status: int, headers: Mapping[str, str]) -> None:
        """Take in one answer: its rate headers, and whether it was a refusal."""
        self._read_limit(headers)
        stated = retry_after(headers)
        if status == 429 or (status in THROTTLED and stated is not None):
            self._refusals += 1
            wait = stated if stated is not None else self._until_reset(headers)
            backoff = min(BACKOFF_SECONDS_MIN * 2 ** (self._refusals - 1), BACKOFF_SECONDS_MAX)
            self.close(wait if wait is not None else backoff)
            self._slowed = max(self._slowed / 2, 0.05)
            return
        self._refusals = 0
        self._slowed = min(1.0, self._slowed * _RECOVERY)
        remaining, limit = _whole(headers.get("X-Rate-Limit-Remaining")), _whole(headers.get("X-Rate-Limit-Limit"))
        if remaining is not None and limit and remaining < limit * _RESERVE:
            self.close(self._until_reset(headers) or 0.0)

    def close(self, seconds: float) -> None:
        """Ask nothing for so many seconds."""
        self._closed_until = max(self._closed_until, time.monotonic() + min(seconds, 86_400.0))

    def _read_limit(self, headers: Mapping[str, str]) -> None:
        limit = _whole(headers.get("X-Rate-Limit-Limit"))
        if limit:
            self._allowed = limit * self._share / self._window
            self._source = f"X-Rate-Limit-Limit {limit}, share {self._share:.0%}"

    def _until_reset(self, headers: Mapping[str, str]) -> float | None:
        reset = _whole(headers.get("X-Rate-Limit-Reset"))
        return None if reset is None else max(0.0, reset - clock.now().timestamp())


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds of a Retry-After header, 0 or more; None without one that can be read."""
    text = headers.get("Retry-After", "").strip()
    if not text:
        return None
    try:
        return max(0.0, float(text))
    except ValueError:
        pass
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (moment - clock.now()).total_seconds())


def _whole(text: str | None) -> int | None:
    return int(text) if text is not None and text.strip().isdigit() else None
