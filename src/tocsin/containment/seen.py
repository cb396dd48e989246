"""What the protected product's own logs show of a plan's accounts: who did what is asked, and what does not hold.

Logs tell of successes only what they say plainly. A redirect is none (an ended session is often sent to the sign-in
page), a reset that was asked for is no changed password, and what came from the intruder's own addresses makes nobody
safe.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from tocsin.containment import plans
from tocsin.containment.done import Recorded, record_facts
from tocsin.containment.drawing import measures_file
from tocsin.containment.running import record_minutes
from tocsin.containment.values import DoneBy, DoneFact, DoneKind, MeasureKind, MinuteSeen
from tocsin.events import queries as events
from tocsin.journal.values import Author
from tocsin.kernel import clock
from tocsin.scopes import queries as scopes

# From the beginning of a wave until its gates and systems hold: what an old session still did by then is no breach.
ALLOWANCE_SECONDS = 300
RECORDED_AT_ONCE = 200_000
LISTED_MAX = 1000
_ENDS_SESSIONS = frozenset({MeasureKind.REAUTHENTICATE, MeasureKind.RESET_PASSWORD, MeasureKind.REVOKE_SESSIONS})
_OF_CLIENTS = frozenset({MeasureKind.UPDATE_CLIENT, MeasureKind.RETIRE_CLIENT})
SOURCE = "logs"  # of the minutes: every look tells all of them again


@dataclass(frozen=True, slots=True)
class Breach:
    """An account for which containment does not hold: what was seen, how often, last when (epoch ms)."""

    account: str
    kind: DoneKind
    events: int
    last_ts: int


@dataclass(frozen=True, slots=True)
class Seen:
    """What a look into the logs came to. The lists are cut at ``LISTED_MAX``; the counts are not."""

    recorded: Recorded
    breaches: tuple[Breach, ...]
    breaches_count: int
    intruder_accounts: tuple[str, ...]  # accounts somebody entered from the intruder's addresses, after t0
    intruder_count: int
    minutes: int
    held: str = ""  # why the plan was held because of what was seen


# What each account is held to. Those of waves that have not begun may do what is asked, and breach nothing.
_MEMBER = """
SELECT account, role, c.sessions, c.suspended, c.clients, w.begun_ms, w.begun_ms + $allowance AS held_ms
FROM read_parquet({file}) m JOIN combination c USING (combination) JOIN begun w USING (wave) WHERE wave >= 1
"""
# An identity of staff, a service or a cloud role is found by the name the log gives it.
_ACTS = """
SELECT e.ts, e.format, e.class_uid, e.activity_id, e.status_id, e.status_code, e.api_operation, e.platform, e.app_name,
    e.app_version, e.actor_session_uid, e.target_account, e.src_endpoint_ip, e.actor_user_uid, e.actor_user_name,
    e.account AS named, m.*
