"""Logs of databases and hosts, of other security tools, and of applications nobody described."""

from . import Example, json_lines, lines

HOSTILE = "'; DROP TABLE events; --"
NOON = 1_718_452_800_000  # 2024-06-15T12:00:00Z
_CSV = ('2024-06-15 12:00:0{n}.000 UTC,"app","shop",4711,"192.0.2.10:5432",666d.1267,{n},"SELECT",2024-06-15 11:59:00 UTC,3/1,0,{level},'
        '{code},{message},,,,,,,,,"psql","client backend",,0')  # fmt: skip

EXAMPLES = (
    Example(
        "postgresql",
        "postgresql.log",
        lines(
            "2024-06-15 12:00:00.000 UTC [4711] app@shop LOG:  AUDIT: SESSION,1,1,READ,SELECT,TABLE,public.customers,"
            '"select * from customers",<not logged>',
            '2024-06-15 12:00:01.000 UTC [4712] eve@shop FATAL:  password authentication failed for user "eve"',
            "2024-06-15 12:00:02 UTC:192.0.2.10(5432):app@shop:[4713]:ERROR:  syntax error at or near \"'\"",
            "2024-06-15 12:00:03.000 UTC [1] LOG:  checkpoint starting: time",
            "\tselect 1",
        ),
        (
            {"ts": NOON, "class_uid": 6005, "activity_id": 2, "status_id": 1, "account": "app", "object_type": "table", "object_id":
             "public.customers", "data_category": "profile", "api_operation": "SELECT"},
            {"class_uid": 3002, "status_id": 2, "account": "eve"},
            {"status_id": 2, "src_endpoint_ip": "192.0.2.10", "account": "app"},
            {"class_uid": 0, "account": None},
            None,
        ),
    ),
    Example(
        "postgresql_csv",
        "postgresql.csv.log",
        lines(
            _CSV.format(n=0, level="LOG", code="00000",
                        message='"AUDIT: SESSION,1,1,WRITE,DELETE,TABLE,public.cards,""delete from cards"",<none>"'),
            _CSV.format(n=1, level="FATAL", code="28P01", message='"password authentication failed for user ""app"""'),
            _CSV.format(n=2, level="ERROR", code="42601", message='"a, ""b"" \'; --"'),
        ),
        (
            {"ts": NOON, "class_uid": 6005, "activity_id": 4, "object_id": "public.cards", "data_category": "payment", "account": "app",
             "src_endpoint_ip": "192.0.2.10"},
            {"class_uid": 3002, "status_id": 2, "status_code": "28P01"},
            {"status_id": 2, "status_detail": "a, \"b\" '; --"},
        ),
    ),
    Example(
        "postgresql_json",
        "postgresql.json",
        json_lines(
            {"timestamp": "2024-06-15 12:00:00.000 UTC", "user": "app", "dbname": "shop", "pid": 1, "remote_host": "192.0.2.10",
             "session_id": "666d.1", "error_severity": "LOG", "backend_type": "client backend",
             "message": "AUDIT: OBJECT,2,1,ROLE,GRANT,,,grant x to y,<none>"},
            {"timestamp": "2024-06-15 12:00:01.000 UTC", "user": "eve", "pid": 2, "session_id": "666d.2", "error_severity": "FATAL",
             "state_code": "28P01", "message": 'password authentication failed for user "eve"', "backend_type": "client backend"},
            {"timestamp": "2024-06-15 12:00:02.000 UTC", "pid": 3, "session_id": HOSTILE, "error_severity": "ERROR", "message": HOSTILE,
             "remote_host": HOSTILE, "backend_type": HOSTILE},
        ),
        (
            {"ts": NOON, "class_uid": 3005, "activity_id": 1, "account": "app", "src_endpoint_ip": "192.0.2.10"},
            {"class_uid": 3002, "status_id": 2, "account": "eve"},
            {"status_id": 2, "status_detail": HOSTILE, "src_endpoint_ip": None},
        ),
    ),
    Example(
        "syslog",
        "auth.log",
        lines(
            "2024-06-15T12:00:00+00:00 web1 sshd[811]: Accepted publickey for ann from 192.0.2.10 port 50123 ssh2: RSA SHA256:x",
            "2024-06-15T12:00:01+00:00 web1 sshd[812]: Failed password for invalid user admin from 198.51.100.7 port 22 ssh2",
            "2024-06-15T12:00:02+00:00 web1 sshd[812]: Invalid user oracle from 2001:db8::7 port 33060",
            "2024-06-15T12:00:03+00:00 web1 sshd[813]: Failed password for root from 192.0.2.66 port 1 from 198.51.100.7 port 22 ssh2",
            "2024-06-15T12:00:04+00:00 web1 sudo[9]:      ann : TTY=pts/0 ; PWD=/home/ann ; USER=root ; COMMAND=/usr/bin/id",
            "2024-06-15T12:00:05+00:00 web1 useradd[10]: new user: name=eve, UID=1001, GID=1001, home=/home/eve, shell=/bin/sh",
            "2024-06-15T12:00:06+00:00 web1 CRON[11]: pam_unix(cron:session): session opened for user root by (uid=0)",
            "<86>1 2024-06-15T12:00:07.5Z web1 sshd 814 - - Failed password for ann from 192.0.2.10 port 2 ssh2",
            "2024-06-15T12:00:08+00:00 mail dovecot[15]: imap-login: Disconnected (auth failed, 1 attempts): user=<ann@example.com>, "
            "method=PLAIN, rip=198.51.100.7, lip=192.0.2.200, TLS",
            "no syslog at all",
        ),
        (
            {"ts": NOON, "class_uid": 3002, "activity_id": 1, "status_id": 1, "account": "ann", "src_endpoint_ip": "192.0.2.10",
             "api_service_name": "sshd", "actor_type": "staff", "device_uid": "web1"},
            {"status_id": 2, "account": "admin", "status_detail": "user_not_found", "src_endpoint_ip": "198.51.100.7"},
            # Said before any password is tried: the failures, if any, are the lines that follow.
            {"class_uid": 3002, "status_id": 0, "status_detail": "user_not_found", "account": "oracle", "src_endpoint_ip": "2001:db8::7"},
            # A user name may say anything; the address that sshd itself wrote stands last.
            {"status_id": 2, "src_endpoint_ip": "198.51.100.7"},
            {"class_uid": 1007, "account": "ann", "target_account": "root", "api_operation": "/usr/bin/id"},
            {"class_uid": 3001, "activity_id": 1, "target_account": "eve"},
            {"class_uid": 0, "status_id": 0},
            {"ts": NOON + 7500, "class_uid": 3002, "status_id": 2, "account": "ann", "api_service_name": "sshd"},
            {"class_uid": 3002, "status_id": 2, "account": "ann@example.com", "src_endpoint_ip": "198.51.100.7"},
            None,
        ),
    ),
    Example(
        "ocsf_json",
        "ocsf.json",
        json_lines(
            {"class_uid": 3002, "category_uid": 3, "activity_id": 1, "status_id": 2, "time": NOON, "metadata": {"uid": "o1", "version":
             "1.7.0"}, "user": {"uid": "u-1", "email_addr": "ann@example.com"}, "src_endpoint": {"ip": "192.0.2.10"}, "session":
             {"uid": "s"}},
            {"class_uid": 6003, "category_uid": 6, "activity_id": 2, "status": "Success", "time": NOON + 1000, "metadata": {"uid": "o2"},
             "actor": {"user": {"uid": "u-2"}}, "api": {"operation": "GetObject", "service": {"name": "s3"}}, "resources":
             [{"uid": "shop/a", "type": "S3_Object"}]},
            {"class_uid": 4002, "category_uid": 4, "activity_id": 3, "time": NOON + 2000, "metadata": {}, "http_request": {"http_method":
             "GET", "url": {"path": "/v1/users/7?token=x"}, "user_agent": HOSTILE}, "http_response": {"code": 200}, "actor": HOSTILE},
        ),
        (
            {"ts": NOON, "class_uid": 3002, "status_id": 2, "account": "u-1", "actor_user_name": "ann@example.com", "event_uid": "o1"},
            {"class_uid": 6003, "activity_id": 2, "status_id": 1, "account": "u-2", "object_type": "s3_object", "object_id": "shop/a"},
            {"status_id": 1, "url_path": "/v1/users/7", "user_agent": HOSTILE, "object_type": "user", "object_id": "7"},
        ),
    ),
    Example(
        "generic_json",
        "app.json",
        json_lines(
            {"time": "2024-06-15T12:00:00Z", "ip": "192.0.2.10", "user_id": "u-1", "session_id": "s", "method": "GET",
             "path": "/v1/tracks/81/metadata", "status": 200, "platform": "Android", "app_version": "8.1"},
            {"time": "2024-06-15T12:00:01Z", "ip": "192.0.2.10", "user_id": "u-1", "event": "login", "success": False},
            {"time": "2024-06-15T12:00:02Z", "ip": "192.0.2.10", "actor_type": "staff", "user_id": "op-1", "event": "customer.view",
             "customer_id": "c-7"},
            {"time": "2024-06-15T12:00:03Z", "ip": HOSTILE, "user_id": HOSTILE, "event": HOSTILE, "path": HOSTILE, "status": {}},
            {"ip": "192.0.2.10"},
        ),
        (
            {"ts": NOON, "class_uid": 4002, "status_id": 1, "account": "u-1", "src_endpoint_ip": "192.0.2.10", "object_type": "track",
             "object_id": "81", "platform": "android", "app_version": "8.1", "route": "/v1/tracks/{id}/metadata"},
            {"class_uid": 3002, "activity_id": 1, "status_id": 2},
            {"class_uid": 6003, "activity_id": 2, "status_id": 1, "actor_type": "staff", "account": "op-1", "target_account": "c-7",
             "object_type": "customer", "object_id": "c-7", "object_owner": "c-7"},
            {"account": HOSTILE, "src_endpoint_ip": None},
            None,
        ),
    ),
    Example(
        "generic_text",
        "panel.log",
        lines(
            "2024-06-15 12:00:00,000 INFO panel.auth: User 'pat' logged in from IP 192.0.2.10",
            "2024/06/15 12:00:01 [error] auth.go:200: Failed authentication attempt for bob from 198.51.100.7:39522: user does not exist",
            'time="2024-06-15T14:00:02+02:00" level=error msg="Unsuccessful login for user \'x; -- <b>\'" remote_ip=2001:db8::7',
            "Sat Jun 15 12:00:03 2024 [pid 7] started",
            "without a time: login failed for eve from 192.0.2.10",
        ),
        (
            {"ts": NOON, "class_uid": 3002, "status_id": 1, "account": "pat", "src_endpoint_ip": "192.0.2.10"},
            {"ts": NOON + 1000, "status_id": 2, "account": "bob", "src_endpoint_ip": "198.51.100.7", "status_detail": "user_not_found"},
            {"ts": NOON + 2000, "status_id": 2, "account": "x", "src_endpoint_ip": "2001:db8::7"},
            {"ts": NOON + 3000, "class_uid": 0, "account": None},
            None,
        ),
    ),
    Example(
        "generic_csv",
        "logins.csv",
        lines(
            "Login Timestamp,User ID,IP Address,User Agent String,Login Successful",
            "2024-06-15 12:00:00.000,u-1,192.0.2.10,curl/8,True",
            '2024-06-15 12:00:01.000,u-2,2001:db8::7,"a, ""b""",False',
            "2024-06-15 12:00:02.000,'; DROP TABLE events; --,=cmd,x,maybe",
        ),
        (
            {"ts": NOON, "class_uid": 3002, "status_id": 1, "account": "u-1", "src_endpoint_ip": "192.0.2.10"},
            {"status_id": 2, "src_endpoint_ip": "2001:db8::7", "user_agent": 'a, "b"'},
            {"status_id": 0, "account": HOSTILE, "src_endpoint_ip": None},
        ),
    ),
)  # fmt: skip
