"""E-mail addresses in their one normal form: the domain as IDNA in lower case, the local part as given (RFC 6531)."""

import re
import unicodedata

import idna

from tocsin.kernel.language import gettext as _
from tocsin.messaging.errors import AddressNotUnderstood

LOCAL_OCTETS_MAX, ADDRESS_OCTETS_MAX = 64, 254  # RFC 5321, 4.5.3.1
_LOCAL = re.compile(r"[^\s\x00-\x20\x7f-\xa0()<>\[\]:;@\\,\".]+(?:\.[^\s\x00-\x20\x7f-\xa0()<>\[\]:;@\\,\".]+)*")


def normal_address(text: str) -> str:
    """Return the normal form, or raise AddressNotUnderstood, which never repeats the address."""
    local, at, domain = unicodedata.normalize("NFC", text.strip()).rpartition("@")
    if not at or not _LOCAL.fullmatch(local) or not all(map(_is_printable, local)):
        raise _wrong()
    try:
        named = idna.encode(domain.rstrip("."), uts46=True).decode("ascii").lower()
    except (idna.IDNAError, UnicodeError) as error:
        raise _wrong() from error
    address = f"{local}@{named}"
    if "." not in named and named != "localhost":
        raise _wrong()
    if len(local.encode()) > LOCAL_OCTETS_MAX or len(address.encode()) > ADDRESS_OCTETS_MAX:
        raise _wrong()
    return address


def needs_utf8(address: str) -> bool:
    """Say whether an address reaches only servers that speak SMTPUTF8 (RFC 6531)."""
    return not address.isascii()


def _is_printable(character: str) -> bool:
    return unicodedata.category(character)[0] not in "CZ"


def _wrong() -> AddressNotUnderstood:
    return AddressNotUnderstood(_("This is no e-mail address."), mend=_("Write it as name@example.org."))
