"""How fast a line, a pair and a portfolio may go: rows that all sender processes share, read and written in a claim.

Every function runs inside the transaction of a claim, always in the order line, pairs, people, so that no two claims
wait for each other. The line's row stays locked until the commit: claims of one channel go one after the other, and so
does whatever else changes its pairs.

A line is paced by the generic cell rate algorithm (ITU-T I.371): what is handed out are moments, so that two processes
together keep the pace as exactly as one. Its clock is the database's, which is the same for all of them.
"""

import random
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from django.db import connection

PACE_SHARE = 0.995  # of the provider's limit: its clock and ours do not count the same second
AHEAD_SECONDS = 0.25  # of promised moments: what becomes more urgent waits so long at most
RECOVERY_SECONDS = 60.0  # from a pace that was lowered back to the limit
LOWERED_SHARE = 0.7
WAIT_SECONDS = 5.0  # a line without a pace of its own that is told to slow down
PAIR_RESERVE = 1  # messages of the pair's burst never used: several on their way may arrive closer together
PAIR_WAIT_POWER_MAX = 8  # 4^8 s are 18 hours
PAIR_CALM_SECONDS = 3600.0  # without a refusal: the next one waits 4^0 s again
DAY = timedelta(hours=24)
DAY_KEPT = DAY + timedelta(seconds=120)  # the message reaches the provider later than it was counted here
TURNS_AHEAD = timedelta(minutes=10)  # of turns promised to campaigns that were slowed down
_MICROSECOND = timedelta(microseconds=1)
_LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)

_LOCK_LINE = "SELECT 1 FROM tocsin_linepace WHERE scope = %(scope)s FOR UPDATE"
_MAKE_LINE = (
    "INSERT INTO tocsin_linepace (scope, per_second, room, free_at) VALUES (%(scope)s, 0, 0, %(free_at)s)"
    " ON CONFLICT DO NOTHING"
)
# A moment promised further ahead than anybody promises was written before the clock was set back.
_TAKE = """
UPDATE tocsin_linepace line
   SET free_at = CASE WHEN given.count > 0 THEN given.first + make_interval(secs => given.count / given.rate)
                      ELSE line.free_at END
  FROM (SELECT now, first, rate,
               CASE WHEN waits > 0 OR behind > %(ahead)s THEN 0
                    ELSE least(%(wanted)s, greatest(1, floor((%(ahead)s - behind) * rate)))::int END AS count,
               greatest(waits, behind - %(ahead)s) AS wait_seconds, behind AS first_seconds
          FROM (SELECT *, extract(epoch FROM first - now)::float AS behind
                  FROM (SELECT now, rate, waits,
                               CASE WHEN free_at > now + make_interval(secs => 2 * %(ahead)s + 1 / rate) THEN now
                                    ELSE greatest(free_at, now) END AS first
                          FROM (SELECT clock.now, free_at,
                                       greatest(0, extract(epoch FROM coalesce(wait_until, clock.now) - clock.now)
                                                )::float AS waits,
                                       CASE WHEN lowered_at IS NULL OR %(rate)s::float IS NULL
                                            THEN coalesce(%(rate)s::float, 1e6)
                                            ELSE least(%(rate)s::float, per_second + %(rate)s::float / %(recovery)s
                                                 * greatest(0, extract(epoch FROM clock.now - lowered_at)::float))
                                        END AS rate
                                  FROM tocsin_linepace, (SELECT clock_timestamp() AS now) AS clock
                                 WHERE scope = %(scope)s) AS read) AS paced) AS placed) AS given
 WHERE line.scope = %(scope)s
RETURNING given.count, given.first_seconds, 1 / given.rate, given.wait_seconds
"""
_GIVE_BACK = "UPDATE tocsin_linepace SET free_at = free_at - make_interval(secs => %(seconds)s) WHERE scope = %(scope)s"
_LOWER = """
UPDATE tocsin_linepace
   SET lowered_at = clock_timestamp(),
       per_second = CASE WHEN lowered_at > clock_timestamp() - interval '1 second' THEN per_second
                         ELSE greatest(1, %(share)s * CASE WHEN lowered_at IS NULL THEN %(rate)s
                              ELSE least(%(rate)s, per_second + %(rate)s / %(recovery)s
                                   * extract(epoch FROM clock_timestamp() - lowered_at)::float) END) END,
       wait_until = greatest(wait_until, clock_timestamp() + make_interval(secs => %(wait)s))
 WHERE scope = %(scope)s
"""
# Several messages to one person are judged one after the other: the k-th finds what those before it left.
_PAIRS = """
WITH asked AS (
  SELECT id, address, row_number() OVER (PARTITION BY address ORDER BY place) - 1 AS before
    FROM unnest(%(ids)s::uuid[], %(addresses)s::text[]) WITH ORDINALITY AS given(id, address, place)),
known AS MATERIALIZED (
  SELECT address, free_at, wait_until FROM tocsin_pairpace
   WHERE channel = %(channel)s AND address = ANY(%(addresses)s::text[]) ORDER BY address FOR UPDATE),
placed AS (
  SELECT id, address, before, wait_until,
         -- Further ahead nobody borrows: the clock was set back.
         greatest(%(now)s, least(coalesce(free_at, %(now)s),
                                 %(now)s + %(borrowed)s::interval + 2 * %(every)s::interval))
         + before * %(every)s::interval AS arrival
    FROM asked LEFT JOIN known USING (address)),
judged AS (
  SELECT id, address, arrival,
         CASE WHEN wait_until > %(now)s THEN wait_until + before * %(every)s::interval
              WHEN arrival - %(borrowed)s::interval > %(now)s THEN arrival - %(borrowed)s::interval END AS due
    FROM placed),
counted AS (
  INSERT INTO tocsin_pairpace (channel, address, free_at, refused)
  SELECT %(channel)s, address, max(arrival) + %(every)s::interval, 0 FROM judged WHERE due IS NULL
   GROUP BY address ORDER BY address
  ON CONFLICT (channel, address) DO UPDATE SET free_at = excluded.free_at)
SELECT id, due FROM judged WHERE due IS NOT NULL
"""
_PAIRS_REFUSED = """
INSERT INTO tocsin_pairpace AS pair (channel, address, free_at, refused, wait_until)
SELECT %(channel)s, address, %(now)s, 1, %(now)s + interval '1 second'
  FROM unnest(%(addresses)s::text[]) AS told(address) ORDER BY address
ON CONFLICT (channel, address) DO UPDATE
   SET refused = CASE WHEN pair.wait_until < %(calm)s THEN 1 ELSE least(pair.refused, %(power)s) + 1 END,
       wait_until = %(now)s + make_interval(secs => power(4, CASE WHEN pair.wait_until < %(calm)s THEN 0
                                                                   ELSE least(pair.refused, %(power)s) END))
RETURNING address, wait_until
"""
_BEGIN = """
INSERT INTO tocsin_portfolioperson AS person (portfolio, address, begun_at)
SELECT %(portfolio)s, address, begun_at FROM unnest(%(addresses)s::text[], %(moments)s::timestamptz[])
       AS given(address, begun_at)
ON CONFLICT (portfolio, address) DO UPDATE SET begun_at = greatest(person.begun_at, excluded.begun_at)
"""
# What somebody has locked is in use again.
_FORGET = """
DELETE FROM {table} WHERE {key} IN (SELECT {key} FROM {table} WHERE {past} FOR UPDATE SKIP LOCKED)
"""
_FORGOTTEN = (
    ("tocsin_pairpace", "id", "free_at < %(calm)s AND (wait_until IS NULL OR wait_until < %(calm)s)"),
    ("tocsin_portfolioperson", "id", "begun_at < %(kept)s"),
    ("tocsin_unsignedwriting", "person", "at < %(day)s"),
)


