-- The SQL vocabulary formats write their columns in; words between @ are filled in by dialect.py, which documents it.

SET TimeZone = '@ZONE@';

-- A macro copies its argument wherever it names it; the lambda names it once, so that nesting does not multiply.
CREATE OR REPLACE MACRO blank(x) AS list_filter([x], lambda t: t <> '' AND t <> '-' AND t <> 'null')[1];

-- nullif(x, '') that names x once.
CREATE OR REPLACE MACRO filled(x) AS list_filter([x], lambda t: t <> '')[1];

CREATE OR REPLACE MACRO ms_iso(x) AS epoch_ms(try_cast(x AS TIMESTAMPTZ));

CREATE OR REPLACE MACRO ms_number(x) AS
    CAST(CASE
    WHEN try_cast(x AS DOUBLE) IS NULL OR NOT isfinite(try_cast(x AS DOUBLE)) OR try_cast(x AS DOUBLE) < 1e8 THEN NULL
    WHEN try_cast(x AS DOUBLE) < 1e11 THEN round(try_cast(x AS DOUBLE) * 1000)
    WHEN try_cast(x AS DOUBLE) < 1e14 THEN round(try_cast(x AS DOUBLE))
    WHEN try_cast(x AS DOUBLE) < 1e17 THEN floor(try_cast(x AS DOUBLE) / 1e3)
    WHEN try_cast(x AS DOUBLE) < 1e20 THEN floor(try_cast(x AS DOUBLE) / 1e6) END AS BIGINT);

CREATE OR REPLACE MACRO ms_any(x) AS coalesce(ms_iso(x), ms_number(x));

CREATE OR REPLACE MACRO ms_clf(x) AS epoch_ms(try_strptime(x, '%d/%b/%Y:%H:%M:%S %z'));

-- The year is the latest that does not put the stamp more than a day after the reference.
CREATE OR REPLACE MACRO ms_syslog_year(x, y) AS
    epoch_ms(try_cast(try_strptime(y::VARCHAR || ' ' || regexp_replace(x, '\s+', ' ', 'g'), '%Y %b %-d %H:%M:%S') AS TIMESTAMPTZ));

CREATE OR REPLACE MACRO ms_syslog(x) AS
    CASE
    WHEN ms_syslog_year(x, year(make_timestamp_ms(getvariable('reference_ms')))) <= getvariable('reference_ms') + 86400000 THEN ms_syslog_year(x, year(make_timestamp_ms(getvariable('reference_ms'))))
    ELSE ms_syslog_year(x, year(make_timestamp_ms(getvariable('reference_ms'))) - 1) END;

CREATE OR REPLACE MACRO secret(x) AS CASE WHEN blank(x) IS NULL THEN NULL ELSE left(@HMAC@, 32) END;

CREATE OR REPLACE MACRO masked(x) AS
    regexp_replace(regexp_replace(regexp_replace(x, 'eyJ[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]{5,}\.?[A-Za-z0-9_-]*', '[secret]', 'g'), '(?i)\b(bearer|basic) +[A-Za-z0-9._~+/=-]{6,}', '\1 [secret]', 'g'), '(?i)((?:^|[?&;,\s"''{])[\w.-]*@SECRET_NAME@["'']?\s*[=:]\s*["'']?)[^&;,\s"'']+', '\1[secret]', 'g');

-- Most targets are plain paths; only the others need the two expressions.
CREATE OR REPLACE MACRO path_of(x) AS list_transform([x], lambda t: CASE
    WHEN starts_with(t, '/') AND NOT contains(t, '#') THEN split_part(t, '?', 1)
    ELSE filled(regexp_extract(regexp_replace(t, '^[A-Za-z][A-Za-z0-9+.-]*://[^/?#]*', ''), '^[^?#]*', 0)) END)[1];

CREATE OR REPLACE MACRO query_of(x) AS
    CASE
    WHEN position('?' IN x) > 0 THEN masked(nullif(substr(x, position('?' IN x) + 1), '')) END;

-- Slashes are doubled so that neighbouring ids each have their own, and no group has to be captured.
CREATE OR REPLACE MACRO route_of(p) AS
    CASE
    WHEN regexp_matches(p, '[0-9@]') THEN rtrim(replace(regexp_replace(replace(p, '/', '//') || '/', '/(?:@ID@)/', '/{id}/', 'g'), '//', '/'), '/')
    ELSE p END;

CREATE OR REPLACE MACRO slashes(x) AS length(x) - length(replace(x, '/', ''));

-- The last id of a route, counted in slashes.
CREATE OR REPLACE MACRO id_place(r) AS
    CASE
    WHEN contains(r, '{id}') THEN (slashes(r) - slashes(string_split(r, '{id}')[-1]) + 1)::INTEGER END;

CREATE OR REPLACE MACRO object_id_in(p, r) AS split_part(p, '/', id_place(r));

CREATE OR REPLACE MACRO singular(x) AS
    nullif(CASE
    WHEN ends_with(x, 'ies') THEN left(x, -3) || 'y'
    WHEN ends_with(x, 's') AND NOT ends_with(x, 'ss') AND length(x) > 3 THEN left(x, -1)
    ELSE x END, '');

