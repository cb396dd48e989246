"""Which events are the intruder's: the evidence of every detection, and what surely follows from it.

Leaves three temporary tables in the store. ``detected``: one row per detection that says something about accounts,
data or objects. ``evidence``: every event of theirs, with ``proven`` (the rule's proof holds). ``intruder_events``: the
events laid at the intruder's door, with ``origin`` (``evidence``, ``follow`` or ``after``) and ``operation``.
"""

from collections.abc import Iterable, Sequence

from tocsin.detections import queries as detection_queries
from tocsin.detections.values import Detection, Kind, Lead, Rule
from tocsin.events.queries import EventStore

COLLEAGUES_MIN = 2  # other staff on a network that make it a place of work
# Of the names an address tried during the lead, so many may have been let in before it is a crowd's address.
LET_IN_SHARE_MAX = 0.25
FOLLOW_UP_MS = 24 * 3600 * 1000  # for so long after a proven use, the same account on the same address is the intruder
# Attempts on machines from outside: unless their author says otherwise, they say nothing about accounts or data.
SILENT_KINDS = frozenset({Kind.SCAN, Kind.CRAWL, Kind.DOS, Kind.EXPLOIT_ATTEMPT, Kind.MISCONFIGURATION})
LISTS_OF_NAMES = "('credential_stuffing', 'password_spraying')"
SUSPECT_COLUMNS = {
    "account": "account",
    "session": "actor_session_uid",
    "address": "src_endpoint_ip",
    "network": "src_network",
    "api_key": "actor_credential_uid",
    "principal": "actor_user_uid",
}
COLUMNS = (
    "source_id, line, ts, format, class_uid, activity_id, status_id, api_operation, actor_type, actor_user_uid, "
    "actor_user_name, actor_session_uid, account, target_account, src_endpoint_ip, src_network, src_kind, src_asn, "
    "user_agent, device_uid, http_method, url_path, url_query, route, object_type, object_id, object_owner, "
    "data_category"
)
# OCSF activities: Web Resources Activity 6001 adds 5 Search and 7 Export; HTTP Activity 4002 numbers the methods.
OPERATION = """
CASE
    WHEN regexp_matches(api_operation, '(?i)^(list|search|head|describe|enumerate|count|options)') THEN 'listed'
    WHEN regexp_matches(api_operation, '(?i)(download|export|copyobject|dump|takeout)') THEN 'copied'
    WHEN class_uid = 6001 AND activity_id = 5 THEN 'listed'
    WHEN class_uid = 6001 AND activity_id = 7 THEN 'copied'
    WHEN class_uid <> 4002 AND activity_id = 2 THEN 'read'
    WHEN class_uid <> 4002 AND activity_id IN (1, 3) THEN 'changed'
    WHEN class_uid <> 4002 AND activity_id = 4 THEN 'deleted'
    WHEN upper(http_method) = 'GET' OR (class_uid = 4002 AND http_method IS NULL AND activity_id = 3) THEN 'read'
    WHEN upper(http_method) IN ('POST', 'PUT', 'PATCH') OR (class_uid = 4002 AND activity_id IN (6, 7, 9))
        THEN 'changed'
    WHEN upper(http_method) = 'DELETE' OR (class_uid = 4002 AND activity_id = 2) THEN 'deleted'
    ELSE 'listed'
END
"""
DEVICE = "coalesce(device_uid, user_agent, '')"
OTHER_DEVICE = "coalesce(e.device_uid, e.user_agent, '')"  # where two tables carry the columns, events are ``e``


def speaks(detection: Detection) -> bool:
    """Return whether a detection says anything about accounts, data or objects."""
    hint = detection.scope
    told = hint.accounts != "none" or hint.owners or hint.network_cohort or hint.follow
    return told or detection.kind not in SILENT_KINDS


