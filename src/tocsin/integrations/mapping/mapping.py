"""A mapping file becomes a format: its fields our columns, its routes what a path means.

The file is described in docs/howto/map-a-log.md.
"""

import re
from collections.abc import Callable
from pathlib import Path

from tocsin.events.ports import Format
from tocsin.events.values import Sample, Shape
from tocsin.integrations.generic.choosing import structure_of
from tocsin.integrations.mapping.document import Entry, load
from tocsin.integrations.mapping.fields import COLUMNS, FieldPath, Mapped, column, is_name, zone_of
from tocsin.integrations.mapping.routes import Route, columns_of, login_when, read_route
from tocsin.integrations.recognition import lines_matching, records_where, stated
from tocsin.kernel.language import gettext as _

_KEYS = ("name", "title", "shape", "pattern", "timezone", "columns", "routes")


def load_mapping(path: Path) -> Format:
    """Read a mapping file into a format. Raises TocsinError with file and line for whatever is wrong with it."""
    document = load(path)
    table = document.table(known=_KEYS, what=_("A mapping"))
    for needed in ("name", "shape", "columns"):
        if needed not in table:
            raise document.place.wrong(_("the mapping has no {name}.").format(name=needed))
    key = table["name"].text()
    if not is_name(key):
        raise table["name"].place.wrong(_("a name is made of small letters, digits and _."))
    shape = _shape(table["shape"])
    timezone = zone_of(table["timezone"]) if "timezone" in table else ""
    mapped = {
        target: column(target, entry, shape=shape, timezone=timezone)
        for target, entry in table["columns"].table(known=COLUMNS, what="columns").items()
    }
    if "ts" not in mapped:
        raise table["columns"].place.wrong(_("no column ts: without a time no event can be placed."))
    routes = tuple(read_route(each) for each in table["routes"].items()) if "routes" in table else ()
    if routes and "url_path" not in mapped:
        raise table["routes"].place.wrong(_("routes need the column url_path."))
    pattern, fields = _fields(table, shape=shape, mapped=mapped, document=document)
    return Format(
        key=key,
        title=table["title"].text() if "title" in table else key,
        shape=shape,
        pattern=pattern,
        fields=fields,
        columns=_columns(mapped, routes=routes),
        recognise=_recognise(shape, pattern=pattern, moments=mapped["ts"].paths),
    )


def _shape(entry: Entry) -> Shape:
    try:
        return Shape(entry.text())
    except ValueError as error:
        names = ", ".join(Shape)
        raise entry.place.wrong(_("unknown shape."), mend=_("Known: {names}").format(names=names)) from error


def _fields(
    table: dict[str, Entry], *, shape: Shape, mapped: dict[str, Mapped], document: Entry
) -> tuple[str, dict[str, object]]:
    """Return the pattern (text only) and the structure the record is read with."""
    named = {path: target for target, each in mapped.items() for path in each.paths}
    if shape is Shape.TEXT:
        return _groups(table, named=named, document=document)
    if "pattern" in table:
        raise table["pattern"].place.wrong(_("only text has a pattern."))
    structure, kept = structure_of(named)
    for path, target in named.items():
        if path not in kept:
            place = table["columns"].table()[target].place
            raise place.wrong(
                _("{field} cannot be read beside another field of nearly the same name.").format(field=".".join(path)),
                mend=_("Names that differ only in capitals, or a name and something inside it, exclude each other."),
            )
    return "", structure


def _groups(table: dict[str, Entry], *, named: dict[FieldPath, str], document: Entry) -> tuple[str, dict[str, object]]:
    if "pattern" not in table:
        raise document.place.wrong(
            _("text needs a pattern."), mend=_("For instance: pattern: '^(?P<time>\\S+) (?P<ip>\\S+)'")
        )
    entry = table["pattern"]
    said = entry.text()
    try:
        compiled = re.compile(said)
    except re.error as error:
        raise entry.place.wrong(_("this is no regular expression: {why}.").format(why=error)) from error
    if compiled.groups != len(compiled.groupindex) or not compiled.groups:
        raise entry.place.wrong(
            _("every group of the pattern needs a name."), mend=_("Write (?P<name>...) or (?:...).")
        )
    if re.search(r"\(\?(?:[=!]|<[=!])|\(\?P=|\\[1-9]", said):
        raise entry.place.wrong(_("look-around and back-references are not possible here."))
    for path, target in named.items():
        if path[0] not in compiled.groupindex:
            place = table["columns"].table()[target].place
            names = ", ".join(compiled.groupindex)
            raise place.wrong(
                _("the pattern has no group {name!r}.").format(name=path[0]),
                mend=_("Known: {names}").format(names=names),
            )
    return said, dict.fromkeys(compiled.groupindex, "VARCHAR")


def _columns(mapped: dict[str, Mapped], *, routes: tuple[Route, ...]) -> dict[str, str]:
    columns = {target: each.sql for target, each in mapped.items()}
    if "url_path" in mapped:
        columns.setdefault("class_uid", "4002")
        if "url_query" not in mapped and mapped["url_path"].paths:
            columns["url_query"] = columns["url_path"].replace("path_of(", "query_of(", 1)
        if "http_method" in mapped:
            columns.setdefault("activity_id", f"http_activity({columns['http_method']})")
            columns.setdefault("api_operation", columns["http_method"])
    elif "api_operation" in mapped:
        columns.setdefault("class_uid", "6003")
        columns.setdefault("activity_id", f"activity_of({columns['api_operation']})")
    columns.setdefault("class_uid", "0")
    if routes:
        _add_routes(columns, mapped=mapped, routes=routes)
    return columns


def _add_routes(columns: dict[str, str], *, mapped: dict[str, Mapped], routes: tuple[Route, ...]) -> None:
    path, method = columns["url_path"], columns.get("http_method", "NULL::VARCHAR")
    for target, (arms, fallback) in columns_of(routes, path=path, method=method).items():
        columns[target] = f"CASE {arms} ELSE {mapped[target].sql if target in mapped else fallback} END"
    login = login_when(routes, path=path, method=method)
    if login:
        code = columns.get("status_code", "NULL::VARCHAR")
        status = (
            columns.get("status_id")
            or f"CASE WHEN {login} THEN login_status({path}, {code}) ELSE http_status({code}) END"
        )
        columns["class_uid"] = f"CASE WHEN {login} THEN 3002 ELSE {columns['class_uid']} END"
        columns["activity_id"] = f"CASE WHEN {login} THEN 1 ELSE {columns.get('activity_id', 'NULL')} END"
        columns["status_id"] = status


def _recognise(shape: Shape, *, pattern: str, moments: tuple[FieldPath, ...]) -> Callable[[Sample], float]:
    """A mapping is stated by the operator: a file that has its time and its shape is taken for its own."""

    def timed(record: dict[str, object]) -> bool:
        return any(_at(record, path) is not None for path in moments) or not moments

    def recognise(sample: Sample) -> float:
        if sample.shape is not shape:
            return 0.0
        return stated(lines_matching(sample, pattern) if shape is Shape.TEXT else records_where(sample, timed))

    return recognise


def _at(record: object, path: FieldPath) -> object:
    for step in path:
        if not isinstance(record, dict):
            return None
        record = record.get(step)
    return record
