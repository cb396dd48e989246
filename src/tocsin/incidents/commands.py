"""Everything that changes incidents: declaring one, adding a fact, closing it."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from django.db import IntegrityError, connection, transaction

from tocsin.incidents import queries
from tocsin.incidents.errors import FactNotPossible, IncidentClosed, LeadHasIncident
from tocsin.incidents.states import MOVES
from tocsin.incidents.values import FactKind, Incident, IncidentState, NewFact, Severity
from tocsin.journal import commands as journal_commands
from tocsin.journal.values import Author
from tocsin.kernel import clock
from tocsin.kernel.errors import TocsinError
from tocsin.kernel.language import gettext as _
from tocsin.kernel.loading import lazily
from tocsin.staff import permissions
from tocsin.staff.permissions import Act

models = lazily("tocsin.incidents.models")

CLOCKS_APART_MAX = timedelta(minutes=5)  # how far a fact may lie in the future: clocks differ a little
_NUMBER_LOCK = 0x696E6369  # "inci"; incidents are numbered without holes, so one is declared at a time


def declare_incident(
    title: str, *, severity: Severity, leads: Sequence[str], facts: Sequence[NewFact], by: Author
) -> Incident:
    """Declare an incident on these leads (none for a manual report) with its first facts, and return it.

    LeadHasIncident names the open incident that stands on one of the leads already.
    """
    permissions.check(Act.WRITE_INCIDENT, by=by)
    for fact in facts:
        _check_fact(fact)
    try:
        with transaction.atomic():
            row = _insert(title, severity=severity, leads=leads)
            for fact in facts:
                _insert_fact(row, fact=fact, by=by)
            journal_commands.write(
                verb="incident.declared",
                subject=f"incident:{row.id}",
                by=by,
                facts={
                    "number": row.number,
                    "severity": severity.value,
                    "leads": sorted(set(leads)),
                    "facts": [_said(fact) for fact in facts],
                },
                personal={"title": (title, f"incident:{row.id}"), **_texts(facts, of=row)},
            )
    except IntegrityError as error:
        raise _lead_taken(leads, error=error) from error
    return queries.incident(row.number)


def add_fact(number: int, *, fact: NewFact, by: Author) -> Incident:
    """Add one fact to an open incident; a later fact of the same kind corrects an earlier one."""
    permissions.check(Act.WRITE_INCIDENT, by=by)
    _check_fact(fact)
    with transaction.atomic():
        row = _open_row(number)
        _insert_fact(row, fact=fact, by=by)
        journal_commands.write(
            verb="incident.fact_added",
            subject=f"incident:{row.id}",
            by=by,
            facts={"facts": [_said(fact)]},
            personal=_texts([fact], of=row),
        )
    return queries.incident(number)


def close_incident(number: int, *, reason: str, by: Author) -> Incident:
    """Close an incident; its leads can then be taken by another."""
    permissions.check(Act.WRITE_INCIDENT, by=by)
    with transaction.atomic():
        row = _open_row(number)
        row.state, row.closed_at = IncidentState.CLOSED, clock.now()
        row.save(update_fields=["state", "closed_at"])
        row.lead_rows.update(closed_at=row.closed_at)
        journal_commands.write(
            verb="incident.closed",
            subject=f"incident:{row.id}",
            by=by,
            facts={"number": row.number},
            personal={"reason": (reason, f"incident:{row.id}")},
        )
    return queries.incident(number)


def _insert(title: str, *, severity: Severity, leads: Sequence[str]) -> Any:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_NUMBER_LOCK])
    last = models.Incident.objects.order_by("-number").values_list("number", flat=True).first() or 0
    row = models.Incident.objects.create(
        number=last + 1, title=title, severity=severity, state=IncidentState.OPEN, declared_at=clock.now()
    )
    models.IncidentLead.objects.bulk_create(
        [models.IncidentLead(incident=row, lead=lead) for lead in sorted(set(leads))]
    )
    return row


def _insert_fact(row: Any, *, fact: NewFact, by: Author) -> None:
    models.IncidentFact.objects.create(
        incident=row, kind=fact.kind, happened_at=fact.happened_at, standing=fact.standing, text=fact.text,
        recorded_at=clock.now(), by=by.name, assurance=by.assurance,
    )  # fmt: skip


def _open_row(number: int) -> Any:
    row = queries.locked_row(number)
    if IncidentState.CLOSED not in MOVES[IncidentState(row.state)]:
        raise IncidentClosed(
            _("Incident {number} is closed.").format(number=number), mend=_("Declare another one if there is more.")
        )
    return row


def _check_fact(fact: NewFact) -> None:
    if fact.happened_at > clock.now() + CLOCKS_APART_MAX:
        raise FactNotPossible(
            _("A fact cannot lie in the future ({at}).").format(at=fact.happened_at.isoformat()),
            mend=_("Check the time and its zone; without one it is read as UTC."),
        )
    if fact.kind is FactKind.NOTE and not fact.text.strip():
        raise FactNotPossible(_("A note needs words."), mend=_("Add --text."))


def _said(fact: NewFact) -> dict[str, str]:
    return {"kind": fact.kind.value, "at": fact.happened_at.isoformat(), "standing": fact.standing.value}


def _texts(facts: Sequence[NewFact], *, of: Any) -> dict[str, tuple[str, str]]:
    """Return the words of facts as personal values: people write names into them."""
    return {f"text_{n}": (fact.text, f"incident:{of.id}") for n, fact in enumerate(facts) if fact.text}


def _lead_taken(leads: Sequence[str], *, error: IntegrityError) -> TocsinError | IntegrityError:
    taken = (
        models.IncidentLead.objects.filter(lead__in=list(leads), closed_at__isnull=True)
        .select_related("incident")
        .first()
    )
    if taken is None:
        return error
    return LeadHasIncident(
        _("Incident {number} already stands on this lead ({lead}).").format(
            number=taken.incident.number, lead=taken.lead
        ),
        mend=_("Add to it: tocsin investigate --incident {number}.").format(number=taken.incident.number),
    )
