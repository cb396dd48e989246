"""What the numbers of a list demand, and whether a request meets it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from tocsin_gate.errors import Misused
from tocsin_gate.values import ALLOWED, CODES, PRECEDENCE, Decision, Measure
from tocsin_gate.versions import Key, version_key

Moment = float | datetime

# Below this until the year 5138; a token time above it is in milliseconds and would meet every demand.
SECONDS_MAX = 100_000_000_000
_TIMED = {Measure.REAUTHENTICATE, Measure.REVOKE_SESSIONS, Measure.ROTATE_KEY, Measure.RESET_PASSWORD}
_TOKEN = (Measure.REAUTHENTICATE, Measure.REVOKE_SESSIONS, Measure.ROTATE_KEY)
_RULED = {Measure.UPDATE_CLIENT, Measure.RETIRE_CLIENT}
_DECISIONS_MAX = 65_536


class Malformed(ValueError):
    """A combination or rule that says nothing definite; the message says which field."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A demand on clients. ``grace_until`` is Unix seconds: until then an unknown version passes all the same."""

    measure: Measure
    platform: str
    client: str
    version_min: str | None
    key: Key | None
    refuses_unknown: bool
    grace_until: float
    everyone: bool


class Demand(NamedTuple):
    """One measure asked of an account. ``since`` is whole Unix seconds, rounded up; 0 where time plays no part."""

    measure: Measure
    since: int
    rule: Rule | None


@dataclass(frozen=True, slots=True)
class Combination:
    """The demands one number of the list stands for."""

    demands: tuple[Demand, ...]
    reference: str | None


def seconds(moment: Moment) -> float | None:
    """Return Unix seconds; None for what cannot be seconds (NaN, milliseconds)."""
    if isinstance(moment, datetime):
        if moment.tzinfo is None:
            raise Misused(f"the time {moment.isoformat()} has no zone.", mend="Pass an aware datetime or Unix seconds.")
        return moment.timestamp()
    return moment if moment < SECONDS_MAX else None


def read_rule(given: Mapping[str, Any]) -> Rule:
    """Read one rule of a header or a change; raises ``Malformed``."""
    try:
        measure = Measure(given["measure"])
        platform, client = given.get("platform") or "", given.get("client") or ""
        version_min, grace = (given.get("version_min") or "").strip() or None, given.get("until_grace")
        rule = Rule(
            measure=measure,
            platform=platform.casefold(),
            client=client,
            version_min=version_min,
            key=version_key(version_min),
            refuses_unknown=given.get("unknown", "pass") == "refuse",
            grace_until=grace / 1000 if grace is not None else 0.0,
            everyone=given.get("everyone", False) is True,
        )
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise Malformed(f"a rule cannot be read: {error!r}") from error
    if measure is Measure.UPDATE_CLIENT and (not platform or rule.key is None):
        raise Malformed("a rule update_client lacks its platform or a version that compares")
    if measure is Measure.RETIRE_CLIENT and not client:
        raise Malformed("a rule retire_client lacks its client")
    if measure not in _RULED:
        raise Malformed(f"a rule cannot be {measure}")
    return rule


def read_combination(given: Mapping[str, Any], rules: Mapping[int, Rule]) -> Combination:
    """Read one combination; raises ``Malformed``."""
    try:
        demands = tuple(
            sorted((_demand(one, rules) for one in given["demands"]), key=lambda demand: PRECEDENCE[demand.measure])
        )
        reference = given.get("reference") or None
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise Malformed(f"a combination cannot be read: {error!r}") from error
    return Combination(demands=demands, reference=reference)


