"""What providers call a person: a telephone number and a business-scoped id belong together; either may change.

A row whose two kinds are the same says that one address became another, or, where the other is empty, that somebody
else has it now. Whatever was said of the old one up to then is
said of the new one; what comes later is of whoever has it now, because numbers are given to others.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from django.db import connection

from tocsin.customers import commands as customers
from tocsin.customers.values import AddressKind
from tocsin.journal import commands as journal
from tocsin.journal.values import MACHINE
from tocsin.kernel import clock
from tocsin.messaging import columns
from tocsin.messaging.values import AddressChanged

CHAIN_MAX = 8  # a number that changed more often than that is followed no further


@dataclass(frozen=True, slots=True)
class Line:
    """The channel a line belongs to, and what that shares."""

    channel: str
    account: str
    portfolio: str


Lines = Mapping[str, Line]
Named = tuple[Line | None, Mapping[AddressKind, str], datetime]  # on which line, how somebody is called, when
Key = tuple[str, str, str]  # portfolio, kind, value

# A name that is told again is written again after an hour only: every status tells both names of a person.
_NAME = """
INSERT INTO tocsin_addressname AS n (portfolio, kind, value, other_kind, other_value, seen_at)
SELECT * FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::timestamptz[])
ON CONFLICT (portfolio, kind, value, other_kind)
DO UPDATE SET other_value = excluded.other_value, seen_at = excluded.seen_at
WHERE ((excluded.seen_at, excluded.other_value) > (n.seen_at, n.other_value) OR n.other_value = '')
  AND (excluded.other_value <> n.other_value OR excluded.seen_at > n.seen_at + interval '1 hour')
RETURNING portfolio, kind, value, xmax <> 0
"""
# Somebody else has a number now: its name and the older one, which still says that it is its number, are two people.
# Unless one is known to have become the other, nobody knows where the first is reached; and what is known stays. One
# look into an index for each, whatever the planner believes of a table that grows by thousands of rows a second.
_GIVEN_UP = """
WITH older AS (
    SELECT o.id, told.portfolio, told.kind, told.value, now.seen_at
      FROM unnest(%s::text[], %s::text[], %s::text[]) AS told(portfolio, kind, value)
     CROSS JOIN LATERAL (
        SELECT other_kind, other_value, seen_at FROM tocsin_addressname
         WHERE portfolio = told.portfolio AND kind = told.kind AND value = told.value AND other_kind <> kind
        OFFSET 0) now
     CROSS JOIN LATERAL (
        SELECT id, value FROM tocsin_addressname
         WHERE other_value = told.value AND portfolio = told.portfolio AND other_kind = told.kind
           AND kind = now.other_kind AND value <> now.other_value AND seen_at < now.seen_at OFFSET 0) o
      LEFT JOIN LATERAL (
        SELECT 1 AS known FROM tocsin_addressname
         WHERE portfolio = told.portfolio AND kind = now.other_kind AND value = o.value AND other_kind = kind
        OFFSET 0) became ON TRUE
     WHERE became.known IS NULL),
gone AS (
    DELETE FROM tocsin_addressname WHERE id IN (SELECT id FROM older))
INSERT INTO tocsin_addressname AS n (portfolio, kind, value, other_kind, other_value, seen_at, learned_at)
SELECT DISTINCT portfolio, kind, value, kind, '', seen_at, %s::timestamptz FROM older
ON CONFLICT (portfolio, kind, value, other_kind)
DO UPDATE SET seen_at = excluded.seen_at, learned_at = excluded.learned_at
 WHERE n.other_value = '' AND excluded.seen_at > n.seen_at
"""
_BECAME = """
SELECT n.portfolio, n.kind, n.value, n.other_value, n.seen_at, coalesce(n.learned_at, n.seen_at)
  FROM tocsin_addressname n
  JOIN unnest(%s::text[], %s::text[], %s::text[]) AS asked(portfolio, kind, value)
    ON n.portfolio = asked.portfolio AND n.kind = asked.kind AND n.value = asked.value AND n.other_kind = n.kind
"""
_LEARNED = """
UPDATE tocsin_addressname n SET learned_at = %s
  FROM unnest(%s::text[], %s::text[], %s::text[]) AS told(portfolio, kind, value)
 WHERE n.portfolio = told.portfolio AND n.kind = told.kind AND n.value = told.value AND n.other_kind = told.kind
"""
_WINDOWS_FOLLOW = """
WITH moved AS (
    DELETE FROM tocsin_servicewindow w USING tocsin_messagingchannel c
     WHERE c.name = w.channel AND coalesce(nullif(c.portfolio, ''), nullif(c.account, ''), c.name) = %(portfolio)s
       AND w.address = %(before)s AND w.last_inbound_at <= %(at)s
    RETURNING w.channel, w.last_inbound_at)
