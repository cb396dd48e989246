"""The company's own people and services in the internal tools, all day long: the noise an intruder inside hides in."""

from collections.abc import Sequence

from tocsin.events import commands as events
from tocsin.rehearsals import addresses
from tocsin.rehearsals.company import COUNTRIES, DOMAIN, VERSIONS, Company
from tocsin.rehearsals.traffic import Slice

STAFF = {
    "ts": "BIGINT", "staff": "VARCHAR", "event": "VARCHAR", "session": "VARCHAR", "ip": "VARCHAR",
    "user_agent": "VARCHAR", "device": "VARCHAR", "method": "VARCHAR", "path": "VARCHAR", "status": "INTEGER",
    "result": "VARCHAR", "reason": "VARCHAR", "factor": "VARCHAR",
}  # fmt: skip
DAYS = 2
SHIFT_MS = 8 * 3_600_000
_GIVEN = (
    "Ines Mira Olof Tove Rahel Karim Lotta Samir Elin Noor Hugo Selma Ravi Wanda Pia Tarek Yuki Bruno Asta Femi".split()
)
# Role, how many for each thirty in support, acts in a shift. Only support works around the clock.
_ROLES = (("support", 30, 125), ("billing", 9, 150), ("release", 6, 60), ("content", 12, 120))
_SERVICE_PACE_MS = 50_000  # however small the company, its services call that often
# Service, what it does, share of all lines.
_SERVICES = (
    ("svc-monitor", "'GET'", "'/dashboard'", 0.012),
    ("svc-billing", "'GET'", "'/customers/' || account_name(a) || '/payments'", 0.016),
    ("svc-identity", "'POST'", "'/customers/' || account_name(a) || '/password-rehash'", 0.014),
)


