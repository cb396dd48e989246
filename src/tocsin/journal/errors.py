"""What can go wrong with the record of our own work."""

from tocsin.kernel.errors import TocsinError


class WrittenOutsideTransaction(TocsinError):
    """An entry was about to be written apart from the change it records: a programming error."""


class NotTheJournalsKey(TocsinError):
    """This machine's key is not the one the journal is signed with."""


class NoSuchEntry(TocsinError):
    """No entry has this number or id."""


class NotGrown(TocsinError):
    """The journal is not what an earlier head says, with more entries after it."""

    exit_code = 1


class HeadUnreadable(TocsinError):
    """A file does not hold signed heads."""


class BadSignature(TocsinError):
    """A signature does not belong to the act it came with."""


class WitnessUnknown(TocsinError):
    """The place where heads are to be kept is not written as it must be."""
