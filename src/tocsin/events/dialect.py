"""The small SQL vocabulary a format writes its columns in: DuckDB macros, and what is derived when it says nothing."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

# A path segment that names one thing rather than a kind of thing. RE2, no look-around.
_ID = (
    r"\d+"
    r"|[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}"
    r"|[0-9a-f]{12,64}"
    r"|[0-9A-Za-z]{22}|[0-9A-HJKMNP-TV-Z]{26}"
    r"|[A-Za-z]{1,12}[_-]\d+|[A-Za-z]{1,3}\d{3,}"
    r"|[^/@]+@[^/@]+"
)
_LOGIN = (
    r"(?i)/(?:log-?in|sign-?in|logon|wp-login\.php|authenticate|auth/(?:login|token)|oauth2?/token|sessions?|token)"
    r"(?:\.\w+)?/?$"
)
# What a path says of the kind of data behind it, the most telling first. RE2 over the lower-cased route.
_CATEGORIES = (
    ("payment", r"payment|billing|invoice|credit-?card|/cards?(?:/|$)|\biban\b|/banks?(?:/|$)|bank-?account"),
    ("password", r"password|passwd"),
    ("credentials", r"signing|private-?key|/(?:api-?)?keys?(?:/|$)|secret|credential"),
    ("messages", r"/messages?(?:/|$)|inbox|/chats?(?:/|$)|conversation"),
    ("health", r"/patients?(?:/|$)|health-?record|medical"),
    ("contact", r"/address(?:es)?(?:/|$)|/e?mails?(?:/|$)|/phones?(?:/|$)|/contacts?(?:/|$)"),
    (
        "profile",
        r"/profiles?(?:/|$)|/accounts?(?:/|$)|/customers?(?:/|$)|/users?(?:/|$)|/members?(?:/|$)|/me(?:/|$)|/subscribers?(?:/|$)",
    ),
)
_ANY_CATEGORY = "|".join(pattern for _kind, pattern in _CATEGORIES)
_CATEGORY_CASES = " ".join(f"WHEN regexp_matches(lower(r), '{pattern}') THEN '{kind}'" for kind, pattern in _CATEGORIES)
SECRET_NAME = (
    r"(?:pass(?:word|wd|phrase|code)?|pwd|secret|client_secret|token|access_token|refresh_token|id_token|auth"
    r"|authorization|api[_-]?key|apikey|signature|sig|session(?:_?id)?|sid|jwt|code|otp|credential|cookie"
    r"|x-amz-(?:signature|security-token|credential))"
)


@dataclass(frozen=True, slots=True)
class ReadingOptions:
    """What the operator said about the sources; the defaults suit logs that say everything themselves."""

    timezone: str = "UTC"  # of stamps that carry none (an IANA name)
    reference_at: datetime | None = None  # the newest a stamp without a year can be; else the file's own time
    trusted_proxies: tuple[str, ...] = ()  # networks whose X-Forwarded-For is believed
    since_ms: int | None = None
    until_ms: int | None = None
    skew_ms: Mapping[str, int] | None = None  # added to ts, by format key or path pattern
    secret_key: bytes = b"\0" * 32  # of the keyed hashes


def _blob(data: bytes) -> str:
    return "'" + "".join(f"\\x{byte:02x}" for byte in data) + "'::BLOB"


def hmac_sha256_sql(value: str, key: bytes) -> str:
    """Return SQL for HMAC-SHA-256 (RFC 2104) of a text, as 64 hex digits, with the key's pads written out."""
    inner = bytes(byte ^ 0x36 for byte in key.ljust(64, b"\0"))
    outer = bytes(byte ^ 0x5C for byte in key.ljust(64, b"\0"))
    return f"sha256({_blob(outer)} || unhex(sha256({_blob(inner)} || encode({value}))))"


