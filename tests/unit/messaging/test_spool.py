"""A sender's notes on a disk that has no room for a while."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

import pytest

from tocsin.messaging import spool
from tocsin.messaging.spool import Spool


@contextmanager
def room(size: int) -> Iterator[None]:
    """Let no file of this process grow beyond a size meanwhile, as on a disk that is full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.timeout(20)
def test_notes_that_cannot_be_written_anew_are_so_when_there_is_room_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool, "BYTES_MAX", 0)
    notes, settled, open_one = Spool("one"), uuid4(), uuid4()
    notes.begin(settled)
    notes.begin(open_one)
    with room(0):
        for _attempt in range(3):
            with pytest.raises(OSError, match="too large"):
                notes.settled([])
    notes.settled([settled])
    notes.close()
    (left,) = spool.left_behind()
    assert left.begun == {open_one}


def test_a_note_that_is_not_written_whole_spoils_none_after_it() -> None:
    notes, first, second = Spool("one"), uuid4(), uuid4()
    notes.begin(first)
    size = (spool.home.data_home() / spool.FOLDER / f"one{spool.SUFFIX}").stat().st_size
    with room(size + 5), pytest.raises(OSError, match="No space left"):
        notes.begin(second)
    notes.begin(second)
    notes.close()
    (left,) = spool.left_behind()
    assert left.begun == {first, second}
