"""Application Load Balancer access logs; field order by docs.aws.amazon.com, "Access log entries"."""

from tocsin.events.ports import Format
from tocsin.events.values import Shape
from tocsin.integrations.expressions import http_request
from tocsin.integrations.recognition import QUOTED, by_pattern

_HEAD = r"^(?:http|https|h2|grpcs|ws|wss) (\d{4}-\d\d-\d\dT\S+) (\S+) (\S+) (\S+) (\S+) (\S+) (\S+) (\S+) (\S+) (\d+) (\d+) "
_PATTERN = (
    _HEAD
    + r'"(\S+) (.*?)(?: (?:HTTP/[0-9.]+|-)\s*)?" "'
    + QUOTED
    + r'" \S+ \S+ (?:\S+) "([^"]*)" "([^"]*)" "[^"]*" \S+ \S+ "([^"]*)" "[^"]*" "([^"]*)"(.*)$'
)
_FIELDS = ("time", "balancer", "client", "target_address", "wait", "work", "answer", "status", "target_status", "bytes_in",
           "bytes_out", "method", "target", "agent", "trace", "domain", "actions", "error", "rest")  # fmt: skip
_SECONDS = " + ".join(f'greatest(try_cast(r."{each}" AS DOUBLE), 0)' for each in ("wait", "work", "answer"))

FORMATS: tuple[Format, ...] = (
    Format(
        key="aws_alb",
        title="AWS Application Load Balancer access log",
        shape=Shape.TEXT,
        pattern=_PATTERN,
        fields=dict.fromkeys(_FIELDS, "VARCHAR"),
        columns={
            "ts": 'ms_iso(r."time")',
            **http_request(method='r."method"', target='r."target"', status='r."status"'),
            "status_detail": 'blank(r."error")',
            "src_endpoint_ip": 'ip_of(r."client")',
            "user_agent": 'unescaped(r."agent")',
            "url_hostname": 'coalesce(blank(r."domain"), '
            "blank(regexp_extract(r.\"target\", '^[A-Za-z]+://([^/:?#]+)', 1)))",
            "bytes_out": 'try_cast(r."bytes_out" AS BIGINT)',
            "duration_ms": f"CAST(round(1000 * ({_SECONDS})) AS BIGINT)",
        },
        recognise=by_pattern(_HEAD),
    ),
)
