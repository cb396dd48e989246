"""The states of a plan, of a wave and of a measure on one account in one system, and the moves between them."""

from enum import StrEnum


class PlanState(StrEnum):
    """Where a plan is."""

    DRAWN = "drawn"  # shown, waiting for approval
    APPROVED = "approved"
    RUNNING = "running"
    PAUSED = "paused"  # by a person or by a stop rule; what is in force stays in force
    CLOSED = "closed"  # every account closed, or the rest written off with a reason
    UNDONE = "undone"
    SUPERSEDED = "superseded"  # drawn again before it started


class AppealState(StrEnum):
    """Where somebody's appeal is."""

    WAITING = "waiting"  # the account stays contained
    UPHELD = "upheld"  # let out
    REJECTED = "rejected"


class WaveState(StrEnum):
    """Where a wave of a plan is."""

    WAITING = "waiting"
    BEGUN = "begun"
    HELD = "held"  # a stop rule fired while it ran


class StepState(StrEnum):
    """Where one measure on one account in one system is."""

    PLANNED = "planned"
    SENDING = "sending"  # claimed with a lease; whether it arrived is not known until settled
    SENT = "sent"  # the system took it: says nothing about whether it holds
    CONFIRMED = "confirmed"  # read back: the measure is in force
    DONE = "done"  # the person did what was asked, seen in events, signals or the system itself
    CLOSED = "closed"
    UNREACHABLE = "unreachable"  # the system does not know the account, or gave no answer within the bounded tries
    REFUSED = "refused"  # the system said no
    EXEMPT = "exempt"
    UNDOING = "undoing"
    UNDONE = "undone"
    APPEALED = "appealed"  # the person or staff objects; a person decides


_S, _P = StepState, PlanState
PLAN_MOVES: dict[PlanState, frozenset[PlanState]] = {
    _P.DRAWN: frozenset({_P.APPROVED, _P.SUPERSEDED}),
    _P.APPROVED: frozenset({_P.RUNNING, _P.SUPERSEDED}),
    _P.RUNNING: frozenset({_P.PAUSED, _P.CLOSED, _P.UNDONE}),
    _P.PAUSED: frozenset({_P.RUNNING, _P.CLOSED, _P.UNDONE}),
    _P.CLOSED: frozenset({_P.UNDONE}),  # what outlives it can be lifted: suspensions, rules for everyone
    _P.UNDONE: frozenset(),
    _P.SUPERSEDED: frozenset(),
}
APPEAL_MOVES: dict[AppealState, frozenset[AppealState]] = {
    AppealState.WAITING: frozenset({AppealState.UPHELD, AppealState.REJECTED}),
    AppealState.UPHELD: frozenset(),
    AppealState.REJECTED: frozenset(),
}
WAVE_MOVES: dict[WaveState, frozenset[WaveState]] = {
    WaveState.WAITING: frozenset({WaveState.BEGUN}),
    WaveState.BEGUN: frozenset({WaveState.HELD}),
    WaveState.HELD: frozenset({WaveState.BEGUN}),
}
_SETTLED = frozenset({_S.UNDOING, _S.UNDONE, _S.APPEALED, _S.EXEMPT})
STEP_MOVES: dict[StepState, frozenset[StepState]] = {
    _S.PLANNED: frozenset({_S.SENDING, _S.DONE, _S.UNDONE, _S.APPEALED, _S.EXEMPT}),
    _S.SENDING: frozenset({_S.PLANNED, _S.SENT, _S.CONFIRMED, _S.REFUSED, _S.UNREACHABLE, _S.DONE}),
    _S.SENT: frozenset({_S.PLANNED, _S.CONFIRMED, _S.DONE, _S.UNREACHABLE, _S.REFUSED}) | _SETTLED,
    _S.CONFIRMED: frozenset({_S.PLANNED, _S.DONE, _S.CLOSED}) | _SETTLED,
    _S.DONE: frozenset({_S.CLOSED, _S.APPEALED}),
    _S.CLOSED: frozenset(),
    _S.UNREACHABLE: frozenset({_S.PLANNED, _S.DONE}) | _SETTLED,
    _S.REFUSED: frozenset({_S.PLANNED, _S.DONE}) | _SETTLED,
    _S.EXEMPT: frozenset({_S.PLANNED}),
    _S.UNDOING: frozenset({_S.UNDONE, _S.REFUSED, _S.UNREACHABLE}),
    _S.UNDONE: frozenset(),
    _S.APPEALED: frozenset({_S.PLANNED, _S.CONFIRMED, _S.UNDONE, _S.UNDOING, _S.EXEMPT, _S.CLOSED}),
}
