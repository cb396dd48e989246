"""What a log format must say about itself. A format is data: SQL expressions, never Python per line."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from tocsin.events.values import Sample, Shape


@dataclass(frozen=True, slots=True)
class Format:
    """How one kind of log is recognised and turned into events.

    ``fields`` describes the raw record, named ``r`` in every expression:

    - TEXT: ``pattern`` is an RE2 expression with one capture group per field, in the order of ``fields``; each value
      of ``fields`` is ``"VARCHAR"``. A group that did not take part is the empty string.
    - JSON, CSV, PARQUET: ``fields`` is the structure DuckDB's ``from_json`` takes, nested as the record is, e.g.
      ``{"eventTime": "VARCHAR", "caller": {"arn": "VARCHAR"}, "requestParameters": "JSON"}``. A key the record
      lacks is null. ``fields`` should name only keys that ``columns`` uses.

    ``columns`` maps names of ``events.values.COLUMNS`` to DuckDB SQL over ``r`` and the macros of
    ``events/dialect.py``; a column left out is null (or derived: see ``events/dialect.py``). ``ts`` is required; a
    record whose ``ts`` comes out null is rejected. In JSON shapes the record's whole text is ``j``, in TEXT it is
    ``line``. ``reject`` maps a reason to a SQL condition over ``r`` under which the record is refused. ``unmapped`` is
    SQL for the JSON text of what is left over; by default it is the record
    without the top-level keys named in ``fields`` (JSON shapes), or null (TEXT). One more name may stand in ``columns``
    that is no column: ``x_forwarded_for``, the text of X-Forwarded-For, believed only behind trusted proxies.
    """

    key: str
    title: str
    shape: Shape
    fields: Mapping[str, object]
    columns: Mapping[str, str]
    recognise: Callable[[Sample], float]  # 0 (no) .. 1 (certain); the highest over 0.5 wins, ties go to wiring's order
    pattern: str = ""
    reject: Mapping[str, str] = field(default_factory=dict)
    unmapped: str | None = None
    directive: str = (
        ""  # TEXT: RE2 of lines that are headers (``#Fields:``); kept aside as rejections named "directive"
    )
    tailor: "Callable[[Sample], Format] | None" = None  # cuts the format to the very keys or header of one file
