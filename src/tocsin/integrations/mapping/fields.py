"""One column of a mapping: which field, how its time is written, what its values mean; and the SQL for it."""

import re
from dataclasses import dataclass
from zoneinfo import available_timezones

from tocsin.events.values import COLUMN_NAMES, COLUMN_TYPES, Shape
from tocsin.integrations.expressions import literal, name
from tocsin.integrations.mapping.document import Entry
from tocsin.kernel.language import gettext as _

# Columns the reader makes itself, whatever the mapping says.
_MADE = {"source_id", "line", "format", "src_network", "src_kind", "unmapped"}
COLUMNS = tuple(each for each in COLUMN_NAMES if each not in _MADE)
_KEYS = ("field", "first", "constant", "time", "timezone", "values", "otherwise", "secret")
_TIMES = ("any", "iso8601", "epoch", "clf", "syslog")
FieldPath = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Mapped:
    """A column, the fields it is read from, and its SQL over the record ``r``."""

    column: str
    paths: tuple[FieldPath, ...]
    sql: str


def path_of(entry: Entry, *, shape: Shape) -> FieldPath:
    """Return the keys that lead to a field: ``a.b`` in JSON, ``[a.b, c]`` where a key has dots of its own."""
    if isinstance(entry.value, list):
        return tuple(each.text() for each in entry.items())
    said = str(entry.scalar())
    steps = tuple(said.split(".")) if shape in (Shape.JSON, Shape.PARQUET) else (said,)
    if not all(steps):
        raise entry.place.wrong(
            _("{field!r} has an empty step.").format(field=said), mend=_("Write a list: [outer, inner].")
        )
    return steps


def reference(path: FieldPath) -> str:
    """Return SQL for the text of a field."""
    return ".".join(["r", *(name(step) for step in path)])


def column(target: str, entry: Entry, *, shape: Shape, timezone: str) -> Mapped:
    """Read what a mapping says of one column. Raises TocsinError at the line of what is wrong."""
    if not isinstance(entry.value, dict):
        path = path_of(entry, shape=shape)
        return Mapped(target, (path,), _finished(target, f"blank({reference(path)})", how="any", timezone=timezone))
    table = entry.table(known=_KEYS)
    if len([key for key in ("field", "first", "constant") if key in table]) != 1:
        raise entry.place.wrong(
            _("{column} needs one of field, first or constant.").format(column=target),
            mend=_("For instance: {column}: {{field: some.name}}").format(column=target),
        )
    if "constant" in table:
        return Mapped(target, (), _constant(target, table["constant"]))
    paths = [path_of(each, shape=shape) for each in (table["first"].items() if "first" in table else [table["field"]])]
    if not paths:
        raise entry.place.wrong(_("an empty list names no field."))
    read = [f"blank({reference(path)})" for path in paths]
    value = f"coalesce({', '.join(read)})" if len(read) > 1 else read[0]
    how, zone = _time_of(table, target=target, timezone=timezone)
    if "values" in table:
        return Mapped(target, tuple(paths), _valued(target, value, table))
    if "otherwise" in table:
        raise table["otherwise"].place.wrong(_("otherwise needs values beside it."))
    if "secret" in table and table["secret"].flag() and target != "actor_session_uid":
        return Mapped(target, tuple(paths), f"secret({value})")
    return Mapped(target, tuple(paths), _finished(target, value, how=how, timezone=zone))


def _time_of(table: dict[str, Entry], *, target: str, timezone: str) -> tuple[str, str]:
    how = "any"
    if "time" in table:
        if target != "ts":
            raise table["time"].place.wrong(_("only ts has a time format."))
        how = table["time"].text()
        if how not in _TIMES and "%" not in how:
            raise table["time"].place.wrong(
                _("unknown time format {name!r}.").format(name=how),
                mend=_("Use {names}, or a pattern such as %d/%m/%Y %H:%M:%S.").format(names=", ".join(_TIMES)),
            )
    return how, zone_of(table["timezone"]) if "timezone" in table else timezone


def zone_of(entry: Entry) -> str:
    """Return an IANA time zone, checked."""
    zone = entry.text()
    if zone not in available_timezones():
        raise entry.place.wrong(
            _("unknown time zone {name!r}.").format(name=zone), mend=_("For instance Europe/Paris or UTC.")
        )
    return zone


def _constant(target: str, entry: Entry) -> str:
    value = entry.scalar()
    if COLUMN_TYPES[target] == "VARCHAR":
        return literal(str(value))
    if isinstance(value, bool | str):
        raise entry.place.wrong(_("{column} is a number.").format(column=target))
    return repr(value)


def _valued(target: str, value: str, table: dict[str, Entry]) -> str:
    arms = []
    for said, meant in table["values"].table(what="values").items():
        arms.append(f"WHEN lower({literal(said)}) THEN {_constant(target, meant)}")
    otherwise = _constant(target, table["otherwise"]) if "otherwise" in table else "NULL"
    return f"CASE lower({value}) {' '.join(arms)} ELSE {otherwise} END" if arms else otherwise


def _finished(target: str, value: str, *, how: str, timezone: str) -> str:
    if target == "ts":
        return _moment(value, how=how, timezone=timezone)
    if target == "status_id":
        return (
            f"CASE WHEN {value} IN ('1', '2') THEN CAST({value} AS INTEGER) WHEN yes_no({value}) THEN 1 "
            f"WHEN NOT yes_no({value}) THEN 2 ELSE http_status({value}) END"
        )
    finishers = {
        "actor_session_uid": "secret({0})", "src_endpoint_ip": "ip_of({0})", "url_path": "path_of({0})", "url_query": "masked({0})",
        "http_referrer": "masked({0})", "status_detail": "masked({0})", "http_method": "upper({0})", "src_country": "upper({0})",
        "platform": "lower({0})",
    }  # fmt: skip
    if target in finishers:
        return finishers[target].format(value)
    return (
        value
        if COLUMN_TYPES.get(target, "VARCHAR") == "VARCHAR"
        else f"try_cast(try_cast({value} AS DOUBLE) AS {COLUMN_TYPES[target]})"
    )


def _moment(value: str, *, how: str, timezone: str) -> str:
    if "%" in how:
        parsed = f"try_strptime({value}, {literal(how)})"
        placed = (
            f"try_cast({parsed} AS TIMESTAMPTZ)"
            if "%z" in how or not timezone
            else f"({parsed} AT TIME ZONE {literal(timezone)})"
        )
        return f"epoch_ms({placed})"
    named = {
        "epoch": "ms_number({0})",
        "clf": "ms_clf({0})",
        "syslog": "ms_syslog({0})",
        "any": "coalesce(ms_any({0}), ms_clf({0}))",
    }
    if how in ("any", "iso8601") and timezone:
        zoned = rf"regexp_matches({value}, '(?:[Zz]|[+-]\d\d:?(?:\d\d)?|[A-Z]{{2,5}})$')"
        local = f"epoch_ms(try_cast({value} AS TIMESTAMP) AT TIME ZONE {literal(timezone)})"
        inner = f"CASE WHEN {zoned} THEN ms_iso({value}) ELSE {local} END"
        return inner if how == "iso8601" else f"coalesce({inner}, ms_number({value}), ms_clf({value}))"
    return named.get(how, "ms_iso({0})").format(value)


def is_name(text: str) -> bool:
    """Tell whether a text can be the key of a format."""
    return bool(re.fullmatch(r"[a-z][a-z0-9_]{0,40}", text))
