"""What can go wrong when people are to be told."""

from tocsin.kernel.errors import TocsinError
from tocsin.kernel.language import gettext_noop


class NothingFrozen(TocsinError):
    """People are told of a frozen scope only."""


class WordingNotUnderstood(TocsinError):
    """A wording that cannot be read, or that nobody's language leads to."""

    usual_mend = gettext_noop("docs/howto/messages.md shows how one is written.")


class CountDiffers(TocsinError):
    """The number of people that was read is not the number there is now."""
