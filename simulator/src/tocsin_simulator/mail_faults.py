"""What goes wrong on purpose at the simulated mail server: rules from a JSON file, decided by the seed, not by time."""

import fnmatch
import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

PLACES = ("sender", "recipient", "data")
KINDS = {
    "refuse": "answer with `code` (400 to 599) and `text`",
    "drop_before_answer": "close the line instead of an answer; nothing is kept",
    "drop_after_accept": "keep the mail, then close the line before 250 is said (data only)",
    "slow": "answer `seconds` later",
    "bounce": "say 250, then send a delivery status notification with `status` and `text` back (data only)",
    "complain": "say 250, then send an abuse report back (data only)",
}
_ONLY_DATA = {"drop_after_accept", "bounce", "complain"}
_KEYS = {"on", "kind", "code", "text", "status", "seconds", "share", "from", "until", "to", "times", "times_each"}


class FaultPlanUnclear(ValueError):
    """A plan of faults that cannot be understood; the text says where and what is possible."""


@dataclass
class MailRule:
    """One rule: at ``place``, for the mails ``first`` to ``last`` to ``to``, a ``share`` of them, so many times."""

    place: str
    kind: str
    code: int = 451
    text: str = "4.3.0 Try again later"
    status: str = "5.1.1"
    seconds: float = 0.0
    share: float = 1.0
    first: int = 1
    last: int | None = None
    to: str = "*"
    times: int | None = None
    times_each: int | None = None
    done: int = 0
    done_each: Counter[str] = field(default_factory=Counter)

    def applies(self, recipient: str, *, number: int, chance: float) -> bool:
        """Say whether it strikes the mail with this number to this recipient, and count it when it does."""
        if number < self.first or (self.last is not None and number > self.last):
            return False
        if not fnmatch.fnmatchcase(recipient.lower(), self.to.lower()) or chance >= self.share:
            return False
        if self.times is not None and self.done >= self.times:
            return False
        if self.times_each is not None and self.done_each[recipient.lower()] >= self.times_each:
            return False
        self.done += 1
        self.done_each[recipient.lower()] += 1
        return True


class MailFaults:
    """All rules of a run. One mail meets at most one rule of a kind at a place; the first that applies wins."""

    def __init__(self, rules: list[MailRule], *, seed: int) -> None:
        self.rules = rules
        self.seed = seed
        self._seen: Counter[str] = Counter()

    def choose(self, place: str, recipient: str, *, number: int) -> list[MailRule]:
        """Return what strikes here: `slow` may come before another kind, otherwise one rule.

        Chance depends on the seed, the recipient and how often that recipient was seen, so a run can be repeated.
        """
        key = f"{place}\0{recipient.lower()}"
        self._seen[key] += 1
        chosen: list[MailRule] = []
        for index, rule in enumerate(self.rules):
            if rule.place != place or any(rule.kind != "slow" for rule in chosen):
                continue
            if rule.kind == "slow" and any(rule.kind == "slow" for rule in chosen):
                continue
            chance = _chance(f"{self.seed}\0{index}\0{key}\0{self._seen[key]}")
            if rule.applies(recipient, number=number, chance=chance):
                chosen.append(rule)
        return chosen


def _chance(text: str) -> float:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest()) / 2**64


def read_mail_faults(raw: bytes, *, where: str, seed: int) -> MailFaults:
    """Return the plan of a JSON text ``{"seed": n, "rules": [...]}``; raises ``FaultPlanUnclear``."""
    try:
        found = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise FaultPlanUnclear(f"{where}: no JSON: {error}") from error
    if not isinstance(found, Mapping) or not isinstance(found.get("rules", []), list):
        raise FaultPlanUnclear(f'{where}: a plan is {{"seed": 1, "rules": [...]}}.')
    if unknown := set(found) - {"seed", "rules"}:
        raise FaultPlanUnclear(f"{where}: {min(unknown)!r} is not known here; there are seed, rules.")
    rules = [_rule(each, where=f"{where}: rule {number}") for number, each in enumerate(found.get("rules", []), 1)]
    return MailFaults(rules, seed=int(found.get("seed", seed)))


def _rule(found: Any, *, where: str) -> MailRule:
    if not isinstance(found, Mapping):
        raise FaultPlanUnclear(f"{where}: a rule is an object.")
    if unknown := set(found) - _KEYS:
        raise FaultPlanUnclear(f"{where}: {min(unknown)!r} is not known; there are {', '.join(sorted(_KEYS))}.")
    place, kind = found.get("on", "data"), found.get("kind")
    if place not in PLACES:
        raise FaultPlanUnclear(f"{where}: on {place!r}: there are {', '.join(PLACES)}.")
    if kind not in KINDS:
        raise FaultPlanUnclear(f"{where}: kind {kind!r}: there are {', '.join(KINDS)}.")
    if kind in _ONLY_DATA and place != "data":
        raise FaultPlanUnclear(f"{where}: {kind} is possible on data only.")
    code = _number(found, "code", 451, where=where)
    if not 400 <= code <= 599:
        raise FaultPlanUnclear(f"{where}: code {code}: a refusal lies between 400 and 599.")
    default = "5.1.1 Nobody of that name" if code >= 500 else "4.3.0 Try again later"
    return MailRule(
        place=place,
        kind=kind,
        code=int(code),
        text=str(found.get("text", default)),
        status=str(found.get("status", "5.1.1")),
        seconds=_number(found, "seconds", 1.0, where=where),
        share=_number(found, "share", 1.0, where=where),
        first=int(_number(found, "from", 1, where=where)),
        last=int(found["until"]) if _number(found, "until", 0, where=where) else None,
        to=str(found.get("to", "*")),
        times=int(_number(found, "times", 0, where=where)) if "times" in found else None,
        times_each=int(_number(found, "times_each", 0, where=where)) if "times_each" in found else None,
    )


def _number(found: Mapping[str, Any], key: str, default: float, *, where: str) -> float:
    value = found.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
        raise FaultPlanUnclear(f"{where}: {key} {value!r} is no number.")
    return value
