"""Keycloak events: the server log's ``type=LOGIN_ERROR, realmId=...`` lines and JSON of the events API or a listener.

Types and fields: keycloak.org, "Auditing and Events", org.keycloak.events.EventType and Details.
"""

from tocsin.events.ports import Format
from tocsin.events.values import Shape
from tocsin.integrations.expressions import first, one_of
from tocsin.integrations.recognition import by_keys, by_pattern

_LOGIN = ("LOGIN", "LOGIN_ERROR", "CLIENT_LOGIN", "CLIENT_LOGIN_ERROR", "IDENTITY_PROVIDER_LOGIN",
          "IDENTITY_PROVIDER_LOGIN_ERROR", "IMPERSONATE", "IMPERSONATE_ERROR", "CODE_TO_TOKEN_ERROR", "REFRESH_TOKEN_ERROR",
          "TOKEN_EXCHANGE", "TOKEN_EXCHANGE_ERROR", "USER_DISABLED_BY_TEMPORARY_LOCKOUT",
          "USER_DISABLED_BY_PERMANENT_LOCKOUT")  # fmt: skip
_CHANGES = {
    "REGISTER": 1, "UPDATE_PASSWORD": 3, "RESET_PASSWORD": 4, "SEND_RESET_PASSWORD": 4, "UPDATE_TOTP": 10, "REMOVE_TOTP": 11,
    "UPDATE_CREDENTIAL": 99, "REMOVE_CREDENTIAL": 99, "UPDATE_EMAIL": 99, "UPDATE_PROFILE": 99, "DELETE_ACCOUNT": 6,
    "VERIFY_EMAIL": 99,
}  # fmt: skip
_PLAIN = "regexp_replace({type}, '_ERROR$', '')"
_NUMBERS = " ".join(f"WHEN '{name}' THEN {number}" for name, number in _CHANGES.items())
_NAMES = ("type", "operationType", "realmId", "realmName", "clientId", "userId", "sessionId", "ipAddress", "error",
          "username", "resourceType", "resourcePath", "email", "identity_provider")  # fmt: skip


def _columns(at: dict[str, str], *, moment: str, uid: str) -> dict[str, str]:
    """Return the columns; ``at`` gives the SQL text of each field."""
    kind = at["type"]
    plain = _PLAIN.format(type=kind)
    admin = f"blank({at['operationType']}) IS NOT NULL"
    verb = f"CASE {at['operationType']} WHEN 'CREATE' THEN 1 WHEN 'UPDATE' THEN 3 WHEN 'DELETE' THEN 4 ELSE 99 END"
    person = f"nullif(regexp_extract({at['resourcePath']}, '^users/([^/]+)', 1), '')"
    return {
        "event_uid": uid,
        "ts": moment,
        "class_uid": f"CASE WHEN {admin} THEN CASE WHEN {at['resourceType']} LIKE '%ROLE_MAPPING' OR "
        f"{at['resourceType']} = 'GROUP_MEMBERSHIP' THEN 3005 WHEN {at['resourceType']} = 'USER' THEN 3001 ELSE 6003 END "
        f"WHEN {kind} IN {one_of(_LOGIN)} OR {plain} = 'LOGOUT' THEN 3002 WHEN {plain} IN {one_of(_CHANGES)} THEN 3001 ELSE 0 END",
        "activity_id": f"CASE WHEN {admin} THEN CASE WHEN {at['resourceType']} LIKE '%ROLE_MAPPING' OR "
        f"{at['resourceType']} = 'GROUP_MEMBERSHIP' THEN CASE {at['operationType']} WHEN 'DELETE' THEN 2 ELSE 1 END "
        f"WHEN {at['resourceType']} = 'USER' THEN CASE {at['operationType']} WHEN 'CREATE' THEN 1 WHEN 'DELETE' THEN 6 "
        f"ELSE 99 END ELSE {verb} END "
        f"WHEN {plain} = 'LOGOUT' THEN 2 WHEN {kind} IN {one_of(_LOGIN)} THEN 1 "
        f"WHEN {plain} IN {one_of(_CHANGES)} THEN CASE {plain} {_NUMBERS} END ELSE 99 END",
        "status_id": f"CASE WHEN {kind} LIKE '%_ERROR' OR blank({at['error']}) IS NOT NULL "
        f"OR {kind} LIKE 'USER_DISABLED%' THEN 2 ELSE 1 END",
        "status_detail": f"blank({at['error']})",
        "api_operation": f"CASE WHEN {admin} THEN concat_ws(' ', {at['operationType']}, {at['resourceType']}) "
        f"ELSE blank({kind}) END",
        "api_service_name": f"coalesce(blank({at['clientId']}), 'keycloak')",
        # The realm "master" holds the operators of Keycloak itself; what lives in other realms the log cannot tell.
        "actor_type": f"CASE WHEN {admin} OR 'master' IN ({at['realmId']}, {at['realmName']}) THEN 'staff' "
        f"WHEN {kind} LIKE 'CLIENT_LOGIN%' THEN 'service' END",
        "actor_user_uid": f"blank({at['userId']})",
        "actor_user_name": first(at["username"], at["email"]),
        "actor_session_uid": f"secret({at['sessionId']})",
        "target_account": f"CASE WHEN {admin} THEN nullif({person}, {at['userId']}) END",
        "src_endpoint_ip": f"ip_of({at['ipAddress']})",
        "object_type": f"CASE WHEN {admin} THEN lower({at['resourceType']}) END",
        "object_id": f"CASE WHEN {admin} THEN coalesce({person}, blank({at['resourcePath']})) END",
    }