def macros(options: ReadingOptions) -> list[str]:
    """Return the CREATE MACRO statements a reading connection runs first.

    - ``blank(x)``: null for '', '-' and JSON null text
    - ``ms_iso(x)``: ISO 8601 / RFC 3339 text (zone optional) to epoch ms; ``ms_number(x)``: epoch s, ms, us or ns by size
    - ``ms_any(x)``: whichever of the two fits; ``ms_clf(x)``: ``17/May/2015:10:05:03 +0000``
    - ``ms_syslog(x)``: ``Mar 27 13:06:56``, year inferred from the variable ``reference_ms``
    - ``secret(x)``: keyed hash, 32 hex digits; ``masked(x)``: text with secrets blotted out
    - ``path_of(x)``, ``query_of(x)``: of a request target or URL, secrets masked
    - ``route_of(path)``, ``object_type_of(path)``, ``object_id_of(path)``, ``person_of(path)``, ``category_of(route)``
    - ``is_login(method, path)``, ``login_status(path, code)``, ``http_status(code)``
    - ``js(x, path)``: text at a JSON path (``'$.a.b'``) of a JSON value
    - ``unescaped(x)``: a quoted log field with ``\\"``, ``\\x22``, ``\\x5C`` and ``\\\\`` undone
    - ``ip_of(x)``: the address in ``1.2.3.4``, ``1.2.3.4:80``, ``[2001:db8::1]:80``, ``::ffff:1.2.3.4``; null for anything else
    - ``activity_of(x)``: OCSF activity (1 Create, 2 Read, 3 Update, 4 Delete, 99) of a verb such as ``GetObject``
    - ``http_activity(method)``: OCSF activity of class 4002; ``yes_no(x)``: true/false of a word (``Success``, ``0``, ``no``)
    """
    zone = options.timezone.replace("'", "")
    return [
        f"SET TimeZone = '{zone}'",
        # A macro copies its argument wherever it names it; the lambda names it once, so that nesting does not multiply.
        "CREATE OR REPLACE MACRO blank(x) AS list_filter([x], lambda t: t <> '' AND t <> '-' AND t <> 'null')[1]",
        "CREATE OR REPLACE MACRO ms_iso(x) AS epoch_ms(try_cast(x AS TIMESTAMPTZ))",
        "CREATE OR REPLACE MACRO ms_number(x) AS CAST(CASE "
        "WHEN try_cast(x AS DOUBLE) IS NULL OR NOT isfinite(try_cast(x AS DOUBLE)) OR try_cast(x AS DOUBLE) < 1e8 THEN NULL "
        "WHEN try_cast(x AS DOUBLE) < 1e11 THEN round(try_cast(x AS DOUBLE) * 1000) "
        "WHEN try_cast(x AS DOUBLE) < 1e14 THEN round(try_cast(x AS DOUBLE)) "
        "WHEN try_cast(x AS DOUBLE) < 1e17 THEN floor(try_cast(x AS DOUBLE) / 1e3) "
        "WHEN try_cast(x AS DOUBLE) < 1e20 THEN floor(try_cast(x AS DOUBLE) / 1e6) END AS BIGINT)",
        "CREATE OR REPLACE MACRO ms_any(x) AS coalesce(ms_iso(x), ms_number(x))",
        "CREATE OR REPLACE MACRO ms_clf(x) AS epoch_ms(try_strptime(x, '%d/%b/%Y:%H:%M:%S %z'))",
        # The year is the latest that does not put the stamp more than a day after the reference.
        "CREATE OR REPLACE MACRO ms_syslog_year(x, y) AS "
        "epoch_ms(try_cast(try_strptime(y::VARCHAR || ' ' || regexp_replace(x, '\\s+', ' ', 'g'), '%Y %b %-d %H:%M:%S') AS TIMESTAMPTZ))",
        "CREATE OR REPLACE MACRO ms_syslog(x) AS CASE WHEN ms_syslog_year(x, year(make_timestamp_ms(getvariable('reference_ms')))) "
        "<= getvariable('reference_ms') + 86400000 THEN ms_syslog_year(x, year(make_timestamp_ms(getvariable('reference_ms')))) "
        "ELSE ms_syslog_year(x, year(make_timestamp_ms(getvariable('reference_ms'))) - 1) END",
        f"CREATE OR REPLACE MACRO secret(x) AS CASE WHEN blank(x) IS NULL THEN NULL "
        f"ELSE left({hmac_sha256_sql('x', options.secret_key)}, 32) END",
        "CREATE OR REPLACE MACRO masked(x) AS regexp_replace(regexp_replace(regexp_replace(x, "
        "'eyJ[A-Za-z0-9_-]{5,}\\.[A-Za-z0-9_-]{5,}\\.?[A-Za-z0-9_-]*', '[secret]', 'g'), "
        "'(?i)\\b(bearer|basic) +[A-Za-z0-9._~+/=-]{6,}', '\\1 [secret]', 'g'), "
        f"'(?i)((?:^|[?&;,\\s\"''{{])[\\w.-]*{SECRET_NAME}[\"'']?\\s*[=:]\\s*[\"'']?)[^&;,\\s\"'']+', '\\1[secret]', 'g')",
        "CREATE OR REPLACE MACRO path_of(x) AS nullif(regexp_extract(regexp_replace(x, '^[A-Za-z][A-Za-z0-9+.-]*://[^/?#]*', ''), "
        "'^[^?#]*', 0), '')",
        "CREATE OR REPLACE MACRO query_of(x) AS CASE WHEN position('?' IN x) > 0 THEN "
        "masked(nullif(substr(x, position('?' IN x) + 1), '')) END",
        # Slashes are doubled so that neighbouring ids each have their own, and no group has to be captured.
        f"CREATE OR REPLACE MACRO route_of(p) AS CASE WHEN regexp_matches(p, '[0-9@]') THEN coalesce(nullif(rtrim(replace("
        f"regexp_replace(replace(p, '/', '//') || '/', '/(?:{_ID})/', '/{{id}}/', 'g'), '//', '/'), '/'), ''), '/') ELSE p END",
        "CREATE OR REPLACE MACRO slashes(x) AS length(x) - length(replace(x, '/', ''))",
        # The last id of a route, counted in slashes.
        "CREATE OR REPLACE MACRO id_place(r) AS CASE WHEN contains(r, '{id}') "
        "THEN (slashes(r) - slashes(string_split(r, '{id}')[-1]) + 1)::INTEGER END",
        "CREATE OR REPLACE MACRO object_id_in(p, r) AS split_part(p, '/', id_place(r))",
        "CREATE OR REPLACE MACRO singular(x) AS nullif(CASE WHEN ends_with(x, 'ies') THEN left(x, -3) || 'y' "
        "WHEN ends_with(x, 's') AND NOT ends_with(x, 'ss') AND length(x) > 3 THEN left(x, -1) ELSE x END, '')",
        "CREATE OR REPLACE MACRO object_type_in(r) AS CASE WHEN contains(r, '{id}') "
        "THEN singular(lower(nullif(split_part(r, '/', id_place(r) - 1), '{id}'))) END",
        "CREATE OR REPLACE MACRO object_id_of(p) AS object_id_in(p, route_of(p))",
        "CREATE OR REPLACE MACRO object_type_of(p) AS object_type_in(route_of(p))",
        # The person a path leads through: /customers/7/payments/31 is about customer 7.
        f"CREATE OR REPLACE MACRO person_of(p) AS nullif(regexp_extract(p, "
        f"'(?i)/(?:customers?|users?|accounts?|members?|patients?|subscribers?)/({_ID})(?:/|$)', 1), '')",
        f"CREATE OR REPLACE MACRO category_of(r) AS CASE WHEN r IS NULL OR NOT regexp_matches(lower(r), '{_ANY_CATEGORY}') "
        f"THEN NULL {_CATEGORY_CASES} END",
        f"CREATE OR REPLACE MACRO is_login(m, p) AS (upper(m) = 'POST' AND regexp_matches(p, '{_LOGIN}'))",
        "CREATE OR REPLACE MACRO http_status(c) AS CASE WHEN try_cast(c AS INTEGER) BETWEEN 100 AND 399 THEN 1 "
        "WHEN try_cast(c AS INTEGER) >= 400 THEN 2 ELSE 0 END",
        # A form that shows itself again answers 200; WordPress redirects only when the password was right.
        "CREATE OR REPLACE MACRO login_status(p, c) AS CASE WHEN try_cast(c AS INTEGER) IN (201, 204, 302, 303) THEN 1 "
        "WHEN try_cast(c AS INTEGER) >= 400 AND try_cast(c AS INTEGER) < 500 THEN 2 "
        "WHEN try_cast(c AS INTEGER) = 200 AND ends_with(p, 'wp-login.php') THEN 2 "
        "WHEN try_cast(c AS INTEGER) = 200 AND regexp_matches(p, '(?i)(?:^|/)(?:api|v\\d+|token|oauth2?)(?:/|$)') THEN 1 ELSE 0 END",
        "CREATE OR REPLACE MACRO js(x, p) AS json_extract_string(x, p)",
        "CREATE OR REPLACE MACRO unescaped(x) AS blank(CASE WHEN position('\\' IN x) = 0 THEN x ELSE replace(replace(replace(replace("
        "x, '\\\"', '\"'), '\\x22', '\"'), '\\x5C', '\\'), '\\\\', '\\') END)",
        "CREATE OR REPLACE MACRO ip_of(x) AS nullif(regexp_extract(x, "
        "'^\\s*\\[?(?:::ffff:)?(\\d{1,3}(?:\\.\\d{1,3}){3}|[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,7})(?:%[0-9A-Za-z]+)?\\]?(?::\\d+)?\\s*$', 1), '')",
        "CREATE OR REPLACE MACRO activity_of(x) AS CASE WHEN x IS NULL THEN NULL "
        "WHEN regexp_matches(x, '(?i)^(?:get|list|describe|head|read|view|download|lookup|search|query|scan|select|batch-?get|fetch|"
        "export|access|watch|preview|show|open|check|file(?:accessed|downloaded|previewed))') THEN 2 "
        "WHEN regexp_matches(x, '(?i)^(?:create|add|insert|upload|copy|post|new|register|import|run|generate|invite|issue|allocate)') THEN 1 "
        "WHEN regexp_matches(x, '(?i)^(?:delete|remove|destroy|drop|purge|terminate|revoke|truncate|deregister|release)') THEN 4 "
        "WHEN regexp_matches(x, '(?i)^(?:update|put|modify|set|change|edit|patch|attach|detach|replace|rename|move|enable|disable|"
        "alter|reset|restore|start|stop|tag|untag|associate|disassociate)') THEN 3 ELSE 99 END",
        "CREATE OR REPLACE MACRO http_activity(m) AS CASE upper(m) WHEN 'CONNECT' THEN 1 WHEN 'DELETE' THEN 2 WHEN 'GET' THEN 3 "
        "WHEN 'HEAD' THEN 4 WHEN 'OPTIONS' THEN 5 WHEN 'POST' THEN 6 WHEN 'PUT' THEN 7 WHEN 'TRACE' THEN 8 WHEN 'PATCH' THEN 9 "
        "ELSE 99 END",
        "CREATE OR REPLACE MACRO yes_no(x) AS CASE WHEN x IS NULL THEN NULL WHEN lower(trim(x::VARCHAR)) IN ('true', '1', 'yes', 'y', 'ok', "
        "'success', 'successful', 'succeeded', 'succeed', 'allow', 'allowed', 'granted', 'pass', 'passed', 'accepted') THEN true "
        "WHEN lower(trim(x::VARCHAR)) IN ('false', '0', 'no', 'n', 'ko', 'failure', 'failed', 'fail', 'error', 'denied', 'deny', "
        "'rejected', 'blocked', 'invalid') THEN false END",
    ]
