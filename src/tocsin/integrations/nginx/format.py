"""nginx access logs as JSON lines, by the variable names nearly every JSON ``log_format`` uses as keys.

Variables: nginx.org/en/docs/varindex.html. A log with other keys is read by the generic JSON format or a mapping.
"""

from tocsin.events.ports import Format
from tocsin.events.values import Sample, Shape
from tocsin.integrations.expressions import first, http_request
from tocsin.integrations.recognition import records_where

_KEYS = (
    "time_iso8601", "time_local", "msec", "time", "timestamp", "@timestamp", "remote_addr", "remote_user", "request",
    "request_method", "request_uri", "uri", "args", "query_string", "status", "body_bytes_sent", "bytes_sent",
    "http_user_agent", "http_referer", "http_referrer", "http_host", "host", "server_name", "http_x_forwarded_for",
    "request_time", "request_id", "http_x_user_id", "http_x_session_id", "cookie_session", "cookie_sessionid",
)  # fmt: skip
_SURE = {"remote_addr", "request", "status", "body_bytes_sent", "http_user_agent", "request_uri", "time_local",
         "time_iso8601", "request_method", "http_referer", "request_time", "upstream_addr"}  # fmt: skip

_METHOD = first('r."request_method"', """regexp_extract(r."request", '^([A-Z]{3,20}) ', 1)""")
_TARGET = first(
    'r."request_uri"',
    """regexp_extract(r."request", '^[A-Z]+ (.*?)(?: HTTP/[0-9.]+)?$', 1)""",
    """r."uri" || CASE WHEN blank(coalesce(r."args", r."query_string")) IS NULL THEN ''
       ELSE '?' || coalesce(r."args", r."query_string") END""",
)


def _recognise(sample: Sample) -> float:
    if sample.shape is not Shape.JSON:
        return 0.0
    return 0.93 * records_where(
        sample, lambda record: "remote_addr" in record and "status" in record and len(_SURE & record.keys()) >= 4
    )


FORMATS: tuple[Format, ...] = (
    Format(
        key="nginx_json",
        title="nginx access log as JSON lines",
        shape=Shape.JSON,
        fields=dict.fromkeys(_KEYS, "VARCHAR"),
        columns={
            "event_uid": 'blank(r."request_id")',
            "ts": 'coalesce(ms_iso(r."time_iso8601"), ms_number(r."msec"), ms_clf(r."time_local"), ms_any(r."time"), '
            'ms_any(r."timestamp"), ms_any(r."@timestamp"), ms_clf(r."time"), ms_clf(r."timestamp"))',
            **http_request(method=_METHOD, target=_TARGET, status='r."status"'),
            "src_endpoint_ip": 'ip_of(r."remote_addr")',
            "x_forwarded_for": 'blank(r."http_x_forwarded_for")',
            "actor_user_uid": 'blank(r."http_x_user_id")',
            "actor_user_name": 'blank(r."remote_user")',
            "actor_session_uid": f"secret({first('r.cookie_session', 'r.cookie_sessionid', 'r.http_x_session_id')})",
            "user_agent": 'blank(r."http_user_agent")',
            "http_referrer": f"masked({first('r.http_referer', 'r.http_referrer')})",
            "url_hostname": first('r."http_host"', 'r."host"', 'r."server_name"'),
            "bytes_out": 'coalesce(try_cast(r."body_bytes_sent" AS BIGINT), try_cast(r."bytes_sent" AS BIGINT))',
            "duration_ms": 'CAST(round(try_cast(r."request_time" AS DOUBLE) * 1000) AS BIGINT)',
        },
        recognise=_recognise,
    ),
)