def _in_line(field: str) -> str:
    """Return SQL for one ``name=value`` of the text form; newer servers quote the values."""
    return (
        f"""nullif(regexp_extract(r."pairs", '(?:^|, ){field}=(?:"((?:[^"\\\\]|\\\\.)*)"|([^,"]*))', 1) || """
        f"""regexp_extract(r."pairs", '(?:^|, ){field}=(?:"((?:[^"\\\\]|\\\\.)*)"|([^,"]*))', 2), '')"""
    )


_TEXT = (
    r"^(?:.*?)?(\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d)(?:[,.](\d{1,9}))?(Z|[+-]\d\d:?\d\d)?\s+[A-Z]+\s+\[org\.key[a-z]*\.events\]\s+"
    r'\([^)]*\)\s+((?:type|operationType)="?[A-Z_]+"?.*)$'
)
_DETAIL = {"username", "email", "identity_provider"}
_JSON = {name: f"js(r.\"details\", '$.{name}')" if name in _DETAIL else f'r."{name}"' for name in _NAMES}
_JSON["userId"] = first('r."userId"', 'r."authDetails"."userId"')
_JSON["ipAddress"] = first('r."ipAddress"', 'r."authDetails"."ipAddress"')
_JSON["clientId"] = first('r."clientId"', 'r."authDetails"."clientId"')

FORMATS: tuple[Format, ...] = (
    Format(
        key="keycloak_json",
        title="Keycloak events as JSON",
        shape=Shape.JSON,
        fields={
            **{name: "VARCHAR" for name in _NAMES if name not in _DETAIL},
            "id": "VARCHAR",
            "time": "VARCHAR",
            "details": "JSON",
            "authDetails": {"userId": "VARCHAR", "ipAddress": "VARCHAR", "clientId": "VARCHAR"},
        },
        columns=_columns(_JSON, moment='ms_any(r."time")', uid='blank(r."id")'),
        recognise=by_keys(("type", "realmId", "time"), ("operationType", "realmId", "resourceType", "time")),
    ),
    Format(
        key="keycloak_text",
        title="Keycloak events in the server log",
        shape=Shape.TEXT,
        pattern=_TEXT,
        fields={"second": "VARCHAR", "fraction": "VARCHAR", "zone": "VARCHAR", "pairs": "VARCHAR"},
        columns=_columns(
            {name: _in_line(name) for name in _NAMES},
            moment="""ms_iso(r."second" || '.' || coalesce(nullif(r."fraction", ''), '0') || r."zone")""",
            uid="NULL",
        ),
        recognise=by_pattern(_TEXT),
        unmapped="""masked(json_object('pairs', r."pairs")::VARCHAR)""",
    ),
)
