"""What providers call a person: a telephone number and a business-scoped id belong together; either may change.

Where one address became another, whatever was said of the old one up to then is said of the new one; what comes later
is of whoever has it now, because numbers are given to others (``following``).
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

from django.db import connection

from tocsin.customers import commands as customers
from tocsin.customers.values import AddressKind
from tocsin.journal import commands as journal
from tocsin.journal.values import MACHINE
from tocsin.kernel import clock
from tocsin.messaging import columns
from tocsin.messaging.following import CHAIN_MAX, Followed, Key, told_of
from tocsin.messaging.values import AddressChanged


@dataclass(frozen=True, slots=True)
class Line:
    """The channel a line belongs to, and what that shares."""

    channel: str
    account: str
    portfolio: str


@dataclass(frozen=True, slots=True)
class Learned:
    """Changes of addresses that are news, in the order they happened; of those, ``fresh`` are the newest of each.

    An older one, told late, is of somebody whom address books have elsewhere by now.
    """

    new: Sequence["Changed"] = ()
    fresh: Sequence["Changed"] = ()


Lines = Mapping[str, Line]
Named = tuple[Line | None, Mapping[AddressKind, str], datetime]  # on which line, how somebody is called, when
Changed = tuple[str, str, str, str, datetime]  # portfolio, kind, the address before and after, when

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
# Somebody else has a number now: its name and the older one, which still says that it is its number, are two people,
# unless one is known to have become the other. One look into an index for each, whatever the planner believes of a
# table that grows by thousands of rows a second.
_OLDER = """
SELECT told.portfolio, told.kind, told.value, o.seen_at, o.id, o.value, now.other_kind, now.other_value, now.seen_at
  FROM unnest(%s::text[], %s::text[], %s::text[]) AS told(portfolio, kind, value)
 CROSS JOIN LATERAL (
    SELECT other_kind, other_value, seen_at FROM tocsin_addressname
     WHERE portfolio = told.portfolio AND kind = told.kind AND value = told.value
    OFFSET 0) now
 CROSS JOIN LATERAL (
    SELECT id, value, seen_at FROM tocsin_addressname
     WHERE other_value = told.value AND portfolio = told.portfolio AND other_kind = told.kind
       AND kind = now.other_kind AND value <> now.other_value AND seen_at < now.seen_at OFFSET 0) o
 ORDER BY 1, 2, 3, 4
"""
_GIVEN_UP = """
INSERT INTO tocsin_addresschange (portfolio, kind, value, other, since_at, at, learned_at, doubtful)
SELECT portfolio, kind, value, '', since_at, at, %s::timestamptz, FALSE
  FROM unnest(%s::text[], %s::text[], %s::text[], %s::timestamptz[], %s::timestamptz[])
       AS given(portfolio, kind, value, since_at, at)
ON CONFLICT (portfolio, kind, value, at, other, since_at) DO NOTHING
"""
# Of a number that was known to be in use again, under a name or because somebody took it, a change is told late.
_CHANGED = """
INSERT INTO tocsin_addresschange (portfolio, kind, value, other, at, learned_at, doubtful)
SELECT portfolio, kind, value, other, at, %s::timestamptz,
       kind = 'phone' AND (
         EXISTS (SELECT 1 FROM tocsin_addressname n
                  WHERE n.portfolio = told.portfolio AND n.kind = told.kind AND n.value = told.value
                    AND n.seen_at > told.at)
         OR EXISTS (SELECT 1 FROM tocsin_addresschange c
                     WHERE c.other = told.value AND c.portfolio = told.portfolio AND c.kind = told.kind
                       AND c.at >= told.at))
  FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[], %s::timestamptz[])
       AS told(portfolio, kind, value, other, at)
ON CONFLICT (portfolio, kind, value, at, other, since_at) DO NOTHING
RETURNING portfolio, kind, value, other, at
"""
_ALSO = """
SELECT value FROM tocsin_addressname WHERE other_value = ANY(%(asked)s::text[])
 UNION SELECT value FROM tocsin_addresschange WHERE other = ANY(%(asked)s::text[])
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
_APART = """
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
    OFFSET 0) there
"""
_PAIRS_JOIN = f"""
WITH counted AS ({_APART}),
gone AS (
    DELETE FROM tocsin_pairpace WHERE id IN (SELECT id FROM counted))
INSERT INTO tocsin_pairpace AS s (channel, address, free_at, refused, wait_until)
SELECT channel, address, max(free_at), max(refused), max(wait_until) FROM counted GROUP BY 1, 2 ORDER BY 1, 2
ON CONFLICT (channel, address)
DO UPDATE SET free_at = greatest(s.free_at, excluded.free_at), refused = greatest(s.refused, excluded.refused),
              wait_until = greatest(s.wait_until, excluded.wait_until)
"""
_OBJECTIONS_LOCK = """
SELECT 1 FROM tocsin_personobjection WHERE kind = ANY(%s::text[]) AND address = ANY(%s::text[])
 ORDER BY kind, address, purpose FOR UPDATE
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
    _give_up(_known_of_others(newest, news))
    return [(portfolio, kind, value) for portfolio, kind, value, _is_known in news]


def apart(news: Collection[Key]) -> bool:
    """Say whether people whose names are news are counted under their number and another name apart."""
    if not (asked := _scoped(news)):
        return False
    with connection.cursor() as cursor:
        cursor.execute(_APART, asked)
        return cursor.fetchone() is not None


def join(news: Collection[Key]) -> None:
    """Count people under their numbers who were counted under another name; their lines must be locked."""
    if asked := _scoped(news):
        with connection.cursor() as cursor:
            cursor.execute(_PAIRS_JOIN, asked)


def _scoped(news: Collection[Key]) -> list[list[str]]:
    return [list(column) for column in zip(*(key for key in news if key[1] == AddressKind.WHATSAPP), strict=True)]


def _known_of_others(
    newest: Mapping[tuple[str, str, str, str], tuple[datetime, str]], news: Sequence[tuple[str, str, str, bool]]
) -> list[Key]:
    """Return the numbers that may be known as somebody else's too: by a newer name, or by an older one told late."""
    told = {key[:3] for key in news}
    changed = {key[:3] for key in news if key[3] and key[1] == AddressKind.PHONE}
    for (portfolio, kind, value, other_kind), (_at, other) in newest.items():
        number = (portfolio, other_kind, other)
        if other_kind == AddressKind.PHONE and (portfolio, kind, value) in told and number not in told:
            changed.add(number)
    return sorted(changed)


