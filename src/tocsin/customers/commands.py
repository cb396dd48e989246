"""Every act that changes the address book, and the one that shows addresses whole."""

from django.db import transaction

from tocsin.customers.importing import Progress, import_customers
from tocsin.customers.moving import change_address
from tocsin.journal import commands as journal
from tocsin.journal.values import Author
from tocsin.staff import permissions
from tocsin.staff.permissions import Act

__all__ = ["Progress", "change_address", "import_customers", "record_reveal"]


def record_reveal(whose: str, *, addresses: int, by: Author) -> None:
    """Write down that somebody saw addresses whole; ``whose`` is ``person:<id>`` or ``message:<id>``."""
    permissions.check(Act.SEE_ADDRESSES, by=by)
    with transaction.atomic():
        journal.write(verb="customers.addresses_revealed", subject=whose, by=by, facts={"addresses": addresses})
