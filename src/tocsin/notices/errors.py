"""What can go wrong when people are to be told."""

from tocsin.kernel.errors import TocsinError


class NothingFrozen(TocsinError):
    """People are told of a frozen scope only."""


class WordingNotUnderstood(TocsinError):
    """A wording that cannot be read, or that nobody's language leads to."""


class CountDiffers(TocsinError):
    """The number of people that was read is not the number there is now."""