@dataclass(frozen=True, slots=True)
class Slots:
    """Moments promised on a line: the i-th is ``first_seconds + i * every_seconds`` from now.

    With a ``count`` of 0 there will be room in ``wait_seconds``.
    """

    count: int
    first_seconds: float
    every_seconds: float
    wait_seconds: float


def take_slots(channel: str, *, wanted: int, per_second: float | None) -> Slots:
    """Promise up to ``wanted`` moments of a line, and lock the line until the transaction ends."""
    scope = f"line:{channel}"
    given = {
        "scope": scope, "wanted": wanted, "ahead": AHEAD_SECONDS, "recovery": RECOVERY_SECONDS,
        "rate": None if per_second is None else per_second * PACE_SHARE,
    }  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(_LOCK_LINE, given)
        if cursor.fetchone() is None:
            # Another process may make it just now: then this waits for its commit.
            cursor.execute(_MAKE_LINE, {"scope": scope, "free_at": _LONG_AGO})
            cursor.execute(_LOCK_LINE, given)
        cursor.execute(_TAKE, given)
        count, first, every, wait = cursor.fetchone()
    return Slots(count, first, 0.0 if per_second is None else every, max(0.0, wait) if count == 0 else 0.0)


def lock_lines(channels: Collection[str]) -> None:
    """Lock lines as claims do, before their pairs; all that one transaction needs at once."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT 1 FROM tocsin_linepace WHERE scope = ANY(%s::text[]) ORDER BY scope FOR UPDATE",
            [[f"line:{channel}" for channel in channels]],
        )


def give_back(channel: str, *, unused: int, slots: Slots) -> None:
    """Take back the last ``unused`` promised moments, in the transaction that promised them."""
    if unused and slots.every_seconds:
        with connection.cursor() as cursor:
            cursor.execute(_GIVE_BACK, {"scope": f"line:{channel}", "seconds": unused * slots.every_seconds})


def line_refused(channel: str, *, per_second: float | None, wait_seconds: float | None = None) -> None:
    """Lower the pace of a line the provider found too fast; it comes back within a minute.

    ``wait_seconds`` is the silence the provider asked for. Many refusals within a second lower it once.
    """
    wait = wait_seconds if wait_seconds is not None else 0.0 if per_second is not None else WAIT_SECONDS
    given = {
        "scope": f"line:{channel}", "wait": wait, "share": LOWERED_SHARE, "recovery": RECOVERY_SECONDS,
        "rate": (per_second or 1 / WAIT_SECONDS) * PACE_SHARE,
    }  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(_LOWER, given)


def campaign_turns(channel: str, wanted: int, *, per_second: float, now: datetime) -> list[datetime | None]:
    """Return when each of so many campaign messages has its turn at a lowered pace, the earliest first.

    None: so late that none is promised; the pace may be another by then. The line must be locked.
    """
    scope = f"campaigns:{channel}"
    with connection.cursor() as cursor:
        cursor.execute(_MAKE_LINE, {"scope": scope, "free_at": now})
        cursor.execute("SELECT free_at FROM tocsin_linepace WHERE scope = %s", [scope])
        # Promises further ahead than any is given were made before the clock was set back.
        promised: datetime = cursor.fetchone()[0]
        first = now if promised > now + 2 * TURNS_AHEAD else max(now, promised)
        every = timedelta(seconds=1 / per_second)
        turns = [first + place * every for place in range(wanted)]
        given = [turn for turn in turns if turn <= now + TURNS_AHEAD]
        cursor.execute(
            "UPDATE tocsin_linepace SET free_at = %s, per_second = %s WHERE scope = %s",
            [given[-1] + every if given else first, per_second, scope],
        )
    return [*given, *[None] * (wanted - len(given))]


def turns_left(channel: str, *, now: datetime) -> int:
    """Return how many more campaign messages could be promised their turn; none until half of all turns are free."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT free_at, per_second FROM tocsin_linepace WHERE scope = %s", [f"campaigns:{channel}"])
        row: tuple[datetime, float] | None = cursor.fetchone()
    if row is None or not row[1]:
        return 1  # the pace is known once one was promised its turn
    left = now + TURNS_AHEAD - max(now, row[0])
    return int(left.total_seconds() * row[1]) if left >= TURNS_AHEAD / 2 else 0


