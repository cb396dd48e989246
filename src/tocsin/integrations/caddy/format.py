"""Caddy 2 access logs (JSON encoder); fields by caddyserver.com, "Logging"."""

from tocsin.events.ports import Format
from tocsin.events.values import Shape
from tocsin.integrations.expressions import first, http_request
from tocsin.integrations.recognition import by_keys

FORMATS: tuple[Format, ...] = (
    Format(
        key="caddy_json",
        title="Caddy access log",
        shape=Shape.JSON,
        fields={
            "ts": "VARCHAR",
            "request": {
                "remote_ip": "VARCHAR",
                "remote_addr": "VARCHAR",
                "client_ip": "VARCHAR",
                "method": "VARCHAR",
                "host": "VARCHAR",
                "uri": "VARCHAR",
                "headers": {"User-Agent": ["VARCHAR"], "Referer": ["VARCHAR"], "X-Forwarded-For": ["VARCHAR"]},
            },
            "user_id": "VARCHAR",
            "duration": "VARCHAR",
            "size": "VARCHAR",
            "status": "VARCHAR",
        },
        columns={
            "ts": 'ms_any(r."ts")',
            **http_request(
                method='r."request"."method"', target='r."request"."uri"', status="nullif(r.\"status\", '0')"
            ),
            "src_endpoint_ip": 'coalesce(ip_of(r."request"."client_ip"), ip_of(r."request"."remote_ip"), '
            'ip_of(r."request"."remote_addr"))',
            "x_forwarded_for": """array_to_string(r."request"."headers"."X-Forwarded-For", ', ')""",
            "actor_user_name": 'blank(r."user_id")',
            "user_agent": first('r."request"."headers"."User-Agent"[1]'),
            "http_referrer": 'masked(blank(r."request"."headers"."Referer"[1]))',
            "url_hostname": 'blank(r."request"."host")',
            "bytes_out": 'try_cast(r."size" AS BIGINT)',
            # Seconds as a number; with ``duration_format string`` it is text such as 1.5ms and stays out.
            "duration_ms": 'CAST(round(try_cast(r."duration" AS DOUBLE) * 1000) AS BIGINT)',
        },
        recognise=by_keys(("ts", "request.method", "request.uri", "status")),
    ),
)
