"""The catalogue copied through the API: a few accounts in a hurry, many with time. No customer is touched."""

from tocsin.events import commands as events
from tocsin.rehearsals import addresses
from tocsin.rehearsals.company import BROWSERS, VERSIONS, Company
from tocsin.rehearsals.values import Planted, PlantedAttack, PlantedObject, ScenarioName, Suspect

_SCRAPERS = {
    "j": "BIGINT", "account": "VARCHAR", "ips": "VARCHAR[]", "start_ts": "BIGINT", "step_ms": "BIGINT",
    "calls": "BIGINT", "first_track": "BIGINT", "ua": "VARCHAR", "platform": "VARCHAR", "app_version": "VARCHAR",
    "opened": "BOOLEAN", "fast": "BOOLEAN",
}  # fmt: skip
_ROWS_SQL = """
    SELECT *, token('scraper', j) AS session, ips[1 + (k * len(ips)) // calls] AS ip,
        start_ts + k * step_ms + below(j * 100000 + k, 201, greatest(step_ms * 9 // 10, 1)) AS ts
    FROM (SELECT *, unnest(range(calls)) AS k FROM scrapers)"""


def plant(generator: events.Generator, firm: Company, *, first_account: int) -> Planted:
    """Draw the scrapers and plant what they ask; their accounts are numbered from ``first_account``."""
    draw = firm.random("scraping")
    share = draw.uniform(0.3, 0.55)
    each = draw.randint(420, 900)
    slow = max(10, round(firm.catalogue * share / each))
    rented = addresses.drawn(draw, kind="hosting", count=3 * slow + 6, together=draw.choice((1, 4, 8)))
    rows: list[tuple[object, ...]] = []
    for j in range(slow):
        ua, platform, version = draw.choice(
            [(browser, "web", None) for browser in BROWSERS]
            + [(f"okhttp/4.{draw.randint(9, 12)}", "android", VERSIONS["android"][-1])]
        )
        calls = round(each * draw.uniform(0.85, 1.15))
        start_ts = firm.moment(draw.uniform(0.0, 0.12))
        step_ms = round((firm.moment(draw.uniform(0.9, 0.99)) - start_ts) / calls)
        ips = rented[3 * j : 3 * j + draw.randint(1, 3)]
        rows.append(
            (
                j,
                f"u{first_account + j}",
                ips,
                start_ts,
                step_ms,
                calls,
                j * each,
                ua,
                platform,
                version,
                j % 3 > 0,
                False,
            )
        )
    for j in range(slow, slow + draw.randint(2, 3)):
        calls = draw.randint(1_200, 2_600)
        start_ts = firm.moment(draw.uniform(0.1, 0.9))
        ips = rented[3 * slow + 2 * (j - slow) :][:1]
        first = draw.randrange(firm.catalogue)
        ua = draw.choice(("python-requests/2.32.3", "Go-http-client/2.0", BROWSERS[0]))
        rows.append(
            (
                j,
                f"u{first_account + j}",
                ips,
                start_ts,
                draw.randint(200, 650),
                calls,
                first,
                ua,
                "web",
                None,
                True,
                True,
            )
        )
    generator.load("scrapers", _SCRAPERS, rows)
    _plant_calls(generator, firm, ending=draw.choice(("", "/stream")))
    _plant_log_ins(generator, firm)
    names = tuple(str(row[1]) for row in rows)
    return Planted(
        scenario=ScenarioName.SCRAPE,
        attacks=_attacks(generator),
        attackers=names,
        objects=(PlantedObject("track", f"at least {share:.0%} of the catalogue"),),
        data={"profile": "not_reached", "payment": "not_reached", "password": "not_reached"},
    )


def _plant_calls(generator: events.Generator, firm: Company, *, ending: str) -> None:
    """The slow divide a shuffled catalogue among themselves; the fast count upwards, meeting numbers nobody uses."""
    shuffled = f"CAST((first_track + k) * 15485863 % {firm.catalogue} AS BIGINT)"
    counted = f"((first_track + k) % {firm.catalogue + firm.catalogue // 40})"
    generator.run(
        f"""
        INSERT INTO planted_api SELECT ts, ip, 'NL', account, session, NULL, 'GET',
            '/v1/tracks/t' || (1000000 + CASE WHEN fast THEN {counted} ELSE {shuffled} END)::VARCHAR || '{ending}',
            CASE WHEN fast AND {counted} >= {firm.catalogue} THEN 404 ELSE 200 END, 900 + below(j * 100000 + k, 202,
                3000),
            ua, platform, app_version, 5 + below(j * 100000 + k, 203, 60)
        FROM ({_ROWS_SQL}) WHERE ts < {firm.last_ts}
        """
    )


def _plant_log_ins(generator: events.Generator, firm: Company) -> None:
    generator.run(
        f"""
        INSERT INTO planted_auth SELECT start_ts - late, event, account, 'm' || account || '@example.org', ips[1],
            'NL', 'success', NULL,
            'password', CASE event WHEN 'login' THEN token('scraper', j) END, ua, NULL, platform, app_version
        FROM scrapers, (VALUES ('signup', 95000), ('login', 30000)) steps(event, late)
        WHERE (event = 'login' OR opened) AND start_ts - late >= {firm.first_ts}
        """
    )


def _attacks(generator: events.Generator) -> tuple[PlantedAttack, ...]:
    found = generator.rows("SELECT account, ips, start_ts, start_ts + step_ms * calls, fast FROM scrapers ORDER BY j")
    return tuple(
        PlantedAttack(
            ("scraping", "enumeration", "api_abuse"),
            (Suspect("account", account), *(Suspect("address", ip) for ip in ips)),
            first_ts,
            last_ts,
            "fast" if fast else "slow",
        )
        for account, ips, first_ts, last_ts, fast in found
    )
