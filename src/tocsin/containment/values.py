"""Measures, plans, and what is known of each account: the words of containment."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any
from uuid import UUID

from tocsin.approvals.values import Approval
from tocsin.containment.states import PlanState, StepState, WaveState

GATE = "gate"  # the one system every installation has: our own list, checked inside the protected product


class MeasureKind(StrEnum):
    """What is done to one account, client or key."""

    REAUTHENTICATE = "reauthenticate"
    RESET_PASSWORD = "reset_password"
    REVOKE_SESSIONS = "revoke_sessions"
    UPDATE_CLIENT = "update_client"
    RETIRE_CLIENT = "retire_client"
    ROTATE_KEY = "rotate_key"
    SUSPEND = "suspend"
    NONE = "none"


class DoneKind(StrEnum):
    """What was seen that a person (or the system) did."""

    SIGNED_IN = "signed_in"  # a fresh sign-in after the containment time
    PASSWORD_CHANGED = "password_changed"
    SESSIONS_ENDED = "sessions_ended"
    CLIENT_SEEN = "client_seen"  # with platform and version
    KEY_ROTATED = "key_rotated"
    SUSPENDED = "suspended"
    OLD_SESSION_ACTIVE = "old_session_active"  # counts against: a session of before the containment time still works
    SUSPENDED_ACTING = "suspended_acting"  # counts against: a suspended account still acts


class DoneBy(StrEnum):
    """Where a fact of done comes from."""

    EVENTS = "events"  # the protected product's own logs
    SHARED_SIGNALS = "shared_signals"
    CONNECTOR = "connector"  # asked
    WEBHOOK = "webhook"  # the product told us, signed


@dataclass(frozen=True, slots=True)
class Measure:
    """One act on one account; ``platform`` and ``version_min`` of update_client, ``client`` of retire_client."""

    kind: MeasureKind
    platform: str = ""
    version_min: str = ""
    client: str = ""


@dataclass(frozen=True, slots=True)
class DoneFact:
    """Something that was seen about one account, at its own time.

    ``reference`` makes it count once (may be empty); of ``client_seen`` it is the client program's name or package id.
    """

    account: str
    kind: DoneKind
    done_at: datetime
    by: DoneBy
    source: str  # which log, stream or system
    platform: str = ""
    client_version: str = ""
    reference: str = ""


@dataclass(frozen=True, slots=True)
class Wave:
    """A share of a plan's accounts that is contained together. ``share`` is cumulative, 0..1."""

    number: int
    share: float
    accounts: int
    state: WaveState
    begun_at: datetime | None
    held_reason: str


@dataclass(frozen=True, slots=True)
class Plan:
    """A mapping of one frozen scope revision to measures, with its dry run.

    ``digest`` is the SHA-256 of the canonical manifest: revision digest, policy, measures file, containment time.
    ``combinations`` are the distinct sets of measures, each ``{"measures": [...], "systems": [...]}``; the column file
    ``measures_sha256`` names one for each account. ``dry_run`` is what a person approves.
    """

    id: UUID
    number: int
    incident: int
    revision: int
    policy_name: str
    policy: Mapping[str, Any]
    state: PlanState
    since_at: datetime  # the containment time: what was issued before is not believed
    accounts: int
    measures_sha256: str
    combinations: tuple[Mapping[str, Any], ...]
    dry_run: Mapping[str, Any]
    digest: str
    drawn_at: datetime
    by: str
    by_staff_id: UUID | None
    waves: tuple[Wave, ...]
    approvals: tuple[Approval, ...]
    emergency_reason: str
    started_at: datetime | None
    paused_reason: str
    closed_at: datetime | None
    follows: int | None = None  # the number of the plan of the revision before


@dataclass(frozen=True, slots=True)
class Step:
    """One measure on one account in one system."""

    plan: int
    account: str
    system: str
    measure: MeasureKind
    state: StepState
    state_at: datetime
    wave: int
    tries: int
    reason: str


@dataclass(frozen=True, slots=True)
class FunnelLine:
    """How many accounts stand where, for one measure, platform, wave and system."""

    system: str
    measure: str
    platform: str
    wave: int
    counts: Mapping[StepState, int] = field(default_factory=dict)


class StepReason(StrEnum):
    """Why a step on a connected system is where it is; a refusal adds the system's own words after a colon."""

    HELD_ALREADY = "held_already"  # before we sent anything: undoing leaves it alone
    NOT_YET = "not_in_force_yet"  # answered, and read back once without seeing it
    DID_NOTHING = "answered_but_did_nothing"
    NOT_KNOWN = "account_not_known"
    NO_ANSWER = "no_answer"  # whether it arrived is found out by reading back
    RATE_LIMITED = "rate_limited"
    CANNOT_READ_BACK = "cannot_be_read_back"  # believed only when a fact of done arrives
    CANNOT_BE_UNDONE = "cannot_be_undone"
    NOT_TAKEN_HERE = "not_taken_by_this_system"
    STILL_HELD = "another_plan_holds_it"  # undone here; the system goes on with it for the other plan
    SYSTEM_REMOVED = "system_removed"
    SAID_NO = "refused"


@dataclass(frozen=True, slots=True)
class System:
    """A connected system as others see it: never its secrets, only their names."""

    id: UUID
    name: str
    kind: str
    settings: Mapping[str, Any]
    added_at: datetime
    removed_at: datetime | None
    held_until: datetime | None
    held_reason: str
    done_cursor: str


