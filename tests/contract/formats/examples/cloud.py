"""Audit and access logs of clouds."""

from . import Example, json_lines, lines

HOSTILE = "'; DROP TABLE events; --"
NOON = 1_718_452_800_000  # 2024-06-15T12:00:00Z
_OWNER = "a" * 64
_ROLE = {
    "type": "AssumedRole",
    "principalId": "AROAEXAMPLE:i-0example",
    "arn": "arn:aws:sts::123456789012:assumed-role/WebRole/i-0example",
    "accountId": "123456789012",
    "accessKeyId": "ASIAEXAMPLE",
    "sessionContext": {
        "sessionIssuer": {"type": "Role", "arn": "arn:aws:iam::123456789012:role/WebRole", "userName": "WebRole"}
    },
}
_ANN = {"type": "IAMUser", "arn": "arn:aws:iam::123456789012:user/ann", "accountId": "123456789012", "accessKeyId": "AKIAEXAMPLE",
        "userName": "ann"}  # fmt: skip


def _call(second: int, name: str, service: str, identity: object, **more: object) -> dict[str, object]:
    return {
        "eventVersion": "1.08", "userIdentity": identity, "eventTime": f"2024-06-15T12:00:{second:02}Z", "eventSource": service,
        "eventName": name, "awsRegion": "eu-west-1", "sourceIPAddress": "192.0.2.10", "userAgent": "[aws-cli/2.15]",
        "requestParameters": None, "responseElements": None, "eventID": f"event-{second}", "eventType": "AwsApiCall", **more,
    }  # fmt: skip


