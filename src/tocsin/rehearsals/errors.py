"""What can go wrong with a rehearsal."""

from tocsin.kernel.errors import TocsinError


class FolderTaken(TocsinError):
    """The folder named for a rehearsal holds something that no rehearsal wrote."""


class SizeRefused(TocsinError):
    """Fewer lines than a company can be told from, or more than the generator was measured for."""


class RehearsalStuck(TocsinError):
    """Something that should have happened in a rehearsal did not."""
