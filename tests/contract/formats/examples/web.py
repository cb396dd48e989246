"""Logs of web servers, proxies and load balancers."""

from . import Example, json_lines, lines

AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
HOSTILE = "'; DROP TABLE events; --"
NOON = 1_718_452_800_000  # 2024-06-15T12:00:00Z

SERVERS = (
    Example(
        "nginx_combined",
        "access.log",
        lines(
            f'192.0.2.10 - ann [15/Jun/2024:12:00:00 +0000] "GET /v1/tracks/811/metadata?q=a HTTP/1.1" 200 512 "-" "{AGENT}"',
            f'192.0.2.11 - - [15/Jun/2024:14:00:01 +0200] "POST /login HTTP/1.1" 401 90 "https://shop.example.com/" "{AGENT}" "198.51.100.4"',
            r'203.0.113.9 - - [15/Jun/2024:12:00:02 +0000] "GET /?x=<script>alert(1)</script> HTTP/1.1" 403 0 "-" "\x22quoted\" ' + HOSTILE + '"',
            r'203.0.113.9 - - [15/Jun/2024:12:00:03 +0000] "\x16\x03\x01" 400 157 "-" "-"',
            "this is no access line",
        ),
        (
            {"ts": NOON, "class_uid": 4002, "activity_id": 3, "status_id": 1, "status_code": "200", "src_endpoint_ip": "192.0.2.10",
             "actor_user_name": "ann", "http_method": "GET", "url_path": "/v1/tracks/811/metadata", "url_query": "q=a", "bytes_out": 512,
             "route": "/v1/tracks/{id}/metadata", "object_type": "track", "object_id": "811", "user_agent": AGENT,
             "http_referrer": None},
            {"ts": NOON + 1000, "class_uid": 3002, "activity_id": 1, "status_id": 2, "src_endpoint_ip": "192.0.2.11",
             "http_referrer": "https://shop.example.com/"},
            {"status_id": 2, "url_path": "/", "user_agent": f'"quoted" {HOSTILE}'},
            {"status_id": 2, "http_method": None, "url_path": None},
            None,
        ),
    ),
    Example(
        "apache_common",
        "access_common.log",
        lines(
            '192.0.2.10 - - [15/Jun/2024:12:00:00 +0000] "GET /index.html HTTP/1.0" 200 2326',
            '192.0.2.10 - bob smith [15/Jun/2024:12:00:01 +0000] "DELETE /v1/users/7 HTTP/1.1" 404 -',
            '192.0.2.10 - - [15/Jun/2024:12:00:02 +0000] "GET /a b\'c HTTP/1.1" 400 0',
        ),
        (
            {"ts": NOON, "status_id": 1, "url_path": "/index.html", "bytes_out": 2326, "account": None},
            {"status_id": 2, "actor_user_name": "bob smith", "activity_id": 2, "object_type": "user", "object_id": "7",
             "object_owner": "7", "data_category": "profile", "bytes_out": None},
            {"status_id": 2, "http_method": "GET", "url_path": "/a b'c"},
        ),
    ),
    Example(
        "apache_vhost",
        "other_vhosts_access.log",
        lines(
            f'shop.example.com:443 192.0.2.10 - - [15/Jun/2024:12:00:00 +0000] "GET /a HTTP/1.1" 200 17 "-" "{AGENT}"',
            'shop.example.com 2001:db8::5 - - [15/Jun/2024:12:00:01 +0000] "POST /wp-login.php HTTP/1.1" 200 17 "-" "curl/8"',
            'shop.example.com:443 192.0.2.10 - - [15/Jun/2024:12:00:02 +0000] "" 408 0 "-" "-"',
        ),
        (
            {"ts": NOON, "url_hostname": "shop.example.com", "src_endpoint_ip": "192.0.2.10", "status_id": 1},
            {"class_uid": 3002, "status_id": 2, "src_endpoint_ip": "2001:db8::5"},
            {"status_id": 2, "url_path": None},
        ),
    ),
    Example(
        "nginx_json",
        "access.json",
        json_lines(
            {"time_iso8601": "2024-06-15T12:00:00+00:00", "remote_addr": "192.0.2.10", "request": "GET /v1/me HTTP/2.0",
             "status": 200, "body_bytes_sent": 33, "http_user_agent": AGENT, "request_time": 0.125},
            {"time_local": "15/Jun/2024:12:00:01 +0000", "remote_addr": "192.0.2.11", "request_method": "POST",
             "request_uri": "/oauth/token?code=abcdef", "status": "401", "body_bytes_sent": "0", "http_user_agent": "curl/8"},
            {"msec": "1718452802.000", "remote_addr": HOSTILE, "request": HOSTILE, "status": "x", "body_bytes_sent": {},
             "http_user_agent": "\u001b[31m"},
        ),
        (
            {"ts": NOON, "http_method": "GET", "url_path": "/v1/me", "status_id": 1, "duration_ms": 125, "bytes_out": 33},
            {"ts": NOON + 1000, "class_uid": 3002, "status_id": 2, "url_path": "/oauth/token", "url_query": "code=[secret]"},
            {"ts": NOON + 2000, "src_endpoint_ip": None, "bytes_out": None, "status_id": 0},
        ),
    ),
)  # fmt: skip

