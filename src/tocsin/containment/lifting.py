"""Letting accounts out: undoing a plan or some of its accounts, releasing, appeals and what is decided on them.

At the gate this holds from the next change that is published, seconds later; connected systems lift what they can.
"""

import hashlib
from collections.abc import Sequence
from typing import Any

from django.db import transaction

from tocsin.containment import approving, drawing, holding, plans, sending
from tocsin.containment.errors import MoveNotAllowed, NotInPlan
from tocsin.containment.follow_up import rows_of
from tocsin.containment.states import AppealState, PlanState, StepState
from tocsin.containment.values import LiftReason, Plan
from tocsin.events.queries import EventStore, quoted
from tocsin.journal import commands as journal
from tocsin.journal.values import Author
from tocsin.kernel import clock
from tocsin.kernel.language import gettext as _
from tocsin.kernel.loading import lazily
from tocsin.staff import permissions
from tocsin.staff.permissions import Act

models = lazily("tocsin.containment.models")

JOURNAL_ROWS_MAX = 10_000  # of one entry; above, the entry carries the hash of the sorted names
_LIFTED = (StepState.UNDONE, StepState.EXEMPT)


def undo_plan(number: int, *, accounts: Sequence[str] | None = None, reason: str, by: Author) -> Plan:
    """Undo a whole plan, or contain some of its accounts no longer: the measure was wrong, or not needed."""
    with transaction.atomic():
        stored = plans.row(number, locked=True)
        _check_may_lift(stored, accounts=accounts, by=by)
        if accounts is None:
            approving.move(stored, to=PlanState.UNDONE)
            stored.save(update_fields=["state"])
            steps = sending.undo_steps(stored.id)
            journal.write(
                verb="containment.plan_undone", subject=plans.entry_about(stored), by=by,
                facts={"plan": number, "accounts": stored.accounts, "steps": steps},
                personal={"reason": (reason, plans.entry_about(stored))},
            )  # fmt: skip
        else:
            text = f"{LiftReason.UNDONE.value}: {reason}"
            lift(
                stored, accounts=accounts, state=StepState.UNDONE, reason=text, verb="containment.accounts_undone",
                by=by,
            )  # fmt: skip
    return plans.plan(number)


def release_accounts(number: int, *, accounts: Sequence[str], reason: str, by: Author) -> Plan:
    """Ask nothing more of some accounts, though they are affected: somebody made sure of them in another way."""
    with transaction.atomic():
        stored = plans.row(number, locked=True)
        _check_may_lift(stored, accounts=accounts, by=by)
        text = f"{LiftReason.RELEASED.value}: {reason}"
        lift(
            stored, accounts=accounts, state=StepState.EXEMPT, reason=text, verb="containment.accounts_released",
            by=by,
        )  # fmt: skip
    return plans.plan(number)


def appeal(number: int, *, account: str, text: str, by: Author) -> Plan:
    """Record that somebody objects to being contained; the account stays contained until a person decides."""
    permissions.check(Act.WRITE_APPEAL, by=by)
    with transaction.atomic():
        stored = plans.row(number, locked=True)
        _check_in_force(stored)
        if models.ContainmentProgress.objects.filter(plan=stored, account=account, state__in=_LIFTED).exists():
            raise MoveNotAllowed(  # it would be contained again
                _("{account} has been let out of plan {number} already.").format(account=account, number=number)
            )
        _put_progress(stored, accounts=[account], state=StepState.APPEALED, reason="")
        made, new = models.ContainmentAppeal.objects.get_or_create(
            plan=stored, account=account, state=AppealState.WAITING,
            defaults={"text": text, "made_at": clock.now(), "by": by.name},
        )  # fmt: skip
        if new:
            person = f"account:{account}"
            journal.write(
                verb="containment.account_appealed", subject=plans.entry_about(stored), by=by,
                facts={"plan": number, "appeal": str(made.id)},
                personal={"account": (account, person), "text": (text, person)},
            )  # fmt: skip
            if stored.state == PlanState.RUNNING:
                holding.hold_if_stopped(stored, by=by)
    return plans.plan(number)


