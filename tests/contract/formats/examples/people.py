"""Logs of identity providers and office suites."""

from . import Example, json_lines, lines

HOSTILE = "'; DROP TABLE events; --"
NOON = 1_718_452_800_000  # 2024-06-15T12:00:00Z
AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"


def _okta(second: int, kind: str, result: str, **more: object) -> dict[str, object]:
    return {
        "uuid": f"okta-{second}", "published": f"2024-06-15T12:00:{second:02}.000Z", "eventType": kind, "version": "0",
        "actor": {"id": "00u1", "type": "User", "alternateId": "ann@example.com", "displayName": "Ann"},
        "client": {"ipAddress": "192.0.2.10", "userAgent": {"rawUserAgent": AGENT}}, "outcome": {"result": result},
        "authenticationContext": {"externalSessionId": "sess-1"}, **more,
    }  # fmt: skip


def _auth0(second: int, code: str, **more: object) -> dict[str, object]:
    return {
        "log_id": f"auth0-{second}", "date": f"2024-06-15T12:00:{second:02}.000Z", "type": code, "client_id": "c1", "ip": "192.0.2.10",
        "user_agent": AGENT, **more,
    }  # fmt: skip


_MANAGEMENT = {
    "request": {
        "method": "get",
        "path": "/api/v2/users/auth0%7C7",
        "auth": {"user": {"user_id": "auth0|op", "email": "op@example.com"}},
    },
    "response": {"statusCode": 200},
}
_STREAM = {"request": {"method": "post", "path": "/api/v2/clients"}, "response": {"statusCode": 403}}


def _entra(second: int, error: int, **more: object) -> dict[str, object]:
    return {
        "id": f"entra-{second}", "createdDateTime": f"2024-06-15T12:00:{second:02}Z", "userId": "e-1", "userPrincipalName":
        "ann@example.com", "appDisplayName": "Portal", "ipAddress": "192.0.2.10", "status": {"errorCode": error, "failureReason": "why"},
        "location": {"countryOrRegion": "FR", "geoCoordinates": {"latitude": 48.8, "longitude": 2.3}}, **more,
    }  # fmt: skip


def _directory(second: int, name: str, result: str, target: object) -> dict[str, object]:
    return {
        "id": f"dir-{second}", "activityDateTime": f"2024-06-15T12:00:{second:02}Z", "activityDisplayName": name, "category":
        "UserManagement", "loggedByService": "Core Directory", "result": result, "targetResources": target,
        "initiatedBy": {"user": {"id": "e-1", "userPrincipalName": "ann@example.com", "ipAddress": "192.0.2.10"}},
    }  # fmt: skip


