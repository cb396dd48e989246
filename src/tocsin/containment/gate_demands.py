"""What the gate's list asks of an account, and how several askings become one."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tocsin.containment.values import Measure, MeasureKind

OF_CLIENTS = frozenset({MeasureKind.UPDATE_CLIENT, MeasureKind.RETIRE_CLIENT})
# A change can report these as done; the others are seen from the request itself: its token's time, its client.
DONE_BY_CHANGE = frozenset({MeasureKind.RESET_PASSWORD, MeasureKind.ROTATE_KEY})


@dataclass(frozen=True, slots=True, order=True)
class GateRule:
    """A demand on clients: a platform's least version, or a client that is no longer let in."""

    kind: MeasureKind
    platform: str = ""
    version_min: str = ""
    client: str = ""
    unknown: str = "pass"  # a version that is missing or garbage: pass or refuse

    def as_json(self, *, since_ms: int, everyone: bool) -> dict[str, Any]:
        """Return it as the header of a snapshot says it."""
        said: dict[str, Any] = {"measure": self.kind.value, "everyone": everyone, "since": since_ms}
        if self.kind is MeasureKind.RETIRE_CLIENT:
            return {**said, "client": self.client, "platform": self.platform}
        named = {"platform": self.platform, "version_min": self.version_min, "unknown": self.unknown}
        return {**said, **named, "until_grace": None}


@dataclass(frozen=True, slots=True, order=True)
class GateDemand:
    """One measure asked of an account: what was issued before ``since_ms`` (whole seconds) does not meet it."""

    kind: MeasureKind
    since_ms: int
    rule: GateRule | None = None


Demands = frozenset[GateDemand]
NOTHING: Demands = frozenset()


def rounded_up(since_ms: int) -> int:
    """Return whole seconds in milliseconds: of a token of the same second it is not known which came first."""
    return -(-since_ms // 1000) * 1000


def demands_of(measures: Iterable[Measure], *, since_ms: int) -> Demands:
    """Return what the gate asks for these measures; ``none`` asks nothing."""
    since = rounded_up(since_ms)
    return frozenset(
        GateDemand(kind=each.kind, since_ms=since, rule=_rule(each))
        for each in measures
        if each.kind is not MeasureKind.NONE
    )


def _rule(measure: Measure) -> GateRule | None:
    if measure.kind not in OF_CLIENTS:
        return None
    return GateRule(
        kind=measure.kind, platform=measure.platform, version_min=measure.version_min, client=measure.client
    )


def merged(several: Iterable[Demands]) -> Demands:
    """Return one set that asks everything any of them asks: each measure (and rule) once, with the latest time."""
    latest: dict[tuple[MeasureKind, GateRule | None], int] = {}
    for demands in several:
        for each in demands:
            key = (each.kind, each.rule)
            latest[key] = max(latest.get(key, each.since_ms), each.since_ms)
    return frozenset(GateDemand(kind, since, rule) for (kind, rule), since in latest.items())


def without(demands: Demands, *, done: Iterable[MeasureKind]) -> Demands:
    """Return what is still asked when ``done`` was seen; what a request itself shows goes on being asked of it."""
    gone = DONE_BY_CHANGE & set(done)
    return frozenset(each for each in demands if each.kind not in gone) if gone else demands


@dataclass
class Rulebook:
    """The numbered rules and combinations of one list; numbers are given once and never change their meaning."""

    rules: list[tuple[GateRule, bool, int]] = field(default_factory=list)  # rule, for everybody, since
    combinations: list[Demands] = field(default_factory=list)
    references: list[str] = field(default_factory=list)  # of each combination: what a person quotes to the help desk
    _codes: dict[Demands, int] = field(default_factory=dict)
    _rules: dict[tuple[GateRule, bool], int] = field(default_factory=dict)

    def code_of(self, demands: Demands, *, reference: str = "") -> int:
        """Return the number of a combination, 1.. (0 for nothing asked), giving it one when it is new."""
        if not demands:
            return 0
        code = self._codes.get(demands)
        if code is None:
            for each in sorted(demands):
                if each.rule is not None:
                    self.add_rule(each.rule, everyone=False, since_ms=each.since_ms)
            self.combinations.append(demands)
            self.references.append(reference)
            code = self._codes[demands] = len(self.combinations)
        return code

    def demands_of(self, code: int) -> Demands:
        """Return what a number stands for."""
        return self.combinations[code - 1] if code else NOTHING

    def add_rule(self, rule: GateRule, *, everyone: bool, since_ms: int) -> int:
        """Return the number of a rule, 0.., giving it one when it is new."""
        number = self._rules.get((rule, everyone))
        if number is None:
            number = self._rules[rule, everyone] = len(self.rules)
            self.rules.append((rule, everyone, since_ms))
        return number

    def combination_as_json(self, code: int) -> dict[str, Any]:
        """Return a combination as the header of a snapshot, or a change, says it."""
        said = [
            {
                "measure": each.kind.value,
                "since": each.since_ms,
                "rule": None if each.rule is None else self._rules[each.rule, False],
            }
            for each in sorted(self.combinations[code - 1], key=_order)
        ]
        return {"demands": said, "reference": self.references[code - 1]}

    def rules_as_json(self) -> list[dict[str, Any]]:
        """Return every rule as the header says it."""
        return [rule.as_json(since_ms=since, everyone=everyone) for rule, everyone, since in self.rules]

    @classmethod
    def of_header(cls, header: Mapping[str, Any]) -> "Rulebook":
        """Return the rulebook a snapshot's header says, to go on numbering from there."""
        book = cls()
        for said in header["rules"]:
            book.take_rule(len(book.rules), said)
        for number, said in enumerate(header["combinations"], start=1):
            book.take_combination(number, said)
        return book

    def take_rule(self, number: int, said: Mapping[str, Any]) -> None:
        """Take in a rule of a header or a change under its number."""
        rule = GateRule(
            kind=MeasureKind(said["measure"]),
            platform=said.get("platform", ""),
            version_min=said.get("version_min", ""),
            client=said.get("client", ""),
            unknown=said.get("unknown", "pass"),
        )
        if number == len(self.rules):
            self.rules.append((rule, said["everyone"], said["since"]))
        self._rules.setdefault((rule, said["everyone"]), number)

    def take_combination(self, code: int, said: Mapping[str, Any]) -> None:
        """Take in a combination of a header or a change under its number."""
        demands = frozenset(_demand(each, rules=self.rules) for each in said["demands"])
        if code == len(self.combinations) + 1:
            self.combinations.append(demands)
            self.references.append(said.get("reference") or "")
        self._codes.setdefault(demands, code)


def _order(demand: GateDemand) -> tuple[str, int, GateRule]:
    return demand.kind.value, demand.since_ms, demand.rule or GateRule(demand.kind)


def _demand(said: Mapping[str, Any], *, rules: Sequence[tuple[GateRule, bool, int]]) -> GateDemand:
    number = said["rule"]
    return GateDemand(MeasureKind(said["measure"]), said["since"], None if number is None else rules[number][0])
