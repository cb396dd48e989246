"""What messages cost: each counted once, when it arrived; the rates of a dated file say how much.

The price is reckoned when somebody asks, not when a message is counted: rates come as files, perhaps later, and those
with volume tiers depend on how many of a month came before. So it is the same whatever order statuses came in.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from django.db import connection

from tocsin.kernel.language import gettext as _
from tocsin.kernel.loading import lazily
from tocsin.messaging import columns
from tocsin.messaging.errors import RatesNotUnderstood
from tocsin.messaging.values import StatusKind, StatusUpdate

models = lazily("tocsin.messaging.models")

_PRICED_KINDS = frozenset({StatusKind.SENT, StatusKind.DELIVERED, StatusKind.READ})


class SpendBy(StrEnum):
    """What spending is added up by."""

    DAY = "day"
    NUMBER = "number"
    BROADCAST = "broadcast"
    CATEGORY = "category"
    MARKET = "market"


@dataclass(frozen=True, slots=True)
class Spent:
    """What the messages of one day, number, broadcast or category cost, in millionths of the currency.

    ``free`` of them cost nothing by the provider's word, ``unpriced`` have no rate in the files that were brought in.
    """

    key: str
    messages: int
    free: int
    unpriced: int
    micros: int
    currency: str


# Category and type may have come with another status than the one that says it arrived (Meta: only with `sent` and
# one of the others). All that was told of a message is looked at, so that the order makes no difference. OFFSET 0 makes
# each step one look into an index, whatever the planner believes of tables that grow by thousands of rows a second.
_ARRIVED = """
SELECT m.id, m.channel, m.broadcast, s.category, s.price_type, meant.market, s.at
  FROM unnest(%s::uuid[], %s::text[]) AS meant(id, market)
 CROSS JOIN LATERAL (
    SELECT id, channel, broadcast FROM tocsin_outboundmessage m
     WHERE m.id = meant.id AND coalesce(m.delivered_at, m.read_at) IS NOT NULL OFFSET 0) m
 CROSS JOIN LATERAL (
    SELECT max(category) AS category, max(price_type) AS price_type,
           min(at) FILTER (WHERE status IN ('delivered', 'read')) AS at
      FROM tocsin_messagestatus WHERE message_id = meant.id) s
 WHERE s.category <> '' AND s.at IS NOT NULL
"""
_IDS = """
SELECT asked.provider_id, m.id FROM unnest(%s::text[]) AS asked(provider_id)
 CROSS JOIN LATERAL (
    SELECT id FROM tocsin_outboundmessage m
     WHERE m.provider_id = asked.provider_id AND m.provider_id <> '' OFFSET 0) m
