"""Which e-mail addresses are dead: where mail after mail comes back, mailboxes of others begin to distrust the sender.

The rules, of what became of the last mails to an address, the newest first:

- One that arrived says that the address lives, and so does one that was taken three days ago and did not come back.
- One that came back because nobody is there makes it dead, for half a year: people come back, too.
- Five in a row that came back for now (full, or its time ran out), over two weeks at least, make it dead as well.
- What was refused because of us (policy, content, our own settings) says nothing of the address.

Warnings about somebody's security go out nevertheless, and tests, by which a person finds out whether it lives again.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from django.db import connection

from tocsin.messaging import columns
from tocsin.messaging.states import MessageState
from tocsin.messaging.values import Purpose, Reason

SILENCE = timedelta(days=3)  # bounces come within hours, nearly all
DEAD_FOR = timedelta(days=180)
SOFT_MAX = 5
SOFT_OVER = timedelta(days=14)
LOOKED_AT_MAX = 1_000  # earlier messages to one address, whatever became of them
EVEN_SO = frozenset({Purpose.SECURITY, Purpose.TEST})
_ENDS = """
SELECT asked.id, ended.state, ended.reason, ended.state_at
  FROM unnest(%s::uuid[], %s::text[]) AS asked(id, address) CROSS JOIN LATERAL (
       SELECT id, state, reason, state_at FROM tocsin_outboundmessage
        WHERE address = asked.address AND id < asked.id ORDER BY id DESC LIMIT %s) ended
 WHERE ended.state IN ('sent', 'delivered', 'read', 'failed', 'bounced')
 ORDER BY asked.id, ended.id DESC
"""


class End(NamedTuple):
    """What became of one message, and when."""

    state: str
    reason: str
    at: datetime


def dead(asked: Sequence[tuple[UUID, str]], *, now: datetime) -> set[UUID]:
    """Return which of these messages, each with its address, would go to a dead one."""
    if not asked:
        return set()
    ends: dict[UUID, list[End]] = {}
    given = [columns.uuids(each for each, _address in asked), columns.texts(address for _each, address in asked)]
    with connection.cursor() as cursor:
        cursor.execute(_ENDS, [*given, LOOKED_AT_MAX])
        for message_id, *end in cursor.fetchall():
            ends.setdefault(message_id, []).append(End(*end))
    return {message_id for message_id, found in ends.items() if is_dead(found, now=now)}


def is_dead(ends: Iterable[End], *, now: datetime) -> bool:
    """Say whether an address is dead, by what became of the messages to it, the newest first."""
    soft: list[datetime] = []
    for end in ends:
        if end.state in (MessageState.DELIVERED, MessageState.READ):
            return False
        if end.state == MessageState.SENT:
            if now - end.at > SILENCE:
                return False
        elif end.reason == Reason.NOT_REACHABLE:
            return now - end.at < DEAD_FOR
        elif end.reason == Reason.TRY_LATER:
            soft.append(end.at)
            if len(soft) >= SOFT_MAX and soft[0] - soft[-1] >= SOFT_OVER:
                return now - soft[0] < DEAD_FOR
    return False
