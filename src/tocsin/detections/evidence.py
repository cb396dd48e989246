"""The evidence of a detection somebody wrote down: rebuilt from the rule, never believed.

``detections.jsonl`` may have been altered. When this installation has the rule in the version named, the SELECT is
built anew from rule and parameters and the written one is ignored; otherwise the written one runs only if it is one
SELECT, on a connection that can read nothing but the events.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from tocsin.detections.compilation import evidence_sql
from tocsin.detections.errors import EvidenceRefused
from tocsin.detections.values import Rule
from tocsin.events.queries import EventStore, check_single_select
from tocsin.kernel.errors import TocsinError

LINE_BYTES_MAX = 4_000_000
_ORDER = "ORDER BY ts, source_id, line"


@dataclass(frozen=True, slots=True)
class StoredEvidence:
    """What a line of ``detections.jsonl`` says; ``rebuilt``: the SELECT comes from our own rule, not from the file."""

    uid: str
    rule_id: str
    sql: str
    events: int
    rebuilt: bool


def read_evidence(folder: Path, uid: str, *, rules: Iterable[Rule]) -> StoredEvidence:
    """Return the evidence of the detection whose uid is, or alone begins with, ``uid``."""
    path = folder / "detections.jsonl"
    matching: list[dict[str, Any]] = []
    try:
        with path.open("rb") as lines:
            for number, line in enumerate(lines, start=1):
                value = _line(line, f"{path}:{number}")
                if str(value.get("uid", "")).startswith(uid):
                    matching.append(value)
    except OSError as error:
        raise EvidenceRefused(
            "There is no list of detections", where=path, mend="Give the --out folder of tocsin investigate."
        ) from error
    exact = [value for value in matching if value.get("uid") == uid]
    chosen = exact or matching
    if not uid or len(chosen) != 1:
        what = f"{len(chosen)} detections begin with {uid}" if chosen and uid else f"There is no detection {uid}"
        raise EvidenceRefused(what, where=path, mend="detections.jsonl names each one in uid.")
    return _stored(chosen[0], {rule.rule_id: rule for rule in rules}, path)


def evidence_of(store: EventStore, evidence: StoredEvidence) -> list[dict[str, Any]]:
    """Return the events of a piece of evidence, in order of time; refused when they are not as many as were counted."""
    try:
        check_single_select(evidence.sql)
        rows = store.rows(f"SELECT * FROM ({evidence.sql}) AS evidence {_ORDER}")
    except TocsinError as error:
        raise EvidenceRefused("The evidence is not one SELECT over the events", where=evidence.uid) from error
    if len(rows) != evidence.events:
        raise EvidenceRefused(
            f"{len(rows)} events found where {evidence.events} were counted",
            where=evidence.uid,
            mend="The folder was altered after the investigation, or the rule was.",
        )
    return rows


def _line(line: bytes, where: str) -> dict[str, Any]:
    if len(line) > LINE_BYTES_MAX:
        raise EvidenceRefused("This line is too long for a detection", where=where)
    try:
        value = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise EvidenceRefused("This line is not JSON", where=where) from error
    if not isinstance(value, dict):
        raise EvidenceRefused("This line is not a detection", where=where)
    return value


def _stored(value: dict[str, Any], rules: dict[str, Rule], path: Path) -> StoredEvidence:
    uid, rule_id, events = str(value.get("uid")), str(value.get("rule_id")), value.get("events")
    if not isinstance(events, int):
        raise EvidenceRefused("The number of events is missing", where=path)
    rule = rules.get(rule_id)
    parameters = value.get("parameters")
    if rule is not None and rule.version == value.get("rule_version") and isinstance(parameters, dict):
        bounds = [parameters.get("first_ts"), parameters.get("last_ts")]
        keys = {name: parameters[name] for name in rule.keys if isinstance(parameters.get(name), str)}
        if len(keys) == len(rule.keys) and all(isinstance(bound, int) for bound in bounds):
            sql = evidence_sql(rule, keys=keys, first_ts=int(bounds[0] or 0), last_ts=int(bounds[1] or 0))
            return StoredEvidence(uid, rule_id, sql, events, rebuilt=True)
        raise EvidenceRefused("The parameters do not fit the rule", where=path)
    written = value.get("evidence_sql")
    if not isinstance(written, str):
        raise EvidenceRefused("There is neither a known rule nor a SELECT", where=path)
    return StoredEvidence(uid, rule_id, written, events, rebuilt=False)
