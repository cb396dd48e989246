"""Tables of the operator's people."""

from django.db import models

from tocsin.kernel.ids import new_id


class StaffMember(models.Model):
    """One enrolled person; the row stays when the key is revoked, because entries name it."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    name = models.TextField()
    public_key = models.BinaryField(unique=True)
    kept_in = models.TextField()
    enrolled_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["name"], name="staff_name_once", condition=models.Q(revoked_at__isnull=True)
            ),
            models.CheckConstraint(condition=models.Q(kept_in__in=["file", "ssh_agent"]), name="staff_kept_in_known"),
        ]
