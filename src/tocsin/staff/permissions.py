"""Who may do what, as a table. So far it says how sure we must be of who acts."""

from enum import StrEnum

from tocsin.journal.values import Assurance, Author
from tocsin.kernel.language import gettext as _
from tocsin.staff.errors import SignatureNeeded


class Act(StrEnum):
    """What a person can be allowed to do."""

    BEGIN_STAFF = "begin_staff"  # enrol the first person of an installation
    CHANGE_STAFF = "change_staff"  # enrol or revoke once somebody is enrolled
    WRITE_INCIDENT = "write_incident"
    WRITE_SCOPE = "write_scope"


_NAMED = frozenset({Assurance.ASSERTED, Assurance.SIGNED})
ALLOWED: dict[Act, frozenset[Assurance]] = {
    Act.BEGIN_STAFF: _NAMED,
    Act.CHANGE_STAFF: frozenset({Assurance.SIGNED}),
    Act.WRITE_INCIDENT: _NAMED,
    Act.WRITE_SCOPE: _NAMED,
}


def check(act: Act, *, by: Author) -> None:
    """Raise SignatureNeeded unless the author is known surely enough for this act."""
    if by.assurance not in ALLOWED[act]:
        raise SignatureNeeded(
            _("This needs the signature of somebody who is enrolled."),
            mend=_("Add --as NAME with --key FILE, or with --agent."),
        )
