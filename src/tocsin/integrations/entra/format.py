"""Entra ID sign-in and directory audit logs: Microsoft Graph's records, or Azure Monitor's with ``properties`` inside.

Fields: learn.microsoft.com, "signIn resource type", "directoryAudit resource type", "Sign-in logs schema in Azure Monitor".
"""

from collections.abc import Callable

from tocsin.events.ports import Format
from tocsin.events.values import Sample, Shape
from tocsin.integrations.expressions import first
from tocsin.integrations.recognition import records_where

_SIGN_IN: dict[str, object] = {
    "id": "VARCHAR",
    "createdDateTime": "VARCHAR",
    "userId": "VARCHAR",
    "userPrincipalName": "VARCHAR",
    "userDisplayName": "VARCHAR",
    "servicePrincipalId": "VARCHAR",
    "servicePrincipalName": "VARCHAR",
    "appDisplayName": "VARCHAR",
    "resourceDisplayName": "VARCHAR",
    "ipAddress": "VARCHAR",
    "userAgent": "VARCHAR",
    "sessionId": "VARCHAR",
    "autonomousSystemNumber": "BIGINT",
    "status": {"errorCode": "VARCHAR", "failureReason": "VARCHAR"},
    "deviceDetail": {"deviceId": "VARCHAR", "operatingSystem": "VARCHAR"},
    "location": {"countryOrRegion": "VARCHAR", "geoCoordinates": {"latitude": "DOUBLE", "longitude": "DOUBLE"}},
}
_AUDIT: dict[str, object] = {
    "id": "VARCHAR",
    "activityDateTime": "VARCHAR",
    "activityDisplayName": "VARCHAR",
    "category": "VARCHAR",
    "loggedByService": "VARCHAR",
    "operationType": "VARCHAR",
    "result": "VARCHAR",
    "resultReason": "VARCHAR",
    "initiatedBy": {
        "user": {"id": "VARCHAR", "userPrincipalName": "VARCHAR", "ipAddress": "VARCHAR"},
        "app": {"servicePrincipalId": "VARCHAR", "displayName": "VARCHAR", "appId": "VARCHAR"},
    },
    "targetResources": ["JSON"],
    "additionalDetails": "JSON",
}
_OUTER: dict[str, object] = {
    "time": "VARCHAR",
    "category": "VARCHAR",
    "resultType": "VARCHAR",
    "resultDescription": "VARCHAR",
    "operationName": "VARCHAR",
    "callerIpAddress": "VARCHAR",
}


def _sign_in(at: str, *, code: str, moment: str, address: str) -> dict[str, str]:
    # 50140 asks whether to stay signed in and 50125/50055 for a new password: interruptions, not refusals.
    return {
        "event_uid": f'blank({at}."id")',
        "ts": moment,
        "class_uid": "3002",
        "activity_id": "1",
        "status_id": f"CASE WHEN {code} IN ('0', 'Success') THEN 1 WHEN {code} IN ('50140', '50125', '50055') THEN 0 "
        f"WHEN {code} IS NULL THEN 0 ELSE 2 END",
        "status_code": code,
        "status_detail": f'blank({at}."status"."failureReason")',
        "api_operation": "'Sign-in activity'",
        "api_service_name": first(f'{at}."appDisplayName"', f'{at}."resourceDisplayName"'),
        "actor_type": f"""CASE WHEN blank({at}."userId") IS NULL AND blank({at}."userPrincipalName") IS NULL
            AND blank({at}."servicePrincipalId") IS NOT NULL THEN 'service' ELSE 'staff' END""",
        "actor_user_uid": first(f'{at}."userId"', f'{at}."userPrincipalName"', f'{at}."servicePrincipalId"'),
        "actor_user_name": first(f'{at}."userPrincipalName"', f'{at}."servicePrincipalName"'),
        "actor_session_uid": f'secret({at}."sessionId")',
        "src_endpoint_ip": address,
        "src_asn": f'{at}."autonomousSystemNumber"',
        "src_country": f'nullif(left(upper(blank({at}."location"."countryOrRegion")), 2), \'\')',
        "src_latitude": f'{at}."location"."geoCoordinates"."latitude"',
        "src_longitude": f'{at}."location"."geoCoordinates"."longitude"',
        "user_agent": f'blank({at}."userAgent")',
        "device_uid": f'blank({at}."deviceDetail"."deviceId")',
    }


