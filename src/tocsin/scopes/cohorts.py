"""Named groups taken in as a precaution: seen on the intruder's network, or on a client whose key the intruder read.

Leaves ``cohort_touches`` (``account, k, first_ts, last_ts``) in the store; ``k`` numbers the cohorts.
"""

import ipaddress
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tocsin.detections.values import Detection, Reason
from tocsin.events.queries import EventStore
from tocsin.kernel.language import gettext_noop
from tocsin.scopes.errors import CohortNotUnderstood
from tocsin.scopes.roles import STAFF
from tocsin.scopes.values import Cohort

VERSION_PARTS = 6  # 1.4 is 1.4.0.0.0.0; parts beyond the sixth are ignored
NETWORK_LEAD_MS = 24 * 3600 * 1000  # whoever was on the network longer before the attack did not meet the intruder
NETWORKS_NAMED_MAX = 3
KEY_OBJECTS_MAX = 1000
PLATFORM_ALIASES = {"iphone": "ios", "ipados": "ios", "osx": "macos", "win32": "windows", "win64": "windows"}
_PLATFORM = re.compile(r"(?<![a-z])(android|ios|iphone|ipados|windows|win32|win64|macos|osx|linux|web)(?![a-z])")
_VERSION = re.compile(r"(?<![a-uw-z\d.])v?(\d{1,9}(?:\.\d{1,9}){1,5})")
# Words by which a path or an object says that it is what a client proves itself with. RE2.
_KEY_WORDS = (
    r"(signing|signature|release[-_/ ]?key|key-?store|private[-_/ ]?key|client[-_/ ]?(key|secret)|api[-_/ ]?key"
    r"|secret|certificate|provisioning|\.jks|\.p12|\.pfx|\.pem)"
)
_CONDITION = re.compile(r"^\s*(platform|app|version|network|route|country)\s*(<=|>=|<|>|=)\s*(\S.*?)\s*$")
_VERSION_TEXT = re.compile(r"^v?\d{1,9}(\.\d{1,9}){0,5}$")


@dataclass(frozen=True, slots=True)
class Membership:
    """A cohort and how its members are found: ``where`` over the columns of an event, with named parameters."""

    name: Reason
    where: str
    params: Mapping[str, Any] = field(default_factory=dict)
    version_operator: str = ""
    version: str = ""
    platform: str = ""
    measure: str = "sign_in_again"
    detections: tuple[str, ...] = ()


def version_key(text: str) -> list[int]:
    """Return a dotted version as ``VERSION_PARTS`` numbers; ``1.4-rc1`` counts as ``1.4``."""
    found = re.search(r"\d+(?:\.\d+)*", text)
    parts = [int(part) for part in found.group().split(".")] if found else []
    return (parts + [0] * VERSION_PARTS)[:VERSION_PARTS]


def version_sql(column: str) -> str:
    """Return SQL for ``version_key``; null where the text holds no number."""
    parts = f"string_split(regexp_extract({column}, '\\d+(?:\\.\\d+)*'), '.')"
    numbers = f"list_transform({parts}, lambda part: CAST(left(part, 18) AS BIGINT))"
    return f"CASE WHEN regexp_matches({column}, '\\d') THEN list_resize({numbers}, {VERSION_PARTS}, 0) END"


