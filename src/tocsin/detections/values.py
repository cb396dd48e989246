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
    to the intruder too (a stolen session, a phished staff account, a stolen cloud key).
    """

    accounts: AccountRole = AccountRole.NONE
    proof: str = "status_id = 1"
    owners: bool = False
    network_cohort: bool = False
    follow: bool = False


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a detection was raised: an English sentence with ``{names}``, translated when shown, and their values."""

    text: str
    values: Mapping[str, str | int | float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Detection:
    """One match of one rule. Its evidence is ``rule_id``, ``rule_version`` and ``parameters``; ``evidence_sql`` renders it.

    ``evidence_sql`` is one SELECT over the view ``events`` that returns exactly the ``events`` counted, every column.
    Times are epoch milliseconds UTC. ``score`` is 0..100. ``uid`` is a hash of rule, version, suspect and window start:
    the same evidence always has the same name.
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
