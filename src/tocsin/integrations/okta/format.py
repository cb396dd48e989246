"""Okta System Log; fields and event types by developer.okta.com, "System Log API" and "Event types"."""

from tocsin.events.ports import Format
from tocsin.events.values import Shape
from tocsin.integrations.expressions import first, one_of
from tocsin.integrations.recognition import by_keys

# Data lakes lower the case of the outermost keys; then the second spelling is read.
_TYPE = """coalesce(r."eventType", js(j, '$.eventtype'))"""
_SESSION = (
    """coalesce(r."authenticationContext"."externalSessionId", js(j, '$.authenticationcontext.externalSessionId'))"""
)
_DEBUG = """coalesce(r."debugContext"."debugData", json_extract(j, '$.debugcontext.debugData'))"""
_AS_NUMBER = """coalesce(r."securityContext"."asNumber", try_cast(js(j, '$.securitycontext.asNumber') AS BIGINT))"""
_SIGN_IN = ("user.session.start", "user.authentication.auth_via_mfa", "user.authentication.sso",
            "user.authentication.verify", "user.authentication.auth_via_social", "user.authentication.auth_via_IDP",
            "user.authentication.auth_via_AD_agent", "user.authentication.auth_via_LDAP_agent",
            "user.authentication.auth_via_radius", "policy.evaluate_sign_on", "user.session.access_admin_app",
            "user.mfa.okta_verify.deny_push", "system.push.send_factor_verify_push",
            "user.session.impersonation.initiate")  # fmt: skip
# OCSF 3001 Account Change.
_CHANGES = {
    "user.lifecycle.create": 1, "user.lifecycle.activate": 2, "user.lifecycle.reactivate": 2,
    "user.lifecycle.unsuspend": 2, "user.account.update_password": 3, "user.account.reset_password": 4,
    "user.lifecycle.suspend": 5, "user.lifecycle.deactivate": 5, "user.lifecycle.delete.initiated": 6,
    "user.account.lock": 9, "user.account.unlock": 12, "user.account.update_profile": 99,
    "user.account.update_primary_email": 99, "user.mfa.factor.activate": 10, "user.mfa.factor.deactivate": 11,
    "user.mfa.factor.reset_all": 11, "user.mfa.factor.suspend": 11, "user.mfa.factor.update": 99,
    "user.mfa.factor.unsuspend": 10,
}  # fmt: skip
# OCSF 3005 User Access Management: 1 gives rights, 2 takes them.
_ACCESS = {
    "user.account.privilege.grant": 1, "user.account.privilege.revoke": 2, "group.user_membership.add": 1,
    "group.user_membership.remove": 2, "group.privilege.grant": 1, "group.privilege.revoke": 2,
    "application.user_membership.add": 1, "application.user_membership.remove": 2,
    "user.session.impersonation.grant": 1, "user.session.impersonation.revoke": 2,
    "iam.resourceset.bindings.add": 1, "iam.resourceset.bindings.delete": 2,
}  # fmt: skip
_NUMBERS = " ".join(f"WHEN '{name}' THEN {number}" for name, number in {**_CHANGES, **_ACCESS}.items())
_LOGOUT = "('user.session.end', 'user.session.clear')"
_TARGET_USER = """js(list_filter(r."target", lambda t: js(t, '$.type') IN ('User', 'AppUser'))[1], '$.id')"""
_OTHER_TARGET = "list_filter(r.\"target\", lambda t: js(t, '$.type') NOT IN ('User', 'AppUser'))[1]"
_IS_USER_CHANGE = f"{_TYPE} IN {one_of({**_CHANGES, **_ACCESS})}"

