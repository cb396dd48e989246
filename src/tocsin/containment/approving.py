"""Approving a plan: to exactly what was shown, by enough people, none of whom drew it."""

from typing import Any

from django.db import transaction

from tocsin.approvals import commands as approvals
from tocsin.approvals.values import Approval
from tocsin.containment import follow_up, manifest, plans
from tocsin.containment.errors import MoveNotAllowed, NotApproved, NotYourOwn
from tocsin.containment.states import PLAN_MOVES, PlanState
from tocsin.containment.values import Plan
from tocsin.journal import commands as journal
from tocsin.journal.values import Author
from tocsin.kernel.language import format_number, gettext as _
from tocsin.kernel.loading import lazily
from tocsin.scopes import queries as scopes
from tocsin.staff import permissions, queries as staff
from tocsin.staff.permissions import Act

django_models = lazily("django.db.models")
models = lazily("tocsin.containment.models")


def approve_plan(number: int, *, typed_count: int | None, by: Author) -> Plan:
    """Record that ``by`` agrees to this plan as it was shown; with enough of them the plan may start.

    Above the policy's threshold an approval is signed and repeats the number of accounts. NotYourOwn for whoever drew
    the plan; NotApproved when the count is wrong or the plan no longer is what was shown.
    """
    with transaction.atomic():
        stored = plans.row(number, locked=True)
        if stored.state not in (PlanState.DRAWN, PlanState.APPROVED):
            raise MoveNotAllowed(
                _("Plan {number} does not wait for approval.").format(number=number),
                mend=_("`tocsin contain status {number}` says where it is.").format(number=number),
            )
        permissions.check(Act.APPROVE_LARGE_PLAN if is_large(stored) else Act.APPROVE_PLAN, by=by)
        if drew(stored, staff_id=by.staff_id, name=by.name):
            raise NotYourOwn(
                _("You drew plan {number}; nobody approves their own act.").format(number=number),
                mend=_("Ask somebody else to look at it: tocsin contain show {number}.").format(number=number),
            )
        _check_count(stored, typed_count=typed_count)
        check_unchanged(stored)
        approvals.approve(plans.entry_about(stored), digest=stored.digest, typed_count=typed_count, by=by)
        if stored.state == PlanState.DRAWN and missing(stored) == 0:
            move(stored, to=PlanState.APPROVED)
            stored.save(update_fields=["state"])
            facts = {"plan": stored.number, "digest": stored.digest}
            journal.write(verb="containment.plan_approved", subject=plans.entry_about(stored), by=by, facts=facts)
    return plans.plan(number)


def is_large(stored: Any) -> bool:
    """Say whether a plan needs people who sign: it troubles everybody, or more accounts than one person may contain.

    The incident's other plans in force count too: many small plans are one large one.
    """
    others = models.ContainmentPlan.objects.filter(incident_id=stored.incident_id, state__in=follow_up.HOLDING)
    contained = others.exclude(id=stored.id).aggregate(n=django_models.Sum("accounts"))["n"] or 0
    above: int = stored.policy["approval"]["above"]
    return bool(stored.accounts + contained > above or stored.policy["everyone"])


def people_needed(stored: Any) -> int:
    """Return how many people other than the drawer must agree."""
    people: int = stored.policy["approval"]["people"]
    return people if is_large(stored) else 1


def counting(stored: Any) -> tuple[Approval, ...]:
    """Return the approvals that count, one a person: not the drawer's, and not of a key revoked since.

    Above the threshold they are signed and repeat the number of accounts.
    """
    enrolled = {member.id for member in staff.members() if member.revoked_at is None}
    found: dict[object, Approval] = {}
    for each in plans.approvals_of(stored):
        if drew(stored, staff_id=each.staff_id, name=each.by) or (each.staff_id and each.staff_id not in enrolled):
            continue
        if is_large(stored) and not (each.signed and each.typed_count == stored.accounts):
            continue
        found.setdefault(each.staff_id or each.by, each)
    return tuple(found.values())


def approvals_missing(number: int) -> tuple[int, int]:
    """Return how many approvals plan ``number`` needs, and how many of them are missing."""
    stored = plans.row(number)
    return people_needed(stored), missing(stored)


