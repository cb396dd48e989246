"""Common and combined access logs, as nginx, Apache httpd, lighttpd, LiteSpeed and Caddy 1 write them.

Layouts: httpd.apache.org/docs/2.4/logs.html and nginx's ``combined``; anything after the user agent is kept as left over.
"""

from tocsin.events.ports import Format
from tocsin.events.values import Shape
from tocsin.integrations.expressions import http_request
from tocsin.integrations.recognition import CONTAINER_PREFIX, QUOTED, by_pattern

# host ident user [time] "METHOD target PROTOCOL" status bytes; a request that is no HTTP at all lands in ``raw``.
_REQUEST = r'"(?:([A-Z][A-Z_-]{0,19}) ((?:[^" \\]|\\.)+)(?: HTTP/[0-9.]+)?|' + QUOTED + r')"'
_LINE = r"(\S+) \S+ (.*?) \[(\d{1,2}/[A-Z][a-z]{2}/\d{4}:[^\]]+)\] " + _REQUEST + r" (\d{3}|-) (\d+|-)"
_AGENT = r' "' + QUOTED + r'" "' + QUOTED + r'"'
_VHOST = r"([A-Za-z0-9_.\[\]:*-]+?)(?::\d+)? "
_TRAEFIK_TAIL = r'" \d+ "[^"]*" "[^"]*" \d+ms\s*$'

COMBINED = f"^{CONTAINER_PREFIX}{_LINE}{_AGENT}(.*)$"
COMMON = f"^{CONTAINER_PREFIX}{_LINE}(\\s*)$"
# Three words stand before the bracket without a virtual host, four with one.
VHOST = f"^{CONTAINER_PREFIX}{_VHOST}{_LINE}(?:{_AGENT})?(.*)$"
_VHOST_SHAPE = f"^{CONTAINER_PREFIX}[A-Za-z0-9_.\\[\\]:*-]+ [0-9A-Fa-f.:]+ \\S+ .*? \\[\\d{{1,2}}/[A-Z][a-z]{{2}}/"

_FIELDS = ("host", "login", "time", "method", "target", "raw", "status", "bytes")
_TARGET = r"""coalesce(blank(r."target"), blank(regexp_extract(r."raw", '^[A-Z]+ (/.*?)(?: HTTP/[0-9.]+)?$', 1)))"""
_METHOD = r"""coalesce(blank(r."method"), blank(regexp_extract(r."raw", '^([A-Z]{3,20}) /', 1)))"""
_COLUMNS = {
    "ts": 'ms_clf(r."time")',
    "src_endpoint_ip": 'blank(r."host")',
    "actor_user_name": 'blank(r."login")',
    "bytes_out": 'try_cast(r."bytes" AS BIGINT)',
    **http_request(method=_METHOD, target=_TARGET, status='r."status"'),
}
_AGENT_COLUMNS = {"http_referrer": 'masked(unescaped(r."referrer"))', "user_agent": 'unescaped(r."agent")'}
# nginx's widespread ``main`` layout adds the quoted X-Forwarded-For as its last field.
_FORWARDED = r"""blank(regexp_extract(r."rest", '^ "([0-9A-Fa-f.:, ]+)"', 1))"""
_MALFORMED = """CASE WHEN blank(r."raw") IS NOT NULL THEN json_object('request', masked(left(r."raw", 2000))) END"""
_LEFT_OVER = (
    """CASE WHEN blank(trim(r."rest")) IS NOT NULL OR blank(r."raw") IS NOT NULL THEN """
    """json_object('rest', masked(trim(r."rest")), 'request', masked(left(r."raw", 2000))) END"""
)


def _named(*names: str) -> dict[str, object]:
    return dict.fromkeys(names, "VARCHAR")


FORMATS: tuple[Format, ...] = (
    Format(
        key="nginx_combined",
        title="Combined access log (nginx, Apache)",
        shape=Shape.TEXT,
        pattern=COMBINED,
        fields=_named(*_FIELDS, "referrer", "agent", "rest"),
        columns={**_COLUMNS, **_AGENT_COLUMNS, "x_forwarded_for": _FORWARDED},
        recognise=by_pattern(COMBINED, unless=f"{_VHOST_SHAPE}|{_TRAEFIK_TAIL}"),
        unmapped=_LEFT_OVER,
    ),
    Format(
        key="apache_common",
        title="Common access log (Apache, nginx)",
        shape=Shape.TEXT,
        pattern=COMMON,
        fields=_named(*_FIELDS, "rest"),
        columns=_COLUMNS,
        recognise=by_pattern(COMMON, unless=_VHOST_SHAPE),
        unmapped=_MALFORMED,
    ),
    Format(
        key="apache_vhost",
        title="Access log with the virtual host first (Apache vhost_combined and vhost_common)",
        shape=Shape.TEXT,
        pattern=VHOST,
        fields=_named("vhost", *_FIELDS, "referrer", "agent", "rest"),
        columns={**_COLUMNS, **_AGENT_COLUMNS, "url_hostname": 'blank(r."vhost")', "x_forwarded_for": _FORWARDED},
        recognise=by_pattern(f"{_VHOST_SHAPE}"),
        unmapped=_LEFT_OVER,
    ),
)