FROM events e JOIN member m ON m.account = {name} WHERE e.ts >= $since {more}
"""
_SUCCESS = "status_id = 1 AND NOT (class_uid = 4002 AND starts_with(coalesce(status_code, ''), '3'))"
_SIGN_IN = "class_uid = 3002 AND activity_id = 1"
_THE_INTRUDERS = "coalesce(src_endpoint_ip IN (SELECT address FROM intruder), false)"
# OCSF 3001: 3 Password Change, 4 Password Reset. A reset of one's own counts when the log says that it was completed.
_CHANGED = (
    "(activity_id = 3 OR (activity_id = 4 AND regexp_matches(coalesce(api_operation, ''), "
    "'(?i)complet|success|finish|confirm|done')))"
)
# All of an account's sessions: revoked by a name in the plural, cleared (Okta), or signed out everywhere.
_ENDED = (
    "regexp_matches(coalesce(api_operation, ''), '(?i)sessions[ _.-]*(revok|terminat|end|clear|invalidat)"
    "|(revok|terminat|clear|invalidat|end)\\w*[ _.-]*(all[ _.-]*|sign-?in[ _.-]*)*sessions|session\\.clear"
    "|(log|sign)[ _-]?out[ _.-]*(all|everywhere)')"
)
_FACTS = {
    DoneKind.SIGNED_IN: f"SELECT account, ts, format, '' AS platform, '' AS version, '' AS client FROM acts "
    f"WHERE {_SIGN_IN} AND status_id = 1 AND NOT {_THE_INTRUDERS}",
    DoneKind.PASSWORD_CHANGED: f"SELECT account, ts, format, '' AS platform, '' AS version, '' AS client FROM changes "
    f"WHERE class_uid = 3001 AND status_id = 1 AND {_CHANGED} AND NOT {_THE_INTRUDERS}",
    DoneKind.SESSIONS_ENDED: f"SELECT account, ts, format, '' AS platform, '' AS version, '' AS client FROM changes "
    f"WHERE status_id = 1 AND {_ENDED} AND NOT {_THE_INTRUDERS}",
    DoneKind.CLIENT_SEEN: f"SELECT account, ts, format, lower(platform) AS platform, app_version AS version, "
    f"coalesce(app_name, '') AS client FROM acts WHERE clients AND platform IS NOT NULL AND app_version IS NOT NULL "
    f"AND {_SUCCESS} AND NOT {_THE_INTRUDERS}",
    DoneKind.OLD_SESSION_ACTIVE: f"SELECT o.account, ts, format, '' AS platform, '' AS version, '' AS client "
    f"FROM events e JOIN old_session o USING (actor_session_uid) WHERE e.ts >= o.held_ms AND {_SUCCESS} "
    "AND NOT (class_uid = 3002 AND activity_id = 2)",
    DoneKind.SUSPENDED_ACTING: f"SELECT account, ts, format, '' AS platform, '' AS version, '' AS client FROM acts "
    f"WHERE suspended AND ts >= held_ms AND {_SUCCESS} AND NOT (class_uid = 3002 AND activity_id = 2)",
}
BREACHES = (DoneKind.OLD_SESSION_ACTIVE, DoneKind.SUSPENDED_ACTING)
# A session is old when it was seen before the containment time and nobody signed in with it since: some products keep
# a session's name when its person signs in again.
_OLD_SESSIONS = """
SELECT s.actor_session_uid, m.account, m.held_ms FROM (
    SELECT actor_session_uid, min(account) AS account FROM ({earlier}) before
    WHERE ts < $since AND actor_session_uid IS NOT NULL AND account IS NOT NULL
    GROUP BY 1 HAVING count(DISTINCT account) = 1
) s JOIN member m ON m.account = s.account AND m.sessions AND m.held_ms IS NOT NULL
WHERE s.actor_session_uid NOT IN (
    SELECT actor_session_uid FROM events WHERE ts >= $since AND class_uid = 3002 AND activity_id = 1 AND status_id = 1
    AND actor_session_uid IS NOT NULL)
"""
_MINUTES = f"""
SELECT ts // 60000 * 60000 AS minute, count(*) FILTER (WHERE {_SIGN_IN} AND status_id = 1) AS sign_ins,
    count(*) FILTER (WHERE {_SIGN_IN} AND status_id = 2) AS failures,
    count(*) FILTER (WHERE class_uid = 3001 AND activity_id IN (3, 4) AND status_id = 1) AS resets
