"""E-mail addresses as the address book keeps them, so that import and sending agree."""

from tocsin.customers import queries as customers
from tocsin.kernel.language import gettext as _
from tocsin.messaging.errors import AddressNotUnderstood


def normal_address(text: str) -> str:
    """Return the one normal form, or raise AddressNotUnderstood, which never repeats the address."""
    found = customers.email(text)
    if found is None:
        raise AddressNotUnderstood(_("This is no e-mail address."), mend=_("Write it as name@example.org."))
    return found
