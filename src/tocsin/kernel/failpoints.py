"""Places where a process can be made to die or its disk to be full, so that kill tests meet every one of them.

``TOCSIN_FAILPOINTS`` names them: ``after_claim@3`` at the third time, ``before_send:0.001`` once in a thousand times on
average; ``full:`` before a name raises ENOSPC instead of killing; ``seed=7`` makes chance repeatable. Unset, a place
costs one call that does nothing.
"""

import errno
import os
import random
import signal
from collections import Counter
from dataclasses import dataclass, field

VARIABLE = "TOCSIN_FAILPOINTS"


@dataclass(slots=True)
class _Plan:
    at: dict[str, int] = field(default_factory=dict)
    share: dict[str, float] = field(default_factory=dict)
    full: set[str] = field(default_factory=set)
    chance: random.Random = field(default_factory=lambda: random.Random(0))  # noqa: S311
    reached: Counter[str] = field(default_factory=Counter)

    def reach(self, name: str) -> None:
        self.reached[name] += 1
        due = self.reached[name] == self.at.get(name)
        if due or (name in self.share and self.chance.random() < self.share[name]):
            if name in self.full:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.kill(os.getpid(), signal.SIGKILL)


def _read(text: str) -> _Plan | None:
    plan = _Plan()
    for part in filter(None, (part.strip() for part in text.split(","))):
        if part.startswith("seed="):
            plan.chance.seed(part.removeprefix("seed="))
            continue
        name = part.removeprefix("full:")
        if "@" in name:
            name, _at, time = name.partition("@")
            plan.at[name] = int(time)
        else:
            name, _colon, share = name.partition(":")
            plan.share[name] = float(share or 1)
        if part.startswith("full:"):
            plan.full.add(name)
    return plan if plan.at or plan.share else None


_PLAN = _read(os.environ.get(VARIABLE, ""))


def reach(name: str) -> None:
    """Go on, unless the process is to fail here."""
    if _PLAN is not None:
        _PLAN.reach(name)
