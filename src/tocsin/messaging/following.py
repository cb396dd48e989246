"""What addresses became: numbers are given up and given to others, so that one may have had several people in turn.

What is known of an address is what was told of it, in any order and any number of times; who had it when is reckoned
from that as often as it is asked.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

from django.db import connection

CHAIN_MAX = 8  # a number that changed more often than that is followed no further
_TOLD = """
SELECT c.portfolio, c.kind, c.value, c.other, c.at, c.learned_at, c.since_at, c.doubtful
  FROM tocsin_addresschange c
  JOIN unnest(%s::text[], %s::text[], %s::text[]) AS asked(portfolio, kind, value)
    ON c.portfolio = asked.portfolio AND c.kind = asked.kind AND c.value = asked.value
"""
Key = tuple[str, str, str]  # portfolio, kind, value


class Change(NamedTuple):
    """That somebody gave an address up: what they have instead, when, and when that was taken in.

    ``other`` is empty where only that is known that somebody else was seen to have it ``at`` a moment; its person was
    then last known to have it at ``since_at``. ``doubtful``: when it was taken in, the address was known to be in use
    again since.
    """

    other: str
    at: datetime
    learned_at: datetime
    since_at: datetime | None = None
    doubtful: bool = False

    @property
    def begun_at(self) -> datetime:
        """Return from when on somebody else may have had the address."""
        return self.since_at or self.at


def told_of(keys: Iterable[Key]) -> dict[Key, list[Change]]:
    """Return all that was told of addresses, by portfolio, kind and value."""
    asked = [list(column) for column in zip(*sorted(set(keys)), strict=True)]
    found: dict[Key, list[Change]] = defaultdict(list)
    if asked:
        with connection.cursor() as cursor:
            cursor.execute(_TOLD, asked)
            for portfolio, kind, value, *change in cursor.fetchall():
                found[portfolio, kind, value].append(Change(*change))
    return found


def history(told: Sequence[Change]) -> tuple[Change, ...]:
    """Return who gave an address up one after the other, each once.

    That somebody else was seen to have it says no more than a change of its person between the two sightings does: of
    several people the one who was seen last before. An address book has the person before until the next change was
    taken in at the latest, whatever that one was.
    """
    unknown = sorted((each for each in told if not each.other), key=lambda each: each.begun_at, reverse=True)
    known = sorted((each for each in told if each.other), key=lambda each: (each.at, each.other))
    explaining: set[int] = set()
    for each in unknown:
        between = (place for place in range(len(known)) if each.begun_at <= known[place].at <= each.at)
        place = next((place for place in between if place not in explaining), None)
        if place is None:
            continue
        explaining.add(place)
        known[place] = known[place]._replace(learned_at=min(known[place].learned_at, each.learned_at))
        unknown = [other for other in unknown if other is not each]
    known = sorted([*known, *unknown], key=lambda each: (each.begun_at, each.other))
    for place in range(len(known) - 2, -1, -1):
        earliest = min(known[place].learned_at, known[place + 1].learned_at)
        known[place] = known[place]._replace(learned_at=earliest)
    return tuple(known)


class Followed:
    """Answers what addresses became; asks the database once for all of them."""

    def __init__(self, keys: Iterable[Key]) -> None:
        self._changes: dict[Key, tuple[Change, ...]] = {}
        asked: set[Key] = set(keys)
        seen = set(asked)
        for _ in range(CHAIN_MAX):
            found = told_of(asked) if asked else {}
            self._changes |= {key: history(told) for key, told in found.items()}
            asked = {(*key[:2], change.other) for key, told in found.items() for change in told if change.other} - seen
            seen |= asked
            if not asked:
                break

    def __call__(self, portfolio: str, kind: str, value: str, *, at: datetime) -> str:
        """Return the address somebody has now who used this one at a moment, as far as it is known."""
        for _ in range(CHAIN_MAX):
            changes = self._changes.get((portfolio, kind, value), ())
            change = next((each for each in changes if each.at >= at), None)
            if change is None or not change.other:
                break
            value, at = change.other, change.at
        return value

    def of_queued(self, portfolio: str, kind: str, value: str, *, queued_at: datetime) -> str:
        """Return the address of now of whom a message was queued for; empty when nobody knows it, or for whom.

        Until a change was taken in, address books had the old address: what was queued before that is for its person.
        Where it may as well have been for one who had the address next it goes to neither.
        """
        changes = self._changes.get((portfolio, kind, value), ())
        first = next((place for place, change in enumerate(changes) if change.learned_at >= queued_at), None)
        if first is None:
            return value
        if changes[first].doubtful and changes[first].at <= queued_at:
            return ""
        meant = [change for place, change in enumerate(changes)
                 if place == first or (place > first and changes[place - 1].begun_at <= queued_at)]  # fmt: skip
        ends = {self._end(portfolio, kind, change) for change in meant}
        return ends.pop() if len(ends) == 1 else ""

    def ever(self, portfolio: str, kind: str, value: str) -> set[str]:
        """Return an address with all that whoever ever had it took instead, and so on."""
        names, asked = {value}, {value}
        while asked:
            asked = {
                change.other for each in asked for change in self._changes.get((portfolio, kind, each), ())
            } - names - {""}  # fmt: skip
            names |= asked
        return names

    def _end(self, portfolio: str, kind: str, change: Change) -> str:
        """Return the address of now of whoever made a change; empty when nobody knows it."""
        for _ in range(CHAIN_MAX):
            if not change.other:
                return ""
            had_since = change.at
            following = next((
                each for each in self._changes.get((portfolio, kind, change.other), ())
                # Whom somebody else's name shows to have left before is not the one who came.
                if each.at >= had_since and (each.since_at is None or each.since_at >= had_since)
            ), None)  # fmt: skip
            if following is None:
                return change.other
            change = following
        return ""