def _give_up(numbers: Sequence[Key]) -> None:
    """Note who has a number no more because it is known as somebody else's since; what is known of them stays."""
    if not numbers:
        return
    with connection.cursor() as cursor:
        cursor.execute(_OLDER, [list(column) for column in zip(*numbers, strict=True)])
        found = cursor.fetchall()
    if not found:
        return
    became = Followed((row[0], row[6], row[5]) for row in found)
    others = [row for row in found if row[7] not in became.ever(row[0], row[6], row[5])]
    rows: list[tuple[object, ...]] = []
    for key, olders in groupby(others, key=lambda row: row[:3]):
        of_number = list(olders)
        moments = [row[3] for row in of_number]  # each had it until the next was seen with it
        rows += [(*key, since, at) for since, at in zip(moments, [*moments[1:], of_number[-1][8]], strict=True)]
    if rows:
        with connection.cursor() as cursor:
            cursor.execute("DELETE FROM tocsin_addressname WHERE id = ANY(%s)", [[row[4] for row in others]])
            cursor.execute(_GIVEN_UP, [clock.now(), *(list(column) for column in zip(*rows, strict=True))])


def names_of(address: str) -> set[str]:
    """Return an address with all that became it, and what the same person is or was called."""
    names, asked = {address}, {address}
    for _ in range(CHAIN_MAX):
        with connection.cursor() as cursor:
            cursor.execute(_ALSO, {"asked": sorted(asked)})
            asked = {value for (value,) in cursor.fetchall()} - names
        if not asked:
            break
        names |= asked
    return names


def change(told: Sequence[tuple[AddressChanged, Line | None]]) -> None:
    """Let what is known of an old address follow to the new one; customers' own address books too.

    What is told again changes and records nothing.
    """
    follow(learn(told))


def learn(told: Sequence[tuple[AddressChanged, Line | None]]) -> Learned:
    """Keep changes of addresses, so that messages are followed from now on, and return what is news."""
    rows: set[Changed] = {
        (line.portfolio, each.kind.value, each.before, each.after, each.at)
        for each, line in told if line is not None and each.before != each.after
    }  # fmt: skip
    if not rows:
        return Learned()
    newest: dict[Key, tuple[datetime, str]] = {}
    for key, changes in told_of(row[:3] for row in rows).items():
        if moved := [(each.at, each.other) for each in changes if each.other]:
            newest[key] = max(moved)
    with connection.cursor() as cursor:
        cursor.execute(_CHANGED, [clock.now(), *(list(column) for column in zip(*sorted(rows), strict=True))])
        new: list[Changed] = sorted(cursor.fetchall(), key=lambda row: (row[4], row))
    return Learned(new, [row for row in new if row[:3] not in newest or (row[4], row[3]) > newest[row[:3]]])


def follow(learned: Learned) -> None:
    """Let what is known of old addresses follow: paces, windows, objections, and customers' own address books.

    The lines of the paces must be locked.
    """
    if not learned.new:
        return
    with connection.cursor() as cursor:
        addresses = sorted({address for row in learned.new for address in row[2:4]})
        cursor.execute(_OBJECTIONS_LOCK, [sorted({row[1] for row in learned.new}), addresses])
        for statement in (_PAIRS_FOLLOW, _WINDOWS_FOLLOW, _OBJECTIONS_FOLLOW):
            for portfolio, kind, before, after, at in learned.new:
                asked = {"portfolio": portfolio, "kind": kind, "before": before, "after": after, "at": at}
                cursor.execute(statement, asked)
    if not learned.fresh:
        return
    for _portfolio, kind, before, after, _at in learned.fresh:
        customers.change_address(AddressKind(kind), before=before, after=after)
    journal.write(
        verb="messaging.addresses_changed", subject="customers", by=MACHINE, facts={"addresses": len(learned.fresh)},
        rows=[(f"{kind} {before} -> {after}", before) for _portfolio, kind, before, after, _at in learned.fresh],
    )  # fmt: skip


def _write(rows: Sequence[tuple[str, str, str, str, str, datetime]]) -> list[tuple[str, str, str, bool]]:
    """Write names, and return those that are news, each with whether another one, or the same, was known before."""
    if not rows:
        return []
    *named, moments = zip(*rows, strict=True)
    given = [*(columns.texts(column) for column in named), columns.moments(moments)]
    with connection.cursor() as cursor:
        cursor.execute(_NAME, given)
        return list(cursor.fetchall())
