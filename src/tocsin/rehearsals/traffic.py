"""An ordinary two days of listeners: sessions, log-ins with their mistakes, API calls, web pages, crawlers, a partner.

Each function fills temporary tables for one slice of time; ``rehearsals/logs.py`` writes them out.
"""

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from tocsin.events import commands as events
from tocsin.rehearsals import addresses
from tocsin.rehearsals.company import BUCKET_MS, Company

API = {
    "ts": "BIGINT", "ip": "VARCHAR", "country": "VARCHAR", "account": "VARCHAR", "session": "VARCHAR",
    "api_key": "VARCHAR", "method": "VARCHAR", "path": "VARCHAR", "status": "INTEGER", "bytes": "BIGINT",
    "ua": "VARCHAR", "platform": "VARCHAR", "app_version": "VARCHAR", "ms": "INTEGER",
}  # fmt: skip
AUTH = {
    "ts": "BIGINT", "event": "VARCHAR", "account": "VARCHAR", "login": "VARCHAR", "ip": "VARCHAR", "country": "VARCHAR",
    "result": "VARCHAR", "reason": "VARCHAR", "factor": "VARCHAR", "session": "VARCHAR", "user_agent": "VARCHAR",
    "device": "VARCHAR", "platform": "VARCHAR", "app_version": "VARCHAR",
}  # fmt: skip
WEB = {
    "ts": "BIGINT", "ip": "VARCHAR", "method": "VARCHAR", "path": "VARCHAR", "status": "INTEGER", "bytes": "BIGINT",
    "referrer": "VARCHAR", "ua": "VARCHAR",
}  # fmt: skip
# Shares of all lines, and the mean number of API calls in a session (measured, power users included).
API_SHARE, WEB_SHARE, PARTNER_SHARE = 0.64, 0.19, 0.012
CALLS_PER_SESSION = 13.3
PAGES_PER_VISIT = 6
PARTNER_KEY = "pk_live_moodbox"


@dataclass(frozen=True, slots=True)
class Slice:
    """A stretch of the simulated time and the share of all activity that falls into it (cumulated before, own)."""

    first_ts: int
    last_ts: int
    before: float
    share: float

    def numbers(self, total: float) -> tuple[int, int]:
        """Return the run of numbers, first and one past the last, that this slice has of ``total`` drawn things."""
        return round(self.before * total), round((self.before + self.share) * total)


