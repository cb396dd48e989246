"""Scripted faults: which request or webhook goes wrong, and how.

What a rule hits follows from the seed and the message (its callback data, else its place at the socket), not from when
it came.
"""

import hashlib
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

# kind -> its own keys with their defaults. What each does: docs/howto/simulator.md.
OF_MESSAGES: dict[str, dict[str, Any]] = {
    "drop_before_read": {},
    "drop_after_accept": {"headers": False},
    "hang_after_accept": {"seconds": 120.0},
    "accept_and_silence": {},
    "refuse": {"code": 131000, "http": 0, "details": ""},
    "storm": {"seconds": 5.0, "code": 130429, "http": 0},
    "slow": {"seconds": 1.0},
    "lose_statuses": {"statuses": ["sent", "delivered", "read"]},
    "reorder_statuses": {},
    "duplicate_statuses": {"copies": 2},
    "fail": {"code": 131026, "details": ""},
    "hold": {"seconds": 600.0, "then": "release"},
    "webhook_error": {"code": 131000, "details": ""},
}
OF_MANAGEMENT: dict[str, dict[str, Any]] = {
    "drop_before_read": {},
    "refuse": {"code": 131000, "http": 0, "details": ""},
    "slow": {"seconds": 1.0},
}
OF_WEBHOOKS: dict[str, dict[str, Any]] = {"lose_webhooks": {}, "repeat_webhooks": {}, "bad_signature": {}}
KINDS = {"messages": OF_MESSAGES, "management": OF_MANAGEMENT, "webhooks": OF_WEBHOOKS}
SHARED: dict[str, tuple[type, ...]] = {
    "on": (str,),
    "kind": (str,),
    "share": (int, float),
    "from": (int,),
    "until": (int,),
    "to": (str,),
    "phone": (str,),
    "times": (int,),
}


class FaultsUnreadable(ValueError):
    """A fault plan is wrong; the text says where."""


@dataclass
class Rule:
    """One line of a plan. `first` and `last` count requests at the socket, from 1."""

    place: int
    on: str
    kind: str
    share: float = 1.0
    first: int = 1
    last: int | None = None
    to: str = ""
    phone: str = ""
    times: int | None = None
    given: dict[str, Any] = field(default_factory=dict)


def read_plan(plan: Any) -> tuple[int | None, list[Rule]]:
    """Return the plan's seed and rules.

    Raises:
        FaultsUnreadable: with the place of an unknown key or kind, or of a value of the wrong type.

    """
    if not isinstance(plan, dict) or not isinstance(plan.get("rules", []), list):
        raise FaultsUnreadable('the plan must be an object with a list "rules"')
    for key in plan:
        if key not in {"seed", "rules"}:
            raise FaultsUnreadable(f"{key}: unknown key; known are rules, seed")
    seed = plan.get("seed")
    if seed is not None and not isinstance(seed, int):
        raise FaultsUnreadable("seed: must be a whole number")
    return seed, [read_rule(place, rule) for place, rule in enumerate(plan.get("rules", []))]


def read_rule(place: int, rule: Any) -> Rule:
    """Return one rule; raises FaultsUnreadable."""
    where = f"rules[{place}]"
    if not isinstance(rule, dict):
        raise FaultsUnreadable(f"{where}: must be an object")
    on = rule.get("on", "messages")
    if on not in KINDS:
        raise FaultsUnreadable(f"{where}.on: {on!r} is unknown; known are {', '.join(KINDS)}")
    kind = rule.get("kind")
    if kind not in KINDS[on]:
        raise FaultsUnreadable(f"{where}.kind: {kind!r} is unknown; known for {on} are {', '.join(KINDS[on])}")
    own = KINDS[on][kind]
    for key, value in rule.items():
        if key not in SHARED and key not in own:
            raise FaultsUnreadable(f"{where}.{key}: unknown key; known are {', '.join([*SHARED, *own])}")
        wanted = SHARED.get(key) or ((int, float) if isinstance(own[key], float) else (type(own[key]),))
        if not isinstance(value, wanted) or (isinstance(value, bool) and bool not in wanted):
            raise FaultsUnreadable(f"{where}.{key}: must be {' or '.join(kind.__name__ for kind in wanted)}")
    share = float(rule.get("share", 1.0))
    if not 0 <= share <= 1:
        raise FaultsUnreadable(f"{where}.share: must be between 0 and 1")
    return Rule(
        place=place,
        on=on,
        kind=kind,
        share=share,
        first=rule.get("from", 1),
        last=rule.get("until"),
        to=rule.get("to", "").lstrip("+"),
        phone=rule.get("phone", ""),
        times=rule.get("times"),
        given=own | {key: value for key, value in rule.items() if key in own},
    )


class Faults:
    """The plan in force."""

    def __init__(self, *, seed: int, plan: Any = None) -> None:
        """Take a plan; raises FaultsUnreadable."""
        own, rules = read_plan(plan if plan is not None else {})
        self._seed = seed if own is None else own
        self.rules = rules
        self.hits: Counter[int] = Counter()  # by the rule's place
        self.by_kind: Counter[str] = Counter()
        # How often a message met a fault already: its next try is decided anew, else it could never pass.
        self._tries: Counter[tuple[int, str]] = Counter()
        self._of = {on: [rule for rule in rules if rule.on == on] for on in KINDS}

    def replace(self, plan: Any) -> None:
        """Put another plan in force; counts of the old one's kinds stay."""
        own, rules = read_plan(plan)
        self._seed = self._seed if own is None else own
        self.rules = rules
        self.hits.clear()
        self._tries.clear()
        self._of = {on: [rule for rule in rules if rule.on == on] for on in KINDS}

    def pick(self, on: str, *, key: str, ordinal: int, person: str = "", phone: str = "") -> list[Rule]:
        """Return the rules that hit a request, in the plan's order."""
        rules = self._of[on]
        if not rules:
            return []
        return [rule for rule in rules if self._hits(rule, key=key, ordinal=ordinal, person=person, phone=phone)]

    def _hits(self, rule: Rule, *, key: str, ordinal: int, person: str, phone: str) -> bool:
        if ordinal < rule.first or (rule.last is not None and ordinal > rule.last):
            return False
        if (rule.to and rule.to != person) or (rule.phone and rule.phone != phone):
            return False
        if rule.times is not None and self.hits[rule.place] >= rule.times:
            return False
        if rule.share < 1:
            met = self._tries.get((rule.place, key), 0)
            if share_of(f"{self._seed}|{rule.place}|{key}|{met}") >= rule.share:
                return False
            self._tries[rule.place, key] = met + 1
        self.hits[rule.place] += 1
        self.by_kind[rule.kind] += 1
        return True

    def of_webhook(self, ordinal: int) -> str:
        """Return what goes wrong with a webhook, or nothing."""
        rules = self.pick("webhooks", key=str(ordinal), ordinal=ordinal)
        return rules[0].kind if rules else ""


def share_of(key: str) -> float:
    """Return a number in [0, 1) that follows from the key."""
    return int.from_bytes(hashlib.blake2b(key.encode(), digest_size=7).digest(), "big") / 2**56
