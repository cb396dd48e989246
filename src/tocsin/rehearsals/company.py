"""The simulated company: a music streaming service, its size, its hours, and how anything about it is drawn.

Every draw is a pure function of a thing's number, the seed and the number of the question:
``rnd(i, k) = (hash(xor(hash(i), mix + k)) >> 11) / 2**53`` in [0, 1), with DuckDB's 64-bit hash and ``mix`` 62 bits of
SHA-256 of the seed. (DuckDB's own ``hash(i, seed, k)`` combines by multiplication: neighbouring questions come out
correlated, 0.6 where 0 was wanted.) So any slice of time can be made without the slices before it, in any order.
"""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random

from tocsin.events import commands as events
from tocsin.kernel import clock
from tocsin.rehearsals import addresses

NAME = "Larkwave"
DOMAIN = "larkwave.example"
HOURS = 48
BUCKET_MS = 600_000
# Country, share of listeners, hours ahead of UTC.
COUNTRIES = (
    ("SE", 0.10, 1), ("DE", 0.16, 1), ("FR", 0.12, 1), ("GB", 0.14, 0),
    ("US", 0.25, -6), ("BR", 0.12, -3), ("IN", 0.06, 5), ("JP", 0.05, 9),
)  # fmt: skip
# How much of a day's listening falls into each local hour: low at five, commuting, office, a long evening.
DAY = (18, 11, 7, 5, 5, 9, 20, 38, 46, 42, 40, 41, 45, 44, 42, 43, 48, 57, 61, 60, 62, 60, 49, 32)
# Oldest first; the newest are the most used.
VERSIONS = {
    "android": ("8.7.3", "8.8.0", "8.9.4", "8.10.0", "8.10.2", "8.11.1"),
    "ios": ("8.8.1", "8.9.0", "8.10.1", "8.11.0"),
    "windows": ("1.204.0", "1.210.3", "1.211.0"),
}
_PLATFORM_SHARES = (("android", 0.40), ("ios", 0.72), ("windows", 0.80), ("web", 1.0))
_CHROME = "Mozilla/5.0 ({system}) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{n}.0.0.0 Safari/537.36"
_SAFARI = "Mozilla/5.0 ({system}) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/{n} Safari/605.1.15"
_FIREFOX = "Mozilla/5.0 ({system}; rv:{n}.0) Gecko/20100101 Firefox/{n}.0"
_WINDOWS, _MAC = "Windows NT 10.0; Win64; x64", "Macintosh; Intel Mac OS X 10_15_7"
# As at any web site: many versions at once, the most used first.
BROWSERS = (
    *(_CHROME.format(system=_WINDOWS, n=n) for n in range(126, 112, -1)),
    *(_SAFARI.format(system=_MAC, n=n) for n in ("17.5", "17.4.1", "17.3", "17.2", "16.6", "16.3", "15.6")),
    *(_CHROME.format(system=_MAC, n=n) for n in range(126, 118, -1)),
    *(_CHROME.format(system=_WINDOWS, n=n) + f" Edg/{n}.0.0.0" for n in range(126, 118, -1)),
    *(_FIREFOX.format(system=_WINDOWS, n=n) for n in (127, 126, 125, 124, 115)),
    *(_FIREFOX.format(system="X11; Linux x86_64", n=n) for n in (127, 126, 115, 102)),
)
PHONES = (
    "Android/14 (Pixel 8)",
    "Android/14 (SM-S918B)",
    "Android/13 (SM-A546B)",
    "Android/12 (M2101K6G)",
    "Android/15 (Pixel 9)",
)
APPLE_PHONES = ("iOS/17.5 (iPhone15,3)", "iOS/17.4 (iPhone14,5)", "iOS/16.7 (iPhone12,1)", "iOS/17.5 (iPad13,4)")
# Coprime to any count below it, so that multiplying by it shuffles without collisions.
_SHUFFLE = 7_368_787


