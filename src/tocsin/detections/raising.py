"""Turning the rows of a rule's SELECT into detections: names, reasons, score, evidence."""

import hashlib
import string
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from tocsin.detections.compilation import evidence_sql
from tocsin.detections.durations import duration_ms
from tocsin.detections.expressions import Value, parse
from tocsin.detections.values import Detection, Reason, Rule

# Sigma's level says how bad it would be if true; the points of the reasons say how sure it is.
_LEVEL_POINTS = {"informational": 5.0, "low": 20.0, "medium": 40.0, "high": 60.0, "critical": 75.0}


def raised(rule: Rule, row: Mapping[str, Any]) -> Detection:
    """Return the detection of one episode, not yet in a lead."""
    keys = {name: str(row[name]) for name in rule.keys}
    first_ts, last_ts = int(row["first_ts"]), int(row["last_ts"])
    values = {name: _plain(value) for name, value in row.items()} | dict(rule.parameters)
    applying = [reason for reason in rule.reasons if _applies(reason.when, values)]
    score = _LEVEL_POINTS[rule.level] + sum(reason.points for reason in applying)
    return Detection(
        uid=detection_uid(rule, keys=keys, first_ts=first_ts),
        rule_id=rule.rule_id,
        rule_version=rule.version,
        rule_title=rule.title,
        kind=rule.kind,
        lead="",
        suspect_type=rule.suspect_type,
        suspect=keys[rule.suspect],
        severity=rule.level,
        score=round(min(100.0, max(0.0, score)), 1),
        first_ts=first_ts,
        last_ts=last_ts,
        events=int(row["events"]),
        reasons=tuple(Reason(reason.text, _used(reason.text, values)) for reason in applying),
        parameters={**rule.parameters, **keys, "first_ts": first_ts, "last_ts": last_ts},
        evidence_sql=evidence_sql(rule, keys=keys, first_ts=first_ts, last_ts=last_ts),
        scope=rule.scope,
    )


def detection_uid(rule: Rule, *, keys: Mapping[str, str], first_ts: int) -> str:
    """Return 16 hex digits that name a detection: a hash of rule, version, suspect (all its keys) and window start."""
    parts = [rule.rule_id, str(rule.version), *(f"{name}={keys[name]}" for name in sorted(keys)), str(first_ts)]
    return hashlib.sha256("\x1f".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _applies(when: str, values: Mapping[str, Value]) -> bool:
    if not when:
        return True
    milliseconds = {name: duration_ms(value) for name, value in values.items()}
    bound = {name: value if milliseconds[name] is None else milliseconds[name] for name, value in values.items()}
    return bool(parse(when).value(bound))


def _plain(value: Any) -> Value:
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    return round(value, 4) if isinstance(value, float) else value


def _used(text: str, values: Mapping[str, Value]) -> dict[str, str | int | float]:
    names = [name for _, name, _, _ in string.Formatter().parse(text) if name]
    return {name: "-" if values[name] is None else values[name] for name in names}  # type: ignore[misc]
