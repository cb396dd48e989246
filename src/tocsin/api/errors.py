"""What can go wrong when the server starts."""

from tocsin.kernel.errors import TocsinError


class CannotListen(TocsinError):
    """The address is taken, or not one of this machine."""
