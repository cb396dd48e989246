"""What can be asked about incidents."""

from typing import Any
from uuid import UUID

from tocsin.incidents.errors import NoSuchIncident
from tocsin.incidents.values import Fact, FactKind, Incident, IncidentState, Severity, Standing
from tocsin.kernel.language import gettext as _
from tocsin.kernel.loading import lazily

models = lazily("tocsin.incidents.models")


def incidents() -> list[Incident]:
    """Return every incident, newest first."""
    found = models.Incident.objects.prefetch_related("lead_rows", "fact_rows").order_by("-number")
    return [_incident(row) for row in found]


def incident(number: int) -> Incident:
    """Return the incident with this number."""
    row = models.Incident.objects.filter(number=number).first()
    if row is None:
        raise _missing(number)
    return _incident(row)


def incident_of_lead(lead: str) -> Incident | None:
    """Return the open incident that stands on this lead."""
    row = models.IncidentLead.objects.filter(lead=lead, closed_at__isnull=True).select_related("incident").first()
    return _incident(row.incident) if row else None


def locked_row(number: int) -> Any:
    """Return the row of an incident, locked until the caller's transaction ends."""
    row = models.Incident.objects.select_for_update().filter(number=number).first()
    if row is None:
        raise _missing(number)
    return row


def id_of(number: int) -> UUID:
    """Return the id of the incident with this number."""
    return incident(number).id


def _missing(number: int) -> NoSuchIncident:
    return NoSuchIncident(
        _("There is no incident {number}.").format(number=number),
        mend=_("`tocsin incident list` shows those there are."),
    )


def _incident(row: Any) -> Incident:
    facts = sorted(row.fact_rows.all(), key=lambda fact: fact.id)
    return Incident(
        id=row.id, number=row.number, title=row.title, severity=Severity(row.severity), state=IncidentState(row.state),
        declared_at=row.declared_at, closed_at=row.closed_at,
        leads=tuple(sorted(each.lead for each in row.lead_rows.all())),
        facts=tuple(
            Fact(
                id=fact.id, kind=FactKind(fact.kind), happened_at=fact.happened_at, standing=Standing(fact.standing),
                text=fact.text, recorded_at=fact.recorded_at, by=fact.by, assurance=fact.assurance,
            )
            for fact in facts
        ),
    )  # fmt: skip
