"""The SQL of ``standing``: from facts to what is met, to steps, to where each account stands."""

from collections.abc import Iterable

from tocsin.containment import demands
from tocsin.containment.states import STEP_MOVES, StepState
from tocsin.containment.values import DoneBy, DoneKind, MeasureKind, OpenReason

_K, _S, _M = DoneKind, StepState, MeasureKind


def _in(words: Iterable[str]) -> str:
    return "(" + ", ".join(f"'{word}'" for word in words) + ")"


_TO_DONE = _in(state for state, moves in STEP_MOVES.items() if _S.DONE in moves)
# What is in force stays so: only then can it still be undone.
_TO_CLOSED = _in((_S.DONE,))
_IN_FORCE = _in((_S.CONFIRMED, _S.DONE, _S.CLOSED))
_LIFTED_STATES = (_S.EXEMPT, _S.UNDONE)
_LIFTED = _in(_LIFTED_STATES)
_ENDED = _in((_S.EXEMPT, _S.UNDONE, _S.APPEALED))  # of progress: a person decided
_TOLD = _in((DoneBy.CONNECTOR, DoneBy.SHARED_SIGNALS, DoneBy.WEBHOOK))  # who can tell that a system suspended


_FITTING = " ".join(  # the facts that do what a measure asks
    f"WHEN '{measure}' THEN f.kind IN {_in(kinds)}"
    for measure, kinds in {
        _M.REAUTHENTICATE: (_K.SIGNED_IN, _K.PASSWORD_CHANGED),
        _M.RESET_PASSWORD: (_K.PASSWORD_CHANGED,),
        _M.REVOKE_SESSIONS: (_K.SESSIONS_ENDED,),
        _M.ROTATE_KEY: (_K.KEY_ROTATED,),
    }.items()
)


_ELSEWHERE = f"f.by <> '{DoneBy.CONNECTOR}'"  # what a connected system tells is true of that system only


def _first(*kinds: DoneKind, told: str = _ELSEWHERE) -> str:
    return f"min(f.done_at) FILTER (WHERE f.kind IN {_in(kinds)} AND {told})"


def _last(*kinds: DoneKind, told: str = _ELSEWHERE) -> str:
    return f"max(f.done_at) FILTER (WHERE f.kind IN {_in(kinds)} AND {told})"


