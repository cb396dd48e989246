"""Templates instead of texts that the provider took and then, minutes later, said it could not bring: window shut.

The failed message stays failed. What goes instead is a message of its own, queued once, with an entry of its own.
"""

from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

from tocsin.customers.values import AddressKind
from tocsin.journal.values import MACHINE
from tocsin.kernel.loading import lazily
from tocsin.messaging import bodies, queueing
from tocsin.messaging.following import Followed
from tocsin.messaging.states import MessageState
from tocsin.messaging.values import Draft, Prepared, Priority, Purpose, Reason
from tocsin.staff.errors import SealBroken

models = lazily("tocsin.messaging.models")
_ONCE = "instead:"


def queue_instead(message_ids: Collection[UUID]) -> int:
    """Queue the templates of messages that failed because the window was shut, and return how many.

    Those without a template, or whose text was erased, stay failed; so does a template that itself was refused.
    """
    rows = models.OutboundMessage.objects.filter(
        id__in=message_ids, state=MessageState.FAILED, reason=Reason.WINDOW_SHUT, needs_window=True
    )
    went = models.MessageAttempt.objects.filter(message_id__in=message_ids, fallback=True)
    found = {row.id: row for row in rows.exclude(template="").exclude(id__in=went.values("message_id"))}
    sealed = models.MessageBody.objects.filter(id__in=found, sealed__isnull=False).order_by("id")
    now_at = _addresses(list(found.values()))
    drafts = [
        draft for body in sealed
        if now_at[body.id] and (draft := _draft(found[body.id], to=now_at[body.id], sealed=bytes(body.sealed)))
    ]  # fmt: skip
    queued = queueing.queue_messages(drafts, by=MACHINE) if drafts else []
    return sum(each is not None for each in queued)


def message_instead(message_id: UUID) -> UUID | None:
    """Return the message that went out instead of this one, or None."""
    row = models.OutboundMessage.objects.filter(once_key=f"{_ONCE}{message_id}").first()
    return row.id if row else None


def _addresses(rows: Sequence[Any]) -> dict[UUID, str]:
    """Return where the people these were queued for are now; empty where somebody else has their number."""
    shares = {
        name: portfolio or account or name
        for name, portfolio, account in models.MessagingChannel.objects.values_list("name", "portfolio", "account")
    }
    known = Followed((shares.get(row.channel, ""), row.address_kind, row.address) for row in rows)
    return {
        row.id: known.of_queued(
            shares.get(row.channel, ""), row.address_kind, row.address, queued_at=row.queued_at
        )
        for row in rows
    }  # fmt: skip


def _draft(row: Any, *, to: str, sealed: bytes) -> Draft | None:
    try:
        template = bodies.unseal(row.id, sealed=sealed).fallback
    except SealBroken:
        return None
    if template is None:
        return None
    return Draft(
        row.channel, to, AddressKind(row.address_kind), Prepared(template, template=row.template),
        priority=Priority(row.priority), purpose=Purpose(row.purpose), person_id=row.person_id, account=row.account,
        once_key=f"{_ONCE}{row.id}", broadcast=row.broadcast, reply_to=row.reply_to, expires_at=row.expires_at,
    )  # fmt: skip