@dataclass(frozen=True, slots=True)
class Company:
    """The size of the company and the two days that are simulated; times are epoch milliseconds."""

    seed: int
    lines: int
    accounts: int
    catalogue: int
    support: int  # staff in customer support
    first_ts: int
    last_ts: int

    def random(self, purpose: str) -> Random:
        """Return Python's generator for the few draws that parametrise an attack, apart for each purpose."""
        return Random(f"{self.seed}/{purpose}")  # noqa: S311 - a story, not a secret

    def moment(self, share: float) -> int:
        """Return the moment that lies at a share (0..1) of the simulated time."""
        return self.first_ts + round((self.last_ts - self.first_ts) * share)


def company(*, lines: int, seed: int) -> Company:
    """Size the company so that its two days of logs come to about ``lines``."""
    draw = Random(f"{seed}/company")  # noqa: S311 - a story, not a secret
    monday = datetime(2025, 1, 6, tzinfo=UTC)
    first_at = monday + timedelta(days=7 * draw.randrange(42) + draw.randrange(3))
    return Company(
        seed=seed,
        lines=lines,
        accounts=min(max(lines // 25, 1_500), 5_000_000),
        catalogue=min(max(lines // 10, 12_000), 400_000),
        support=max(30, lines // 8_000),
        first_ts=clock.to_ms(first_at),
        last_ts=clock.to_ms(first_at + timedelta(hours=HOURS)),
    )


def prepare(generator: events.Generator, firm: Company) -> None:
    """Define the company's macros and tables in the generator."""
    digest = hashlib.sha256(f"tocsin/{firm.seed}".encode()).digest()
    generator.run(f"SET VARIABLE mix = {int.from_bytes(digest[:8], 'big') >> 2}::UBIGINT")
    draw = firm.random("pools")
    for pool, kind, count in (("vpn_ips", "vpn", 60), ("rented_ips", "hosting", 40)):
        generator.run(f"SET VARIABLE {pool} = $ips", {"ips": addresses.drawn(draw, kind=kind, count=count)})
    for name, values in (("browsers", BROWSERS), ("phones", PHONES), ("apple_phones", APPLE_PHONES)):
        generator.run(f"SET VARIABLE {name} = $values", {"values": list(values)})
    for sql in (
        *_draw_macros(),
        *_account_macros(firm),
        *_device_macros(),
        *_place_macros(firm),
        *_catalogue_macros(firm),
    ):
        generator.run(f"CREATE MACRO {sql}")
    _load_countries(generator, firm)


def _draw_macros() -> tuple[str, ...]:
    return (
        "rnd(i, k) AS (hash(xor(hash(i::BIGINT), getvariable('mix') + k::UBIGINT)) >> 11) / 9007199254740992.0",
        "below(i, k, n) AS CAST(floor(rnd(i, k) * n) AS BIGINT)",
        "one_of(list, i, k) AS list[1 + below(i, k, len(list))]",
        "ipv4(n) AS concat_ws('.', n >> 24, (n >> 16) & 255, (n >> 8) & 255, n & 255)",
        "token(kind, i) AS md5(kind || getvariable('mix')::VARCHAR || i::VARCHAR)",
    )


def _account_macros(firm: Company) -> tuple[str, ...]:
    given = (
        "anna",
        "jonas",
        "maria",
        "lukas",
        "lea",
        "paul",
        "nina",
        "omar",
        "julia",
        "tom",
        "ines",
        "kenji",
        "priya",
        "ana",
    )
    names = "[" + ", ".join(f"'{name}'" for name in given) + "]"
    return (
        f"account_name(a) AS 'u' || (10000000 + (a::BIGINT * {_SHUFFLE} + {firm.seed % 9973}) % {firm.accounts})",
        f"login_of(a) AS one_of({names}, a, 90) || (1000 + a)::VARCHAR || '@' || one_of(['example.com', 'example.net', "
        "'example.org'], a, 91)",
    )


def _device_macros() -> tuple[str, ...]:
    """A device ``d`` is the first (2a) or second (2a+1) of account a."""
    shares = " ".join(f"WHEN rnd(d, 2) < {share} THEN '{name}'" for name, share in _PLATFORM_SHARES[:-1])
    versions = " ".join(
        f"WHEN '{name}' THEN {list(listed)}[1 + CAST(floor(sqrt(rnd(d, 3)) * {len(listed)}) AS BIGINT)]"
        for name, listed in VERSIONS.items()
    )
    return (
        f"platform_of(d) AS CASE {shares} ELSE 'web' END",
        f"version_of(d) AS CASE platform_of(d) {versions} END",
        f"browser_of(d) AS getvariable('browsers')[1 + CAST(floor(pow(rnd(d, 4), 1.5) * {len(BROWSERS)}) AS BIGINT)]",
        "ua_of(d) AS CASE platform_of(d) "
        f"WHEN 'android' THEN '{NAME}/' || version_of(d) || ' ' || one_of(getvariable('phones'), d, 5) "
        f"WHEN 'ios' THEN '{NAME}/' || version_of(d) || ' ' || one_of(getvariable('apple_phones'), d, 6) "
        f"WHEN 'windows' THEN '{NAME}/' || version_of(d) || ' Windows/10' ELSE browser_of(d) END",
        "device_of(d) AS CASE WHEN platform_of(d) <> 'web' THEN 'dv-' || left(token('device', d), 12) END",
    )


def _place_macros(firm: Company) -> tuple[str, ...]:
    """Two neighbouring accounts share a home, sixty an office, some hundred a carrier's address."""
    pool = max(6, firm.accounts // len(COUNTRIES) // 150)
    return (
        "home6(h) AS '2001:db8:' || lower(to_hex(below(h, 11, 65536))) || ':' || lower(to_hex(h % 65536)) || '::' || "
        "lower(to_hex(1 + below(h, 12, 65000)))",
        f"home4(h) AS ipv4({addresses.HOMES_FIRST} + below(h, 13, {addresses.HOMES_COUNT}))",
        "home_ip(a) AS CASE WHEN rnd(a // 2, 10) < 0.3 THEN home6(a // 2) ELSE home4(a // 2) END",
        f"carrier_ip(a, country, ts) AS ipv4({addresses.CARRIERS_FIRST} + country * {addresses.CARRIER_BLOCK} + "
        f"37 * below(a * 1000003 + ts // 10800000, 14, {pool}))",
        "works_in_office(a) AS rnd(a // 60, 15) < 0.05",
        f"office_ip(a) AS ipv4({addresses.OFFICES_FIRST} + below(a // 60, 16, {addresses.OFFICES_COUNT}))",
        "uses_vpn(a) AS rnd(a, 17) < 0.015",
        "vpn_ip(a) AS one_of(getvariable('vpn_ips'), a, 18)",
        "is_power(a) AS rnd(a, 19) < 0.004",
    )


def _catalogue_macros(firm: Company) -> tuple[str, ...]:
    """Popularity follows Zipf's law with exponent 1: the logarithm of a drawn rank is uniform."""
    size = firm.catalogue
    return (
        f"track_name(rank) AS 't' || (1000000 + (rank::BIGINT * {_SHUFFLE}) % {size})::VARCHAR",
        f"liked_track(i, k) AS track_name(CAST(floor(exp(rnd(i, k) * ln({size + 1}))) AS BIGINT))",
        "liked_of(prefix, i, k, part) AS "
        f"prefix || (100000 + CAST(floor(exp(rnd(i, k) * ln({size} // part + 2))) AS BIGINT))",
    )


def _load_countries(generator: events.Generator, firm: Company) -> None:
    """Give each country a run of account numbers, and each ten minutes its share of listening."""
    rows, clock_rows, low = [], [], 0
    for number, (code, share, ahead) in enumerate(COUNTRIES):
        size = round(firm.accounts * share) if number < len(COUNTRIES) - 1 else firm.accounts - low
        rows.append((number, code, low, size, ahead))
        low += size
        for start in range(firm.first_ts, firm.last_ts, BUCKET_MS):
            hour = (start / 3_600_000 + ahead) % 24
            before, part = int(hour), hour % 1
            clock_rows.append((start, number, share * (DAY[before] * (1 - part) + DAY[(before + 1) % 24] * part)))
    kinds = {"country": "BIGINT", "code": "VARCHAR", "low": "BIGINT", "size": "BIGINT", "ahead": "BIGINT"}
    generator.load("countries", kinds, rows)
    generator.load("activity", {"start_ts": "BIGINT", "country": "BIGINT", "weight": "DOUBLE"}, clock_rows)