PROXIES = (
    Example(
        "envoy_json",
        "envoy.json",
        json_lines(
            {"start_time": "2024-06-15T12:00:00.000Z", "method": "GET", "path": "/v1/a", "response_code": 200, "response_flags": "-",
             "downstream_remote_address": "192.0.2.10:50123", "bytes_sent": 77, "duration": 12, "user-agent": AGENT,
             ":authority": "api.example.com", "x-envoy-origin-path": None, "protocol": "HTTP/2"},
            {"start_time": "2024-06-15T12:00:01.000Z", "method": "POST", "path": "/v1/b", "response_code": 503, "response_flags": "UF",
             "downstream_remote_address": "[2001:db8::7]:443", "bytes_sent": 0, "duration": 5},
            {"start_time": "2024-06-15T12:00:02.000Z", "method": HOSTILE, "path": HOSTILE, "response_code": 0,
             "response_flags": "DC", "downstream_remote_address": None, "bytes_sent": -1, "duration": "never"},
        ),
        (
            {"ts": NOON, "src_endpoint_ip": "192.0.2.10", "status_id": 1, "url_path": "/v1/a", "url_hostname": "api.example.com",
             "bytes_out": 77, "duration_ms": 12},
            {"status_id": 2, "status_detail": "UF", "src_endpoint_ip": "2001:db8::7"},
            {"status_id": 0, "duration_ms": None, "src_endpoint_ip": None},
        ),
    ),
    Example(
        "envoy_json_container",
        "envoy-pod.log",
        lines(
            '2024-06-15T12:00:00.5Z stdout F {"start_time":"2024-06-15T12:00:00.000Z","method":"GET","x-envoy-origin-path":"/v1/a",'
            '"response_code":200,"downstream_remote_address":"192.0.2.10:1","user-agent":"curl/8"}',
            '2024-06-15T12:00:01.5Z stdout F {"start_time":"2024-06-15T12:00:01.000Z","method":"GET","x-envoy-origin-path":"/.env",'
            '"response_code":404,"downstream_remote_address":"192.0.2.10:1","user-agent":"a \\"b\\" \'c\'"}',
            "2024-06-15T12:00:02.5Z stderr F [warning] listener",
        ),
        (
            {"ts": NOON, "url_path": "/v1/a", "status_id": 1, "src_endpoint_ip": "192.0.2.10"},
            {"status_id": 2, "user_agent": "a \"b\" 'c'"},
            None,
        ),
    ),
    Example(
        "envoy_text",
        "envoy.log",
        lines(
            '[2024-06-15T12:00:00.000Z] "GET /v1/a?b=c HTTP/2" 200 - 0 226 100 99 "192.0.2.10" "nsq2http" '
            '"cc21d9b0-cf5c-432b-8c7e-98aeb7988cd2" "api.example.com" "192.0.2.200:80"',
            '[2024-06-15T12:00:01.000Z] "POST /login HTTP/1.1" 403 RL via_upstream - "-" 15 0 3 - "198.51.100.2,192.0.2.11" "curl/8" '
            '"-" "api.example.com" "-"',
            '[2024-06-15T12:00:02.000Z] "- - -" 0 DC 0 0 0 - "-" "-" "-" "-" "-"',
        ),
        (
            {"ts": NOON, "url_path": "/v1/a", "status_id": 1, "src_endpoint_ip": "192.0.2.10", "bytes_out": 226, "duration_ms": 100},
            {"class_uid": 3002, "status_id": 2, "src_endpoint_ip": "192.0.2.11"},
            {"status_id": 0, "src_endpoint_ip": None, "http_method": None},
        ),
    ),
    Example(
        "traefik_json",
        "traefik.json",
        json_lines(
            {"ClientAddr": "192.0.2.10:39490", "ClientHost": "192.0.2.10", "ClientUsername": "-", "DownstreamStatus": 200,
             "DownstreamContentSize": 356, "Duration": 215_563_000, "RequestMethod": "GET", "RequestPath": "/v1/a",
             "RequestHost": "shop.example.com", "StartUTC": "2024-06-15T12:00:00.000000000Z", "request_User-Agent": AGENT},
            {"ClientAddr": "192.0.2.11:1", "ClientHost": "192.0.2.11", "ClientUsername": "ann", "DownstreamStatus": 401,
             "RequestMethod": "POST", "RequestPath": "/api/login", "StartUTC": "2024-06-15T12:00:01.000000000"},
            {"ClientAddr": "@", "ClientHost": "@", "DownstreamStatus": 0, "RequestMethod": HOSTILE, "RequestPath": HOSTILE,
             "StartUTC": "2024-06-15T12:00:02Z"},
        ),
        (
            {"ts": NOON, "src_endpoint_ip": "192.0.2.10", "account": None, "status_id": 1, "duration_ms": 215, "bytes_out": 356,
             "user_agent": AGENT, "url_hostname": "shop.example.com"},
            {"ts": NOON + 1000, "actor_user_name": "ann", "class_uid": 3002, "status_id": 2},
            {"src_endpoint_ip": None, "status_id": 0},
        ),
    ),
    Example(
        "traefik_clf",
        "traefik.log",
        lines(
            f'192.0.2.10 - - [15/Jun/2024:12:00:00 +0000] "GET /v1/a HTTP/1.1" 200 414 "-" "{AGENT}" 500 "web@docker" "http://192.0.2.200:80" 7ms',
            '192.0.2.10 - ann [15/Jun/2024:12:00:01 +0000] "GET /cgi-bin/x HTTP/1.1" 404 19 "-" "scanner \\"x\\"" 501 "-" "-" 0ms',
            '192.0.2.10 - - [15/Jun/2024:12:00:02 +0000] "GET / HTTP/1.1" 502 0 "-" "-" 502 "a" "b" xms',
        ),
        (
            {"ts": NOON, "status_id": 1, "duration_ms": 7, "user_agent": AGENT, "bytes_out": 414},
            {"status_id": 2, "actor_user_name": "ann", "user_agent": 'scanner "x"'},
            None,
        ),
    ),
    Example(
        "caddy_json",
        "caddy.json",
        json_lines(
            {"level": "info", "ts": 1718452800.0, "logger": "http.log.access", "request": {"remote_ip": "192.0.2.10", "client_ip":
             "192.0.2.10", "method": "GET", "host": "shop.example.com", "uri": "/v1/a?x=1", "headers": {"User-Agent": [AGENT]}},
             "user_id": "", "duration": 0.0015, "size": 12, "status": 200},
            {"level": "error", "ts": 1718452801.0, "logger": "http.log.access", "request": {"remote_ip": "192.0.2.11", "method": "POST",
             "host": "shop.example.com", "uri": "/login", "headers": {}}, "user_id": "ann", "duration": 0.1, "size": 0, "status": 401},
            {"ts": 1718452802.0, "request": {"remote_ip": 7, "method": HOSTILE, "uri": HOSTILE, "headers": "none"}, "status": "?"},
        ),
        (
            {"ts": NOON, "src_endpoint_ip": "192.0.2.10", "url_path": "/v1/a", "url_query": "x=1", "user_agent": AGENT, "status_id": 1},
            {"class_uid": 3002, "status_id": 2, "actor_user_name": "ann", "duration_ms": 100},
            {"ts": NOON + 2000, "src_endpoint_ip": None, "status_id": 0},
        ),
    ),
)  # fmt: skip

