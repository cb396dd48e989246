"""The states of a message and of a webhook's body that was received, and the moves between them."""

from enum import StrEnum


class MessageState(StrEnum):
    """Where a message is. From ``sent`` on it only rises, whatever the order and number of statuses."""

    QUEUED = "queued"
    CLAIMED = "claimed"  # a sender holds it with a lease; its bytes may have left
    RETRYING = "retrying"  # the provider said no for now; it is due again later
    WITHHELD = "withheld"  # we decided not to send it, for a reason
    UNKNOWN = "unknown"  # its bytes left and no answer came; never sent again by itself
    SENT = "sent"  # the provider took it
    FAILED = "failed"  # the provider will not bring it, for a reason
    DELIVERED = "delivered"
    BOUNCED = "bounced"  # taken, then given back
    READ = "read"


class IntakeState(StrEnum):
    """Where the body of a webhook is."""

    WAITING = "waiting"
    DONE = "done"
    ASIDE = "aside"  # parts of it nobody understands, kept to be looked at
    FAILED = "failed"  # could not be taken in within the bounded tries


_S = MessageState
_SEEN = frozenset({_S.SENT, _S.FAILED, _S.DELIVERED, _S.BOUNCED, _S.READ})  # what a status can bring
MESSAGE_MOVES: dict[MessageState, frozenset[MessageState]] = {
    _S.QUEUED: frozenset({_S.CLAIMED, _S.WITHHELD}) | _SEEN,
    # Back to queued only when it is proven that its sender had not begun it.
    _S.CLAIMED: frozenset({_S.QUEUED, _S.RETRYING, _S.WITHHELD, _S.UNKNOWN}) | _SEEN,
    _S.RETRYING: frozenset({_S.CLAIMED, _S.WITHHELD}) | _SEEN,
    _S.WITHHELD: frozenset(),
    _S.UNKNOWN: frozenset({_S.QUEUED}) | _SEEN,  # queued: a person decided that it is sent again
    _S.SENT: frozenset({_S.FAILED, _S.DELIVERED, _S.BOUNCED, _S.READ}),
    _S.FAILED: frozenset({_S.DELIVERED, _S.BOUNCED, _S.READ}),  # it arrived all the same; a late `sent` proves nothing
    _S.DELIVERED: frozenset({_S.BOUNCED, _S.READ}),
    _S.BOUNCED: frozenset({_S.READ}),
    _S.READ: frozenset(),
}
# The order in which statuses overrule each other: a state is replaced only by one of higher rank.
RANK: dict[MessageState, int] = {
    _S.QUEUED: 0,
    _S.RETRYING: 0,
    _S.CLAIMED: 1,
    _S.UNKNOWN: 2,
    _S.SENT: 3,
    _S.FAILED: 4,
    _S.DELIVERED: 5,
    _S.BOUNCED: 6,
    _S.READ: 7,
    _S.WITHHELD: 9,
}
INTAKE_MOVES: dict[IntakeState, frozenset[IntakeState]] = {
    IntakeState.WAITING: frozenset({IntakeState.DONE, IntakeState.ASIDE, IntakeState.FAILED}),
    IntakeState.DONE: frozenset(),
    IntakeState.ASIDE: frozenset({IntakeState.WAITING}),
    IntakeState.FAILED: frozenset({IntakeState.WAITING}),
}
