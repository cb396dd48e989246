"""What is held goes on once nothing holds it any more: so many at once, again and again, whatever held it.

While it is held nobody looks at it: it waits for hours. Whoever lifts what holds it wakes the most urgent at once
(``going_on``); senders find all others, also where the one who lifted it died over that.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db import connection

from tocsin.messaging import pacing, waking
from tocsin.messaging.claiming import CAMPAIGNS
from tocsin.messaging.going_on import AT_ONCE_MAX
from tocsin.messaging.rules import WhenFlagged
from tocsin.messaging.values import Reason
from tocsin.messaging.waking import Bell
from tocsin.staff import secrets

SOON = timedelta(minutes=5)  # what is due so soon need not be woken
KEYS_LOOKED_AT = 200
# What is held, each once: as many looks into the index as there are kinds of it, and one where nothing is held.
_HELD = """
WITH RECURSIVE held AS (
    (SELECT channel, reason, template FROM tocsin_outboundmessage
      WHERE reason IN ('line_flagged', 'template_not_usable', 'key_missing') AND next_try_at IS NOT NULL
      ORDER BY channel, reason, template LIMIT 1)
    UNION ALL
    SELECT other.* FROM held CROSS JOIN LATERAL (
        SELECT channel, reason, template FROM tocsin_outboundmessage
         WHERE reason IN ('line_flagged', 'template_not_usable', 'key_missing') AND next_try_at IS NOT NULL
           AND (channel, reason, template) > (held.channel, held.reason, held.template)
         ORDER BY channel, reason, template LIMIT 1) other)
SELECT channel, reason, template FROM held
"""
_CHANNELS = f"SELECT name, {CAMPAIGNS} FROM tocsin_messagingchannel"
_HELD_TEMPLATES = """
SELECT channel.name, held.name || '/' || held.language
  FROM tocsin_messagetemplate held
  JOIN tocsin_messagingchannel channel ON channel.account = held.account AND channel.account <> ''
 WHERE held.held_reason <> '' AND (held.held_until IS NULL OR held.held_until > %(now)s)
"""
_WAITING = """
  FROM tocsin_outboundmessage
 WHERE channel = %(channel)s AND reason = %(reason)s AND template = %(template)s AND next_try_at > %(soon)s
   AND reason IN ('line_flagged', 'template_not_usable', 'key_missing')
 ORDER BY next_try_at LIMIT %(limit)s"""
_WOKEN = """
SELECT count(*) FROM (
    SELECT 1 FROM tocsin_outboundmessage
     WHERE channel = %(channel)s AND reason = %(reason)s AND template = %(template)s AND next_try_at <= %(soon)s
       AND reason IN ('line_flagged', 'template_not_usable', 'key_missing') LIMIT %(limit)s) AS woken
"""
_KEYS = f"""
SELECT DISTINCT substring(body.sealed FOR %(beginning)s)
  FROM (SELECT body_id {_WAITING}) AS waiting JOIN tocsin_messagebody body ON body.id = waiting.body_id
 WHERE body.sealed IS NOT NULL
"""
_LET_GO = f"""
WITH waiting AS (SELECT id {_WAITING} FOR UPDATE SKIP LOCKED)
UPDATE tocsin_outboundmessage message SET next_try_at = %(now)s FROM waiting WHERE message.id = waiting.id
"""


class _Held(NamedTuple):
    channel: str
    reason: str
    template: str


def let_go(*, now: datetime) -> int:
    """Let messages go which nothing holds any more, a bounded number of each kind, and return how many."""
    with connection.cursor() as cursor:
        cursor.execute(_HELD)
        held = [_Held._make(row) for row in cursor.fetchall()]
        if not held:
            return 0
        cursor.execute(_CHANNELS)
        campaigns: Mapping[str, str] = dict(cursor.fetchall())
        cursor.execute(_HELD_TEMPLATES, {"now": now})
        templates = {(channel, template) for channel, template in cursor.fetchall()}
    woken = 0
    for each in held:
        if each.channel in campaigns and (each.channel, each.template) not in templates:
            woken += _let_go(each, campaigns=campaigns[each.channel], now=now)
    if woken:
        waking.ring(Bell.OUTBOX)
    return woken


def _let_go(held: _Held, *, campaigns: str, now: datetime) -> int:
    given: dict[str, Any] = {**held._asdict(), "now": now, "soon": now + SOON, "limit": AT_ONCE_MAX}
    if held.reason == Reason.KEY_MISSING and not _key_is_back(given):
        return 0
    if held.reason == Reason.LINE_FLAGGED:
        if campaigns == WhenFlagged.HOLD:
            return 0
        if campaigns == WhenFlagged.SLOW:
            given["limit"] = min(AT_ONCE_MAX, pacing.turns_left(held.channel, now=now))
            given["limit"] -= _woken(given)
    with connection.cursor() as cursor:
        cursor.execute(_LET_GO, given)
        return int(cursor.rowcount)


def _woken(given: Mapping[str, Any]) -> int:
    """Count those that are due and were not given their turn yet."""
    with connection.cursor() as cursor:
        cursor.execute(_WOKEN, given)
        return int(cursor.fetchone()[0])


def _key_is_back(given: Mapping[str, Any]) -> bool:
    """Look at those that have waited longest; where several keys are away, the others are looked at in some hours."""
    asked = {**given, "limit": KEYS_LOOKED_AT, "beginning": secrets.BEGINNING_BYTES_MAX}
    with connection.cursor() as cursor:
        cursor.execute(_KEYS, asked)
        names = {secrets.key_name(bytes(beginning)) for (beginning,) in cursor.fetchall()}
    return secrets.opens_any(names)
