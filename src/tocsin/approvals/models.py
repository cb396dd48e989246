"""The table of approvals."""

from django.db import models

from tocsin.kernel.ids import new_id


class Approval(models.Model):
    """One person's agreement to one digest; never changed."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    subject = models.TextField()
    digest = models.TextField()
    by = models.TextField()
    staff_id = models.UUIDField(null=True)
    assurance = models.TextField()
    typed_count = models.BigIntegerField(null=True)
    approved_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["subject", "digest", "staff_id"],
                name="approval_once_a_person",
                condition=models.Q(staff_id__isnull=False),
            )
        ]
        indexes = [
            # queries.approvals_of: who agreed to this digest
            models.Index(fields=["subject", "digest"], name="approval_subject_digest")
        ]