def gather(
    store: EventStore, *, detections: Sequence[Detection], leads: Sequence[Lead], rules: Iterable[Rule]
) -> tuple[Detection, ...]:
    """Make ``detected``, ``evidence`` and ``intruder_events``; return the detections that speak, by number ``n``.

    A suspect that is followed is followed to the end of its lead: the same actor was still there.
    """
    spans = {uid: lead for lead in leads for uid in lead.detections}
    chosen = tuple(sorted(filter(speaks, detections), key=lambda detection: (detection.first_ts, detection.uid)))
    store.load(
        "detected",
        {
            "n": "INTEGER", "uid": "VARCHAR", "kind": "VARCHAR", "suspect_type": "VARCHAR", "suspect": "VARCHAR",
            "role": "VARCHAR", "owners": "BOOLEAN", "network_cohort": "BOOLEAN", "follow": "BOOLEAN",
            "in_doubt": "BOOLEAN",
            "first_ts": "BIGINT", "last_ts": "BIGINT", "since_ts": "BIGINT", "followed_ts": "BIGINT",
        },
        [
            (
                n, found.uid, found.kind.value, found.suspect_type.value, found.suspect, found.scope.accounts.value,
                found.scope.owners, found.scope.network_cohort, found.scope.follow, found.scope.in_doubt,
                found.first_ts, found.last_ts,
                *_span(found, spans.get(found.uid)),
            )
            for n, found in enumerate(chosen)
        ],
    )  # fmt: skip
    detection_queries.gather_evidence(store, chosen, table="counted_evidence", columns=COLUMNS, rules=rules)
    _widen(store)
    _split_stolen_sessions(store)
    _know_owners(store)
    _lay_evidence(store)
    _follow(store)
    _continue(store)
    origins = " UNION ALL ".join(f"SELECT * FROM intruder_{origin}" for origin in ("evidence", "follow", "after"))
    store.temporary("intruder_events", f"SELECT *, {OPERATION} AS operation FROM ({origins}) laid")
    return chosen


def _span(found: Detection, lead: Lead | None) -> tuple[int, int]:
    """Return from when to when the actor of a detection is known to have been there."""
    if lead is None:
        return found.first_ts, found.last_ts
    return min(found.first_ts, lead.first_ts), max(found.last_ts, lead.last_ts)


def _widen(store: EventStore) -> None:
    """Make ``evidence``: what the detections counted, and the successes of a suspect's address all through its lead.

    A rule ends an episode where an address rests; the list of names goes on. Only an address that tries names is
    widened, and only when few of the names it tried during the whole lead were let in: else other people use it too.
    """
    picked = ", ".join(f"e.{name}" for name in COLUMNS.split(", "))
    store.temporary(
        "own_tries",
        f"""
        SELECT d.n, d.suspect, greatest(d.first_ts - e.ts, e.ts - d.last_ts) AS away_ms, {picked}
        FROM detected d JOIN events e ON e.src_endpoint_ip = d.suspect AND e.ts BETWEEN d.since_ts AND d.followed_ts
        WHERE d.suspect_type = 'address' AND d.role = 'instrument' AND d.kind IN {LISTS_OF_NAMES}
            AND e.class_uid = 3002 AND e.activity_id IS DISTINCT FROM 2
        """,
    )
    store.temporary(
        "evidence",
        f"""
        WITH tried AS (
            SELECT n, lower(coalesce(account, actor_user_name, actor_user_uid)) AS who,
                bool_or(status_id = 1) AS let_in
            FROM own_tries GROUP BY ALL HAVING who IS NOT NULL
        ), lists AS (
            SELECT n FROM tried GROUP BY n HAVING count(*) FILTER (let_in) <= {LET_IN_SHARE_MAX} * count(*)
        ), counted AS (
            SELECT suspect, source_id, line FROM counted_evidence JOIN detected USING (n)
        )
        SELECT * FROM counted_evidence
        UNION ALL
        SELECT n, true AS proven, {COLUMNS} FROM own_tries SEMI JOIN lists USING (n)
            ANTI JOIN counted USING (suspect, source_id, line)
        WHERE status_id = 1
        QUALIFY row_number() OVER (PARTITION BY source_id, line ORDER BY away_ms, n) = 1
        """,
    )


