"""What can go wrong with the record of our own work."""

from tocsin.kernel.errors import TocsinError
from tocsin.kernel.language import gettext_noop


class WrittenOutsideTransaction(TocsinError):
    """An entry was about to be written apart from the change it records: a programming error."""

    usual_mend = gettext_noop("This is a mistake in Tocsin: please report it.")


class NotTheJournalsKey(TocsinError):
    """This machine's key is not the one the journal is signed with."""


class NoSuchEntry(TocsinError):
    """No entry has this number or id."""

    usual_mend = gettext_noop("`tocsin journal list` shows the numbers.")


class NotGrown(TocsinError):
    """The journal is not what an earlier head says, with more entries after it."""

    usual_mend = gettext_noop("Keep the earlier head, and find out who could write to the database.")

    exit_code = 1


class HeadUnreadable(TocsinError):
    """A file does not hold signed heads."""

    usual_mend = gettext_noop("`tocsin journal head` prints one.")


class BadSignature(TocsinError):
    """A signature does not belong to the act it came with."""


class WitnessUnknown(TocsinError):
    """The place where heads are to be kept is not written as it must be."""
