"""Which account played which part, and how sure that is: the borders of docs/explanation/certainty.md as SQL.

Leaves ``role_touches`` in the store: one row per account, reason and detection, with its ranks.
"""

from collections.abc import Collection, Mapping
from types import MappingProxyType

from tocsin.detections.values import AccountRole
from tocsin.events.queries import EventStore
from tocsin.kernel.language import gettext_noop
from tocsin.scopes.values import Certainty

ROLE_RANKS: Mapping[AccountRole, int] = MappingProxyType(
    {AccountRole.VICTIM: 1, AccountRole.INSTRUMENT: 2, AccountRole.ATTACKER: 3}
)
CERTAINTY_RANKS: Mapping[Certainty, int] = MappingProxyType(
    {Certainty.PRECAUTION: 1, Certainty.LIKELY: 2, Certainty.CONFIRMED: 3}
)
# An account that signed in from the intruder's network on this many earlier days is at home there.
HOME_DAYS_MIN = 3
# Formats of machines, clouds and the operator's own tools: who acts there is nobody's customer.
INFRASTRUCTURE = (
    "regexp_matches(format, '^(aws_cloudtrail|aws_s3|kubernetes|sshd|syslog|auth_?log|linux|postgres|pgaudit|github"
    "|google|m365|microsoft|office|entra|azure)')"
)
STAFF = f"coalesce(actor_type IN ('staff', 'service', 'cloud'), {INFRASTRUCTURE}, false)"
OWNER = "coalesce(object_owner, target_account)"

REASONS: Mapping[str, str] = MappingProxyType(
    {
        "attacker": gettext_noop("opened or owned by the intruder: {rule}"),
        "instrument": gettext_noop("used by the intruder: {rule}"),
        "victim": gettext_noop("acted upon by the intruder: {rule}"),
        "opened": gettext_noop("its data was opened by the intruder: {rule}"),
        "altered": gettext_noop("its data was changed by the intruder: {rule}"),
        "doubted": gettext_noop("its data was opened or changed by somebody who may have had a reason to: {rule}"),
        "listed": gettext_noop("listed by the intruder without being opened: {rule}"),
        "asked": gettext_noop("asked for by the intruder; the log does not say with what outcome: {rule}"),
        "touched": gettext_noop("touched by the intruder without proven use: {rule}"),
        "network": gettext_noop("a success from the intruder's network during the attack: {rule}"),
    }
)


def assign(store: EventStore, *, known_accounts: Collection[str], staff_accounts: Collection[str]) -> None:
    """Make ``role_touches`` (``account, code, n, role_rank, certainty_rank, sign_in, first_ts, last_ts, data``)."""
    _name_staff(store, known_accounts=known_accounts, staff_accounts=staff_accounts)
    _from_network(store)
    arms = f"{_USED} UNION ALL {_OWNED} UNION ALL {_NETWORK}"
    store.temporary("role_touches", f"SELECT * FROM ({arms}) touched ANTI JOIN staff_names USING (account)")


def _name_staff(store: EventStore, *, known_accounts: Collection[str], staff_accounts: Collection[str]) -> None:
    """Make ``staff_names``: every name that acted as staff, service or cloud role, and is not a customer's account."""
    store.load("known_accounts", {"account": "VARCHAR"}, [(name,) for name in known_accounts])
    store.load("known_staff", {"account": "VARCHAR"}, [(name,) for name in staff_accounts])
    store.temporary(
        "staff_names",
        f"""
        WITH machines AS (
            SELECT unnest([account, actor_user_uid]) AS account, bool_or(actor_type IS NOT NULL) AS said
            FROM events WHERE {STAFF} GROUP BY account, actor_user_uid
        ), customers AS (
            SELECT account FROM events WHERE account IN (SELECT account FROM machines WHERE NOT said) AND NOT {STAFF}
            UNION SELECT account FROM known_accounts
        )
        SELECT account FROM known_staff
        UNION SELECT account FROM machines WHERE said AND account IS NOT NULL
        UNION SELECT account FROM machines WHERE account NOT IN (SELECT account FROM customers) AND account IS NOT NULL
        """,
    )


# The account that acted. A proof is a use; an event of the intruder's without one is a touch.
_USED = f"""
SELECT account, CASE WHEN bool_or(proven) THEN role ELSE 'touched' END AS code, n,
    CASE role WHEN 'attacker' THEN 3 WHEN 'instrument' THEN 2 ELSE 1 END AS role_rank,
    CASE WHEN bool_or(proven) THEN 3 ELSE 2 END AS certainty_rank,
    role <> 'attacker' AS sign_in,
    min(ts) AS first_ts, max(ts) AS last_ts,
    list_sort(list(DISTINCT data_category) FILTER (status_id = 1 AND data_category IS NOT NULL
        AND class_uid NOT IN (3001, 3002) AND role <> 'attacker' AND coalesce({OWNER}, account) = account)) AS data
FROM intruder_events JOIN detected USING (n)
WHERE role <> 'none' AND account IS NOT NULL AND NOT {STAFF}
GROUP BY account, n, role HAVING bool_or(proven) OR (role <> 'attacker' AND bool_or(status_id = 1))
"""

