"""Routes of a mapping: what a path means, which thing it names, whose it is, and which kind of data that is."""

import re
from dataclasses import dataclass, field

from tocsin.integrations.expressions import literal
from tocsin.integrations.mapping.document import Entry
from tocsin.kernel.language import gettext as _

_KEYS = ("match", "method", "operation", "object_type", "object", "owner", "data_category", "login")
_PLACE = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")


@dataclass(frozen=True, slots=True)
class Route:
    """One route: its RE2 pattern over the path, the names of its groups, and what it says."""

    pattern: str
    groups: tuple[str, ...]
    template: str
    method: str = ""
    said: dict[str, str] = field(default_factory=dict)
    login: bool = False


def read_route(entry: Entry) -> Route:
    """Read one element of ``routes``. Raises TocsinError at the line of what is wrong."""
    table = entry.table(known=_KEYS)
    if "match" not in table:
        raise entry.place.wrong(_("a route needs match."), mend=_("For instance: match: /v1/tracks/{track}"))
    pattern, template = _pattern_of(table["match"])
    try:
        groups = tuple(re.compile(pattern).groupindex)
    except re.error as error:
        raise table["match"].place.wrong(_("this is no regular expression: {why}.").format(why=error)) from error
    said: dict[str, str] = {
        key: table[key].text()
        for key in ("operation", "object_type", "object", "owner", "data_category")
        if key in table
    }
    for key in ("object", "owner"):
        if key in said and said[key] not in groups:
            raise table[key].place.wrong(
                _("{key} names {name!r}, which the route does not have.").format(key=key, name=said[key]),
                mend=_("Name one of: {names}").format(names=", ".join(groups) or _("none")),
            )
    method = table["method"].text().upper() if "method" in table else ""
    return Route(pattern, groups, template, method, said, login="login" in table and table["login"].flag())


def _pattern_of(entry: Entry) -> tuple[str, str]:
    """Return the pattern of ``/v1/tracks/{track}`` or of a regular expression (``^...``), and its template."""
    said = entry.text()
    if said.startswith("^"):
        if re.search(r"\(\?[=!<](?!P?<)|\\[1-9]", said.replace("(?P<", "")):
            raise entry.place.wrong(_("look-around and back-references are not possible here."))
        return said, ""
    if not said.startswith("/"):
        raise entry.place.wrong(_("match begins with / (a template) or ^ (a regular expression)."))
    parts = _PLACE.split(said)
    names = parts[1::2]
    if len(set(names)) != len(names):
        raise entry.place.wrong(_("a name stands twice in the route."))
    pattern = "".join(re.escape(part) if at % 2 == 0 else f"(?P<{part}>[^/]+)" for at, part in enumerate(parts))
    return f"^{pattern}/?$", _PLACE.sub("{id}", said)


def _when(route: Route, *, path: str, method: str) -> str:
    matches = f"regexp_matches({path}, {literal(route.pattern)})"
    return f"{matches} AND upper({method}) = {literal(route.method)}" if route.method else matches


def _group(route: Route, name: str, *, path: str) -> str:
    return f"nullif(regexp_extract({path}, {literal(route.pattern)}, {route.groups.index(name) + 1}), '')"


def columns_of(routes: tuple[Route, ...], *, path: str, method: str) -> dict[str, tuple[str, str]]:
    """Return for each column the arms of a CASE and the value where no route matches, both as SQL.

    ``path`` and ``method`` are SQL texts. A column no route speaks of is left to the reader.
    """
    fallbacks = {
        "route": f"route_of({path})",
        "api_operation": method,
        "object_type": f"object_type_of({path})",
        "object_id": f"object_id_of({path})",
        "object_owner": f"person_of({path})",
        "data_category": f"category_of({path})",
    }
    arms: dict[str, list[str]] = {}
    for route in routes:
        when = _when(route, path=path, method=method)
        values = {
            "route": literal(route.template) if route.template else None,
            "api_operation": literal(route.said["operation"]) if "operation" in route.said else None,
            "object_type": literal(route.said["object_type"]) if "object_type" in route.said else None,
            "object_id": _group(route, route.said["object"], path=path) if "object" in route.said else None,
            "object_owner": _group(route, route.said["owner"], path=path) if "owner" in route.said else None,
            "data_category": literal(route.said["data_category"]) if "data_category" in route.said else None,
        }
        for column, value in values.items():
            arms.setdefault(column, []).append(f"WHEN {when} THEN {value or fallbacks[column]}")
    return {column: (" ".join(each), fallbacks[column]) for column, each in arms.items()}


def login_when(routes: tuple[Route, ...], *, path: str, method: str) -> str:
    """Return the SQL condition under which a request is a log-in by one of the routes, or an empty text."""
    return " OR ".join(f"({_when(route, path=path, method=method)})" for route in routes if route.login)