def _audit(at: str, *, moment: str, address: str, operation: str) -> dict[str, str]:
    user = f'{at}."initiatedBy"."user"'
    app = f'{at}."initiatedBy"."app"'
    target = f'{at}."targetResources"[1]'
    person = f"""js(list_filter({at}."targetResources", lambda t: js(t, '$.type') = 'User')[1], '$.id')"""
    name = f"lower({operation})"
    access = f"""({name} LIKE '%role%' OR {name} LIKE '%member%group%' OR {name} LIKE '%app role%'
        OR {name} LIKE '%consent%' OR {name} LIKE '%delegated permission%')"""
    account = f"""({at}."category" IN ('UserManagement', 'User Management') OR {name} LIKE '%authentication method%'
        OR {name} LIKE '%security info%' OR {name} LIKE '%password%' OR {name} LIKE '%credentials%')"""
    return {
        "event_uid": f'blank({at}."id")',
        "ts": moment,
        "class_uid": f"CASE WHEN {access} THEN 3005 WHEN {account} THEN 3001 ELSE 6003 END",
        "activity_id": f"CASE WHEN {access} THEN CASE WHEN regexp_matches({name}, '^(?:remove|delete|revoke)') THEN 2 ELSE 1 END "
        f"WHEN {account} THEN CASE WHEN {name} LIKE '%reset%password%' THEN 4 WHEN {name} LIKE '%change%password%' THEN 3 "
        f"WHEN regexp_matches({name}, 'security info|authentication method|strong auth') THEN "
        f"CASE WHEN regexp_matches({name}, 'delet|remov|disabl') THEN 11 ELSE 10 END "
        f"WHEN {name} LIKE 'add user%' OR {name} LIKE 'invite%' THEN 1 WHEN {name} LIKE 'delete user%' THEN 6 "
        f"WHEN {name} LIKE 'disable%' THEN 5 WHEN {name} LIKE 'enable%' THEN 2 ELSE 99 END ELSE activity_of({operation}) END",
        "status_id": f"""CASE lower({at}."result") WHEN 'success' THEN 1 WHEN 'failure' THEN 2 WHEN 'timeout' THEN 2
            ELSE 0 END""",
        "status_code": f'blank({at}."result")',
        "status_detail": f'masked(blank({at}."resultReason"))',
        "api_operation": f"blank({operation})",
        "api_service_name": f'blank({at}."loggedByService")',
        "actor_type": f"""CASE WHEN blank({user}."id") IS NULL AND blank({user}."userPrincipalName") IS NULL
            THEN 'service' ELSE 'staff' END""",
        "actor_user_uid": first(
            f'{user}."id"', f'{user}."userPrincipalName"', f'{app}."servicePrincipalId"', f'{app}."appId"'
        ),
        "actor_user_name": first(f'{user}."userPrincipalName"', f'{app}."displayName"'),
        "target_account": f'nullif({person}, {user}."id")',
        "src_endpoint_ip": address,
        "user_agent": f"""js(list_filter(from_json({at}."additionalDetails", '["JSON"]'),
            lambda d: js(d, '$.key') = 'User-Agent')[1], '$.value')""",
        "object_type": f"CASE WHEN js({target}, '$.type') = 'User' THEN 'staff_account' "
        f"ELSE lower(blank(js({target}, '$.type'))) END",
        "object_id": f"blank(js({target}, '$.id'))",
    }


def _holding(*needs: str) -> Callable[[Sample], float]:
    """Recognise records that have all the keys, be they null."""
    return lambda sample: 0.94 * records_where(sample, lambda record: all(key in record for key in needs))


def _from_monitor(sample: Sample) -> float:
    return 0.95 * records_where(
        sample,
        lambda record: (
            isinstance(record.get("properties"), dict)
            and str(record.get("category", "")) in _CATEGORIES
            and any(key in record for key in ("operationName", "operationname", "tenantId", "tenantid"))
        ),
    )


_CATEGORIES = ("SignInLogs", "NonInteractiveUserSignInLogs", "ServicePrincipalSignInLogs", "ManagedIdentitySignInLogs",
               "ADFSSignInLogs", "MicrosoftServicePrincipalSignInLogs", "AuditLogs")  # fmt: skip
_P = 'r."properties"'
_MONITOR_SIGN_IN = _sign_in(
    _P,
    code=first(f'{_P}."status"."errorCode"', 'r."resultType"'),
    moment=f'coalesce(ms_any({_P}."createdDateTime"), ms_any(r."time"))',
    address=f'coalesce(ip_of({_P}."ipAddress"), ip_of(r."callerIpAddress"))',
)
_MONITOR_AUDIT = _audit(
    _P,
    moment=f'coalesce(ms_any({_P}."activityDateTime"), ms_any(r."time"))',
    address=f'coalesce(ip_of({_P}."initiatedBy"."user"."ipAddress"), ip_of(r."callerIpAddress"))',
    operation=f'coalesce({_P}."activityDisplayName", r."operationName")',
)
_IS_AUDIT = "r.\"category\" = 'AuditLogs'"

FORMATS: tuple[Format, ...] = (
    Format(
        key="entra_signin",
        title="Entra ID sign-in log",
        shape=Shape.JSON,
        fields=_SIGN_IN,
        columns=_sign_in(
            "r",
            code='blank(r."status"."errorCode")',
            moment='ms_any(r."createdDateTime")',
            address='ip_of(r."ipAddress")',
        ),
        recognise=_holding("createdDateTime", "userPrincipalName", "appDisplayName", "status"),
    ),
    Format(
        key="entra_audit",
        title="Entra ID directory audit log",
        shape=Shape.JSON,
        fields=_AUDIT,
        columns=_audit(
            "r",
            moment='ms_any(r."activityDateTime")',
            address='ip_of(r."initiatedBy"."user"."ipAddress")',
            operation='r."activityDisplayName"',
        ),
        recognise=_holding("activityDateTime", "activityDisplayName", "initiatedBy"),
    ),
    Format(
        key="entra_monitor",
        title="Entra ID sign-in and audit logs, from Azure Monitor",
        shape=Shape.JSON,
        fields={**_OUTER, "properties": {**_SIGN_IN, **_AUDIT}},
        columns={
            column: f"CASE WHEN {_IS_AUDIT} THEN {_MONITOR_AUDIT.get(column, 'NULL')} "
            f"ELSE {_MONITOR_SIGN_IN.get(column, 'NULL')} END"
            for column in dict.fromkeys((*_MONITOR_SIGN_IN, *_MONITOR_AUDIT))
        },
        recognise=_from_monitor,
    ),
)