class LiftReason(StrEnum):
    """Why an account of a plan is contained no longer; in a row of progress it is followed by the words of a person."""

    UNDONE = "undone_by_staff"
    RELEASED = "released_by_staff"
    APPEAL_UPHELD = "appeal_upheld"
    LEFT_SCOPE = "left_the_scope"  # a later revision does not hold it; if another one does, it is contained again


class StopRule(StrEnum):
    """What holds the next wave."""

    FAILED_SIGN_INS = "failed_sign_ins_per_account"
    RESETS = "resets_per_minute"
    COMPLAINTS = "complaints_share"
    COLLATERAL = "collateral_share"


@dataclass(frozen=True, slots=True)
class MinuteSeen:
    """What the accounts a plan contains did in one minute of the logs, after they were contained."""

    at: datetime
    sign_ins: int
    failures: int
    resets: int


@dataclass(frozen=True, slots=True)
class Watched:
    """One stop rule: what is counted now, what it may come to (0: switched off), and whether it holds the plan."""

    rule: StopRule
    value: float
    limit: float

    @property
    def stops(self) -> bool:
        """Say whether the limit is passed."""
        return self.limit > 0 and self.value > self.limit


@dataclass(frozen=True, slots=True)
class AccountStory:
    """Everything a plan knows of one account. ``kept`` is measured, exempt, none or held by an earlier plan."""

    plan: int
    account: str
    kept: str
    role: str
    certainty: str
    platform: str
    rule: str
    exempt: str
    wave: int
    begun: bool
    measures: tuple[Measure, ...]
    state: StepState
    reason: str
    measures_done: Mapping[str, str]  # measure -> when, ISO 8601
    steps: tuple[Step, ...]
    facts: tuple[DoneFact, ...]
    appeals: tuple[tuple[str, datetime, str], ...]  # state, when, text


class ListReason(StrEnum):
    """Why a new list for the gate is due."""

    FIRST = "first"
    PLANS_CHANGED = "plans_changed"  # begun, undone, closed; or another wave
    MANY_CHANGES = "many_changes"  # so many that a new list is smaller
    RENEWED = "renewed"  # the one in force nears its end
    FILE_LOST = "file_lost"


@dataclass(frozen=True, slots=True)
class GateList:
    """One published list of the gate; ``sha256`` is of its prologue and header, what a pin names."""

    epoch: int
    path: Path
    sha256: str
    accounts: int
    bytes: int
    made_at: datetime
    not_after: datetime | None
    plans: tuple[int, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class GateNews:
    """The signed changes of an epoch after one of them; ``epoch`` is the one in force, perhaps another than asked."""

    epoch: int
    changes: tuple["PublishedChange", ...]


@dataclass(frozen=True, slots=True)
class PublishedChange:
    """One signed change; ``content`` is the exact JSON a gate gets."""

    seq: int
    content: str


@dataclass(frozen=True, slots=True)
class GateStanding:
    """What one gate last said that it enforces."""

    gate: str
    epoch: int
    seq: int
    seen_at: datetime
    current: bool  # it enforces the last list and its last change


class OpenReason(StrEnum):
    """Why an account is not closed yet."""

    WAVE_WAITING = "wave_waiting"  # its wave has not begun: nothing is asked of it
    APPEALED = "appealed"  # contained until a person decides
    NEVER_SEEN = "never_seen"  # nothing was heard of it since the containment time
    NOT_DONE = "not_done"  # something was, but not what is asked
    CLIENT_NOT_UPDATED = "client_not_updated"  # seen again, with the old client
    OLD_SESSION_ACTIVE = "old_session_active"  # a session of before still works: containment does not hold
    SUSPENDED_ACTING = "suspended_acting"  # the same, of a suspended account
    OLD_PASSWORD_GRACE = "old_password_grace"  # changed, but a connected system still takes the old password
    SYSTEM_WAITING = "system_waiting"  # all is met, but a connected system has not shown it yet
    SYSTEM_UNREACHABLE = "system_unreachable"
    SYSTEM_REFUSED = "system_refused"


class SignalOutcome(StrEnum):
    """What became of one security event token (RFC 8417) that was believed."""

    WAITING = "waiting"  # kept; what it tells is recorded with the next batch
    RECORDED = "recorded"
    UNMAPPED = "unmapped"  # it names somebody we cannot place; listed, never guessed
    IGNORED = "ignored"  # nothing that makes an account safe
    VERIFICATION = "verification"
    STREAM_UPDATED = "stream_updated"


@dataclass(frozen=True, slots=True)
class SignalNews:
    """What one token of a stream tells: of whom (``name`` in an identifier ``format`` of RFC 9493), what, and when."""

    jti: str
    outcome: SignalOutcome
    kind: DoneKind | None
    happened_at: datetime
    format: str
    name: str
    detail: str  # the kind of event, nothing personal


@dataclass(frozen=True, slots=True)
class Stream:
    """A Shared Signals stream we receive: its settings, never its secrets, and how many tokens came to what."""

    id: UUID
    name: str
    issuer: str
    audience: str
    settings: Mapping[str, Any]
    added_at: datetime
    removed_at: datetime | None
    counts: Mapping[SignalOutcome, int] = field(default_factory=dict)
    last_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Worked:
    """What one round on one system did: steps by the state they went to; ``held_reason`` when it did not answer."""

    system: str
    claimed: int
    states: Mapping[StepState, int] = field(default_factory=dict)
    held_reason: str = ""
