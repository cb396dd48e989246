"""A first draft of a mapping, from what stands in the file itself."""

import json
import re
from pathlib import Path

from tocsin.events import commands as events
from tocsin.events.values import Sample, Shape
from tocsin.integrations.generic.choosing import FIRST, Fields, Path as FieldPath, fields_of, looks_like_time
from tocsin.integrations.generic.columns import Part, parts_of
from tocsin.kernel.errors import TocsinError
from tocsin.kernel.language import gettext as _

_SECRET = re.compile(r"(?i)token|secret|passw|pwd|cookie|sess|auth|jwt|otp|signature|api-?_?key|credential|\bsid\b")
_SECRET_ARGUMENT = re.compile(
    r"(?i)([?&;][\w.-]*(?:token|secret|pass|pwd|key|auth|sess|sid|sig|code|jwt)[\w.-]*=)[^&;\s\"]+"
)
_TOKEN = re.compile(r"^(?:eyJ|[A-Za-z0-9+/_=-]{32,}$)")
SHOWN_MAX = 48  # characters of a sample value that a comment shows
# Which part of a record becomes which column, in the order of the draft.
_COLUMNS = (
    ("time", "ts"), ("event_id", "event_uid"), ("user", "actor_user_uid"), ("user_name", "actor_user_name"),
    ("staff", "actor_user_uid"), ("actor_type", "actor_type"), ("session", "actor_session_uid"),
    ("credential", "actor_credential_uid"), ("target", "target_account"), ("customer", "target_account"),
    ("address", "src_endpoint_ip"), ("country", "src_country"), ("agent", "user_agent"), ("device", "device_uid"),
    ("platform", "platform"), ("app", "app_name"), ("version", "app_version"), ("method", "http_method"),
    ("host", "url_hostname"), ("path", "url_path"), ("referrer", "http_referrer"), ("code", "status_code"),
    ("verdict", "status_id"), ("detail", "status_detail"), ("operation", "api_operation"), ("service", "api_service_name"),
    ("object_type", "object_type"), ("object_id", "object_id"), ("named_object", "object_id"), ("owner", "object_owner"),
    ("category", "data_category"), ("asn", "src_asn"), ("bytes", "bytes_out"), ("duration_ms", "duration_ms"),
)  # fmt: skip


def suggest_mapping(path: Path) -> str:
    """Return the YAML of a draft for a JSON, CSV or Parquet file, with sample values (secrets masked) as comments.

    Raises TocsinError when the file holds no records.
    """
    sample = events.sample_of(path)
    if sample.shape is Shape.TEXT:
        raise TocsinError(
            _("this is text without fields, so nothing can be drafted from it."),
            where=path,
            mend=_("Write a mapping with a pattern (docs/howto/map-a-log.md), or give --log-format."),
        )
    if not sample.records:
        raise TocsinError(
            _("no record could be read from it."), where=path, mend=_("Name a log with a few whole lines in it.")
        )
    fields = fields_of(sample, nested=sample.shape is not Shape.CSV)
    return "\n".join(_lines(path, sample=sample, fields=fields)) + "\n"


def _lines(path: Path, *, sample: Sample, fields: Fields) -> list[str]:
    parts = parts_of(fields)
    name = re.sub(r"[^a-z0-9]+", "_", path.name.split(".")[0].lower()).strip("_")
    lines = [
        f"# {_('Drafted by tocsin map suggest; read every line before you trust it.')}",
        f"# {_('Reference: docs/howto/map-a-log.md')}",
        f"name: {json.dumps(('log_' + name)[:40] if not name[:1].isalpha() else name[:40])}",
        f"title: {json.dumps(_printable(path.name))}",
        f"shape: {sample.shape.value}",
        "columns:",
    ]
    taken: dict[str, FieldPath] = {}
    for part, column in _COLUMNS:
        chosen = [each for each in parts.of(part) if each[-1] != FIRST]
        if chosen and column not in taken:
            taken[column] = chosen[0]
            lines += _column_lines(column, chosen[0], fields=fields)
    if not taken.keys() & {"url_path", "api_operation"} and any(
        re.search(r"(?i)log-?_? ?in|sign-?_? ?in", path[-1]) for path in taken.values()
    ):
        lines += [
            f"  # {_('Every record is a log-in (OCSF 3002).')}",
            "  class_uid: {constant: 3002}",
            "  activity_id: {constant: 1}",
        ]
    if "ts" not in taken:
        lines += [
            f"  # {_('No time was found: name the field that says when.')}",
            "  ts: {field: CHANGE_ME, time: iso8601}",
        ]
    lines += _rest(fields, parts=parts, taken=set(taken.values()))
    if "url_path" in taken:
        lines += _routes(fields, taken["url_path"])
    return lines


