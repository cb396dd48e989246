"""What a domain's SPF record says (RFC 7208): whether it can be read, and whether it names an address.

Mail servers read it with a limit of ten questions to the DNS; a record that needs more counts as broken, and the mails
of such a domain as of one that has none.
"""

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from tocsin.integrations.email.lookups import Lookups

QUESTIONS_MAX = 10  # RFC 7208, 4.6.4
SERVERS_MAX = 10  # of one "mx"
VERSION = re.compile(r"v=spf1(?: |$)", re.IGNORECASE)
_TERM = re.compile(r"([+?~-]?)([a-z0-9]+)(?:[:=]([^\s/]*))?((?:/\d{1,3})?(?://\d{1,3})?)", re.IGNORECASE)
_RESULTS = {"": "pass", "+": "pass", "-": "fail", "~": "softfail", "?": "neutral"}

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class Fault(StrEnum):
    """Why a record cannot be used."""

    NONE = "none"  # there is no record
    SEVERAL = "several"
    UNREADABLE = "unreadable"  # a term nobody understands
    TOO_MANY = "too_many"  # more questions than are allowed
    LEADS_NOWHERE = "leads_nowhere"  # it includes a domain without a record


class Broken(Exception):
    """The record cannot be used; ``fault`` says why, ``where`` at which domain or term."""

    def __init__(self, fault: Fault, *, where: str) -> None:
        super().__init__(fault, where)
        self.fault, self.where = fault, where


@dataclass(frozen=True, slots=True)
class Reading:
    """What a record says. ``questions`` to the DNS it needs at worst; ``result`` for the address that was asked of."""

    result: str
    questions: int
    has_macros: bool


async def read(domain: str, *, lookups: Lookups, address: str | None = None) -> Reading:
    """Read a domain's record to its end for an address, or for one nothing names; raises Broken and NotLookedUp."""
    walk = _Walk(lookups, ipaddress.ip_address(address) if address else None)
    result = await walk.result(domain)
    return Reading(result, walk.questions, walk.has_macros)


class _Walk:
    """One reading, from domain to domain."""

    def __init__(self, lookups: Lookups, address: Address | None) -> None:
        self._lookups, self._address = lookups, address
        self.questions, self.has_macros = 0, False

    async def result(self, domain: str) -> str:
        terms = [_term(word, domain=domain) for word in (await record(domain, lookups=self._lookups)).split()[1:]]
        redirect = ""
        for sign, name, value, width in terms:
            if name == "redirect":
                redirect = value
            elif name != "exp" and await self._matches(name, value or domain, width):
                return _RESULTS[sign]
        if redirect and not any(name == "all" for _sign, name, _value, _width in terms):
            self._count(redirect)
            return "neutral" if self._is_macro(redirect) else await self._included(redirect)
        return "neutral"

    async def _included(self, domain: str) -> str:
        try:
            return await self.result(domain)
        except Broken as error:
            if error.fault is Fault.NONE:
                raise Broken(Fault.LEADS_NOWHERE, where=domain) from None
            raise

    async def _matches(self, name: str, value: str, width: str) -> bool:
        if name == "all":
            return True
        if name in {"ip4", "ip6"}:
            return self._is_in([value], width)
        self._count(value)
        if self._is_macro(value) or name in {"ptr", "exists"}:
            return False
        if name == "include":
            return await self._included(value) == "pass"
        if name == "a":
            return self._is_in(await self._lookups.addresses(value), width)
        servers = [each for each in (await self._lookups.mail_servers(value)).records if each != "."]
        if len(servers) > SERVERS_MAX:
            raise Broken(Fault.TOO_MANY, where=value)
        found = [address for server in servers for address in await self._lookups.addresses(server)]
        return self._is_in(found, width)

    def _count(self, where: str) -> None:
        self.questions += 1
        if self.questions > QUESTIONS_MAX:
            raise Broken(Fault.TOO_MANY, where=where)

    def _is_macro(self, value: str) -> bool:
        self.has_macros |= "%" in value
        return "%" in value

    def _is_in(self, texts: Sequence[str], width: str) -> bool:
        four, _slashes, six = width.partition("//")
        for text in texts:
            bits = (f"/{six}" if six else "") if ":" in text else four
            try:
                network = ipaddress.ip_network(text + bits, strict=False)
            except ValueError:
                raise Broken(Fault.UNREADABLE, where=text) from None
            if self._address is not None and self._address in network:
                return True
        return False


async def record(domain: str, *, lookups: Lookups) -> str:
    """Return the one SPF record of a domain; raises Broken and NotLookedUp."""
    found = [text for text in (await lookups.txt(domain)).records if VERSION.match(text)]
    if len(found) != 1:
        raise Broken(Fault.SEVERAL if found else Fault.NONE, where=domain)
    return found[0]


def _term(word: str, *, domain: str) -> tuple[str, str, str, str]:
    """Return sign, name, value and width of one term; modifiers nobody knows are passed over (RFC 7208, 6)."""
    if re.fullmatch(r"[a-z][a-z0-9._-]*=.*", word, re.IGNORECASE):
        name, _equals, value = word.partition("=")
        return "", "redirect" if name.lower() == "redirect" else "exp", value, ""
    sign = word[:1] if word[:1] in "+?~-" else ""
    rest = word[len(sign) :]
    if rest.lower().startswith(("ip4:", "ip6:")):  # an IPv6 address holds colons itself
        address, slash, bits = rest[4:].partition("/")
        return sign, rest[:3].lower(), address, ("//" if ":" in address else "/") + bits if slash else ""
    found = _TERM.fullmatch(word)
    if found is None or found[2].lower() not in {"all", "include", "a", "mx", "ptr", "exists"}:
        raise Broken(Fault.UNREADABLE, where=domain)
    if found[2].lower() in {"include", "exists"} and not found[3]:
        raise Broken(Fault.UNREADABLE, where=domain)
    return found[1], found[2].lower(), found[3] or "", found[4]
