"""What writes detections: the list an investigation leaves in its folder."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson

from tocsin.detections.values import Detection
from tocsin.kernel import clock, files, language


def write_detections(detections: Sequence[Detection], *, folder: Path) -> Path:
    """Write ``detections.jsonl``, one detection a line, in order of time; whole or not at all (mode 0600)."""
    path = folder / "detections.jsonl"
    with language.use("en"):  # the file is the same wherever it is written
        rows = [_row(each) for each in detections]
    files.write_whole(path, b"".join(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for row in rows))
    return path


def _row(detection: Detection) -> dict[str, Any]:
    """Return one line: times in ISO 8601 UTC, reasons as English sentences with their values filled in."""
    return {
        "uid": detection.uid,
        "rule_id": detection.rule_id,
        "rule_version": detection.rule_version,
        "rule_title": detection.rule_title,
        "kind": detection.kind.value,
        "lead": detection.lead,
        "suspect_type": detection.suspect_type.value,
        "suspect": detection.suspect,
        "severity": detection.severity,
        "score": detection.score,
        "first_at": _moment(detection.first_ts),
        "last_at": _moment(detection.last_ts),
        "events": detection.events,
        "reasons": [language.render(reason.text, reason.values) for reason in detection.reasons],
        "parameters": dict(detection.parameters),
        "evidence_sql": detection.evidence_sql,
    }


def _moment(ts: int) -> str:
    return clock.from_ms(ts).isoformat(timespec="milliseconds").replace("+00:00", "Z")
