"""Claiming steps on a connected system and settling them: rows only, no system is spoken to here.

Claim with a lease, commit, act, settle. A step whose lease ended is claimed again in the state it was left in:
``sending`` means that nobody knows whether it arrived, and is read back before anything is sent.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from tocsin.containment.ports import Order
from tocsin.containment.settling import ClaimedStep, Settled
from tocsin.containment.states import StepState
from tocsin.containment.values import DoneFact, Measure, MeasureKind, StepReason
from tocsin.journal import commands as journal
from tocsin.journal.values import MACHINE
from tocsin.kernel import clock

# Another plan wants the same of the same account there: what is in force is not lifted while it does.
_HELD_BY_ANOTHER = """
EXISTS (SELECT 1 FROM tocsin_containmentstep other JOIN tocsin_containmentplan holder ON holder.id = other.plan_id
         WHERE other.account = step.account AND other.system = step.system AND other.measure = step.measure
           AND other.plan_id <> step.plan_id AND other.details = step.details
           AND (other.state IN ('sending', 'sent', 'confirmed') AND holder.state IN ('running', 'paused', 'closed')
                OR other.state = 'planned' AND holder.state IN ('running', 'paused')))
"""
# Due steps of one system, oldest try first and the riskiest of a wave first (index containment_step_due). What is
# planned is sent only while its plan runs and its wave goes on; reading back and undoing never stop.
_CLAIM = """
WITH due AS MATERIALIZED (
  SELECT step.id, step.state AS before, step.state_at AS since, plan.since_at, plan.number AS plan, plan.revision_id
    FROM tocsin_containmentstep step
    JOIN tocsin_containmentplan plan ON plan.id = step.plan_id
    JOIN tocsin_containmentwave wave ON wave.plan_id = step.plan_id AND wave.number = step.wave
   WHERE step.system = %(system)s AND step.next_try_at <= %(now)s
     AND (step.state <> 'planned' OR (plan.state = 'running' AND wave.state = 'begun' AND NOT EXISTS (
          SELECT 1 FROM tocsin_containmentstep other WHERE other.account = step.account AND other.state = 'undoing'
             AND other.system = step.system AND other.measure = step.measure)))  -- else it is lifted after we took it
   ORDER BY step.next_try_at, step.id
   LIMIT %(limit)s
     FOR UPDATE OF step SKIP LOCKED)
UPDATE tocsin_containmentstep step
   SET state = CASE step.state WHEN 'planned' THEN 'sending' ELSE step.state END,
       state_at = CASE step.state WHEN 'planned' THEN %(now)s ELSE step.state_at END,
       lease_until = %(until)s, next_try_at = %(until)s, claimed_by = %(worker)s
  FROM due
 WHERE step.id = due.id
RETURNING step.id, due.plan, due.before, due.since, due.since_at, due.revision_id, step.account, step.system,
          step.measure, step.details, step.tries, step.reason
"""
# Only what this worker still holds is settled: a fact of done, or another worker after our lease, may have moved it.
_SETTLE = """
UPDATE tocsin_containmentstep step
   SET state = settled.state, state_at = CASE WHEN step.state = settled.state THEN step.state_at ELSE %(now)s END,
       tries = settled.tries, next_try_at = settled.next_try_at, reason = settled.reason,
       confirmed_at = CASE WHEN settled.confirmed THEN %(now)s ELSE step.confirmed_at END,
       lease_until = NULL, claimed_by = ''
  FROM unnest(%(ids)s::uuid[], %(was)s::text[], %(states)s::text[], %(tries)s::int[], %(next)s::timestamptz[],
              %(reasons)s::text[], %(confirmed)s::bool[])
       AS settled(id, was, state, tries, next_try_at, reason, confirmed)
 WHERE step.id = settled.id AND step.claimed_by = %(worker)s AND step.state = settled.was
