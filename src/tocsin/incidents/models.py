"""Tables of incidents: the incident, the leads it stands on, its facts."""

from django.db import models

from tocsin.incidents.values import FactKind, IncidentState, Severity, Standing
from tocsin.kernel.ids import new_id


class Incident(models.Model):
    """One possible breach."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    number = models.PositiveIntegerField(unique=True)
    title = models.TextField()
    severity = models.TextField()
    state = models.TextField()
    declared_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(state__in=list(IncidentState)), name="incident_state_known"),
            models.CheckConstraint(condition=models.Q(severity__in=list(Severity)), name="incident_severity_known"),
            models.CheckConstraint(
                condition=models.Q(state=IncidentState.OPEN, closed_at__isnull=True)
                | models.Q(state=IncidentState.CLOSED, closed_at__isnull=False),
                name="incident_closed_with_time",
            ),
        ]


class IncidentLead(models.Model):
    """A lead an incident stands on; ``closed_at`` repeats the incident's, so that the constraint can see it."""

    id = models.BigAutoField(primary_key=True)
    incident = models.ForeignKey(Incident, on_delete=models.PROTECT, related_name="lead_rows")
    lead = models.TextField()
    closed_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["lead"], name="incident_one_open_per_lead", condition=models.Q(closed_at__isnull=True)
            ),
            models.UniqueConstraint(fields=["incident", "lead"], name="incident_lead_once"),
        ]


class IncidentFact(models.Model):
    """One fact with its own time; a trigger keeps it as it was written."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    incident = models.ForeignKey(Incident, on_delete=models.PROTECT, related_name="fact_rows")
    kind = models.TextField()
    happened_at = models.DateTimeField()
    standing = models.TextField()
    text = models.TextField(blank=True)
    recorded_at = models.DateTimeField()
    by = models.TextField()
    assurance = models.TextField()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(kind__in=list(FactKind)), name="incident_fact_kind_known"),
            models.CheckConstraint(
                condition=models.Q(standing__in=list(Standing)), name="incident_fact_standing_known"
            ),
        ]