_IDENTITY = (
    Example(
        "okta_system_log",
        "okta.json",
        json_lines(
            _okta(0, "user.session.start", "SUCCESS"),
            _okta(1, "user.session.start", "FAILURE", outcome={"result": "FAILURE", "reason": "INVALID_CREDENTIALS"}),
            _okta(2, "user.mfa.factor.activate", "SUCCESS", target=[{"type": "User", "id": "00u2"}]),
            _okta(3, HOSTILE, HOSTILE, client=HOSTILE, target=HOSTILE, actor=None, authenticationContext=None),
        ),
        (
            {"ts": NOON, "class_uid": 3002, "activity_id": 1, "status_id": 1, "account": "00u1", "actor_user_name": "ann@example.com",
             "src_endpoint_ip": "192.0.2.10", "actor_type": "staff", "user_agent": AGENT, "event_uid": "okta-0"},
            {"class_uid": 3002, "status_id": 2, "status_detail": "INVALID_CREDENTIALS"},
            {"class_uid": 3001, "activity_id": 10, "target_account": "00u2", "object_type": "staff_account"},
            {"class_uid": 6003, "status_id": 0, "account": None, "actor_session_uid": None},
        ),
    ),
    Example(
        "auth0",
        "auth0.json",
        json_lines(
            _auth0(0, "s", user_id="auth0|7", user_name="ann@example.com"),
            _auth0(1, "fp", user_id="auth0|7", user_name="ann@example.com", description="Wrong email or password."),
            _auth0(2, "fu", user_name="nobody@example.com"),
            _auth0(3, "sapi", description="Get a User", details=_MANAGEMENT),
            _auth0(4, HOSTILE, ip=HOSTILE, details=HOSTILE, user_name=HOSTILE),
        ),
        (
            {"ts": NOON, "class_uid": 3002, "status_id": 1, "account": "auth0|7", "actor_type": "customer", "src_endpoint_ip":
             "192.0.2.10"},
            {"status_id": 2, "status_detail": "invalid_password"},
            {"status_id": 2, "status_detail": "user_not_found", "account": "nobody@example.com"},
            {"class_uid": 6003, "activity_id": 2, "status_id": 1, "actor_type": "staff", "account": "auth0|op", "target_account":
             "auth0|7", "object_owner": "auth0|7", "data_category": "profile"},
            {"class_uid": 0, "src_endpoint_ip": None, "status_id": 0},
        ),
    ),
    Example(
        "auth0_stream",
        "auth0-stream.json",
        json_lines(
            {"log_id": "a1", "data": _auth0(0, "s", user_id="auth0|7")},
            {"log_id": "a2", "data": _auth0(1, "f", user_id="auth0|7", description="denied")},
            {"log_id": "a3", "data": _auth0(2, "fapi", details=_STREAM)},
        ),
        (
            {"ts": NOON, "class_uid": 3002, "status_id": 1, "account": "auth0|7"},
            {"status_id": 2, "status_detail": "denied"},
            {"class_uid": 6003, "status_id": 2, "actor_type": "service"},
        ),
    ),
    Example(
        "entra_signin",
        "signins.json",
        json_lines(
            _entra(0, 0),
            _entra(1, 50126),
            _entra(2, 50140, userPrincipalName=HOSTILE, userId=None, ipAddress=HOSTILE, location=HOSTILE),
        ),
        (
            {"ts": NOON, "class_uid": 3002, "status_id": 1, "account": "e-1", "actor_user_name": "ann@example.com", "src_country": "FR",
             "src_latitude": 48.8, "actor_type": "staff"},
            {"status_id": 2, "status_code": "50126"},
            {"status_id": 0, "account": HOSTILE, "src_endpoint_ip": None},
        ),
    ),
    Example(
        "entra_audit",
        "directory.json",
        json_lines(
            _directory(0, "User registered security info", "success", [{"type": "User", "id": "e-2"}]),
            _directory(1, "Add member to role", "failure", [{"type": "User", "id": "e-3"}, {"type": "Role", "id": "r"}]),
            _directory(2, HOSTILE, HOSTILE, HOSTILE),
        ),
        (
            {"ts": NOON, "class_uid": 3001, "activity_id": 10, "status_id": 1, "target_account": "e-2", "account": "e-1"},
            {"class_uid": 3005, "activity_id": 1, "status_id": 2, "target_account": "e-3"},
            {"status_id": 0, "target_account": None},
        ),
    ),
    Example(
        "entra_monitor",
        "monitor.json",
        json_lines(
            {"time": "2024-06-15T12:00:00Z", "category": "SignInLogs", "operationName": "Sign-in activity", "resultType": "0",
             "callerIpAddress": "192.0.2.10", "properties": {"userId": "e-1", "userPrincipalName": "ann@example.com"}},
            {"time": "2024-06-15T12:00:01Z", "category": "NonInteractiveUserSignInLogs", "operationName": "Sign-in activity",
             "resultType": "50126", "callerIpAddress": "192.0.2.10", "properties": _entra(1, 50126)},
            {"time": "2024-06-15T12:00:02Z", "category": "AuditLogs", "operationName": "Add user", "properties":
             _directory(2, "Add user", "success", [{"type": "User", "id": "e-9"}])},
        ),
        (
            {"ts": NOON, "class_uid": 3002, "status_id": 1, "account": "e-1", "src_endpoint_ip": "192.0.2.10"},
            {"status_id": 2, "status_code": "50126"},
            {"class_uid": 3001, "activity_id": 1, "target_account": "e-9", "ts": NOON + 2000},
        ),
    ),
    Example(
        "keycloak_json",
        "keycloak.json",
        json_lines(
            {"id": "kc1", "time": NOON, "type": "LOGIN", "realmId": "shop", "clientId": "web", "userId": "u-1", "sessionId": "s-1",
             "ipAddress": "192.0.2.10", "details": {"username": "ann"}},
            {"id": "kc2", "time": NOON + 1000, "type": "LOGIN_ERROR", "realmId": "shop", "clientId": "web", "ipAddress": "192.0.2.10",
             "error": "user_not_found", "details": {"username": HOSTILE}},
            {"id": "kc3", "time": NOON + 2000, "realmId": "shop", "operationType": "CREATE", "resourceType": "REALM_ROLE_MAPPING",
             "resourcePath": "users/u-2/role-mappings", "authDetails": {"userId": "op-1", "ipAddress": "192.0.2.11"}},
        ),
        (
            {"ts": NOON, "class_uid": 3002, "status_id": 1, "account": "u-1", "actor_user_name": "ann", "api_service_name": "web"},
            {"status_id": 2, "status_detail": "user_not_found", "account": HOSTILE},
            {"class_uid": 3005, "activity_id": 1, "account": "op-1", "target_account": "u-2", "actor_type": "staff", "src_endpoint_ip":
             "192.0.2.11"},
        ),
    ),
    Example(
        "keycloak_text",
        "keycloak.log",
        lines(
            '2024-06-15 12:00:00,000 DEBUG [org.keycloak.events] (executor-thread-1) type="LOGIN", realmId="shop", clientId="web", '
            'userId="u-1", sessionId="s-1", ipAddress="192.0.2.10", username="ann"',
            "2024-06-15 12:00:01,250 WARN  [org.keycloak.events] (executor-thread-2) type=LOGIN_ERROR, realmId=shop, clientId=web, "
            "userId=null, ipAddress=192.0.2.10, error=invalid_user_credentials, username=bob",
            '2024-06-15 12:00:02,000 WARN  [org.keycloak.events] (t) type=LOGIN_ERROR, realmId=master, ipAddress=x, username=a"b\'c',
            "2024-06-15 12:00:03,000 INFO  [org.keycloak.services] (main) started",
        ),
        (
            {"ts": NOON, "class_uid": 3002, "status_id": 1, "account": "u-1", "actor_user_name": "ann", "src_endpoint_ip": "192.0.2.10"},
            {"ts": NOON + 1250, "status_id": 2, "status_detail": "invalid_user_credentials", "account": "bob"},
            {"status_id": 2, "src_endpoint_ip": None, "actor_type": "staff"},
            None,
        ),
    ),
)  # fmt: skip