RETURNING step.id
"""
# "So before us" is not said of what another plan of ours brought about: the last one to be undone lifts it.
_OURS = """
UPDATE tocsin_containmentstep step SET reason = ''
 WHERE step.id = ANY(%(ids)s::uuid[]) AND step.reason = %(held_already)s AND EXISTS (
       SELECT 1 FROM tocsin_containmentstep other
        WHERE other.account = step.account AND other.system = step.system AND other.measure = step.measure
          AND other.id <> step.id AND other.details = step.details
          AND (other.reason = %(still_held)s
               OR other.reason <> %(held_already)s AND other.state IN ('sending', 'sent', 'confirmed')))
"""
# What was lifted while it was on its way is undone as soon as it has arrived.
_UNWANTED = f"""
UPDATE tocsin_containmentstep step
   SET state = CASE WHEN step.state = 'planned' OR {_HELD_BY_ANOTHER} THEN 'undone' ELSE 'undoing' END,
       state_at = %(now)s, tries = 0,
       reason = CASE WHEN step.state <> 'planned' AND step.reason <> %(held_already)s AND {_HELD_BY_ANOTHER}
                     THEN %(still_held)s ELSE step.reason END,
       next_try_at = CASE WHEN step.state = 'planned' OR {_HELD_BY_ANOTHER} THEN NULL ELSE %(now)s END
  FROM tocsin_containmentplan plan
 WHERE step.id = ANY(%(ids)s::uuid[]) AND plan.id = step.plan_id AND step.state IN ('planned', 'sent', 'confirmed')
   AND (plan.state = 'undone' OR EXISTS (
        SELECT 1 FROM tocsin_containmentprogress progress
         WHERE progress.plan_id = step.plan_id AND progress.account = step.account
           AND progress.state IN ('undone', 'exempt')))
"""
_UNDO = f"""
UPDATE tocsin_containmentstep step
   SET state = CASE WHEN {{gone}} OR {_HELD_BY_ANOTHER} THEN 'undone' ELSE 'undoing' END,
       state_at = %(now)s, tries = 0, lease_until = NULL, claimed_by = '',
       reason = CASE WHEN NOT ({{gone}}) AND reason <> %(held_already)s AND {_HELD_BY_ANOTHER}
                     THEN %(still_held)s ELSE reason END,
       next_try_at = CASE WHEN {{gone}} OR {_HELD_BY_ANOTHER} THEN NULL ELSE %(now)s END
 WHERE plan_id = %(plan)s AND (%(everybody)s OR account = ANY(%(accounts)s::text[]))
   AND state IN ('planned', 'sent', 'confirmed', 'unreachable', 'refused', 'appealed')
   AND NOT starts_with(reason, %(cannot)s)
