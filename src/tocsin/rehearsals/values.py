"""What a rehearsal is played with, and what was planted in it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from tocsin.containment.values import GateList, Plan
from tocsin.messaging.values import Trace
from tocsin_gate import Decision

LINES_MIN = 50_000
LINES_MAX = 100_000_000
LINES_DEFAULT = 200_000
# The simulated company's people: who leads, who answers for personal data, who runs the systems.
LEAD, DPO, ENGINEER = "Ida Lund", "Noor Haddad", "Per Aalto"


class ScenarioName(StrEnum):
    """The attacks that can be planted."""

    INTRUDER = "intruder-2014"
    SCRAPE = "catalogue-scrape"
    STUFFING = "credential-stuffing"


@dataclass(frozen=True, slots=True)
class Suspect:
    """Somebody to be found, or to be cleared; ``type`` and ``value`` are as in ``detections.jsonl``."""

    type: str
    value: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class PlantedAttack:
    """One attack and who committed it: finding any of the ``suspects`` inside the time span counts as finding it."""

    kinds: tuple[str, ...]  # any of these names fits what was done
    suspects: tuple[Suspect, ...]
    first_ts: int
    last_ts: int
    note: str = ""


@dataclass(frozen=True, slots=True)
class PlantedAccount:
    """A customer's account the intruder used or read: which kinds of its data were reached."""

    account: str
    role: str  # victim or instrument
    data: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PlantedObject:
    """A thing, other than customers' accounts, that the intruder read; ``object`` is a path or an id."""

    object_type: str
    object: str


@dataclass(frozen=True, slots=True)
class Planted:
    """The ground truth of one scenario.

    ``data`` maps kinds of data to ``reached`` or ``not_reached`` for complete logs. ``cohort`` is empty or has
    ``platform``, ``version_at_most`` and ``measures``; its members are in ``precaution.csv`` beside ``truth.json``.
    """

    scenario: ScenarioName
    attacks: tuple[PlantedAttack, ...]
    confirmed: tuple[PlantedAccount, ...] = ()
    attackers: tuple[str, ...] = ()
    principals: tuple[str, ...] = ()
    objects: tuple[PlantedObject, ...] = ()
    data: Mapping[str, str] = field(default_factory=dict)
    tried_sql: str = ""  # names of accounts that were only tried, in the generator
    cohort: Mapping[str, Any] = field(default_factory=dict)
    look_alikes: tuple[Suspect, ...] = ()

    def as_record(self) -> dict[str, Any]:
        """Return what ``truth.json`` holds of it."""
        record = asdict(self)
        del record["tried_sql"]
        return record


@dataclass(frozen=True, slots=True)
class Simulated:
    """The simulated company's logs on disk, and the truth about them (never among the paths to investigate)."""

    logs: Path
    accounts: Path
    truth: Path
    policy: Path  # what the company's people decide, for `tocsin contain plan`
    lines: int
    first_ts: int
    last_ts: int


@dataclass(frozen=True, slots=True)
class Knock:
    """One request at the gate: who knocks, in words, and what the gate answered."""

    who: str  # English; translated when shown
    account: str
    decision: Decision


@dataclass(frozen=True, slots=True)
class DoorClosed:
    """What closing the door came to."""

    plan: Plan
    list: GateList
    knocks: tuple[Knock, ...]
    approved_by: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Told:
    """One person who was told: who, over which channel, what, with all that is known of it, and what came back."""

    name: str
    address: str
    channel: str
    subject: str
    text: str
    trace: Trace
    before: str = ""
    answer: str = ""