INSERT INTO tocsin_servicewindow AS s (channel, address, last_inbound_at)
SELECT channel, %(after)s, last_inbound_at FROM moved
ON CONFLICT (channel, address)
DO UPDATE SET last_inbound_at = greatest(s.last_inbound_at, excluded.last_inbound_at)
"""
_PAIRS_FOLLOW = """
WITH moved AS (
    DELETE FROM tocsin_pairpace p USING tocsin_messagingchannel c
     WHERE c.name = p.channel AND coalesce(nullif(c.portfolio, ''), nullif(c.account, ''), c.name) = %(portfolio)s
       AND p.address = %(before)s
    RETURNING p.channel, p.free_at, p.refused, p.wait_until)
INSERT INTO tocsin_pairpace AS s (channel, address, free_at, refused, wait_until)
SELECT channel, %(after)s, free_at, refused, wait_until FROM moved
ON CONFLICT (channel, address)
DO UPDATE SET free_at = greatest(s.free_at, excluded.free_at), refused = greatest(s.refused, excluded.refused),
              wait_until = greatest(s.wait_until, excluded.wait_until)
"""
# Once both names of a person are known they are counted under the number; what was counted under the other comes along.
_PAIRS_JOIN = """
WITH counted AS (
    SELECT p.id, l.name AS channel, there.other_value AS address, p.free_at, p.refused, p.wait_until
      FROM unnest(%s::text[], %s::text[], %s::text[]) AS told(portfolio, kind, value)
      JOIN tocsin_messagingchannel l
        ON coalesce(nullif(l.portfolio, ''), nullif(l.account, ''), l.name) = told.portfolio
     CROSS JOIN LATERAL (
        SELECT id, free_at, refused, wait_until FROM tocsin_pairpace
         WHERE channel = l.name AND address = told.value OFFSET 0) p
     CROSS JOIN LATERAL (
        SELECT other_value FROM tocsin_addressname
         WHERE portfolio = told.portfolio AND kind = told.kind AND value = told.value AND other_kind = 'phone'
        OFFSET 0) there),
gone AS (
    DELETE FROM tocsin_pairpace WHERE id IN (SELECT id FROM counted))
INSERT INTO tocsin_pairpace AS s (channel, address, free_at, refused, wait_until)
SELECT channel, address, max(free_at), max(refused), max(wait_until) FROM counted GROUP BY 1, 2 ORDER BY 1, 2
ON CONFLICT (channel, address)
DO UPDATE SET free_at = greatest(s.free_at, excluded.free_at), refused = greatest(s.refused, excluded.refused),
              wait_until = greatest(s.wait_until, excluded.wait_until)
"""
_OBJECTIONS_FOLLOW = """
WITH moved AS (
    DELETE FROM tocsin_personobjection o
     WHERE o.kind = %(kind)s AND o.address = %(before)s AND greatest(o.since_at, o.lifted_at) <= %(at)s
    RETURNING o.purpose, o.reason, o.since_at, o.lifted_at)
INSERT INTO tocsin_personobjection AS s (kind, address, purpose, reason, since_at, lifted_at)
SELECT %(kind)s, %(after)s, purpose, reason, since_at, lifted_at FROM moved
ON CONFLICT (kind, address, purpose)
DO UPDATE SET since_at = excluded.since_at, lifted_at = excluded.lifted_at, reason = excluded.reason
WHERE greatest(excluded.since_at, excluded.lifted_at) > greatest(s.since_at, s.lifted_at)
"""


def name(said: Iterable[Named]) -> list[Key]:
    """Remember which two names are one person's, of both what was said last; return those that are news."""
    told: dict[tuple[str, str, str], datetime] = {}  # each pair once: every status of a message tells it again
    for line, addresses, at in said:
        phone, scoped = addresses.get(AddressKind.PHONE), addresses.get(AddressKind.WHATSAPP)
        if line is not None and phone and scoped:
            pair = (line.portfolio, phone, scoped)
            told[pair] = max(told.get(pair, at), at)
    newest: dict[tuple[str, str, str, str], tuple[datetime, str]] = {}
    for (portfolio, phone, scoped), at in told.items():
        for key, other in (
            ((portfolio, AddressKind.PHONE.value, phone, AddressKind.WHATSAPP.value), scoped),
            ((portfolio, AddressKind.WHATSAPP.value, scoped, AddressKind.PHONE.value), phone),
        ):
            newest[key] = max(newest.get(key, (at, other)), (at, other))
    news = _write([(*key, other, at) for key, (at, other) in sorted(newest.items())])
    changed = [key for *key, is_known in news if is_known and key[1] == AddressKind.PHONE]
    if changed:
        with connection.cursor() as cursor:
            cursor.execute(_GIVEN_UP, [*(list(column) for column in zip(*changed, strict=True)), clock.now()])
    joined = [key for *key, _is_known in news if key[1] == AddressKind.WHATSAPP]
    if joined:
        with connection.cursor() as cursor:
            cursor.execute(_PAIRS_JOIN, [list(column) for column in zip(*joined, strict=True)])
    return [(portfolio, kind, value) for portfolio, kind, value, _is_known in news]


