"""Drawing a plan: from the latest frozen revision and a policy to the row a person approves."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction

from tocsin.containment import drawing, dry_run, follow_up, manifest, plans
from tocsin.containment.drawing import MEASURED, Drawn
from tocsin.containment.errors import MoveNotAllowed, NothingToContain, ScopeMovedOn, ScopeNotFrozen
from tocsin.containment.policy import Policy, policy_json
from tocsin.containment.ports import Connector
from tocsin.containment.states import PlanState, WaveState
from tocsin.containment.values import Plan
from tocsin.events.queries import EventStore, quoted
from tocsin.incidents import queries as incidents
from tocsin.incidents.errors import IncidentClosed
from tocsin.incidents.values import IncidentState
from tocsin.journal import commands as journal
from tocsin.journal.values import Author
from tocsin.kernel import clock
from tocsin.kernel.language import gettext as _
from tocsin.kernel.loading import lazily
from tocsin.scopes import queries as scopes
from tocsin.scopes.values import Revision
from tocsin.staff import permissions
from tocsin.staff.permissions import Act

models = lazily("tocsin.containment.models")

_NUMBER_LOCK = 0x706C616E  # "plan"; plans are numbered without holes, so one is put in at a time
SAMPLE_MAX = 100
CLOCKS_APART_MAX = timedelta(minutes=1)


def draw_plan(
    incident: int,
    *,
    policy: Policy,
    systems: Mapping[str, Connector],
    by: Author,
    since_at: datetime | None = None,
) -> Plan:
    """Draw a plan on the latest frozen revision, and return it with its dry run; nothing is enforced by it.

    A plan that waited is superseded. ``since_at`` is the containment time; without one it is the moment of starting.
    A plan that follows others holds only who is new, or needs more than is in force; starting it releases who is no
    longer in the scope.
    """
    permissions.check(Act.DRAW_PLAN, by=by)
    if since_at is not None and since_at > clock.now() + CLOCKS_APART_MAX:
        raise MoveNotAllowed(
            _("The containment time cannot lie in the future: until then nobody could do what is asked."),
            mend=_("Leave --since out, and it is the moment the plan starts."),
        )
    revision = _latest_frozen(incident)
    earlier = follow_up.earlier_rows(incident)
    scope = follow_up.scope_rows(revision)
    drawn = drawing.draw(
        scope, policy=policy, connectors=systems, incident_id=str(incidents.id_of(incident)),
        earlier=follow_up.held(earlier, since_at=since_at),
    )  # fmt: skip
    released = follow_up.released(earlier, scope=scope)
    if not drawn.count(MEASURED) and not released and not policy.everyone:
        raise NothingToContain(
            _("This plan would contain nobody: {held} accounts are held by earlier plans, {none} need nothing.").format(
                held=drawn.count(drawing.HELD), none=drawn.count(drawing.NONE)
            ),
            mend=_("`tocsin contain status` shows what is in force."),
        )
    moment = since_at or clock.now()
    shown = dry_run.dry_run(
        drawn, policy=policy, connectors=systems, sample=_sample(drawn), released=released,
        scope_accounts=revision.accounts, since_at=moment, follows=earlier[-1].number if earlier else None,
    )  # fmt: skip
    shown["again"] = follow_up.contained_again(earlier, measures_sha256=drawn.sha256)
    shown["stands_on"] = follow_up.stands_on(earlier)
    shown["since"] = since_at.isoformat() if since_at else manifest.AT_START
    return _put_in(incident, revision=revision, policy=policy, drawn=drawn, shown=shown, since_at=moment,
                   earlier=earlier, by=by)  # fmt: skip


def _latest_frozen(incident: int) -> Revision:
    frozen = [each for each in scopes.revisions(incident) if each.digest is not None]
    if not frozen:
        raise ScopeNotFrozen(
            _("The scope of incident {incident} is not frozen.").format(incident=incident),
            mend=_("Look at it with `tocsin scope show {incident}`, then `tocsin scope freeze {incident}`.").format(
                incident=incident
            ),
        )
    return frozen[-1]


def _sample(drawn: Drawn) -> list[tuple[str, int]]:
    """Return the first accounts of the first wave with their combinations."""
    path = scopes.evidence_path(drawn.sha256)
    with EventStore([], scratch=path.parent) as store:
        rows = store.rows(
            f"SELECT account, combination FROM read_parquet({quoted(str(path.resolve()))}) WHERE wave = 1 "
            f"LIMIT {SAMPLE_MAX}"
        )
    return [(row["account"], row["combination"]) for row in rows]


def _put_in(
    incident: int, *, revision: Revision, policy: Policy, drawn: Drawn, shown: dict[str, Any], since_at: datetime,
    earlier: Sequence[Any], by: Author,
) -> Plan:  # fmt: skip
    with transaction.atomic():
        found = incidents.locked_row(incident)
        if found.state != IncidentState.OPEN:
            raise IncidentClosed(_("Incident {number} is closed.").format(number=incident))
        if [each.id for each in follow_up.earlier_rows(incident)] != [each.id for each in earlier]:
            raise ScopeMovedOn(
                _("Another plan of incident {incident} started meanwhile.").format(incident=incident),
                mend=_("Run the command again."),
            )
        superseded = _supersede_waiting(found, by=by)
        stored = models.ContainmentPlan.objects.create(
            number=_next_number(), incident=found, revision_id=revision.id, follows=earlier[-1] if earlier else None,
            policy_name=policy.name, policy=policy_json(policy, list_sizes=drawn.list_sizes), state=PlanState.DRAWN,
            since_at=since_at, accounts=drawn.count(MEASURED), measures_sha256=drawn.sha256,
            combinations=list(drawn.combinations), dry_run=shown, digest="", drawn_at=clock.now(), by=by.name,
            by_staff_id=by.staff_id, assurance=by.assurance,
        )  # fmt: skip
        _put_in_waves(stored, drawn=drawn)
        stored = plans.row(stored.number)  # read again: the digest is over what the database keeps
        stored.digest = manifest.digest_of(stored)
        stored.save(update_fields=["digest"])
        facts = {
            "plan": stored.number, "incident": incident, "revision": revision.number, "accounts": stored.accounts,
            "policy": policy.name, "digest": stored.digest, "measures_sha256": drawn.sha256, "superseded": superseded,
        }  # fmt: skip
        journal.write(verb="containment.plan_drawn", subject=plans.entry_about(stored), by=by, facts=facts)
    return plans.plan(stored.number)


def _put_in_waves(stored: Any, *, drawn: Drawn) -> None:
    sizes: dict[int, int] = {}
    for cell in drawn.cells:
        if cell.kept == MEASURED:
            sizes[cell.wave] = sizes.get(cell.wave, 0) + cell.accounts
    so_far, rows = 0, []
    for number in sorted(sizes) or [1]:
        so_far += sizes.get(number, 0)
        share = so_far / stored.accounts if stored.accounts else 1.0
        rows.append(
            models.ContainmentWave(
                plan=stored, number=number, share=share, accounts=sizes.get(number, 0), state=WaveState.WAITING
            )
        )
    models.ContainmentWave.objects.bulk_create(rows)


def _supersede_waiting(found: Any, *, by: Author) -> list[int]:
    waiting = models.ContainmentPlan.objects.select_for_update().filter(
        incident=found, state__in=[PlanState.DRAWN, PlanState.APPROVED]
    )
    numbers = []
    for each in waiting:
        each.state = PlanState.SUPERSEDED
        each.save(update_fields=["state"])
        numbers.append(each.number)
        journal.write(
            verb="containment.plan_superseded", subject=plans.entry_about(each), by=by, facts={"plan": each.number}
        )
    return numbers


def _next_number() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_NUMBER_LOCK])
    last = models.ContainmentPlan.objects.order_by("-number").values_list("number", flat=True).first()
    return int(last or 0) + 1