def people(firm: Company) -> list[tuple[int, str, str, int]]:
    """Return everyone: number, name as the logs have it, role, hour (UTC) the shift starts."""
    listed: list[tuple[int, str, str, int]] = []
    for role, per_thirty, _ in _ROLES:
        for place in range(firm.support * per_thirty // 30):
            number = len(listed)
            name = f"{_GIVEN[number % len(_GIVEN)].lower()}.{'abcdefghjklmnoprstuvwz'[number // len(_GIVEN) % 22]}"
            name += str(number) if number >= 22 * len(_GIVEN) else ""
            listed.append((number, f"{name}@{DOMAIN}", role, 8 * (place % 3) if role == "support" else 8))
    return listed


def prepare(
    generator: events.Generator, firm: Company, *, travelling: tuple[int, int], enrolling: Sequence[int]
) -> None:
    """Make everyone's shifts. ``travelling``: who is on a train on which day; ``enrolling``: who gets a new phone."""
    kinds = {"n": "BIGINT", "staff": "VARCHAR", "role": "VARCHAR", "hour": "BIGINT"}
    generator.load("staff", kinds, people(firm))
    acts = " ".join(f"WHEN '{role}' THEN {count}" for role, _, count in _ROLES)
    carrier = f"carrier_ip({travelling[0]}, {len(COUNTRIES) % 3}, {firm.first_ts})"
    headquarters = list(addresses.HEADQUARTERS)
    generator.run(
        f"""
        CREATE TABLE shifts AS
        SELECT n * {DAYS} + day AS w, n, staff, role,
            {firm.first_ts} + (day * 24 + hour) * 3600000 + below(n * {DAYS} + day, 100, 1500000)
            AS ts, token('staff', n * {DAYS} + day) AS session,
            CASE WHEN n = {travelling[0]} AND day = {travelling[1]} THEN {carrier}
                WHEN rnd(n * {DAYS} + day, 101) < 0.15 THEN '{addresses.STAFF_VPN}'
                    ELSE {headquarters}[1 + n % 3] END AS ip,
            browser_of(n) AS user_agent, 'lt-' || (1000 + n)::VARCHAR AS device, CASE role {acts} END AS acts,
            n IN {tuple(enrolling)} AND day = 0 AS enrols, n = {travelling[0]} AND day = {travelling[1]} AS travels
        FROM staff, range({DAYS}) days(day)
        """
    )


def fill(generator: events.Generator, firm: Company, part: Slice) -> None:
    """Fill ``staff_events`` with a slice of the working day."""
    bounds = {"first_ts": part.first_ts, "last_ts": part.last_ts}
    listed = ", ".join(STAFF)
    generator.run(
        f"CREATE OR REPLACE TEMP TABLE staff_events AS SELECT {listed} FROM ({_acts_sql(firm)}) "
        "WHERE ts >= $first_ts AND ts < $last_ts",
        bounds,
    )
    generator.run(
        f"INSERT INTO staff_events SELECT {listed} FROM ({_LOGINS_SQL}) WHERE ts >= $first_ts AND ts < $last_ts", bounds
    )
    share = (part.last_ts - part.first_ts) / (firm.last_ts - firm.first_ts)
    for number, (name, method, path, of_lines) in enumerate(_SERVICES):
        count = round(max(firm.lines * of_lines, (firm.last_ts - firm.first_ts) / _SERVICE_PACE_MS) * share)
        generator.run(_service_sql(firm, part, name=name, method=method, path=path, count=count, number=number))
    _sign_releases(generator, part)


def _acts_sql(firm: Company) -> str:
    # A customer who writes to support is drawn as listeners are: the keen ones more often.
    customer = "'/customers/' || account_name(a)"
    platform = "one_of(['android', 'ios', 'windows'], i, 113)"
    album = "'/catalogue/albums/al' || (100000 + below(i, 114, 9000))::VARCHAR"
    return f"""
        SELECT ts + 60000 + k * ({SHIFT_MS} // acts) + below(i, 110, {SHIFT_MS} // acts) AS ts, staff, 'request'
            AS event, session, ip,
            user_agent, device, CASE WHEN role = 'content' AND u < 0.6 THEN 'PUT'
                WHEN role = 'support' AND u BETWEEN 0.83 AND 0.88 THEN 'POST' ELSE 'GET' END AS method,
            CASE role WHEN 'support' THEN CASE WHEN u < 0.5 THEN {customer} WHEN u < 0.65 THEN '/customers?query='
                || login_of(a)
                    WHEN u < 0.77 THEN {customer} || '/playlists' WHEN u < 0.83 THEN {customer} || '/payments'
                    WHEN u <= 0.88 THEN {customer} || '/password-reset' ELSE '/dashboard' END
                WHEN 'billing' THEN CASE WHEN u < 0.75 THEN {customer} || '/payments' ELSE {customer} END
                WHEN 'release' THEN CASE WHEN u < 0.5 THEN '/releases/' || {platform} ELSE '/releases/'
                    || {platform} || '/notes' END
                ELSE {album} END AS path,
            CASE WHEN rnd(i, 115) < 0.985 THEN 200 ELSE 404 END::INTEGER AS status,
            NULL::VARCHAR AS result, NULL::VARCHAR AS reason, NULL::VARCHAR AS factor
        FROM (SELECT *, rnd(i, 111) AS u, CAST(floor({firm.accounts} * pow(rnd(i, 112), 1.3)) AS BIGINT) AS a
            FROM (SELECT *, w * 1024 + k AS i FROM (SELECT *, unnest(range(CASE WHEN travels THEN acts // 4
                ELSE acts END)) AS k
            FROM shifts)))"""


_COMMON = "session, ip, user_agent, device, NULL AS method, NULL AS path, NULL::INTEGER AS status"
_LOGINS_SQL = f"""
    SELECT ts - 20000 * (k + 1) AS ts, staff, 'login' AS event, {_COMMON.replace("session,", "NULL AS session,")},
        'failure' AS result,
        CASE WHEN rnd(w, 121) < 0.7 THEN 'wrong_password' ELSE 'wrong_code' END AS reason,
        CASE WHEN rnd(w, 121) < 0.7 THEN 'password' ELSE 'totp' END AS factor
    FROM (SELECT *, unnest(range(CASE WHEN travels THEN 1 WHEN rnd(w, 120) < 0.1 THEN 1 + below(w, 122, 2)
        ELSE 0 END)) AS k FROM shifts)
    UNION ALL SELECT ts, staff, 'login', {_COMMON}, 'success', NULL, CASE WHEN n % 4 = 0 THEN 'webauthn'
        ELSE 'totp' END FROM shifts
    UNION ALL SELECT ts + 5400000, staff, 'factor_enrolled', {_COMMON}, 'success', NULL, 'totp' FROM shifts
        WHERE enrols
    UNION ALL SELECT ts + {SHIFT_MS} + 300000, staff, 'logout', {_COMMON}, 'success', NULL, NULL FROM shifts"""


def _service_sql(firm: Company, part: Slice, *, name: str, method: str, path: str, count: int, number: int) -> str:
    """A service works at an even pace, day and night, on whichever customer's turn it is."""
    pace = (part.last_ts - part.first_ts) // count
    return f"""
        INSERT INTO staff_events SELECT {part.first_ts} + k * {pace} + below(i, 130, {pace}), '{name}', 'request',
            token('{name}', 0), '{addresses.PRODUCTION}{10 + number}', 'larkwave-jobs/7', NULL, {method}, {path},
                200, NULL, NULL, NULL
        FROM (SELECT k, i, below(i, 131, {firm.accounts}) AS a
            FROM (SELECT k, {part.first_ts} + k * 8 + {number} AS i FROM range({count}) drawn(k)))"""


def _sign_releases(generator: events.Generator, part: Slice) -> None:
    """The build service fetches the key of each platform's newest release every few hours: the one honest reader."""
    newest = [(platform, versions[-1]) for platform, versions in VERSIONS.items()]
    for number, (platform, version) in enumerate(newest):
        generator.run(
            f"""
            INSERT INTO staff_events SELECT ts, 'svc-release-build', 'request', token('svc-release-build', 0),
                '{addresses.PRODUCTION}40', 'larkwave-build/3', NULL, 'GET',
                    '/releases/{platform}/{version}/signing-key', 200,
                NULL, NULL, NULL
            FROM (SELECT hour * 3600000 + 1800000 + below(hour, 140 + {number}, 600000) AS ts
                FROM range({part.first_ts} // 3600000, {part.last_ts} // 3600000 + 1) hours(hour)
                    WHERE hour % 4 = {number})
            WHERE ts >= {part.first_ts} AND ts < {part.last_ts}
            """
        )
