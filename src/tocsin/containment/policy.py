"""What a policy says: rules from the top down that give each account of a scope its measures, waves and stop rules."""

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from tocsin.containment.values import Measure, MeasureKind
from tocsin.kernel.language import gettext_noop

# Nobody who draws a plan can lift the threshold out of reach: a policy may only be stricter.
APPROVAL_ABOVE_DEFAULT = 100
APPROVAL_ABOVE_MAX = 1000
APPROVAL_PEOPLE_MIN = 2
KEPT_DAYS = 90  # how long a closed plan keeps old tokens out: longer than a refresh token lives
PRINCIPAL = "principal"  # a role: an identity of staff, of a service or in a cloud that the intruder used
WAVE_SHARES = (0.001, 0.01, 0.1, 1.0)
WAVE_WAIT_MINUTES = 15.0


class Leaked(StrEnum):
    """What the intruder took, which decides what helps: a thief re-enters a stolen password, but not a session."""

    SESSION = "session"
    PASSWORD = "password"
    CLIENT = "client"  # what a client proves itself with: a signing key, a client secret
    KEY = "key"  # a customer's own API key


class ExemptionKind(StrEnum):
    """Why an account is left alone although it is in the scope."""

    BREAK_GLASS = "break_glass"
    SERVICE = "service"
    OTHER = "other"


# The rule "with evidence of compromise the verifier forces a change" is NIST SP 800-63B-4 section 3.1.1.2; that a new
# password alone leaves sessions alive is why they are revoked as well.
MEASURES_OF: dict[Leaked, tuple[MeasureKind, ...]] = {
    Leaked.SESSION: (MeasureKind.REVOKE_SESSIONS, MeasureKind.REAUTHENTICATE),
    Leaked.PASSWORD: (MeasureKind.RESET_PASSWORD, MeasureKind.REVOKE_SESSIONS),
    Leaked.CLIENT: (MeasureKind.REAUTHENTICATE,),
    Leaked.KEY: (MeasureKind.ROTATE_KEY,),
}


@dataclass(frozen=True, slots=True)
class Condition:
    """Which accounts a rule is for: every part that is given must hold; several words in one part are alternatives.

    A version that cannot be read is inside ``version_below`` and ``version_upto``: the account cannot be ruled out.
    """

    roles: tuple[str, ...] = ()
    certainties: tuple[str, ...] = ()
    data: tuple[str, ...] = ()
    platforms: tuple[str, ...] = ()  # lower case; "unknown" for accounts seen on none
    version_below: str = ""
    version_upto: str = ""
    lists: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Rule:
    """The measures for the accounts it is the first to match. No measures need a ``reason``."""

    name: str
    when: Condition
    measures: tuple[Measure, ...]
    reason: str = ""
    at_once: bool = False  # in the first wave, whatever the hash says
    systems: tuple[str, ...] = ()  # empty: every system that takes the measure
    leaked: tuple[Leaked, ...] = ()  # only where the policy says that one of these leaked


@dataclass(frozen=True, slots=True)
class NamedList:
    """Accounts named one by one, or by a CSV file with a column ``account``."""

    name: str
    accounts: tuple[str, ...] = ()
    file: Path | None = None
    sha256: str = ""  # of the file
    where: str = ""


@dataclass(frozen=True, slots=True)
class Exemption:
    """Accounts of a list that are left alone, with the reason."""

    list: str
    kind: ExemptionKind
    reason: str


@dataclass(frozen=True, slots=True)
class StopRules:
    """What holds the next wave, per account contained so far or per minute; 0 switches a rule off."""

    failed_sign_ins_per_account: float = 3.0
    resets_per_minute: float = 600.0
    complaints_share: float = 0.01
    collateral_share: float = 0.002


@dataclass(frozen=True, slots=True)
class Assumptions:
    """What the prediction of collateral damage stands on: assumptions, to be replaced by the company's own figures."""

    calls_per_reset: float = 0.03
    calls_per_sign_in: float = 0.005
    mail_lost_share: float = 0.02
    mails_per_minute: float = 600.0


@dataclass(frozen=True, slots=True)
class Waves:
    """How the accounts are begun: cumulative shares, and how long a wave runs before the next may begin."""

    shares: tuple[float, ...] = WAVE_SHARES
    wait_minutes: float = WAVE_WAIT_MINUTES


@dataclass(frozen=True, slots=True)
class Policy:
    """A whole policy, checked: every rule can be carried out as it is written."""

    name: str
    title: str
    rules: tuple[Rule, ...]
    leaked: tuple[Leaked, ...] = ()
    lists: tuple[NamedList, ...] = ()
    exemptions: tuple[Exemption, ...] = ()
    everyone: tuple[Measure, ...] = ()
    systems: tuple[str, ...] = ()
    approval_above: int = APPROVAL_ABOVE_DEFAULT
    approval_people: int = APPROVAL_PEOPLE_MIN
    waves: Waves = field(default_factory=Waves)
    stop: StopRules = field(default_factory=StopRules)
    assumptions: Assumptions = field(default_factory=Assumptions)
    kept_days: int = KEPT_DAYS
    where: str = ""