_OFFICE = (
    Example(
        "microsoft365_audit",
        "m365.json",
        json_lines(
            {"Id": "m1", "CreationTime": "2024-06-15T12:00:00", "Operation": "UserLoginFailed", "Workload": "AzureActiveDirectory",
             "RecordType": 15, "UserId": "ann@example.com", "ClientIP": "192.0.2.10", "LogonError": "InvalidUserNameOrPassword"},
            {"Id": "m2", "CreationTime": "2024-06-15T12:00:01", "Operation": "MailItemsAccessed", "Workload": "Exchange", "UserId":
             "ann@example.com", "ClientIPAddress": "192.0.2.10", "MailboxOwnerUPN": "ceo@example.com", "ResultStatus": "Succeeded"},
            {"Id": "m3", "CreationTime": "2024-06-15T12:00:02", "Operation": HOSTILE, "Workload": HOSTILE, "UserId": HOSTILE},
        ),
        (
            {"ts": NOON, "class_uid": 3002, "status_id": 2, "account": "ann@example.com", "status_detail": "InvalidUserNameOrPassword"},
            {"class_uid": 6003, "status_id": 1, "object_type": "mailbox", "object_id": "ceo@example.com", "target_account":
             "ceo@example.com", "data_category": "messages"},
            {"account": HOSTILE, "src_endpoint_ip": None},
        ),
    ),
    Example(
        "microsoft365_audit_lower",
        "m365-lower.json",
        json_lines(
            {"id": "m1", "creationtime": "2024-06-15 12:00:00", "operation": "FileDownloaded", "workload": "SharePoint", "userid":
             "ann@example.com", "clientip": "192.0.2.10", "objectid": "https://example.sharepoint.com/a.docx"},
            {"id": "m2", "creationtime": "2024-06-15 12:00:01", "operation": "Set-Mailbox", "workload": "Exchange", "userid": "op",
             "resultstatus": "False"},
            {"id": "m3", "creationtime": "2024-06-15 12:00:02", "operation": HOSTILE, "workload": "x", "clientip": HOSTILE},
        ),
        (
            {"ts": NOON, "activity_id": 2, "status_id": 1, "object_type": "file", "data_category": "content"},
            {"status_id": 2, "activity_id": 3},
            {"src_endpoint_ip": None},
        ),
    ),
    Example(
        "google_workspace",
        "workspace.json",
        json_lines(
            {"kind": "admin#reports#activity", "id": {"time": "2024-06-15T12:00:00Z", "uniqueQualifier": "w1", "applicationName": "login"},
             "actor": {"email": "ann@example.com", "profileId": "117"}, "ipAddress": "192.0.2.10", "events": [{"name": "login_failure",
             "type": "login", "parameters": [{"name": "login_failure_type", "value": "login_failure_invalid_password"}]}]},
            {"id": {"time": "2024-06-15T12:00:01Z", "applicationName": "drive"}, "actor": {"email": "ann@example.com"}, "name": "download",
             "type": "access", "parameters": {"doc_id": "d1"}, "ipAddress": "192.0.2.10"},
            {"id": {"time": "2024-06-15T12:00:02Z", "applicationName": HOSTILE}, "name": HOSTILE, "events": HOSTILE, "parameters": [1]},
        ),
        (
            {"ts": NOON, "class_uid": 3002, "status_id": 2, "account": "117", "actor_user_name": "ann@example.com", "status_detail":
             "login_failure_invalid_password"},
            {"class_uid": 6003, "activity_id": 2, "object_type": "document", "object_id": "d1", "data_category": "content"},
            {"api_operation": HOSTILE, "account": None},
        ),
    ),
    Example(
        "github_audit",
        "github.json",
        json_lines(
            {"@timestamp": NOON, "_document_id": "h1", "action": "git.clone", "actor": "ann", "actor_ip": "192.0.2.10", "org": "example",
             "repo": "example/shop", "hashed_token": "tok="},
            {"created_at": NOON + 1000, "action": "org.add_member", "actor": "ann", "user": "eve", "org": "example"},
            {"created_at": NOON + 2000, "action": "x." + HOSTILE, "actor": HOSTILE, "org": HOSTILE, "actor_ip": HOSTILE},
        ),
        (
            {"ts": NOON, "activity_id": 2, "account": "ann", "object_type": "repository", "object_id": "example/shop", "status_id": 1,
             "data_category": "internal", "actor_credential_uid": "tok="},
            {"class_uid": 3005, "activity_id": 1, "target_account": "eve"},
            {"account": HOSTILE, "src_endpoint_ip": None},
        ),
    ),
)  # fmt: skip

EXAMPLES = (*_IDENTITY, *_OFFICE)
