"""How much memory the work on events may take; what does not fit is spilled to disk."""

import os
from contextlib import suppress
from pathlib import Path

from tocsin.kernel.errors import TocsinError
from tocsin.kernel.language import gettext as _

SETTING = "TOCSIN_MEMORY_MIB"
MIB = 1024 * 1024
LEAST_MIB = 256  # below this DuckDB cannot hold the buffers of one sort
# Half: results in Python, the buffers DuckDB does not count and the page cache of the segments want the rest.
SHARE_OF_MACHINE = 0.5
# Where Linux says what a container may use (cgroup v2, then v1).
_CONTAINER = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))


def machine_mib() -> int:
    """Return the memory of this machine, or of the container it is, in MiB."""
    sizes = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for path in _CONTAINER:
        with suppress(OSError, ValueError):  # not there, or "max": no limit of its own
            sizes.append(int(path.read_text(encoding="ascii")))
    return min(sizes) // MIB


def limit_mib() -> int:
    """Return what DuckDB may take, in MiB: what the setting says, else half of the machine."""
    named = os.environ.get(SETTING)
    if not named:
        return max(LEAST_MIB, int(machine_mib() * SHARE_OF_MACHINE))
    if not named.isdecimal() or int(named) < LEAST_MIB:
        raise TocsinError(
            _("{setting} must be a whole number of MiB, {least} or more.").format(setting=SETTING, least=LEAST_MIB),
            where=f"{SETTING}={named}",
            mend=_("For example: {setting}=4096").format(setting=SETTING),
        )
    return int(named)


def limits_sql(*, spill: Path | None, shares: int = 1, megabytes: int | None = None) -> str:
    """Return the settings of one connection of ``shares``: what it may hold, and where it puts what it cannot.

    ``megabytes`` is another bound than the limit. Without a folder to spill to, what does not fit is refused instead.
    """
    bound = f"{megabytes}MB" if megabytes else f"{max(LEAST_MIB, limit_mib() // shares)}MiB"
    folder = str(spill.resolve()).replace("'", "''") if spill else ""
    return f"SET memory_limit = '{bound}'; SET temp_directory = '{folder}'"
