"""Kubernetes API server audit events; fields by kubernetes.io, "kube-apiserver Audit Configuration (v1)"."""

from tocsin.events.ports import Format
from tocsin.events.values import Shape
from tocsin.integrations.expressions import first
from tocsin.integrations.recognition import by_keys

_OBJECT = 'r."objectRef"'
_BINDING = (
    f"({_OBJECT}.\"resource\" IN ('rolebindings', 'clusterrolebindings', 'roles', 'clusterroles') "
    "AND r.\"verb\" IN ('create', 'update', 'patch', 'delete', 'deletecollection', 'bind', 'escalate'))"
)
_USER = 'r."user"."username"'

FORMATS: tuple[Format, ...] = (
    Format(
        key="kubernetes_audit",
        title="Kubernetes audit log",
        shape=Shape.JSON,
        fields={
            "auditID": "VARCHAR",
            "stage": "VARCHAR",
            "verb": "VARCHAR",
            "requestURI": "VARCHAR",
            "userAgent": "VARCHAR",
            "sourceIPs": ["VARCHAR"],
            "requestReceivedTimestamp": "VARCHAR",
            "stageTimestamp": "VARCHAR",
            "user": {"username": "VARCHAR", "uid": "VARCHAR", "extra": "JSON"},
            "impersonatedUser": {"username": "VARCHAR"},
            "objectRef": {
                "resource": "VARCHAR",
                "subresource": "VARCHAR",
                "namespace": "VARCHAR",
                "name": "VARCHAR",
            },
            "responseStatus": {"code": "VARCHAR", "reason": "VARCHAR"},
        },
        columns={
            # One request is told at several stages under the same auditID.
            "event_uid": "blank(r.\"auditID\") || ':' || coalesce(r.\"stage\", '')",
            "ts": 'coalesce(ms_any(r."requestReceivedTimestamp"), ms_any(r."stageTimestamp"))',
            "class_uid": f"CASE WHEN {_BINDING} THEN 3005 ELSE 6003 END",
            "activity_id": f"CASE WHEN {_BINDING} THEN CASE WHEN r.\"verb\" LIKE 'delete%' THEN 2 ELSE 1 END "
            "ELSE CASE r.\"verb\" WHEN 'get' THEN 2 WHEN 'list' THEN 2 WHEN 'watch' THEN 2 WHEN 'create' THEN 1 "
            "WHEN 'update' THEN 3 WHEN 'patch' THEN 3 WHEN 'delete' THEN 4 WHEN 'deletecollection' THEN 4 ELSE 99 END END",
            "status_id": 'http_status(r."responseStatus"."code")',
            "status_code": 'blank(r."responseStatus"."code")',
            "status_detail": 'blank(r."responseStatus"."reason")',
            "api_operation": f'blank(concat_ws(\' \', r."verb", {_OBJECT}."resource" || '
            f"CASE WHEN blank({_OBJECT}.\"subresource\") IS NULL THEN '' ELSE '/' || {_OBJECT}.\"subresource\" END))",
            "api_service_name": "'kubernetes'",
            "actor_type": f"CASE WHEN {_USER} LIKE 'system:%' AND {_USER} <> 'system:anonymous' THEN 'service' "
            f"WHEN {_USER} = 'system:anonymous' THEN NULL ELSE 'staff' END",
            "actor_user_uid": first(_USER, 'r."user"."uid"'),
            "actor_credential_uid": """blank(js(r."user"."extra", '$."authentication.kubernetes.io/credential-id"[0]'))""",
            "target_account": 'blank(r."impersonatedUser"."username")',
            "src_endpoint_ip": 'ip_of(r."sourceIPs"[1])',
            "user_agent": 'blank(r."userAgent")',
            "url_path": 'path_of(r."requestURI")',
            "url_query": 'query_of(r."requestURI")',
            "route": "NULL",
            "object_type": f"""blank(regexp_replace(regexp_replace({_OBJECT}."resource", 'ies$', 'y'), '([^s])s$', '\\1'))""",
            "object_id": f"""nullif(concat_ws('/', blank({_OBJECT}."namespace"), blank({_OBJECT}."name")), '')""",
            "object_owner": "NULL",
            "data_category": f"CASE {_OBJECT}.\"resource\" WHEN 'secrets' THEN 'credentials' WHEN 'configmaps' THEN 'internal' END",
        },
        recognise=by_keys(("auditID", "requestURI"), ("auditID", "stage", "verb"), ("verb", "objectRef.resource")),
    ),
)
