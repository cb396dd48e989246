"""PostgreSQL server logs (stderr, csvlog, jsonlog) and the pgaudit lines in them.

Fields: postgresql.org/docs, "Error Reporting and Logging"; pgaudit's README, "Format". Continuation lines of a statement
over several lines are refused: what they belong to is already read.
"""

from tocsin.events.ports import Format
from tocsin.events.values import Shape
from tocsin.integrations.expressions import first
from tocsin.integrations.recognition import CONTAINER_PREFIX, by_keys, by_pattern

_LEVELS = "LOG|FATAL|ERROR|WARNING|PANIC|NOTICE|INFO|DEBUG[1-5]?|STATEMENT|DETAIL|HINT|CONTEXT|QUERY"
_STDERR = (
    f"^{CONTAINER_PREFIX}"
    r"(\S* ?)(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)?) ?([A-Z]{2,5}|[+-]\d\d(?::?\d\d)?)?([: \[].*?)"
    rf"\b({_LEVELS}):  (.*)$"
)
_CSVLOG = (
    r"^(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+) ([A-Z]{2,5}|[+-]\d\d(?::?\d\d)?),"
    r'"?([^",]*)"?,"?([^",]*)"?,(\d*),"?([^",]*)"?,([0-9a-f.]+),(\d+),"?([^",]*)"?,[^,]*,[^,]*,\d*,'
    rf'({_LEVELS}),([0-9A-Z]{{5}}),(?:"((?:[^"]|"")*)"?|([^",]*))(?:,|$)'
)


def _columns(
    *, moment: str, user: str, client: str, level: str, message: str, session: str, code: str
) -> dict[str, str]:
    """Return the columns from SQL for each part of a log entry."""

    def audited(part: int) -> str:
        pattern = r'^AUDIT: (?:SESSION|OBJECT),\d+,\d+,([A-Z_]+),([^,]*),([^,]*),("[^"]*"|[^,]*),'
        return f"nullif(regexp_extract({message}, '{pattern}', {part}), '')"

    kind, command, object_type = audited(1), audited(2), audited(3)
    object_name = f"trim({audited(4)}, '\"')"
    refused = (
        f"regexp_matches({message}, 'authentication failed for user|no pg_hba.conf entry|role \".*\" does not exist')"
    )
    admitted = f"starts_with({message}, 'connection authorized') OR starts_with({message}, 'connection authenticated')"
    named = f"""nullif(regexp_extract({message}, '(?:for user |role |user |user=)"?([^" ,]+)"?', 1), '')"""
    host = f"""nullif(regexp_extract({message}, 'host(?:=| ")([0-9A-Fa-f.:]+)', 1), '')"""
    return {
        "ts": moment,
        "class_uid": f"CASE WHEN {kind} = 'ROLE' THEN 3005 WHEN {kind} IS NOT NULL THEN 6005 "
        f"WHEN {refused} OR {admitted} THEN 3002 ELSE 0 END",
        "activity_id": f"CASE WHEN {kind} = 'ROLE' THEN CASE WHEN {command} IN ('REVOKE', 'DROP ROLE') THEN 2 ELSE 1 END "
        f"WHEN {kind} = 'READ' THEN 2 WHEN {kind} IS NOT NULL THEN CASE WHEN {command} IN ('INSERT', 'COPY') "
        f"OR {command} LIKE 'CREATE%' THEN 1 WHEN {command} = 'UPDATE' OR {command} LIKE 'ALTER%' THEN 3 "
        f"WHEN {command} IN ('DELETE', 'TRUNCATE TABLE') OR {command} LIKE 'DROP%' THEN 4 ELSE 99 END "
        f"WHEN {refused} OR {admitted} THEN 1 ELSE 99 END",
        "status_id": f"CASE WHEN {refused} OR {level} IN ('ERROR', 'FATAL', 'PANIC') THEN 2 "
        f"WHEN {kind} IS NOT NULL OR {admitted} THEN 1 ELSE 0 END",
        "status_code": code,
        "status_detail": f"CASE WHEN {level} IN ('ERROR', 'FATAL', 'PANIC') THEN masked(left({message}, 500)) END",
        "api_operation": f"coalesce({command}, CASE WHEN {refused} OR {admitted} THEN 'connect' ELSE {level} END)",
        "api_service_name": "'postgresql'",
        "actor_type": "'service'",
        "actor_user_uid": f"coalesce({user}, CASE WHEN {refused} OR {admitted} THEN {named} END)",
        "actor_session_uid": session,
        "src_endpoint_ip": f"coalesce(ip_of({client}), ip_of({host}))",
        "object_type": f"lower(CASE WHEN {kind} IS NOT NULL THEN {object_type} END)",
        "object_id": f"CASE WHEN {kind} IS NOT NULL THEN {object_name} END",
        "data_category": f"CASE WHEN {kind} IS NOT NULL THEN category_of('/' || replace({object_name}, '.', '/')) END",
    }