FORMATS: tuple[Format, ...] = (
    Format(
        key="okta_system_log",
        title="Okta System Log",
        shape=Shape.JSON,
        fields={
            "uuid": "VARCHAR",
            "published": "VARCHAR",
            "eventType": "VARCHAR",
            "actor": {"id": "VARCHAR", "type": "VARCHAR", "alternateId": "VARCHAR", "displayName": "VARCHAR"},
            "client": {
                "ipAddress": "VARCHAR",
                "userAgent": {"rawUserAgent": "VARCHAR", "os": "VARCHAR", "browser": "VARCHAR"},
                "geographicalContext": {
                    "country": "VARCHAR",
                    "geolocation": {"lat": "DOUBLE", "lon": "DOUBLE"},
                },
            },
            "outcome": {"result": "VARCHAR", "reason": "VARCHAR"},
            "authenticationContext": {"externalSessionId": "VARCHAR"},
            "securityContext": {"asNumber": "BIGINT"},
            "request": {"ipChain": "JSON"},
            "debugContext": {"debugData": "JSON"},
            "target": ["JSON"],
        },
        columns={
            "event_uid": 'blank(r."uuid")',
            "ts": 'ms_any(r."published")',
            "class_uid": f"CASE WHEN {_TYPE} IN {one_of(_SIGN_IN)} OR {_TYPE} IN {_LOGOUT} THEN 3002 "
            f"WHEN {_TYPE} IN {one_of(_CHANGES)} THEN 3001 WHEN {_TYPE} IN {one_of(_ACCESS)} THEN 3005 ELSE 6003 END",
            "activity_id": f"CASE WHEN {_TYPE} IN {_LOGOUT} THEN 2 WHEN {_TYPE} IN {one_of(_SIGN_IN)} THEN 1 "
            f"WHEN {_IS_USER_CHANGE} THEN CASE {_TYPE} {_NUMBERS} END "
            f"ELSE activity_of(regexp_extract({_TYPE}, '([^.]+)$', 1)) END",
            "status_id": "CASE WHEN r.\"outcome\".\"result\" IN ('SUCCESS', 'ALLOW') THEN 1 "
            "WHEN r.\"outcome\".\"result\" IN ('FAILURE', 'DENY', 'ABANDONED') THEN 2 "
            f"WHEN {_TYPE} = 'user.mfa.okta_verify.deny_push' THEN 2 ELSE 0 END",
            "status_code": 'blank(r."outcome"."result")',
            "status_detail": 'blank(r."outcome"."reason")',
            "api_operation": f"blank({_TYPE})",
            "api_service_name": "'okta'",
            "actor_type": "CASE WHEN r.\"actor\".\"type\" IN ('SystemPrincipal', 'PublicClientApp', 'ClientApp') "
            "THEN 'service' ELSE 'staff' END",
            "actor_user_uid": 'blank(r."actor"."id")',
            "actor_user_name": first('r."actor"."alternateId"', 'r."actor"."displayName"'),
            "actor_session_uid": f"secret(nullif({_SESSION}, 'unknown'))",
            "target_account": f'nullif({_TARGET_USER}, r."actor"."id")',
            "src_endpoint_ip": """coalesce(ip_of(r."client"."ipAddress"), ip_of(js(r."request"."ipChain", '$[0].ip')))""",
            "src_asn": _AS_NUMBER,
            "src_latitude": 'r."client"."geographicalContext"."geolocation"."lat"',
            "src_longitude": 'r."client"."geographicalContext"."geolocation"."lon"',
            "user_agent": 'blank(r."client"."userAgent"."rawUserAgent")',
            "device_uid": f"blank(js({_DEBUG}, '$.deviceFingerprint'))",
            "object_type": f"CASE WHEN {_IS_USER_CHANGE} OR {_OTHER_TARGET} IS NULL THEN "
            f"CASE WHEN {_TARGET_USER} IS NOT NULL THEN 'staff_account' END "
            f"ELSE lower(js({_OTHER_TARGET}, '$.type')) END",
            "object_id": f"CASE WHEN {_IS_USER_CHANGE} THEN {_TARGET_USER} "
            f"ELSE coalesce(js({_OTHER_TARGET}, '$.id'), {_TARGET_USER}) END",
        },
        recognise=by_keys(
            ("eventType", "published", "actor"),
            ("eventType", "legacyEventType", "actor"),
            ("eventtype", "published", "actor"),
        ),
    ),
)
