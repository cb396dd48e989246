"""Google Cloud audit logs (Cloud Logging entries with an AuditLog payload); cloud.google.com, "Understanding audit logs"."""

from tocsin.events.ports import Format
from tocsin.events.values import Shape
from tocsin.integrations.expressions import first
from tocsin.integrations.recognition import by_keys

_P = 'r."protoPayload"'
_METHOD = f'{_P}."methodName"'
_VERB = f"regexp_extract({_METHOD}, '([A-Za-z]+)$', 1)"
_ACCESS = f"{_METHOD} ILIKE '%SetIamPolicy%' OR {_METHOD} ILIKE '%setIamPermissions%'"
_OBJECT = f"nullif(regexp_extract({_P}.\"resourceName\", '/buckets/([^/]+)/objects/(.+)$', 1), '')"

FORMATS: tuple[Format, ...] = (
    Format(
        key="google_cloud_audit",
        title="Google Cloud audit log",
        shape=Shape.JSON,
        fields={
            "timestamp": "VARCHAR",
            "receiveTimestamp": "VARCHAR",
            "insertId": "VARCHAR",
            "p_event_time": "VARCHAR",
            "resource": {"type": "VARCHAR"},
            "protoPayload": {
                "methodName": "VARCHAR",
                "serviceName": "VARCHAR",
                "resourceName": "VARCHAR",
                "authenticationInfo": {
                    "principalEmail": "VARCHAR",
                    "principalSubject": "VARCHAR",
                    "serviceAccountKeyName": "VARCHAR",
                },
                "requestMetadata": {"callerIp": "VARCHAR", "callerSuppliedUserAgent": "VARCHAR"},
                "status": {"code": "VARCHAR", "message": "VARCHAR"},
            },
        },
        columns={
            "event_uid": 'blank(r."insertId")',
            "ts": 'coalesce(ms_any(r."timestamp"), ms_any(r."receiveTimestamp"), ms_any(r."p_event_time"))',
            "class_uid": f"CASE WHEN {_ACCESS} THEN 3005 ELSE 6003 END",
            "activity_id": f"CASE WHEN {_ACCESS} THEN 1 ELSE activity_of({_VERB}) END",
            "status_id": f"CASE WHEN coalesce(blank({_P}.\"status\".\"code\"), '0') = '0' THEN 1 ELSE 2 END",
            "status_code": f'blank({_P}."status"."code")',
            "status_detail": f'masked(blank({_P}."status"."message"))',
            "api_operation": f"blank({_METHOD})",
            "api_service_name": f'blank({_P}."serviceName")',
            "actor_type": f'CASE WHEN {_P}."authenticationInfo"."principalEmail" LIKE \'%gserviceaccount.com\' '
            "THEN 'service' ELSE 'cloud' END",
            "actor_user_uid": first(
                f'{_P}."authenticationInfo"."principalEmail"', f'{_P}."authenticationInfo"."principalSubject"'
            ),
            "actor_user_name": f'blank({_P}."authenticationInfo"."principalEmail")',
            "actor_credential_uid": f'blank({_P}."authenticationInfo"."serviceAccountKeyName")',
            "src_endpoint_ip": f'ip_of({_P}."requestMetadata"."callerIp")',
            "user_agent": f'blank({_P}."requestMetadata"."callerSuppliedUserAgent")',
            "object_type": f"CASE WHEN {_OBJECT} IS NOT NULL THEN 'gcs_object' "
            f'WHEN blank({_P}."resourceName") IS NOT NULL THEN blank(r."resource"."type") END',
            "object_id": f'blank({_P}."resourceName")',
            "data_category": f"CASE WHEN {_METHOD} LIKE '%AccessSecretVersion' OR {_METHOD} LIKE '%CreateServiceAccountKey' "
            f"THEN 'credentials' WHEN {_OBJECT} IS NOT NULL THEN 'content' END",
        },
        recognise=by_keys(("protoPayload.methodName",), ("protoPayload.serviceName", "resource.type")),
    ),
)
