"""What can go wrong with an approval."""

from tocsin.kernel.errors import TocsinError


class ApprovedAlready(TocsinError):
    """This person has approved exactly this digest before."""
