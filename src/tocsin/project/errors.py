"""What can go wrong with the database that keeps our own rows."""

from tocsin.kernel.errors import TocsinError


class DatabaseUnavailable(TocsinError):
    """The database could not be started or reached."""


class UnsafePlace(TocsinError):
    """A folder the database would need is not ours alone, so it is not used."""


class NoSystemUser(TocsinError):
    """Running as root, PostgreSQL needs a user of its own, and none could be made."""
