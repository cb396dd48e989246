"""What an address and a user agent say about themselves, offline, looked up once per distinct value.

Addresses are numbers here, so that all three tables (origin, ASN, place) are one ordered join each.
"""

import ipaddress
import re
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path

import duckdb
import ua_parser

# The ranges themselves are wanted, to join against; the public functions take one address at a time.
from iporigin._data import dataset

from tocsin.events.store import quoted
from tocsin.events.values import COLUMNS

_KINDS = "('hosting', 'vpn', 'tor', 'cdn', 'bot')"
_NO_PLACE = "NULL::VARCHAR AS country, NULL::DOUBLE AS latitude, NULL::DOUBLE AS longitude"
_APP_PRODUCT = re.compile(r"^([A-Za-z][\w .+-]{0,40}?)/(\d+(?:\.\d+){0,5}[\w.-]{0,20})")
_PLATFORMS = {
    "android": "android", "ios": "ios", "ipados": "ios", "tvos": "ios", "watchos": "ios", "windows": "windows",
    "windows phone": "windows", "mac os x": "macos", "macos": "macos", "linux": "linux", "ubuntu": "linux",
    "debian": "linux", "fedora": "linux", "chrome os": "chromeos", "freebsd": "linux",
}  # fmt: skip


def network_of(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> str:
    """Return the /24 or /48 an address lies in, the sizes one operator is usually given."""
    length = 24 if address.version == 4 else 48
    return str(ipaddress.ip_network((address, length), strict=False))


def parsed_address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Return an address from text as logs write it: bare, in brackets, with a port or a zone."""
    bare = text.strip().strip("[]")
    if bare.count(":") == 1:
        bare = bare.split(":")[0]
    elif text.startswith("["):
        bare = text[1:].split("]", maxsplit=1)[0]
    try:
        address = ipaddress.ip_address(bare.split("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if address.version == 6 else None
    return mapped or address


@lru_cache(maxsize=200_000)
def client_of(user_agent: str) -> tuple[str | None, str | None, str | None]:
    """Return (platform, app name, app version) of a user agent; an app is named by its own product token."""
    found = ua_parser.parse(user_agent)
    family = found.os.family.lower() if found.os else ""
    platform = _PLATFORMS.get(family)
    browser = found.user_agent
    name = browser.family if browser else None
    version = None
    if browser:
        parts = [part for part in (browser.major, browser.minor, browser.patch) if part is not None]
        version = ".".join(parts) or None
    own = _APP_PRODUCT.match(user_agent)
    if own and own.group(1) not in ("Mozilla", "Opera"):
        name, version = own.group(1), own.group(2)
        if platform is None:
            lowered = user_agent.lower()
            platform = next((word for word in ("android", "ios", "windows", "macos", "linux") if word in lowered), None)
            if platform is None and ("iphone" in lowered or "ipad" in lowered):
                platform = "ios"
    return platform, name, version


_V4 = r"^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$"
_V4_NUMBER = "+".join(f"split_part(peer, '.', {n})::UHUGEINT * {256 ** (4 - n)}" for n in (1, 2, 3, 4))
# Networks that nobody can rent: IANA's special-purpose registries (RFC 6890) without those that are routed globally.
_RESERVED = tuple(
    map(
        ipaddress.ip_network,
        (
            "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
            "192.0.0.0/24", "192.0.2.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24",
            "224.0.0.0/3", "::/8", "64:ff9b:1::/48", "100::/64", "2001:2::/48", "2001:10::/28", "2001:db8::/32",
            "3fff::/20", "5f00::/16", "fc00::/7", "fe80::/10", "ff00::/8",
        ),
    )
)  # fmt: skip
Origins = tuple[list[int], list[str], list[str], list[str | None]]


@lru_cache(maxsize=1)
def _origins() -> Origins:
    """Return iporigin's ranges as columns: version, first, last (as decimal text: they exceed 64 bits), kind.

    Its lists also hold documentation and benchmark networks; a range that begins in a reserved network is left out.
    """
    data = dataset()
    versions, firsts, lasts, kinds = [], [], [], []
    for version, starts, ends, labels in (
        (4, data.v4_starts, data.v4_ends, data.v4_labels),
        (6, data.v6_starts, data.v6_ends, data.v6_labels),
    ):
        kept = _global_places(starts, version=version)
        versions += [version] * len(kept)
        firsts += [str(starts[n]) for n in kept]
        lasts += [str(ends[n]) for n in kept]
        kinds += [data.labels[labels[n]][1] for n in kept]
    return versions, firsts, lasts, kinds


def _global_places(starts: Sequence[int], *, version: int) -> list[int]:
    """Return the places of the ordered ``starts`` that are in no reserved network."""
    reserved: set[int] = set()
    for network in _RESERVED:
        if network.version == version:
            first, last = int(network.network_address), int(network.broadcast_address)
            reserved.update(range(bisect_left(starts, first), bisect_left(starts, last + 1)))
    return [n for n in range(len(starts)) if n not in reserved]


class Enrichment:
    """Adds the address and client columns to parsed lines; each reader's connection caches its distinct values.

    ``tables`` are Parquet files (version INTEGER, first UHUGEINT, last UHUGEINT and the columns wanted) that say where
    an address is: ``asn`` (asn) and ``place`` (country, latitude, longitude). A table that is not there leaves nulls.
    """

    def __init__(self, *, tables: Mapping[str, Path], trusted_proxies: Iterable[str] = ()) -> None:
        self.tables = dict(tables)
        self._proxies = [ipaddress.ip_network(network, strict=False) for network in trusted_proxies]

    def attach(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Make the look-up tables in a reader's own connection."""
        run = connection.execute
        run(
            "CREATE TEMP TABLE addresses (peer VARCHAR, forwarded VARCHAR, client VARCHAR, network VARCHAR, "
            "kind VARCHAR, asn BIGINT, country VARCHAR, latitude DOUBLE, longitude DOUBLE)"
        )
        run("CREATE TEMP TABLE clients (user_agent VARCHAR, client_platform VARCHAR, app VARCHAR, version VARCHAR)")
        run("CREATE TEMP TABLE origins (version INTEGER, first UHUGEINT, last UHUGEINT, kind VARCHAR)")
        picked = "SELECT unnest($v), unnest($f)::UHUGEINT, unnest($l)::UHUGEINT, unnest($k)"
        run(f"INSERT INTO origins {picked}", dict(zip("vflk", _origins(), strict=True)))
        for name, columns in (("asn", "NULL::BIGINT AS asn"), ("place", _NO_PLACE)):
            bounds = "NULL::INTEGER AS version, NULL::UHUGEINT AS first, NULL::UHUGEINT AS last"
            empty = f"SELECT {bounds}, {columns} WHERE false"
            kept = self.tables.get(name)
            run(
                f"CREATE TEMP TABLE {name} AS "
                + (f"SELECT * FROM read_parquet({quoted(str(kept))})" if kept else empty)
            )

    def learn(self, connection: duckdb.DuckDBPyConnection, *, table: str) -> None:
        """Look up the addresses and user agents of a table that this connection has not met yet."""
        run = connection.execute
        names = {row[0] for row in run(f"DESCRIBE {table}").fetchall()}
        behind = self._proxies and "x_forwarded_for" in names
        self._forwarded = "coalesce(x_forwarded_for, '')" if behind else "''"
        run(
            "CREATE OR REPLACE TEMP TABLE fresh AS "
            f"SELECT DISTINCT src_endpoint_ip AS peer, {self._forwarded} AS forwarded FROM {table} t "
            "WHERE src_endpoint_ip IS NOT NULL AND reason IS NULL AND NOT EXISTS "
            f"(SELECT 1 FROM addresses a WHERE a.peer = t.src_endpoint_ip AND a.forwarded = {self._forwarded})"
        )
        run(
            "CREATE OR REPLACE TEMP TABLE located AS SELECT peer, forwarded, peer AS client, 4 AS version, "
            f"{_V4_NUMBER} AS number, regexp_extract(peer, '^(.*)\\.', 1) || '.0/24' AS network "
            f"FROM fresh WHERE forwarded = '' AND regexp_matches(peer, '{_V4}')"
        )
        others = run(
            f"SELECT peer, forwarded FROM fresh WHERE forwarded <> '' OR NOT regexp_matches(peer, '{_V4}')"
        ).fetchall()
        self._insert(connection, "located", [self._located(peer, forwarded) for peer, forwarded in others])
        run(
            "INSERT INTO addresses SELECT f.peer, f.forwarded, f.client, f.network, "
            f"CASE WHEN f.number <= o.last AND o.kind IN {_KINDS} THEN o.kind END, "
            "CASE WHEN f.number <= s.last THEN s.asn END, CASE WHEN f.number <= p.last THEN p.country END, "
            "CASE WHEN f.number <= p.last THEN p.latitude END, CASE WHEN f.number <= p.last THEN p.longitude END "
            "FROM located f ASOF LEFT JOIN origins o ON f.version = o.version AND f.number >= o.first "
            "ASOF LEFT JOIN asn s ON f.version = s.version AND f.number >= s.first "
            "ASOF LEFT JOIN place p ON f.version = p.version AND f.number >= p.first"
        )
        user_agents = run(
            f"SELECT DISTINCT user_agent FROM {table} t WHERE user_agent IS NOT NULL AND reason IS NULL "
            "AND NOT EXISTS (SELECT 1 FROM clients c WHERE c.user_agent = t.user_agent)"
        ).fetchall()
        self._insert(connection, "clients", [(user_agent, *client_of(user_agent)) for (user_agent,) in user_agents])

    def final_sql(self, table: str, *, where: str) -> str:
        """Return the SELECT that joins what was learnt to the parsed lines, in the order of the columns."""
        joined = {
            "src_endpoint_ip": "coalesce(a.client, t.src_endpoint_ip)",
            "src_network": "a.network",
            "src_kind": "a.kind",
            "src_asn": "coalesce(t.src_asn, a.asn)",
            "src_country": "coalesce(t.src_country, a.country)",
            "src_latitude": "coalesce(t.src_latitude, a.latitude)",
            "src_longitude": "coalesce(t.src_longitude, a.longitude)",
            "platform": "coalesce(lower(t.platform), c.client_platform)",
            "app_name": "coalesce(t.app_name, c.app)",
            "app_version": "coalesce(t.app_version, CASE WHEN coalesce(t.app_name, c.app) = c.app THEN c.version END)",
            "line": "t.line_number",
        }
        picked = ", ".join(
            f"try_cast({joined.get(column.name, f't.{column.name}')} AS {column.type}) AS {column.name}"
            for column in COLUMNS
        )
        return (
            f"SELECT {picked} FROM (SELECT *, {self._forwarded} AS forwarded_key FROM {table} WHERE {where}) t "
            "LEFT JOIN addresses a ON a.peer = t.src_endpoint_ip AND a.forwarded = t.forwarded_key "
            "LEFT JOIN clients c ON c.user_agent = t.user_agent ORDER BY t.n"
        )

    _forwarded = "''"

    def _located(self, peer: str, forwarded: str) -> tuple[object, ...]:
        """Return a row of ``located`` for an address that is not plain IPv4 text or stands before a proxy."""
        address = parsed_address(peer)
        if address is not None and forwarded and self._is_proxy(address):
            address = self._behind(address, forwarded)
        if address is None:
            return (peer, forwarded, peer, None, None, None)
        return (peer, forwarded, str(address), address.version, str(int(address)), network_of(address))

    def _is_proxy(self, address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
        return any(address in network for network in self._proxies if network.version == address.version)

    def _behind(
        self, address: ipaddress.IPv4Address | ipaddress.IPv6Address, forwarded: str
    ) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
        """Walk X-Forwarded-For from the right past every trusted proxy; what a client wrote is never believed."""
        for hop in reversed(forwarded.split(",")):
            if not self._is_proxy(address):
                break
            nearer = parsed_address(hop)
            if nearer is None:
                break
            address = nearer
        return address

    @staticmethod
    def _insert(connection: duckdb.DuckDBPyConnection, table: str, rows: list[tuple[object, ...]]) -> None:
        if rows:
            columns = [list(values) for values in zip(*rows, strict=True)]
            picked = ", ".join(f"unnest($c{number})" for number in range(len(columns)))
            connection.execute(f"INSERT INTO {table} SELECT {picked}", {f"c{n}": v for n, v in enumerate(columns)})
