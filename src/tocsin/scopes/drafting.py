"""Puts the whole answer together: from detections to accounts, objects, kinds of data, and who was cleared.

Everything is one pass of SQL per question, however many accounts there are. The tables ``affected_accounts`` and
``affected_objects`` stay in the store, for the files to be written from.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from tocsin.detections.values import AccountRole, Detection, Lead, Reason, Rule
from tocsin.events.queries import EventStore
from tocsin.events.values import Gap, SourceRead
from tocsin.kernel import language
from tocsin.scopes import cohorts, considered, intruder, reach, roles
from tocsin.scopes.values import AffectedAccount, AffectedObject, Certainty, ScopeDraft

ACCOUNTS_IN_MEMORY_MAX = 10_000
OBJECTS_IN_MEMORY_MAX = 10_000
PRINCIPALS_MAX = 1_000
PLATFORMS_MAX = 20
_TIE = 2**64  # a count or a moment times this leaves room for a hash below it
_ROLES = {rank: role for role, rank in roles.ROLE_RANKS.items()}
_CERTAINTIES = {rank: certainty for certainty, rank in roles.CERTAINTY_RANKS.items()}
Window = tuple[int, int]


def drafted(
    store: EventStore,
    *,
    detections: Sequence[Detection],
    leads: Sequence[Lead],
    rules: Sequence[Rule],
    sources: Sequence[SourceRead],
    gaps: Sequence[Gap],
    named_cohorts: Sequence[str],
    known_accounts: Collection[str],
    staff_accounts: Collection[str],
) -> ScopeDraft:
    """Return the scope; raises CohortNotUnderstood before anything is computed."""
    named = [cohorts.named_by_operator(text) for text in named_cohorts]
    chosen = intruder.gather(store, detections=detections, leads=leads, rules=rules)
    roles.assign(store, known_accounts=known_accounts, staff_accounts=staff_accounts)
    networks, clients = cohorts.of_networks(store, chosen=chosen), cohorts.of_clients(store, chosen=chosen)
    memberships = [*networks, *clients, *named]
    cohorts.take(store, memberships=memberships)
    reasons = _reasons(store, chosen, memberships)
    _join_touches(store)
    _profile(store)
    _account_table(store)
    _object_table(store)
    logs = store.one("SELECT min(ts) AS first_ts, max(ts) AS last_ts FROM events")
    standing = _standing(store, chosen)
    window = _window(store, standing)
    watched = (window[0] if window else logs["first_ts"], logs["last_ts"]) if logs["last_ts"] is not None else None
    return ScopeDraft(
        accounts=_accounts(store, reasons),
        counts=_counts(store),
        roles=_role_counts(store),
        objects=_objects(store),
        data=reach.reached_data(store, window=watched, intruder=window is not None, sources=sources, gaps=gaps),
        cohorts=cohorts.counted(store, memberships=memberships),
        considered=considered.cleared(store),
        principals=_principals(store),
        platforms=_platforms(store),
        countries=_countries(store),
        window=window,
        aware_ts=min((found.last_ts for found in standing), default=None),
        objects_total=store.count("SELECT 1 FROM affected_objects"),
    )


def _reasons(
    store: EventStore, chosen: Sequence[Detection], memberships: Sequence[cohorts.Membership]
) -> Mapping[str, Reason]:
    """Return every reason by the key it has in ``touches``; ``reason_texts`` holds them in English for the file."""
    reasons = {
        f"{code}:{row['n']}": Reason(roles.REASONS[code], {"rule": chosen[row["n"]].rule_title})
        for row in store.rows("SELECT DISTINCT code, n FROM role_touches")
        for code in (row["code"],)
    }
    reasons |= {f"cohort:{k}": membership.name for k, membership in enumerate(memberships)}
    with language.use("en"):
        texts = [(key, language.render(reason.text, reason.values)) for key, reason in reasons.items()]
    store.load("reason_texts", {"key": "VARCHAR", "text": "VARCHAR"}, texts)
    store.load(
        "cohort_measures",
        {"k": "INTEGER", "platform": "VARCHAR", "client": "BOOLEAN", "detections": "VARCHAR[]"},
        [
            (k, membership.platform, membership.measure == "update_client", list(membership.detections))
            for k, membership in enumerate(memberships)
        ],
    )
    return reasons


def _join_touches(store: EventStore) -> None:
    """Make ``touches``: those of roles and of cohorts; a cohort's member is a (possible) victim."""
    store.temporary(
        "touches",
        """
        SELECT account, code || ':' || n AS key, [uid] AS detections, role_rank, certainty_rank, sign_in,
            NULL AS client_platform, t.first_ts, t.last_ts, data
        FROM role_touches t JOIN detected USING (n)
        UNION ALL
        SELECT account, 'cohort:' || k, detections, 1, 1, true, CASE WHEN client THEN platform END,
            first_ts, last_ts, []::VARCHAR[]
        FROM cohort_touches JOIN cohort_measures USING (k)
        """,
    )


