"""Auth0 tenant logs, as the API, log streams (``data`` inside) and exports give them.

Type codes: auth0.com/docs, "Log Event Type Codes".
"""

from tocsin.events.ports import Format
from tocsin.events.values import Shape
from tocsin.integrations.expressions import one_of
from tocsin.integrations.recognition import by_keys

_SUCCESS = ("s", "ssa", "scoa", "sens", "seacft", "seccft", "sepft", "sertft", "seoobft", "seotpft", "serecft", "sede",
            "gd_auth_succeed", "gd_recovery_succeed", "gd_webauthn_challenge_succeed")  # fmt: skip
_FAILURE = ("f", "fp", "fu", "fc", "fco", "fcoa", "fens", "fsa", "feacft", "feccft", "fepft", "fertft", "feoobft", "feotpft",
            "ferecft", "fede", "limit_wc", "limit_mu", "limit_sul", "pwd_leak", "signup_pwd_leak", "reset_pwd_leak",
            "gd_auth_failed", "gd_auth_rejected", "gd_otp_rate_limit_exceed", "gd_recovery_failed",
            "gd_webauthn_challenge_failed", "w", "mfar", "pla", "ublkdu")  # fmt: skip
_LOGOUT = ("slo", "flo", "oidc_backchannel_logout_succeeded", "oidc_backchannel_logout_failed")
# OCSF 3001 Account Change.
_CHANGES = {
    "ss": 1, "fs": 1, "scp": 3, "fcp": 3, "scpr": 4, "fcpr": 4, "sce": 99, "fce": 99, "scu": 99, "fcu": 99, "scpn": 99,
    "fcpn": 99, "du": 6, "fdu": 6, "sdu": 6, "gd_enrollment_complete": 10, "gd_unenroll": 11, "gd_update_device_account": 99,
    "sv": 99, "fv": 99,
}  # fmt: skip
_NUMBERS = " ".join(f"WHEN '{name}' THEN {number}" for name, number in _CHANGES.items())
_DETAILS = {
    "fu": "user_not_found", "fp": "invalid_password", "limit_wc": "account_blocked", "limit_mu": "address_blocked",
    "limit_sul": "account_blocked", "pwd_leak": "leaked_password", "fepft": "invalid_password",
}  # fmt: skip
_REASONS = " ".join(f"WHEN '{name}' THEN '{reason}'" for name, reason in _DETAILS.items())
_NAMES = ("type", "date", "log_id", "ip", "client_ip", "user_id", "user_name", "user_agent", "description", "client_name",
          "connection", "hostname", "session_id")  # fmt: skip


def _columns(record: str) -> dict[str, str]:
    """Return the columns of a log entry that stands at SQL ``record``."""
    at = {name: f'{record}."{name}"' for name in _NAMES}
    details = f'{record}."details"'
    code = at["type"]
    management = f"{code} IN ('sapi', 'fapi', 'mgmt_api_read')"
    operator = f"js({details}, '$.request.auth.user.user_id')"
    path = f"js({details}, '$.request.path')"
    target = f"url_decode(nullif(regexp_extract({path}, '/users/([^/?]+)', 1), ''))"
    return {
        "event_uid": f"blank({at['log_id']})",
        "ts": f"ms_any({at['date']})",
        "class_uid": f"CASE WHEN {management} THEN 6003 WHEN {code} IN {one_of(_CHANGES)} THEN 3001 "
        f"WHEN {code} IN {one_of((*_SUCCESS, *_FAILURE, *_LOGOUT))} THEN 3002 ELSE 0 END",
        "activity_id": f"CASE WHEN {management} THEN CASE upper(js({details}, '$.request.method')) WHEN 'GET' THEN 2 "
        "WHEN 'POST' THEN 1 WHEN 'DELETE' THEN 4 WHEN 'PUT' THEN 3 WHEN 'PATCH' THEN 3 ELSE 99 END "
        f"WHEN {code} IN {one_of(_CHANGES)} THEN CASE {code} {_NUMBERS} END WHEN {code} IN {one_of(_LOGOUT)} THEN 2 "
        f"WHEN {code} IN {one_of((*_SUCCESS, *_FAILURE))} THEN 1 ELSE 99 END",
        "status_id": f"CASE WHEN {management} THEN coalesce(nullif(http_status(js({details}, '$.response.statusCode')), 0), "
        f"CASE WHEN {code} = 'fapi' THEN 2 ELSE 1 END) "
        f"WHEN {code} IN {one_of(_FAILURE)} OR ({code} IN {one_of(_CHANGES)} AND {code} LIKE 'f%') THEN 2 "
        f"WHEN {code} IN {one_of((*_SUCCESS, *_CHANGES))} OR {code} = 'slo' THEN 1 "
        f"WHEN {code} LIKE 'f%' THEN 2 ELSE 0 END",
        "status_code": f"blank({code})",
        "status_detail": f"coalesce(CASE {code} {_REASONS} END, CASE WHEN {code} LIKE 'f%' THEN masked({at['description']}) END)",
        "api_operation": f"CASE WHEN {management} THEN coalesce({at['description']}, {code}) ELSE blank({code}) END",
        "api_service_name": "'auth0'",
        "actor_type": f"CASE WHEN {management} THEN CASE WHEN {operator} IS NULL THEN 'service' ELSE 'staff' END "
        "ELSE 'customer' END",
        "actor_user_uid": f"CASE WHEN {management} THEN coalesce({operator}, blank({at['user_id']})) "
        f"ELSE blank({at['user_id']}) END",
        "actor_user_name": f"CASE WHEN {management} THEN js({details}, '$.request.auth.user.email') "
        f"ELSE blank({at['user_name']}) END",
        "actor_session_uid": f"secret(coalesce({at['session_id']}, js({details}, '$.session_id')))",
        "target_account": f"CASE WHEN {management} THEN {target} END",
        "src_endpoint_ip": f"coalesce(ip_of({at['ip']}), ip_of({at['client_ip']}))",
        "user_agent": f"blank({at['user_agent']})",
        "url_hostname": f"blank({at['hostname']})",
        "object_type": f"CASE WHEN {management} THEN CASE WHEN {target} IS NOT NULL THEN 'customer' "
        f"ELSE object_type_of({path}) END END",
        "object_id": f"CASE WHEN {management} THEN coalesce({target}, object_id_of({path})) END",
        "data_category": f"CASE WHEN {management} THEN category_of({path}) END",
    }


_ENTRY: dict[str, object] = {**dict.fromkeys(_NAMES, "VARCHAR"), "details": "JSON"}

FORMATS: tuple[Format, ...] = (
    Format(
        key="auth0",
        title="Auth0 tenant log",
        shape=Shape.JSON,
        fields=_ENTRY,
        columns=_columns("r"),
        recognise=by_keys(("type", "date", "log_id"), ("type", "date", "client_id", "ip", "user_agent")),
    ),
    Format(
        key="auth0_stream",
        title="Auth0 tenant log, from a log stream",
        shape=Shape.JSON,
        fields={"log_id": "VARCHAR", "data": _ENTRY},
        columns=_columns('r."data"'),
        recognise=by_keys(
            ("data.type", "data.date", "data.log_id"),
            ("data.type", "data.date", "log_id"),
            ("data.type", "data.date", "data.client_id", "data.ip"),
        ),
        unmapped="""masked(json_object('data', j::JSON -> '$.data.details')::VARCHAR)""",
    ),
)
