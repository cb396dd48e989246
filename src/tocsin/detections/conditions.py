"""Sigma conditions to SQL: one boolean expression over the columns of an event, exactly what the rule says or a
refusal.

Texts are compared without regard to case (Sigma's default; ``cased`` for the other); a missing field matches nothing,
and so *not field: value* matches an event without the field. SQL is the portable core: RE2 patterns, no time
functions.
"""

import re
from collections.abc import Iterator

from sigma.conditions import (
    ConditionAND,
    ConditionFieldEqualsValueExpression,
    ConditionItem,
    ConditionNOT,
    ConditionOR,
    ConditionValueExpression,
)
from sigma.exceptions import SigmaError
from sigma.rule import SigmaRule
from sigma.rule.detection import SigmaDetection
from sigma.types import (
    CompareOperators,
    SigmaBool,
    SigmaCasedString,
    SigmaCIDRExpression,
    SigmaCompareExpression,
    SigmaExists,
    SigmaExpansion,
    SigmaFieldReference,
    SigmaNull,
    SigmaNumber,
    SigmaRegularExpression,
    SigmaString,
    SigmaTimestampPart,
    SigmaType,
    SpecialChars,
)

from tocsin.detections.errors import RuleRefused
from tocsin.detections.expressions import ExpressionRefused, literal, quoted
from tocsin.detections.places import Document
from tocsin.events.values import COLUMN_TYPES

_NUMBERS = {"BIGINT", "INTEGER", "DOUBLE"}
_OPERATORS = {
    CompareOperators.LT: "<",
    CompareOperators.LTE: "<=",
    CompareOperators.GT: ">",
    CompareOperators.GTE: ">=",
    CompareOperators.NEQ: "<>",
}
# Python's (and PCRE's) constructs that RE2 and the engines we transpile to do not have.
_NOT_RE2 = re.compile(r"\(\?(?:=|!|<=|<!|>|P=|\(|#)|\\[1-9]|\\[ZGKX]|[*+?}]\+|\(\?\w*[aLux]")


def rule_conditions(rule: SigmaRule, document: Document) -> tuple[str, dict[str, str]]:
    """Return the SQL of the whole condition, and of each named selection."""
    if len(rule.detection.parsed_condition) != 1:
        raise document.refuse(
            "More than one condition in a rule", "detection", "condition", mend="Write one rule for each."
        )
    try:
        whole = rule.detection.parsed_condition[0].parsed
        named = {name: part.postprocess(rule.detection) for name, part in rule.detection.detections.items()}
    except SigmaError as error:
        raise document.refuse(f"The condition cannot be read: {error.args[0]}", "detection", "condition") from error
    selections = {name: _Writer(document, name).write(tree) for name, tree in named.items()}
    return _Writer(document, "condition").write(whole), selections


