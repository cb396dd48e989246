"""Running a plan: starting it, wave after wave, held by stop rules, paused and resumed by people, closed at the end."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from tocsin.containment import approving, follow_up, holding, lifting, manifest, plans, stop_rules
from tocsin.containment.errors import MoveNotAllowed
from tocsin.containment.states import PlanState, StepState, WaveState
from tocsin.containment.values import LiftReason, MinuteSeen, Plan
from tocsin.journal import commands as journal
from tocsin.journal.values import Assurance, Author
from tocsin.kernel import clock
from tocsin.kernel.language import format_datetime, format_number, gettext as _
from tocsin.kernel.loading import lazily
from tocsin.scopes import queries as scopes
from tocsin.staff import permissions
from tocsin.staff.permissions import Act

models = lazily("tocsin.containment.models")


def start_plan(number: int, *, emergency_reason: str = "", by: Author) -> Plan:
    """Start an approved plan: its first wave begins, and what follows an earlier plan releases who left the scope.

    Everything an approval binds to is checked again. ``emergency_reason`` begins every wave at once, and is kept.
    The gate's list is published by the caller right after (commands.publish_list).
    """
    with transaction.atomic():
        stored = plans.row(number, locked=True)
        check_may_run(stored, by=by)
        if stored.started_at is not None:
            raise MoveNotAllowed(
                _("Plan {number} has been started before.").format(number=number),
                mend=_("`tocsin contain resume {number}` lets a paused plan go on.").format(number=number),
            )
        approving.check_unchanged(stored)
        approving.check_enough(stored)
        approving.move(stored, to=PlanState.RUNNING)
        now = clock.now()
        stored.started_at = stored.watched_since_at = now
        stored.emergency_reason = emergency_reason
        if stored.dry_run["since"] == manifest.AT_START:
            stored.since_at = now
            # What people did between approval and now is before the containment time that holds from here.
            models.ContainmentProgress.objects.filter(plan=stored).delete()
        stored.save(update_fields=["state", "started_at", "watched_since_at", "emergency_reason", "since_at"])
        begun = _begin(stored, all_of_them=bool(emergency_reason), at=now)
        released = _release_left(stored, by=by)
        personal = {"reason": (emergency_reason, plans.entry_about(stored))} if emergency_reason else {}
        facts = {
            "plan": number, "digest": stored.digest, "since_at": stored.since_at.isoformat(), "waves": begun,
            "emergency": bool(emergency_reason), "released": released,
        }  # fmt: skip
        journal.write(
            verb="containment.plan_started", subject=plans.entry_about(stored), by=by, facts=facts, personal=personal
        )
    return plans.plan(number)


def begin_next_wave(number: int, *, reason: str = "", by: Author) -> Plan:
    """Begin the next wave, or hold the plan when a stop rule fired; the plan returned says which.

    Tocsin itself waits as long as the policy says; a person may be earlier, with a ``reason``.
    """
    with transaction.atomic():
        stored = plans.row(number, locked=True)
        check_may_run(stored, by=by)
        if by.assurance == Assurance.MACHINE and not _is_due(stored):
            return plans.plan(number)  # another worker was there first
        if stored.state != PlanState.RUNNING or next_wave(stored) is None:
            raise MoveNotAllowed(
                _("Plan {number} has no wave that could begin now.").format(number=number),
                mend=_("`tocsin contain status {number}` says where it is.").format(number=number),
            )
        if not holding.hold_if_stopped(stored, by=by):
            _check_waited(stored, reason=reason)
            begun = _begin(stored, all_of_them=False, at=clock.now())
            personal = {"reason": (reason, plans.entry_about(stored))} if reason else {}
            facts = {"plan": number, "waves": begun}
            journal.write(
                verb="containment.wave_begun", subject=plans.entry_about(stored), by=by, facts=facts, personal=personal
            )
    return plans.plan(number)


def waves_due() -> tuple[int, ...]:
    """Return the numbers of running plans whose next wave may begin: the last has run as long as the policy says."""
    found = models.ContainmentPlan.objects.filter(state=PlanState.RUNNING).prefetch_related("waves").order_by("number")
    now = clock.now()
    return tuple(each.number for each in found if next_wave(each) is not None and now >= may_begin_at(each))


def _is_due(stored: Any) -> bool:
    running = stored.state == PlanState.RUNNING and next_wave(stored) is not None
    return running and clock.now() >= may_begin_at(stored)


def record_minutes(number: int, *, source: str, minutes: Sequence[MinuteSeen], by: Author) -> Plan:
    """Keep what contained accounts did minute by minute, and hold the plan at once when a stop rule fires."""
    with transaction.atomic():
        stored = plans.row(number, locked=True)
        stop_rules.keep_minutes(stored, source=source, minutes=minutes)
        facts = {
            "plan": number, "source": source, "minutes": len(minutes), "sign_ins": sum(m.sign_ins for m in minutes),
            "failures": sum(m.failures for m in minutes), "resets": sum(m.resets for m in minutes),
        }  # fmt: skip
        journal.write(verb="containment.minutes_recorded", subject=plans.entry_about(stored), by=by, facts=facts)
        if stored.state == PlanState.RUNNING:
            holding.hold_if_stopped(stored, by=by)
    return plans.plan(number)


def pause_plan(number: int, *, reason: str, by: Author) -> Plan:
    """Pause a plan: no wave begins, nothing is sent; what is in force stays in force."""
    with transaction.atomic():
        stored = plans.row(number, locked=True)
        permissions.check(Act.RUN_PLAN, by=by)  # holding back never needs a key
        holding.pause(stored, reason=reason, held=False, by=by)
    return plans.plan(number)


def resume_plan(number: int, *, reason: str, by: Author) -> Plan:
    """Let a paused plan go on; stop rules count anew from now."""
    with transaction.atomic():
        stored = plans.row(number, locked=True)
        check_may_run(stored, by=by)
        if stored.state != PlanState.PAUSED:
            raise MoveNotAllowed(_("Plan {number} is not paused.").format(number=number))
        approving.move(stored, to=PlanState.RUNNING)
        stored.paused_reason, stored.watched_since_at = "", clock.now()
        stored.save(update_fields=["state", "paused_reason", "watched_since_at"])
        stored.waves.filter(state=WaveState.HELD).update(state=WaveState.BEGUN, held_reason="")
        personal = {"reason": (reason, plans.entry_about(stored))}
        journal.write(
            verb="containment.plan_resumed", subject=plans.entry_about(stored), by=by, facts={"plan": number},
            personal=personal,
        )  # fmt: skip
    return plans.plan(number)


def close_plan(number: int, *, reason: str = "", by: Author) -> Plan:
    """Close a plan whose accounts are all safe or let out; with a ``reason``, write off those that are not.

    Suspended accounts stay suspended, old tokens refused, and rules for everyone in force, until it is undone.
    """
    with transaction.atomic():
        stored = plans.row(number, locked=True)
        check_may_run(stored, by=by)
        left = open_accounts(stored)
        if by.assurance == Assurance.MACHINE and (left or stored.state != PlanState.RUNNING):
            return plans.plan(number)  # another worker, or a person, was there first
        if left and not reason:
            raise MoveNotAllowed(
                _("Plan {number} still has {n} accounts that are not safe.").format(
                    number=number, n=format_number(left)
                ),
                mend=_("`tocsin contain status {number}` says why; --reason writes them off.").format(number=number),
            )
        approving.move(stored, to=PlanState.CLOSED)
        stored.closed_at = clock.now()
        stored.save(update_fields=["state", "closed_at"])
        personal = {"reason": (reason, plans.entry_about(stored))} if reason else {}
        journal.write(
            verb="containment.plan_closed", subject=plans.entry_about(stored), by=by,
            facts={"plan": number, "written_off": left}, personal=personal,
        )  # fmt: skip
    return plans.plan(number)


def plans_finished() -> tuple[int, ...]:
    """Return the numbers of running plans in which every account is safe or let out, so that they can be closed."""
    found = models.ContainmentPlan.objects.filter(state=PlanState.RUNNING).prefetch_related("waves").order_by("number")
    return tuple(each.number for each in found if each.accounts and not open_accounts(each))


def open_accounts(stored: Any) -> int:
    """Return how many accounts of a plan are neither safe nor let out."""
    settled = models.ContainmentProgress.objects.filter(plan_id=stored.id, state__in=follow_up.SETTLED).count()
    return max(0, int(stored.accounts) - int(settled))


def check_may_run(stored: Any, *, by: Author) -> None:
    """Raise SignatureNeeded unless the author may run a plan of this size; Tocsin itself goes on with what began."""
    if by.assurance == Assurance.MACHINE and stored.started_at is not None:
        return
    permissions.check(Act.RUN_LARGE_PLAN if approving.is_large(stored) else Act.RUN_PLAN, by=by)


def next_wave(stored: Any) -> Any | None:
    """Return the first wave that waits."""
    return next((wave for wave in plans.waves_of(stored) if wave.state == WaveState.WAITING), None)


def may_begin_at(stored: Any) -> datetime:
    """Return when the next wave may begin: the last one, or a person's resuming, and the policy's wait."""
    begun = [wave.begun_at for wave in plans.waves_of(stored) if wave.begun_at]
    last: datetime = max([*begun, stored.watched_since_at])
    return last + timedelta(minutes=stored.policy["waves"]["wait_minutes"])


def _begin(stored: Any, *, all_of_them: bool, at: datetime) -> list[int]:
    waiting = [wave for wave in plans.waves_of(stored) if wave.state == WaveState.WAITING]
    begun = []
    for wave in waiting if all_of_them else waiting[:1]:
        wave.state, wave.begun_at = WaveState.BEGUN, at
        wave.save(update_fields=["state", "begun_at"])
        begun.append(wave.number)
    return begun


def _check_waited(stored: Any, *, reason: str) -> None:
    at = may_begin_at(stored)
    if clock.now() >= at or reason:
        return
    raise MoveNotAllowed(
        _("The wave that runs is watched until {at}.").format(at=format_datetime(at)),
        mend=_("Wait, or say why not with --reason."),
    )


def _release_left(stored: Any, *, by: Author) -> int:
    """Let out of earlier plans who is not in this plan's revision any more; they stay in force for the others."""
    count = 0
    revision = scopes.revision(stored.incident.number, number=stored.revision.number)
    scope = follow_up.scope_rows(revision)
    for earlier in follow_up.earlier_rows(stored.incident.number):
        if earlier.number >= stored.number:
            continue
        for accounts in follow_up.released_accounts(earlier, scope=scope):
            count += lifting.lift(
                earlier, accounts=accounts, state=StepState.UNDONE, reason=LiftReason.LEFT_SCOPE.value,
                verb="containment.accounts_released", by=by,
            )  # fmt: skip
    return count