CREATE OR REPLACE MACRO object_type_in(r) AS
    CASE
    WHEN contains(r, '{id}') THEN singular(lower(nullif(split_part(r, '/', id_place(r) - 1), '{id}'))) END;

CREATE OR REPLACE MACRO object_id_of(p) AS
    list_transform([{'p': p, 'r': route_of(p)}], lambda t: object_id_in(t.p, t.r))[1];

CREATE OR REPLACE MACRO object_type_of(p) AS list_transform([route_of(p)], lambda r: object_type_in(r))[1];

-- The person a path leads through: /customers/7/payments/31 is about customer 7.
CREATE OR REPLACE MACRO person_of(p) AS
    filled(regexp_extract(p, '(?i)/(?:customers?|users?|accounts?|members?|patients?|subscribers?)/(@ID@)(?:/|$)', 1));

CREATE OR REPLACE MACRO category_of(r) AS
    CASE
    WHEN r IS NULL OR NOT regexp_matches(lower(r), '@ANY_CATEGORY@') THEN NULL @CATEGORY_CASES@ END;

CREATE OR REPLACE MACRO is_login(m, p) AS (upper(m) = 'POST' AND regexp_matches(p, '@LOGIN@'));

CREATE OR REPLACE MACRO http_status(c) AS
    CASE
    WHEN try_cast(c AS INTEGER) BETWEEN 100 AND 399 THEN 1
    WHEN try_cast(c AS INTEGER) >= 400 THEN 2
    ELSE 0 END;

-- A form that shows itself again answers 200; WordPress redirects only when the password was right.
CREATE OR REPLACE MACRO login_status(p, c) AS
    CASE
    WHEN try_cast(c AS INTEGER) IN (201, 204, 302, 303) THEN 1
    WHEN try_cast(c AS INTEGER) >= 400 AND try_cast(c AS INTEGER) < 500 THEN 2
    WHEN try_cast(c AS INTEGER) = 200 AND ends_with(p, 'wp-login.php') THEN 2
    WHEN try_cast(c AS INTEGER) = 200 AND regexp_matches(p, '(?i)(?:^|/)(?:api|v\d+|token|oauth2?)(?:/|$)') THEN 1
    ELSE 0 END;

CREATE OR REPLACE MACRO js(x, p) AS json_extract_string(x, p);

CREATE OR REPLACE MACRO unescaped(x) AS
    blank(CASE
    WHEN position('\' IN x) = 0 THEN x
    ELSE replace(replace(replace(replace(x, '\"', '"'), '\x22', '"'), '\x5C', '\'), '\\', '\') END);

CREATE OR REPLACE MACRO ip_of(x) AS
    filled(regexp_extract(x, '^\s*\[?(?:::ffff:)?(\d{1,3}(?:\.\d{1,3}){3}|[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,7})(?:%[0-9A-Za-z]+)?\]?(?::\d+)?\s*$', 1));

CREATE OR REPLACE MACRO activity_of(x) AS
    CASE
    WHEN x IS NULL THEN NULL
    WHEN regexp_matches(x, '(?i)^(?:get|list|describe|head|read|view|download|lookup|search|query|scan|select|batch-?get|fetch|export|access|watch|preview|show|open|check|file(?:accessed|downloaded|previewed))') THEN 2
    WHEN regexp_matches(x, '(?i)^(?:create|add|insert|upload|copy|post|new|register|import|run|generate|invite|issue|allocate)') THEN 1
    WHEN regexp_matches(x, '(?i)^(?:delete|remove|destroy|drop|purge|terminate|revoke|truncate|deregister|release)') THEN 4
    WHEN regexp_matches(x, '(?i)^(?:update|put|modify|set|change|edit|patch|attach|detach|replace|rename|move|enable|disable|alter|reset|restore|start|stop|tag|untag|associate|disassociate)') THEN 3
    ELSE 99 END;

CREATE OR REPLACE MACRO http_activity(m) AS
    CASE upper(m)
    WHEN 'CONNECT' THEN 1
    WHEN 'DELETE' THEN 2
    WHEN 'GET' THEN 3
    WHEN 'HEAD' THEN 4
    WHEN 'OPTIONS' THEN 5
    WHEN 'POST' THEN 6
    WHEN 'PUT' THEN 7
    WHEN 'TRACE' THEN 8
    WHEN 'PATCH' THEN 9
    ELSE 99 END;

CREATE OR REPLACE MACRO yes_no(x) AS
    CASE
    WHEN x IS NULL THEN NULL
    WHEN lower(trim(x::VARCHAR)) IN ('true', '1', 'yes', 'y', 'ok', 'success', 'successful', 'succeeded', 'succeed', 'allow', 'allowed', 'granted', 'pass', 'passed', 'accepted') THEN true
    WHEN lower(trim(x::VARCHAR)) IN ('false', '0', 'no', 'n', 'ko', 'failure', 'failed', 'fail', 'error', 'denied', 'deny', 'rejected', 'blocked', 'invalid') THEN false END;
