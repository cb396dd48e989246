"""Where a message goes: to the person it was queued for, under the address they have when it is claimed.

Numbers are given up and given to others. What was queued for one goes to whoever had it then, never to whoever has it
now; where nobody knows the new one it goes nowhere.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection

from tocsin.customers.values import AddressKind
from tocsin.messaging import columns
from tocsin.messaging.following import Followed

Queued = tuple[UUID, str, str, str, datetime]  # message, purpose, kind of address, address, when
Others = dict[tuple[str, str], dict[AddressKind, str]]  # kind and value of an address -> the same person's others

# Both are about rows called ``due``; the first says that asking further is worth it, which it hardly ever is.
MOVED = """EXISTS (
         SELECT 1 FROM tocsin_addresschange became
          WHERE became.portfolio = %(portfolio)s AND became.kind = due.address_kind AND became.value = due.address
            AND became.learned_at >= due.queued_at)"""
FACTS = """
       coalesce((SELECT last_inbound_at FROM tocsin_servicewindow
                  WHERE channel = %(channel)s AND address = due.address) > %(open_since)s, FALSE) AS in_window,
       due.purpose <> 'security' AND (
         EXISTS (SELECT 1 FROM tocsin_personobjection stop WHERE stop.kind = due.address_kind
                    AND stop.address = CASE due.address_kind WHEN 'email' THEN lower(due.address) ELSE due.address END
                    AND stop.purpose IN ('', due.purpose) AND stop.lifted_at IS NULL)
         OR EXISTS (SELECT 1 FROM tocsin_addressname same JOIN tocsin_personobjection stop
                        ON stop.kind = same.other_kind AND stop.address = same.other_value
                     WHERE same.portfolio = %(portfolio)s AND same.kind = due.address_kind
                       AND same.value = due.address
                       AND stop.purpose IN ('', due.purpose) AND stop.lifted_at IS NULL)) AS objected"""
_OF_MOVED = f"""
SELECT due.id, {FACTS}
  FROM unnest(%(ids)s::uuid[], %(purposes)s::text[], %(kinds)s::text[], %(addresses)s::text[])
       AS due(id, purpose, address_kind, address)
"""
_GOES_TO = """
UPDATE tocsin_outboundmessage message SET goes_to = moved.address
  FROM unnest(%(ids)s::uuid[], %(addresses)s::text[]) AS moved(id, address) WHERE message.id = moved.id
"""
# One look into the index for each, whatever the planner believes of a table that grows by thousands of rows a second.
# Both names must be said of each other, and neither have become another since: else it is somebody else's by now.
_OTHER_ADDRESSES = """
SELECT n.kind, n.value, n.other_kind, n.other_value
  FROM unnest(%(kinds)s::text[], %(addresses)s::text[]) AS asked(kind, value) CROSS JOIN LATERAL (
       SELECT kind, value, other_kind, other_value, seen_at FROM tocsin_addressname
        WHERE portfolio = %(portfolio)s AND kind = asked.kind AND value = asked.value
       OFFSET 0) n
      CROSS JOIN LATERAL (
       SELECT max(seen_at) AS same_at FROM tocsin_addressname
        WHERE portfolio = %(portfolio)s AND kind = n.other_kind AND value = n.other_value
          AND other_kind = n.kind AND other_value = n.value) back
      CROSS JOIN LATERAL (
       SELECT max(at) AS changed_at FROM tocsin_addresschange
        WHERE portfolio = %(portfolio)s AND kind = n.other_kind AND value = n.other_value AND other <> '') given_up
 WHERE back.same_at IS NOT NULL AND (changed_at IS NULL OR changed_at < greatest(n.seen_at, back.same_at))
"""


class Went(NamedTuple):
    """An address of now, with what was asked about the one before; empty where only that is known that it changed."""

    address: str
    in_window: bool
    objected: bool


def went_to(queued: Sequence[Queued], given: Mapping[str, Any]) -> dict[UUID, Went]:
    """Return the addresses that those of these messages have become, and note them with the messages.

    ``given`` are the parameters of ``FACTS``, of one channel and moment.
    """
    portfolio = given["portfolio"]
    known = Followed((portfolio, kind, address) for _id, _purpose, kind, address, _at in queued)
    went = {each[0]: known.of_queued(portfolio, each[2], each[3], queued_at=each[4]) for each in queued}
    asked = {
        "ids": columns.uuids(went), "purposes": columns.texts(each[1] for each in queued),
        "kinds": columns.texts(each[2] for each in queued), "addresses": columns.texts(went.values()),
    }  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(_GOES_TO, asked)
        cursor.execute(_OF_MOVED, {**given, **asked})
        return {row[0]: Went(went[row[0]], *row[1:]) for row in cursor.fetchall()}


def other_addresses(portfolio: str, known: Sequence[tuple[str, str]]) -> dict[tuple[str, str], dict[AddressKind, str]]:
    """Return what else the provider calls these people, by kind and value of the address."""
    others: Others = {}
    if not portfolio or not known:
        return others
    asked = {
        "portfolio": portfolio, "kinds": columns.texts(kind for kind, _value in known),
        "addresses": columns.texts(value for _kind, value in known),
    }  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(_OTHER_ADDRESSES, asked)
        for kind, value, other_kind, other_value in cursor.fetchall():
            others.setdefault((kind, value), {})[AddressKind(other_kind)] = other_value
    return others


def one_name(kind: str, address: str, *, others: Others) -> str:
    """Return the name under which a person is counted, whichever they are written to by: the number where it is known.

    Providers count people, not names.
    """
    if kind != AddressKind.WHATSAPP:
        return address
    return others.get((kind, address), {}).get(AddressKind.PHONE, address)