def names_of(address: str) -> set[str]:
    """Return an address with all that became it, and what the same person is or was called."""
    names, asked = {address}, {address}
    for _ in range(CHAIN_MAX):
        with connection.cursor() as cursor:
            cursor.execute("SELECT value FROM tocsin_addressname WHERE other_value = ANY(%s::text[])", [sorted(asked)])
            asked = {value for (value,) in cursor.fetchall()} - names
        if not asked:
            break
        names |= asked
    return names


def change(told: Sequence[tuple[AddressChanged, Line | None]]) -> None:
    """Let what is known of an old address follow to the new one; customers' own address books too."""
    known = [(each, line) for each, line in told if line is not None and each.before != each.after]
    if not known:
        return
    newest: dict[tuple[str, str, str, str], tuple[datetime, str]] = {}
    for each, line in known:
        key = (line.portfolio, each.kind.value, each.before, each.kind.value)
        newest[key] = max(newest.get(key, (each.at, each.after)), (each.at, each.after))
    fresh = _fresh(newest)
    _write([(*key, other, at) for key, (at, other) in sorted(newest.items())])
    with connection.cursor() as cursor:
        for (portfolio, kind, before, _), (at, after) in sorted(newest.items(), key=lambda item: item[1][0]):
            asked = {"portfolio": portfolio, "kind": kind, "before": before, "after": after, "at": at}
            cursor.execute(_WINDOWS_FOLLOW, asked)
            cursor.execute(_PAIRS_FOLLOW, asked)
            cursor.execute(_OBJECTIONS_FOLLOW, asked)
    if not fresh:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            _LEARNED, [clock.now(), *(list(column) for column in zip(*(key[:3] for key in fresh), strict=True))]
        )
    for key in fresh:
        customers.change_address(AddressKind(key[1]), before=key[2], after=newest[key][1])
    journal.write(
        verb="messaging.addresses_changed", subject="customers", by=MACHINE, facts={"addresses": len(fresh)},
        rows=[(f"{kind} {before} -> {newest[(portfolio, kind, before, other)][1]}", before)
              for portfolio, kind, before, other in fresh],
    )  # fmt: skip


def _fresh(newest: Mapping[tuple[str, str, str, str], tuple[datetime, str]]) -> list[tuple[str, str, str, str]]:
    """Return the changes that were not known yet, so that a repeated webhook changes and records nothing."""
    keys = sorted(newest)
    known = {(portfolio, kind, value): (at, other) for portfolio, kind, value, other, at, _l in _became(keys) if other}
    return [key for key in keys if known.get(key[:3]) is None or known[key[:3]] < newest[key]]


def _write(rows: Sequence[tuple[str, str, str, str, str, datetime]]) -> list[tuple[str, str, str, bool]]:
    """Write names, and return those that are news, each with whether another one, or the same, was known before."""
    if not rows:
        return []
    *named, moments = zip(*rows, strict=True)
    given = [*(columns.texts(column) for column in named), columns.moments(moments)]
    with connection.cursor() as cursor:
        cursor.execute(_NAME, given)
        return list(cursor.fetchall())


def _became(keys: Iterable[Sequence[str]]) -> list[tuple[str, str, str, str, datetime, datetime]]:
    asked = [list(column) for column in zip(*(key[:3] for key in keys), strict=True)]
    if not asked:
        return []
    with connection.cursor() as cursor:
        cursor.execute(_BECAME, asked)
        return list(cursor.fetchall())


class _Change(NamedTuple):
    """What an address became (empty: somebody else's), when, and when that was taken in."""

    other: str
    at: datetime
    learned_at: datetime


class Followed:
    """Answers what addresses became; asks the database once for all of them."""

    def __init__(self, keys: Iterable[Key]) -> None:
        self._became: dict[Key, _Change] = {}
        asked: set[Key] = set(keys)
        seen = set(asked)
        for _ in range(CHAIN_MAX):
            found = _became(sorted(asked)) if asked else []
            for portfolio, kind, value, other, at, learned_at in found:
                self._became[(portfolio, kind, value)] = _Change(other, at, learned_at)
            asked = {(portfolio, kind, other) for portfolio, kind, _value, other, *_when in found} - seen
            seen |= asked
            if not asked:
                break

    def __call__(self, portfolio: str, kind: str, value: str, *, at: datetime) -> str:
        """Return the address somebody has now who used this one at a moment, as far as it is known."""
        for _ in range(CHAIN_MAX):
            change = self._became.get((portfolio, kind, value))
            if change is None or not change.other or change.at < at:
                break
            value = change.other
        return value

    def of_queued(self, portfolio: str, kind: str, value: str, *, queued_at: datetime) -> str:
        """Return the address of now of whom a message was queued for; empty when it is somebody else's by now.

        Until a change was taken in, address books had the old address: what was queued before that is for its person.
        """
        change = self._became.get((portfolio, kind, value))
        if change is None or change.learned_at < queued_at:
            return value
        for _ in range(CHAIN_MAX):
            value, had_since = change.other, change.at
            change = self._became.get((portfolio, kind, value))
            if not value or change is None or change.at < had_since:
                break
        return value
