"""GitHub audit log (JSON export, API or stream); fields by docs.github.com, "Audit log events for your organization"."""

from tocsin.events.ports import Format
from tocsin.events.values import Sample, Shape
from tocsin.integrations.expressions import first
from tocsin.integrations.recognition import records_where

_ACTION = 'r."action"'
_VERB = f"regexp_extract({_ACTION}, '([^.]+)$', 1)"
_ACCESS_ACTIONS = (
    r"^(?:org\.(?:add_member|update_member|remove_member|invite_member)|repo\.(?:add_member|update_member|remove_member|access)"
    r"|team\.(?:add_|remove_|change_)|business\.(?:add_|remove_)|personal_access_token\.|org_credential_authorization\."
    r"|integration_installation\.|deploy_key\.|public_key\.)"
)
_ACCESS = f"regexp_matches({_ACTION}, '{_ACCESS_ACTIONS}')"
_ACCOUNT = f"regexp_matches({_ACTION}, '^(?:two_factor_authentication|user|oauth_access|password)\\.')"
_FIELDS = ("_document_id", "@timestamp", "at_sign_timestamp", "created_at", "action", "actor", "actor_id", "actor_ip", "user",
           "user_id", "org", "repo", "repository", "user_agent", "hashed_token", "token_id", "operation_type",
           "actor_is_bot", "external_identity_nameid", "p_event_time")  # fmt: skip


def _recognise(sample: Sample) -> float:
    others = {
        "org",
        "repo",
        "repository",
        "business",
        "_document_id",
        "actor_location",
        "operation_type",
        "actor_ip",
        "user",
    }
    return 0.93 * records_where(
        sample,
        lambda record: (
            isinstance(record.get("action"), str)
            and "." in str(record["action"])
            and "actor" in record
            and not isinstance(record["actor"], dict)
            and (
                "created_at" in record
                or "@timestamp" in record
                or "at_sign_timestamp" in record
                or "p_event_time" in record
            )
            and bool(others & record.keys())
        ),
    )


FORMATS: tuple[Format, ...] = (
    Format(
        key="github_audit",
        title="GitHub audit log",
        shape=Shape.JSON,
        fields={**dict.fromkeys(_FIELDS, "VARCHAR"), "actor_location": {"country_code": "VARCHAR"}},
        columns={
            "event_uid": 'blank(r."_document_id")',
            "ts": 'coalesce(ms_any(r."@timestamp"), ms_any(r."at_sign_timestamp"), ms_any(r."created_at"), ms_any(r."p_event_time"))',
            "class_uid": f"CASE WHEN {_ACCESS} THEN 3005 WHEN {_ACCOUNT} THEN 3001 ELSE 6003 END",
            "activity_id": f"CASE WHEN {_ACCESS} THEN CASE WHEN regexp_matches({_VERB}, '^(?:remove|destroy|delete|revoke|deauth)') "
            f"THEN 2 ELSE 1 END WHEN {_ACCOUNT} THEN CASE WHEN {_ACTION} = 'two_factor_authentication.enabled' THEN 10 "
            f"WHEN {_ACTION} = 'two_factor_authentication.disabled' THEN 11 ELSE 99 END "
            "ELSE CASE r.\"operation_type\" WHEN 'create' THEN 1 WHEN 'access' THEN 2 WHEN 'modify' THEN 3 WHEN 'remove' THEN 4 "
            f"ELSE CASE {_ACTION} WHEN 'git.clone' THEN 2 WHEN 'git.fetch' THEN 2 WHEN 'repo.download_zip' THEN 2 "
            f"ELSE activity_of({_VERB}) END END END",
            "status_id": f"CASE WHEN regexp_matches({_ACTION}, 'failed|failure') THEN 2 ELSE 1 END",
            "api_operation": f"blank({_ACTION})",
            "api_service_name": "'github'",
            "actor_type": "CASE WHEN r.\"actor_is_bot\" = 'true' OR r.\"actor\" LIKE '%[bot]' THEN 'service' ELSE 'staff' END",
            "actor_user_uid": first('r."actor"', 'r."actor_id"'),
            "actor_user_name": first('r."external_identity_nameid"', 'r."actor"'),
            "actor_credential_uid": first('r."token_id"', 'r."hashed_token"'),
            "target_account": 'nullif(blank(r."user"), r."actor")',
            "src_endpoint_ip": 'ip_of(r."actor_ip")',
            "src_country": 'nullif(left(upper(blank(r."actor_location"."country_code")), 2), \'\')',
            "user_agent": 'blank(r."user_agent")',
            "object_type": 'CASE WHEN blank(coalesce(r."repo", r."repository")) IS NOT NULL THEN \'repository\' '
            "WHEN blank(r.\"org\") IS NOT NULL THEN 'organisation' END",
            "object_id": first('r."repo"', 'r."repository"', 'r."org"'),
            "data_category": f"CASE WHEN {_ACTION} IN ('git.clone', 'git.fetch', 'repo.download_zip') THEN 'internal' END",
        },
        recognise=_recognise,
    ),
)
