"""CloudTrail records; fields by docs.aws.amazon.com, "CloudTrail record contents" and "userIdentity element".

Read as delivered (``Records``), as bare records, and as Logstash keeps them (``@timestamp`` in place of ``eventTime``).
"""

from tocsin.events.ports import Format
from tocsin.events.values import Shape
from tocsin.integrations.aws_cloudtrail.objects import DATA_CATEGORY, OBJECT_ID, OBJECT_TYPE, PARAMETERS
from tocsin.integrations.expressions import first, one_of
from tocsin.integrations.recognition import by_keys

_SIGN_IN = (
    "ConsoleLogin",
    "CheckMfa",
    "SwitchRole",
    "ExitRole",
    "RenewRole",
    "UserAuthentication",
    "Authenticate",
    "Federate",
)
# IAM calls that change an account (OCSF 3001) and what was done to it.
_ACCOUNT_CHANGES = {
    "CreateUser": 1, "CreateLoginProfile": 1, "CreateAccessKey": 1, "UpdateLoginProfile": 4, "ChangePassword": 3,
    "UpdateAccessKey": 99, "DeleteUser": 6, "DeleteLoginProfile": 5, "DeleteAccessKey": 5, "CreateVirtualMFADevice": 10,
    "EnableMFADevice": 10, "DeactivateMFADevice": 11, "DeleteVirtualMFADevice": 11, "UpdateUser": 99,
    "UploadSigningCertificate": 99, "UploadSSHPublicKey": 99, "CreateServiceSpecificCredential": 1,
}  # fmt: skip
# IAM calls that give (1) or take (2) rights (OCSF 3005).
_ACCESS_CHANGES = {
    "AttachUserPolicy": 1, "AttachRolePolicy": 1, "AttachGroupPolicy": 1, "PutUserPolicy": 1, "PutRolePolicy": 1,
    "PutGroupPolicy": 1, "AddUserToGroup": 1, "AddRoleToInstanceProfile": 1, "UpdateAssumeRolePolicy": 1,
    "CreatePolicyVersion": 1, "SetDefaultPolicyVersion": 1, "DetachUserPolicy": 2, "DetachRolePolicy": 2,
    "DetachGroupPolicy": 2, "DeleteUserPolicy": 2, "DeleteRolePolicy": 2, "DeleteGroupPolicy": 2,
    "RemoveUserFromGroup": 2, "RemoveRoleFromInstanceProfile": 2, "DeleteUserPermissionsBoundary": 1,
    "DeleteRolePermissionsBoundary": 1, "PutUserPermissionsBoundary": 2, "PutRolePermissionsBoundary": 2,
}  # fmt: skip

_NAME = 'r."eventName"'
_IDENTITY = 'r."userIdentity"'
_IAM = """r."eventSource" IN ('iam.amazonaws.com', 'sso-directory.amazonaws.com')"""
_IS_SIGN_IN = f"""({_NAME} IN {one_of(_SIGN_IN)} OR r."eventType" = 'AwsConsoleSignIn')"""
_ISSUER = f'{_IDENTITY}."sessionContext"."sessionIssuer"'
_FAILED = (
    """(blank(r."errorCode") IS NOT NULL OR blank(r."errorMessage") IS NOT NULL """
    """OR js(r."responseElements", '$.ConsoleLogin') = 'Failure')"""
)
_USER_NAME = first(
    f'{_IDENTITY}."userName"',
    f'{_ISSUER}."userName"',
    f"""CASE WHEN {_IDENTITY}."type" = 'Root' THEN 'root' END""",
    f"""regexp_extract({_IDENTITY}."arn", '[/:]([^/:]+)$', 1)""",
)


def _numbers(changes: dict[str, int]) -> str:
    return " ".join(f"WHEN '{name}' THEN {number}" for name, number in changes.items())


