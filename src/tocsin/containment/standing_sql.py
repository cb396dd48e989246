"""The SQL of ``standing``: from facts to what is met, to steps, to where each account stands."""

from collections.abc import Iterable

from tocsin.containment import demands
from tocsin.containment.states import STEP_MOVES, StepState
from tocsin.containment.values import DoneBy, DoneKind, MeasureKind, OpenReason

_K, _S, _M = DoneKind, StepState, MeasureKind


def _in(words: Iterable[str]) -> str:
    return "(" + ", ".join(f"'{word}'" for word in words) + ")"


_TO_DONE = _in(state for state, moves in STEP_MOVES.items() if _S.DONE in moves)
_TO_CLOSED = _in((_S.DONE, _S.CONFIRMED))
_IN_FORCE = _in((_S.CONFIRMED, _S.DONE, _S.CLOSED))
_LIFTED = _in((_S.EXEMPT, _S.UNDONE))
_ENDED = _in((_S.EXEMPT, _S.UNDONE, _S.APPEALED))  # of progress: a person decided
_TOLD = _in((DoneBy.CONNECTOR, DoneBy.SHARED_SIGNALS, DoneBy.WEBHOOK))  # who can tell that a system suspended


def _first(*kinds: DoneKind) -> str:
    return f"min(f.done_at) FILTER (WHERE f.kind IN {_in(kinds)})"


def _last(*kinds: DoneKind) -> str:
    return f"max(f.done_at) FILTER (WHERE f.kind IN {_in(kinds)})"


# One row an account of a plan: the moments that matter, of facts since the containment time.
SEEN = f"""
CREATE TEMP TABLE done_seen ON COMMIT DROP AS
SELECT m.plan_id, m.account, m.combination, p.gated, p.enforced_at, p.now_at,
    {_first(_K.SIGNED_IN, _K.PASSWORD_CHANGED)} AS reauthenticated_at, {_first(_K.SIGNED_IN)} AS signed_at,
    {_last(_K.SIGNED_IN)} AS signed_last, {_first(_K.PASSWORD_CHANGED)} AS changed_at,
    {_first(_K.SESSIONS_ENDED)} AS ended_at, {_last(_K.SESSIONS_ENDED)} AS ended_last,
    {_first(_K.KEY_ROTATED)} AS rotated_at, {_last(_K.OLD_SESSION_ACTIVE)} AS old_last,
    min(f.done_at) FILTER (WHERE f.kind = '{_K.SUSPENDED}' AND f.by IN {_TOLD}) AS suspended_at,
    max(f.done_at) FILTER (WHERE f.kind = '{_K.SUSPENDED}' AND f.by IN {_TOLD}) AS suspended_last,
    {_last(_K.SUSPENDED_ACTING)} AS acting_last,
    bool_or(f.kind = '{_K.CLIENT_SEEN}') AS client_seen, count(f.id) AS facts
FROM done_member m JOIN done_plan p USING (plan_id)
LEFT JOIN tocsin_containmentdone f ON f.account = m.account AND f.done_at >= p.since_at
GROUP BY m.plan_id, m.account, m.combination, p.gated, p.enforced_at, p.now_at
"""
STEPS = f"""
CREATE TEMP TABLE done_steps ON COMMIT DROP AS
SELECT s.plan_id, s.account, s.measure, bool_and(s.state IN {_IN_FORCE}) AS in_force,
    max(coalesce(s.confirmed_at, s.done_at)) AS in_force_at,
    min(s.done_at) FILTER (WHERE s.state IN ('{_S.DONE}', '{_S.CLOSED}')) AS done_at
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
# ``stands``: an old session was seen working and nothing shows that it ended since. Behind the gate a sign-in does.
MET = f"""
CREATE TEMP TABLE done_met ON COMMIT DROP AS
SELECT plan_id, account, kind, bool_and(coalesce(met_at <= now_at, false)) AS met, max(met_at) AS met_at,
    min(changed_at) FILTER (WHERE met_at > now_at) AS waiting_at, bool_or(stands) AS stands, bool_or(acting) AS acting
FROM (
    SELECT s.plan_id, s.account, d.kind, s.now_at, s.changed_at, s.stands, s.acting, CASE
        WHEN s.stands AND d.kind IN {_in((_M.REAUTHENTICATE, _M.RESET_PASSWORD, _M.REVOKE_SESSIONS))} THEN NULL
        WHEN s.acting AND d.kind = '{_M.SUSPEND}' THEN NULL
        WHEN d.kind = '{_M.REAUTHENTICATE}' THEN least(s.reauthenticated_at, t.done_at)
        WHEN d.kind = '{_M.RESET_PASSWORD}' THEN least(s.changed_at + d.grace, t.done_at)
        WHEN d.kind = '{_M.REVOKE_SESSIONS}' THEN least(s.ended_at, CASE WHEN d.gated AND s.gated THEN s.signed_at END,
            CASE WHEN NOT d.gated AND t.in_force THEN t.in_force_at END)
        WHEN d.kind = '{_M.ROTATE_KEY}' THEN least(s.rotated_at, t.done_at)
        WHEN d.kind = '{_M.SUSPEND}' THEN least(s.suspended_at, CASE WHEN t.in_force THEN t.in_force_at END,
            CASE WHEN d.gated AND NOT d.connected THEN s.enforced_at END)
        ELSE c.met_at END AS met_at
    FROM (
        SELECT *, coalesce(old_last > coalesce(greatest(ended_last, CASE WHEN gated THEN signed_last END), '-infinity'),
            false) AS stands, coalesce(acting_last > coalesce(suspended_last, '-infinity'), false) AS acting
        FROM done_seen
    ) s JOIN done_demand d USING (plan_id, combination)
    LEFT JOIN done_steps t ON t.plan_id = s.plan_id AND t.account = s.account AND t.measure = d.kind
    LEFT JOIN done_clients c ON c.plan_id = s.plan_id AND c.account = s.account AND c.number = d.number
) each_demand GROUP BY plan_id, account, kind
"""
# Locked in order of id, as the worker's claims are, so that the two never wait for each other in a circle. What a
# connected system says is true of that system only; a sign-in behind the gate ends no session elsewhere.
STEPS_DONE = f"""
WITH due AS (
    SELECT s.id, t.met_at FROM tocsin_containmentstep s
    JOIN done_met t ON t.plan_id = s.plan_id AND t.account = s.account AND t.kind = s.measure AND t.met
    JOIN done_plan p ON p.plan_id = s.plan_id
    WHERE s.state IN {_TO_DONE} AND s.measure <> '{_M.SUSPEND}' AND EXISTS (
        SELECT 1 FROM tocsin_containmentdone f WHERE f.account = s.account AND f.done_at >= p.since_at
        AND (f.by <> '{DoneBy.CONNECTOR}' OR f.source = s.system) AND CASE s.measure
            WHEN '{_M.REAUTHENTICATE}' THEN f.kind IN {_in((_K.SIGNED_IN, _K.PASSWORD_CHANGED))}
            WHEN '{_M.RESET_PASSWORD}' THEN f.kind = '{_K.PASSWORD_CHANGED}'
            WHEN '{_M.REVOKE_SESSIONS}' THEN f.kind = '{_K.SESSIONS_ENDED}'
            WHEN '{_M.ROTATE_KEY}' THEN f.kind = '{_K.KEY_ROTATED}'
            ELSE f.kind = '{_K.CLIENT_SEEN}' END)
    ORDER BY s.id FOR UPDATE OF s
)
UPDATE tocsin_containmentstep s SET state = '{_S.DONE}', state_at = %(now)s, done_at = due.met_at, next_try_at = NULL,
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
