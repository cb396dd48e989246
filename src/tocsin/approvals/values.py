"""An approval, as others see it."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Approval:
    """Somebody agreed to exactly what has this digest. ``signed`` approvals count; asserted ones are only kept.

    ``digest`` is the SHA-256, hexadecimal, of what was shown; when that changes, the approval no longer belongs to it.
    """

    id: UUID
    subject: str  # what is approved: "containment_plan:<id>"
    digest: str
    by: str
    staff_id: UUID | None
    signed: bool
    typed_count: int | None  # the number of accounts the person typed to show that they have read it
    approved_at: datetime
