"""The small SQL vocabulary a format writes its columns in: DuckDB macros, and what is derived when it says nothing."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

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


def macros(options: ReadingOptions) -> str:
    """Return the CREATE MACRO statements a reading connection runs first.

    - ``blank(x)``: null for '', '-' and JSON null text
    - ``ms_iso(x)``: ISO 8601 / RFC 3339 text (zone optional) to epoch ms
    - ``ms_number(x)``: epoch seconds, ms, us or ns by size
    - ``ms_any(x)``: whichever of the two fits; ``ms_clf(x)``: ``17/May/2015:10:05:03 +0000``
    - ``ms_syslog(x)``: ``Mar 27 13:06:56``, year inferred from the variable ``reference_ms``
    - ``secret(x)``: keyed hash, 32 hex digits; ``masked(x)``: text with secrets blotted out
    - ``path_of(x)``, ``query_of(x)``: of a request target or URL, secrets masked
    - ``route_of(path)``, ``object_type_of(path)``, ``object_id_of(path)``, ``person_of(path)``, ``category_of(route)``
    - ``is_login(method, path)``, ``login_status(path, code)``, ``http_status(code)``
    - ``js(x, path)``: text at a JSON path (``'$.a.b'``) of a JSON value
    - ``unescaped(x)``: a quoted log field with ``\\"``, ``\\x22``, ``\\x5C`` and ``\\\\`` undone
    - ``ip_of(x)``: the address in ``1.2.3.4:80``, ``[2001:db8::1]:80``, ``::ffff:1.2.3.4``; null for anything else
    - ``activity_of(x)``: OCSF activity (1 Create, 2 Read, 3 Update, 4 Delete, 99) of a verb such as ``GetObject``
    - ``http_activity(method)``: OCSF activity of class 4002; ``yes_no(x)``: true or false of ``Success``, ``0``, ``no``
    """
    filled = {
        "ID": _ID,
        "LOGIN": _LOGIN,
        "SECRET_NAME": SECRET_NAME,
        "ANY_CATEGORY": _ANY_CATEGORY,
        "CATEGORY_CASES": _CATEGORY_CASES,
        "HMAC": hmac_sha256_sql("x", options.secret_key),
        "ZONE": options.timezone.replace("'", ""),
    }
    text = (Path(__file__).parent / "macros.sql").read_text(encoding="utf-8")
    return re.sub(r"@([A-Z_]+)@", lambda found: filled[found[1]], text)
