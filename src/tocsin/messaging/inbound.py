"""What people write to us: one row per message of the provider, and the 24 h in which we may answer freely."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection

from tocsin.customers import queries as customers
from tocsin.customers.values import AddressKind
from tocsin.kernel import clock, ids
from tocsin.kernel.loading import lazily
from tocsin.messaging import bodies
from tocsin.messaging.following import Followed, Key
from tocsin.messaging.naming import Line
from tocsin.messaging.values import InboundUpdate, Prepared, Taken
from tocsin.staff.secrets import unchanged_key

models = lazily("tocsin.messaging.models")

KEEP_DAYS = 90
WINDOW = timedelta(hours=24) - timedelta(minutes=2)
MEDIA_DAYS = 7  # Meta keeps what came in so long
EARLIEST_AT = datetime(2009, 1, 1, tzinfo=UTC)  # before it nobody wrote over the networks we know
_ORDER = (AddressKind.PHONE, AddressKind.WHATSAPP, AddressKind.EMAIL, AddressKind.APP)

Told = tuple[Taken, InboundUpdate, Line]

_INSERT = """
INSERT INTO tocsin_inboundmessage (id, channel, provider_id, address, address_kind, person_id, kind, at, received_at,
                                   body_id, digest, reply_to, intake_id)
SELECT * FROM unnest(%s::uuid[], %s::text[], %s::text[], %s::text[], %s::text[], %s::uuid[], %s::text[],
                     %s::timestamptz[], %s::timestamptz[], %s::uuid[], %s::bytea[], %s::text[], %s::bigint[])
ON CONFLICT (channel, provider_id) DO NOTHING
RETURNING id
"""
_BODIES = """
INSERT INTO tocsin_messagebody (id, digest, sealed, keep_until)
SELECT *, %s::timestamptz FROM unnest(%s::uuid[], %s::bytea[], %s::bytea[])
"""
_MEDIA = """
INSERT INTO tocsin_inboundmedia (id, message_id, channel, media_id, media_type, sha256, path, bytes, tries, next_try_at,
                                 reason, expires_at)
SELECT id, message, channel, media, type, sha256, '', 0, 0, %(now)s, '', expires
  FROM unnest(%(ids)s::uuid[], %(messages)s::uuid[], %(channels)s::text[], %(media)s::text[], %(types)s::text[],
              %(sums)s::text[], %(expires)s::timestamptz[]) AS m(id, message, channel, media, type, sha256, expires)
"""
# The other name of a person has the same window: both ways, when the two names are each other's newest; what somebody
# wrote now, and where names became known all that they wrote before. One statement, so that windows are locked in the
# order of their keys. Windows are looked at first, because most people who get a message never wrote one; OFFSET 0
# makes each step one look into an index, whatever the planner believes of tables that grow by thousands a second.
_WINDOWS = """
WITH told AS (
    SELECT * FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[], %s::timestamptz[])
        AS t(channel, portfolio, kind, value, last_inbound_at)),
lines AS (
    SELECT name AS channel, coalesce(nullif(portfolio, ''), nullif(account, ''), name) AS portfolio
      FROM tocsin_messagingchannel WHERE kind = 'whatsapp'),
opened AS (
    SELECT * FROM told
     UNION ALL
    SELECT l.channel, a.portfolio, a.kind, a.value, s.last_inbound_at
      FROM unnest(%s::text[], %s::text[], %s::text[]) AS a(portfolio, kind, value)
      JOIN lines l ON l.portfolio = a.portfolio
     CROSS JOIN LATERAL (
        SELECT last_inbound_at FROM tocsin_servicewindow w
         WHERE w.channel = l.channel AND w.address = a.value OFFSET 0) s),
