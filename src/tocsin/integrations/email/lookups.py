"""Questions to the DNS, asked when somebody wants to know whether mails will be believed: never while sending.

What could not be asked is an error of its own and never an empty answer, so that no check says well what nobody saw.
"""

import asyncio
import contextlib
import ipaddress
from collections.abc import Sequence
from typing import Any, NamedTuple

from tocsin.kernel.language import gettext as _
from tocsin.kernel.loading import lazily

asyncresolver = lazily("dns.asyncresolver")
exceptions = lazily("dns.exception")
nameserver = lazily("dns.nameserver")
resolver = lazily("dns.resolver")
reversename = lazily("dns.reversename")

ANSWER_SECONDS_MAX = 4.0  # of one question, with all its repetitions
PORT = 53
# Names for examples and for one machine (RFC 2606, RFC 6761, RFC 6762): no server of the world answers for them.
NOBODYS = frozenset({"test", "example", "invalid", "localhost", "local", "internal"})


class NotLookedUp(Exception):
    """Nobody knows what the DNS says of a name; the text says why, for a person."""


class Answer(NamedTuple):
    """What the DNS says: ``records`` of the asked kind as texts, ``exists`` whether there is such a name at all."""

    records: tuple[str, ...]
    exists: bool = True


class Lookups:
    """Questions, each asked once. Used within one event loop."""

    def __init__(self, servers: Sequence[tuple[str, int]] = (), *, doubts: bool | None = None) -> None:
        """Ask these servers, each by address and port, or the machine's own.

        ``doubts``: that there is no such name is believed only of who knows the root of all names. Without a network many
        a machine's own server says it of everything; whoever names servers knows what they know.
        """
        self._servers = tuple(servers)
        self._doubts = not servers if doubts is None else doubts
        self._asked: dict[tuple[str, str], asyncio.Task[Answer]] = {}
        self._resolver: Any = None

    async def txt(self, name: str) -> Answer:
        """Return the texts at a name, the pieces of each joined (RFC 7208, 3.3)."""
        return await self._once(name, "TXT")

    async def addresses(self, name: str) -> tuple[str, ...]:
        """Return the IPv4 and IPv6 addresses of a name; an address is its own."""
        with contextlib.suppress(ValueError):
            return (str(ipaddress.ip_address(name.strip("[]"))),)
        four, six = await asyncio.gather(self._once(name, "A"), self._once(name, "AAAA"))
        return four.records + six.records

    async def mail_servers(self, domain: str) -> Answer:
        """Return who takes mail for a domain (MX), best first; ``.`` is nobody (RFC 7505)."""
        return await self._once(domain, "MX")

    async def names(self, address: str) -> tuple[str, ...]:
        """Return the names of an address (PTR)."""
        return (await self._once(str(reversename.from_address(address)), "PTR")).records

    async def _once(self, name: str, kind: str) -> Answer:
        key = (name.lower().rstrip("."), kind)
        if key not in self._asked:
            self._asked[key] = asyncio.ensure_future(self._ask(*key))
        return await self._asked[key]

    async def _ask(self, name: str, kind: str) -> Answer:
        if not self._servers and name and name.rpartition(".")[2] in NOBODYS:
            raise NotLookedUp(_("it is a name for examples, or of this machine alone"))
        try:
            told = await self._made().resolve(f"{name}.", kind, lifetime=ANSWER_SECONDS_MAX)
        except resolver.NXDOMAIN:
            if name:
                await self._check_root()
            return Answer((), exists=False)
        except resolver.NoAnswer:
            return Answer(())
        except resolver.NoResolverConfiguration:
            raise NotLookedUp(_("this machine knows no name server")) from None
        except resolver.NoNameservers:
            raise NotLookedUp(_("the name servers refuse to answer, or fail")) from None
        except (exceptions.DNSException, OSError, ValueError):
            raise NotLookedUp(_("no name server answers")) from None
        return Answer(tuple(_texts(kind, told)))

    async def _check_root(self) -> None:
        """Raise NotLookedUp when whoever denies a name denies all of them."""
        if self._doubts and not (await self._once("", "NS")).records:
            raise NotLookedUp(_("the name server knows no names of the world"))

    def _made(self) -> Any:
        if self._resolver is None:
            self._resolver = asyncresolver.Resolver(configure=not self._servers)
            if self._servers:
                self._resolver.nameservers = [
                    nameserver.Do53Nameserver(address, port) for address, port in self._servers
                ]
        return self._resolver


def servers_of(words: Sequence[str]) -> list[tuple[str, int]]:
    """Return name servers written as ``ADDRESS``, ``ADDRESS:PORT`` or ``[ADDRESS]:PORT``; ValueError else."""
    found = []
    for word in words:
        host, colon, port = word.rpartition(":") if word.count(":") == 1 or "]:" in word else (word, "", "")
        address = ipaddress.ip_address((host if colon else word).strip("[]"))
        number = int(port) if colon else PORT
        if not 0 < number < 65536:
            raise ValueError(number)
        found.append((str(address), number))
    return found


def _texts(kind: str, told: Any) -> Sequence[str]:
    if kind == "TXT":
        return [b"".join(each.strings).decode("utf-8", "replace") for each in told]
    if kind == "MX":
        return [str(each.exchange).rstrip(".") or "." for each in sorted(told, key=lambda each: each.preference)]
    return [str(each).rstrip(".") for each in told]
