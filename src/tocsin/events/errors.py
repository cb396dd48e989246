"""What can go wrong with logs and with the folder an investigation keeps them in."""

from tocsin.kernel.errors import TocsinError
from tocsin.kernel.language import gettext_noop


class NothingReadable(TocsinError):
    """None of the paths led to a single line that could be read."""


class SourceUnreadable(TocsinError):
    """A file could not be opened or decoded at all."""

    usual_mend = gettext_noop("Look whether the file is whole, and whether you may read it.")


class NotAnInvestigation(TocsinError):
    """The folder holds no sealed events."""


class QueryRefused(TocsinError):
    """A statement that is not one SELECT over ``events``, or one the locked store will not run."""

    usual_mend = gettext_noop("Investigate the logs again; if the same is said then, please report it.")