def _profile(store: EventStore) -> None:
    """Make ``profiles``: where each account usually is and its last client, from its own events alone.

    Equal counts and equal moments are decided by a hash, so that the order of the rows never matters.
    """
    store.temporary(
        "profiles",
        f"""
        WITH own AS (
            SELECT e.account, e.src_country, CASE WHEN e.platform IS NOT NULL
                THEN e.ts::HUGEINT * {_TIE} + hash(e.platform, e.app_version) END AS moment,
                {{platform: e.platform, version: coalesce(e.app_version, '')}} AS client
            FROM events e SEMI JOIN touches t ON t.account = e.account
            ANTI JOIN intruder_events i ON i.source_id = e.source_id AND i.line = e.line
        ), places AS (
            SELECT account, src_country, count(*)::HUGEINT * {_TIE} + hash(src_country) AS weight,
                max(moment) AS moment, arg_max(client, moment) AS client
            FROM own GROUP BY account, src_country
        )
        SELECT account, arg_max(src_country, weight) FILTER (src_country IS NOT NULL) AS country,
            arg_max(client, moment) AS client
        FROM places GROUP BY account
        """,
    )


def _account_table(store: EventStore) -> None:
    """Make ``affected_accounts``, one row each; first and last are those of the touches that made it this certain."""
    first, last = (
        "CASE max(certainty_rank) "
        + " ".join(f"WHEN {rank} THEN {edge} FILTER (certainty_rank = {rank})" for rank in _CERTAINTIES)
        + " END"
        for edge in ("min(first_ts)", "max(last_ts)")
    )
    store.temporary(
        "affected_accounts",
        f"""
        WITH grouped AS (
            SELECT account, max(role_rank) AS role_rank, max(certainty_rank) AS certainty_rank,
                {first} AS first_ts, {last} AS last_ts, bool_or(sign_in) AS sign_in,
                list_sort(list_distinct(flatten(list(data)))) AS data, list_sort(list(key)) AS keys,
                list_sort(list_distinct(flatten(list(detections)))) AS detections,
                list_sort(list_distinct(list(client_platform))) AS client_platforms
            FROM touches GROUP BY account
        )
        SELECT g.* EXCLUDE (data), CASE WHEN role_rank = 3 THEN []::VARCHAR[] ELSE coalesce(data, []) END AS data,
            CASE role_rank {_whens(_ROLES)} END AS role, CASE certainty_rank {_whens(_CERTAINTIES)} END AS certainty,
            coalesce(country, '') AS country, coalesce(client.platform, '') AS platform,
            coalesce(client.version, '') AS client_version
        FROM grouped g LEFT JOIN profiles USING (account)
        """,
    )


def _whens(words: Mapping[int, AccountRole] | Mapping[int, Certainty]) -> str:
    return " ".join(f"WHEN {rank} THEN '{word.value}'" for rank, word in words.items())


def _object_table(store: EventStore) -> None:
    """Make ``affected_objects``: each event once, by its most telling suspect; scraping copies what it reads.

    What has no id of its own but a kind of data, such as a key at a fixed path, is listed by that kind and its path.
    """
    store.temporary(
        "affected_objects",
        f"""
        WITH told AS (
            SELECT CASE WHEN object_id IS NULL THEN data_category ELSE object_type END AS object_type,
                coalesce(object_id, url_path) AS object, ts, suspect,
                coalesce({roles.OWNER}, CASE WHEN object_id IS NULL AND NOT {roles.STAFF} THEN account END) AS owner,
                CASE WHEN kind = 'scraping' AND operation = 'read' THEN 'copied' ELSE operation END AS operation
            FROM intruder_events JOIN detected USING (n)
            WHERE status_id = 1 AND (object_id IS NOT NULL OR (data_category IS NOT NULL AND url_path IS NOT NULL
                AND class_uid NOT IN (3001, 3002)
                AND coalesce(account, '') NOT IN (SELECT account FROM role_touches WHERE role_rank = 3)))
            QUALIFY row_number() OVER (PARTITION BY source_id, line ORDER BY list_position(
                ['principal', 'account', 'api_key', 'session', 'address', 'network'], suspect_type), n) = 1
        )
        SELECT coalesce(object_type, '') AS object_type, object, coalesce(owner, '') AS owner, operation,
            count(*) AS count, min(ts) AS first_ts, max(ts) AS last_ts, suspect
        FROM told GROUP BY ALL
        """,
    )


def _standing(store: EventStore, chosen: Sequence[Detection]) -> tuple[Detection, ...]:
    """Return the detections that still stand once the owners' own successes are taken out of them."""
    cleared = set(store.column("SELECT n FROM mistaken"))
    return tuple(found for n, found in enumerate(chosen) if n not in cleared)


