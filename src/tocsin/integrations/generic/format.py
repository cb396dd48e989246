"""JSON, CSV and Parquet nobody described: read by the usual names of their fields, with little confidence.

What each field was taken for is chosen anew for every file, from its first records.
"""

from collections.abc import Callable
from dataclasses import replace

from tocsin.events.ports import Format
from tocsin.events.values import Sample, Shape
from tocsin.integrations.generic.choosing import fields_of
from tocsin.integrations.generic.columns import build, moments_of, parts_of, speaks_of_sign_ins
from tocsin.integrations.generic.text import FORMATS as TEXT
from tocsin.kernel.language import gettext_noop

CONFIDENCE = 0.55
_TIMED_MIN = 0.5  # share of records that say when
_TELLING = ("address", "user", "user_name", "staff", "customer", "session", "path", "operation", "verdict")


def _recognise(shape: Shape) -> Callable[[Sample], float]:
    def recognise(sample: Sample) -> float:
        if sample.shape is not shape or not sample.records:
            return 0.0
        fields = fields_of(sample, nested=shape is not Shape.CSV)
        moments = moments_of(fields)
        if not moments or max(fields.filled[path] for path in moments) < _TIMED_MIN * fields.records:
            return 0.0
        parts = parts_of(fields)
        return CONFIDENCE if any(parts.has(part) for part in _TELLING) or speaks_of_sign_ins(parts) else 0.0

    return recognise


def _tailor(form: Format) -> Callable[[Sample], Format]:
    def tailored(sample: Sample) -> Format:
        structure, columns = build(fields_of(sample, nested=form.shape is not Shape.CSV))
        return replace(form, fields=structure, columns=columns, tailor=None)

    return tailored


def _format(key: str, title: str, shape: Shape) -> Format:
    bare = Format(
        key=key,
        title=title,
        shape=shape,
        fields={"timestamp": "VARCHAR", "time": "VARCHAR"},
        columns={"ts": 'coalesce(ms_any(r."timestamp"), ms_any(r."time"))'},
        recognise=_recognise(shape),
    )
    return replace(bare, tailor=_tailor(bare))


FORMATS: tuple[Format, ...] = (
    _format("generic_json", gettext_noop("JSON lines, read by the names of their fields"), Shape.JSON),
    _format("generic_csv", gettext_noop("CSV, read by the names of its columns"), Shape.CSV),
    _format("generic_parquet", gettext_noop("Parquet, read by the names of its columns"), Shape.PARQUET),
    *TEXT,
)
