"""Who and what was affected, how certain that is and why: the words every later module uses."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from tocsin.detections.values import AccountRole, Reason
from tocsin.scopes.states import ClaimState, RevisionState


class Certainty(StrEnum):
    """How sure it is; each border is defined in docs/explanation/certainty.md and has a test."""

    CONFIRMED = "confirmed"  # events show the account used by, or its data read by, the intruder
    LIKELY = "likely"  # the intruder's session, or network and window, touched it without proven use or read
    PRECAUTION = "precaution"  # a member of a named cohort


class Reach(StrEnum):
    """Whether the intruder reached a kind of data."""

    REACHED = "reached"
    NOT_REACHED = "not_reached"  # complete logs cover the whole window and show no access
    UNKNOWABLE = "unknowable"  # no log of that data's systems, or gaps in it


@dataclass(frozen=True, slots=True)
class AffectedAccount:
    """One row of ``affected.csv``: a customer's account (never staff or a cloud role)."""

    account: str
    role: AccountRole
    certainty: Certainty
    country: str
    first_ts: int
    last_ts: int
    data: tuple[str, ...]  # kinds of data reached of this account
    platform: str
    client_version: str
    reasons: tuple[Reason, ...]
    detections: tuple[str, ...]  # uids


@dataclass(frozen=True, slots=True)
class AffectedObject:
    """One row of ``objects.csv``; ``by`` is the suspect."""

    object_type: str
    object: str
    owner: str
    operation: str
    count: int
    first_ts: int
    last_ts: int
    by: str


@dataclass(frozen=True, slots=True)
class Considered:
    """Somebody who looked suspicious and was cleared, with the reason; shown in the report."""

    suspect_type: str
    suspect: str
    reason: Reason


@dataclass(frozen=True, slots=True)
class Cohort:
    """A named group taken in as a precaution, e.g. all accounts seen on Android before 1.4."""

    name: Reason
    accounts: int
    platform: str = ""
    version_below: str = ""
    measure: str = ""  # sign_in_again, update_client (which means both)
    version_upto: str = ""  # the last affected version, itself included


@dataclass(frozen=True, slots=True)
class DataReach:
    """One line of the table data kind x {reached, not reached, unknowable}, with the hours it stands on."""

    data_kind: str
    reach: Reach
    accounts: int
    objects: int
    covered: tuple[tuple[int, int], ...] = ()  # epoch ms stretches with logs
    gaps: tuple[tuple[int, int], ...] = ()
    reason: Reason = field(default_factory=lambda: Reason(""))


@dataclass(frozen=True, slots=True)
class ScopeDraft:
    """The whole answer of one investigation, before an incident freezes it."""

    accounts: tuple[AffectedAccount, ...]  # the first ``ACCOUNTS_IN_MEMORY_MAX``; all of them are in affected.csv
    counts: dict[str, int]  # certainty -> accounts that are not attackers
    roles: dict[str, int]  # role -> accounts
    objects: tuple[AffectedObject, ...]
    data: tuple[DataReach, ...]
    cohorts: tuple[Cohort, ...]
    considered: tuple[Considered, ...]
    principals: tuple[str, ...]  # staff, service and cloud identities the intruder used
    platforms: dict[str, dict[str, int]]  # platform -> {"sign_in_again": n, "update_client": n, "accounts": n}
    countries: dict[str, int]
    window: tuple[int, int] | None  # what the intruder's events span, epoch ms
    aware_ts: int | None  # since when the company has known; null while no account is confirmed
    objects_total: int = 0  # rows of objects.csv; ``objects`` holds the first of them


@dataclass(frozen=True, slots=True)
class Difference:
    """What came in, went out, or changed role or certainty; the names are the first of them, the counts are whole."""

    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: tuple[str, ...]
    added_count: int
    removed_count: int
    changed_count: int


@dataclass(frozen=True, slots=True)
class Pin:
    """A file in the evidence folder that a revision stands on."""

    kind: str  # accounts, affected, objects, principals, detections, segment
    name: str
    sha256: str
    bytes: int


@dataclass(frozen=True, slots=True)
class Decision:
    """A person took an account out (``excluded``) or in (``included``), and why."""

    kind: str
    account: str
    reason: str
    made_at: datetime
    by: str
    assurance: str


@dataclass(frozen=True, slots=True)
class Claim:
    """Somebody says an account is affected."""

    account: str
    text: str
    state: ClaimState
    made_at: datetime
    decided_at: datetime | None
    reason: str


@dataclass(frozen=True, slots=True)
class Revision:
    """One numbered answer to "who and what" of an incident.

    ``counts`` has ``certainty``, ``role`` (word -> accounts) and ``added``, ``removed``, ``changed``, ``excluded``
    (against the revision before). ``digest`` is the SHA-256 of the canonical manifest, null until frozen.
    """

    id: UUID
    incident: int
    number: int
    state: RevisionState
    accounts: int
    accounts_sha256: str
    rows_root: str
    counts: Mapping[str, Any]
    sources: tuple[Mapping[str, Any], ...]
    pins: tuple[Pin, ...]
    opened_at: datetime
    by: str
    assurance: str
    frozen_at: datetime | None
    digest: str | None


@dataclass(frozen=True, slots=True)
class Why:
    """Everything known about one account in a revision: its row (null when it is not in), and who decided what."""

    account: str
    revision: int
    row: Mapping[str, str] | None
    detections: tuple[Mapping[str, Any], ...]
    decisions: tuple[Decision, ...]
    claims: tuple[Claim, ...]