def _window(store: EventStore, standing: Sequence[Detection]) -> Window | None:
    if not standing:
        return None
    seen = store.one("SELECT min(ts) AS first_ts, max(ts) AS last_ts FROM intruder_events")
    firsts = [found.first_ts for found in standing] + ([seen["first_ts"]] if seen["first_ts"] is not None else [])
    lasts = [found.last_ts for found in standing] + ([seen["last_ts"]] if seen["last_ts"] is not None else [])
    return min(firsts), max(lasts)


def _accounts(store: EventStore, reasons: Mapping[str, Reason]) -> tuple[AffectedAccount, ...]:
    rows = store.rows(
        "SELECT * FROM affected_accounts ORDER BY certainty_rank DESC, first_ts, account "
        f"LIMIT {ACCOUNTS_IN_MEMORY_MAX}"
    )
    return tuple(
        AffectedAccount(
            account=row["account"],
            role=AccountRole(row["role"]),
            certainty=Certainty(row["certainty"]),
            country=row["country"],
            first_ts=row["first_ts"],
            last_ts=row["last_ts"],
            data=tuple(row["data"]),
            platform=row["platform"],
            client_version=row["client_version"],
            reasons=_distinct([reasons[key] for key in row["keys"]]),
            detections=tuple(row["detections"]),
        )
        for row in rows
    )


def _distinct(reasons: Sequence[Reason]) -> tuple[Reason, ...]:
    return tuple({(reason.text, tuple(reason.values.items())): reason for reason in reasons}.values())


def _objects(store: EventStore) -> tuple[AffectedObject, ...]:
    rows = store.rows(
        'SELECT object_type, object, owner, operation, count, first_ts, last_ts, suspect AS "by" FROM affected_objects '
        f"ORDER BY owner, object_type, object, operation, suspect LIMIT {OBJECTS_IN_MEMORY_MAX}"
    )
    return tuple(AffectedObject(**row) for row in rows)


def _grouped(store: EventStore, sql: str) -> dict[str, int]:
    return {row["name"]: row["accounts"] for row in store.rows(sql)}


def _counts(store: EventStore) -> dict[str, int]:
    found = _grouped(
        store,
        "SELECT certainty AS name, count(*) AS accounts FROM affected_accounts WHERE role <> 'attacker' GROUP BY 1",
    )
    return {certainty.value: found.get(certainty.value, 0) for certainty in Certainty}


def _role_counts(store: EventStore) -> dict[str, int]:
    found = _grouped(store, "SELECT role AS name, count(*) AS accounts FROM affected_accounts GROUP BY 1")
    return {role.value: found.get(role.value, 0) for role in roles.ROLE_RANKS}


def _countries(store: EventStore) -> dict[str, int]:
    return _grouped(
        store,
        "SELECT country AS name, count(*) AS accounts FROM affected_accounts WHERE role <> 'attacker' "
        "GROUP BY 1 ORDER BY accounts DESC, name",
    )


def _platforms(store: EventStore) -> dict[str, dict[str, int]]:
    """Count per platform, the untouched ones with zeros; who must update counts under the client that is affected."""
    rows: list[dict[str, Any]] = store.rows(
        f"""
        WITH seen AS (
            SELECT platform FROM events WHERE platform IS NOT NULL AND account IS NOT NULL AND NOT {roles.STAFF}
            GROUP BY platform ORDER BY count(*) DESC, platform LIMIT {PLATFORMS_MAX}
        ), told AS (
            SELECT platform, 1 AS accounts, sign_in::INTEGER AS sign_in_again, 0 AS update_client
            FROM affected_accounts WHERE role <> 'attacker'
            UNION ALL
            SELECT unnest(client_platforms), 0, 0, 1 FROM affected_accounts WHERE role <> 'attacker'
            UNION ALL
            SELECT platform, 0, 0, 0 FROM seen
        )
        SELECT platform, sum(accounts)::BIGINT AS accounts, sum(sign_in_again)::BIGINT AS sign_in_again,
            sum(update_client)::BIGINT AS update_client
        FROM told GROUP BY platform ORDER BY platform
        """
    )
    return {row.pop("platform"): row for row in rows}


def _principals(store: EventStore) -> tuple[str, ...]:
    """Return the staff, service and cloud identities the intruder used with success; leaves them in ``principals``.

    A suspect who may have had a reason is not said to be the intruder.
    """
    store.temporary(
        "principals",
        f"""
        SELECT name AS principal, min(first_ts) AS first_ts, max(last_ts) AS last_ts FROM (
            SELECT coalesce(actor_user_uid, actor_user_name, account) AS name, ts AS first_ts, ts AS last_ts
            FROM intruder_events JOIN detected USING (n) WHERE {roles.STAFF} AND status_id = 1 AND NOT in_doubt
            UNION ALL
            SELECT suspect, first_ts, last_ts FROM detected ANTI JOIN mistaken USING (n)
            WHERE suspect_type = 'principal' AND NOT in_doubt
        ) used WHERE name IS NOT NULL GROUP BY 1
        """,
    )
    return tuple(store.column(f"SELECT principal FROM principals ORDER BY principal LIMIT {PRINCIPALS_MAX}"))
