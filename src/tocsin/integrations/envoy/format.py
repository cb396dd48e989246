"""Envoy access logs: the default text line and JSON by the usual operator names.

Layouts: envoyproxy.io, "Access logging", default format string and Istio's and Envoy Gateway's JSON keys.
"""

from tocsin.events.ports import Format
from tocsin.events.values import Shape
from tocsin.integrations.expressions import first, http_request
from tocsin.integrations.recognition import CONTAINER_PREFIX, by_keys, by_pattern

_TEXT = (
    f"^{CONTAINER_PREFIX}"
    r'\[(\d{4}-\d\d-\d\dT[^\]]+)\] "(\S+) (.*?) ?(?:HTTP/[0-9.]+|-)?" (\d+) (\S+)(?: \S+ \S+ "[^"]*")? (\d+) (\d+) (\d+|-) (\S+) '
    r'"([^"]*)" "([^"]*)" "([^"]*)" "([^"]*)" "([^"]*)"(.*)$'
)
_TEXT_FIELDS = ("start", "method", "target", "status", "flags", "bytes_in", "bytes_out", "duration", "upstream_time",
                "forwarded", "agent", "request_id", "authority", "upstream", "rest")  # fmt: skip
# A JSON log whose lines carry the container runtime's prefix is text to the eye; its object is read with JSON paths.
_WRAPPED = r'^\d{4}-\d\d-\d\dT\S+ std(?:out|err) [FP] (\{.*"response_code".*\})\s*$'

_JSON_KEYS = (":authority", "authority", "bytes_sent", "downstream_remote_address", "duration", "method", "path",
              "response_code", "response_code_details", "response_flags", "start_time", "user-agent", "user_agent",
              "x-envoy-origin-path", "x-forwarded-for", "x_forwarded_for", "x-request-id", "request_id",
              "referer")  # fmt: skip


def _json_columns(at: dict[str, str]) -> dict[str, str]:
    """Return the columns of a JSON record; ``at`` gives the SQL text of each key."""
    forwarded = first(at["x-forwarded-for"], at["x_forwarded_for"])
    return {
        "event_uid": first(at["x-request-id"], at["request_id"]),
        "ts": f"ms_any({at['start_time']})",
        **http_request(
            method=at["method"],
            target=first(at["x-envoy-origin-path"], at["path"]),
            status=f"nullif({at['response_code']}, '0')",
        ),
        "status_detail": f"coalesce(blank({at['response_flags']}), blank({at['response_code_details']}))",
        "src_endpoint_ip": f"ip_of({at['downstream_remote_address']})",
        "x_forwarded_for": forwarded,
        "user_agent": first(at["user-agent"], at["user_agent"]),
        "http_referrer": f"masked(blank({at['referer']}))",
        "url_hostname": first(at[":authority"], at["authority"]),
        "bytes_out": f"try_cast({at['bytes_sent']} AS BIGINT)",
        "duration_ms": f"try_cast({at['duration']} AS BIGINT)",
    }


FORMATS: tuple[Format, ...] = (
    Format(
        key="envoy_json",
        title="Envoy access log as JSON",
        shape=Shape.JSON,
        fields=dict.fromkeys(_JSON_KEYS, "VARCHAR"),
        columns=_json_columns({key: f'r."{key}"' for key in _JSON_KEYS}),
        recognise=by_keys(
            ("start_time", "response_code", "response_flags", "method"),
            ("start_time", "response_code", "downstream_remote_address"),
        ),
    ),
    Format(
        key="envoy_json_container",
        title="Envoy access log as JSON behind a container runtime's prefix",
        shape=Shape.TEXT,
        pattern=_WRAPPED,
        fields={"object": "VARCHAR"},
        columns=_json_columns({key: f"""js(r."object", '$."{key}"')""" for key in _JSON_KEYS}),
        recognise=by_pattern(_WRAPPED),
    ),
    Format(
        key="envoy_text",
        title="Envoy access log, default text",
        shape=Shape.TEXT,
        pattern=_TEXT,
        fields=dict.fromkeys(_TEXT_FIELDS, "VARCHAR"),
        columns={
            "event_uid": 'blank(r."request_id")',
            "ts": 'ms_iso(r."start")',
            **http_request(method='r."method"', target='r."target"', status="nullif(r.\"status\", '0')"),
            "status_detail": 'blank(r."flags")',
            # The default line names the client only by X-Forwarded-For, whose last entry Envoy itself wrote.
            "src_endpoint_ip": """ip_of(regexp_extract(r."forwarded", '([^, ]+) *$', 1))""",
            "x_forwarded_for": 'blank(r."forwarded")',
            "user_agent": 'blank(r."agent")',
            "url_hostname": 'blank(r."authority")',
            "bytes_out": 'try_cast(r."bytes_out" AS BIGINT)',
            "duration_ms": 'try_cast(r."duration" AS BIGINT)',
        },
        recognise=by_pattern(_TEXT),
    ),
)
