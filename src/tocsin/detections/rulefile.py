"""Reading a rule file: Sigma documents by pySigma, our blocks by ourselves, everything checked, nothing dropped."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from sigma.collection import SigmaCollection
from sigma.correlations import (
    SigmaCorrelationCondition,
    SigmaCorrelationConditionOperator,
    SigmaCorrelationRule,
    SigmaCorrelationType,
)
from sigma.exceptions import SigmaError
from sigma.rule import SigmaRule

from tocsin.detections.blocks import Vocabulary
from tocsin.detections.conditions import rule_conditions
from tocsin.detections.examples import read_examples
from tocsin.detections.places import Document, read_documents
from tocsin.detections.profile import Profile, read_profile
from tocsin.detections.values import AccountRole, Kind, ReasonRule, Rule, ScopeHint, SuspectType, Window, WindowKind
from tocsin.events.values import COLUMN_TYPES

SUSPECT_COLUMNS = {
    SuspectType.ACCOUNT: "account",
    SuspectType.SESSION: "actor_session_uid",
    SuspectType.ADDRESS: "src_endpoint_ip",
    SuspectType.NETWORK: "src_network",
    SuspectType.API_KEY: "actor_credential_uid",
    SuspectType.PRINCIPAL: "actor_user_uid",
}
_OPERATORS = {
    SigmaCorrelationConditionOperator.GTE: ">=",
    SigmaCorrelationConditionOperator.GT: ">",
    SigmaCorrelationConditionOperator.LTE: "<=",
    SigmaCorrelationConditionOperator.LT: "<",
    SigmaCorrelationConditionOperator.EQ: "=",
    SigmaCorrelationConditionOperator.NEQ: "<>",
}
_OURS = {"tocsin", "profile", "examples"}
_SIGMA_KEYS = {
    "title",
    "id",
    "name",
    "related",
    "status",
    "description",
    "references",
    "author",
    "date",
    "modified",
    "tags",
    "level",
    "logsource",
    "detection",
    "correlation",
    "falsepositives",
    "fields",
    "license",
    "taxonomy",
    "scope",
}
_TOCSIN_KEYS = {"version", "kind", "suspect", "campaign", "parameters", "scope", "reasons", "advice", "quiet"}


def read_rule(path: Path) -> Rule:
    """Read one rule file, or raise RuleRefused with file and line."""
    documents = read_documents(path)
    ours = [document for document in documents if "tocsin" in document.values]
    if len(ours) != 1:
        where = ours[1] if len(ours) > 1 else (documents[0] if documents else Document(path.name, {}, {}))
        raise where.refuse("A rule file has one tocsin block", mend="Give it kind, suspect and version.")
    primary = ours[0]
    for document in documents:
        for key in document.values:
            if key not in _SIGMA_KEYS | (_OURS if document is primary else set()):
                raise document.refuse(f"Unknown key {key}", key)
    parsed = [_parsed(document) for document in documents]
    rules = {str(rule.name): (rule, document) for rule, document in zip(parsed, documents, strict=True) if rule.name}
    rule = parsed[documents.index(primary)]
    if not rule.name or not re.fullmatch(r"[a-z][a-z0-9_]{2,60}", rule.name):
        raise primary.refuse("The rule needs a name in lower case, digits and _", "name")
    return _compiled(rule, primary, rules, documents)


def _parsed(document: Document) -> SigmaRule | SigmaCorrelationRule:
    values = {key: value for key, value in document.values.items() if key not in _OURS}
    for key in ("action", "filter"):
        if key in values:
            raise document.refuse(f"{key} documents are not supported", key)
    try:
        rule = SigmaCollection.from_dicts([values], resolve_references=False).rules[0]
    except (SigmaError, ValueError, TypeError, AttributeError, KeyError) as error:
        what = error.args[0] if error.args else error
        raise document.refuse(f"Not a Sigma rule: {what}", *_blamed(str(what), values)) from error
    if isinstance(rule, SigmaRule | SigmaCorrelationRule):
        return rule
    raise document.refuse("Only rules and correlations are supported")


def _blamed(what: str, values: Mapping[str, Any]) -> tuple[str | int, ...]:
    """Return the place an error of pySigma speaks of: it quotes a value or names a key, but not the line."""
    quoted = [(path, text) for path, text in _texts(values, ()) if len(text) > 2 and f"'{text}'" in what]
    if quoted:
        return max(quoted, key=lambda each: len(each[1]))[0]
    lowered = what.lower()
    for word, key in (("correlation", "correlation"), ("timespan", "correlation"), ("log source", "logsource")):
        if word in lowered and key in values:
            return (key,)
    for key in values:
        if key in lowered:
            return (key,)
    return ("detection",) if "detection" in values else ()


def _texts(value: object, path: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], str]]:
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict):
        for key, below in value.items():
            yield from _texts(below, (*path, str(key)))
    elif isinstance(value, list):
        for number, below in enumerate(value):
            yield from _texts(below, (*path, number))


def _compiled(
    rule: SigmaRule | SigmaCorrelationRule,
    document: Document,
    rules: Mapping[str, tuple[SigmaRule | SigmaCorrelationRule, Document]],
    documents: list[Document],
) -> Rule:
    bases = _bases(rule, document, rules, documents)
    conditions: list[str] = []
    selections: dict[str, str] = {}
    for base, place in bases:
        condition, named = rule_conditions(base, place)
        conditions.append(condition)
        for name, sql in named.items():
            if selections.setdefault(name, sql) != sql:
                raise place.refuse(f"Two rules of one file have different selections called {name}", "detection", name)
    names = Vocabulary(document, selections)
    block = names.mapping(
        document.values["tocsin"], "tocsin", allowed=_TOCSIN_KEYS, needed={"version", "kind", "suspect", "reasons"}
    )
    _read_parameters(names, block)
    suspect_type, suspect = _suspect(names, block)
    correlation = rule if isinstance(rule, SigmaCorrelationRule) else None
    profile = Profile(keys=(suspect,))
    if "profile" in document.values:
        profile = read_profile(names, document.values["profile"], suspect=suspect, correlated=correlation is not None)
    keys = profile.keys
    window = profile.window
    if correlation is not None:
        keys, window = _correlated(names, correlation, bases, conditions, suspect)
    elif window is None:
        window = Window(WindowKind.RUN, length_ms=names.duration(block.get("quiet", "1h"), "tocsin", "quiet"))
    key_sql = {key: _key_sql(names, key, bases, correlation, conditions) for key in keys}
    return Rule(
        rule_id=str(rule.name),
        version=_version(names, block),
        title=str(rule.title),
        description=" ".join(str(rule.description or "").split()),
        kind=_member(names, Kind, block["kind"], "tocsin", "kind"),
        level=_level(rule, document),
        tags=tuple(f"{tag.namespace}.{tag.name}" for tag in rule.tags),
        suspect_type=suspect_type,
        suspect=suspect,
        keys=key_sql,
        condition="(" + " OR ".join(conditions) + ")",
        columns=tuple(sorted(names.columns)),
        flags={name: selections[name] for name in sorted(names.flags)},
        previous=tuple(sorted(names.previous)),
        window=window,
        measures=profile.measures,
        usual=profile.usual,
        derived=profile.derived,
        peers=profile.peers,
        having=profile.having,
        candidates=profile.candidates,
        parameters=dict(names.parameters),
        reasons=_reasons(names, block, profile, keys),
        scope=_scope_hint(names, block),
        advice=" ".join(str(block.get("advice", "")).split()),
        false_positives=tuple(str(text) for text in rule.falsepositives or ()),
        examples=read_examples(document),
        campaign=block.get("campaign", False) is True,
        place=document.place(),
    )


def _bases(
    rule: SigmaRule | SigmaCorrelationRule,
    document: Document,
    rules: Mapping[str, tuple[SigmaRule | SigmaCorrelationRule, Document]],
    documents: list[Document],
) -> list[tuple[SigmaRule, Document]]:
    if isinstance(rule, SigmaRule):
        if len(documents) > 1:
            other = next(one for one in documents if one is not document)
            raise other.refuse("This document is used by no correlation")
        _check_source(rule, document)
        return [(rule, document)]
    bases = []
    for number, reference in enumerate(rule.rules or []):
        base, place = rules.get(reference.reference, (None, document))
        if not isinstance(base, SigmaRule):
            raise document.refuse(f"{reference.reference} is not a rule of this file", "correlation", "rules", number)
        _check_source(base, place)
        bases.append((base, place))
    used = {id(place) for _, place in bases} | {id(document)}
    for one in documents:
        if id(one) not in used:
            raise one.refuse("This document is used by no correlation")
    if not bases:
        raise document.refuse("A correlation names the rules it counts", "correlation")
    return bases


def _check_source(rule: SigmaRule, document: Document) -> None:
    source = rule.logsource
    if (source.product, source.service, source.definition) != ("tocsin", None, None) or source.category not in {
        None,
        "events",
    }:
        raise document.refuse(
            "This rule is written for another product's fields",
            "logsource",
            mend="Write it over our columns, with logsource product: tocsin.",
        )


def _read_parameters(names: Vocabulary, block: Mapping[str, Any]) -> None:
    for name, value in names.mapping(block.get("parameters", {}), "tocsin", "parameters").items():
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise names.refuse(f"{name} must be a number or a text", "tocsin", "parameters", name)
        names.parameters[names.new_name(name, "tocsin", "parameters")] = value


def _suspect(names: Vocabulary, block: Mapping[str, Any]) -> tuple[SuspectType, str]:
    value = block["suspect"]
    if isinstance(value, str):
        kind = _member(names, SuspectType, value, "tocsin", "suspect")
        return kind, SUSPECT_COLUMNS[kind]
    named = names.mapping(value, "tocsin", "suspect", allowed={"type", "field"}, needed={"type"})
    kind = _member(names, SuspectType, named["type"], "tocsin", "suspect", "type")
    return kind, str(named.get("field", SUSPECT_COLUMNS[kind]))


def _member(names: Vocabulary, kind: Any, value: object, *path: str) -> Any:
    try:
        return kind(value)
    except ValueError as error:
        raise names.refuse(f"{value} is not one of {', '.join(kind)}", *path) from error


def _version(names: Vocabulary, block: Mapping[str, Any]) -> int:
    version = block["version"]
    if isinstance(version, bool) or not isinstance(version, int) or version < 1:
        raise names.refuse("version must be a number from 1", "tocsin", "version")
    return version


def _level(rule: SigmaRule | SigmaCorrelationRule, document: Document) -> str:
    if rule.level is None:
        raise document.refuse("level is missing", mend="Give informational, low, medium, high or critical.")
    return str(rule.level)


def _correlated(
    names: Vocabulary,
    rule: SigmaCorrelationRule,
    bases: list[tuple[SigmaRule, Document]],
    conditions: list[str],
    suspect: str,
) -> tuple[tuple[str, ...], Window]:
    condition = rule.condition
    counting = {
        SigmaCorrelationType.EVENT_COUNT: WindowKind.EVENT_COUNT,
        SigmaCorrelationType.VALUE_COUNT: WindowKind.VALUE_COUNT,
    }
    if rule.type not in counting or not isinstance(condition, SigmaCorrelationCondition):
        raise names.refuse(
            f"Correlations of type {rule.type} are not supported",
            "correlation",
            "type",
            mend="Use event_count or value_count, or a profile.",
        )
    if rule.generate:
        raise names.refuse("generate is not supported: one file is one rule", "correlation", "generate")
    if not isinstance(condition.count, int):
        raise names.refuse("The count must be a whole number", "correlation", "condition")
    keys = tuple(rule.group_by or ())
    if suspect not in keys:
        raise names.refuse(f"The suspect {suspect} must be one of group-by", "correlation", "group-by")
    kind = counting[rule.type]
    value = ""
    if kind is WindowKind.VALUE_COUNT:
        if not isinstance(condition.fieldref, str):
            raise names.refuse("value_count counts the values of one field", "correlation", "condition", "field")
        value = _key_sql(names, condition.fieldref, bases, rule, conditions)
        if value == condition.fieldref:
            names.columns.add(value)
        else:
            raise names.refuse("The counted field cannot be an alias", "correlation", "condition", "field")
    operator = _OPERATORS[condition.op]
    names.parameters["timespan"] = rule.timespan.spec
    names.parameters["count"] = condition.count
    return keys, Window(kind, rule.timespan.seconds * 1000, operator, condition.count, value)


def _key_sql(
    names: Vocabulary,
    key: str,
    bases: list[tuple[SigmaRule, Document]],
    rule: SigmaCorrelationRule | None,
    conditions: list[str],
) -> str:
    aliases = rule.aliases.aliases if rule is not None else {}
    if key in aliases:
        if key in COLUMN_TYPES:
            raise names.refuse(f"The alias {key} is the name of a column", "correlation", "aliases", key)
        fields = {reference.reference: field for reference, field in aliases[key].mapping.items()}
        parts = []
        for (base, _), condition in zip(bases, conditions, strict=True):
            field = fields.get(str(base.name))
            if field is None or COLUMN_TYPES.get(field) != "VARCHAR":
                raise names.refuse(
                    f"The alias {key} needs a text column for {base.name}", "correlation", "aliases", key
                )
            parts.append(f"WHEN {condition} THEN {field}")
        return f"(CASE {' '.join(parts)} END)"
    if key in names.fields:
        return f"({names.fields[key]})"
    if COLUMN_TYPES.get(key) != "VARCHAR":
        block = "correlation" if rule is not None else "profile"
        raise names.refuse(f"{key} is no text column to group by", block, "group-by")
    return key


def _reasons(
    names: Vocabulary, block: Mapping[str, Any], profile: Profile, keys: tuple[str, ...]
) -> tuple[ReasonRule, ...]:
    usual = [measure.name for part in profile.usual for measure in part.measures]
    peers = list(profile.peers.measures) if profile.peers else []
    known = {
        "events",
        "first_ts",
        "last_ts",
        *keys,
        *(m.name for m in profile.measures),
        *usual,
        *profile.derived,
        *peers,
        *names.parameters,
    }
    reasons = []
    if not isinstance(block["reasons"], list) or not block["reasons"]:
        raise names.refuse("reasons must be a list", "tocsin", "reasons")
    for number, value in enumerate(block["reasons"]):
        place = ("tocsin", "reasons", number)
        one = (
            {"text": value}
            if isinstance(value, str)
            else names.mapping(value, *place, allowed={"text", "when", "points"}, needed={"text"})
        )
        for name in re.findall(r"\{(\w*)", one["text"]):
            if name not in known:
                raise names.refuse(f"A reason speaks of {name}, which is not measured", *place)
        when = str(one.get("when", ""))
        if when:
            unknown = sorted(names.expression(when, *place, "when").names - known)
            if unknown:
                raise names.refuse(f"unknown name {unknown[0]}", *place, "when")
        reasons.append(ReasonRule(" ".join(one["text"].split()), when, float(one.get("points", 0))))
    return tuple(reasons)


def _scope_hint(names: Vocabulary, block: Mapping[str, Any]) -> ScopeHint:
    allowed = {"accounts", "proof", "owners", "network_cohort", "follow", "in_doubt"}
    value = names.mapping(block.get("scope", {}), "tocsin", "scope", allowed=allowed)
    for name in ("owners", "network_cohort", "follow", "in_doubt"):
        if not isinstance(value.get(name, False), bool):
            raise names.refuse(f"{name} is true or false", "tocsin", "scope", name)
    proof = "status_id = 1"
    if "proof" in value:
        if value["proof"] not in names.selections:
            raise names.refuse(f"There is no selection {value['proof']}", "tocsin", "scope", "proof")
        proof = names.selections[value["proof"]]
    return ScopeHint(
        accounts=_member(names, AccountRole, value.get("accounts", "none"), "tocsin", "scope", "accounts"),
        proof=proof,
        owners=value.get("owners", False),
        network_cohort=value.get("network_cohort", False),
        follow=value.get("follow", False),
        in_doubt=value.get("in_doubt", False),
    )
