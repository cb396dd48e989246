"""Tables of scopes: revisions, what they pin, decisions and claims. Never a row per affected account."""

from django.db import models

from tocsin.incidents.models import Incident
from tocsin.kernel.ids import new_id
from tocsin.scopes.states import ClaimState, RevisionState


class ScopeRevision(models.Model):
    """One numbered answer to "who and what"; the accounts are a column file. Once frozen, a trigger holds it."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    incident = models.ForeignKey(Incident, on_delete=models.PROTECT, related_name="+")
    number = models.PositiveIntegerField()
    state = models.TextField()
    accounts_sha256 = models.TextField()
    accounts = models.BigIntegerField()
    rows_root = models.TextField()
    counts = (
        models.JSONField()
    )  # {"certainty": {...}, "role": {...}, "added": n, "removed": n, "changed": n, "excluded": n}
    sources = models.JSONField()  # [{"source_id", "path", "sha256", "bytes", "format", "lines", "parsed", "rejected"}]
    opened_at = models.DateTimeField()
    by = models.TextField()
    assurance = models.TextField()
    frozen_at = models.DateTimeField(null=True)
    digest = models.TextField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["incident", "number"], name="scope_revision_once"),
            models.UniqueConstraint(
                fields=["incident"], name="scope_one_draft", condition=models.Q(state=RevisionState.DRAFT)
            ),
            models.CheckConstraint(
                condition=models.Q(state__in=list(RevisionState)), name="scope_revision_state_known"
            ),
            models.CheckConstraint(
                condition=models.Q(state=RevisionState.FROZEN, digest__isnull=False, frozen_at__isnull=False)
                | (~models.Q(state=RevisionState.FROZEN) & models.Q(digest__isnull=True, frozen_at__isnull=True)),
                name="scope_frozen_with_digest",
            ),
        ]


class ScopePin(models.Model):
    """One file of the evidence folder a revision stands on; retention never takes a pinned file."""

    id = models.BigAutoField(primary_key=True)
    revision = models.ForeignKey(ScopeRevision, on_delete=models.PROTECT, related_name="pins")
    kind = models.TextField()  # accounts, affected, objects, principals, detections, segment
    name = models.TextField()
    sha256 = models.TextField()
    bytes = models.BigIntegerField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["revision", "kind", "name"], name="scope_pin_once")]
        indexes = [
            # retention: whether any revision needs this file
            models.Index(fields=["sha256"], name="scope_pin_sha256")
        ]


class ScopeClaim(models.Model):
    """Somebody says an account is affected."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    incident = models.ForeignKey(Incident, on_delete=models.PROTECT, related_name="+")
    account = models.TextField()
    text = models.TextField()
    state = models.TextField()
    made_at = models.DateTimeField()
    decided_at = models.DateTimeField(null=True)
    reason = models.TextField(blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(state__in=list(ClaimState)), name="scope_claim_state_known"),
            models.UniqueConstraint(
                fields=["incident", "account"],
                name="scope_one_waiting_claim",
                condition=models.Q(state=ClaimState.WAITING),
            ),
        ]


class ScopeDecision(models.Model):
    """A person took an account out, or in. The latest decision on an account holds.

    An exclusion holds only as long as the evidence it was made on is the same: ``row_sha256`` is the row that was seen.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    incident = models.ForeignKey(Incident, on_delete=models.PROTECT, related_name="+")
    kind = models.TextField()
    account = models.TextField()
    reason = models.TextField()
    certainty = models.TextField(blank=True)
    row_sha256 = models.TextField(blank=True)
    made_at = models.DateTimeField()
    by = models.TextField()
    assurance = models.TextField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(kind__in=["excluded", "included"]), name="scope_decision_kind_known"
            )
        ]
        indexes = [
            # commands.rebuild: every decision of one incident, oldest first
            models.Index(fields=["incident", "id"], name="scope_decision_incident")
        ]