# One row an account of a plan: the moments that matter, of facts since the containment time. ``any_`` is of whatever
# source: it counts where no connected system is asked.
SEEN = f"""
CREATE TEMP TABLE done_seen ON COMMIT DROP AS
SELECT m.plan_id, m.account, m.combination, p.gated, p.enforced_at, p.now_at,
    {_first(_K.SIGNED_IN, _K.PASSWORD_CHANGED)} AS reauthenticated_at, {_first(_K.SIGNED_IN)} AS signed_at,
    {_last(_K.SIGNED_IN)} AS signed_last, {_first(_K.PASSWORD_CHANGED)} AS changed_at,
    {_first(_K.SESSIONS_ENDED)} AS ended_at, {_last(_K.SESSIONS_ENDED)} AS ended_last,
    {_first(_K.KEY_ROTATED)} AS rotated_at, {_last(_K.OLD_SESSION_ACTIVE)} AS old_last,
    {_first(_K.SIGNED_IN, _K.PASSWORD_CHANGED, told="true")} AS any_reauthenticated_at,
    {_first(_K.PASSWORD_CHANGED, told="true")} AS any_changed_at,
    {_first(_K.SESSIONS_ENDED, told="true")} AS any_ended_at,
    {_last(_K.SESSIONS_ENDED, told="true")} AS any_ended_last, {_first(_K.KEY_ROTATED, told="true")} AS any_rotated_at,
    {_first(_K.SUSPENDED, told=f"f.by IN {_TOLD}")} AS any_suspended_at,
    {_last(_K.SUSPENDED, told=f"f.by IN {_TOLD}")} AS suspended_last,
    {_first(_K.SUSPENDED, told=f"f.by IN {_TOLD} AND {_ELSEWHERE}")} AS suspended_at,
    {_last(_K.SUSPENDED_ACTING)} AS acting_last,
    bool_or(f.kind = '{_K.CLIENT_SEEN}') AS client_seen, count(f.id) AS facts
FROM done_member m JOIN done_plan p USING (plan_id)
LEFT JOIN tocsin_containmentdone f ON f.account = m.account AND f.done_at >= p.since_at
GROUP BY m.plan_id, m.account, m.combination, p.gated, p.enforced_at, p.now_at
"""
# By when every connected system of a demand told that it is done there; those a person exempted need not. ``last_at``
# is the same of the last time each told it.
TOLD = f"""
CREATE TEMP TABLE done_told ON COMMIT DROP AS
SELECT plan_id, account, number, max(first_at) AS all_at, min(last_at) AS last_at FROM (
SELECT plan_id, account, number, system, min(first_at) AS first_at, max(last_at) AS last_at FROM (
    SELECT m.plan_id, m.account, d.number, y.system, min(f.done_at) AS first_at, max(f.done_at) AS last_at
    FROM done_member m JOIN done_demand d USING (plan_id, combination) JOIN done_system y USING (number)
    JOIN done_plan p USING (plan_id) JOIN tocsin_containmentdone f ON f.account = m.account AND f.source = y.system
        AND f.by = '{DoneBy.CONNECTOR}' AND f.done_at >= p.since_at
        AND CASE d.kind {_FITTING} WHEN '{_M.SUSPEND}' THEN f.kind = '{_K.SUSPENDED}' ELSE false END
    GROUP BY 1, 2, 3, 4
    UNION ALL
    SELECT m.plan_id, m.account, d.number, y.system, s.done_at - d.grace, s.done_at - d.grace
    FROM done_member m JOIN done_demand d USING (plan_id, combination) JOIN done_system y USING (number)
    JOIN tocsin_containmentstep s ON s.plan_id = m.plan_id AND s.account = m.account AND s.system = y.system
        AND s.measure = d.kind AND s.state IN {_in((_S.DONE, _S.CLOSED, *_LIFTED_STATES))}
) each_source GROUP BY 1, 2, 3, 4) each_system
JOIN (SELECT number, count(*) AS systems FROM done_system GROUP BY 1) asked USING (number)
GROUP BY plan_id, account, number, systems HAVING count(*) = systems
"""
STEPS = f"""
CREATE TEMP TABLE done_steps ON COMMIT DROP AS
SELECT s.plan_id, s.account, s.measure, bool_and(s.state IN {_IN_FORCE}) AS in_force,
    max(coalesce(s.confirmed_at, s.done_at)) AS in_force_at
FROM tocsin_containmentstep s JOIN done_member m USING (plan_id, account)
WHERE s.state NOT IN {_LIFTED} GROUP BY 1, 2, 3
"""
# A newer client counts when it is of the platform asked for; another client when the retired one was not seen after it.
CLIENTS = f"""
CREATE TEMP TABLE done_clients ON COMMIT DROP AS
SELECT m.plan_id, m.account, d.number,
    CASE WHEN d.kind = '{_M.UPDATE_CLIENT}' THEN min(f.done_at) FILTER (WHERE v.version IS NOT NULL)
    ELSE min(f.done_at) FILTER (
        WHERE f.reference NOT IN ('', d.client) AND f.done_at > coalesce(o.old_last, '-infinity')) END AS met_at
FROM done_member m JOIN done_demand d USING (plan_id, combination) JOIN done_plan p USING (plan_id)
JOIN tocsin_containmentdone f ON f.account = m.account AND f.kind = '{_K.CLIENT_SEEN}' AND f.done_at >= p.since_at
    AND (d.platform = '' OR lower(f.platform) = d.platform)
LEFT JOIN done_recent v ON v.version_min = d.version_min AND v.version = f.client_version
LEFT JOIN LATERAL (
    SELECT max(old.done_at) AS old_last FROM tocsin_containmentdone old
    WHERE d.kind = '{_M.RETIRE_CLIENT}' AND old.account = m.account AND old.kind = '{_K.CLIENT_SEEN}'
    AND old.reference = d.client AND (d.platform = '' OR lower(old.platform) = d.platform)) o ON true
WHERE d.kind IN {_in(sorted(demands.OF_CLIENTS))} GROUP BY m.plan_id, m.account, d.number, d.kind
"""


def _told(moment: str) -> str:
    """Return the moment a fact counts from, which a connected system's does only where none is asked."""
    return f"CASE WHEN d.connected THEN s.{moment} ELSE s.any_{moment} END"