def pairs(
    channel: str, asked: Sequence[tuple[UUID, str]], *, seconds: float | None, burst: int, now: datetime
) -> dict[UUID, datetime]:
    """Count messages to people, given as (message, address) in the order they would go out.

    Returns those that must wait, with the moment they may go; all others are counted. The line must be locked.
    """
    if not asked:
        return {}
    every = timedelta(seconds=seconds or 0)
    given = {
        "channel": channel, "now": now, "every": every, "borrowed": every * max(0, burst - 1 - PAIR_RESERVE),
        "ids": [message for message, _address in asked], "addresses": [address for _message, address in asked],
    }  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(_PAIRS, given)
        return dict(cursor.fetchall())


def pairs_refused(channel: str, addresses: Sequence[str], *, now: datetime) -> dict[str, datetime]:
    """Pause pairs for 4^X seconds, X being how often the provider refused each before; returns until when.

    The line must be locked.
    """
    given = {
        "channel": channel, "addresses": list(addresses), "now": now, "power": PAIR_WAIT_POWER_MAX,
        "calm": now - timedelta(seconds=PAIR_CALM_SECONDS),
    }  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(_PAIRS_REFUSED, given)
        return dict(cursor.fetchall())


def people(
    portfolio: str, asked: Sequence[tuple[UUID, str, int]], *, per_day: int | None, now: datetime
) -> dict[UUID, datetime]:
    """Count people a portfolio begins to write to, given as (message, address, priority), the most urgent first.

    Ask only for messages outside their person's window. Returns those for whom the moving 24 hours have no room, with
    the moment they are to be tried again; all others are counted, and nobody counts twice.
    """
    if not asked or per_day is None:
        return {}
    room = _Room(portfolio, per_day=per_day, now=now)
    known = room.known({address for _message, address, _priority in asked})
    fresh = list(dict.fromkeys(address for _message, address, _priority in asked if address not in known))
    taken = known.union(fresh[: room.for_people(len(fresh))])
    room.begin([address for address in dict.fromkeys(row[1] for row in asked) if address in taken], known=known)
    refused = [(message, priority) for message, address, priority in asked if address not in taken]
    return room.promises(refused)


