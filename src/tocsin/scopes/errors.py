"""What can go wrong when saying who is affected, in words an operator understands."""

from tocsin.kernel.errors import TocsinError
from tocsin.kernel.language import gettext_noop


class CohortNotUnderstood(TocsinError):
    """A ``--cohort`` that is not name=value conditions, or that nobody could be ruled out of."""


class EvidenceDamaged(TocsinError):
    """A pinned file is gone or holds something else."""


class NoSuchRevision(TocsinError):
    """The incident has no scope revision of this number, or none at all."""


class NotAScopeFolder(TocsinError):
    """The folder does not hold what an investigation writes."""


class NothingToFreeze(TocsinError):
    """The latest revision is frozen already."""


class NotInScope(TocsinError):
    """An account to be taken out is not in."""


class AccountInScope(TocsinError):
    """An account that is claimed to be affected is in already."""

    usual_mend = gettext_noop("`tocsin scope why` says since when, and why.")


class NoSuchClaim(TocsinError):
    """No claim for this account waits for a decision."""


class ScopeMovedOn(TocsinError):
    """Somebody else changed the scope while this was being worked out."""