def _column_lines(column: str, path: FieldPath, *, fields: Fields) -> list[str]:
    said = _field(path)
    if column == "ts":
        said = f"{{field: {said}, time: {_time_format(fields.values[path])}}}"
    return [f"  # {', '.join(_shown(path, fields=fields))}", f"  {column}: {said}"]


def _time_format(values: list[object]) -> str:
    text = str(values[0]).strip()
    if isinstance(values[0], int | float) or re.fullmatch(r"\d{9,}(?:\.\d+)?", text):
        return "epoch"
    if re.match(r"\d{1,2}/[A-Z][a-z]{2}/\d{4}:", text):
        return "clf"
    return "iso8601" if all(looks_like_time(value) for value in values) and "-" in text else "any"


def _rest(fields: Fields, *, parts: Part, taken: set[FieldPath]) -> list[str]:
    left = [path for path in fields.filled if path not in taken and path[-1] != FIRST]
    if not left:
        return []
    lines = [f"  # {_('Fields not used; they are kept as left over:')}"]
    for path in sorted(left, key=lambda each: (-fields.filled[each], each))[:40]:
        note = f" ({_('also fits')})" if path in parts.paths else ""
        lines.append(f"  #   {_printable('.'.join(path))}{note}: {', '.join(_shown(path, fields=fields))}")
    return lines


def _routes(fields: Fields, path: FieldPath) -> list[str]:
    """Draft routes from the paths seen: ids become places."""
    seen: dict[str, int] = {}
    for value in fields.values[path]:
        target = re.sub(r"^[A-Z]+ |^[a-z]+://[^/]*", "", str(value)).split("?")[0].split(" ")[0]
        if re.fullmatch(r"/[\w./~-]{0,120}", target):
            template = re.sub(r"/(?:\d+|[0-9a-f-]{12,}|[A-Za-z]{1,12}[_-]\d+)(?=/|$)", "/{id}", target)
            seen[template] = seen.get(template, 0) + 1
    named = [each for each in sorted(seen, key=lambda each: -seen[each]) if "{id}" in each and each.count("{id}") == 1][
        :10
    ]
    if not named:
        return []
    lines = [
        f"# {_('What paths mean; data_category: profile, contact, payment, password, messages, content, health, ...')}",
        "routes:",
    ]
    for template in named:
        before = template.split("/{id}")[0].rsplit("/", 1)[-1] or "thing"
        kind = re.sub(r"[^a-z_]", "", re.sub(r"s$", "", before.lower())) or "thing"
        lines += [
            f"  - match: {json.dumps(template.replace('{id}', '{' + kind + '}'))}",
            f"    object_type: {kind}",
            f"    object: {kind}",
        ]
    return lines


def _field(path: FieldPath) -> str:
    """Return how a field is written in the mapping: dotted, or a list where a step has dots of its own."""
    if any("." in step for step in path):
        return "[" + ", ".join(json.dumps(step) for step in path) + "]"
    return json.dumps(".".join(path))


def _shown(path: FieldPath, *, fields: Fields) -> list[str]:
    shown: list[str] = []
    for value in fields.values[path]:
        secret = _SECRET.search(path[-1]) or (isinstance(value, str) and _TOKEN.match(value))
        plain = _SECRET_ARGUMENT.sub(r"\1[secret]", json.dumps(value, ensure_ascii=False))
        text = "[secret]" if secret else _printable(plain)[:SHOWN_MAX]
        if text not in shown:
            shown.append(text)
        if len(shown) == 3:
            break
    return shown


def _printable(text: str) -> str:
    return "".join(each if each.isprintable() else "?" for each in text)
