"""What can be asked about approvals."""

from typing import Any
from uuid import UUID

from tocsin.approvals.values import Approval
from tocsin.journal.values import Assurance
from tocsin.kernel.loading import lazily

models = lazily("tocsin.approvals.models")


def approvals_of(subject: str, *, digest: str) -> tuple[Approval, ...]:
    """Return every approval of exactly this digest, oldest first."""
    rows = models.Approval.objects.filter(subject=subject, digest=digest).order_by("id")
    return tuple(approval_of(row) for row in rows)


def counted(approvals: tuple[Approval, ...], *, without: UUID | None) -> tuple[Approval, ...]:
    """Return those that count: signed, and not by the person whose own act it is (``without``)."""
    return tuple(each for each in approvals if each.signed and each.staff_id != without)


def approval_of(row: Any) -> Approval:
    """Return a row as others see it."""
    return Approval(
        id=row.id, subject=row.subject, digest=row.digest, by=row.by, staff_id=row.staff_id,
        signed=row.assurance == Assurance.SIGNED, typed_count=row.typed_count, approved_at=row.approved_at,
    )  # fmt: skip
