"""What a connected system must be able to do, so that a measure can be taken there and seen to be done."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol, runtime_checkable

from tocsin.containment.values import DoneFact, Measure, MeasureKind
from tocsin.kernel.remarks import Remark as Remark, Standing as Standing  # noqa: PLC0414  handed on


@dataclass(frozen=True, slots=True)
class Order:
    """One measure wanted on one account. ``key`` is the same at every try: plan, account, measure, system."""

    account: str
    measure: Measure
    since_at: datetime
    key: str


class Answer(StrEnum):
    """What a system answered to one order. None of them means that the measure holds: that is read back."""

    TAKEN = "taken"
    HELD_ALREADY = "held_already"
    ABSENT = "absent"  # the system does not know the account
    REFUSED = "refused"
    LATER = "later"  # rate limit or a fault that passes: again, not before ``retry_after_seconds``
    UNKNOWN = "unknown"  # the connection went before the answer came: read back before trying again


@dataclass(frozen=True, slots=True)
class Outcome:
    """The answer to one order, with the system's own words where there are some (no secrets, no personal data)."""

    order: Order
    answer: Answer
    reason: str = ""
    retry_after_seconds: float = 0.0


class Holding(StrEnum):
    """What reading back shows."""

    IN_FORCE = "in_force"
    NOT_IN_FORCE = "not_in_force"
    DONE = "done"  # in force once, and the person has done what was asked since
    ABSENT = "absent"
    UNKNOWN = "unknown"  # the system cannot tell, or did not answer


@dataclass(frozen=True, slots=True)
class ReadBack:
    """What a system shows of one order now."""

    order: Order
    holding: Holding
    done_at: datetime | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a system allows: read at run time where it says so. Its time for n accounts is predicted from these."""

    per_second: float | None  # None: only as fast as it answers
    at_once: int = 100  # orders handed over together
    calls_per_order: int = 1
    source: str = ""  # where the figure comes from: a header, a document, a measurement


@dataclass(frozen=True, slots=True)
class Abilities:
    """Which measures a system can take and undo, and what is true of it that a person must know beforehand."""

    takes: frozenset[MeasureKind]
    undoes: frozenset[MeasureKind]
    reads_back: frozenset[MeasureKind]
    warnings: tuple[str, ...] = ()  # translated sentences: "a flag is not enforcement for simple binds"


@dataclass(frozen=True, slots=True)
class Foreseen:
    """The dry run of a system over some orders: nothing is changed by it."""

    known: int
    absent: tuple[str, ...]  # the first accounts it does not know
    absent_count: int
    held_already: int
    changes: int
    notes: tuple[str, ...] = ()
    by_measure: Mapping[MeasureKind, int] = field(default_factory=dict)


@runtime_checkable
class Checkable(Protocol):
    """What a connector may offer besides: looking whether its credentials, rights and settings suffice."""

    def check(self) -> Sequence[Remark]:
        """Ask the system, changing nothing; raise SystemUnreachable when it does not answer."""


class Connector(Protocol):
    """A connected system. Its methods work in batches of at most ``limits().at_once`` orders.

    Orders may be handed over again after a crash: applying one twice must do no more than applying it once. Methods
    raise containment.errors.SystemUnreachable when the whole system does not answer; what concerns one account is an
    answer.
    """

    @property
    def name(self) -> str:
        """Return the name staff gave this system."""

    def abilities(self) -> Abilities:
        """Return what it can and cannot do, without asking it."""

    def limits(self) -> Limits:
        """Return what it allows, as last read from it."""

    def plan(self, orders: Sequence[Order]) -> Foreseen:
        """Return what applying would do, changing nothing."""

    def apply(self, orders: Sequence[Order]) -> Iterable[Outcome]:
        """Take the measures and yield one outcome an order, each as soon as it is known."""

    def verify(self, orders: Sequence[Order]) -> Iterable[ReadBack]:
        """Read back and yield what is in force, one an order."""

    def done_since(self, cursor: str) -> tuple[Sequence[DoneFact], str]:
        """Return what people did since ``cursor`` and the next cursor.

        A cursor is one that was returned, an ISO 8601 moment to begin at, or empty: from the beginning.
        """

    def undo(self, orders: Sequence[Order]) -> Iterable[Outcome]:
        """Lift the measures where that is possible."""
