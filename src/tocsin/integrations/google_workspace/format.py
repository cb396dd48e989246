"""Google Workspace activities (Reports API), whole or with one event flattened out; developers.google.com/admin-sdk."""

from tocsin.events.ports import Format
from tocsin.events.values import Sample, Shape
from tocsin.integrations.expressions import first
from tocsin.integrations.recognition import records_where, value_at

_NAME = first('r."name"', """js(r."events", '$[0].name')""")
_KIND = first('r."type"', """js(r."events", '$[0].type')""")
_APPLICATION = 'r."id"."applicationName"'


def _parameter(*names: str) -> str:
    """Return SQL for the first of some parameters, as an object or as the API's list of name and value."""
    choices = []
    for name in names:
        choices.append(f"js(r.\"parameters\", '$.{name}')")
        choices.append(
            f"""js(list_filter(from_json(coalesce(json_extract(r."events", '$[0].parameters'), '[]'), '["JSON"]'),
                lambda p: js(p, '$.name') = '{name}')[1], '$.value')"""
        )
    return first(*choices)


_TARGET = _parameter("USER_EMAIL", "affected_email_address", "target_user")
_DOCUMENT = _parameter("doc_id")
_LOGIN = f"""({_APPLICATION} = 'login' AND {_NAME} IN ('login_success', 'login_failure', 'login_challenge', 'login_verification',
    'logout', 'suspicious_login', 'suspicious_login_less_secure_app', 'suspicious_programmatic_login', 'gov_attack_warning'))"""
_ACCOUNT = f"""(({_APPLICATION} = 'user_accounts') OR ({_APPLICATION} = 'login' AND NOT {_LOGIN})
    OR ({_APPLICATION} = 'admin' AND {_KIND} = 'USER_SETTINGS'))"""
_ACCESS = f"({_APPLICATION} = 'admin' AND {_KIND} IN ('DELEGATED_ADMIN_SETTINGS', 'GROUP_SETTINGS')) OR {_KIND} = 'acl_change'"


def _recognise(sample: Sample) -> float:
    return 0.95 * records_where(
        sample,
        lambda record: (
            value_at(record, "id.applicationName") is not None
            and ("events" in record or "name" in record or "type" in record)
        ),
    )


FORMATS: tuple[Format, ...] = (
    Format(
        key="google_workspace",
        title="Google Workspace activity report",
        shape=Shape.JSON,
        fields={
            "id": {"time": "VARCHAR", "uniqueQualifier": "VARCHAR", "applicationName": "VARCHAR"},
            "p_event_time": "VARCHAR",
            "actor": {"email": "VARCHAR", "profileId": "VARCHAR", "callerType": "VARCHAR", "key": "VARCHAR"},
            "ipAddress": "VARCHAR",
            "name": "VARCHAR",
            "type": "VARCHAR",
            "parameters": "JSON",
            "events": "JSON",
        },
        columns={
            "event_uid": 'blank(r."id"."uniqueQualifier")',
            "ts": 'coalesce(ms_any(r."id"."time"), ms_any(r."p_event_time"))',
            "class_uid": f"CASE WHEN {_LOGIN} THEN 3002 WHEN {_ACCESS} THEN 3005 WHEN {_ACCOUNT} THEN 3001 ELSE 6003 END",
            "activity_id": f"CASE WHEN {_LOGIN} THEN CASE WHEN {_NAME} = 'logout' THEN 2 ELSE 1 END "
            f"WHEN {_ACCESS} THEN CASE WHEN regexp_matches({_NAME}, '(?i)^(?:remove|delete|unassign)') THEN 2 ELSE 1 END "
            f"WHEN {_ACCOUNT} THEN CASE WHEN {_NAME} IN ('2sv_enroll', 'titanium_enroll') THEN 10 "
            f"WHEN {_NAME} IN ('2sv_disable', 'titanium_unenroll', 'TURN_OFF_2_STEP_VERIFICATION') THEN 11 "
            f"WHEN {_NAME} IN ('password_edit', 'CHANGE_PASSWORD') THEN 3 WHEN {_NAME} = 'CREATE_USER' THEN 1 "
            f"WHEN {_NAME} = 'DELETE_USER' THEN 6 WHEN {_NAME} IN ('SUSPEND_USER', 'account_disabled_generic') THEN 5 ELSE 99 END "
            f"ELSE activity_of({_NAME}) END",
            "status_id": f"CASE WHEN {_NAME} IN ('login_failure', 'gov_attack_warning') THEN 2 "
            f"WHEN {_NAME} = 'login_challenge' THEN 0 ELSE 1 END",
            "status_detail": _parameter("login_failure_type", "login_challenge_status"),
            "api_operation": _NAME,
            "api_service_name": f"blank({_APPLICATION})",
            "actor_type": "CASE WHEN r.\"actor\".\"callerType\" IN ('KEY', 'APPLICATION') THEN 'service' ELSE 'staff' END",
            "actor_user_uid": first('r."actor"."profileId"', 'r."actor"."email"', 'r."actor"."key"'),
            "actor_user_name": 'blank(r."actor"."email")',
            "target_account": f'nullif({_TARGET}, r."actor"."email")',
            "src_endpoint_ip": 'ip_of(r."ipAddress")',
            "object_type": f"CASE WHEN {_DOCUMENT} IS NOT NULL THEN 'document' WHEN {_TARGET} IS NOT NULL THEN 'staff_account' END",
            "object_id": f"coalesce({_DOCUMENT}, {_TARGET})",
            "data_category": f"CASE WHEN {_DOCUMENT} IS NOT NULL THEN 'content' END",
        },
        recognise=_recognise,
    ),
)