def named_by_operator(text: str) -> Membership:
    """Read ``platform=android,version<1.4``, ``network=192.0.2.0/24``, ``route=/v1/x``, or several joined by commas.

    Raises CohortNotUnderstood. A version without a platform or an app is refused: nobody could be ruled out.
    """
    conditions: list[str] = []
    params: dict[str, Any] = {}
    found: dict[str, tuple[str, str]] = {}
    for part in text.split(","):
        matched = _CONDITION.match(part)
        if matched is None or (matched[1] != "version" and matched[2] != "=") or matched[1] in found:
            raise CohortNotUnderstood(
                f"{part.strip()!r} is not a condition of a cohort.",
                where=f"--cohort {text}",
                mend="Write name=value joined by commas; names: platform, app, version (also < <= > >=), network, "
                "route, country.",
            )
        name, operator, value = matched.groups()
        found[name] = (operator, value)
        if name != "version":
            conditions.append(_condition(name, value, text=text))
            params[name] = value.lower() if name == "platform" else value
    operator, version = found.get("version", ("", ""))
    if version and (not _VERSION_TEXT.match(version) or not {"platform", "app"} & found.keys()):
        raise CohortNotUnderstood(
            f"{version!r} cannot be compared with client versions.",
            where=f"--cohort {text}",
            mend="Give a dotted number together with a platform or an app: platform=android,version<1.4.",
        )
    return Membership(
        Reason(gettext_noop("in the cohort named by the operator: {cohort}"), {"cohort": text}),
        " AND ".join(conditions), params, version_operator=operator, version=version,
        platform=params.get("platform", ""), measure="update_client" if version else "sign_in_again",
    )  # fmt: skip


def _condition(name: str, value: str, *, text: str) -> str:
    if name == "route":
        return "(route = $route OR url_path = $route)"
    if name != "network":
        column = {"platform": "platform", "app": "app_name", "country": "src_country"}[name]
        return f"{column} = ${name}"
    try:
        network = ipaddress.ip_network(value)
    except ValueError:
        network = None
    if network is not None and network.prefixlen == network.max_prefixlen:
        return "src_endpoint_ip = $network"
    if network is None or network.prefixlen != (24 if network.version == 4 else 48):
        raise CohortNotUnderstood(
            f"{value!r} is not a network events are grouped by.",
            where=f"--cohort {text}",
            mend="Give an address, an IPv4 /24 or an IPv6 /48; name a larger network piece by piece.",
        )
    return "src_network = $network"


def of_networks(store: EventStore, *, chosen: Sequence[Detection]) -> list[Membership]:
    """Return, per rule that asks for it, everybody seen with success on the networks of the attack."""
    rows = store.rows(
        """
        SELECT n, coalesce(e.src_network, d.suspect) AS network FROM detected d LEFT JOIN intruder_networks e USING (n)
        WHERE d.network_cohort AND (e.src_network IS NOT NULL OR d.suspect_type = 'network') GROUP BY ALL ORDER BY ALL
        """
    )
    by_rule: dict[str, list[tuple[Detection, str]]] = {}
    for row in rows:
        by_rule.setdefault(chosen[row["n"]].rule_id, []).append((chosen[row["n"]], row["network"]))
    memberships = []
    for found in by_rule.values():
        networks = sorted({network for _, network in found})
        shown = ", ".join(networks[:NETWORKS_NAMED_MAX]) + (", …" if len(networks) > NETWORKS_NAMED_MAX else "")
        name = Reason(
            gettext_noop("seen on a network of the intruder ({networks}): {rule}"),
            {"networks": shown, "rule": found[0][0].rule_title},
        )
        first_ts = min(detection.first_ts for detection, _ in found) - NETWORK_LEAD_MS
        memberships.append(
            Membership(
                name,
                "list_contains($networks, src_network) AND ts >= $first_ts",
                {"networks": networks, "first_ts": first_ts},
                detections=tuple(sorted({detection.uid for detection, _ in found})),
            )
        )
    return memberships


def of_clients(store: EventStore, *, chosen: Sequence[Detection]) -> list[Membership]:
    """Return, per platform whose signing key or client secret the intruder read, everybody on an affected version.

    The path or object must name the platform; the highest version it names is the last affected one, and a key
    without a version takes in every version.
    """
    rows = store.rows(
        f"""
        SELECT n, lower(concat_ws(' ', object_type, object_id, url_path, url_query, route)) AS text,
            coalesce(object_id, url_path, route, '') AS object
        FROM intruder_events
        WHERE status_id = 1 AND operation IN ('read', 'copied') AND (data_category = 'credentials'
            OR regexp_matches(lower(concat_ws(' ', object_type, object_id, url_path, route)), $words))
        GROUP BY ALL ORDER BY ALL LIMIT {KEY_OBJECTS_MAX}
        """,
        {"words": _KEY_WORDS},
    )
    by_platform: dict[str, list[tuple[str, str, str]]] = {}
    for row in rows:
        platform = _PLATFORM.search(row["text"])
        if platform:
            name = PLATFORM_ALIASES.get(platform[1], platform[1])
            version = _VERSION.search(row["text"])
            uid = chosen[row["n"]].uid
            by_platform.setdefault(name, []).append((version[1] if version else "", row["object"], uid))
    return [_client_membership(platform, keys) for platform, keys in sorted(by_platform.items())]


