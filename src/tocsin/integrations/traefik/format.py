"""Traefik access logs; fields by doc.traefik.io, "Access Logs"."""

from tocsin.events.ports import Format
from tocsin.events.values import Shape
from tocsin.integrations.expressions import first, http_request
from tocsin.integrations.recognition import CONTAINER_PREFIX, QUOTED, by_keys, by_pattern

_CLF = (
    f"^{CONTAINER_PREFIX}"
    r'(\S+) - (.*?) \[(\d{1,2}/[A-Z][a-z]{2}/\d{4}:[^\]]+)\] "(\S+) (.*?)(?: HTTP/[0-9.]+)?" (\d+|-) (\d+|-) '
    f'"{QUOTED}" "{QUOTED}"'
    r' (\d+) "([^"]*)" "([^"]*)" (\d+)ms\s*$'
)
_CLF_FIELDS = ("host", "login", "time", "method", "target", "status", "bytes", "referrer", "agent", "count", "router",
               "upstream", "duration")  # fmt: skip
_KEYS = ("ClientHost", "ClientAddr", "ClientUsername", "DownstreamStatus", "DownstreamContentSize", "Duration",
         "RequestMethod", "RequestPath", "RequestHost", "RequestAddr", "StartUTC", "StartLocal", "time", "ServiceName",
         "request_User-Agent", "request_Referer", "request_X-Forwarded-For", "RequestId")  # fmt: skip

FORMATS: tuple[Format, ...] = (
    Format(
        key="traefik_json",
        title="Traefik access log as JSON",
        shape=Shape.JSON,
        fields=dict.fromkeys(_KEYS, "VARCHAR"),
        columns={
            # StartUTC of old versions has no zone; StartLocal may have another and is read last.
            "ts": """coalesce(ms_iso(rtrim(r."StartUTC", 'Z') || 'Z'), ms_iso(r."time"), ms_iso(r."StartLocal"))""",
            **http_request(
                method='r."RequestMethod"', target='r."RequestPath"', status="nullif(r.\"DownstreamStatus\", '0')"
            ),
            "src_endpoint_ip": 'coalesce(ip_of(r."ClientHost"), ip_of(r."ClientAddr"))',
            "x_forwarded_for": 'blank(r."request_X-Forwarded-For")',
            "actor_user_name": 'blank(r."ClientUsername")',
            "user_agent": 'blank(r."request_User-Agent")',
            "http_referrer": 'masked(blank(r."request_Referer"))',
            "url_hostname": first('r."RequestHost"', 'r."RequestAddr"'),
            "bytes_out": 'try_cast(r."DownstreamContentSize" AS BIGINT)',
            "duration_ms": 'try_cast(r."Duration" AS BIGINT) // 1000000',  # nanoseconds
        },
        recognise=by_keys(
            ("ClientHost", "RequestMethod", "RequestPath", "DownstreamStatus"),
            ("ClientAddr", "RequestMethod", "RequestPath"),
        ),
    ),
    Format(
        key="traefik_clf",
        title="Traefik access log, common layout",
        shape=Shape.TEXT,
        pattern=_CLF,
        fields=dict.fromkeys(_CLF_FIELDS, "VARCHAR"),
        columns={
            "ts": 'ms_clf(r."time")',
            **http_request(method='r."method"', target='r."target"', status="nullif(r.\"status\", '0')"),
            "src_endpoint_ip": 'blank(r."host")',
            "actor_user_name": 'blank(r."login")',
            "user_agent": 'unescaped(r."agent")',
            "http_referrer": 'masked(unescaped(r."referrer"))',
            "bytes_out": 'try_cast(r."bytes" AS BIGINT)',
            "duration_ms": 'try_cast(r."duration" AS BIGINT)',
        },
        recognise=by_pattern(_CLF),
    ),
)