def _split_stolen_sessions(store: EventStore) -> None:
    """Make ``session_intruders``: the devices and networks of a stolen session that are not its owner's.

    The owner is who opened the session, and whatever device used the account before. A device the owner never used
    is the intruder's; where the intruder copied even the device, a network the owner never used is.
    """
    store.temporary(
        "session_events",
        f"""
        SELECT d.n, {DEVICE} AS device, e.source_id, e.line, e.src_network, e.account,
            row_number() OVER (PARTITION BY d.n ORDER BY e.ts, e.source_id, e.line) = 1 AS opens,
            e.ts < d.first_ts AS before
        FROM detected d JOIN events e ON e.actor_session_uid = d.suspect WHERE d.suspect_type = 'session'
        """,
    )
    store.temporary(
        "session_owners",
        f"""
        SELECT n, device, src_network FROM session_events WHERE opens OR before
        UNION
        SELECT d.n, {DEVICE}, e.src_network FROM detected d
            JOIN (SELECT DISTINCT n, account FROM session_events WHERE account IS NOT NULL) s USING (n)
            JOIN events e ON e.account = s.account AND e.ts < d.first_ts AND e.status_id = 1
        """,
    )
    store.temporary(
        "session_intruders",
        """
        WITH judged AS (
            SELECT DISTINCT n, device, src_network,
                (n, device) NOT IN (SELECT (n, device) FROM session_owners) AS foreign_device,
                (n, coalesce(src_network, '')) NOT IN (SELECT (n, coalesce(src_network, '')) FROM session_owners)
                    AS foreign_network
            FROM session_events
        )
        SELECT n, device, src_network FROM judged
        WHERE foreign_device OR (foreign_network AND n NOT IN (SELECT n FROM judged WHERE foreign_device))
        """,
    )


def _know_owners(store: EventStore) -> None:
    """Tell the owner of an account, or of a staff identity said to be phished, from the intruder.

    ``own_places``: devices and networks used with success before the lead began, and for staff the networks where
    colleagues had worked before; evidence there is the owner's.
    ``doubtful``: where one account alone was tried, or seen at two far places, and the owner cannot be told apart, for
    want of history or of any other place.
    """
    store.temporary(
        "evidence_places",
        f"""
        SELECT DISTINCT n, kind, since_ts, coalesce(account, actor_user_uid) AS who, {DEVICE} AS device,
            coalesce(src_network, '') AS network
        FROM evidence JOIN detected USING (n)
        WHERE who IS NOT NULL AND ((proven AND role = 'instrument') OR kind = 'phishing')
        """,
    )
    store.temporary(
        "own_places",
        f"""
        SELECT DISTINCT p.n, p.who, p.device, p.network FROM evidence_places p JOIN events e
            ON coalesce(e.account, e.actor_user_uid) = p.who AND {OTHER_DEVICE} = p.device
            AND coalesce(e.src_network, '') = p.network AND e.ts < p.since_ts AND e.status_id = 1
        UNION
        SELECT p.n, p.who, p.device, p.network FROM evidence_places p JOIN events e
            ON e.src_network = p.network AND e.ts < p.since_ts AND e.status_id = 1 AND e.actor_type = 'staff'
            AND coalesce(e.account, e.actor_user_uid) <> p.who
        WHERE p.kind = 'phishing'
        GROUP BY ALL HAVING count(DISTINCT coalesce(e.account, e.actor_user_uid)) >= {COLLEAGUES_MIN}
        """,
    )
    store.temporary(
        "doubtful",
        """
        SELECT DISTINCT n, who FROM evidence_places p WHERE CASE kind
            WHEN 'impossible_travel' THEN (n, who) NOT IN (SELECT (n, who) FROM own_places)
            WHEN 'brute_force' THEN NOT EXISTS (SELECT 1 FROM events e WHERE e.account = p.who AND e.status_id = 1
                AND coalesce(e.src_network, '') <> p.network)
            ELSE false END
        """,
    )


def _lay_evidence(store: EventStore) -> None:
    """Make ``intruder_evidence``: the evidence without what its owner did; in doubt nothing in it is proven.

    ``mistaken`` are the detections about one person alone that leave no success of anybody else.
    """
    store.temporary(
        "intruder_evidence",
        f"""
        SELECT e.* REPLACE (e.proven AND NOT d.in_doubt AND (e.n, coalesce(e.account, e.actor_user_uid, ''))
            NOT IN (SELECT (n, who) FROM doubtful) AS proven), 'evidence' AS origin
        FROM evidence e JOIN detected d USING (n)
        WHERE (e.proven OR d.owners OR d.role IN ('none', 'attacker'))
            AND (e.n NOT IN (SELECT n FROM session_intruders)
                OR (e.n, {DEVICE}, coalesce(e.src_network, ''))
                    IN (SELECT (n, device, coalesce(src_network, '')) FROM session_intruders))
            AND (e.n, coalesce(e.account, e.actor_user_uid, ''), {DEVICE}, coalesce(e.src_network, ''))
                NOT IN (SELECT (n, who, device, network) FROM own_places)
        """,
    )
    store.temporary(
        "mistaken",
        """
        SELECT n, min(coalesce(account, actor_user_uid)) AS who FROM evidence SEMI JOIN own_places USING (n)
        WHERE n NOT IN (SELECT n FROM intruder_evidence WHERE status_id = 1)
        GROUP BY n HAVING count(DISTINCT coalesce(account, actor_user_uid)) = 1
        """,
    )


