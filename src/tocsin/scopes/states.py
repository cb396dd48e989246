"""The states of a scope revision and of a claim, and the moves between them."""

from enum import StrEnum


class RevisionState(StrEnum):
    """Where a revision is."""

    DRAFT = "draft"
    FROZEN = "frozen"  # never changes again
    SUPERSEDED = "superseded"  # a draft that a later revision took the place of


class ClaimState(StrEnum):
    """Where somebody's claim to be affected is."""

    WAITING = "waiting"
    ACCEPTED = "accepted"
    REJECTED = "rejected"


REVISION_MOVES: dict[RevisionState, frozenset[RevisionState]] = {
    RevisionState.DRAFT: frozenset({RevisionState.FROZEN, RevisionState.SUPERSEDED}),
    RevisionState.FROZEN: frozenset(),
    RevisionState.SUPERSEDED: frozenset(),
}
CLAIM_MOVES: dict[ClaimState, frozenset[ClaimState]] = {
    ClaimState.WAITING: frozenset({ClaimState.ACCEPTED, ClaimState.REJECTED}),
    ClaimState.ACCEPTED: frozenset(),
    ClaimState.REJECTED: frozenset(),
}