EXAMPLES = (
    Example(
        "aws_cloudtrail",
        "cloudtrail.json",
        json_lines(
            _call(0, "GetObject", "s3.amazonaws.com", _ROLE, requestParameters={"bucketName": "shop", "key": "customers/7.csv"}),
            _call(1, "ConsoleLogin", "signin.amazonaws.com", _ANN, eventType="AwsConsoleSignIn",
                  responseElements={"ConsoleLogin": "Failure"}, errorMessage="Failed authentication"),
            _call(2, "CreateAccessKey", "iam.amazonaws.com", _ANN, requestParameters={"userName": "bob"}),
            _call(3, "AttachUserPolicy", "iam.amazonaws.com", _ANN, requestParameters={"userName": "ann"}),
            _call(4, "StopLogging", "cloudtrail.amazonaws.com", _ANN, requestParameters={"name": "trail-1"}),
            _call(5, "GetSecretValue", "secretsmanager.amazonaws.com", _ANN, requestParameters={"secretId": "db"},
                  errorCode="AccessDenied"),
            _call(6, HOSTILE, HOSTILE, HOSTILE, sourceIPAddress="AWS Internal", requestParameters=HOSTILE, eventID=None),
            _call(7, "ListBuckets", "s3.amazonaws.com", _ANN, eventTime="never"),
        ),
        (
            {"ts": NOON, "class_uid": 6003, "activity_id": 2, "status_id": 1, "api_operation": "GetObject", "actor_type": "cloud",
             "actor_user_uid": "arn:aws:iam::123456789012:role/WebRole", "actor_user_name": "WebRole",
             "actor_credential_uid": "ASIAEXAMPLE", "src_endpoint_ip": "192.0.2.10", "user_agent": "aws-cli/2.15",
             "object_type": "s3_object", "object_id": "shop/customers/7.csv", "data_category": "profile", "event_uid": "event-0"},
            {"class_uid": 3002, "activity_id": 1, "status_id": 2, "actor_user_name": "ann", "status_detail": "Failed authentication"},
            {"class_uid": 3001, "activity_id": 1, "target_account": "bob", "data_category": "credentials", "object_type": "iam_user"},
            {"class_uid": 3005, "activity_id": 1, "target_account": None},
            {"class_uid": 6003, "api_operation": "StopLogging", "object_id": "trail-1", "status_id": 1},
            {"status_id": 2, "status_code": "AccessDenied", "object_type": "secret", "object_id": "db"},
            {"class_uid": 6003, "src_endpoint_ip": None, "api_operation": HOSTILE, "object_id": None},
            None,
        ),
    ),
    Example(
        "aws_s3_access",
        "s3.log",
        lines(
            f'{_OWNER} shop [15/Jun/2024:12:00:00 +0000] 192.0.2.10 arn:aws:iam::123456789012:user/ann REQ1 REST.GET.OBJECT '
            'invoices/7.pdf "GET /shop/invoices/7.pdf?X-Amz-Signature=abcdef HTTP/1.1" 200 - 2048 2048 31 12 "-" "curl/8" - hostid= SigV4 '
            "ECDHE AuthHeader shop.s3.example.com TLSv1.2 - -",
            f'{_OWNER} shop [15/Jun/2024:12:00:01 +0000] 198.51.100.7 - REQ2 REST.GET.BUCKET - "GET /shop?list-type=2 HTTP/1.1" 403 '
            'AccessDenied 243 - 9 - "-" "-" - h= - - - shop.s3.example.com - - -',
            f'{_OWNER} shop [15/Jun/2024:12:00:02 +0000] 192.0.2.10 - REQ3 REST.PUT.OBJECT %27%3B--.txt "PUT /x HTTP/1.1" 200 - - 5 '
            '7 6 "-" "a \\"b\\"" - h= - - - shop.s3.example.com - - -',
            f"{_OWNER} shop [yesterday] 192.0.2.10",
        ),
        (
            {"ts": NOON, "class_uid": 6003, "activity_id": 2, "status_id": 1, "object_type": "s3_object",
             "object_id": "shop/invoices/7.pdf", "data_category": "payment", "actor_user_uid": "arn:aws:iam::123456789012:user/ann",
             "url_query": "X-Amz-Signature=[secret]", "bytes_out": 2048, "event_uid": "REQ1"},
            {"status_id": 2, "status_code": "AccessDenied", "object_type": "s3_bucket", "object_id": "shop", "account": None},
            {"activity_id": 1, "object_id": "shop/';--.txt", "user_agent": 'a "b"'},
            None,
        ),
    ),
    Example(
        "aws_s3_access_json",
        "s3.json",
        json_lines(
            {"bucketowner": _OWNER, "bucket": "shop", "time": "2024-06-15 12:00:00.000", "remoteip": "192.0.2.10", "requester": "ann",
             "requestid": "R1", "operation": "REST.GET.OBJECT", "key": "a/b.jpg", "httpstatus": 200, "bytessent": 7},
            {"bucket_name": "shop", "request_time": "2024-06-15T12:00:01.000Z", "remote_ip": "192.0.2.11", "operation":
             "REST.DELETE.OBJECT", "object_key": "a", "http_status": 403, "error_code": "AccessDenied"},
            {"bucket": HOSTILE, "time": "2024-06-15 12:00:02", "remoteip": HOSTILE, "operation": HOSTILE, "httpstatus": HOSTILE},
        ),
        (
            {"ts": NOON, "object_id": "shop/a/b.jpg", "status_id": 1, "bytes_out": 7, "data_category": "content"},
            {"activity_id": 4, "status_id": 2, "status_code": "AccessDenied"},
            {"object_type": "s3_bucket", "src_endpoint_ip": None, "status_id": 0},
        ),
    ),
    Example(
        "google_cloud_audit",
        "gcp.json",
        json_lines(
            {"insertId": "g1", "timestamp": "2024-06-15T12:00:00Z", "resource": {"type": "gcs_bucket"}, "protoPayload": {
                "methodName": "storage.objects.get", "serviceName": "storage.googleapis.com",
                "resourceName": "projects/_/buckets/shop/objects/a.csv", "authenticationInfo": {"principalEmail": "ann@example.com"},
                "requestMetadata": {"callerIp": "192.0.2.10", "callerSuppliedUserAgent": "gcloud"}}},
            {"insertId": "g2", "timestamp": "2024-06-15T12:00:01Z", "protoPayload": {"methodName": "SetIamPolicy", "status": {"code": 7,
             "message": "denied"}, "authenticationInfo": {"principalEmail": "x@p.iam.gserviceaccount.com"}}},
            {"timestamp": "2024-06-15T12:00:02Z", "protoPayload": {"methodName": HOSTILE, "status": HOSTILE}},
        ),
        (
            {"ts": NOON, "class_uid": 6003, "activity_id": 2, "status_id": 1, "object_type": "gcs_object", "account": "ann@example.com",
             "src_endpoint_ip": "192.0.2.10", "data_category": "content"},
            {"class_uid": 3005, "status_id": 2, "actor_type": "service"},
            {"api_operation": HOSTILE, "status_id": 1},
        ),
    ),
    Example(
        "kubernetes_audit",
        "audit.log",
        json_lines(
            {"kind": "Event", "apiVersion": "audit.k8s.io/v1", "auditID": "k1", "stage": "ResponseComplete", "verb": "get",
             "requestURI": "/api/v1/namespaces/shop/secrets/db", "user": {"username": "ann"}, "sourceIPs": ["192.0.2.10"],
             "objectRef": {"resource": "secrets", "namespace": "shop", "name": "db"}, "responseStatus": {"code": 200},
             "requestReceivedTimestamp": "2024-06-15T12:00:00.000000Z"},
            {"auditID": "k2", "stage": "ResponseComplete", "verb": "create", "requestURI": "/apis/rbac", "user": {"username":
             "system:serviceaccount:shop:web"}, "objectRef": {"resource": "clusterrolebindings", "name": "x"}, "responseStatus":
             {"code": 403, "reason": "Forbidden"}, "stageTimestamp": "2024-06-15T12:00:01Z"},
            {"auditID": HOSTILE, "stage": "Panic", "verb": HOSTILE, "user": [], "objectRef": "x", "stageTimestamp":
             "2024-06-15T12:00:02Z"},
        ),
        (
            {"ts": NOON, "class_uid": 6003, "activity_id": 2, "status_id": 1, "api_operation": "get secrets", "object_type": "secret",
             "object_id": "shop/db", "data_category": "credentials", "actor_type": "staff", "src_endpoint_ip": "192.0.2.10"},
            {"class_uid": 3005, "activity_id": 1, "status_id": 2, "status_detail": "Forbidden", "actor_type": "service"},
            {"ts": NOON + 2000, "status_id": 0, "account": None},
        ),
    ),
)  # fmt: skip
