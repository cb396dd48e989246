"""What can go wrong with customers."""

from tocsin.kernel.errors import TocsinError
from tocsin.kernel.language import gettext_noop


class NoSuchCustomer(TocsinError):
    """No customer has this account or id."""

    usual_mend = gettext_noop("`tocsin customer show ACCOUNT` finds people by their accounts.")


class ImportNotUnderstood(TocsinError):
    """A file of customers has no header, or lacks a column that is needed."""

    usual_mend = gettext_noop(
        "It must be a CSV file in UTF-8 whose first line names the columns: `tocsin customer import --help`."
    )
