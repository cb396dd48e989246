"""OCSF events as other tools write them (schema.ocsf.io): JSON lines, and Parquet as Amazon Security Lake keeps it."""

from dataclasses import replace

from tocsin.events.ports import Format
from tocsin.events.values import Shape
from tocsin.integrations.expressions import first
from tocsin.integrations.recognition import by_keys

_USER: dict[str, object] = {"uid": "VARCHAR", "name": "VARCHAR", "email_addr": "VARCHAR", "credential_uid": "VARCHAR",
                            "type": "VARCHAR"}  # fmt: skip
_ACTOR = 'r."actor"."user"'
_SUBJECT = 'r."user"'
_HTTP = 'r."http_request"'
_RESOURCE = 'coalesce(r."resources"[1], r."resource", r."web_resources"[1])'
# In 3001 and 3005 ``user`` is the one acted upon; in 3002 the one who signs in.
_ON_ANOTHER = 'try_cast(r."class_uid" AS INTEGER) IN (3001, 3005, 3006)'
_UID = f'coalesce(blank({_SUBJECT}."uid"), blank({_SUBJECT}."name"), blank({_SUBJECT}."email_addr"))'

_JSON = Format(
    key="ocsf_json",
    title="OCSF events as JSON",
    shape=Shape.JSON,
    fields={
        "class_uid": "VARCHAR",
        "activity_id": "VARCHAR",
        "activity_name": "VARCHAR",
        "status_id": "VARCHAR",
        "status": "VARCHAR",
        "status_code": "VARCHAR",
        "status_detail": "VARCHAR",
        "time": "VARCHAR",
        "time_dt": "VARCHAR",
        "duration": "VARCHAR",
        "metadata": {"uid": "VARCHAR", "event_code": "VARCHAR", "product": {"name": "VARCHAR"}},
        "actor": {"user": _USER, "session": {"uid": "VARCHAR"}, "invoked_by": "VARCHAR"},
        "user": _USER,
        "session": {"uid": "VARCHAR"},
        "src_endpoint": {
            "ip": "VARCHAR",
            "uid": "VARCHAR",
            "autonomous_system": {"number": "BIGINT"},
            "location": {"country": "VARCHAR", "lat": "DOUBLE", "long": "DOUBLE"},
        },
        "device": {"uid": "VARCHAR"},
        "api": {"operation": "VARCHAR", "service": {"name": "VARCHAR"}},
        "service": {"name": "VARCHAR"},
        "http_request": {
            "http_method": "VARCHAR",
            "user_agent": "VARCHAR",
            "referrer": "VARCHAR",
            "url": {"path": "VARCHAR", "hostname": "VARCHAR", "query_string": "VARCHAR", "url_string": "VARCHAR"},
        },
        "http_response": {"code": "VARCHAR", "length": "VARCHAR"},
        "resources": [{"uid": "VARCHAR", "name": "VARCHAR", "type": "VARCHAR", "owner": {"uid": "VARCHAR"}}],
        "resource": {"uid": "VARCHAR", "name": "VARCHAR", "type": "VARCHAR", "owner": {"uid": "VARCHAR"}},
        "web_resources": [{"uid": "VARCHAR", "name": "VARCHAR", "type": "VARCHAR", "owner": {"uid": "VARCHAR"}}],
    },
    columns={
        "event_uid": 'blank(r."metadata"."uid")',
        "ts": 'coalesce(ms_any(r."time"), ms_any(r."time_dt"))',
        "class_uid": 'coalesce(try_cast(r."class_uid" AS INTEGER), 0)',
        # OCSF counts datastore activities its own way; here they are 1 create, 2 read, 3 update, 4 delete as for 6003.
        "activity_id": "CASE WHEN r.\"class_uid\" = '6005' THEN CASE r.\"activity_id\" WHEN '1' THEN 2 WHEN '4' THEN 2 "
        "WHEN '2' THEN 3 WHEN '5' THEN 3 WHEN '6' THEN 1 WHEN '7' THEN 4 ELSE 99 END "
        'ELSE try_cast(r."activity_id" AS INTEGER) END',
        "status_id": "CASE WHEN r.\"status_id\" IN ('1', '2') THEN CAST(r.\"status_id\" AS INTEGER) "
        "WHEN yes_no(r.\"status\") THEN 1 WHEN NOT yes_no(r.\"status\") THEN 2 "
        'ELSE http_status(r."http_response"."code") END',
        "status_code": first('r."status_code"', 'r."http_response"."code"'),
        "status_detail": 'masked(blank(r."status_detail"))',
        "api_operation": first('r."api"."operation"', 'r."metadata"."event_code"', f'{_HTTP}."http_method"',
                               'r."activity_name"'),
        "api_service_name": first('r."api"."service"."name"', 'r."service"."name"', 'r."metadata"."product"."name"'),
        "actor_type": f"CASE lower(coalesce({_ACTOR}.\"type\", {_SUBJECT}.\"type\")) WHEN 'admin' THEN 'staff' "
        "WHEN 'system' THEN 'service' WHEN 'service' THEN 'service' WHEN 'assumedrole' THEN 'cloud' "
        "WHEN 'iamuser' THEN 'cloud' WHEN 'awsservice' THEN 'service' WHEN 'customer' THEN 'customer' "
        "WHEN 'staff' THEN 'staff' END",
        "actor_user_uid": f"coalesce(blank({_ACTOR}.\"uid\"), blank({_ACTOR}.\"name\"), "
        f"CASE WHEN NOT {_ON_ANOTHER} THEN {_UID} END, blank(r.\"actor\".\"invoked_by\"))",
        "actor_user_name": f"coalesce(blank({_ACTOR}.\"email_addr\"), blank({_ACTOR}.\"name\"), CASE WHEN NOT {_ON_ANOTHER} THEN "
        f"coalesce(blank({_SUBJECT}.\"email_addr\"), blank({_SUBJECT}.\"name\")) END)",
        "actor_session_uid": 'secret(coalesce(blank(r."actor"."session"."uid"), blank(r."session"."uid")))',
        "actor_credential_uid": first(f'{_ACTOR}."credential_uid"', f'{_SUBJECT}."credential_uid"'),
        # The one who signs in is the account, also where the log names a system as the actor.
        "account": f"CASE WHEN r.\"class_uid\" = '3002' THEN coalesce({_UID}, blank({_ACTOR}.\"uid\"), blank({_ACTOR}.\"name\")) "
        f"ELSE coalesce(blank({_ACTOR}.\"uid\"), blank({_ACTOR}.\"name\"), "
        f"CASE WHEN NOT {_ON_ANOTHER} THEN {_UID} END) END",
        "target_account": f"CASE WHEN {_ON_ANOTHER} THEN {_UID} END",
        "src_endpoint_ip": 'ip_of(r."src_endpoint"."ip")',
        "src_asn": 'r."src_endpoint"."autonomous_system"."number"',
        "src_country": 'nullif(left(upper(blank(r."src_endpoint"."location"."country")), 2), \'\')',
        "src_latitude": 'r."src_endpoint"."location"."lat"',
        "src_longitude": 'r."src_endpoint"."location"."long"',
        "user_agent": f'blank({_HTTP}."user_agent")',
        "device_uid": first('r."device"."uid"', 'r."src_endpoint"."uid"'),
        "http_method": f'blank({_HTTP}."http_method")',
        "url_hostname": f'blank({_HTTP}."url"."hostname")',
        "url_path": f'path_of(coalesce(blank({_HTTP}."url"."path"), {_HTTP}."url"."url_string"))',
        "url_query": f"coalesce(masked(blank({_HTTP}.\"url\".\"query_string\")), query_of({_HTTP}.\"url\".\"url_string\"))",
        "http_referrer": f'masked(blank({_HTTP}."referrer"))',
        "bytes_out": 'try_cast(r."http_response"."length" AS BIGINT)',
        "duration_ms": 'try_cast(r."duration" AS BIGINT)',
        "object_type": f'coalesce(lower(blank(({_RESOURCE})."type")), object_type_of(path_of({_HTTP}."url"."path")))',
        "object_id": f'coalesce(blank(({_RESOURCE})."uid"), blank(({_RESOURCE})."name"), object_id_of(path_of({_HTTP}."url"."path")))',
    },
    recognise=by_keys(("class_uid", "metadata", "time"), ("class_uid", "category_uid", "time"), ("class_uid", "metadata", "time_dt"),
                      shapes=(Shape.JSON,)),
)  # fmt: skip

FORMATS: tuple[Format, ...] = (
    _JSON,
    replace(
        _JSON,
        key="ocsf_parquet",
        title="OCSF events as Parquet",
        shape=Shape.PARQUET,
        recognise=by_keys(("class_uid", "metadata", "time"), ("class_uid", "category_uid", "time"),
                          ("class_uid", "metadata", "time_dt"), shapes=(Shape.PARQUET,)),
    ),
)  # fmt: skip