# Whose data was touched: opened (or changed) with success is proof; listed, an unknown outcome, or a suspect who may
# have had a reason, is not.
_OWNED = f"""
SELECT {OWNER} AS account,
    CASE WHEN bool_or(in_doubt AND status_id = 1 AND operation <> 'listed') THEN 'doubted'
        WHEN bool_or(status_id = 1 AND operation IN ('read', 'copied')) THEN 'opened'
        WHEN bool_or(status_id = 1 AND operation <> 'listed') THEN 'altered'
        WHEN bool_or(status_id = 1) THEN 'listed' ELSE 'asked' END AS code, n,
    1 AS role_rank,
    CASE WHEN bool_or(NOT in_doubt AND status_id = 1 AND operation <> 'listed') THEN 3 ELSE 2 END AS certainty_rank,
    bool_or(status_id = 1 AND data_category IN ('password', 'credentials')) AS sign_in,
    min(ts) AS first_ts, max(ts) AS last_ts,
    list_sort(list(DISTINCT data_category) FILTER (status_id = 1 AND operation <> 'listed'
        AND data_category IS NOT NULL)) AS data
FROM intruder_events JOIN detected USING (n)
WHERE owners AND coalesce(status_id, 0) <> 2 AND {OWNER} IS NOT NULL AND {OWNER} IS DISTINCT FROM account
    AND (NOT {INFRASTRUCTURE} OR {OWNER} IN (SELECT account FROM known_accounts)
        OR {OWNER} IN (SELECT account FROM events WHERE NOT {STAFF}))
GROUP BY ALL
"""

_NETWORK = """
SELECT account, 'network' AS code, n, 2 AS role_rank, 2 AS certainty_rank, true AS sign_in, first_ts, last_ts,
    []::VARCHAR[] AS data
FROM network_touches WHERE NOT at_home AND account NOT IN (
    SELECT account FROM intruder_evidence WHERE proven AND account IS NOT NULL)
"""


def _from_network(store: EventStore) -> None:
    """Make ``intruder_networks`` and ``network_touches``: successes from the suspect's network inside its window.

    The network is the suspect's /24 or /48, or the whole hosting, VPN or Tor provider (same AS) it stands in.
    ``at_home`` marks accounts that had successes from that very network on ``HOME_DAYS_MIN`` earlier days.
    """
    store.temporary(
        "intruder_networks",
        """
        SELECT DISTINCT e.n, e.src_network, e.src_asn, e.src_kind FROM evidence e JOIN detected d USING (n)
        WHERE d.suspect_type IN ('address', 'network') AND (d.role = 'instrument' OR d.network_cohort)
        """,
    )
    store.temporary(
        "network_touches",
        f"""
        WITH near AS (
            SELECT DISTINCT n, src_network FROM intruder_networks WHERE src_network IS NOT NULL
        ), provider AS (
            SELECT DISTINCT n, src_asn FROM intruder_networks
            WHERE src_asn IS NOT NULL AND src_kind IN ('hosting', 'vpn', 'tor')
        ), touched AS (
            SELECT n, e.account, e.ts, e.src_network
            FROM near JOIN events e USING (src_network) JOIN detected d USING (n)
            WHERE e.status_id = 1 AND e.ts BETWEEN d.first_ts AND d.last_ts AND e.account IS NOT NULL AND NOT {STAFF}
                AND d.role = 'instrument'
            UNION ALL
            SELECT n, e.account, e.ts, e.src_network
            FROM provider JOIN events e USING (src_asn) JOIN detected d USING (n)
            WHERE e.status_id = 1 AND e.ts BETWEEN d.first_ts AND d.last_ts AND e.account IS NOT NULL AND NOT {STAFF}
                AND d.role = 'instrument' AND e.src_kind IN ('hosting', 'vpn', 'tor')
        ), grouped AS (
            SELECT n, account, min(ts) AS first_ts, max(ts) AS last_ts, any_value(first_detected_ts) AS attack_ts
            FROM touched JOIN (SELECT n, first_ts AS first_detected_ts FROM detected) USING (n) GROUP BY n, account
        ), homes AS (
            SELECT n, t.account, count(DISTINCT e.ts // 86400000) AS days
            FROM (SELECT DISTINCT n, account, src_network, attack_ts FROM touched JOIN grouped USING (n, account)) t
                JOIN events e ON e.account = t.account AND e.src_network = t.src_network AND e.ts < t.attack_ts
                    AND e.status_id = 1
            GROUP BY ALL
        )
        SELECT n, account, first_ts, last_ts, coalesce(days, 0) AS days,
            coalesce(days, 0) >= {HOME_DAYS_MIN} OR (n, account) IN (SELECT (n, who) FROM own_places) AS at_home
        FROM grouped LEFT JOIN homes USING (n, account)
        """,
    )