def missing(stored: Any) -> int:
    """Return how many approvals are missing."""
    return max(0, people_needed(stored) - len(counting(stored)))


def drew(stored: Any, *, staff_id: object, name: str) -> bool:
    """Say whether this person drew the plan; a drawer who only said a name is known by that name."""
    if stored.by_staff_id is not None and staff_id is not None:
        return bool(stored.by_staff_id == staff_id)
    return bool(stored.by == name)


def check_unchanged(stored: Any) -> None:
    """Raise NotApproved unless the plan still says, and stands on, exactly what its digest covers."""
    stored = plans.row(stored.number)
    scopes.check_evidence(stored.measures_sha256)
    scopes.check_evidence(stored.revision.accounts_sha256)
    if manifest.digest_of(stored) != stored.digest:
        raise NotApproved(
            _("Plan {number} is not what was shown: its approvals have lapsed.").format(number=stored.number),
            mend=_("Draw it again and have it approved again."),
        )
    _check_reliance(stored)
    latest = [
        each for each in scopes.revisions(stored.incident.number) if each.digest is not None
    ][-1]  # fmt: skip
    if latest.id != stored.revision_id:
        raise NotApproved(
            _(
                "Revision {revision} of the scope was frozen since plan {number} was drawn: its approvals have lapsed."
            ).format(revision=latest.number, number=stored.number),
            mend=_("Draw it again: tocsin contain plan {incident}.").format(incident=stored.incident.number),
        )


def _check_reliance(stored: Any) -> None:
    """Raise NotApproved when the plans a follow-up relies on hold other accounts than when it was drawn."""
    earlier = [each for each in follow_up.earlier_rows(stored.incident.number) if each.id != stored.id]
    if follow_up.stands_on(earlier) != stored.dry_run["stands_on"]:
        raise NotApproved(
            _("Plans that plan {number} relies on have started, ended or let accounts out since it was drawn.").format(
                number=stored.number
            ),
            mend=_("Draw it again: tocsin contain plan {incident}.").format(incident=stored.incident.number),
        )


def check_enough(stored: Any) -> None:
    """Raise NotApproved unless enough people agreed to what the plan is now."""
    lacking = missing(stored)
    if lacking:
        raise NotApproved(
            _("Plan {number} has {have} of {needed} approvals that count.").format(
                number=stored.number, have=people_needed(stored) - lacking, needed=people_needed(stored)
            ),
            mend=_how_to_approve(stored),
        )


def move(stored: Any, *, to: PlanState) -> None:
    """Put a plan into another state where that is allowed; the caller saves."""
    if to not in PLAN_MOVES[PlanState(stored.state)]:
        raise MoveNotAllowed(
            _("Plan {number} is {state}; it cannot become {to}.").format(
                number=stored.number, state=stored.state, to=to.value
            ),
            mend=_("`tocsin contain status {number}` says where it is.").format(number=stored.number),
        )
    stored.state = to


def _check_count(stored: Any, *, typed_count: int | None) -> None:
    if typed_count is None and not is_large(stored):
        return
    if typed_count != stored.accounts:
        raise NotApproved(
            _("The number typed is not the number of accounts plan {number} contains.").format(number=stored.number)
            if typed_count is not None
            else _("Plan {number} wants the number of accounts it contains to be typed.").format(number=stored.number),
            mend=_("Look at it first (tocsin contain show {number}), then add --accounts N.").format(
                number=stored.number
            ),
        )


def _how_to_approve(stored: Any) -> str:
    if is_large(stored):
        text = _(
            "It contains {accounts} accounts: {people} people other than {drawer} approve with their keys "
            "(tocsin contain approve {number} --accounts {accounts} --as NAME --key FILE)."
        )
        return text.format(
            accounts=format_number(stored.accounts), people=people_needed(stored), drawer=stored.by,
            number=stored.number,
        )  # fmt: skip
    return _("Somebody other than {drawer} approves: tocsin contain approve {number} --as NAME.").format(
        drawer=stored.by, number=stored.number
    )
