"""The numbers of lists: they only ever rise, whatever happens to the database, for a gate refuses an earlier one."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tocsin.containment.errors import EpochTooLow, ListNotWritten
from tocsin.kernel import files
from tocsin.kernel.home import data_home
from tocsin.kernel.language import gettext as _


def folder() -> Path:
    """Return the folder of published lists, made 0700 where it is missing."""
    gate = data_home() / "gate"
    gate.mkdir(mode=0o700, exist_ok=True)
    return gate


@contextmanager
def alone(name: str) -> Iterator[None]:
    """Wait until nobody else holds ``gate/<name>.lock``, and hold it; a killed process lets go of it."""
    descriptor = os.open(folder() / f"{name}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def take_epoch(wanted: int | None = None, *, above: int = 0) -> int:
    """Return the epoch of the next list and never give it again; ``above`` is what is known from elsewhere.

    The number is spent before the list exists: a crash leaves a gap, which a gate does not mind.
    """
    with alone("epoch"):
        last = max(last_epoch(), above)
        if wanted is not None and wanted <= last:
            raise EpochTooLow(
                _("Epoch {wanted} does not rise: {last} was given already.").format(wanted=wanted, last=last),
                mend=_("Leave --epoch out, or name a higher one; a gate keeps the highest it has seen."),
            )
        epoch = wanted if wanted is not None else last + 1
        files.write_whole(_path(), f"{epoch}\n")
    return epoch


def last_epoch() -> int:
    """Return the highest epoch that was given, 0 before the first."""
    try:
        text = _path().read_text(encoding="ascii").strip()
    except FileNotFoundError:
        return 0
    if not text.isdecimal():
        raise ListNotWritten(
            _("This file must hold one number."), where=_path(), mend=_("Write the highest epoch ever published.")
        )
    return int(text)


def _path() -> Path:
    return folder() / "epoch"
