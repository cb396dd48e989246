"""What can go wrong with customers."""

from tocsin.kernel.errors import TocsinError


class NoSuchCustomer(TocsinError):
    """No customer has this account or id."""


class ImportNotUnderstood(TocsinError):
    """A file of customers has no header, or lacks a column that is needed."""
