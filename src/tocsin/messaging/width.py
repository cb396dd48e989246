"""How many messages a line has under way at once: as many as shorten the queue, and no more.

What is under way when a process dies is unknown, so it is kept small. As in TCP Vegas (Brakmo and Peterson, 1995) the
answer's time tells: while it stays near the shortest seen, more at once bring more through; when it grows, they only
wait for each other.
"""

LEAST, MOST = 16, 256
AHEAD_LEAST, AHEAD_MOST = 40, 200
AHEAD_SECONDS = 1.0
NEAR, FAR = 1.5, 3.0  # times the shortest answer
FORGET = 1.0005  # the shortest seen grows with each answer, so that a slower road is learnt
SMOOTH = 0.1


class Width:
    """The allowed number; ``seconds`` are those of each answer as it comes."""

    def __init__(self) -> None:
        self._allowed = float(LEAST)
        self._shortest = float("inf")
        self._usual = 0.0

    @property
    def allowed(self) -> int:
        """Return how many may be under way now."""
        return int(self._allowed)

    def answered(self, seconds: float, *, full: bool) -> None:
        """Learn from an answer; ``full`` says that as many were under way as were allowed."""
        self._shortest = min(seconds, self._shortest * FORGET)
        self._usual = seconds if not self._usual else self._usual + SMOOTH * (seconds - self._usual)
        if self._usual > FAR * self._shortest:
            self._allowed = max(LEAST, self._allowed * 0.99)
        elif full and self._usual < NEAR * self._shortest:
            self._allowed = min(MOST, self._allowed + 1)


class Ahead:
    """How many messages of a line wait claimed: one second of what goes out, since nothing urgent overtakes them.

    More where none was left when others were claimed: then claiming is what all wait for, and larger claims cost less.
    """

    def __init__(self) -> None:
        self._allowed = AHEAD_LEAST
        self._since: float | None = None
        self._begun = 0

    def began(self) -> None:
        """Count a message that goes out."""
        self._begun += 1

    def allowed(self, at: float, *, left: int) -> int:
        """Return how many may wait now, where so many are left; ``at``: seconds of a clock that only goes forward."""
        if self._since is None:
            self._since = at
        elif self._begun >= self._allowed or at - self._since > AHEAD_SECONDS:
            asked = int(AHEAD_SECONDS * self._begun / max(at - self._since, 0.001))
            if not left:
                asked = self._allowed * (2 if 2 * self._begun >= self._allowed else 1)
            self._allowed = max(AHEAD_LEAST, min(asked, 2 * self._allowed, AHEAD_MOST))
            self._since, self._begun = at, 0
        return self._allowed
