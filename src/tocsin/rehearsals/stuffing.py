"""Passwords stolen elsewhere tried here, loudly and quietly; some fit, a few are used; and stolen sessions."""

from random import Random

from tocsin.events import commands as events
from tocsin.rehearsals import addresses
from tocsin.rehearsals.company import BROWSERS, Company
from tocsin.rehearsals.values import Planted, PlantedAccount, PlantedAttack, ScenarioName, Suspect

_SOURCES = {
    "source": "BIGINT",
    "ip": "VARCHAR",
    "noisy": "BOOLEAN",
    "start_ts": "BIGINT",
    "last_ts": "BIGINT",
    "tries": "BIGINT",
}
_THEFTS = {
    "j": "BIGINT",
    "a": "BIGINT",
    "ip": "VARCHAR",
    "ua": "VARCHAR",
    "used_ts": "BIGINT",
    "stolen_ts": "BIGINT",
    "calls": "BIGINT",
}


def plant(generator: events.Generator, firm: Company) -> Planted:
    """Draw the list of credentials, the machines that try it, what fits, and the stolen sessions."""
    draw = firm.random("stuffing")
    _sources(generator, firm, draw)
    _tries(generator, firm, draw)
    _uses(generator, draw)
    _thefts(generator, firm, draw)
    entered = generator.rows(
        "SELECT entered.account, list_sort(list(DISTINCT kind) FILTER (kind IS NOT NULL)) "
        "FROM entered LEFT JOIN uses USING (t) GROUP BY 1"
    )
    stolen = generator.rows("SELECT account_name(a) FROM thefts ORDER BY j")
    return Planted(
        scenario=ScenarioName.STUFFING,
        attacks=(*_stuffing_attacks(generator), *_theft_attacks(generator)),
        confirmed=(
            *(PlantedAccount(account, "instrument", tuple(kinds or ())) for account, kinds in sorted(entered)),
            *(PlantedAccount(account, "instrument", ("payment", "profile")) for (account,) in stolen),
        ),
        data={"profile": "reached", "payment": "reached"},
        tried_sql="SELECT DISTINCT account FROM tries WHERE account IS NOT NULL AND NOT fits",
    )