shared AS (
    SELECT o.channel, coalesce(became.other, there.other_value) AS value, o.last_inbound_at
      FROM opened o
     CROSS JOIN LATERAL (
        SELECT other_kind, other_value FROM tocsin_addressname n
         WHERE n.portfolio = o.portfolio AND n.kind = o.kind AND n.value = o.value
         OFFSET 0) there
     CROSS JOIN LATERAL (
        SELECT 1 FROM tocsin_addressname n
         WHERE n.portfolio = o.portfolio AND n.kind = there.other_kind AND n.value = there.other_value
           AND n.other_kind = o.kind AND n.other_value = o.value OFFSET 0) back
      LEFT JOIN LATERAL (  -- a number that was given up since must not get a window again: somebody else may have it
        SELECT other FROM tocsin_addresschange c
         WHERE c.portfolio = o.portfolio AND c.kind = there.other_kind AND c.value = there.other_value
           AND (c.at > o.last_inbound_at OR c.at = o.last_inbound_at AND c.other <> '')
         ORDER BY c.at LIMIT 1) became ON TRUE
     WHERE became.other IS DISTINCT FROM '')
INSERT INTO tocsin_servicewindow AS w (channel, address, last_inbound_at)
SELECT channel, value, max(last_inbound_at)
  FROM (SELECT channel, value, last_inbound_at FROM told UNION ALL SELECT * FROM shared) AS windows
 GROUP BY 1, 2 ORDER BY 1, 2
ON CONFLICT (channel, address) DO UPDATE SET last_inbound_at = excluded.last_inbound_at
WHERE excluded.last_inbound_at > w.last_inbound_at
"""


@dataclass(frozen=True, slots=True)
class Heard:
    """A message from a person, as its provider calls it."""

    id: UUID
    channel: str
    provider_id: str
    kind: str
    at: datetime


@dataclass(frozen=True, slots=True)
class _Row:
    """An inbound message at a believable time; ``addresses`` are the person's now, which may have changed since."""

    id: UUID
    update: InboundUpdate
    channel: str
    portfolio: str
    kind: AddressKind
    addresses: Mapping[AddressKind, str]
    at: datetime
    received_at: datetime
    intake_id: int


def keep(told: Sequence[Told], *, named: Collection[Key] = ()) -> None:
    """Keep messages that are not kept yet, with their text sealed and their media to be fetched; open the windows.

    ``named`` are the names of people that are news: both names of a person have the window of either.
    """
    rows = _rows(told)
    if rows:
        fresh = _insert(rows)
        _keep_bodies([each for each in rows if each.id in fresh])
        _keep_media([each for each in rows if each.id in fresh and each.update.media_id])
    _open_windows([each for each in rows if each.update.opens_window], named=named)


def _rows(told: Sequence[Told]) -> list[_Row]:
    followed = Followed(
        (line.portfolio, kind.value, value) for _, each, line in told for kind, value in each.addresses.items()
    )
    rows: dict[tuple[str, str], _Row] = {}
    for taken, each, line in told:
        at = min(max(each.at, EARLIEST_AT), taken.received_at)  # no clock of theirs opens a window in the future
        named = {
            kind: followed(line.portfolio, kind.value, value, at=at) for kind, value in each.addresses.items()
        }  # fmt: skip
        kind = next(kind for kind in _ORDER if kind in named)
        rows.setdefault(
            (line.channel, each.provider_id),
            _Row(ids.new_id(), each, line.channel, line.portfolio, kind, named, at, taken.received_at,
                 taken.id),
        )  # fmt: skip
    return [rows[key] for key in sorted(rows)]


def _insert(rows: Sequence[_Row]) -> set[UUID]:
    asked = [(each.kind, name[each.kind]) for each in rows for name in (each.addresses, each.update.addresses)]
    people = customers.person_ids_of_addresses(asked)
    values = [
        (
            each.id, each.channel, each.update.provider_id, each.update.addresses[each.kind], each.kind.value,
            # An address book may hold the address of now, or still the one it was written from.
            people.get((each.kind, each.addresses[each.kind]))
            or people.get((each.kind, each.update.addresses[each.kind])),
            each.update.kind, each.at, each.received_at, each.id,
            bodies.digest_of(_content(each.update)), each.update.reply_to, each.intake_id,
        )
        for each in rows
    ]  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(_INSERT, _columns(values))
        return {message_id for (message_id,) in cursor.fetchall()}


