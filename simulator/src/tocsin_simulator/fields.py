"""What the Graph API does everywhere: parameters of a request, `fields=` with its braces, pages with cursors."""

import base64
import binascii
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

import orjson

from tocsin_simulator.errors import GraphError
from tocsin_simulator.routing import Request

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_CALL = re.compile(r"\.([A-Za-z_]+)\(")
# Parameters that are lists or objects, never texts.
PACKED = frozenset(
    "block_users commands components degrees_of_freedom_spec hsm_ids languages prompts tasks webhook_configuration "
    "websites".split()
)
PAGE_DEFAULT = 25
PAGE_MAX = 1000


@dataclass(frozen=True)
class Field:
    """One field asked for: `throughput{level}` has the part `level`, `analytics.start(1)` the argument `start`."""

    name: str
    parts: tuple["Field", ...] = ()
    arguments: dict[str, str] = field(default_factory=dict)


def parameters(request: Request) -> dict[str, Any]:
    """Return all that was sent beside the path: query, form or JSON body; the body wins.

    Lists and objects may come as JSON within a text, and the whole body as one JSON text: clients send both.
    """
    given: dict[str, Any] = dict(request.query)
    given.pop("access_token", None)
    if request.raw.content_type == "application/x-www-form-urlencoded":
        given |= dict(parse_qsl(request.body.decode("utf-8", "replace")))
    elif request.body and request.raw.content_type != "multipart/form-data":
        given |= _object(request)
    return {name: _unpacked(value) if name in PACKED else value for name, value in given.items()}


def _object(request: Request) -> dict[str, Any]:
    if request.body[:1] == b'"':
        inner = _unpacked(orjson.loads(request.body))
        if isinstance(inner, dict):
            return inner
    return request.json()


def _unpacked(value: Any) -> Any:
    if isinstance(value, str) and value[:1] in {"[", "{"}:
        try:
            return orjson.loads(value)
        except orjson.JSONDecodeError:
            return value
    return value


def asked(text: str) -> list[Field]:
    """Return the fields of a `fields=` text; raises `GraphError` 2500 when it cannot be read."""
    found = []
    for part in _split(text):
        name = _NAME.match(part)
        if name is None:
            raise _syntax(text)
        rest = part[name.end() :]
        arguments, rest = _arguments(rest, whole=text)
        parts: tuple[Field, ...] = ()
        if rest.startswith("{") and rest.endswith("}"):
            parts, rest = tuple(asked(rest[1:-1])), ""
        if rest:
            raise _syntax(text)
        found.append(Field(name.group(), parts, arguments))
    return found


def _arguments(rest: str, *, whole: str) -> tuple[dict[str, str], str]:
    arguments: dict[str, str] = {}
    while call := _CALL.match(rest):
        depth = 1
        for place in range(call.end(), len(rest)):
            depth += {"(": 1, ")": -1}.get(rest[place], 0)
            if depth == 0:
                arguments[call.group(1)] = rest[call.end() : place]
                rest = rest[place + 1 :]
                break
        else:
            raise _syntax(whole)
    return arguments, rest


def _split(text: str) -> list[str]:
    """Return the parts between the commas that stand in no bracket, blanks taken out."""
    parts, depth, part = [], 0, ""
    for letter in text:
        depth += {"(": 1, "{": 1, "[": 1, ")": -1, "}": -1, "]": -1}.get(letter, 0)
        if letter == "," and depth == 0:
            parts.append(part)
            part = ""
        elif not letter.isspace():
            part += letter
    return [each for each in [*parts, part] if each]


def _syntax(text: str) -> GraphError:
    return GraphError(2500, title=f"Syntax error in the field expansion {text[:80]!r}")


def picked(
    everything: Mapping[str, Callable[[Field], Any] | Any], *, wanted: list[Field], always: Iterable[str] = ("id",)
) -> dict[str, Any]:
    """Return the fields wanted of an object; a callable is asked for its value. None values are left out.

    Raises `GraphError` 100 for a field the object does not have, as the Graph API does.
    """
    found: dict[str, Any] = {}
    for each in wanted:
        if each.name not in everything:
            raise GraphError(100, title=f"Tried accessing nonexisting field ({each.name})")
        held = everything[each.name]
        value = held(each) if callable(held) else held
        if isinstance(value, dict) and each.parts:
            value = {part.name: value[part.name] for part in each.parts if part.name in value}
        if value is not None:
            found[each.name] = value
    for name in always:
        found.setdefault(name, everything[name])
    return found


def paged(rows: list[dict[str, Any]], *, keys: list[str], request: Request, address: str) -> dict[str, Any]:
    """Return one page of rows with its cursors; `keys` are what the cursors stand for, one for each row."""
    limit = _limit(request.query.get("limit", ""))
    first, last = 0, len(rows)
    if after := request.query.get("after"):
        first = _place(after, keys) + 1
    elif before := request.query.get("before"):
        last = _place(before, keys)
        first = max(0, last - limit)
    shown = slice(first, min(first + limit, last))
    page = rows[shown]
    if not page:
        return {"data": []}
    paging: dict[str, Any] = {
        "cursors": {"before": _cursor(keys[first]), "after": _cursor(keys[first + len(page) - 1])}
    }
    if first + len(page) < len(rows):
        paging["next"] = _link(request, address, after=paging["cursors"]["after"])
    if first > 0:
        paging["previous"] = _link(request, address, before=paging["cursors"]["before"])
    return {"data": page, "paging": paging}


def _limit(text: str) -> int:
    if not text:
        return PAGE_DEFAULT
    if not text.isdigit() or int(text) < 1:
        raise GraphError(100, title="Param limit must be a positive integer")
    return min(int(text), PAGE_MAX)


def _cursor(key: str) -> str:
    return base64.urlsafe_b64encode(key.encode()).decode()


def _place(cursor: str, keys: list[str]) -> int:
    try:
        return keys.index(base64.urlsafe_b64decode(cursor.encode()).decode())
    except (ValueError, binascii.Error) as error:
        raise GraphError(100, title="Invalid cursor") from error


def _link(request: Request, address: str, **moved: str) -> str:
    query = {name: value for name, value in request.query.items() if name not in {"after", "before"}} | moved
    return f"{address}{request.raw.rel_url.with_query(query)}"