def decide_appeal(number: int, *, account: str, uphold: bool, reason: str, by: Author) -> Plan:
    """Uphold a waiting appeal (the account is let out) or reject it (it stays contained), with the reason."""
    permissions.check(Act.LIFT_MEASURES, by=by)
    with transaction.atomic():
        stored = plans.row(number, locked=True)
        waiting = models.ContainmentAppeal.objects.select_for_update().filter(
            plan=stored, account=account, state=AppealState.WAITING
        )
        made = waiting.first()
        if made is None:
            raise MoveNotAllowed(
                _("No appeal of {account} waits for a decision.").format(account=account),
                mend=_("Record it first: tocsin contain appeal {number} --account ACCOUNT --text ...").format(
                    number=number
                ),
            )
        made.state = AppealState.UPHELD if uphold else AppealState.REJECTED
        made.decided_at, made.reason = clock.now(), reason
        made.save(update_fields=["state", "decided_at", "reason"])
        if uphold:
            text = f"{LiftReason.APPEAL_UPHELD.value}: {reason}"
            lift(
                stored, accounts=[account], state=StepState.UNDONE, reason=text, verb="containment.appeal_upheld", by=by
            )
        else:
            _put_progress(stored, accounts=[account], state=StepState.PLANNED, reason="")
            person = f"account:{account}"
            journal.write(
                verb="containment.appeal_rejected", subject=plans.entry_about(stored), by=by,
                facts={"plan": number, "appeal": str(made.id)},
                personal={"account": (account, person), "reason": (reason, person)},
            )  # fmt: skip
    return plans.plan(number)


def lift(stored: Any, *, accounts: Sequence[str], state: StepState, reason: str, verb: str, by: Author) -> int:
    """Let accounts out of a plan in the caller's transaction, with its journal entry; return how many were in."""
    held = models.ContainmentProgress.objects.filter(plan=stored, account__in=list(accounts), state__in=_LIFTED)
    already = set(held.values_list("account", flat=True))
    names = sorted(set(accounts) - already)
    if not names:
        return 0
    _put_progress(stored, accounts=names, state=state, reason=reason)
    steps = sending.undo_steps(stored.id, accounts=names)
    told = names if len(names) <= JOURNAL_ROWS_MAX else []
    facts = {
        "plan": stored.number, "accounts": len(names), "steps": steps,
        "accounts_sha256": hashlib.sha256("\n".join(names).encode()).hexdigest(),
    }  # fmt: skip
    journal.write(verb=verb, subject=plans.entry_about(stored), by=by, facts=facts, rows=rows_of(told, reason=reason))
    return len(names)


def _put_progress(stored: Any, *, accounts: Sequence[str], state: StepState, reason: str) -> None:
    """Set where accounts of a plan are; NotInPlan when one is not measured by it."""
    path = drawing.measures_file(stored)
    with EventStore([], scratch=path.parent) as store:
        store.load("asked", {"account": "VARCHAR"}, [(account,) for account in accounts])
        found = store.rows(
            "SELECT account, combination, wave, coalesce(platform, '') AS platform "
            f"FROM read_parquet({quoted(str(path.resolve()))}) SEMI JOIN asked USING (account) WHERE wave >= 1"
        )
    absent = sorted(set(accounts) - {row["account"] for row in found})
    if absent:
        raise NotInPlan(
            _("{account} is not among the accounts plan {number} contains.").format(
                account=absent[0], number=stored.number
            ),
            mend=_("`tocsin contain status {number} --account ACCOUNT` says what is known of it.").format(
                number=stored.number
            ),
        )
    now = clock.now()
    models.ContainmentProgress.objects.bulk_create(
        [
            models.ContainmentProgress(plan=stored, **row, state=state, state_at=now, reason=reason)
            for row in found
        ],
        update_conflicts=True,
        unique_fields=["plan", "account"],
        update_fields=["state", "state_at", "reason"],
        batch_size=5000,
    )  # fmt: skip


def _check_may_lift(stored: Any, *, accounts: Sequence[str] | None, by: Author) -> None:
    many = stored.accounts if accounts is None else len(accounts)
    large = many > stored.policy["approval"]["above"] or (accounts is None and approving.is_large(stored))
    permissions.check(Act.LIFT_MANY_MEASURES if large else Act.LIFT_MEASURES, by=by)
    if accounts is not None:
        _check_in_force(stored)


def _check_in_force(stored: Any) -> None:
    if stored.state not in (PlanState.RUNNING, PlanState.PAUSED, PlanState.CLOSED):
        raise MoveNotAllowed(
            _("Plan {number} is not in force.").format(number=stored.number),
            mend=_("`tocsin contain status {number}` says where it is.").format(number=stored.number),
        )
