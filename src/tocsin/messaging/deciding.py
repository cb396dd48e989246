"""What only a person may decide about messages: what becomes of an unknown one, and that one is not sent at all."""

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from django.db import connection, transaction

from tocsin.journal import commands as journal
from tocsin.journal.values import Author
from tocsin.kernel import clock
from tocsin.kernel.language import gettext as _
from tocsin.kernel.loading import lazily
from tocsin.messaging import attempts, waking
from tocsin.messaging.attempts import Ended
from tocsin.messaging.errors import NoSuchMessage, NotDecidable
from tocsin.messaging.states import MessageState
from tocsin.messaging.values import Reason
from tocsin.messaging.waking import Bell
from tocsin.staff import permissions
from tocsin.staff.permissions import Act

models = lazily("tocsin.messaging.models")

CANCELLED_AT_ONCE_MAX = 5_000
# What a sender holds this moment may come back to be tried again: its time is over then.
_CANCEL = """
WITH waiting AS (
  SELECT id FROM tocsin_outboundmessage
   WHERE (state IN ('queued', 'retrying') OR state = 'claimed' AND (expires_at IS NULL OR expires_at > %(now)s))
     AND (broadcast = %(broadcast)s AND broadcast <> '' OR id = ANY(%(ids)s::uuid[]))
   ORDER BY id LIMIT %(limit)s FOR UPDATE)
UPDATE tocsin_outboundmessage message
   SET state = CASE message.state WHEN 'claimed' THEN 'claimed' ELSE 'withheld' END,
       state_at = CASE message.state WHEN 'claimed' THEN message.state_at ELSE %(now)s END,
       reason = CASE message.state WHEN 'claimed' THEN message.reason ELSE 'cancelled' END,
       expires_at = CASE message.state WHEN 'claimed' THEN %(now)s ELSE message.expires_at END,
       next_try_at = NULL
  FROM waiting WHERE message.id = waiting.id
RETURNING message.state = 'withheld', message.id, message.tries, message.channel, message.digest
"""


def decide_unknown(message_id: UUID, *, resend: bool, reason: str, by: Author) -> None:
    """Say what becomes of a message nobody knows about: sent again, though it may then arrive twice, or given up."""
    permissions.check(Act.DECIDE_UNKNOWN, by=by)
    with transaction.atomic():
        row = models.OutboundMessage.objects.select_for_update().filter(id=message_id).first()
        if row is None:
            raise no_such_message(message_id)
        if row.state != MessageState.UNKNOWN:
            raise NotDecidable(
                _("This message is not unknown: it is {state}.").format(state=row.state),
                where=str(message_id),
                mend=_("`tocsin outbox unknown` lists those that wait for a decision."),
            )
        now = clock.now()
        row.state_at, row.claimed_by, row.detail = now, "", ""
        if resend:
            row.state, row.next_try_at, row.reason = MessageState.QUEUED, now, ""
            waking.ring(Bell.OUTBOX, row.channel)
        else:
            row.state, row.reason = MessageState.FAILED, Reason.NO_REPORT
        row.save(update_fields=["state", "state_at", "claimed_by", "detail", "next_try_at", "reason"])
        about = f"message:{message_id}"
        facts = {"message": str(message_id), "resend": resend}
        personal = {"reason": (reason, about)} if reason else {}
        journal.write(verb="messaging.unknown_decided", subject=about, by=by, facts=facts, personal=personal)


def cancel_messages(*, broadcast: str = "", message_ids: Collection[UUID] = (), reason: str, by: Author) -> int:
    """Withhold what still waits of a broadcast, or these messages, and return how many; what was sent stays sent.

    What senders hold by then is under way: it goes out, but it is not tried again.
    """
    permissions.check(Act.PAUSE_OUTBOX, by=by)
    cancelled = 0
    while True:
        found, count = _cancel_some(broadcast=broadcast, message_ids=message_ids, reason=reason, by=by)
        cancelled += count
        if found < CANCELLED_AT_ONCE_MAX:
            return cancelled


def _cancel_some(*, broadcast: str, message_ids: Collection[UUID], reason: str, by: Author) -> tuple[int, int]:
    """Return how many messages were found, and how many of them were withheld."""
    now = clock.now()
    given = {"broadcast": broadcast, "ids": list(message_ids), "now": now, "limit": CANCELLED_AT_ONCE_MAX}
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(_CANCEL, given)
            found = cursor.fetchall()
        rows = [row for is_withheld, *row in found if is_withheld]
        if rows:
            attempts.record([_cancelled(*row, at=now) for row in rows])
            facts = {"messages": len(rows), "broadcast": broadcast}
            personal = {"reason": (reason, "outbox")} if reason else {}
            journal.write(verb="messaging.messages_cancelled", subject="outbox", by=by, facts=facts, personal=personal)
    return len(found), len(rows)


def _cancelled(message_id: UUID, tries: int, channel: str, digest: bytes, *, at: datetime) -> Ended:
    return Ended(
        message_id, tries + 1, channel, at, MessageState.WITHHELD, reason=Reason.CANCELLED, digest=bytes(digest)
    )


def no_such_message(message_id: object) -> NoSuchMessage:
    """Return the refusal of an id nobody knows."""
    return NoSuchMessage(
        _("There is no message {id}.").format(id=message_id), mend=_("`tocsin message list` shows their ids.")
    )
