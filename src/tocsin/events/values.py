"""The shape of an event, and what reading a source hands on."""

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Column:
    """One typed column of every segment; ``meaning`` is what the reference page prints."""

    name: str
    type: str
    meaning: str


# Names and numbers are OCSF 1.7 (schema.ocsf.io), flattened: the dot of a nested attribute becomes an underscore.
# Times are BIGINT epoch milliseconds UTC. Order is the order in Parquet.
COLUMNS: tuple[Column, ...] = (
    Column("event_uid", "VARCHAR", "the source's own record id; null where it has none"),
    Column("source_id", "VARCHAR", "first 16 hex digits of the SHA-256 of the source file"),
    Column("line", "BIGINT", "line, row or element number in the source, from 1"),
    Column("ts", "BIGINT", "when it happened: epoch milliseconds, UTC, after clock-skew correction"),
    Column("format", "VARCHAR", "key of the format that read it, e.g. nginx_combined, aws_cloudtrail"),
    Column(
        "class_uid",
        "INTEGER",
        "OCSF class: 4002 HTTP, 3002 Authentication, 3001 Account Change, 3005 User Access, "
        "6003 API Activity, 6005 Datastore Activity, 6001 Web Resources, 1007 Process, 0 other",
    ),
    Column(
        "activity_id",
        "INTEGER",
        "OCSF activity within the class, e.g. 3002: 1 Logon, 2 Logoff; "
        "6003/6005: 1 Create, 2 Read, 3 Update, 4 Delete; 99 other",
    ),
    Column("status_id", "INTEGER", "1 success, 2 failure, 0 unknown"),
    Column("status_code", "VARCHAR", "HTTP status or the source's error code"),
    Column("status_detail", "VARCHAR", "the source's words for why it failed, e.g. user_not_found"),
    Column("api_operation", "VARCHAR", "what was done, in the source's words: GetObject, user.session.start, GET"),
    Column("api_service_name", "VARCHAR", "the service that was asked, e.g. s3.amazonaws.com, sshd"),
    Column("actor_type", "VARCHAR", "customer, staff, service or cloud; null when the log cannot tell"),
    Column("actor_user_uid", "VARCHAR", "who acted, as the log names them"),
    Column("actor_user_name", "VARCHAR", "e-mail or login name, as the log names it"),
    Column("actor_session_uid", "VARCHAR", "keyed hash of the session or token, 32 hex digits"),
    Column(
        "actor_credential_uid", "VARCHAR", "public id of the key or credential used (an AWS access key id, a token id)"
    ),
    Column("account", "VARCHAR", "the account that acted, after sessions and aliases are resolved; null when unknown"),
    Column("target_account", "VARCHAR", "the account acted upon, when it is not the actor's own"),
    Column("src_endpoint_ip", "VARCHAR", "client address (behind trusted proxies only)"),
    Column("src_network", "VARCHAR", "its /24 (IPv4) or /48 (IPv6)"),
    Column("src_kind", "VARCHAR", "hosting, vpn, tor, cdn, bot, or null for none of these"),
    Column("src_asn", "BIGINT", "autonomous system number, null without the table"),
    Column("src_country", "VARCHAR", "ISO 3166-1 alpha-2, null when unknown"),
    Column("src_latitude", "DOUBLE", "degrees north, null when unknown"),
    Column("src_longitude", "DOUBLE", "degrees east, null when unknown"),
    Column("user_agent", "VARCHAR", "as sent"),
    Column("device_uid", "VARCHAR", "device id where the log has one"),
    Column("platform", "VARCHAR", "android, ios, windows, macos, linux, web, ... from the log or the user agent"),
    Column("app_name", "VARCHAR", "client program"),
    Column("app_version", "VARCHAR", "client program's version, dotted"),
    Column("http_method", "VARCHAR", "GET, POST, ..."),
    Column("url_hostname", "VARCHAR", "host asked for"),
    Column("url_path", "VARCHAR", "path without query"),
    Column("url_query", "VARCHAR", "query string, secrets masked"),
    Column("http_referrer", "VARCHAR", "as sent, secrets masked"),
    Column("bytes_out", "BIGINT", "bytes answered"),
    Column("duration_ms", "BIGINT", "time to answer"),
    Column("route", "VARCHAR", "path template, ids replaced: /v1/tracks/{id}/metadata"),
    Column("object_type", "VARCHAR", "what kind of thing was touched: track, customer, s3_object"),
    Column("object_id", "VARCHAR", "which one"),
    Column("object_owner", "VARCHAR", "the account whose data that object is, when known"),
    Column(
        "data_category",
        "VARCHAR",
        "kind of data reached: profile, contact, payment, password, messages, content, "
        "credentials, internal, ...; null when nothing is known of it",
    ),
    Column("unmapped", "VARCHAR", "JSON of what is left over, secrets masked; rules never read it"),
)
COLUMN_NAMES: tuple[str, ...] = tuple(column.name for column in COLUMNS)
COLUMN_TYPES: dict[str, str] = {column.name: column.type for column in COLUMNS}


class Shape(StrEnum):
    """How a source is cut into lines before a format reads them."""

    TEXT = "text"  # one physical line is one record
    JSON = "json"  # one JSON object is one record: a physical line, or an element of an array or of ``Records``
    CSV = "csv"  # one row under a header is one record; read as a JSON object keyed by the header
    PARQUET = "parquet"  # one row is one record; read as a JSON object keyed by column


@dataclass(frozen=True, slots=True)
class Sample:
    """The start of a file, for recognising its format."""

    path: Path
    shape: Shape
    lines: tuple[str, ...]  # up to 200 physical lines (TEXT) or records as JSON text (the other shapes)
    records: tuple[dict[str, object], ...] = ()  # the same as parsed objects, for JSON, CSV and PARQUET
    header: tuple[str, ...] = ()  # CSV header or Parquet column names


@dataclass(frozen=True, slots=True)
class SourceRead:
    """One source after it was read: the counts always satisfy ``parsed + rejected == lines``."""

    source_id: str
    path: str
    sha256: str
    bytes: int
    format: str  # key, or "unknown"
    format_title: str
    lines: int
    parsed: int
    rejected: int
    repeated: int = 0  # parsed, but the same record was already there: kept once
    first_ts: int | None = None
    last_ts: int | None = None
    notes: tuple[str, ...] = ()
    rejected_by_reason: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Gap:
    """A stretch of time for which a source that otherwise speaks often says nothing."""

    source: str  # format key, or a group of sources that share it
    first_ts: int
    last_ts: int
    usual_per_hour: float