def _demand(given: Mapping[str, Any], rules: Mapping[int, Rule]) -> Demand:
    measure, since, number = Measure(given["measure"]), given.get("since"), given.get("rule")
    rule = rules[number] if number is not None else None
    if measure in _TIMED and (not isinstance(since, int) or isinstance(since, bool)):
        raise Malformed(f"{measure} lacks its since")
    if measure in _RULED and (rule is None or rule.measure is not measure):
        raise Malformed(f"{measure} lacks its rule")
    # Rounded up: of a token of the very second it cannot be told whether it came before or after.
    return Demand(measure=measure, since=-(-(since or 0) // 1000), rule=rule)


class Rulebook:
    """Every combination and rule in force; never changed, only replaced."""

    __slots__ = ("_decisions", "combinations", "everyone", "rules")

    def __init__(self, *, rules: Mapping[int, Rule], combinations: Mapping[int, Combination]) -> None:
        self.rules = dict(rules)
        self.combinations = {0: Combination(demands=(), reference=None), **combinations}
        self.everyone = tuple(
            Demand(measure=rule.measure, since=0, rule=rule) for rule in self.rules.values() if rule.everyone
        )
        self._decisions: dict[tuple[int, int, int], Decision] = {}

    @classmethod
    def read(
        cls, *, rules: Mapping[int, Mapping[str, Any]], combinations: Mapping[int, Mapping[str, Any]]
    ) -> "Rulebook":
        """Read the rules and combinations of a header as changed since; raises ``Malformed``."""
        known = {number: read_rule(given) for number, given in rules.items()}
        return cls(
            rules=known,
            combinations={number: read_combination(given, known) for number, given in combinations.items()},
        )

    def decide(
        self,
        code: int,
        *,
        done: bool,
        token_issued_at: float | None,
        password_changed_at: float | None,
        platform: str | None,
        client_version: str | None,
        client: str | None,
        clock: Callable[[], float],
    ) -> Decision:
        """Return the decision for a number of the list; 0 is an account that is not in it.

        ``done`` says that a change reported the account as done. What is unknown meets no time; it is no client and no
        platform. One loop without calls for the demands on times: it is most of what a check of a member costs.
        """
        asked, bit = 0, 1
        for measure, since, rule in self.combinations[code].demands:
            if measure in _TOKEN:
                met = token_issued_at is not None and token_issued_at >= since
                if not met and done and measure is Measure.ROTATE_KEY:
                    met = True
            elif measure is Measure.RESET_PASSWORD:
                # A newer token is not enough: a thief signs in again with the stolen password.
                met = done or (password_changed_at is not None and password_changed_at >= since)
            elif rule is not None:
                met = _client_met(rule, platform=platform, client_version=client_version, client=client, clock=clock)
            else:
                met = measure is Measure.NONE
            if not met:
                asked |= bit
            bit <<= 1
        everyone, bit = 0, 1
        for _, _, rule in self.everyone:
            if rule is not None and not _client_met(
                rule, platform=platform, client_version=client_version, client=client, clock=clock
            ):
                everyone |= bit
            bit <<= 1
        if not asked and not everyone:
            return ALLOWED
        return self._decisions.get((code, asked, everyone)) or self._decide(code, asked=asked, everyone=everyone)

    def _decide(self, code: int, *, asked: int, everyone: int) -> Decision:
        """Make the decision for the demands that are not met, given as bits; there are few, so each is made once."""
        combination = self.combinations[code]
        named = [demand for place, demand in enumerate(combination.demands) if asked >> place & 1]
        unmet = named + [demand for place, demand in enumerate(self.everyone) if everyone >> place & 1]
        measures = tuple(sorted({demand.measure for demand in unmet}, key=PRECEDENCE.__getitem__))
        first = CODES[measures[0]]
        decision = Decision(
            allow=False,
            measures=tuple(str(measure) for measure in measures),
            code=str(first),
            text_key=f"gate.{first}",
            version_min=_highest([demand.rule for demand in unmet if demand.measure is Measure.UPDATE_CLIENT]),
            reference=combination.reference if named else None,
        )
        if len(self._decisions) < _DECISIONS_MAX:
            self._decisions[code, asked, everyone] = decision
        return decision


def _highest(rules: list[Rule | None]) -> str | None:
    """Return the version that meets every one of these rules."""
    known = [rule for rule in rules if rule is not None and rule.key is not None]
    return max(known, key=lambda rule: rule.key or ((), 0, ())).version_min if known else None


def _client_met(
    rule: Rule, *, platform: str | None, client_version: str | None, client: str | None, clock: Callable[[], float]
) -> bool:
    stated = (platform or "").strip().casefold()
    if rule.measure is Measure.RETIRE_CLIENT:
        return client != rule.client or bool(rule.platform and stated != rule.platform)
    if stated != rule.platform or rule.key is None:
        return True
    key = version_key(client_version)
    if key is None:
        return not rule.refuses_unknown or clock() < rule.grace_until
    return key >= rule.key
