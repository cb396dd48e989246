"""Microsoft 365 unified audit log; fields by learn.microsoft.com, "Office 365 Management Activity API schema"."""

from tocsin.events.ports import Format
from tocsin.events.values import Shape
from tocsin.integrations.expressions import first, one_of
from tocsin.integrations.recognition import by_keys

_CAMEL = ("Id", "CreationTime", "Operation", "Workload", "UserId", "UserKey", "UserType", "ClientIP", "ClientIPAddress",
          "ActorIpAddress", "ObjectId", "ResultStatus", "LogonError", "UserAgent", "ClientInfoString", "SourceFileName",
          "SiteUrl", "MailboxOwnerUPN", "MailboxOwnerSid", "SessionId", "TargetUserOrGroupName")  # fmt: skip
_READS = ("FileAccessed", "FileDownloaded", "FilePreviewed", "MailItemsAccessed", "FileSyncDownloadedFull", "PageViewed",
          "SearchQueryPerformed", "FileAccessedExtended", "MessageRead", "ViewReport")  # fmt: skip


def _columns(key: dict[str, str]) -> dict[str, str]:
    """Return the columns; ``key`` gives the SQL text at each of Microsoft's names."""
    operation = key["Operation"]
    sign_in = f"{operation} IN ('UserLoggedIn', 'UserLoginFailed', 'MailboxLogin', 'TeamsSessionStarted')"
    account = (
        f"({key['Workload']} = 'AzureActiveDirectory' AND regexp_matches({operation}, '(?i)^(?:add|update|delete|disable|"
        f"enable|reset|change|set|restore).*(?:user|password|strong auth)'))"
    )
    access = (
        f"regexp_matches({operation}, '(?i)member to role|member from role|app role|consent to application|"
        f"add-?mailboxpermission|add-?recipientpermission|delegated permission|AddedToGroup|SharingSet|AnonymousLinkCreated')"
    )
    mail = f"{operation} IN ('MailItemsAccessed', 'Send', 'SendAs', 'SendOnBehalf', 'MessageBind', 'MessageRead')"
    agent = first(
        key["UserAgent"],
        key["ClientInfoString"],
        """js(list_filter(from_json(coalesce(js(j, '$.ExtendedProperties'), '[]'), '["JSON"]'),
            lambda p: js(p, '$.Name') = 'UserAgent')[1], '$.Value')""",
    )
    return {
        "event_uid": f"blank({key['Id']})",
        "ts": f"ms_any({key['CreationTime']})",
        "class_uid": f"CASE WHEN {sign_in} THEN 3002 WHEN {access} THEN 3005 WHEN {account} THEN 3001 ELSE 6003 END",
        "activity_id": f"CASE WHEN {sign_in} THEN 1 "
        f"WHEN {access} THEN CASE WHEN regexp_matches({operation}, '(?i)^remove|^delete') THEN 2 ELSE 1 END "
        f"WHEN {account} THEN CASE WHEN {operation} ILIKE 'add user%' THEN 1 WHEN {operation} ILIKE 'reset%password%' THEN 4 "
        f"WHEN {operation} ILIKE 'change%password%' THEN 3 WHEN {operation} ILIKE 'delete%' THEN 6 "
        f"WHEN {operation} ILIKE 'disable%' THEN 5 ELSE 99 END "
        f"WHEN {operation} IN {one_of(_READS)} THEN 2 ELSE activity_of({operation}) END",
        "status_id": f"CASE WHEN {operation} = 'UserLoginFailed' OR blank({key['LogonError']}) IS NOT NULL THEN 2 "
        f"WHEN lower({key['ResultStatus']}) IN ('failed', 'failure', 'false', 'partiallysucceeded') THEN 2 ELSE 1 END",
        "status_code": f"blank({key['ResultStatus']})",
        "status_detail": f"blank({key['LogonError']})",
        "api_operation": f"blank({operation})",
        "api_service_name": f"blank({key['Workload']})",
        "actor_type": f"CASE WHEN {key['UserType']} IN ('4', '5', '6', 'Application', 'System', 'ServicePrincipal') "
        "THEN 'service' ELSE 'staff' END",
        "actor_user_uid": first(key["UserId"], key["UserKey"]),
        "actor_user_name": f"blank({key['UserId']})",
        "actor_session_uid": f"secret({key['SessionId']})",
        "target_account": f"CASE WHEN {account} OR {access} THEN nullif(coalesce(blank({key['TargetUserOrGroupName']}), "
        f"CASE WHEN {key['ObjectId']} LIKE '%@%' THEN {key['ObjectId']} END), {key['UserId']}) "
        f"WHEN {mail} THEN nullif(blank({key['MailboxOwnerUPN']}), {key['UserId']}) END",
        "src_endpoint_ip": f"coalesce(ip_of({key['ClientIP']}), ip_of({key['ClientIPAddress']}), ip_of({key['ActorIpAddress']}))",
        "user_agent": agent,
        "object_type": f"CASE WHEN {mail} THEN 'mailbox' WHEN blank({key['SourceFileName']}) IS NOT NULL "
        f"OR {operation} LIKE 'File%' THEN 'file' WHEN blank({key['ObjectId']}) IS NOT NULL "
        f"THEN lower(coalesce({key['Workload']}, 'm365')) || '_object' END",
        "object_id": f"CASE WHEN {mail} THEN coalesce(blank({key['MailboxOwnerUPN']}), blank({key['ObjectId']})) "
        f"ELSE coalesce(blank({key['ObjectId']}), blank({key['SourceFileName']})) END",
        "data_category": f"CASE WHEN {mail} THEN 'messages' WHEN {operation} LIKE 'File%' THEN 'content' END",
    }


FORMATS: tuple[Format, ...] = (
    Format(
        key="microsoft365_audit",
        title="Microsoft 365 unified audit log",
        shape=Shape.JSON,
        fields=dict.fromkeys(_CAMEL, "VARCHAR"),
        columns=_columns({name: f'r."{name}"' for name in _CAMEL}),
        recognise=by_keys(("CreationTime", "Operation", "Workload"), ("CreationTime", "Operation", "RecordType")),
    ),
    Format(
        key="microsoft365_audit_lower",
        title="Microsoft 365 unified audit log, keys in lower case",
        shape=Shape.JSON,
        fields={name.lower(): "VARCHAR" for name in _CAMEL},
        columns=_columns({name: f'r."{name.lower()}"' for name in _CAMEL}),
        recognise=by_keys(("creationtime", "operation", "workload")),
    ),
)
