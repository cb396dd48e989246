"""Text nobody described, whose lines begin with a time: read for the log-ins it tells of, in whatever words."""

from tocsin.events.ports import Format
from tocsin.events.values import Sample, Shape
from tocsin.integrations import sign_ins
from tocsin.integrations.recognition import lines_matching

CONFIDENCE = 0.52
_TIMED_MIN = 0.5  # share of lines that say when
_STAMP = (
    r"\d{4}[-/]\d\d[-/]\d\d(?:T| - | )\d\d:\d\d:\d\d|\d\d-[A-Z][a-z]{2}-\d{4} \d\d:\d\d:\d\d|\d{1,2}/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d"
    r"|date=\d{4}-\d\d-\d\d time=\d\d:\d\d:\d\d"
    r"|[A-Z][a-z]{2} [A-Z][a-z]{2} {1,2}\d{1,2} \d\d:\d\d:\d\d(?:\.\d+)? \d{4}|[A-Z][a-z]{2} {1,2}\d{1,2} \d\d:\d\d:\d\d"
)
_PATTERN = rf"^(.{{0,80}}?)({_STAMP})(?:[.,](\d{{1,9}}))? ?(Z|[+-]\d\d:?\d\d|UTC)?(.*)$"
_S = 'r."stamp"'
_MOMENT = f"""CASE
    WHEN regexp_matches({_S}, '^(?:date=)?\\d{{4}}') THEN ms_iso(concat(replace(replace(replace(regexp_replace({_S}, '^date=', ''),
        ' time=', ' '), ' - ', ' '), '/', '-'), '.', coalesce(nullif(r."fraction", ''), '0'), replace(r."zone", 'UTC', 'Z')))
    WHEN regexp_matches({_S}, '^\\d+/') THEN coalesce(ms_clf({_S} || ' ' || r."zone"), ms_clf({_S} || ' +0000'))
    WHEN regexp_matches({_S}, '^\\d') THEN epoch_ms(try_cast(try_strptime({_S}, '%d-%b-%Y %H:%M:%S') AS TIMESTAMPTZ))
    WHEN regexp_matches({_S}, '\\d{{4}}$') THEN epoch_ms(try_cast(try_strptime(regexp_replace(regexp_replace({_S}, '\\.\\d+ ', ' '),
        '\\s+', ' ', 'g'), '%a %b %-d %H:%M:%S %Y') AS TIMESTAMPTZ))
    ELSE ms_syslog({_S}) END"""
_FAILED, _SUCCEEDED = sign_ins.failed("line"), sign_ins.succeeded("line")
_TOLD = f"({sign_ins.address('line')} IS NOT NULL AND ({_FAILED} OR {_SUCCEEDED}))"


def _recognise(sample: Sample) -> float:
    if lines_matching(sample, _PATTERN) < _TIMED_MIN:
        return 0.0
    return CONFIDENCE if any(sign_ins.tells(line) for line in sample.lines) else 0.0


FORMATS: tuple[Format, ...] = (
    Format(
        key="generic_text",
        title="Text with times, read for the log-ins it tells of",
        shape=Shape.TEXT,
        pattern=_PATTERN,
        fields=dict.fromkeys(("lead", "stamp", "fraction", "zone", "rest"), "VARCHAR"),
        columns={
            "ts": _MOMENT,
            "class_uid": f"CASE WHEN {_TOLD} THEN 3002 ELSE 0 END",
            "activity_id": f"CASE WHEN {_TOLD} THEN 1 ELSE 99 END",
            "status_id": f"CASE WHEN NOT {_TOLD} THEN 0 WHEN {_FAILED} THEN 2 ELSE 1 END",
            "status_detail": f"CASE WHEN {_TOLD} AND {_FAILED} THEN {sign_ins.detail('line')} END",
            "actor_user_name": f"CASE WHEN {_TOLD} THEN {sign_ins.name('line')} END",
            "src_endpoint_ip": sign_ins.address("line"),
        },
        recognise=_recognise,
        unmapped="masked(json_object('lead', r.\"lead\", 'rest', r.\"rest\")::VARCHAR)",
    ),
)
