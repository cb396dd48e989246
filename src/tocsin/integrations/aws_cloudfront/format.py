"""CloudFront standard logs; the 33 fields and their order by docs.aws.amazon.com, "Standard logging reference".

The text form says in its ``#Fields`` line which fields follow, so the format is cut to that line when there is one.
"""

from dataclasses import replace

from tocsin.events.ports import Format
from tocsin.events.values import Sample, Shape
from tocsin.integrations.expressions import http_request
from tocsin.integrations.recognition import by_keys, by_pattern

STANDARD_FIELDS: tuple[str, ...] = (
    "date", "time", "x-edge-location", "sc-bytes", "c-ip", "cs-method", "cs(Host)", "cs-uri-stem", "sc-status",
    "cs(Referer)", "cs(User-Agent)", "cs-uri-query", "cs(Cookie)", "x-edge-result-type", "x-edge-request-id",
    "x-host-header", "cs-protocol", "cs-bytes", "time-taken", "x-forwarded-for", "ssl-protocol", "ssl-cipher",
    "x-edge-response-result-type", "cs-protocol-version", "fle-status", "fle-encrypted-fields", "c-port",
    "time-to-first-byte", "x-edge-detailed-result-type", "sc-content-type", "sc-content-len", "sc-range-start",
    "sc-range-end",
)  # fmt: skip
_USED = ("date", "time", "timestamp", "timestamp(ms)", "sc-bytes", "c-ip", "cs-method", "cs(Host)", "cs-uri-stem", "sc-status",
         "cs(Referer)", "cs(User-Agent)", "cs-uri-query", "x-edge-result-type", "x-edge-request-id", "x-host-header",
         "time-taken", "x-forwarded-for")  # fmt: skip
_LINE = r"^\d{4}-\d\d-\d\d\t\d\d:\d\d:\d\d\t[A-Z]{3}[^\t]*\t"


def _columns(present: tuple[str, ...]) -> dict[str, str]:
    """Return the columns from those fields that are present, the rest as nulls."""
    at = {each: f'r."{each}"' if each in present else "NULL::VARCHAR" for each in _USED}
    query = f"CASE WHEN blank({at['cs-uri-query']}) IS NULL THEN '' ELSE '?' || {at['cs-uri-query']} END"
    return {
        "event_uid": f"blank({at['x-edge-request-id']})",
        "ts": f"coalesce(ms_iso({at['date']} || ' ' || {at['time']} || 'Z'), ms_number({at['timestamp(ms)']}), "
        f"ms_number({at['timestamp']}))",
        **http_request(
            method=at["cs-method"],
            target=f"{at['cs-uri-stem']} || {query}",
            status=f"nullif({at['sc-status']}, '000')",
        ),
        "status_detail": f"CASE WHEN {at['x-edge-result-type']} = 'Error' THEN 'Error' END",
        "src_endpoint_ip": f"ip_of({at['c-ip']})",
        "x_forwarded_for": f"url_decode(blank({at['x-forwarded-for']}))",
        # CloudFront encodes the two headers once more, %2520 for a space among them.
        "user_agent": f"url_decode(replace(blank({at['cs(User-Agent)']}), '%2520', '%20'))",
        "http_referrer": f"masked(url_decode(blank({at['cs(Referer)']})))",
        "url_hostname": f"coalesce(blank({at['x-host-header']}), blank({at['cs(Host)']}))",
        "bytes_out": f"try_cast({at['sc-bytes']} AS BIGINT)",
        "duration_ms": f"CAST(round(try_cast({at['time-taken']} AS DOUBLE) * 1000) AS BIGINT)",
    }


def _pattern(fields: tuple[str, ...], *, least: int) -> str:
    """Return the pattern of a tab-separated line; fields after the first ``least`` may be missing."""
    return (
        "^([^\\t]*)"
        + "".join("\\t([^\\t]*)" if at < least else "(?:\\t([^\\t]*))?" for at in range(1, len(fields)))
        + "\\s*$"
    )


def _tailored(sample: Sample) -> Format:
    """Return the text format for the fields that the file's own ``#Fields`` line names."""
    for line in sample.lines:
        if line.startswith("#Fields:"):
            fields = tuple(dict.fromkeys(line.removeprefix("#Fields:").split()))
            if "c-ip" in fields and len({each.lower() for each in fields}) == len(fields):
                return _text_format(fields, least=len(fields))
    return _TEXT


def _text_format(fields: tuple[str, ...], *, least: int) -> Format:
    return Format(
        key="aws_cloudfront",
        title="CloudFront access log (W3C text)",
        shape=Shape.TEXT,
        pattern=_pattern(fields, least=least),
        fields=dict.fromkeys(fields, "VARCHAR"),
        columns=_columns(fields),
        recognise=by_pattern(_LINE, directive="^#"),
        directive="^#",
    )


_TEXT = _text_format(STANDARD_FIELDS, least=12)

FORMATS: tuple[Format, ...] = (
    replace(_TEXT, tailor=_tailored),
    Format(
        key="aws_cloudfront_json",
        title="CloudFront access log as JSON",
        shape=Shape.JSON,
        fields=dict.fromkeys(_USED, "VARCHAR"),
        columns=_columns(_USED),
        recognise=by_keys(("c-ip", "cs-uri-stem", "sc-status"), ("c-ip", "cs-method", "x-edge-location")),
    ),
)
