"""Did she get it, and how do you know: all that is known of messages, and the proofs of it."""

from collections.abc import Collection, Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID

from tocsin.customers.values import AddressKind
from tocsin.kernel import clock
from tocsin.kernel.loading import lazily
from tocsin.messaging import batches, bodies, falling_back, naming
from tocsin.messaging.deciding import no_such_message
from tocsin.messaging.states import MessageState
from tocsin.messaging.values import (
    Attempt,
    Content,
    Inbound,
    Message,
    Prepared,
    Priority,
    Proof,
    Purpose,
    Reason,
    Status,
    StatusKind,
    Trace,
)

models, orm = lazily("tocsin.messaging.models"), lazily("django.db.models")

LISTED_MAX = 200
UNKNOWN_REASONS = (Reason.NO_ANSWER, Reason.SENDER_DIED)  # those of the index message_unknown


def message(message_id: UUID) -> Message:
    """Return a message as it stands; NoSuchMessage when there is none."""
    return _message(_row(message_id))


def messages(
    *,
    channel: str = "",
    address: str = "",
    person_id: UUID | None = None,
    provider_id: str = "",
    broadcast: str = "",
    states: Collection[MessageState] = (),
    limit: int = LISTED_MAX,
) -> list[Message]:
    """Return the newest messages, newest first: of a channel, an address, a person, a broadcast, in some states.

    ``provider_id`` is what the provider calls a message. An address stands for all that the same person had or has at
    the provider: the number before, the scoped id.
    """
    found = models.OutboundMessage.objects.order_by("-id")
    wanted = {"channel": channel, "person_id": person_id, "provider_id": provider_id, "broadcast": broadcast}
    if address:
        found = found.filter(address__in=naming.names_of(address))
    found = found.filter(**{name: value for name, value in wanted.items() if value})
    if states:
        found = found.filter(state__in=[state.value for state in states])
    return [_message(row) for row in found[:limit]]


def unknown(*, older_than_seconds: float = 0) -> list[Message]:
    """Return the messages nobody knows about that have waited this long for a status, oldest first."""
    before = clock.now() - timedelta(seconds=older_than_seconds)
    found = models.OutboundMessage.objects.filter(
        state=MessageState.UNKNOWN, reason__in=UNKNOWN_REASONS, state_at__lte=before
    )
    return [_message(row) for row in found.order_by("state_at")[:LISTED_MAX]]


def prepared_of(message_id: UUID) -> Prepared | None:
    """Return the text of a message, what would go instead and how it is shown; None when it was erased."""
    row = _row(message_id)
    body = models.MessageBody.objects.filter(id=row.body_id, sealed__isnull=False).first()
    return bodies.unseal(body.id, sealed=bytes(body.sealed)) if body else None


def body_of(message_id: UUID) -> Content | None:
    """Return the content of a message, or None when it was erased."""
    body = prepared_of(message_id)
    return body.content if body else None


def trace(message_id: UUID) -> Trace:
    """Return all that is known of a message, each row with its proof checked against the journal."""
    row = _row(message_id)
    # Of one attempt both may be there: that its sender was given up, and what it told later.
    attempts = sorted(
        models.MessageAttempt.objects.filter(message_id=row.id),
        key=lambda each: (each.number, each.answered_at is not None, each.claimed_at),
    )
    statuses = list(models.MessageStatus.objects.filter(message_id=row.id).order_by("at", "received_at"))
    return Trace(
        message=_message(row),
        attempts=tuple(_attempt(each) for each in attempts),
        statuses=tuple(_status(each) for each in statuses),
        inbound=tuple(_answers(row)),
        proofs=tuple(_proofs(row, attempts, statuses)),
        instead=falling_back.message_instead(row.id),
    )


def _row(message_id: UUID) -> Any:
    row = models.OutboundMessage.objects.filter(id=message_id).first()
    if row is None:
        raise no_such_message(message_id)
    return row


def _message(row: Any) -> Message:
    same = (
        "id", "channel", "address", "reason", "detail", "template", "provider_id", "person_id", "account", "broadcast",
        "tries", "queued_at", "state_at", "next_try_at", "sent_at", "delivered_at", "read_at", "goes_to",
    )  # fmt: skip
    return Message(
        **{name: getattr(row, name) for name in same}, address_kind=AddressKind(row.address_kind),
        state=MessageState(row.state), priority=Priority(row.priority), purpose=Purpose(row.purpose),
        digest=bytes(row.digest).hex(),
    )  # fmt: skip


def _attempt(row: Any) -> Attempt:
    return Attempt(
        number=row.number, claimed_at=row.claimed_at, begun_at=row.begun_at, answered_at=row.answered_at,
        state=MessageState(row.state), reason=row.reason, code=row.code, detail=row.detail,
        provider_id=row.provider_id, fallback=row.fallback, digest=bytes(row.digest).hex(),
    )  # fmt: skip


def _status(row: Any) -> Status:
    return Status(
        status=StatusKind(row.status), at=row.at, received_at=row.received_at, code=row.code, detail=row.detail,
        category=row.category, price_type=row.price_type,
    )  # fmt: skip


def _answers(row: Any) -> Iterator[Inbound]:
    """Yield what the person wrote to this channel since: a reply is evidence that the message was seen.

    Providers tell whole seconds, rounded down, so that an answer may seem older than what it answers: within the
    second it counts when it came in.
    """
    second = row.queued_at.replace(microsecond=0)
    since = orm.Q(at__gte=row.queued_at) | orm.Q(at__gte=second, received_at__gte=row.queued_at)
    wrote = models.InboundMessage.objects.filter(channel=row.channel, address__in={row.address, row.goes_to} - {""})
    found = wrote.filter(since)
    for each in found.order_by("at")[:LISTED_MAX]:
        yield Inbound(each.id, each.channel, each.address, each.kind, each.at, each.reply_to)


def _proofs(row: Any, attempts: list[Any], statuses: list[Any]) -> Iterator[Proof]:
    queued = batches.queued_leaf(
        message_id=row.id, channel=row.channel, address=row.address, address_kind=row.address_kind,
        purpose=row.purpose, priority=row.priority, template=row.template, broadcast=row.broadcast,
        person_id=row.person_id, digest=bytes(row.digest), queued_at=row.queued_at,
    )  # fmt: skip
    yield batches.proof("queued", batch_id=row.batch_id, leaf=queued)
    for each in attempts:
        leaf = batches.attempt_leaf(
            message_id=row.id, number=each.number, channel=each.channel, claimed_at=each.claimed_at,
            begun_at=each.begun_at, answered_at=each.answered_at, state=each.state, reason=each.reason, code=each.code,
            detail=each.detail, provider_id=each.provider_id, fallback=each.fallback, digest=bytes(each.digest),
        )  # fmt: skip
        yield batches.proof(f"attempt {each.number}", batch_id=each.batch_id, leaf=leaf)
    for each in statuses:
        leaf = batches.status_leaf(
            message_id=row.id, status=each.status, at=each.at, received_at=each.received_at, code=each.code,
            detail=each.detail, category=each.category, price_type=each.price_type,
        )  # fmt: skip
        yield batches.proof(f"status {each.status}", batch_id=each.batch_id, leaf=leaf)