# ``stands``: an old session was seen working and nothing shows that it ended since. Behind the gate a sign-in does.
MET = f"""
CREATE TEMP TABLE done_met ON COMMIT DROP AS
SELECT plan_id, account, kind, bool_and(coalesce(met_at <= now_at, false)) AS met, max(met_at) AS met_at,
    min(met_at) FILTER (WHERE met_at > now_at) AS waiting_at, bool_or(stands) AS stands, bool_or(acting) AS acting,
    max(grace) AS grace
FROM (
    SELECT s.plan_id, s.account, d.kind, d.grace, s.now_at, s.stands, s.acting, CASE
        WHEN s.stands AND d.kind IN {_in((_M.REAUTHENTICATE, _M.RESET_PASSWORD, _M.REVOKE_SESSIONS))} THEN NULL
        WHEN s.acting AND d.kind = '{_M.SUSPEND}' THEN NULL
        WHEN d.kind = '{_M.REAUTHENTICATE}' THEN least(y.all_at, {_told("reauthenticated_at")})
        WHEN d.kind = '{_M.RESET_PASSWORD}' THEN least(y.all_at, {_told("changed_at")}) + d.grace
        WHEN d.kind = '{_M.REVOKE_SESSIONS}' THEN least(y.all_at, {_told("ended_at")},
            CASE WHEN d.gated AND s.gated THEN s.signed_at END,
            CASE WHEN NOT d.gated AND t.in_force THEN t.in_force_at END)
        WHEN d.kind = '{_M.ROTATE_KEY}' THEN least(y.all_at, {_told("rotated_at")})
        WHEN d.kind = '{_M.SUSPEND}' THEN least(y.all_at, {_told("suspended_at")},
            CASE WHEN t.in_force THEN t.in_force_at END,
            CASE WHEN d.gated AND NOT d.connected THEN s.enforced_at END)
        ELSE c.met_at END AS met_at
    FROM (
        SELECT done_seen.*, coalesce(old_last > coalesce(greatest(CASE WHEN asked.connected THEN ended_last
                ELSE any_ended_last END, CASE WHEN gated THEN signed_last END, ended.last_at), '-infinity'), false)
            AS stands,
            coalesce(acting_last > coalesce(suspended_last, '-infinity'), false) AS acting
        FROM done_seen
        JOIN (SELECT plan_id, combination,
            coalesce(bool_or(connected) FILTER (WHERE kind = '{_M.REVOKE_SESSIONS}'), false) AS connected
            FROM done_demand GROUP BY 1, 2) asked USING (plan_id, combination)
        LEFT JOIN (SELECT plan_id, account, min(last_at) AS last_at
            FROM done_told JOIN done_demand USING (plan_id, number)
            WHERE kind = '{_M.REVOKE_SESSIONS}' GROUP BY 1, 2) ended USING (plan_id, account)
    ) s JOIN done_demand d USING (plan_id, combination)
    LEFT JOIN done_steps t ON t.plan_id = s.plan_id AND t.account = s.account AND t.measure = d.kind
    LEFT JOIN done_told y ON y.plan_id = s.plan_id AND y.account = s.account AND y.number = d.number
    LEFT JOIN done_clients c ON c.plan_id = s.plan_id AND c.account = s.account AND c.number = d.number
) each_demand GROUP BY plan_id, account, kind
"""
# Locked in order of id, as the worker's claims are, so that the two never wait for each other in a circle. A sign-in
# behind the gate ends no session elsewhere, and a step of one system is done by what that system tells.
STEPS_DONE = f"""
WITH due AS (
    SELECT s.id, told.done_at FROM tocsin_containmentstep s
    JOIN done_met t ON t.plan_id = s.plan_id AND t.account = s.account AND t.kind = s.measure
    JOIN done_plan p ON p.plan_id = s.plan_id
    CROSS JOIN LATERAL (
        SELECT min(f.done_at) + t.grace AS done_at FROM tocsin_containmentdone f
        WHERE f.account = s.account AND f.done_at >= p.since_at
        AND CASE WHEN f.by = '{DoneBy.CONNECTOR}' THEN f.source = s.system ELSE t.met END
        AND CASE s.measure {_FITTING} WHEN '{_M.SUSPEND}' THEN false ELSE t.met AND f.kind = '{_K.CLIENT_SEEN}' END
    ) told
    WHERE s.state IN {_TO_DONE} AND told.done_at <= p.now_at ORDER BY s.id FOR UPDATE OF s
)
UPDATE tocsin_containmentstep s SET state = '{_S.DONE}', state_at = %(now)s, done_at = due.done_at, next_try_at = NULL,
    lease_until = NULL, claimed_by = '' FROM due WHERE s.id = due.id
"""
# Nothing is left on a connected system: every step made is in force, and the steps of the account's wave are all made.
_SHOWN = "steps.unreachable IS NULL AND w.begun_at IS NOT NULL AND (w.steps_made_at IS NOT NULL OR NOT d.connected)"
STANDING = f"""
CREATE TEMP TABLE done_standing ON COMMIT DROP AS
SELECT m.plan_id, m.account, m.combination, m.wave, m.platform, met.measures_done, CASE
    WHEN met.all_met AND {_SHOWN} THEN '{_S.CLOSED}' WHEN met.all_met THEN '{_S.DONE}' ELSE '{_S.PLANNED}' END AS state,
    CASE WHEN met.stands THEN '{OpenReason.OLD_SESSION_ACTIVE}' WHEN met.acting THEN '{OpenReason.SUSPENDED_ACTING}'
    WHEN met.all_met AND {_SHOWN} THEN '' WHEN steps.unreachable THEN '{OpenReason.SYSTEM_UNREACHABLE}'
    WHEN steps.refused THEN '{OpenReason.SYSTEM_REFUSED}' WHEN met.all_met THEN '{OpenReason.SYSTEM_WAITING}'
    WHEN met.waiting_at IS NOT NULL THEN '{OpenReason.OLD_PASSWORD_GRACE}'
    WHEN s.client_seen AND met.client_open THEN '{OpenReason.CLIENT_NOT_UPDATED}'
    WHEN met.only_suspended THEN '{OpenReason.SYSTEM_WAITING}'
    WHEN s.facts > 0 THEN '{OpenReason.NOT_DONE}' ELSE '{OpenReason.NEVER_SEEN}' END AS reason
FROM done_member m JOIN done_seen s USING (plan_id, account, combination) JOIN (
    SELECT plan_id, account, bool_and(met) AS all_met, min(waiting_at) AS waiting_at, bool_or(stands) AS stands,
        bool_or(acting AND kind = '{_M.SUSPEND}') AS acting, bool_and(kind = '{_M.SUSPEND}') AS only_suspended,
        bool_or(NOT met AND kind IN {_in(sorted(demands.OF_CLIENTS))}) AS client_open,
        coalesce(jsonb_object_agg(kind, to_char(met_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'))
            FILTER (WHERE met), '{{}}') AS measures_done
    FROM done_met GROUP BY 1, 2
) met USING (plan_id, account)
LEFT JOIN (
    SELECT plan_id, account, bool_or(state = '{_S.UNREACHABLE}') AS unreachable,
        bool_or(state = '{_S.REFUSED}') AS refused
    FROM tocsin_containmentstep JOIN done_member USING (plan_id, account)
    WHERE state NOT IN {_in((_S.CONFIRMED, _S.DONE, _S.CLOSED, _S.EXEMPT, _S.UNDONE))} GROUP BY 1, 2
) steps USING (plan_id, account)
JOIN (SELECT plan_id, combination, bool_or(connected) AS connected FROM done_demand GROUP BY 1, 2) d
    USING (plan_id, combination)
JOIN tocsin_containmentwave w ON w.plan_id = m.plan_id AND w.number = m.wave
"""
LOCKED = """
SELECT p.id FROM tocsin_containmentprogress p JOIN done_standing USING (plan_id, account) ORDER BY p.id FOR UPDATE OF p
"""
KEPT = f"""
WITH before AS (
    SELECT p.plan_id, p.account, p.state FROM tocsin_containmentprogress p JOIN done_standing USING (plan_id, account)
), kept AS (
    INSERT INTO tocsin_containmentprogress AS p
        (plan_id, account, combination, wave, platform, measures_done, state, state_at, reason)
    SELECT plan_id, account, combination, wave, platform, measures_done, state, %(now)s, reason FROM done_standing
    ORDER BY plan_id, account
    ON CONFLICT (plan_id, account) DO UPDATE SET measures_done = excluded.measures_done, reason = excluded.reason,
        state = excluded.state, state_at = excluded.state_at
    WHERE p.state NOT IN {_ENDED}
        AND (p.state, p.reason, p.measures_done)
            IS DISTINCT FROM (excluded.state, excluded.reason, excluded.measures_done)
    RETURNING p.plan_id, p.account, p.state
)
SELECT count(*), count(*) FILTER (WHERE kept.state = '{_S.DONE}' AND before.state IS DISTINCT FROM '{_S.DONE}'),
    count(*) FILTER (WHERE kept.state = '{_S.CLOSED}' AND before.state IS DISTINCT FROM '{_S.CLOSED}'),
    count(*) FILTER (WHERE kept.state = '{_S.PLANNED}' AND before.state IN {_in((_S.DONE, _S.CLOSED))})
FROM kept LEFT JOIN before USING (plan_id, account)
"""
STEPS_CLOSED = f"""
WITH due AS (
    SELECT s.id FROM tocsin_containmentstep s JOIN done_standing n ON n.plan_id = s.plan_id AND n.account = s.account
    JOIN tocsin_containmentprogress p ON p.plan_id = s.plan_id AND p.account = s.account AND p.state = '{_S.CLOSED}'
    WHERE n.state = '{_S.CLOSED}' AND s.state IN {_TO_CLOSED} ORDER BY s.id FOR UPDATE OF s
)
UPDATE tocsin_containmentstep s SET state = '{_S.CLOSED}', state_at = %(now)s, next_try_at = NULL FROM due
WHERE s.id = due.id
"""
