"""Everything that changes approvals: giving one."""

from django.db import IntegrityError, transaction

from tocsin.approvals import queries
from tocsin.approvals.errors import ApprovedAlready
from tocsin.approvals.values import Approval
from tocsin.journal import commands as journal
from tocsin.journal.values import Author
from tocsin.kernel import clock
from tocsin.kernel.language import gettext as _
from tocsin.kernel.loading import lazily

models = lazily("tocsin.approvals.models")


def approve(subject: str, *, digest: str, typed_count: int | None, by: Author) -> Approval:
    """Record that ``by`` agrees to what has this digest; whether it counts is the asking module's rule.

    A signed approval signs the digest: it is a fact of the journal entry that the person's key signs.
    """
    try:
        with transaction.atomic():
            row = models.Approval.objects.create(
                subject=subject, digest=digest, by=by.name, staff_id=by.staff_id, assurance=by.assurance,
                typed_count=typed_count, approved_at=clock.now(),
            )  # fmt: skip
            facts = {"approval": str(row.id), "digest": digest, "typed_count": typed_count}
            journal.write(verb="approval.given", subject=subject, by=by, facts=facts)
    except IntegrityError as error:
        raise ApprovedAlready(_("{name} has approved exactly this already.").format(name=by.name)) from error
    return queries.approval_of(row)
