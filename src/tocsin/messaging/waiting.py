"""What waits in the outbox, and what holds it up."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db import connection

from tocsin.kernel import clock
from tocsin.kernel.loading import lazily
from tocsin.messaging.rules import WHEN_FLAGGED, WhenFlagged
from tocsin.messaging.states import MessageState
from tocsin.messaging.values import ChannelState, HeldTemplate, OutboxStatus

models = lazily("tocsin.messaging.models")

OPEN_STATES = (MessageState.QUEUED, MessageState.RETRYING, MessageState.CLAIMED, MessageState.UNKNOWN)
# Written so that each part can use its small partial index: final messages are millions.
_OPEN_COUNTS = """
SELECT channel, state, count(*), min(next_try_at) FILTER (WHERE next_try_at <= %(now)s),
       min(next_try_at) FILTER (WHERE next_try_at > %(now)s), CASE WHEN next_try_at > %(now)s THEN reason ELSE '' END
  FROM (SELECT channel, state, next_try_at, reason FROM tocsin_outboundmessage WHERE state IN ('queued', 'retrying')
           AND next_try_at IS NOT NULL
        UNION ALL SELECT channel, state, NULL, '' FROM tocsin_outboundmessage WHERE state = 'claimed'
           AND lease_until IS NOT NULL
        UNION ALL SELECT channel, state, NULL, '' FROM tocsin_outboundmessage WHERE state = 'unknown'
           AND reason IN ('no_answer', 'sender_died')) AS open
 GROUP BY channel, state, 6
"""
_HELD_TEMPLATES = """
SELECT message.channel, message.template, held.held_reason, held.held_until, count(*)
  FROM tocsin_messagetemplate held
  JOIN tocsin_messagingchannel channel ON channel.account = held.account AND channel.account <> ''
  JOIN tocsin_outboundmessage message
    ON message.channel = channel.name AND message.template = held.name || '/' || held.language
   AND message.state IN ('queued', 'retrying') AND message.next_try_at IS NOT NULL
 WHERE held.held_reason <> '' AND (held.held_until IS NULL OR held.held_until > %(now)s)
 GROUP BY 1, 2, 3, 4 ORDER BY 1, 2
"""
_FINAL_COUNTS = """
SELECT channel, state, count(*), NULL::timestamptz, NULL::timestamptz, '' FROM tocsin_outboundmessage
 WHERE state NOT IN ('queued', 'retrying', 'claimed', 'unknown') GROUP BY channel, state
"""


def outbox_status(*, final: bool = False) -> OutboxStatus:
    """Return per channel what waits and what holds it; ``final`` counts what is done too, which reads every message."""
    now = clock.now()
    with connection.cursor() as cursor:
        cursor.execute(_OPEN_COUNTS, {"now": now})
        counted = cursor.fetchall()
        if final:
            cursor.execute(_FINAL_COUNTS)
            counted += cursor.fetchall()
        cursor.execute(_HELD_TEMPLATES, {"now": now})
        held = cursor.fetchall()
    known = {row.name: row for row in models.MessagingChannel.objects.all()}
    paces = {
        scope.removeprefix("line:"): per_second
        for scope, per_second in models.LinePace.objects.filter(scope__startswith="line:", lowered_at__isnull=False)
        .values_list("scope", "per_second")
    }  # fmt: skip
    names = sorted({*known, *(row[0] for row in counted)})
    paused_at, paused_reason = all_paused() or (None, "")
    return OutboxStatus(
        at=now,
        paused_at=paused_at,
        paused_reason=paused_reason,
        channels=tuple(
            _state(
                name,
                known.get(name),
                [row for row in counted if row[0] == name],
                pace=paces.get(name),
                now=now,
                templates=[HeldTemplate(*row[1:]) for row in held if row[0] == name],
            )
            for name in names
        ),
    )


def all_paused() -> tuple[datetime, str] | None:
    """Return since when, and why, a person lets no channel send; none when channels speak for themselves."""
    switch = models.MessagingSwitch.objects.first()
    return (switch.paused_at, switch.reason) if switch else None


def _state(
    name: str,
    row: Any,
    counted: Sequence[tuple[Any, ...]],
    *,
    pace: float | None,
    now: datetime,
    templates: Sequence[HeldTemplate],
) -> ChannelState:
    held = row is not None and row.held_reason and (row.held_until is None or row.held_until > now)
    due = [each[3] for each in counted if each[3]]
    coming = [each[4] for each in counted if each[4]]
    counts: Counter[MessageState] = Counter()
    reasons: Counter[str] = Counter()
    for _channel, state, count, _oldest, _next, reason in counted:
        counts[MessageState(state)] += count
        reasons[reason] += count
    del reasons[""]
    health = row.health if row else {}
    return ChannelState(
        channel=name,
        kind=row.kind if row else "",
        paused_reason=(row.paused_reason or "-") if row and row.paused_at else "",
        held_reason=row.held_reason if held else "",
        held_until=row.held_until if held else None,
        counts=dict(counts),
        oldest_due_at=min(due, default=None),
        next_due_at=min(coming, default=None),
        per_second=pace,
        templates=tuple(templates),
        waits_for=dict(reasons),
        warning=str(health.get("warning", "")),
        quality=str(health.get("quality", "")),
        restrictions=tuple(
            str(each.get("kind", "")) for each in health.get("restrictions") or ()
            if not each.get("until") or datetime.fromisoformat(each["until"]) > now
        ),
        campaigns=WhenFlagged(row.rules.get(WHEN_FLAGGED, WhenFlagged.SLOW)).value if row else "",
    )  # fmt: skip
