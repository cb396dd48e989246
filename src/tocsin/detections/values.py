"""What a rule is, and what a detection hands on."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Kind(StrEnum):
    """What an attacker was doing; the values are the words of ``detections.jsonl``."""

    SCRAPING = "scraping"
    CREDENTIAL_STUFFING = "credential_stuffing"
    PASSWORD_SPRAYING = "password_spraying"
    BRUTE_FORCE = "brute_force"
    SESSION_THEFT = "session_theft"
    IMPOSSIBLE_TRAVEL = "impossible_travel"
    ENUMERATION = "enumeration"
    API_ABUSE = "api_abuse"
    INTERNAL_ACCESS = "internal_access"
    MISCONFIGURATION = "misconfiguration"
    PRIVILEGE_CHANGE = "privilege_change"
    PERSISTENCE = "persistence"
    DEFENCE_EVASION = "defence_evasion"
    EXPLOIT_ATTEMPT = "exploit_attempt"
    SCAN = "scan"
    CRAWL = "crawl"
    DOS = "dos"
    PHISHING = "phishing"


class SuspectType(StrEnum):
    """What kind of name the suspect is, and the event column it is found in."""

    ACCOUNT = "account"  # events.account
    SESSION = "session"  # events.actor_session_uid
    ADDRESS = "address"  # events.src_endpoint_ip
    NETWORK = "network"  # events.src_network
    API_KEY = "api_key"  # events.actor_credential_uid
    PRINCIPAL = "principal"  # events.actor_user_uid of staff, services and cloud roles


class AccountRole(StrEnum):
    """What the account in the evidence of a detection is (glossary: account)."""

    ATTACKER = "attacker"  # opened or owned by the intruder
    INSTRUMENT = "instrument"  # a victim's account the intruder used
    VICTIM = "victim"  # its data was read
    NONE = "none"  # says nothing about the acting account


@dataclass(frozen=True, slots=True)
class ScopeHint:
    """What a rule's evidence means for the accounts and objects in it; written by the rule's author.

    ``accounts``: the role of ``account`` in the evidence events. ``proof``: SQL condition over an event under which
    that account counts as *used by the intruder* (confirmed); other accounts of the evidence are only *tried*
    (considered, and excluded unless a wider border takes them). ``owners``: whether the owners of objects read with
    success (``object_owner``) are victims. ``network_cohort``: whether every account with a success from the suspect's
    network is a precaution. ``follow``: whether other events of the same suspect inside the detection's window belong
    to the intruder too (a stolen session, a phished staff account, a stolen cloud key). ``in_doubt``: whether the
    suspect may have had a reason that no log tells, so that nothing it did is more than *likely* an intruder's.
    """

    accounts: AccountRole = AccountRole.NONE
    proof: str = "status_id = 1"
    owners: bool = False
    network_cohort: bool = False
    follow: bool = False
    in_doubt: bool = False


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a detection was raised: an English sentence with ``{names}``, translated when shown, and their values."""

    text: str
    values: Mapping[str, str | int | float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Detection:
    """One match of one rule. Its evidence is ``rule_id``, ``rule_version`` and ``parameters``; ``evidence_sql``
    renders it.

    ``evidence_sql`` is one SELECT over the view ``events`` that returns exactly the ``events`` counted, every column.
    Times are epoch milliseconds UTC. ``score`` is 0..100. ``uid`` is a hash of rule, version, suspect and window
    start: the same evidence always has the same name.
    """

    uid: str
    rule_id: str
    rule_version: int
    rule_title: str
    kind: Kind
    lead: str
    suspect_type: SuspectType
    suspect: str
    severity: str  # informational, low, medium, high, critical (Sigma's levels)
    score: float
    first_ts: int
    last_ts: int
    events: int
    reasons: tuple[Reason, ...]
    parameters: Mapping[str, str | int | float]
    evidence_sql: str
    scope: ScopeHint


@dataclass(frozen=True, slots=True)
class Lead:
    """The detections of one actor or campaign: they share a suspect, a session, a principal or an address."""

    uid: str
    detections: tuple[str, ...]
    first_ts: int
    last_ts: int


class WindowKind(StrEnum):
    """How a rule cuts one suspect's events into episodes; ``detections/compilation.py`` says the SQL of each."""

    RUN = "run"  # events with no silence longer than the window between them
    BUCKET = "bucket"  # fixed stretches of the window's length, counted from 1970; neighbours are merged
    WHOLE = "whole"  # everything there is
    MARK = "mark"  # the window before each marked event, overlapping ones merged
    EVENT_COUNT = "event_count"  # Sigma: the window before each event, when it holds enough events
    VALUE_COUNT = "value_count"  # Sigma: the same, when it holds enough distinct values


@dataclass(frozen=True, slots=True)
class Window:
    """When events belong together: ``length_ms`` of the window; ``operator`` and ``count`` of a correlation's
    condition.
    """

    kind: WindowKind
    length_ms: int = 0
    operator: str = ""  # >=, >, <=, <, =, <>
    count: int = 0
    value: str = ""  # VALUE_COUNT: SQL of what is counted once
    mark: str = ""  # MARK: SQL condition over one event and the one before it


@dataclass(frozen=True, slots=True)
class Measure:
    """One number about an episode: ``row`` is SQL over one event, ``aggregate`` SQL with ``{row}`` for that column."""

    name: str
    row: str  # empty when the aggregate looks at no column
    aggregate: str


@dataclass(frozen=True, slots=True)
class Usual:
    """What is usual, measured over all events under ``condition``, beside the episode: joined by the keys ``by``.

    ``by`` maps a key of the rule to the SQL that finds the same name in these events.
    """

    name: str
    condition: str
    by: Mapping[str, str]
    measures: tuple[Measure, ...]


@dataclass(frozen=True, slots=True)
class Peers:
    """The episodes that look alike: those under ``where`` with the same ``by``, and SQL aggregates over their
    measures. With ``within_ms`` only those that began so long before or after the one that is compared.
    """

    by: tuple[str, ...]
    where: str
    measures: Mapping[str, str]
    within_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Candidates:
    """Which keys are looked at at all: those with ``at_least`` events under ``condition``, or so many distinct
    ``value``s.
    """

    at_least: int
    condition: str = ""  # SQL over one event
    value: str = ""  # SQL over one event


@dataclass(frozen=True, slots=True)
class ReasonRule:
    """A sentence shown with a detection when ``when`` holds of its measures, and the points it adds to the score."""

    text: str
    when: str
    points: float


@dataclass(frozen=True, slots=True)
class Example:
    """Events that must make a rule fire, or leave it silent: rows by column, already written out."""

    name: str
    fires: bool
    events: tuple[Mapping[str, str | int | float | None], ...]
    suspects: tuple[str, ...]  # exactly these, when the author named them
    place: str  # file:line


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule, read and compiled to SQL pieces over the columns of an event.

    ``keys`` maps the names events are grouped by to SQL over one event; ``suspect`` is one of them. ``condition`` is
    the SQL under which an event counts: the evidence of a detection is exactly the events under ``condition`` with the
    detection's keys, from its first to its last moment. ``having`` is SQL over measures, or empty.
    """

    rule_id: str
    version: int
    title: str
    description: str
    kind: Kind
    level: str
    tags: tuple[str, ...]
    suspect_type: SuspectType
    suspect: str
    keys: Mapping[str, str]
    condition: str
    columns: tuple[str, ...]  # the columns that windows and measures read
    flags: Mapping[str, str]  # named selections they read: name -> SQL
    previous: tuple[str, ...]  # columns of the event before (same keys), read as previous_<column>
    window: Window
    measures: tuple[Measure, ...]
    usual: tuple[Usual, ...]
    derived: Mapping[str, str]
    peers: Peers | None
    having: str
    candidates: Candidates | None
    parameters: Mapping[str, str | int | float]
    reasons: tuple[ReasonRule, ...]
    scope: ScopeHint
    advice: str
    false_positives: tuple[str, ...]
    examples: tuple[Example, ...]
    campaign: bool  # whether all its detections close in time belong to one lead
    place: str  # file:line
