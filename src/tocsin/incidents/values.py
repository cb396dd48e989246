"""What an incident is to others."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID


class IncidentState(StrEnum):
    """Where an incident is."""

    OPEN = "open"
    CLOSED = "closed"


class FactKind(StrEnum):
    """What a fact of an incident tells; the duties' clocks start from these."""

    DETECTED = "detected"  # when a rule or a person first noticed
    SUSPECTED = "suspected"  # when somebody first thought it may be a breach
    AWARE = "aware"  # when there was a reasonable degree of certainty (EDPB guidelines 9/2022, paragraph 31)
    BEGAN = "began"  # when the intruder's first act was
    ENDED = "ended"  # when the intruder's last act was
    CONTAINED = "contained"
    REPORTED = "reported"  # when somebody outside told us
    NOTE = "note"


class Standing(StrEnum):
    """How far a fact is known."""

    ALLEGED = "alleged"  # a claim not yet verified
    VERIFIED = "verified"


class Severity(StrEnum):
    """How bad it is, in the words of Sigma's levels."""

    INFORMATIONAL = "informational"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


@dataclass(frozen=True, slots=True)
class NewFact:
    """A fact about to be recorded: what happened when, in the world's time."""

    kind: FactKind
    happened_at: datetime
    standing: Standing
    text: str = ""


@dataclass(frozen=True, slots=True)
class Fact:
    """A recorded fact; facts are never changed, a later one of the same kind corrects an earlier one."""

    id: UUID
    kind: FactKind
    happened_at: datetime
    standing: Standing
    text: str
    recorded_at: datetime
    by: str
    assurance: str


@dataclass(frozen=True, slots=True)
class Incident:
    """One possible breach; people say its ``number``, rows its ``id``."""

    id: UUID
    number: int
    title: str
    severity: Severity
    state: IncidentState
    declared_at: datetime
    closed_at: datetime | None
    leads: tuple[str, ...]
    facts: tuple[Fact, ...]

    def latest(self, kind: FactKind) -> Fact | None:
        """Return the fact of this kind that holds now: the one recorded last."""
        return next((fact for fact in reversed(self.facts) if fact.kind is kind), None)