class _Room:
    """What is left of a portfolio's limit, locked until the transaction ends.

    The row keeps a lower bound of the room, which only beginning to write to people makes smaller, so that people are
    counted only when it is used up.
    """

    def __init__(self, portfolio: str, *, per_day: int, now: datetime) -> None:
        self.portfolio, self.per_day, self.now = portfolio, per_day, now
        self.scope = f"people:{portfolio}"
        with connection.cursor() as cursor:
            cursor.execute(_MAKE_LINE, {"scope": self.scope, "free_at": now})
            cursor.execute("SELECT room, per_second FROM tocsin_linepace WHERE scope = %s FOR UPDATE", [self.scope])
            room, limit = cursor.fetchone()
        self._room = int(room) if limit == per_day else 0

    def known(self, addresses: set[str]) -> set[str]:
        """Return those who count already."""
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT address FROM tocsin_portfolioperson"
                " WHERE portfolio = %s AND address = ANY(%s::text[]) AND begun_at > %s",
                [self.portfolio, list(addresses), self.now - DAY_KEPT],
            )
            return {row[0] for row in cursor.fetchall()}

    def for_people(self, wanted: int) -> int:
        """Return for how many more people there is room, up to ``wanted``."""
        if wanted > self._room:
            with connection.cursor() as cursor:
                cursor.execute(
                    "SELECT count(*) FROM tocsin_portfolioperson WHERE portfolio = %s AND begun_at > %s",
                    [self.portfolio, self.now - DAY_KEPT],
                )
                self._room = max(0, self.per_day - cursor.fetchone()[0])
        return min(wanted, self._room)

    def begin(self, addresses: Sequence[str], *, known: set[str]) -> None:
        """Count these people from now on; each at a microsecond of their own, so that they come free one by one."""
        self._room -= sum(address not in known for address in addresses)
        moments = [self.now + _MICROSECOND * place for place in range(len(addresses))]
        rows = sorted(zip(addresses, moments, strict=True))
        with connection.cursor() as cursor:
            cursor.execute(
                _BEGIN,
                {
                    "portfolio": self.portfolio,
                    "addresses": [row[0] for row in rows],
                    "moments": [row[1] for row in rows],
                },
            )
            cursor.execute(
                "UPDATE tocsin_linepace SET room = %s, per_second = %s WHERE scope = %s",
                [self._room, self.per_day, self.scope],
            )

    def promises(self, refused: Sequence[tuple[UUID, int]]) -> dict[UUID, datetime]:
        """Spread those who must wait over the moments at which people come free, so that they do not all ask again.

        Each priority has its own row of promises: an urgent message never waits behind the promises of others.
        """
        promised: dict[UUID, datetime] = {}
        for priority in sorted({priority for _message, priority in refused}):
            waiting = [message for message, of in refused if of == priority]
            promised.update(zip(waiting, self._free_moments(len(waiting), priority=priority), strict=True))
        return promised

    def _free_moments(self, wanted: int, *, priority: int) -> Iterable[datetime]:
        scope = f"{self.scope}:{priority}"
        with connection.cursor() as cursor:
            cursor.execute(_MAKE_LINE, {"scope": scope, "free_at": self.now})
            cursor.execute("SELECT free_at FROM tocsin_linepace WHERE scope = %s", [scope])
            after = max(self.now, cursor.fetchone()[0])
            cursor.execute(
                "SELECT begun_at FROM tocsin_portfolioperson WHERE portfolio = %s AND begun_at > %s"
                " ORDER BY begun_at LIMIT %s",
                [self.portfolio, after - DAY_KEPT, wanted],
            )
            moments = [row[0] + DAY_KEPT for row in cursor.fetchall()]
            if moments:
                cursor.execute("UPDATE tocsin_linepace SET free_at = %s WHERE scope = %s", [moments[-1], scope])
        # All moments of the coming day are promised: ask again at some time of it.
        moments += [self.now + random.uniform(0.5, 1.0) * DAY_KEPT for _more in range(wanted - len(moments))]  # noqa: S311
        return moments


def forget(now: datetime) -> int:
    """Delete the rows of pairs and people that limit nothing any more, us nor staff; returns how many."""
    given = {"calm": now - timedelta(seconds=PAIR_CALM_SECONDS), "kept": now - DAY_KEPT, "day": now - DAY}
    deleted = 0
    with connection.cursor() as cursor:
        for table, key, past in _FORGOTTEN:
            cursor.execute(_FORGET.format(table=table, key=key, past=past), given)
            deleted += cursor.rowcount
    return deleted