""".format(gone="state IN ('planned', 'refused') OR reason = %(not_known)s")
_LOCK = 0x756E646F  # "undo": of two plans undone at once, the second must see that the first holds nothing any more
_WORDS = {"held_already": StepReason.HELD_ALREADY.value, "still_held": StepReason.STILL_HELD.value}


def claim_steps(system: str, *, limit: int, lease_seconds: float, worker: str) -> list[ClaimedStep]:
    """Claim what is due on one system for a worker, committed on return; at most ``limit``, the most urgent first."""
    now = clock.now()
    given = {
        "system": system, "now": now, "limit": limit, "worker": worker, "until": now + timedelta(seconds=lease_seconds)
    }  # fmt: skip
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_CLAIM, given)
        names = [column.name for column in cursor.description]
        rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    return [_claimed(row) for row in sorted(rows, key=lambda row: str(row["id"]))]


def _claimed(row: Mapping[str, Any]) -> ClaimedStep:
    details = row["details"] if isinstance(row["details"], dict) else json.loads(row["details"])
    kind = MeasureKind(row["measure"])
    # The plan's number: what was undone and is asked anew must not be taken for a message that came twice.
    text = "\0".join((kind, row["account"], row["system"], str(row["revision_id"]), str(row["plan"])))
    order = Order(
        account=row["account"], measure=Measure(kind, **details), since_at=row["since_at"],
        key=hashlib.sha256(text.encode()).hexdigest(),
    )  # fmt: skip
    before = StepState(row["before"])
    return ClaimedStep(row["id"], row["plan"], order, before, row["since"], row["tries"], row["reason"])


def settle_steps(
    settled: Sequence[tuple[ClaimedStep, Settled]],
    *,
    system: str,
    worker: str,
    verb: str,
    facts: Sequence[DoneFact] = (),
    record: Callable[[Sequence[DoneFact]], int] | None = None,
) -> int:
    """Settle claimed steps in one transaction with one journal entry, and return how many were still ours.

    ``verb`` says what was done to them. ``facts`` that reading back showed are recorded in the same transaction.
    """
    if not settled:
        return 0
    with transaction.atomic():
        ours = _update(settled, worker=worker)
        kept = [(step, to) for step, to in settled if step.id in ours]
        if kept:
            _settle_among_plans([step.id for step, _to in kept])
            _write(kept, system=system, verb=verb)
        if facts and record is not None:
            record(facts)
    return len(kept)


def _update(settled: Sequence[tuple[ClaimedStep, Settled]], *, worker: str) -> set[UUID]:
    was = [StepState.SENDING if step.before is StepState.PLANNED else step.before for step, _to in settled]
    with connection.cursor() as cursor:
        cursor.execute(
            _SETTLE,
            {
                "now": clock.now(), "worker": worker, "was": was, "ids": [to.id for _step, to in settled],
                "states": [to.state for _step, to in settled], "tries": [to.tries for _step, to in settled],
                "next": [to.next_try_at for _step, to in settled], "reasons": [to.reason for _step, to in settled],
                "confirmed": [to.confirmed for _step, to in settled],
            },
        )  # fmt: skip
        return {row[0] for row in cursor.fetchall()}


def _settle_among_plans(ids: list[UUID]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(_OURS, {"ids": ids, **_WORDS})
        cursor.execute(_UNWANTED, {"ids": ids, "now": clock.now(), **_WORDS})


def _write(kept: Sequence[tuple[ClaimedStep, Settled]], *, system: str, verb: str) -> None:
    counts = Counter(str(to.state) for _step, to in kept)
    facts = {"system": system, "states": dict(sorted(counts.items())), "plans": sorted({step.plan for step, _ in kept})}
    rows = [
        (
            json.dumps(
                {
                    "account": step.order.account, "measure": step.order.measure.kind, "key": step.order.key,
                    "state": to.state, "reason": to.reason,
                },
                sort_keys=True,
            ),
            f"account:{step.order.account}",
        )
        for step, to in kept
    ]  # fmt: skip
    journal.write(verb=verb, subject=f"connected_system:{system}", by=MACHINE, facts=facts, rows=rows)


def undo_steps(plan_id: UUID, *, accounts: Sequence[str] | None = None) -> int:
    """Mark the steps of a plan, or of some of its accounts, to be lifted; the caller's transaction and journal entry.

    What was never sent, or another plan in force asks for too, is undone at once; the rest is ``undoing`` until its
    system lifted it. What a worker holds just now is lifted when it has arrived. Returns how many steps moved.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
        cursor.execute(
            _UNDO,
            {
                "plan": plan_id, "now": clock.now(), "not_known": StepReason.NOT_KNOWN,
                "cannot": StepReason.CANNOT_BE_UNDONE, "everybody": accounts is None, "accounts": list(accounts or ()),
                **_WORDS,
            },
        )  # fmt: skip
        return int(cursor.rowcount)


def steps_waiting() -> dict[str, tuple[int, datetime]]:
    """Return per system how many steps are still to be sent, read back or undone, and when the next is due."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT system, count(*), min(next_try_at) FROM tocsin_containmentstep WHERE next_try_at IS NOT NULL "
            "GROUP BY 1 ORDER BY 1"
        )
        return {system: (count, next_at) for system, count, next_at in cursor.fetchall()}


def known_accounts(system: str, *, accounts: Sequence[str]) -> set[str]:
    """Return those of ``accounts`` that have a step on this system."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT DISTINCT account FROM tocsin_containmentstep WHERE system = %s AND account = ANY(%s::text[])",
            [system, list(accounts)],
        )
        return {row[0] for row in cursor.fetchall()}