class _Writer:
    """Writes one condition tree; knows where it stands, for refusals."""

    def __init__(self, document: Document, selection: str) -> None:
        self._document = document
        self._selection = selection

    def write(self, node: object, *, negated: bool = False) -> str:
        match node:
            case ConditionNOT():
                return f"(NOT {self.write(node.args[0], negated=not negated)})"
            case ConditionAND() | ConditionOR():
                return self._joined(node, negated=negated)
            case ConditionFieldEqualsValueExpression():
                sql = self._leaf(node.field, node.value)
                # In a WHERE null counts as false by itself; under NOT it has to be said.
                return f"coalesce({sql}, FALSE)" if negated else sql
            case ConditionValueExpression():
                raise self._refuse(
                    "Keywords without a field cannot be searched: events have no full text", "", mend="Name a field."
                )
            case SigmaDetection() | ConditionItem() | None:
                raise self._refuse("An empty or unknown part of a condition", "")
        raise self._refuse(f"Unknown part of a condition: {type(node).__name__}", "")

    def _joined(self, node: ConditionAND | ConditionOR, *, negated: bool) -> str:
        if isinstance(node, ConditionAND):
            return "(" + " AND ".join(self.write(part, negated=negated) for part in node.args) + ")"
        listed: dict[str, list[str]] = {}
        others = []
        for part in node.args:
            plain = _plain_text(part)
            if plain and COLUMN_TYPES.get(plain[0]) == "VARCHAR":
                listed.setdefault(plain[0], []).append(plain[1])
            else:
                others.append(self.write(part, negated=negated))
        for field, texts in listed.items():
            sql = f"lower({self._column(field)}) IN ({', '.join(map(quoted, texts))})"
            others.append(f"coalesce({sql}, FALSE)" if negated else sql)
        return "(" + " OR ".join(others) + ")" if len(others) > 1 else others[0]

    def _refuse(self, what: str, field: str, mend: str = "") -> RuleRefused:
        starts = [path for path in self._document.lines if path[:1] == ("detection",) and len(path) > 1]
        for path in starts:
            inside = self._selection == "condition" or path[1] == self._selection
            if field and inside and str(path[-1]).split("|")[0] == field:
                return self._document.refuse(what, *path, mend=mend)
        return self._document.refuse(what, "detection", self._selection, mend=mend)

    def _column(self, field: str) -> str:
        if field == "unmapped":
            raise self._refuse(
                "Rules never read the column unmapped", field, mend="Map the value to a column of its own."
            )
        if field not in COLUMN_TYPES:
            raise self._refuse(
                f"Unknown field {field}", field, mend="docs/reference/events.md lists the columns of an event."
            )
        return field

    def _leaf(self, field: str, value: SigmaType) -> str:
        column = self._column(field)
        number = COLUMN_TYPES[field] in _NUMBERS
        match value:
            case SigmaNull():
                return f"({column} IS NULL)"
            case SigmaExists():
                return f"({column} IS {'NOT ' if value else ''}NULL)"
            case SigmaTimestampPart():
                raise self._refuse("Parts of a time stamp cannot be compared in a rule", field)
            case SigmaNumber():
                return f"({column} = {self._constant(field, value.number)})"
            case SigmaBool():
                return (
                    f"(lower({column}) = {quoted(str(bool(value)).lower())})" if not number else self._no_number(field)
                )
            case SigmaCompareExpression():
                if not number:
                    raise self._refuse(f"{field} is text: it has no greater or smaller", field)
                return f"({column} {_OPERATORS[value.op]} {literal(value.number.number)})"
            case SigmaExpansion():
                return "(" + " OR ".join(self._leaf(field, part) for part in value.values) + ")"
            case SigmaFieldReference():
                return self._reference(field, value)
        return self._no_number(field) if number else self._text_leaf(field, column, value)

    def _text_leaf(self, field: str, column: str, value: SigmaType) -> str:
        match value:
            case SigmaString():
                return self._text(field, column, value)
            case SigmaRegularExpression():
                return self._pattern(field, column, value)
            case SigmaCIDRExpression():
                return self._network(field, column, value)
        raise self._refuse(f"{type(value).__name__} cannot be expressed", field)

    def _constant(self, field: str, number: int | float) -> str:
        return literal(number) if COLUMN_TYPES[field] in _NUMBERS else quoted(str(number))

    def _no_number(self, field: str) -> str:
        raise self._refuse(f"{field} is a number: compare it with a number", field)

    def _reference(self, field: str, value: SigmaFieldReference) -> str:
        other = self._column(value.field)
        texts = COLUMN_TYPES[field] == COLUMN_TYPES[value.field] == "VARCHAR"
        if not texts and (
            value.starts_with or value.ends_with or "VARCHAR" in {COLUMN_TYPES[field], COLUMN_TYPES[value.field]}
        ):
            raise self._refuse(f"{field} and {value.field} cannot be compared this way", field)
        if not texts:
            return f"({field} = {other})"
        left, right = f"lower({field})", f"lower({other})"
        if value.starts_with or value.ends_with:
            parts = [f"starts_with({left}, {right})"] * value.starts_with + [
                f"ends_with({left}, {right})"
            ] * value.ends_with
            return "(" + " AND ".join(parts) + ")"
        return f"({left} = {right})"

    def _text(self, field: str, column: str, value: SigmaString) -> str:
        cased = isinstance(value, SigmaCasedString)
        left = column if cased else f"lower({column})"
        parts = list(value.s)
        if any(not isinstance(part, str | SpecialChars) for part in parts):
            raise self._refuse("A placeholder (%name%) that nobody fills", field)
        texts = [part if cased else part.lower() for part in parts if isinstance(part, str)]
        shape = "".join(
            "t" if isinstance(part, str) else "*" if part is SpecialChars.WILDCARD_MULTI else "?" for part in parts
        )
        try:
            match shape:
                case "" | "t":
                    return f"({left} = {quoted(texts[0] if texts else '')})"
                case "*":
                    return f"({column} IS NOT NULL)"
                case "t*":
                    return f"starts_with({left}, {quoted(texts[0])})"
                case "*t":
                    return f"ends_with({left}, {quoted(texts[0])})"
                case "*t*":
                    return f"(strpos({left}, {quoted(texts[0])}) > 0)"
            written = "".join(_wildcard(part, cased=cased) for part in parts)
            return f"regexp_matches({left}, {quoted('(?s)^' + written + '$')})"
        except ExpressionRefused as error:
            raise self._refuse(str(error), field) from error

    def _pattern(self, field: str, column: str, value: SigmaRegularExpression) -> str:
        pattern = str(value.regexp)
        flags = "".join(sorted(value.sigma_to_re_flag[flag] for flag in value.flags))
        found = _NOT_RE2.search(pattern)
        if found:
            raise self._refuse(f"{found.group()} is outside the RE2 subset every engine has", field)
        try:
            re.compile(pattern)
            return f"regexp_matches({column}, {quoted((f'(?{flags})' if flags else '') + pattern)})"
        except (re.error, ExpressionRefused) as error:
            raise self._refuse(f"Not a regular expression: {error}", field) from error

    def _network(self, field: str, column: str, value: SigmaCIDRExpression) -> str:
        if value.network.version != 4:
            raise self._refuse(
                "IPv6 networks have many spellings; cidr is for IPv4", field, mend="Compare src_network."
            )
        tests = []
        for pattern in value.expand():
            if pattern == "*":
                tests.append(f"strpos({column}, '.') > 0")
            elif pattern.endswith("*"):
                tests.append(f"starts_with({column}, {quoted(pattern[:-1])})")
            else:
                tests.append(f"{column} = {quoted(pattern)}")
        return "(" + " OR ".join(tests) + ")"


def _plain_text(node: object) -> tuple[str, str] | None:
    """Return field and lower-cased text of an exact comparison, which many of can share one IN list."""
    if not isinstance(node, ConditionFieldEqualsValueExpression):
        return None
    value = node.value
    if not isinstance(value, SigmaString) or isinstance(value, SigmaCasedString):
        return None
    parts = list(value.s)
    if len(parts) == 1 and isinstance(parts[0], str) and "\0" not in parts[0]:
        return node.field, parts[0].lower()
    return None


def _wildcard(part: object, *, cased: bool) -> str:
    if isinstance(part, str):
        return "".join(_escaped(part if cased else part.lower()))
    return ".*" if part is SpecialChars.WILDCARD_MULTI else "."


def _escaped(text: str) -> Iterator[str]:
    for character in text:
        yield f"\\{character}" if character in r"\.+*?()|[]{}^$" else character
