"""A log layout the operator names, compiled: nginx ``log_format`` variables or Apache ``LogFormat`` directives.

Variables by nginx.org/en/docs/varindex.html, directives by httpd.apache.org/docs/2.4/mod/mod_log_config.html.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tocsin.events.ports import Format
from tocsin.events.values import Shape
from tocsin.integrations.expressions import http_request, literal
from tocsin.integrations.recognition import lines_matching, stated
from tocsin.kernel.errors import TocsinError
from tocsin.kernel.language import gettext as _

# What each nginx variable tells. Names not listed are read over.
_VARIABLES = {
    "remote_addr": "address", "realip_remote_addr": "address", "http_x_real_ip": "address", "binary_remote_addr": "",
    "remote_user": "login", "time_local": "clf_time", "time_iso8601": "iso_time", "msec": "epoch_time", "request": "request",
    "request_method": "method", "request_uri": "target", "uri": "path", "document_uri": "path", "args": "query",
    "query_string": "query", "status": "status", "body_bytes_sent": "bytes", "bytes_sent": "bytes",
    "http_referer": "referrer", "http_user_agent": "agent", "http_x_forwarded_for": "forwarded",
    "proxy_add_x_forwarded_for": "forwarded", "http_host": "hostname", "host": "hostname", "server_name": "hostname",
    "request_time": "seconds", "request_id": "event_id", "http_x_request_id": "event_id", "cookie_session": "session",
    "cookie_sessionid": "session", "cookie_sid": "session", "cookie_phpsessid": "session", "cookie_jsessionid": "session",
    "http_authorization": "session", "http_cookie": "session", "http_x_user_id": "user", "http_x_user": "user",
    "upstream_http_x_user_id": "user", "sent_http_x_user_id": "user", "geoip_country_code": "country",
    "geoip2_data_country_code": "country",
}  # fmt: skip
_DIRECTIVES = {
    "h": "address", "a": "address", "l": "", "u": "login", "t": "bracketed_time", "r": "request", "s": "status", "b": "bytes",
    "B": "bytes", "O": "bytes", "D": "microseconds", "T": "whole_seconds", "m": "method", "U": "path", "q": "asked", "v": "hostname",
    "V": "hostname", "L": "event_id", "H": "", "I": "", "f": "", "X": "", "k": "", "p": "", "P": "", "R": "", "A": "", "S": "",
}  # fmt: skip
_HEADERS = {"user-agent": "agent", "referer": "referrer", "x-forwarded-for": "forwarded", "host": "hostname", "x-real-ip": "address",
            "x-user-id": "user", "x-request-id": "event_id", "cookie": "session", "authorization": "session"}  # fmt: skip
_TIME_UNITS = {"sec": "epoch_time", "msec": "epoch_time", "usec": "epoch_time"}
_DURATIONS = {"ms": "milliseconds", "us": "microseconds", "s": "whole_seconds"}
_SPACED = {
    "request",
    "clf_time",
    "agent",
    "referrer",
    "login",
}  # may hold blanks even where no quotes stand around them
_TOKEN = re.compile(
    r"\$\{(?P<braced>\w+)\}|\$(?P<bare>\w+)|%%|%[!\d,]*[<>]?(?:\{(?P<argument>[^}]*)\})?[<>]?(?P<directive>\^t[io]|[A-Za-z])"
)


@dataclass(frozen=True, slots=True)
class _Piece:
    """A stretch of the layout: text that stands there as it is, or a value and what it tells (``""``: nothing)."""

    text: str = ""
    told: str | None = None
    strftime: str = ""


def from_log_format(text: str) -> Format:
    """Return the format of a log written with an nginx ``log_format`` or an Apache ``LogFormat``.

    ``text`` is the layout alone or the whole directive from the configuration. Raises TocsinError when it cannot be read
    back: no time in it, two values with nothing between them, an unknown directive, or JSON.
    """
    layout = _layout_of(text)
    pieces = list(_pieces(layout))
    told = [piece.told for piece in pieces if piece.told is not None]
    if not told:
        raise TocsinError(
            _("the log format names no variable."), where="--log-format",
            mend=_("Give it as it stands in nginx's log_format ($remote_addr ...) or Apache's LogFormat (%h ...)."),
        )  # fmt: skip
    if not any(each.endswith("time") for each in told):
        raise TocsinError(
            _("the log format has no time, so no event could be placed."), where="--log-format",
            mend=_("Add $time_local, $time_iso8601, $msec or %t to the log."),
        )  # fmt: skip
    pattern, fields = _pattern_of(pieces)
    return Format(
        key="log_format",
        title=_("Log format given by the operator"),
        shape=Shape.TEXT,
        pattern=pattern,
        fields=dict.fromkeys(fields, "VARCHAR"),
        columns=_columns(fields),
        recognise=lambda sample: stated(lines_matching(sample, pattern)),
    )


def _layout_of(text: str) -> str:
    """Return the layout inside a whole directive (``log_format main '...' '...';``, ``LogFormat "..." name``)."""
    stripped = text.strip()
    if stripped.startswith("log_format"):
        layout = "".join(
            first or second for first, second in re.findall(r"'((?:[^'\\]|\\.)*)'|\"((?:[^\"\\]|\\.)*)\"", stripped)
        )
    elif match := re.match(r'(?:LogFormat|CustomLog\s+\S+)\s+"((?:[^"\\]|\\.)*)"', stripped):
        layout = match.group(1)
    else:
        layout = stripped
    layout = layout.replace('\\"', '"').replace("\\'", "'").replace("\\t", "\t")
    if re.match(r'\s*\{\s*"', layout):
        raise TocsinError(
            _("this log format writes JSON, which needs no --log-format."), where="--log-format",
            mend=_("Read the file without it, or describe its fields: tocsin map suggest FILE."),
        )  # fmt: skip
    return layout


def _pieces(layout: str) -> Iterator[_Piece]:
    at = 0
    for token in _TOKEN.finditer(layout):
        if token.start() > at:
            yield _Piece(text=layout[at : token.start()])
        at = token.end()
        if token.group() == "%%":
            yield _Piece(text="%")
        elif variable := token.group("braced") or token.group("bare"):
            yield _Piece(told=_VARIABLES.get(variable.lower(), ""))
        else:
            yield _directive(token.group("directive"), token.group("argument"))
    if at < len(layout):
        yield _Piece(text=layout[at:])


def _directive(letter: str, argument: str | None) -> _Piece:
    if letter in ("^ti", "^to") or letter in "CeinoxM" or (letter == "p" and argument):
        named = (argument or "").lower()
        if letter == "i":
            return _Piece(told=_HEADERS.get(named, ""))
        return _Piece(told="session" if letter == "C" and "sess" in named else "")
    if letter == "t" and argument:
        argument = argument.removeprefix("begin:").removeprefix("end:")
        if argument in _TIME_UNITS:
            return _Piece(told="epoch_time")
        if argument.endswith("_frac"):
            return _Piece(told="")
        return _Piece(told="strftime_time", strftime=argument)
    if letter == "T" and argument:
        return _Piece(told=_DURATIONS.get(argument, ""))
    if letter not in _DIRECTIVES:
        raise TocsinError(
            _("the log format has an unknown directive: %{letter}").format(letter=letter), where="--log-format",
            mend=_("Use the directives of Apache's mod_log_config or the variables of nginx."),
        )  # fmt: skip
    return _Piece(told=_DIRECTIVES[letter])


def _pattern_of(pieces: list[_Piece]) -> tuple[str, list[str]]:
    """Return the RE2 pattern and the names of its groups, one per thing told (the first that tells it)."""
    pattern, fields = "^", []
    for number, piece in enumerate(pieces):
        if piece.told is None:
            pattern += _escaped(piece.text)
            continue
        following = pieces[number + 1] if number + 1 < len(pieces) else None
        if following is not None and following.told is not None and piece.told != "path":
            raise TocsinError(
                _("two values of the log format stand side by side, so they cannot be told apart."), where="--log-format",
                mend=_("Put a space or another character between them in the server's configuration."),
            )  # fmt: skip
        before = pieces[number - 1].text[-1:] if number else ""
        group = _group(piece, before=before, after=following.text[:1] if following else "")
        kept = bool(piece.told) and piece.told not in fields
        pattern += f"({group})" if kept else f"(?:{group})"
        if kept:
            fields.append(piece.told if not piece.strftime else f"strftime_time:{piece.strftime}")
    return pattern + r"\s*$", fields


def _escaped(text: str) -> str:
    """Escape a text for RE2; any run of blanks in the layout matches any run of blanks in the log."""
    return re.sub(r"(?:\\[ \t]|[ \t])+", lambda run: r"\t" if "\t" in run.group() else " +", re.escape(text))


def _group(piece: _Piece, *, before: str, after: str) -> str:
    if piece.told == "bracketed_time":
        return r"\[[^\]]+\]"
    if before == '"' and after == '"':
        return r'(?:[^"\\]|\\.)*'
    if before == "[" and after == "]":
        return r"[^\]]*"
    if piece.told == "status":
        return r"\d{3}|-"
    if piece.told == "forwarded" and after in ("", " "):
        return r"[^\s,]*(?:, ?[^\s,]+)*"
    if after in ("", " ") and piece.told in _SPACED:
        return r".*?" if after else r".*"
    if not after:
        return r"\S*"
    return f"[^{re.escape(after)}]*" if after != " " else r"\S*"


def _columns(fields: list[str]) -> dict[str, str]:
    told = {each.partition(":")[0]: each for each in fields}

    def at(name: str) -> str:
        return f"r.{_quoted(told[name])}" if name in told else "NULL::VARCHAR"

    request = at("request")
    method = f"""coalesce(blank({at("method")}), blank(regexp_extract({request}, '^([A-Z][A-Z_-]+) ', 1)))"""
    asked = (
        f"""CASE WHEN blank({at("query")}) IS NOT NULL THEN '?' || {at("query")} ELSE coalesce({at("asked")}, '') END"""
    )
    target = (
        f"""coalesce(blank({at("target")}), blank(regexp_extract({request}, '^[A-Z][A-Z_-]+ (.*?)(?: HTTP/[0-9.]+)?$', 1)), """
        f"""blank({at("path")}) || {asked})"""
    )
    columns = {
        "event_uid": f"blank({at('event_id')})",
        "ts": _moment(told, at),
        **http_request(method=method, target=target, status=at("status")),
        "src_endpoint_ip": f"coalesce(ip_of({at('address')}), blank({at('address')}))",
        "actor_user_uid": f"blank({at('user')})",
        "actor_user_name": f"blank({at('login')})",
        "actor_session_uid": f"secret({at('session')})",
        "user_agent": f"unescaped({at('agent')})",
        "http_referrer": f"masked(unescaped({at('referrer')}))",
        "url_hostname": f"blank({at('hostname')})",
        "bytes_out": f"try_cast({at('bytes')} AS BIGINT)",
        "duration_ms": _duration(told, at),
        "x_forwarded_for": f"blank({at('forwarded')})",
    }
    if "country" in told:
        columns["src_country"] = f"upper(blank({at('country')}))"
    return columns


def _quoted(field: str) -> str:
    return '"' + field.replace('"', '""') + '"'


def _moment(told: dict[str, str], at: Callable[[str], str]) -> str:
    readers = {
        "clf_time": "ms_clf({0})",
        "bracketed_time": "ms_clf(trim({0}, '[]'))",
        "iso_time": "ms_iso({0})",
        "epoch_time": "ms_number({0})",
    }
    found = [reader.format(at(name)) for name, reader in readers.items() if name in told]
    if "strftime_time" in told:
        strftime = told["strftime_time"].partition(":")[2]
        value = at("strftime_time")
        found.append(
            f"epoch_ms(try_cast(try_strptime(trim({value}, '[]'), {literal(strftime.strip('[]'))}) AS TIMESTAMPTZ))"
        )
        found.append(f"ms_any(trim({value}, '[]'))")
    return f"coalesce({', '.join([*found, 'NULL'])})"


def _duration(told: dict[str, str], at: Callable[[str], str]) -> str:
    for name, factor in (
        ("seconds", 1000.0),
        ("whole_seconds", 1000.0),
        ("milliseconds", 1.0),
        ("microseconds", 0.001),
    ):
        if name in told:
            return f"CAST(round(try_cast({at(name)} AS DOUBLE) * {factor}) AS BIGINT)"
    return "NULL"
