"""The gate: whether a request of an account may pass while an incident is being contained."""

import json
import os
import struct
import threading
import time
import weakref
from bisect import bisect_left
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tocsin_gate import changes, files, signatures
from tocsin_gate.errors import Refusal, SnapshotRefused, TrustUnusable
from tocsin_gate.listed import Listed
from tocsin_gate.rulebook import Malformed, Moment, seconds
from tocsin_gate.snapshot import FileIdentity, Snapshot, open_snapshot
from tocsin_gate.trust import Trust, open_to_others
from tocsin_gate.values import (
    ALLOWED,
    LIST_TOO_OLD,
    Applied,
    Decision,
    Following,
    LastRefusal,
    Refreshed,
    Status,
)

_NUMBER = struct.Struct(">Q")
_CHANGES_READ_MAX = 64 * 1024 * 1024


class Gate:
    """Answers for one installation's list; safe to share between threads.

    ``trust`` is a trust file's path, its contents or a ``Trust``. Raises ``TrustUnusable``, and ``SnapshotRefused``
    when there is no list to begin with; once one is in force, a bad successor is refused and the good one kept.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        trust: Trust | Mapping[str, Any] | str | os.PathLike[str],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.path = Path(path)
        self._clock = clock
        self._lock = threading.RLock()
        self._trust_path = Path(trust) if isinstance(trust, str | os.PathLike) else None
        self._trust_seen: FileIdentity | None = files.identity(self._trust_path) if self._trust_path else None
        self._trust = trust_of(trust)
        self._refusal: LastRefusal | None = None
        self._following: Callable[[], Following] | None = None
        self._watcher: threading.Thread | None = None
        self._stopped = threading.Event()
        self._changes_at = 0
        self._listed = self._checked(self.path, trust=self._trust, current=None)
        self._seen: FileIdentity | None = self._listed.snapshot.identity
        self._read_changes()
        _GATES.add(self)

    def check(
        self,
        account: str | None,
        *,
        token_issued_at: Moment | None = None,
        platform: str | None = None,
        client_version: str | None = None,
        sensitive: bool = False,
        client: str | None = None,
        password_changed_at: Moment | None = None,
    ) -> Decision:
        """Decide on one request.

        Times are Unix seconds (as in a token's ``iat`` or ``auth_time``) or aware datetimes. ``account`` is used
        exactly as it is; None is a request of nobody, which only the rules for everyone concern. ``sensitive`` declares
        an act (payout, export, change of address) that is refused for all when the list is too old to rely on.
        """
        # Before anything else: a time without a zone must not show itself first on the day of an incident.
        issued = seconds(token_issued_at) if token_issued_at is not None else None
        changed = seconds(password_changed_at) if password_changed_at is not None else None
        listed = self._listed
        code, done = 0, False
        if account is not None:
            digest = listed.keyed.copy()
            # Half characters, which only hostile input has, get bytes that no writer's UTF-8 can equal.
            digest.update(account.encode("utf-8", "surrogatepass"))
            number: int = _NUMBER.unpack_from(digest.digest())[0]
            # The look-up of Listed.rank_of, written out: a call costs a tenth of a check.
            slot = number >> listed.shift
            end = listed.index[slot + 1]
            rank = bisect_left(listed.hashes, number, listed.index[slot], end)
            if rank < end and listed.hashes[rank] == number:
                code = listed.changed.get(rank, -1) if listed.changed else -1
                if code < 0:
                    code = listed.codes[rank]
                done = bool(listed.done[rank >> 3] & (1 << (rank & 7)))
            elif listed.added:
                code = listed.added.get(number, 0)
        decision = ALLOWED
        rulebook = listed.rulebook
        if code or rulebook.everyone:
            decision = rulebook.decide(
                code,
                done=done,
                token_issued_at=issued,
                password_changed_at=changed,
                platform=platform,
                client_version=client_version,
                client=client,
                clock=self._clock,
            )
        if sensitive and decision.allow and self._too_old(listed):
            return LIST_TOO_OLD
        return decision

    def refresh(self) -> Refreshed:
        """Look whether a newer list, trust file or change lies there, and adopt it.

        Costs three stats when nothing is new. A refused file is not read again until it changes. Checks go on in other
        threads throughout: they see the old list or the new one, whole.
        """
        with self._lock:
            retrust = self._refresh_trust()
            seen = files.identity(self.path)
            if seen is not None and seen == self._seen and not retrust:
                return self._read_changes()
            try:
                listed = self._checked(self.path, trust=self._trust, current=self._listed)
            except SnapshotRefused as refused:
                # Its own fault may pass by itself: written in place, or gone for a moment.
                passing = refused.reason in (Refusal.SWAPPED_WHILE_READ, Refusal.UNREADABLE)
                self._seen = None if passing else seen
                self.note_refusal(refused.reason, str(refused))
                return Refreshed.REFUSED
            self._seen = listed.snapshot.identity
            if listed.snapshot.digest == self._listed.snapshot.digest and not retrust:
                return self._read_changes()
            self._put_in_force(listed)
            return Refreshed.ADOPTED

    def adopt(self, aside: Path) -> Snapshot:
        """Check a list that lies aside, move it into place and put it in force; raises ``SnapshotRefused``.

        So a download that is not good never replaces a file that is.
        """
        with self._lock:
            listed = self._checked(aside, trust=self._trust, current=self._listed)
            files.put_in_place(aside, self.path)
            self._seen = listed.snapshot.identity
            if listed.snapshot.digest != self._listed.snapshot.digest:
                self._put_in_force(listed)
            return listed.snapshot

    def apply(self, change: Mapping[str, Any]) -> Applied:
        """Carry out one change between epochs, wholly or not at all."""
        with self._lock:
            applied = self._apply(dict(change))
            if applied not in (Applied.APPLIED, Applied.HEARTBEAT, Applied.REPEATED, Applied.OTHER_EPOCH):
                self.note_refusal(applied, f"the change {change.get('epoch')}.{change.get('seq')} was not believed.")
            return applied

    def begin_again(self) -> None:
        """Expect the changes of this epoch from the first again; what they set stays in force meanwhile."""
        with self._lock:
            self._listed.seq = 0

    def status(self) -> Status:
        """Return what is enforced, and how it stands."""
        # Without the lock: a list that is being checked must not keep whoever asks how things stand.
        listed, trust, now = self._listed, self._trust, self._clock()
        header = listed.snapshot.header
        verified = "signature" if signatures.AVAILABLE and trust.public_keys else "ignored"
        readable = self._trust_path is not None and open_to_others(self._trust_path)
        return Status(
            installation=header.installation,
            epoch=header.epoch,
            seq=listed.seq,
            way=listed.snapshot.way,
            age_seconds=max(0.0, now - listed.fresh_at),
            stale=self._too_old(listed),
            expired=header.not_after is not None and now > header.not_after,
            accounts=header.accounts,
            done=listed.done_count,
            changed=len(listed.changed),
            added=len(listed.added),
            changes_believed="trusted_channel" if trust.changes_pinned and verified == "ignored" else verified,
            adopted_at=listed.adopted_at,
            last_refusal=self._refusal,
            following=self._following() if self._following else None,
            warnings=("the trust file can be read by everyone on this machine",) if readable else (),
        )

    def watch(self, *, every_seconds: float = 5.0) -> None:
        """Refresh in a thread of its own from now on. Called at every request, it also starts anew after a fork."""
        if self._watcher is not None and self._watcher.is_alive():
            return
        with self._lock:
            if self._watcher is None or not self._watcher.is_alive():
                # The thread holds no gate, so that one nobody uses any more can go.
                given = (weakref.ref(self), self._stopped, every_seconds)
                self._watcher = threading.Thread(target=_watch, args=given, name="tocsin-gate-watch", daemon=True)
                self._watcher.start()

    def close(self) -> None:
        """Stop watching. The list stays in force for whoever still asks."""
        self._stopped.set()
        if self._watcher is not None and self._watcher is not threading.current_thread():
            self._watcher.join()

    def report_following(self, told: Callable[[], Following] | None) -> None:
        """Let status tell what a follower does."""
        self._following = told

    def note_refusal(self, reason: Refusal | Applied, what: str) -> None:
        """Keep the last thing that was not believed, for status."""
        self._refusal = LastRefusal(reason=reason, at=self._clock(), what=what)

    def unlock_after_fork(self) -> None:
        """Take a new lock: a fork in the middle of a refresh leaves the old one to a thread the child does not have."""
        self._lock = threading.RLock()

    @property
    def trust(self) -> Trust:
        """What is believed now."""
        return self._trust

    @property
    def position(self) -> tuple[int, int]:
        """Return (epoch, last change) in force."""
        listed = self._listed
        return listed.snapshot.header.epoch, listed.seq

    def _too_old(self, listed: Listed) -> bool:
        return self._clock() - listed.fresh_at > listed.snapshot.header.sensitive_age_seconds_max

    def _checked(self, path: Path, *, trust: Trust, current: Listed | None) -> Listed:
        """Open a list and judge it against the clock and the one in force."""
        snapshot = open_snapshot(path, trust=trust)
        now, header = self._clock(), snapshot.header
        if header.not_after is not None and now > header.not_after:
            raise SnapshotRefused(
                Refusal.EXPIRED, f"was good until {_utc(header.not_after)}.", where=path, mend="Publish a new epoch."
            )
        if current is not None:
            force = current.snapshot
            if header.epoch < force.header.epoch:
                what = f"is epoch {header.epoch}; epoch {force.header.epoch} is in force."
                raise SnapshotRefused(Refusal.OLDER_EPOCH, what, where=path)
            if header.epoch == force.header.epoch and snapshot.digest != force.digest:
                what = f"is another list with the same epoch {header.epoch}."
                raise SnapshotRefused(Refusal.OTHER_CONTENT, what, where=path, mend="Publish it as a new epoch.")
        return Listed(snapshot, trust=trust, now=now)

    def _put_in_force(self, listed: Listed) -> None:
        self._changes_at = 0
        previous, self._listed = self._listed, listed
        if previous.snapshot.digest == listed.snapshot.digest:
            # Only the trust is new: what changed since the list was made still holds.
            listed.take_over(previous)
        self._read_changes()

    def _refresh_trust(self) -> bool:
        """Read the trust file again when it has changed; True when it says something new."""
        if self._trust_path is None:
            return False
        seen = files.identity(self._trust_path)
        if seen is None or seen == self._trust_seen:
            return False
        self._trust_seen = seen
        try:
            trust = Trust.read(self._trust_path)
        except TrustUnusable as error:
            self.note_refusal(Refusal.TRUST_UNUSABLE, str(error))
            return False
        changed, self._trust = trust != self._trust, trust
        return changed

    def _apply(self, given: dict[str, Any]) -> Applied:
        listed = self._listed
        change = changes.read_change(given)
        if change is None:
            return Applied.MALFORMED
        refused = changes.believed(given, trust=self._trust)
        if refused is not None:
            return refused
        if change.epoch != listed.snapshot.header.epoch:
            return Applied.OTHER_EPOCH
        if change.seq > listed.seq + (not change.heartbeat):
            return Applied.GAP
        if change.heartbeat or change.seq <= listed.seq:
            if change.seq == listed.seq:
                listed.fresh_at = max(listed.fresh_at, min(change.at, self._clock()))
            return Applied.HEARTBEAT if change.heartbeat else Applied.REPEATED
        try:
            rulebook = listed.rulebook_after(change)
        except Malformed:
            return Applied.MALFORMED
        if not listed.fits(change, rulebook):
            return Applied.MALFORMED
        listed.take(change, rulebook)
        listed.fresh_at = max(listed.fresh_at, min(change.at, self._clock()))
        return Applied.APPLIED

    def _read_changes(self) -> Refreshed:
        """Apply the changes that a follower, of this process or another, has left beside the list."""
        path = files.changes_path(self.path, epoch=self._listed.snapshot.header.epoch)
        lines, self._changes_at = files.whole_lines(path, offset=self._changes_at, size_max=_CHANGES_READ_MAX)
        before = self._listed.seq
        for line in lines:
            try:
                given = json.loads(line)
            except (ValueError, RecursionError):
                # What a crash cut short; it was written again after.
                continue
            if isinstance(given, dict):
                self.apply(given)
        return Refreshed.CHANGED if self._listed.seq != before else Refreshed.UNCHANGED


def trust_of(given: Trust | Mapping[str, Any] | str | os.PathLike[str]) -> Trust:
    """Return the trust a program named in one of the three ways."""
    if isinstance(given, Trust):
        return given
    return Trust.of(given) if isinstance(given, Mapping) else Trust.read(given)


def _utc(moment: float) -> str:
    return datetime.fromtimestamp(moment, tz=UTC).isoformat(timespec="seconds")


def _watch(reference: "weakref.ref[Gate]", stopped: threading.Event, every_seconds: float) -> None:
    while not stopped.wait(every_seconds):
        gate = reference()
        if gate is None:
            return
        gate.refresh()
        del gate


_GATES: "weakref.WeakSet[Gate]" = weakref.WeakSet()


def _unlock_after_fork() -> None:
    for gate in _GATES:
        gate.unlock_after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_unlock_after_fork)
