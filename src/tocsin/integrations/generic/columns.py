"""The columns of a log that nobody described: SQL from the fields that were chosen for each part."""

import re
from collections.abc import Callable, Iterable

from tocsin.integrations import sign_ins
from tocsin.integrations.expressions import literal, name
from tocsin.integrations.generic import vocabulary
from tocsin.integrations.generic.choosing import (
    FIRST,
    Fields,
    Path,
    looks_like_address,
    looks_like_time,
    plain,
    structure_of,
)

_VERBS = {"GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "CONNECT", "TRACE", "PROPFIND", "REPORT"}
_YES_NO = {"true", "false", "yes", "no", "success", "successful", "succeeded", "failure", "failed", "fail", "error", "denied",
           "allow", "allowed", "deny", "granted", "rejected", "blocked", "pass", "passed", "accepted", "ok", "ko", "invalid",
           "0", "1"}  # fmt: skip
_REQUEST_LINE = r"^[A-Z]{3,10} \S+"
# What an operation is called when somebody signs in, leaves, or changes how they prove who they are. RE2.
_LOGIN = r"(?i)(?:^|[^a-z])(?:log|sign|logged|signed)[ _-]?(?:in|on)(?:[^a-z]|$)|log-?in|logon|sign-?in|authenticat|^auth$|session[._ -]?(?:start|create)"
_LOGOUT = r"(?i)log-?(?:ged)?[ _-]?(?:out|off)|sign-?(?:ed)?[ _-]?(?:out|off)|session[._ -]?(?:end|delete|destroy)"
_FAILED = (
    r"(?i)fail|denied|invalid|reject|error|locked|blocked|unsuccess|bad[_ -]?(?:password|credential)|wrong|incorrect"
)
_FACTOR = r"(?i)(?:mfa|2fa|two[_ -]?factor|factor|totp|passkey|authenticator|webauthn)"
_PASSWORD = r"(?i)password"
_ACCESS = r"(?i)(?:role|permission|privilege|group|scope|policy|membership)"
_STAFF = r"(?i)^(?:staff|employee|admin|administrator|internal|support|operator|agent|moderator)"
_CUSTOMER = r"(?i)^(?:customer|user|member|end-?user|subscriber|patient|client|consumer|regular)"
_SERVICE = r"(?i)^(?:service|system|machine|bot|app|application|api|robot|cron)"


def _is_text(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) < 200 and not looks_like_time(value)


def _is_name(value: object) -> bool:
    return isinstance(value, str | int) and not isinstance(value, bool) and not looks_like_time(value)


def _is_sentence(value: object) -> bool:
    return isinstance(value, str) and " " in value


def _is_path(value: object) -> bool:
    return isinstance(value, str) and bool(re.match(r"(?:/|https?://|[A-Z]{3,10} /)", value))


def _is_code(value: object) -> bool:
    return bool(re.fullmatch(r"[1-5]\d\d", str(value)))


def _is_verdict(value: object) -> bool:
    return str(value).lower() in _YES_NO


def _is_number(value: object) -> bool:
    return bool(re.fullmatch(r"-?\d+(?:\.\d+)?", str(value)))


class Part:
    """The parts a file's fields play, and the SQL to read them; ``paths`` are all that were chosen."""

    def __init__(self, fields: Fields) -> None:
        self.fields = fields
        self.paths: list[Path] = []
        self._chosen: dict[str, list[Path]] = {}

    def pick(
        self, part: str, names: Iterable[str], *, fits: Callable[[object], bool] | None = None, most: int = 4
    ) -> list[Path]:
        """Choose the fields of a part; one field plays one part only."""
        return self.cast(part, self.fields.among(names, fits=fits, without=self.paths)[:most])

    def cast(self, part: str, found: list[Path]) -> list[Path]:
        """Give a part to fields found in another way."""
        self._chosen[part] = found
        self.paths += found
        return found

    def keep(self, paths: set[Path]) -> None:
        """Forget the chosen fields that cannot be read together with the others."""
        self.paths = [path for path in self.paths if path in paths]
        self._chosen = {part: [path for path in chosen if path in paths] for part, chosen in self._chosen.items()}

    def has(self, part: str) -> bool:
        """Tell whether some field plays the part."""
        return bool(self._chosen.get(part))

    def of(self, part: str) -> list[Path]:
        """Return the fields of a part."""
        return self._chosen.get(part, [])

    def sql(self, part: str, *more: str) -> str:
        """Return SQL for what the part says, null where nobody plays it."""
        texts = [f"blank({reference(path)})" for each in (part, *more) for path in self.of(each)]
        return f"coalesce({', '.join(texts)})" if len(texts) > 1 else texts[0] if texts else "NULL::VARCHAR"


def reference(path: Path) -> str:
    """Return SQL for the text at a path of the record."""
    steps = [name(step) for step in path if step != FIRST]
    return ".".join(["r", *steps]) + ("[1]" if path[-1] == FIRST else "")


def moments_of(fields: Fields) -> list[Path]:
    """Return the fields that say when: by name, else whatever is called a time or date and looks like one."""
    found = fields.among(vocabulary.TIME, fits=looks_like_time)
    return found or [
        path
        for path in fields.filled
        if re.search(r"time|date|_at$", path[-1].lower()) and fields.mostly(path, looks_like_time)
    ]


def parts_of(fields: Fields) -> Part:
    """Cast the fields of a sample for their parts, the surest first."""
    parts = Part(fields)
    parts.cast("time", moments_of(fields)[:4])
    v = vocabulary
    parts.pick("event_id", v.EVENT_ID, most=1)
    parts.pick("address", v.ADDRESS, fits=looks_like_address)
    parts.pick("forwarded", v.FORWARDED, most=1)
    parts.pick("code", v.CODE, fits=_is_code, most=2)
    parts.pick("verdict", v.SUCCESS, fits=_is_verdict, most=2)
    parts.pick("method", v.METHOD, fits=lambda value: str(value).upper() in _VERBS, most=1)
    parts.pick("path", v.PATH, fits=_is_path, most=2)
    parts.pick("route", v.ROUTE, fits=_is_path, most=1)
    parts.pick("query", v.QUERY, fits=lambda value: isinstance(value, str) and "=" in value, most=1)
    parts.pick("session", v.SESSION, most=2)
    parts.pick("credential", v.CREDENTIAL, most=1)
    parts.pick("credential_secret", v.CREDENTIAL_SECRET, most=1)
    parts.pick("actor_type", v.ACTOR_TYPE, fits=_is_text, most=1)
    parts.pick("staff", v.STAFF, fits=_is_name, most=2)
    parts.pick("target", v.TARGET, fits=lambda value: _is_name(value) and not _is_path(value), most=2)
    parts.pick("customer", v.CUSTOMER_ID, fits=_is_name, most=1)
    parts.pick("user", v.USER_ID, fits=_is_name)
    parts.pick("user_name", v.USER_NAME, fits=_is_text)
    parts.pick("operation", v.OPERATION, fits=_is_text, most=2)
    parts.pick("message", v.MESSAGE, fits=_is_sentence, most=1)
    parts.pick("detail", v.DETAIL, fits=_is_text, most=2)
    for part in ("agent", "device", "platform", "app", "version", "host", "referrer", "service"):
        parts.pick(part, getattr(v, part.upper()), most=1)
    parts.pick("object_type", v.OBJECT_TYPE, fits=_is_text, most=1)
    parts.pick("object_id", v.OBJECT_ID, fits=_is_name, most=1)
    parts.pick("owner", v.OWNER, fits=_is_name, most=1)
    parts.pick("category", v.CATEGORY, fits=_is_text, most=1)
    for part in ("bytes", "duration_ms", "latitude", "longitude", "asn"):
        parts.pick(part, getattr(v, part.upper()), fits=_is_number, most=1)
    parts.pick("country", v.COUNTRY, fits=lambda value: bool(re.fullmatch(r"[A-Za-z]{2}", str(value))), most=1)
    if not parts.has("object_id"):
        parts.pick("named_object", _object_names(fields, parts.paths), fits=_is_name, most=1)
    return parts


def _object_names(fields: Fields, taken: list[Path]) -> list[str]:
    """Return names such as ``trackid`` that name one thing, the oftenest filled first."""
    counted = [
        (fields.filled[path], plain(path[-1]))
        for path in fields.filled
        if path not in taken and len(path) == 1 and re.search(r"(?:_id|Id|[-. ]id|_uid)$", path[-1])
    ]
    return [each for _count, each in sorted(counted, reverse=True) if each not in vocabulary.NO_OBJECT]


_PLAIN = {
    "event_uid": ("event_id", "{0}"), "src_endpoint_ip": ("address", "ip_of({0})"), "x_forwarded_for": ("forwarded", "{0}"),
    "user_agent": ("agent", "{0}"), "device_uid": ("device", "{0}"), "platform": ("platform", "lower({0})"),
    "app_name": ("app", "{0}"), "app_version": ("version", "{0}"), "api_service_name": ("service", "{0}"),
    "http_referrer": ("referrer", "masked({0})"), "url_hostname": ("host", "{0}"), "status_code": ("code", "{0}"),
    "status_detail": ("detail", "masked({0})"), "bytes_out": ("bytes", "try_cast({0} AS BIGINT)"),
    "duration_ms": ("duration_ms", "CAST(round(try_cast({0} AS DOUBLE)) AS BIGINT)"), "src_country": ("country", "upper({0})"),
    "src_asn": ("asn", "try_cast({0} AS BIGINT)"), "src_latitude": ("latitude", "try_cast({0} AS DOUBLE)"),
    "src_longitude": ("longitude", "try_cast({0} AS DOUBLE)"), "actor_user_name": ("user_name", "{0}"),
    "actor_session_uid": ("session", "secret({0})"),
}  # fmt: skip


def build(fields: Fields) -> tuple[dict[str, object], dict[str, str]]:
    """Return the structure to read a log like the sample's with, and its columns."""
    parts = parts_of(fields)
    structure, kept = structure_of(parts.paths)
    parts.keep(kept)
    columns = {"ts": _moment(parts), **_actor(parts), **_deed(parts), **_object(parts)}
    # Only what some field says: the rest follows from the user agent, the path and the address tables, or stays null.
    columns |= {column: sql.format(parts.sql(part)) for column, (part, sql) in _PLAIN.items() if parts.has(part)}
    if speaks_of_sign_ins(parts):
        _add_told(columns, message=parts.sql("message"))
    return structure, columns


def speaks_of_sign_ins(parts: Part) -> bool:
    """Tell whether a field holds sentences, some of which tell of log-ins."""
    values = [value for path in parts.of("message") for value in parts.fields.values[path]]
    return any(sign_ins.speaks(str(value)) for value in values)


def _add_told(columns: dict[str, str], *, message: str) -> None:
    """Add what the sentences of a log say of log-ins where its fields are silent."""
    failed, succeeded = sign_ins.failed(message), sign_ins.succeeded(message)
    told = f"(({failed} OR {succeeded}) AND {columns['class_uid']} NOT IN (3001, 3002, 3005))"
    columns["activity_id"] = f"CASE WHEN {told} THEN 1 ELSE {columns['activity_id']} END"
    columns["status_id"] = f"CASE WHEN {failed} THEN 2 WHEN {told} THEN 1 ELSE {columns['status_id']} END"
    columns["status_detail"] = (
        f"coalesce({columns.get('status_detail', 'NULL')}, CASE WHEN {failed} THEN {sign_ins.detail(message)} END)"
    )
    columns["class_uid"] = f"CASE WHEN {told} THEN 3002 ELSE {columns['class_uid']} END"
    columns["src_endpoint_ip"] = f"coalesce({columns.get('src_endpoint_ip', 'NULL')}, {sign_ins.address(message)})"
    columns["actor_user_name"] = (
        f"coalesce({columns.get('actor_user_name', 'NULL')}, CASE WHEN {told} THEN {sign_ins.name(message)} END)"
    )


def _moment(parts: Part) -> str:
    readers = []
    for path in parts.of("time"):
        at, values = reference(path), parts.fields.values[path]
        if all(isinstance(value, int | float) for value in values):
            readers.append(f"ms_number({at})")
        elif all(isinstance(value, str) and re.match(r"\d{4}-", value) for value in values):
            readers.append(f"ms_iso({at})")
        else:
            readers += [f"ms_any(replace({at}, '/', '-'))", f"ms_clf({at})", f"ms_any({at})"]
    return f"coalesce({', '.join([*readers, 'NULL'])})"


def _actor(parts: Part) -> dict[str, str]:
    staff, customer = parts.sql("staff"), parts.sql("customer")
    who = parts.sql("staff", "user", "customer")
    kind = parts.sql("actor_type")
    columns = {"actor_user_uid": who}
    if parts.has("actor_type") or parts.has("staff"):
        columns["actor_type"] = (
            f"CASE WHEN regexp_matches({kind}, '{_STAFF}') THEN 'staff' "
            f"WHEN regexp_matches({kind}, '{_CUSTOMER}') THEN 'customer' "
            f"WHEN regexp_matches({kind}, '{_SERVICE}') THEN 'service' WHEN {staff} IS NOT NULL THEN 'staff' END"
        )
    if parts.has("credential") or parts.has("credential_secret"):
        columns["actor_credential_uid"] = (
            f"coalesce({parts.sql('credential')}, secret({parts.sql('credential_secret')}))"
        )
    if parts.has("target") or parts.has("customer"):
        columns["target_account"] = f"nullif(coalesce({parts.sql('target')}, {customer}), {who})"
    return columns


def _deed(parts: Part) -> dict[str, str]:
    operation, code, verdict = parts.sql("operation"), parts.sql("code"), parts.sql("verdict")
    raw = parts.sql("path")
    target, method = _request(parts)
    path = f"path_of({target})"
    # In a list of log-ins nothing else says what was done; the names of its own fields do.
    of_logins = any(
        re.search(r"log-?in|sign-?in", plain(each[-1])) for each in (*parts.of("time"), *parts.of("verdict"))
    )
    login = f"({operation} IS NOT NULL AND regexp_matches({operation}, '{_LOGIN}'))"
    logout = f"({operation} IS NOT NULL AND regexp_matches({operation}, '{_LOGOUT}'))"
    if of_logins and not parts.has("operation"):
        login = "true"
    changes = "regexp_matches({0}, '{1}') AND regexp_matches({0}, '{2}')"
    factor = changes.format(
        operation, _FACTOR, "(?i)add|enrol|enabl|regist|activ|creat|remov|disabl|delet|reset|deactiv|unenrol"
    )
    password = changes.format(operation, _PASSWORD, "(?i)chang|reset|updat|set")
    access = changes.format(operation, _ACCESS, "(?i)add|grant|assign|attach|revok|remov|chang|updat|elevat")
    less = f"regexp_matches({operation}, '(?i)remov|disabl|delet|deactiv|unenrol|revok')"
    told = f"({login} OR {logout} OR ({verdict} IS NOT NULL AND is_login({method}, {path})))"
    verb = f"activity_of(regexp_extract({operation}, '([A-Za-z][a-z]*)$', 1))"
    return {
        "class_uid": f"CASE WHEN {factor} OR {password} THEN 3001 WHEN {told} THEN 3002 WHEN {access} THEN 3005 "
        f"WHEN {raw} IS NOT NULL THEN 4002 WHEN {operation} IS NOT NULL THEN 6003 ELSE 0 END",
        "activity_id": f"CASE WHEN {factor} THEN CASE WHEN {less} THEN 11 ELSE 10 END "
        f"WHEN {password} THEN CASE WHEN {operation} ILIKE '%reset%' THEN 4 ELSE 3 END "
        f"WHEN {logout} THEN 2 WHEN {told} THEN 1 WHEN {access} THEN CASE WHEN {less} THEN 2 ELSE 1 END "
        f"WHEN {raw} IS NOT NULL THEN http_activity({method}) WHEN {operation} IS NOT NULL THEN "
        f"coalesce(nullif(activity_of({operation}), 99), {verb}) ELSE 99 END",
        # What an application writes down without a word of failure was done.
        "status_id": f"CASE WHEN yes_no({verdict}) THEN 1 WHEN NOT yes_no({verdict}) THEN 2 "
        f"WHEN {code} IS NOT NULL THEN http_status({code}) WHEN regexp_matches({operation}, '{_FAILED}') THEN 2 "
        f"WHEN {operation} IS NOT NULL THEN 1 ELSE 0 END",
        "api_operation": f"coalesce({operation}, {method})" if parts.has("operation") else method,
        **({"http_method": method, "url_path": path} if parts.has("path") else {}),
        **({"url_query": _query(parts, target)} if parts.has("path") or parts.has("query") else {}),
        **({"route": f"coalesce(path_of({parts.sql('route')}), route_of({path}))"} if parts.has("route") else {}),
    }


def _request(parts: Part) -> tuple[str, str]:
    """Return SQL for the target and the method, taken out of a whole request line where the log has one."""
    raw, method = parts.sql("path"), parts.sql("method")
    values = [value for path in parts.of("path") for value in parts.fields.values[path]]
    if not any(re.match(_REQUEST_LINE, str(value)) for value in values):
        return raw, method
    target = f"CASE WHEN regexp_matches({raw}, '{_REQUEST_LINE}') THEN regexp_extract({raw}, '^[A-Z]+ (\\S+)', 1) ELSE {raw} END"
    return target, f"coalesce({method}, nullif(regexp_extract({raw}, '^([A-Z]{{3,10}}) ', 1), ''))"


def _query(parts: Part, target: str) -> str:
    said = f"query_of({target})"
    return f"coalesce(masked({parts.sql('query')}), {said})" if parts.has("query") else said


def _object(parts: Part) -> dict[str, str]:
    columns: dict[str, str] = {}
    customer, who = parts.sql("customer"), parts.sql("staff", "user")
    path = f"path_of({parts.sql('path')})"
    on_customer = f"CASE WHEN {who} IS NOT NULL AND {customer} IS DISTINCT FROM {who} THEN {customer} END"
    kinds, things = [parts.sql("object_type")], [parts.sql("object_id")]
    for each in parts.of("named_object"):
        kind = re.sub(r"u?id$", "", plain(each[-1]))
        kinds.append(f"CASE WHEN blank({reference(each)}) IS NOT NULL THEN {literal(kind)} END")
        things.append(f"blank({reference(each)})")
    if parts.has("customer"):
        kinds.append(f"CASE WHEN {on_customer} IS NOT NULL THEN 'customer' END")
        things.append(on_customer)
    if any(parts.has(part) for part in ("object_type", "object_id", "named_object", "customer")):
        kind, thing = (
            f"coalesce({', '.join(kinds)}, object_type_of({path}))",
            f"coalesce({', '.join(things)}, object_id_of({path}))",
        )
        columns = {"object_type": f"lower({kind})", "object_id": thing}
    if parts.has("owner") or parts.has("customer"):
        columns["object_owner"] = f"coalesce({parts.sql('owner')}, {on_customer}, person_of({path}))"
    if parts.has("category"):
        columns["data_category"] = f"lower({parts.sql('category')})"
    elif parts.has("operation") and not parts.has("path"):
        spoken = f"'/' || regexp_replace(lower({parts.sql('operation')}), '[^a-z0-9]+', '/', 'g')"
        columns["data_category"] = f"category_of({spoken} || '/')"
    return columns
