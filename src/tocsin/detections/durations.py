"""Lengths of time as rules write them: ``90s``, ``10m``, ``1h``, ``7d``, ``2w``."""

import re

_UNIT_MS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
_DURATION = re.compile(r"(\d{1,9})(ms|s|m|h|d|w)")


def duration_ms(text: object) -> int | None:
    """Return a length of time in milliseconds, or None when the text is not one."""
    found = _DURATION.fullmatch(text) if isinstance(text, str) else None
    return int(found.group(1)) * _UNIT_MS[found.group(2)] if found else None
