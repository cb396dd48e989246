"""Which thing an AWS call touched: read from ``requestParameters``, whose keys differ from service to service."""

from tocsin.integrations.expressions import first, literal

_NAMES = ("bucketName", "key", "userName", "roleName", "secretId", "functionName", "trailName", "instanceId", "snapshotId",
          "keyId", "tableName", "dBInstanceIdentifier", "dBSnapshotIdentifier", "groupName", "groupId", "policyArn",
          "roleArn", "detectorId", "documentName", "clusterName", "repositoryName", "logGroupName",
          "imageId", "modelId", "stackName", "name")  # fmt: skip
PARAMETERS: dict[str, str] = {name: f"blank(js(r.\"requestParameters\", '$.{name}'))" for name in _NAMES}
_INSTANCE = """blank(js(r."requestParameters", '$.instancesSet.items[0].instanceId'))"""
_RESOURCE = """blank(coalesce(js(r."resources", '$[0].ARN'), js(r."resources", '$[0].arn')))"""

# In this order: the first parameter that is there names the object.
_TYPES: tuple[tuple[str, str], ...] = (
    ("secretId", "secret"),
    ("functionName", "lambda_function"),
    ("roleArn", "iam_role"),
    ("roleName", "iam_role"),
    ("userName", "iam_user"),
    ("policyArn", "iam_policy"),
    ("trailName", "trail"),
    ("detectorId", "guardduty_detector"),
    ("snapshotId", "snapshot"),
    ("dBSnapshotIdentifier", "rds_snapshot"),
    ("dBInstanceIdentifier", "rds_instance"),
    ("tableName", "dynamodb_table"),
    ("keyId", "kms_key"),
    ("groupId", "security_group"),
    ("groupName", "group"),
    ("documentName", "ssm_document"),
    ("clusterName", "cluster"),
    ("repositoryName", "repository"),
    ("logGroupName", "log_group"),
    ("imageId", "machine_image"),
    ("modelId", "model"),
    ("stackName", "stack"),
    ("instanceId", "ec2_instance"),
)
_NAMED = "split_part(r.\"eventSource\", '.', 1) || '_resource'"
_HAS_KEY = f"{PARAMETERS['bucketName']} IS NOT NULL AND {PARAMETERS['key']} IS NOT NULL"

OBJECT_TYPE = (
    f"CASE WHEN {_HAS_KEY} THEN 's3_object' WHEN {PARAMETERS['bucketName']} IS NOT NULL THEN 's3_bucket' "
    + " ".join(f"WHEN {PARAMETERS[name]} IS NOT NULL THEN {literal(kind)}" for name, kind in _TYPES)
    + f" WHEN {_INSTANCE} IS NOT NULL THEN 'ec2_instance'"
    + f" WHEN {PARAMETERS['name']} IS NOT NULL OR {_RESOURCE} IS NOT NULL THEN {_NAMED} END"
)
OBJECT_ID = first(
    f"CASE WHEN {_HAS_KEY} THEN {PARAMETERS['bucketName']} || '/' || {PARAMETERS['key']} END",
    *(PARAMETERS[name] for name in ("bucketName", *(name for name, _ in _TYPES))),
    _INSTANCE,
    PARAMETERS["name"],
    _RESOURCE,
)
DATA_CATEGORY = f"""CASE
    WHEN r."eventName" IN ('GetSecretValue', 'BatchGetSecretValue', 'GetPasswordData', 'CreateAccessKey', 'GetSessionToken',
        'GetFederationToken', 'AssumeRole', 'CreateLoginProfile', 'UpdateLoginProfile') THEN 'credentials'
    WHEN r."eventName" IN ('GetParameter', 'GetParameters', 'GetParametersByPath') THEN 'credentials'
    WHEN {_HAS_KEY} THEN coalesce(category_of('/' || lower({PARAMETERS["key"]})), 'content') END"""