"""
_COUNT = """
INSERT INTO tocsin_messageprice AS p (message_id, channel, broadcast, category, price_type, market, at)
SELECT * FROM unnest(%s::uuid[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::timestamptz[])
ON CONFLICT (message_id)
DO UPDATE SET category = excluded.category, price_type = excluded.price_type, at = excluded.at,
              market = greatest(p.market, excluded.market)
WHERE (p.category, p.price_type, p.at) IS DISTINCT FROM (excluded.category, excluded.price_type, excluded.at)
   OR p.market < excluded.market
"""
# The place of a message in its month decides its tier: counted over the whole portfolio, by market and category, from
# the first of the month (UTC), by the time it arrived. What is free has no place. A category without a rate of its own
# is free if it is the one of answers, is charged as marketing if it is a kind of that, else shown as unpriced.
_SPENT = """
WITH counted AS (
    SELECT p.*, coalesce(nullif(c.portfolio, ''), nullif(c.account, ''), p.channel) AS portfolio,
           p.price_type LIKE 'free%%' AS free
      FROM tocsin_messageprice p LEFT JOIN tocsin_messagingchannel c ON c.name = p.channel
     WHERE p.at >= date_trunc('month', %(since)s::timestamptz, 'UTC') AND p.at < %(until)s),
placed AS (
    SELECT *, row_number() OVER (PARTITION BY portfolio, date_trunc('month', at, 'UTC'), market, category, free
                                 ORDER BY at, message_id) AS place
      FROM counted),
priced AS (
    SELECT p.*, CASE WHEN p.free THEN 0 ELSE coalesce(r.micros, CASE WHEN p.category = 'service' THEN 0 END) END AS due
      FROM placed p LEFT JOIN LATERAL (
        SELECT micros FROM tocsin_messagerate
         WHERE currency = %(currency)s AND lower(market) IN (lower(p.market), 'other')
           AND category IN (p.category, CASE WHEN p.category LIKE 'marketing%%' THEN 'marketing' ELSE p.category END)
           AND valid_from_on <= (p.at AT TIME ZONE 'UTC')::date AND messages_from <= p.place
         ORDER BY lower(market) = lower(p.market) DESC, category = p.category DESC, valid_from_on DESC,
                  messages_from DESC
         LIMIT 1) r ON NOT p.free
     WHERE p.at >= %(since)s)
SELECT {key} AS key, count(*), count(*) FILTER (WHERE due = 0), count(*) FILTER (WHERE due IS NULL),
       coalesce(sum(due), 0)
  FROM priced GROUP BY 1 ORDER BY 1
"""
_KEYS = {
    SpendBy.DAY: "to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD')",
    SpendBy.NUMBER: "channel",
    SpendBy.BROADCAST: "broadcast",
    SpendBy.CATEGORY: "category",
    SpendBy.MARKET: "market",
}


def count(updates: Iterable[StatusUpdate]) -> None:
    """Count the messages these statuses are of that have arrived and whose category is known."""
    told = [each for each in updates if each.status in _PRICED_KINDS]
    message_ids = ids_of(each for each in told if each.message_id is None)
    markets: dict[UUID, str] = {}
    for each in told:
        message_id = each.message_id or message_ids.get(each.provider_id)
        if message_id is not None:
            markets[message_id] = max(markets.get(message_id, ""), each.market)
    if not markets:
        return
    asked = sorted(markets)
    with connection.cursor() as cursor:
        cursor.execute(_ARRIVED, [columns.uuids(asked), columns.texts(markets[each] for each in asked)])
        rows = cursor.fetchall()
        if rows:
            cursor.execute(_COUNT, _given(rows))


def _given(rows: Sequence[tuple[Any, ...]]) -> list[str]:
    message_ids, channels, broadcasts, categories, types, markets, moments = zip(*rows, strict=True)
    return [
        columns.uuids(message_ids), columns.texts(channels), columns.texts(broadcasts),
        columns.texts(normal_category(each) for each in categories), columns.texts(types), columns.texts(markets),
        columns.moments(moments),
    ]  # fmt: skip


def ids_of(updates: Iterable[StatusUpdate]) -> dict[str, UUID]:
    """Return the provider's id -> our id, of messages that are ours."""
    told = list(updates)
    asked = {each.provider_id for each in told if each.message_id is None and each.provider_id}
    found: dict[str, UUID] = {}
    if asked:
        with connection.cursor() as cursor:
            cursor.execute(_IDS, [columns.texts(sorted(asked))])
            found = dict(cursor.fetchall())
    return {**found, **{each.provider_id: each.message_id for each in told if each.message_id is not None}}


def spend(*, since: datetime, until: datetime, by: SpendBy, currency: str = "") -> tuple[Spent, ...]:
    """Return what the messages that arrived in [since, until) cost; RatesNotUnderstood when the currency is open."""
    meant = currency.upper() or _only_currency()
    asked: dict[str, Any] = {"since": since, "until": until, "currency": meant}
    with connection.cursor() as cursor:
        cursor.execute(_SPENT.format(key=_KEYS[by]), asked)
        return tuple(
            Spent(key, messages, free, unpriced, int(micros), meant)
            for key, messages, free, unpriced, micros in cursor.fetchall()
        )


def price_of(message_id: UUID) -> Spent | None:
    """Return what one message cost; None while it has not arrived, or nobody told its category."""
    counted = models.MessagePrice.objects.filter(message_id=message_id).first()
    if counted is None:
        return None
    currency = _only_currency()
    asked = {"since": counted.at, "until": counted.at + timedelta(microseconds=1), "currency": currency}
    with connection.cursor() as cursor:
        cursor.execute(_SPENT.format(key="message_id::text"), asked)
        found = {key: each for key, *each in cursor.fetchall()}
    messages, free, unpriced, micros = found[str(message_id)]
    return Spent(str(message_id), messages, free, unpriced, int(micros), currency)


def _only_currency() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT DISTINCT currency FROM tocsin_messagerate ORDER BY 1")
        found = [currency for (currency,) in cursor.fetchall()]
    if len(found) > 1:
        raise RatesNotUnderstood(
            _("There are rates in several currencies: {names}.").format(names=", ".join(found)),
            mend=_("Say which one with --currency."),
        )
    return found[0] if found else ""


def normal_category(category: str) -> str:
    """Return a category in one spelling: Meta writes ``authentication-international`` with both signs."""
    return category.lower().replace("-", "_")