def slices(generator: events.Generator, firm: Company, *, count: int) -> list[Slice]:
    """Cut the simulated time into about ``count`` equal stretches of whole ten minutes."""
    buckets = (firm.last_ts - firm.first_ts) // BUCKET_MS
    edges = sorted({firm.first_ts + BUCKET_MS * (buckets * part // count) for part in range(count + 1)})
    whole = generator.rows("SELECT sum(weight) FROM activity")[0][0]
    made, before = [], 0.0
    for first, last in pairwise(edges):
        sql = "SELECT sum(weight) FROM activity WHERE start_ts >= $first AND start_ts < $last"
        share = generator.rows(sql, {"first": first, "last": last})[0][0] / whole
        made.append(Slice(first, last, before, share))
        before += share
    return made


def fill(generator: events.Generator, firm: Company, part: Slice) -> None:
    """Fill ``api``, ``auth`` and ``web`` with a slice of ordinary life."""
    _sessions(generator, firm, part)
    _api(generator, firm)
    _partner(generator, firm, part)
    _auth(generator)
    _web(generator, firm, part)


def _sessions(generator: events.Generator, firm: Company, part: Slice) -> None:
    first, last = part.numbers(firm.lines * API_SHARE / CALLS_PER_SESSION)
    bounds = {"first_ts": part.first_ts, "last_ts": part.last_ts}
    generator.run(
        """
        CREATE OR REPLACE TEMP TABLE hours AS
        SELECT start_ts, country, (sum(weight) OVER (ORDER BY start_ts, country) - weight) / sum(weight) OVER ()
            AS low
        FROM activity WHERE start_ts >= $first_ts AND start_ts < $last_ts
        """,
        bounds,
    )
    # rnd(s, 23) < 0.16: some sessions of a phone move between home and carrier half-way.
    generator.run(
        f"""
        CREATE OR REPLACE TEMP TABLE sessions AS
        WITH placed AS (
            SELECT s, country, start_ts + below(s, 21, {BUCKET_MS}) AS ts
            FROM (SELECT s, rnd(s, 20) AS u FROM range({first}, {last}) drawn(s)) ASOF JOIN hours ON u >= low
        ), owned AS (
            SELECT s, ts, code, placed.country, low + CAST(floor(size * pow(rnd(s, 22), 1.6)) AS BIGINT) AS a,
                (ts // 3600000 + ahead) % 24 AS hour
            FROM placed JOIN countries USING (country)
        ), used AS (
            SELECT *, 2 * a + CASE WHEN rnd(a, 24) < 0.25 AND rnd(s, 25) < 0.3 THEN 1 ELSE 0 END AS d FROM owned
        ), seated AS (
            SELECT *, platform_of(d) AS platform, CASE WHEN uses_vpn(a) AND rnd(s, 26) < 0.6 THEN vpn_ip(a)
                WHEN works_in_office(a) AND hour BETWEEN 8 AND 16 THEN office_ip(a)
                WHEN platform_of(d) IN ('android', 'ios') AND rnd(s, 27) < 0.4 THEN carrier_ip(a, country, ts)
                ELSE home_ip(a) END AS ip
            FROM used
        )
        SELECT *, CASE WHEN platform IN ('android', 'ios') AND rnd(s, 23) < 0.16 THEN
                CASE WHEN ip = home_ip(a) THEN carrier_ip(a, country, ts) ELSE home_ip(a) END
                WHEN uses_vpn(a) AND rnd(s, 23) < 0.3 THEN vpn_ip(a) ELSE ip END AS later_ip,
            rnd(s, 28) < CASE platform WHEN 'web' THEN 0.65 ELSE 0.3 END AS logs_in,
            CASE WHEN rnd(s, 28) < CASE platform WHEN 'web' THEN 0.65 ELSE 0.3 END THEN token('login', s)
                ELSE token('kept', d) END AS session,
            least(CAST(2 + floor(-ln(1 - rnd(s, 29)) * 11.5) AS BIGINT), 90) * CASE WHEN is_power(a) THEN 3
                ELSE 1 END AS calls,
            45000 + below(s, 30, 200000) AS pace,
            version_of(d) AS app_version, ua_of(d) AS ua
        FROM seated
        """
    )


def _api(generator: events.Generator, firm: Company) -> None:
    generator.run(
        f"""
        CREATE OR REPLACE TEMP TABLE api AS
        WITH calls AS (SELECT *, s * 4096 + k AS i FROM (SELECT *, unnest(range(calls)) AS k FROM sessions)),
        asked AS (
            SELECT *, rnd(i, 40) AS u,
                ts + CASE WHEN k < 2 THEN k * 900 ELSE (k - 1) * pace END + below(i, 41, pace // 2 + 500)
                    AS happened_ts
            FROM calls
        )
        SELECT happened_ts AS ts, CASE WHEN k * 2 > calls THEN later_ip ELSE ip END AS ip, code AS country,
            account_name(a) AS account,
            session, NULL::VARCHAR AS api_key, CASE WHEN k > 1 AND u BETWEEN 0.96 AND 0.985 THEN 'PUT'
                ELSE 'GET' END AS method,
            CASE WHEN k = 0 THEN '/v1/me/profile' WHEN k = 1 THEN '/v1/home'
                WHEN u < 0.58 THEN '/v1/tracks/' || liked_track(i, 42) || '/stream'
                WHEN u < 0.72 THEN '/v1/tracks/' || liked_track(i, 42)
                WHEN u < 0.80 THEN '/v1/search?q=' || liked_of('', i, 43, 6)
                WHEN u < 0.87 THEN '/v1/playlists/' || liked_of('pl', i, 43, 3)
                WHEN u < 0.92 THEN '/v1/albums/' || liked_of('al', i, 43, 9)
                WHEN u < 0.96 THEN '/v1/artists/' || liked_of('ar', i, 43, 20)
                WHEN u <= 0.985 THEN '/v1/me/library/' || liked_track(i, 42)
                WHEN u < 0.992 THEN '/v1/me/payment-methods' ELSE '/v1/me/profile' END AS path,
            CASE WHEN rnd(i, 44) < 0.988 THEN 200 WHEN rnd(i, 44) < 0.994 THEN 304 WHEN rnd(i, 44) < 0.997 THEN 404
                WHEN rnd(i, 44) < 0.999 THEN 503 ELSE 401 END::INTEGER AS status,
            200 + CAST(exp(4 + 6 * rnd(i, 45)) AS BIGINT) AS bytes, ua, platform, app_version,
            (3 + exp(1 + 4 * rnd(i, 46)))::INTEGER AS ms
        FROM asked WHERE happened_ts < {firm.last_ts}
        """
    )


def _partner(generator: events.Generator, firm: Company, part: Slice) -> None:
    """A partner's server asks around the clock, under its API key, for what its listeners like."""
    share = (part.last_ts - part.first_ts) / (firm.last_ts - firm.first_ts)
    asked = round(firm.lines * PARTNER_SHARE * share)
    generator.run(
        f"""
        INSERT INTO api SELECT {part.first_ts} + below(i, 61, {part.last_ts - part.first_ts}),
            getvariable('rented_ips')[1 + i % 2], 'US', NULL, NULL, '{PARTNER_KEY}', 'GET',
            '/partner/v1/tracks/' || liked_track(i, 62), CASE WHEN rnd(i, 63) < 0.01 THEN 404 ELSE 200 END,
            700 + below(i, 64, 900), 'moodbox-sync/2.1', NULL, NULL, 4 + below(i, 65, 40)::INTEGER
        FROM (SELECT {part.first_ts} + n AS i FROM range({asked}) drawn(n))
        """
    )


def _auth(generator: events.Generator) -> None:
    """Log-ins of the sessions, with honest mistakes: wrong passwords, mistyped names, forgotten ones given up."""
    generator.run(
        """
        CREATE OR REPLACE TEMP TABLE auth AS
        WITH tries AS (
            SELECT *, CASE WHEN logs_in AND rnd(s, 70) < 0.09 THEN 1 + below(s, 71, 4) ELSE 0 END AS wrong,
                NOT logs_in AND platform = 'web' AND rnd(s, 72) < 0.015 AS gives_up
            FROM sessions
        ), wrong_tries AS (
            SELECT *, unnest(range(CASE WHEN gives_up THEN 3 + below(s, 73, 3) ELSE wrong END)) AS k FROM tries
        )
        SELECT ts - 4000 - 17000 * (k + 1) + below(s * 64 + k, 74, 9000) AS ts, 'login' AS event,
            CASE WHEN rnd(s * 64 + k, 75) < 0.1 THEN NULL ELSE account_name(a) END AS account,
            CASE WHEN rnd(s * 64 + k, 75) < 0.1 THEN 'x' ELSE '' END || login_of(a) AS login,
            ip, code AS country, 'failure' AS result,
            CASE WHEN rnd(s * 64 + k, 75) < 0.1 THEN 'unknown_login' ELSE 'wrong_password' END AS reason,
            'password' AS factor, NULL::VARCHAR AS session, ua AS user_agent, device_of(d) AS device, platform,
                app_version
        FROM wrong_tries
        UNION ALL
        SELECT ts - 2500, 'login', account_name(a), login_of(a), ip, code, 'success', NULL, 'password', session, ua,
            device_of(d), platform, app_version FROM tries WHERE logs_in
        UNION ALL
        SELECT ts + 20000, 'password_reset_requested', account_name(a), login_of(a), ip, code, 'success', NULL, NULL,
            NULL,
            ua, device_of(d), platform, app_version FROM tries WHERE gives_up
        """
    )


def _web(generator: events.Generator, firm: Company, part: Slice) -> None:
    first, last = part.numbers(firm.lines * WEB_SHARE / PAGES_PER_VISIT)
    span = part.last_ts - part.first_ts
    # A visitor is at an address somebody lives at, but the site does not know who it is.
    generator.run(
        f"""
        CREATE OR REPLACE TEMP TABLE web AS
        WITH visits AS (
            SELECT v, start_ts + below(v, 81, {BUCKET_MS}) AS ts, low_account + below(v, 82, size) AS a
            FROM (SELECT v, rnd(v, 80) AS u FROM range({first}, {last}) drawn(v)) ASOF JOIN hours ON u >= low
            JOIN (SELECT country, low AS low_account, size FROM countries) USING (country)
        ), pages AS (SELECT *, v * 64 + k AS i FROM (SELECT *, unnest(range(1 + below(v, 83,
            {2 * PAGES_PER_VISIT - 1}))) AS k FROM visits))
        SELECT ts + k * 7000 + below(i, 84, 5000) AS ts, home_ip(a) AS ip, 'GET' AS method,
            CASE WHEN k % 3 > 0 THEN one_of(['/assets/app.8d1f.js', '/assets/site.css', '/assets/cover.webp',
                '/favicon.ico'], i, 85)
                ELSE one_of(['/', '/', '/premium', '/features', '/login', '/account/overview', '/help', '/about/jobs',
                '/artist/ar' || (100000 + below(i, 86, 900))::VARCHAR, '/album/al' || (100000 + below(i, 86,
                    4000))::VARCHAR], i, 87)
                END AS path,
            CASE WHEN rnd(i, 88) < 0.9 THEN 200 WHEN rnd(i, 88) < 0.98 THEN 304 ELSE 404 END::INTEGER AS status,
            400 + CAST(exp(3 + 8 * rnd(i, 89)) AS BIGINT) AS bytes,
            CASE WHEN k > 0 THEN 'https://www.larkwave.example/' ELSE '-' END AS referrer, browser_of(a) AS ua
        FROM pages
        UNION ALL
        SELECT ts, ip, 'POST', '/login', CASE result WHEN 'success' THEN 302 ELSE 401 END, 310,
            'https://www.larkwave.example/login', user_agent FROM auth WHERE platform = 'web' AND event = 'login'
        """
    )
    robots = round((last - first) * PAGES_PER_VISIT * 0.08)
    generator.run(
        f"""
        INSERT INTO web SELECT {part.first_ts} + below(i, 92, {span}), getvariable('crawler_ips')[1 + below(i, 93,
            6)], 'GET',
            CASE WHEN rnd(i, 94) < 0.02 THEN '/robots.txt' WHEN rnd(i, 94) < 0.7 THEN '/artist/ar'
                || (100000 + below(i, 95, 3000))::VARCHAR
                ELSE '/album/al' || (100000 + below(i, 95, 9000))::VARCHAR END,
            CASE WHEN rnd(i, 96) < 0.96 THEN 200 ELSE 404 END, 3000 + below(i, 97, 40000), '-',
            'Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)'
        FROM (SELECT {part.first_ts} + n AS i FROM range({robots}) drawn(n))
        """
    )


def crawler_addresses(firm: Company) -> list[str]:
    """Return the addresses the search engine's crawler comes from."""
    return addresses.drawn(firm.random("crawler"), kind="bot", provider="Googlebot", count=6, together=6)


def plant_newcomers(generator: events.Generator, firm: Company) -> int:
    """Plant honest people who open an account during these days and look around; return how many."""
    count = max(20, firm.accounts // 200)
    span = firm.last_ts - firm.first_ts
    generator.run(
        f"""
        CREATE TABLE newcomers AS SELECT j, {firm.accounts} + j AS a, 2 * ({firm.accounts} + j) AS d,
            'u' || (10000000 + {firm.accounts} + j)::VARCHAR AS account,
            {firm.first_ts} + CAST((j + rnd(j, 150)) * {(span - 3_600_000) / count} AS BIGINT) AS ts
        FROM range({count}) drawn(j)
        """
    )
    client = "ua_of(d), device_of(d), platform_of(d), version_of(d)"
    generator.run(
        f"""
        INSERT INTO planted_auth SELECT ts + late, event, account, login_of(a), home_ip(a), 'GB', 'success', NULL,
            'password',
            CASE event WHEN 'login' THEN token('new', j) END, {client}
        FROM newcomers, (VALUES ('signup', 0), ('login', 40000)) steps(event, late)
        """
    )
    generator.run(
        """
        INSERT INTO planted_api SELECT ts + 60000 + k * 50000 + below(j * 64 + k, 152, 40000), home_ip(a), 'GB',
            account, token('new', j),
            NULL, 'GET', CASE k WHEN 0 THEN '/v1/me/profile' ELSE '/v1/tracks/' || liked_track(j * 64 + k, 153)
                || '/stream' END,
            200, 4000, ua_of(d), platform_of(d), version_of(d), 20
        FROM (SELECT *, unnest(range(2 + below(j, 151, 20))) AS k FROM newcomers)
        """
    )
    return count


def write_accounts(generator: events.Generator, firm: Company, *, path: Path) -> int:
    """Write the customer export that ``--accounts`` takes: account, then its login name."""
    return generator.write_csv(
        f"""
        SELECT account_name(a) AS account, login_of(a) AS login FROM range({firm.accounts}) listed(a)
        UNION ALL SELECT account, login_of(a) FROM newcomers
        """,
        path,
    )