_PREFIX = 'r."prefix"'
_MESSAGE = 'r."message"'
_CSV_MESSAGE = """replace(coalesce(nullif(r."message", ''), r."plain"), '""', '"')"""

FORMATS: tuple[Format, ...] = (
    Format(
        key="postgresql_json",
        title="PostgreSQL log as JSON (jsonlog)",
        shape=Shape.JSON,
        fields=dict.fromkeys(
            ("timestamp", "user", "remote_host", "session_id", "error_severity", "state_code", "message"), "VARCHAR"
        ),
        columns=_columns(
            moment='ms_iso(r."timestamp")',
            user='blank(r."user")',
            client='r."remote_host"',
            level='r."error_severity"',
            message='r."message"',
            session='secret(r."session_id")',
            code='blank(r."state_code")',
        ),
        recognise=by_keys(
            ("timestamp", "error_severity", "session_id", "pid"), ("timestamp", "error_severity", "backend_type")
        ),
    ),
    Format(
        key="postgresql_csv",
        title="PostgreSQL log as CSV (csvlog)",
        shape=Shape.TEXT,
        pattern=_CSVLOG,
        fields=dict.fromkeys(
            (
                "stamp",
                "zone",
                "user",
                "database",
                "pid",
                "client",
                "session",
                "number",
                "command",
                "level",
                "code",
                "message",
                "plain",
            ),
            "VARCHAR",
        ),
        columns=_columns(
            moment="""ms_iso(r."stamp" || ' ' || r."zone")""",
            user='blank(r."user")',
            client='r."client"',
            level='r."level"',
            message=_CSV_MESSAGE,
            session='secret(r."session")',
            code='blank(r."code")',
        ),
        recognise=by_pattern(_CSVLOG),
        unmapped=f"CASE WHEN {_CSV_MESSAGE} <> '' THEN masked(json_object('message', {_CSV_MESSAGE})::VARCHAR) END",
    ),
    Format(
        key="postgresql",
        title="PostgreSQL log",
        shape=Shape.TEXT,
        pattern=_STDERR,
        fields=dict.fromkeys(("lead", "stamp", "zone", "prefix", "level", "message"), "VARCHAR"),
        columns=_columns(
            moment="""ms_iso(r."stamp" || CASE WHEN r."zone" = '' THEN '' ELSE ' ' || r."zone" END)""",
            user=first(
                f"regexp_extract({_PREFIX}, 'user=([^, \\]]+)', 1)",
                f"""nullif(regexp_extract({_PREFIX}, '([^ @:\\[\\]]+)@[^ :\\[\\]]*', 1), '[unknown]')""",
            ),
            client=first(
                'trim(r."lead")',
                f"regexp_extract({_PREFIX}, '(?:client|host)=([^, \\]]+)', 1)",
                f"regexp_extract({_PREFIX}, '(?:^|[: ])([0-9A-Fa-f][0-9A-Fa-f.:]*)\\(\\d+\\)', 1)",
            ),
            level='r."level"',
            message=_MESSAGE,
            session="NULL",
            code="NULL",
        ),
        recognise=by_pattern(_STDERR),
        unmapped=f"masked(json_object('prefix', trim({_PREFIX}), 'message', {_MESSAGE})::VARCHAR)",
    ),
)