def _keep_bodies(rows: Sequence[_Row]) -> None:
    if not rows:
        return
    values = []
    with unchanged_key():
        for each in rows:
            content = _content(each.update)
            sealed = bodies.seal(each.id, prepared=Prepared(content, shown=each.update.text))
            values.append((each.id, bodies.digest_of(content), sealed))
        with connection.cursor() as cursor:
            cursor.execute(_BODIES, [clock.now() + timedelta(days=KEEP_DAYS), *_columns(values)])


def _content(update: InboundUpdate) -> dict[str, object]:
    return {"kind": update.kind, "text": update.text, "name": update.name, "part": dict(update.part)}


def _keep_media(rows: Sequence[_Row]) -> None:
    if not rows:
        return
    asked = {
        "now": clock.now(),
        "ids": [ids.new_id() for _ in rows],
        "messages": [each.id for each in rows],
        "channels": [each.channel for each in rows],
        "media": [each.update.media_id for each in rows],
        "types": [each.update.media_type for each in rows],
        "sums": [each.update.media_sha256 for each in rows],
        "expires": [each.at + timedelta(days=MEDIA_DAYS) for each in rows],
    }
    with connection.cursor() as cursor:
        cursor.execute(_MEDIA, asked)


def _open_windows(rows: Sequence[_Row], *, named: Collection[Key]) -> None:
    """Note when people wrote last, under both names of each."""
    newest: dict[tuple[str, str, str, str], datetime] = {}
    for each in rows:
        for kind, address in each.addresses.items():
            key = (each.channel, each.portfolio, kind.value, address)
            newest[key] = max(newest.get(key, each.at), each.at)
    if newest or named:
        told = _columns([(*key, newest[key]) for key in sorted(newest)]) or [[]] * 5
        with connection.cursor() as cursor:
            cursor.execute(_WINDOWS, [*told, *(_columns(sorted(named)) or [[]] * 3)])


def _columns(rows: Sequence[Sequence[object]]) -> list[list[object]]:
    return [list(column) for column in zip(*rows, strict=True)]


def window_open(channel: str, address: str) -> bool:
    """Say whether somebody wrote to a channel within the last 24 h, less a margin for the way there."""
    opened = models.ServiceWindow.objects.filter(
        channel=channel, address=address, last_inbound_at__gt=clock.now() - WINDOW
    )  # fmt: skip
    return bool(opened.exists())


def addresses_in_window(channel: str, addresses: Collection[str]) -> set[str]:
    """Return those of these addresses whose window on a channel is open."""
    found = models.ServiceWindow.objects.filter(
        channel=channel, address__in=list(addresses), last_inbound_at__gt=clock.now() - WINDOW
    )
    return set(found.values_list("address", flat=True))


def heard(*, message_id: UUID | None = None, channel: str = "", address: str = "") -> Heard | None:
    """Return a message from a person by its id, or the newest one from an address to a channel."""
    if message_id is not None:
        found = models.InboundMessage.objects.filter(id=message_id)
    else:
        # The same person may have written under another name of theirs: the number before, the scoped id.
        same = models.AddressName.objects.filter(other_value=address).values_list("value", flat=True)
        before = models.AddressChange.objects.filter(other=address).values_list("value", flat=True)
        found = models.InboundMessage.objects.filter(channel=channel, address__in=[address, *same, *before])
    row = found.order_by("-at").first()
    return Heard(row.id, row.channel, row.provider_id, row.kind, row.at) if row else None


def inbound_body(id: UUID) -> Mapping[str, Any] | None:
    """Return what somebody wrote (``kind``, ``text``, ``name``, ``part``); None when it was erased or never came."""
    row = models.MessageBody.objects.filter(id=id, sealed__isnull=False).first()
    return bodies.unseal(id, sealed=bytes(row.sealed)).content if row else None