_ALB = (
    '{kind} {time} app/shop/50dc6c495c0c9188 {client} 192.0.2.200:80 0.001 0.020 0.000 {status} {status} 34 366 "{request}" "{agent}" '
    "ECDHE-RSA-AES128-GCM-SHA256 TLSv1.2 arn:aws:elasticloadbalancing:us-east-2:123456789012:targetgroup/t/73e2d6bc24d8a067 "
    '"Root=1-58337262-36d228ad5d99923122bbe354" "{domain}" "arn:aws:acm:us-east-2:123456789012:certificate/1" 0 {time} "forward" "-" "-" '
    '"192.0.2.200:80" "{status}" "-" "-"'
)
_CF = "2024-06-15\t{time}\tCDG50-P2\t703\t{ip}\t{method}\td111.cloudfront.example\t{path}\t{status}\t-\t{agent}\t{query}\t-\t{result}\treq{n}==\tcdn.example.com\thttps\t62\t0.113\t-\tTLSv1.3\tTLS_AES_128_GCM_SHA256\t{result}\tHTTP/2.0\t-\t-\t51754\t0.113\t{result}\ttext/html\t20\t-\t-"

EDGES = (
    Example(
        "aws_alb",
        "alb.log",
        lines(
            _ALB.format(kind="https", time="2024-06-15T12:00:00.000000Z", client="192.0.2.10:44740", status=200, agent=AGENT,
                        request="GET https://shop.example.com:443/v1/a?x=1 HTTP/1.1", domain="shop.example.com"),
            _ALB.format(kind="h2", time="2024-06-15T12:00:01.000000Z", client="[2001:db8::7]:443", status=403, agent="-",
                        request="POST https://shop.example.com:443/login HTTP/2.0", domain="-"),
            _ALB.format(kind="http", time="2024-06-15T12:00:02.000000Z", client="192.0.2.10:1", status=400, agent=r'a \"b\" ' + HOSTILE,
                        request="- http://shop.example.com:80- -", domain="-"),
        ),
        (
            {"ts": NOON, "src_endpoint_ip": "192.0.2.10", "status_id": 1, "url_path": "/v1/a", "url_query": "x=1", "duration_ms": 21,
             "url_hostname": "shop.example.com", "bytes_out": 366, "user_agent": AGENT},
            {"class_uid": 3002, "status_id": 2, "src_endpoint_ip": "2001:db8::7", "url_hostname": "shop.example.com"},
            {"status_id": 2, "http_method": None, "user_agent": f'a "b" {HOSTILE}'},
        ),
    ),
    Example(
        "aws_cloudfront",
        "cloudfront.log",
        lines(
            "#Version: 1.0",
            _CF.format(time="12:00:00", ip="192.0.2.10", method="GET", path="/v1/a", status=200, agent="Mozilla/5.0%20(X11)", query="x=1",
                       result="Hit", n=1),
            _CF.format(time="12:00:01", ip="2001:db8::7", method="POST", path="/login", status=401, agent="curl/8", query="-",
                       result="Error", n=2),
            _CF.format(time="12:00:02", ip="192.0.2.10", method="GET", path="/%3Cscript%3E", status="000", agent="'%22--", query="-",
                       result="Error", n=3),
        ),
        (
            None,
            {"ts": NOON, "event_uid": "req1==", "src_endpoint_ip": "192.0.2.10", "status_id": 1, "url_query": "x=1", "bytes_out": 703,
             "user_agent": "Mozilla/5.0 (X11)", "url_hostname": "cdn.example.com", "duration_ms": 113},
            {"class_uid": 3002, "status_id": 2, "src_endpoint_ip": "2001:db8::7"},
            {"status_id": 0, "user_agent": "'\"--"},
        ),
    ),
    Example(
        "aws_cloudfront_json",
        "cloudfront.json",
        json_lines(
            {"date": "2024-06-15", "time": "12:00:00", "x-edge-location": "CDG50-P2", "sc-bytes": "703", "c-ip": "192.0.2.10",
             "cs-method": "GET", "cs-uri-stem": "/v1/a", "sc-status": "200", "cs(User-Agent)": "curl/8", "x-edge-request-id": "q1"},
            {"date": "2024-06-15", "time": "12:00:01", "c-ip": "192.0.2.10", "cs-method": "GET", "cs-uri-stem": "/b", "sc-status": "404"},
            {"timestamp": "1718452802", "c-ip": HOSTILE, "cs-method": HOSTILE, "cs-uri-stem": HOSTILE, "sc-status": HOSTILE},
        ),
        (
            {"ts": NOON, "status_id": 1, "src_endpoint_ip": "192.0.2.10", "event_uid": "q1"},
            {"status_id": 2},
            {"ts": NOON + 2000, "src_endpoint_ip": None, "status_id": 0},
        ),
    ),
)  # fmt: skip

EXAMPLES = (*SERVERS, *PROXIES, *EDGES)
