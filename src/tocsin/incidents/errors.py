"""What can go wrong with incidents, in words an operator understands."""

from tocsin.kernel.errors import TocsinError
from tocsin.kernel.language import gettext_noop


class NoSuchIncident(TocsinError):
    """No incident has this number."""


class LeadHasIncident(TocsinError):
    """An open incident stands on one of these leads already."""


class IncidentClosed(TocsinError):
    """The incident is closed; nothing more is added to it."""

    usual_mend = gettext_noop("Declare another: `tocsin incident declare`.")


class FactNotPossible(TocsinError):
    """A fact that cannot be: in the future, or without its words."""