def _follow(store: EventStore) -> None:
    """Add the suspect's other events inside the window of a detection that says so (``hint.follow``).

    A person, role or key that also works for its owner at the same time is split: only what came over a network or
    session seen in the evidence is the intruder's. An attacker's own account, an address or a network is not.
    """
    arms = []
    for suspect_type, column in SUSPECT_COLUMNS.items():
        until = "d.followed_ts"
        if suspect_type == "session":
            mine = (
                f"(d.n, {OTHER_DEVICE}, coalesce(e.src_network, '')) IN "
                "(SELECT (n, device, coalesce(src_network, '')) FROM session_intruders)"
            )
        elif suspect_type in ("address", "network"):
            mine, until = "true", "d.last_ts"
        else:
            mine = (
                "(d.role = 'attacker' OR (d.n, coalesce(e.src_network, '')) IN "
                "(SELECT (n, coalesce(src_network, '')) FROM intruder_evidence) OR (d.n, e.actor_session_uid) IN "
                "(SELECT (n, actor_session_uid) FROM intruder_evidence WHERE actor_session_uid IS NOT NULL))"
            )
        picked = ", ".join(f"e.{name}" for name in COLUMNS.split(", "))
        arms.append(
            f"SELECT d.n, false AS proven, {picked} FROM detected d JOIN events e ON e.{column} = d.suspect "
            f"AND e.ts BETWEEN d.first_ts AND {until} WHERE d.follow AND d.suspect_type = '{suspect_type}' AND {mine}"
        )
    store.temporary(
        "intruder_follow",
        f"""
        SELECT *, 'follow' AS origin FROM ({" UNION ALL ".join(arms)}) other
        ANTI JOIN intruder_evidence USING (n, source_id, line)
        """,
    )


def _continue(store: EventStore) -> None:
    """Add what came after a proven use: the session that use opened, and the same account on the same address."""
    store.temporary(
        "proven_uses",
        """
        SELECT n, coalesce(account, actor_user_uid) AS who, src_endpoint_ip AS address, min(ts) AS since_ts,
            NULL AS session
        FROM intruder_evidence JOIN detected USING (n)
        WHERE proven AND (follow OR role IN ('instrument', 'attacker')) AND suspect_type <> 'session'
        GROUP BY ALL HAVING who IS NOT NULL AND address IS NOT NULL
        UNION ALL
        SELECT n, NULL, NULL, min(ts), actor_session_uid FROM intruder_evidence JOIN detected USING (n)
        WHERE proven AND (follow OR role IN ('instrument', 'attacker')) AND actor_session_uid IS NOT NULL
            AND class_uid = 3002 AND activity_id = 1 AND status_id = 1 AND suspect_type <> 'session'
        GROUP BY ALL
        """,
    )
    picked = ", ".join(f"e.{name}" for name in COLUMNS.split(", "))
    store.temporary(
        "intruder_after",
        f"""
        WITH later AS (
            SELECT u.n, e.source_id, e.line FROM proven_uses u JOIN events e
                ON coalesce(e.account, e.actor_user_uid) = u.who AND e.src_endpoint_ip = u.address
                AND e.ts BETWEEN u.since_ts AND u.since_ts + {FOLLOW_UP_MS}
            UNION
            SELECT u.n, e.source_id, e.line FROM proven_uses u JOIN events e
                ON e.actor_session_uid = u.session AND e.ts >= u.since_ts
            UNION
            SELECT d.n, e.source_id, e.line FROM detected d JOIN session_intruders i USING (n) JOIN events e
                ON e.actor_session_uid = d.suspect AND {OTHER_DEVICE} = i.device
                AND e.src_network IS NOT DISTINCT FROM i.src_network AND e.ts > d.last_ts
            WHERE d.follow AND d.suspect_type = 'session'
        )
        SELECT n, false AS proven, {picked}, 'after' AS origin
        FROM (SELECT * FROM later ANTI JOIN intruder_evidence USING (n, source_id, line)
            ANTI JOIN intruder_follow USING (n, source_id, line)) fresh
            JOIN events e USING (source_id, line)
        """,
    )
