"""Where a webhook may lead: never into the operator's own network unless staff say so (server-side request forgery).

Every address a name stands for is checked, and the connection goes to the address that was checked.
"""

import ipaddress
import socket
from ipaddress import IPv4Address, IPv6Address

from aiohttp import ThreadedResolver
from aiohttp.abc import AbstractResolver, ResolveResult

from tocsin.integrations.http_calls.calls import NotReached
from tocsin.kernel.language import gettext as _

_NAT64 = ipaddress.ip_network("64:ff9b::/96")  # RFC 6052: an IPv4 address in its last 32 bits


def is_public(text: str) -> bool:
    """Say whether an address is out on the Internet; what carries an IPv4 address inside is judged by that one too."""
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return False
    if isinstance(address, IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if inner is None and address in _NAT64:
            inner = IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(str(inner))
        if address.teredo is not None or address.is_site_local:
            return False
    return address.is_global and not address.is_multicast and not address.is_reserved


def may_be_public(host: str) -> bool:
    """Say whether a host is a public address, or a name, which is looked at when it is resolved.

    Digits and dots that are no address (``2130706433``, ``127.1``) are refused: aiohttp takes them for an address and asks
    no resolver, and the machine then reads them as the loopback.
    """
    is_name = ":" not in host and not host.replace(".", "").isdigit()
    return is_name or is_public(host)


class PublicOnly(AbstractResolver):
    """Resolves names as the machine does, and refuses a name as soon as one of its addresses is not public."""

    def __init__(self, resolver: AbstractResolver | None = None) -> None:
        self._resolver = resolver or ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Return the addresses of a name; NotReached when one of them is private."""
        found = await self._resolver.resolve(host, port, family)
        if not all(is_public(each["host"]) for each in found):
            raise NotReached(_("its name leads to a private address; set allow_private to yes if that is meant"))
        return found

    async def close(self) -> None:
        """Release what the resolver holds."""
        await self._resolver.close()