_COLUMNS = {
    "event_uid": 'blank(r."eventID")',
    "ts": 'coalesce(ms_any(r."eventTime"), ms_any(r."@timestamp"))',
    "class_uid": f"CASE WHEN {_IS_SIGN_IN} THEN 3002 WHEN {_IAM} AND {_NAME} IN {one_of(_ACCOUNT_CHANGES)} THEN 3001 "
    f"WHEN {_IAM} AND {_NAME} IN {one_of(_ACCESS_CHANGES)} THEN 3005 ELSE 6003 END",
    "activity_id": f"CASE WHEN {_NAME} = 'ConsoleLogin' OR r.\"eventType\" = 'AwsConsoleSignIn' THEN 1 "
    f"WHEN {_IS_SIGN_IN} THEN 99 "
    f"WHEN {_IAM} AND {_NAME} IN {one_of({**_ACCOUNT_CHANGES, **_ACCESS_CHANGES})} THEN "
    f"CASE {_NAME} {_numbers({**_ACCOUNT_CHANGES, **_ACCESS_CHANGES})} END ELSE activity_of({_NAME}) END",
    "status_id": f"CASE WHEN {_FAILED} THEN 2 ELSE 1 END",
    "status_code": 'blank(r."errorCode")',
    "status_detail": 'masked(left(blank(r."errorMessage"), 500))',
    "api_operation": f"blank({_NAME})",
    "api_service_name": 'blank(r."eventSource")',
    "actor_type": f"CASE WHEN {_IDENTITY}.\"type\" = 'AWSService' OR {_IDENTITY}.\"invokedBy\" LIKE '%.amazonaws.com' "
    "THEN 'service' ELSE 'cloud' END",
    # An assumed role acts under the role's own name, so that all its sessions are one principal.
    "actor_user_uid": first(
        f'{_ISSUER}."arn"',
        f"""CASE WHEN {_IDENTITY}."type" = 'AssumedRole' THEN
            regexp_replace({_IDENTITY}."arn", '^arn:([^:]*):sts::([^:]*):assumed-role/([^/]+)/.*$',
                           'arn:\\1:iam::\\2:role/\\3') END""",
        f'{_IDENTITY}."arn"',
        f'{_IDENTITY}."principalId"',
        f'{_IDENTITY}."userName"',
        f'{_IDENTITY}."invokedBy"',
        f'{_IDENTITY}."accountId"',
    ),
    "actor_user_name": _USER_NAME,
    "actor_session_uid": f"CASE WHEN {_IDENTITY}.\"type\" IN ('AssumedRole', 'FederatedUser', 'WebIdentityUser', 'SAMLUser') "
    f'THEN secret(coalesce(blank({_IDENTITY}."accessKeyId"), blank({_IDENTITY}."principalId"))) END',
    "actor_credential_uid": f'blank({_IDENTITY}."accessKeyId")',
    "target_account": f"""CASE WHEN {_IAM} AND {PARAMETERS["userName"]} IS DISTINCT FROM blank({_IDENTITY}."userName")
        THEN {PARAMETERS["userName"]} END""",
    "src_endpoint_ip": 'ip_of(r."sourceIPAddress")',
    "user_agent": """regexp_replace(blank(r."userAgent"), '^\\[(.*)\\]$', '\\1')""",
    "bytes_out": """try_cast(js(r."additionalEventData", '$.bytesTransferredOut') AS BIGINT)""",
    "object_type": OBJECT_TYPE,
    "object_id": OBJECT_ID,
    "data_category": DATA_CATEGORY,
}

FORMATS: tuple[Format, ...] = (
    Format(
        key="aws_cloudtrail",
        title="AWS CloudTrail",
        shape=Shape.JSON,
        fields={
            "eventTime": "VARCHAR",
            "@timestamp": "VARCHAR",
            "eventID": "VARCHAR",
            "eventName": "VARCHAR",
            "eventSource": "VARCHAR",
            "eventType": "VARCHAR",
            "errorCode": "VARCHAR",
            "errorMessage": "VARCHAR",
            "sourceIPAddress": "VARCHAR",
            "userAgent": "VARCHAR",
            "userIdentity": {
                "type": "VARCHAR",
                "arn": "VARCHAR",
                "principalId": "VARCHAR",
                "accountId": "VARCHAR",
                "accessKeyId": "VARCHAR",
                "userName": "VARCHAR",
                "invokedBy": "VARCHAR",
                "sessionContext": {"sessionIssuer": {"arn": "VARCHAR", "userName": "VARCHAR"}},
            },
            "requestParameters": "JSON",
            "responseElements": "JSON",
            "additionalEventData": "JSON",
            "resources": "JSON",
        },
        columns=_COLUMNS,
        recognise=by_keys(("eventSource", "eventName", "eventVersion"), ("eventSource", "eventName", "userIdentity")),
        unmapped="masked(json_object('requestParameters', r.\"requestParameters\", "
        "'responseElements', r.\"responseElements\", 'additionalEventData', r.\"additionalEventData\", "
        "'awsRegion', js(j, '$.awsRegion'), 'recipientAccountId', js(j, '$.recipientAccountId'), "
        '\'sessionArn\', r."userIdentity"."arn")::VARCHAR)',
    ),
)
