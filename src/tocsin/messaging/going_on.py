"""What waits for something goes on as soon as that is so, and not when it would have been looked at again."""

from collections.abc import Collection
from datetime import datetime

from django.db import connection

from tocsin.messaging import columns, waking
from tocsin.messaging.values import Reason
from tocsin.messaging.waking import Bell

AT_ONCE_MAX = 10_000  # the most urgent; the others are looked at again at their time, as the line takes them
_GO_ON = """
WITH waiting AS (
  SELECT id FROM tocsin_outboundmessage
   WHERE channel = ANY(%(channels)s::text[]) AND state IN ('queued', 'retrying') AND next_try_at > %(at)s
     AND reason = %(reason)s AND (%(template)s = '' OR template = %(template)s)
   ORDER BY priority, next_try_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED)
UPDATE tocsin_outboundmessage message SET next_try_at = %(at)s FROM waiting WHERE message.id = waiting.id
"""


def go_on(channels: Collection[str], *, reason: Reason, at: datetime, template: str = "") -> int:
    """Let messages that were put off for a reason be looked at again at a moment, in the caller's transaction."""
    asked = {
        "channels": columns.texts(sorted(channels)), "reason": reason.value, "at": at, "template": template,
        "limit": AT_ONCE_MAX,
    }  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(_GO_ON, asked)
        count = int(cursor.rowcount)
    if count:
        waking.ring(Bell.OUTBOX)
    return count