FROM acts WHERE ts >= begun_ms AND class_uid IN (3001, 3002) GROUP BY 1 ORDER BY 1
"""


def record_seen(
    number: int, *, folder: Path, allowance_seconds: float = ALLOWANCE_SECONDS, threads: int | None = None, by: Author
) -> Seen:
    """Look through the events read into ``folder`` and record what they show of a plan's accounts.

    Facts are the first and the last of their kind for each account and log. Looking again at the same logs records
    nothing new.
    """
    stored = plans.row(number)
    path = measures_file(stored)
    with events.open_events(folder, scratch=path.parent, threads=threads) as store:
        _prepare(store, stored=stored, path=path, allowance_ms=int(allowance_seconds * 1000))
        recorded, facts = Recorded(), _facts(store)
        while batch := list(islice(facts, RECORDED_AT_ONCE)):
            recorded += record_facts(batch, by=by)
        breaches = _breaches(store)
        intruder = store.column(
            f"SELECT DISTINCT account FROM acts WHERE {_SIGN_IN} AND status_id = 1 AND {_THE_INTRUDERS} ORDER BY 1"
        )
        minutes = [
            MinuteSeen(at=clock.from_ms(row["minute"]), sign_ins=row["sign_ins"], failures=row["failures"],
                       resets=row["resets"]) for row in store.rows(_MINUTES)
        ]  # fmt: skip
    plan = record_minutes(number, source=SOURCE, minutes=minutes, by=by) if minutes else None
    return Seen(
        recorded=recorded, breaches=tuple(breaches[:LISTED_MAX]), breaches_count=len(breaches),
        intruder_accounts=tuple(intruder[:LISTED_MAX]), intruder_count=len(intruder), minutes=len(minutes),
        held=plan.paused_reason if plan else "",
    )  # fmt: skip


def _prepare(store: events.EventStore, *, stored: Any, path: Path, allowance_ms: int) -> None:
    """Make the tables ``member``, ``intruder``, ``acts``, ``changes`` and ``old_session``."""
    revision = scopes.revision(stored.incident.number, number=stored.revision.number)
    pinned = [scopes.evidence_path(pin.sha256) for pin in revision.pins if pin.kind == "segment"]
    listed = ", ".join(events.quoted(str(each.resolve())) for each in pinned)
    columns = "SELECT ts, actor_session_uid, account FROM "
    earlier = f"{columns} events" + (f" UNION ALL {columns} read_parquet([{listed}])" if pinned else "")
    since = {"since": clock.to_ms(stored.since_at)}
    typed = {"sessions": "BOOLEAN", "suspended": "BOOLEAN", "clients": "BOOLEAN", "combination": "INTEGER"}
    store.load("combination", typed, [(*_asked(each), number) for number, each in enumerate(stored.combinations)])
    waves = [(w.number, clock.to_ms(w.begun_at) if w.begun_at else None) for w in plans.waves_of(stored)]
    store.load("begun", {"wave": "SMALLINT", "begun_ms": "BIGINT"}, waves)
    member = _MEMBER.format(file=events.quoted(str(path.resolve())))
    store.temporary("member", member, {"allowance": allowance_ms})
    store.load("intruder", {"address": "VARCHAR"}, [(each,) for each in _addresses(revision)])
    by_name = " UNION ALL ".join(
        _ACTS.format(name=f"e.{name}", more=f"AND m.role = 'principal' AND e.account IS DISTINCT FROM m.account {also}")
        for name, also in (
            ("actor_user_uid", ""),
            ("actor_user_name", "AND e.actor_user_uid IS DISTINCT FROM m.account"),
        )
    )
    acts = _ACTS.format(name="e.account", more="")
    store.temporary("acts", f"{acts} UNION ALL {by_name}", since)
    for_others = _ACTS.format(
        name="e.target_account",
        more=f"AND e.account IS DISTINCT FROM m.account AND (class_uid = 3001 AND activity_id = 3 OR {_ENDED})",
    )
    own = "SELECT * FROM acts WHERE coalesce(target_account, account) = account"
    store.temporary("changes", f"{own} UNION ALL {for_others}", since)
    store.temporary("old_session", _OLD_SESSIONS.format(earlier=earlier), since)


def _asked(combination: dict[str, Any]) -> tuple[bool, bool, bool]:
    kinds = {MeasureKind(measure["kind"]) for measure in combination["measures"]}
    return bool(kinds & _ENDS_SESSIONS), MeasureKind.SUSPEND in kinds, bool(kinds & _OF_CLIENTS)


def _addresses(revision: Any) -> list[str]:
    """Return the addresses that the detections behind a revision name as the intruder's."""
    pin = next((pin for pin in revision.pins if pin.kind == "detections"), None)
    if pin is None:
        return []
    with scopes.evidence_path(pin.sha256).open(encoding="utf-8") as lines:
        told = [json.loads(line) for line in lines if line.strip()]
    return sorted({str(each["suspect"]) for each in told if each["suspect_type"] == "address"})


def _facts(store: events.EventStore) -> Iterator[DoneFact]:
    """Yield the first and the last fact of each account, kind, log and client."""
    for kind, sql in _FACTS.items():
        rows = store.rows(
            "SELECT account, format, platform, version, client, min(ts) AS first_ts, max(ts) AS last_ts "
            f"FROM ({sql}) GROUP BY ALL ORDER BY account, format, platform, version, client"
        )
        for row in rows:
            for ts in sorted({row["first_ts"], row["last_ts"]}):
                yield DoneFact(
                    account=row["account"], kind=kind, done_at=clock.from_ms(ts), by=DoneBy.EVENTS,
                    source=row["format"], platform=row["platform"], client_version=row["version"],
                    reference=row["client"],
                )  # fmt: skip


def _breaches(store: events.EventStore) -> list[Breach]:
    found = []
    for kind in BREACHES:
        rows = store.rows(
            f"SELECT account, count(*) AS n, max(ts) AS last_ts FROM ({_FACTS[kind]}) GROUP BY 1 ORDER BY 1"
        )
        found += [Breach(row["account"], kind, row["n"], row["last_ts"]) for row in rows]
    return found
