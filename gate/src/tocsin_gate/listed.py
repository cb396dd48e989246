"""One list in force: looking accounts up in it, and what has changed since it was made."""

import hashlib
from bisect import bisect_left
from typing import Any

from tocsin_gate.changes import Change
from tocsin_gate.rulebook import Rulebook
from tocsin_gate.snapshot import Snapshot
from tocsin_gate.trust import Trust


class Listed:
    """One snapshot in force, with what has changed since. A check takes it once; only the gate's lock writes."""

    __slots__ = (
        "added", "adopted_at", "changed", "codes", "combinations", "done", "done_count", "fresh_at", "hashes", "index",
        "keyed", "rulebook", "rules", "seq", "shift", "snapshot",
    )  # fmt: skip

    def __init__(self, snapshot: Snapshot, *, trust: Trust, now: float) -> None:
        self.snapshot = snapshot
        # The 64 digits fill exactly one block of SHA-256, so every check begins from a copy of the state after them.
        self.keyed = hashlib.sha256(trust.hash_key.hex().encode())
        self.shift = 64 - snapshot.header.index_bits
        self.index = snapshot.index
        self.hashes = snapshot.hashes
        self.codes = snapshot.codes
        self.rulebook = snapshot.rulebook
        self.rules: dict[int, dict[str, Any]] = snapshot.header.rules
        self.combinations: dict[int, dict[str, Any]] = snapshot.header.combinations
        self.done = bytearray((snapshot.header.accounts + 7) // 8)
        self.done_count = 0
        self.changed: dict[int, int] = {}
        self.added: dict[int, int] = {}
        self.seq = 0
        self.adopted_at = now
        # A list cannot be fresher than the moment it was received, whatever the clock of its writer said.
        self.fresh_at = min(snapshot.header.made_at, now)

    def rank_of(self, number: int) -> int:
        """Return the place of an account's number in the list, or -1."""
        slot = number >> self.shift
        end = self.index[slot + 1]
        rank = bisect_left(self.hashes, number, self.index[slot], end)
        return rank if rank < end and self.hashes[rank] == number else -1

    def mark_done(self, rank: int, *, done: bool) -> None:
        """Set or clear the bit of one account."""
        place, bit = rank >> 3, 1 << (rank & 7)
        if bool(self.done[place] & bit) != done:
            self.done[place] ^= bit
            self.done_count += 1 if done else -1

    def rulebook_after(self, change: Change) -> Rulebook:
        """Return the rules and combinations as the change leaves them; raises ``Malformed``."""
        if not change.combinations and not change.rules:
            return self.rulebook
        return Rulebook.read(
            rules={**self.rules, **change.rules}, combinations={**self.combinations, **change.combinations}
        )

    def fits(self, change: Change, rulebook: Rulebook) -> bool:
        """Tell whether every number of a change means something here."""
        codes = (code for _, code in (*change.placed, *change.added))
        ranks = (*change.done, *(rank for rank, _ in change.placed))
        described = all(not code or code in rulebook.combinations for code in codes)
        return described and all(rank < self.snapshot.header.accounts for rank in ranks)

    def take(self, change: Change, rulebook: Rulebook) -> None:
        """Carry out a change that fits. The rulebook goes first: no reader may see a number before its meaning."""
        self.rules = {**self.rules, **change.rules}
        self.combinations = {**self.combinations, **change.combinations}
        self.rulebook = rulebook
        for rank, code in change.placed:
            self._place(rank, code)
        for number, code in change.added:
            rank = self.rank_of(number)
            if rank >= 0:
                self._place(rank, code)
            else:
                self.added[number] = code
        for number in change.removed:
            rank = self.rank_of(number)
            if rank >= 0:
                self.changed.pop(rank, None)
            else:
                self.added.pop(number, None)
        for rank in change.done:
            self.mark_done(rank, done=True)
        self.seq = change.seq

    def take_over(self, previous: "Listed") -> None:
        """Go on with what another look at the same snapshot had learnt."""
        for name in ("added", "changed", "combinations", "done", "done_count", "fresh_at", "rulebook", "rules", "seq"):
            setattr(self, name, getattr(previous, name))

    def _place(self, rank: int, code: int) -> None:
        # What is asked anew cannot have been done before.
        self.mark_done(rank, done=False)
        self.changed[rank] = code