def _sources(generator: events.Generator, firm: Company, draw: Random) -> None:
    """Machines: a few that try hundreds within the hour, many that try a handful over half a day."""
    total = min(max(firm.lines // draw.randint(45, 65), 1_500), 300_000)
    noisy_each = draw.randint(280, 650)
    noisy = max(2, round(total * draw.uniform(0.35, 0.5) / noisy_each))
    quiet_each = draw.randint(9, 24)
    quiet = max(40, round((total - noisy * noisy_each) / quiet_each))
    ips = addresses.drawn(draw, kind="hosting", count=noisy + quiet, together=draw.choice((1, 2, 6)))
    opened = draw.uniform(0.1, 0.5)
    rows = []
    for number, ip in enumerate(ips):
        loud = number < noisy
        start_ts = firm.moment(opened + draw.uniform(0, 0.2))
        length = draw.randint(12, 50) * 60_000 if loud else draw.randint(240, 700) * 60_000
        each = noisy_each if loud else max(5, round(quiet_each * draw.uniform(0.7, 1.3)))
        rows.append((number, ip, loud, start_ts, min(start_ts + length, firm.last_ts - 3_600_000), each))
    generator.load("sources", _SOURCES, rows)


def _tries(generator: events.Generator, firm: Company, draw: Random) -> None:
    """Every credential is tried once. Most names are not customers' here; of those that are, few passwords fit."""
    known, fitting = draw.uniform(0.3, 0.5), draw.uniform(0.012, 0.03)
    platform = draw.choice(("web", "web", "android"))
    browsers = draw.sample(BROWSERS, k=draw.randint(1, 4)) if platform == "web" else ["okhttp/4.9.3"]
    generator.run("SET VARIABLE stuffing_uas = $uas", {"uas": browsers})
    generator.run(
        f"""
        CREATE TABLE tries AS
        WITH numbered AS (SELECT *, row_number() OVER (ORDER BY source, k) AS t
            FROM (SELECT *, unnest(range(tries)) AS k FROM sources)),
        named AS (SELECT *, CASE WHEN rnd(t, 221) < {known}
            THEN (t * 1299709 + {draw.randrange(firm.accounts)}) % {firm.accounts} END AS a
            FROM numbered)
        SELECT t, a, source, ip, noisy, CASE WHEN a IS NOT NULL THEN account_name(a) END AS account,
            coalesce(login_of(a), 'q' || below(t, 222, 900000) || '@example.net') AS login,
            start_ts + CAST((k + rnd(t, 223)) * ((last_ts - start_ts) / tries) AS BIGINT) AS ts,
            one_of(getvariable('stuffing_uas'), t, 224) AS ua, a IS NOT NULL AND rnd(t, 225) < {fitting} AS fits,
            token('stuffed', t) AS session
        FROM named
        """
    )
    generator.run(
        f"""
        INSERT INTO planted_auth SELECT ts, 'login', account, login, ip, 'NL', CASE WHEN fits THEN 'success'
            ELSE 'failure' END,
            CASE WHEN fits THEN NULL WHEN account IS NULL THEN 'unknown_login' ELSE 'wrong_password' END, 'password',
            CASE WHEN fits THEN session END, ua, NULL, '{platform}', NULL FROM tries
        """
    )
    if platform == "web":
        generator.run(
            "INSERT INTO planted_web "
            "SELECT ts, ip, 'POST', '/login', CASE WHEN fits THEN 302 ELSE 401 END, 310, '-', ua FROM tries"
        )


def _uses(generator: events.Generator, draw: Random) -> None:
    """A few of the opened accounts are looked into minutes later: the profile, mostly the means of payment too."""
    generator.run(
        "CREATE TABLE entered AS SELECT *, row_number() OVER (ORDER BY rnd(t, 230)) AS place FROM tries WHERE fits"
    )
    used = draw.randint(4, 8)
    generator.run(
        f"""
        CREATE TABLE uses AS SELECT e.*, kind, path, e.ts + late + below(e.t * 8 + late, 231, 30000) AS used_ts
        FROM entered e, (VALUES ('profile', '/v1/me/profile', 45000), ('payment', '/v1/me/payment-methods', 130000),
            (NULL, '/v1/home', 20000)) steps(kind, path, late)
        WHERE place <= {used} AND (kind IS DISTINCT FROM 'payment' OR place % 3 > 0)
        """
    )
    generator.run(
        """
        INSERT INTO planted_api SELECT used_ts, ip, 'NL', account, session, NULL, 'GET', path, 200, 2100, ua, 'web',
            NULL, 21 FROM uses
        """
    )


def _thefts(generator: events.Generator, firm: Company, draw: Random) -> None:
    """Sessions in honest use at home turn up, at the same time, on a rented machine with another program."""
    count = draw.randint(3, 6)
    ips = addresses.drawn(draw, kind="hosting", count=count)
    tried = {a for (a,) in generator.rows("SELECT DISTINCT a FROM tries WHERE a IS NOT NULL")}
    spared = iter(
        [a for a in draw.sample(range(firm.accounts), k=min(firm.accounts, 50 + 3 * len(tried))) if a not in tried]
    )
    rows = []
    for j, ip in enumerate(ips):
        used_ts = firm.moment(draw.uniform(0.1, 0.6))
        stolen_ts = used_ts + draw.randint(30, 200) * 60_000
        rows.append(
            (
                j,
                next(spared),
                ip,
                draw.choice((*BROWSERS, "python-requests/2.32.3")),
                used_ts,
                stolen_ts,
                draw.randint(8, 25),
            )
        )
    generator.load("thefts", _THEFTS, rows)
    owner = "home_ip(a), 'SE', account_name(a), token('stolen', j)"
    generator.run(
        """
        INSERT INTO planted_auth SELECT used_ts - 3000, 'login', account_name(a), login_of(a), home_ip(a), 'SE',
            'success', NULL, 'password',
            token('stolen', j), ua_of(2 * a), device_of(2 * a), platform_of(2 * a), version_of(2 * a) FROM thefts
        """
    )
    generator.run(
        f"""
        INSERT INTO planted_api SELECT used_ts + k * 210000 + below(j * 1000 + k, 241, 90000), {owner}, NULL, 'GET',
            '/v1/tracks/' || liked_track(j * 1000 + k, 242) || '/stream', 200, 5000, ua_of(2 * a),
                platform_of(2 * a), version_of(2 * a), 18
        FROM thefts, range(90) played(k)
        """
    )
    generator.run(
        """
        INSERT INTO planted_api SELECT stolen_ts + k * 21000 + below(j * 1000 + k, 243, 12000), ip, 'NL',
            account_name(a),
            token('stolen', j), NULL, 'GET', CASE k WHEN 0 THEN '/v1/me/profile' WHEN 1 THEN '/v1/me/payment-methods'
            ELSE '/v1/playlists/pl' || (100000 + below(j * 1000 + k, 244, 5000))::VARCHAR END, 200, 1800, ua, 'web',
                NULL, 25
        FROM (SELECT *, unnest(range(calls)) AS k FROM thefts)
        """
    )


def _stuffing_attacks(generator: events.Generator) -> tuple[PlantedAttack, ...]:
    kinds = ("credential_stuffing", "password_spraying", "brute_force")
    loud = generator.rows("SELECT ip, start_ts, last_ts FROM sources WHERE noisy ORDER BY source")
    quiet = generator.rows("SELECT ip, start_ts, last_ts FROM sources WHERE NOT noisy ORDER BY source")
    return (
        *(
            PlantedAttack(kinds, (Suspect("address", ip),), first_ts, last_ts, "noisy")
            for ip, first_ts, last_ts in loud
        ),
        PlantedAttack(
            kinds,
            tuple(Suspect("address", ip) for ip, _, _ in quiet),
            min(first_ts for _, first_ts, _ in quiet),
            max(last_ts for _, _, last_ts in quiet),
            "quiet, one campaign",
        ),
    )


def _theft_attacks(generator: events.Generator) -> tuple[PlantedAttack, ...]:
    stolen = generator.rows("SELECT account_name(a), ip, stolen_ts, calls FROM thefts ORDER BY j")
    return tuple(
        PlantedAttack(
            ("session_theft", "impossible_travel"),
            (Suspect("account", account), Suspect("address", ip)),
            stolen_ts,
            stolen_ts + calls * 21_000 + 12_000,
            "a stolen session",
        )
        for account, ip, stolen_ts, calls in stolen
    )
