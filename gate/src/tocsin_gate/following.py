"""Following a source: the list itself, its changes as they come, and telling the source what is enforced."""

import http.client
import json
import re
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from enum import StrEnum
from pathlib import Path

from tocsin_gate import files
from tocsin_gate.errors import GateError, Misused, SnapshotRefused, SourceRefused
from tocsin_gate.feed import Changes, Source, Told
from tocsin_gate.gate import Gate
from tocsin_gate.snapshot import open_snapshot
from tocsin_gate.trust import Trust
from tocsin_gate.values import Applied, Following

WAIT_SECONDS_MIN = 0.2
WAIT_SECONDS_MAX = 60.0
# A server that lost this epoch, or never had it, is asked for everything.
_START_AGAIN = {404, 409, 410, 412}
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:@/-]{0,99}")
# Nothing a source sends may end the thread: what is not HTTP, not JSON, not a number or nested without end.
_TROUBLE = (OSError, http.client.HTTPException, GateError, ValueError, RecursionError)


class State(StrEnum):
    """What the follower is doing, as status says it."""

    STARTING = "starting"
    FETCHING = "fetching"
    FOLLOWING = "following"
    WAITING = "waiting"
    STOPPED = "stopped"


def first_list(path: Path, *, trust: Trust, source: Source) -> None:
    """Fetch a list where there is none yet; raises ``SourceRefused``, ``SnapshotRefused`` or ``OSError``."""
    aside = _aside(path)
    try:
        source.fetch(aside, epoch=None)
        open_snapshot(aside, trust=trust)
        files.put_in_place(aside, path)
    finally:
        aside.unlink(missing_ok=True)


def pause_seconds(tries: int) -> float:
    """Return how long to wait: anything up to a limit that doubles, so that gates do not march in step."""
    limit: float = min(WAIT_SECONDS_MAX, WAIT_SECONDS_MIN * 2 ** min(tries, 16))
    return WAIT_SECONDS_MIN / 2 + secrets.SystemRandom().random() * limit


class Follower:
    """Keeps a gate at what its source says, in two threads: one listens, one reports.

    Nothing the source does takes away what is enforced: while it cannot be reached, answers nonsense or offers a list
    that is refused, the last good list and its changes stay in force.
    """

    def __init__(
        self,
        gate: Gate,
        *,
        source: Source,
        name: str,
        clock: Callable[[], float] = time.time,
        pause: Callable[[int], float] = pause_seconds,
    ) -> None:
        if not _NAME.fullmatch(name):
            raise Misused(f"{name!r} is no name for a gate.", mend="Use up to 100 letters, digits and . _ : @ / -")
        self._gate = gate
        self._source = source
        self._name = name
        self._clock = clock
        self._pause = pause
        self._stopped = threading.Event()
        self._news = threading.Event()
        self._stream: Changes | None = None
        self._told = Following(source=source.url, state=State.STARTING)
        self._gaps = 0
        self._unwritten: list[bytes] = []
        self._threads = [
            threading.Thread(target=self._listen, name="tocsin-gate-follow", daemon=True),
            threading.Thread(target=self._report, name="tocsin-gate-report", daemon=True),
        ]

    def start(self) -> None:
        """Begin; the gate's status tells from now on how it goes."""
        self._gate.report_following(lambda: self._told)
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End both threads; the list stays in force."""
        self._stopped.set()
        self._news.set()
        if (stream := self._stream) is not None:
            stream.close()
        for thread in self._threads:
            thread.join()
        self._say(state=State.STOPPED)

    def _listen(self) -> None:
        while not self._stopped.is_set():
            try:
                self._fetch()
                self._news.set()
                self._follow()
            except _TROUBLE as trouble:
                if isinstance(trouble, SourceRefused) and trouble.status in _START_AGAIN:
                    self._gate.begin_again()
                self._say(trouble=str(trouble) or type(trouble).__name__)
            # Only an event that was believed ends the ever longer waits: a source that answers and then fails is down.
            self._say(state=State.WAITING, tries=self._told.tries + 1)
            self._stopped.wait(self._pause(self._told.tries))

    def _fetch(self) -> None:
        """Fetch the list when the source has a newer one; raises when it is not to be believed."""
        self._say(state=State.FETCHING)
        epoch, _ = self._gate.position
        aside = _aside(self._gate.path)
        try:
            if self._source.fetch(aside, epoch=epoch):
                adopted = self._gate.adopt(aside)
                if adopted.header.epoch != epoch:
                    self._unwritten.clear()
                    files.changes_path(self._gate.path, epoch=epoch).unlink(missing_ok=True)
        except SnapshotRefused as refused:
            self._gate.note_refusal(refused.reason, str(refused))
            raise
        finally:
            aside.unlink(missing_ok=True)

    def _follow(self) -> None:
        """Apply changes until the stream ends, a newer list waits or something is missing."""
        epoch, seq = self._gate.position
        self._stream = stream = self._source.changes(epoch=epoch, seq=seq)
        try:
            self._say(state=State.FOLLOWING, heard_at=self._clock())
            if self._stopped.is_set():
                # Stopped before there was a stream to close.
                return
            for told in stream:
                self._say(heard_at=self._clock())
                if self._stopped.is_set() or not self._heard(told):
                    return
        finally:
            self._stream = None
            stream.close()

    def _heard(self, told: Told) -> bool:
        """Take in one event; False when the list has to be fetched again."""
        if told.kind not in ("change", "heartbeat"):
            # `epoch`: a newer list waits. Kinds that this gate does not know yet mean nothing to it.
            return told.kind != "epoch"
        applied = self._gate.apply(told.data)
        if applied in (Applied.APPLIED, Applied.HEARTBEAT):
            self._gaps = 0
            self._say(tries=0, trouble="")
            if applied is Applied.APPLIED:
                self._news.set()
            self._unwritten.append(json.dumps(told.data, separators=(",", ":")).encode())
            self._leave_beside()
        if applied in (Applied.APPLIED, Applied.HEARTBEAT, Applied.REPEATED, Applied.NOT_BELIEVED):
            return True
        # Resuming mends a lost event. What resuming did not mend is asked for from the beginning.
        self._gaps += 1
        if self._gaps > 1:
            self._gate.begin_again()
        raise SourceRefused(f"sent a change that cannot be applied: {applied}.", where=self._source.url)

    def _leave_beside(self) -> None:
        """Write what was applied beside the list; what a full disk refused is tried again before the next."""
        path = files.changes_path(self._gate.path, epoch=self._gate.position[0])
        while self._unwritten:
            files.append_line(path, self._unwritten[0])
            del self._unwritten[0]

    def _report(self) -> None:
        """Tell the source what is enforced, whenever that has changed; several changes at once are one report."""
        tries = 0
        while not self._stopped.is_set():
            self._news.wait()
            self._news.clear()
            if self._stopped.is_set():
                return
            epoch, seq = self._gate.position
            if (epoch, seq) == self._told.reported:
                continue
            try:
                self._source.report(name=self._name, epoch=epoch, seq=seq)
            except _TROUBLE:
                tries += 1
                self._stopped.wait(self._pause(tries))
                self._news.set()
            else:
                tries = 0
                self._say(reported=(epoch, seq))

    def _say(self, **fields: object) -> None:
        self._told = replace(self._told, **fields)  # type: ignore[arg-type]


def _aside(path: Path) -> Path:
    """Return a name in the same folder (a rename must not cross file systems) that no other process picks."""
    return path.with_name(f".{path.name}.{secrets.token_hex(8)}.part")