def automatic(
    leaked: tuple[Leaked, ...], *, updates: tuple[Measure, ...] = (), passkeys: NamedList | None = None
) -> Policy:
    """Return the policy that follows from what leaked alone.

    ``updates`` are update_client and retire_client measures; the accounts of that platform get them, and everybody
    is asked for them by the gate. Accounts with passkeys only lose their sessions: nothing was stolen that they type.
    """
    asked = tuple(dict.fromkeys(Measure(kind) for each in leaked for kind in MEASURES_OF[each]))
    rules = [
        Rule(
            gettext_noop("opened or owned by the intruder"),
            Condition(roles=("attacker",)),
            (Measure(MeasureKind.SUSPEND),),
            at_once=True,
        )
    ]
    taken = (Measure(MeasureKind.REVOKE_SESSIONS), Measure(MeasureKind.RESET_PASSWORD))
    rules.append(
        Rule(gettext_noop("an identity the intruder used"), Condition(roles=(PRINCIPAL,)), taken, at_once=True)
    )
    if passkeys is not None:
        revoked = (Measure(MeasureKind.REVOKE_SESSIONS),)
        rules.append(Rule(gettext_noop("signs in with a passkey"), Condition(lists=(passkeys.name,)), revoked))
    used = Condition(roles=("instrument",))
    for update in updates:
        platforms = (update.platform,) if update.platform else ()
        for roles in (("instrument",), ()):
            condition = Condition(roles=roles, platforms=platforms, version_below=update.version_min)
            name = _update_name(update) + (f", {roles[0]}" if roles else "")
            rules.append(Rule(name, condition, (*asked, update), at_once=bool(roles)))
    rules.append(Rule(gettext_noop("used by the intruder"), used, asked, at_once=True))
    proven = Condition(certainties=("confirmed",))
    rules.append(Rule(gettext_noop("proven by events"), proven, asked, at_once=True))
    rules.append(Rule(gettext_noop("everybody else in the scope"), Condition(), asked))
    return Policy(
        name="-".join(each.value for each in leaked),
        title=gettext_noop("Chosen from what leaked."),
        rules=tuple(rules),
        leaked=leaked,
        lists=(passkeys,) if passkeys else (),
        everyone=updates,
    )


def _update_name(update: Measure) -> str:
    if update.kind is MeasureKind.RETIRE_CLIENT:
        return f"retire_client {update.client}"
    return f"{update.platform} < {update.version_min}"


def word_of(measure: Measure) -> str:
    """Return a measure in one text: ``update_client android 8.11``."""
    parts = (measure.kind.value, measure.platform, measure.version_min, measure.client)
    return " ".join(part for part in parts if part)


def measure_json(measure: Measure) -> dict[str, str]:
    """Return a measure as plans keep it."""
    return {
        "kind": measure.kind.value, "platform": measure.platform, "version_min": measure.version_min,
        "client": measure.client,
    }  # fmt: skip


def policy_json(policy: Policy, *, list_sizes: dict[str, int]) -> dict[str, Any]:
    """Return a policy as a plan keeps it and its digest covers it; lists by content hash and size, not by name."""
    return {
        "name": policy.name,
        "title": policy.title,
        "leaked": [each.value for each in policy.leaked],
        "rules": [_rule_json(rule) for rule in policy.rules],
        "lists": [
            {"name": each.name, "sha256": each.sha256, "accounts": list_sizes.get(each.name, 0)}
            for each in policy.lists
        ],
        "exempt": [{"list": e.list, "kind": e.kind.value, "reason": e.reason} for e in policy.exemptions],
        "everyone": [measure_json(each) for each in policy.everyone],
        "systems": list(policy.systems),
        "approval": {"above": policy.approval_above, "people": policy.approval_people},
        "waves": {"shares": list(policy.waves.shares), "wait_minutes": policy.waves.wait_minutes},
        "stop": _numbers(policy.stop),
        "collateral": _numbers(policy.assumptions),
        "kept_days": policy.kept_days,
    }


def _rule_json(rule: Rule) -> dict[str, Any]:
    when = {name: getattr(rule.when, name) for name in Condition.__slots__}
    return {
        "name": rule.name,
        "when": {name: list(v) if isinstance(v, tuple) else v for name, v in when.items() if v},
        "measures": [measure_json(each) for each in rule.measures],
        "reason": rule.reason,
        "at_once": rule.at_once,
        "systems": list(rule.systems),
        "leaked": [each.value for each in rule.leaked],
    }


def _numbers(values: StopRules | Assumptions) -> dict[str, float]:
    return {name: float(getattr(values, name)) for name in type(values).__slots__}
