"""S3 server access logs: text, JSON with its field names, and the CloudWatch Logs form.

Field order and names: docs.aws.amazon.com, "Amazon S3 server access log format" and "Log format in CloudWatch Logs".
"""

from tocsin.events.ports import Format
from tocsin.events.values import Shape
from tocsin.integrations.expressions import first, one_of
from tocsin.integrations.recognition import QUOTED, by_keys, by_pattern

_HEAD = r"^([0-9a-f]{64}|-) (\S+) \[(\d\d/[A-Z][a-z]{2}/\d{4}:[^\]]+)\] (\S+) (\S+) (\S+) ((?:REST|SOAP|WEBSITE|BATCH|S3)\.\S+) (\S+) "
_PATTERN = (
    _HEAD + f'(?:"{QUOTED}"|-) ' + r"(\d+|-) (\S+) (\S+) (\S+) (\S+) (\S+) " + f'(?:"{QUOTED}"|-) (?:"{QUOTED}"|-)(.*)$'
)
_FIELDS = ("owner", "bucket", "time", "ip", "requester", "request_id", "operation", "key", "request", "status", "error",
           "bytes", "size", "duration", "turn_around", "referrer", "agent", "rest")  # fmt: skip
_JSON_KEYS = ("bucket", "bucket_name", "time", "request_time", "remoteip", "remote_ip", "requester", "requestid", "request_id",
              "operation", "key", "object_key", "httpstatus", "http_status", "errorcode", "error_code", "bytessent",
              "bytes_sent", "totaltime", "total_time", "referrer", "referer", "useragent", "user_agent", "requesturi",
              "request_uri")  # fmt: skip
_READS = one_of(("GET", "HEAD", "COPY_SOURCE", "COPY.OBJECT_GET"))


def _columns(at: dict[str, str]) -> dict[str, str]:
    """Return the columns; ``at`` gives the SQL text of each part of the record."""
    verb = f"split_part({at['operation']}, '.', 2)"
    keyed = f"blank({at['key']}) IS NOT NULL"
    return {
        "event_uid": f"blank({at['request_id']})",
        "ts": at["ts"],
        "class_uid": "6003",
        "activity_id": f"CASE WHEN {verb} IN {_READS} OR {at['operation']} LIKE '%OBJECT_GET' THEN 2 "
        f"WHEN {verb} = 'DELETE' THEN 4 WHEN {verb} IN ('PUT', 'POST', 'COPY') THEN 1 ELSE 99 END",
        "status_id": f"http_status({at['status']})",
        "status_code": f"coalesce(blank({at['error']}), blank({at['status']}))",
        "api_operation": f"blank({at['operation']})",
        "api_service_name": "'s3.amazonaws.com'",
        "actor_type": f"CASE WHEN blank({at['requester']}) IS NOT NULL THEN 'cloud' END",
        "actor_user_uid": f"blank({at['requester']})",
        "account": f"blank({at['requester']})",
        "src_endpoint_ip": f"ip_of({at['ip']})",
        "user_agent": f"unescaped({at['agent']})",
        "http_referrer": f"masked(unescaped({at['referrer']}))",
        "url_query": f"query_of(regexp_extract({at['request']}, '^[A-Z]+ (.*?)(?: HTTP/[0-9.]+)?$', 1))",
        "bytes_out": f"try_cast({at['bytes']} AS BIGINT)",
        "duration_ms": f"try_cast({at['duration']} AS BIGINT)",
        "object_type": f"CASE WHEN {keyed} THEN 's3_object' WHEN blank({at['bucket']}) IS NOT NULL THEN 's3_bucket' END",
        "object_id": f"blank({at['bucket']}) || CASE WHEN {keyed} THEN '/' || url_decode({at['key']}) ELSE '' END",
        "data_category": f"CASE WHEN {keyed} THEN coalesce(category_of('/' || lower({at['key']})), 'content') END",
    }


FORMATS: tuple[Format, ...] = (
    Format(
        key="aws_s3_access",
        title="S3 server access log",
        shape=Shape.TEXT,
        pattern=_PATTERN,
        fields=dict.fromkeys(_FIELDS, "VARCHAR"),
        columns=_columns({**{each: f'r."{each}"' for each in _FIELDS}, "ts": 'ms_clf(r."time")'}),
        recognise=by_pattern(_HEAD),
    ),
    Format(
        key="aws_s3_access_json",
        title="S3 server access log as JSON",
        shape=Shape.JSON,
        fields=dict.fromkeys(_JSON_KEYS, "VARCHAR"),
        columns=_columns(
            {
                "ts": 'coalesce(ms_any(r."request_time"), ms_any(r."time"), ms_clf(r."time"))',
                "bucket": first('r."bucket"', 'r."bucket_name"'),
                "ip": first('r."remoteip"', 'r."remote_ip"'),
                "requester": 'r."requester"',
                "request_id": first('r."requestid"', 'r."request_id"'),
                "operation": 'r."operation"',
                "key": first('r."key"', 'r."object_key"'),
                "request": first('r."requesturi"', 'r."request_uri"'),
                "status": first('r."httpstatus"', 'r."http_status"'),
                "error": first('r."errorcode"', 'r."error_code"'),
                "bytes": first('r."bytessent"', 'r."bytes_sent"'),
                "duration": first('r."totaltime"', 'r."total_time"'),
                "referrer": first('r."referrer"', 'r."referer"'),
                "agent": first('r."useragent"', 'r."user_agent"'),
            }
        ),
        recognise=by_keys(("bucket", "remoteip", "operation"), ("bucket_name", "operation", "request_time")),
    ),
)