def _client_membership(platform: str, keys: Sequence[tuple[str, str, str]]) -> Membership:
    unbounded = next((key for key in keys if not key[0]), None)
    version, read, _ = unbounded or max(keys, key=lambda key: (version_key(key[0]), key[1]))
    text = gettext_noop("seen on {platform}, all versions: the intruder read its key {object}")
    if version:
        text = gettext_noop("seen on {platform}, version {version} or older: the intruder read its key {object}")
    return Membership(
        Reason(text, {"platform": platform, "version": version, "object": read}),
        "platform = $platform", {"platform": platform}, version_operator="<=" if version else "", version=version,
        platform=platform, measure="update_client", detections=tuple(sorted({uid for _, _, uid in keys})),
    )  # fmt: skip


def take(store: EventStore, *, memberships: Sequence[Membership]) -> None:
    """Make ``cohort_touches``: who belongs to which cohort, and when it was seen there."""
    for k, membership in enumerate(memberships):
        store.temporary(f"cohort_{k}", _members_sql(membership, k), _members_params(membership))
    empty = "SELECT NULL::VARCHAR AS account, 0 AS k, 0::BIGINT AS first_ts, 0::BIGINT AS last_ts WHERE false"
    arms = " UNION ALL ".join([empty, *(f"SELECT * FROM cohort_{k}" for k in range(len(memberships)))])
    store.temporary("cohort_touches", f"SELECT * FROM ({arms}) members ANTI JOIN staff_names USING (account)")


def _members_sql(membership: Membership, k: int) -> str:
    seen = (
        f"SELECT account, ts, {version_sql('app_version')} AS version FROM events "
        f"WHERE account IS NOT NULL AND coalesce(status_id, 0) <> 2 AND NOT {STAFF} AND {membership.where}"
    )
    if not membership.version:
        return f"SELECT account, {k} AS k, min(ts) AS first_ts, max(ts) AS last_ts FROM ({seen}) seen GROUP BY account"
    # An account that never showed a readable version cannot be ruled out, so it is in.
    inside = f"version {membership.version_operator} $version"
    return (
        f"SELECT account, {k} AS k, min(ts) FILTER ({inside} OR version IS NULL) AS first_ts, "
        f"max(ts) FILTER ({inside} OR version IS NULL) AS last_ts FROM ({seen}) seen "
        f"GROUP BY account HAVING bool_or({inside}) OR count(version) = 0"
    )


def _members_params(membership: Membership) -> dict[str, Any]:
    version = {"version": version_key(membership.version)} if membership.version else {}
    return {**membership.params, **version}


def counted(store: EventStore, *, memberships: Sequence[Membership]) -> tuple[Cohort, ...]:
    """Return the cohorts with how many accounts each holds; attackers are not counted (needs ``affected_accounts``)."""
    rows = store.rows(
        "SELECT k, count(*) AS accounts FROM cohort_touches JOIN affected_accounts USING (account) "
        "WHERE role <> 'attacker' GROUP BY k"
    )
    accounts = {row["k"]: row["accounts"] for row in rows}
    return tuple(
        Cohort(
            name=membership.name,
            accounts=accounts.get(k, 0),
            platform=membership.platform,
            version_below=membership.version if membership.version_operator == "<" else "",
            version_upto=membership.version if membership.version_operator == "<=" else "",
            measure=membership.measure,
        )
        for k, membership in enumerate(memberships)
    )
