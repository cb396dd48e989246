"""What the DNS says of those mails are from, beside what it must say so that mail servers believe them.

Large mailboxes (Gmail, Yahoo, Outlook.com) refuse mails of many senders unless SPF, DKIM and DMARC are there and agree.
What could not be looked up is said to be unknown.
"""

import asyncio
import ipaddress
import re
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from tocsin.integrations.email import dkim, spf
from tocsin.integrations.email.lookups import Lookups, NotLookedUp
from tocsin.integrations.email.spf import Fault
from tocsin.kernel.language import gettext as _, gettext_noop
from tocsin.kernel.remarks import Remark, Standing

RSA_BITS_ADVISED = 2048  # RFC 8301, 3.2
NOBODY = "."  # RFC 7505
_DMARC = re.compile(r"v\s*=\s*DMARC1\s*(?:;|$)", re.IGNORECASE)
_BROKEN: Mapping[Fault, str] = {
    Fault.UNREADABLE: gettext_noop("The SPF record of {domain} cannot be read at {where}: mail servers ignore it."),
    Fault.TOO_MANY: gettext_noop(
        "The SPF record of {domain} needs more than 10 questions to the DNS: mail servers give up."
    ),
    Fault.LEADS_NOWHERE: gettext_noop(
        "The SPF record of {domain} includes {where}, which has none: mail servers ignore it."
    ),
    Fault.SEVERAL: gettext_noop("{where} has several SPF records: mail servers ignore them all."),
}


@dataclass(frozen=True, slots=True)
class Names:
    """Under which names mails go out: the domain people see, where bounces go, who takes them from us, who signs.

    ``bounces`` and ``server`` are empty where a provider has its own.
    """

    domain: str
    bounces: str = ""
    server: str = ""
    signers: Sequence[dkim.Signer] = ()


async def remarks(names: Names, *, lookups: Lookups) -> Sequence[Remark]:
    """Return what the DNS says, one remark a thing."""
    taken = _("who takes mail for {name}")
    domains = dict.fromkeys(filter(None, (names.domain, names.bounces)))
    asked = [_asked(taken.format(name=each), _mail_servers(each, lookups)) for each in domains]
    if names.bounces:
        asked.append(_asked(_("the SPF record of {name}").format(name=names.bounces), _spf(names, lookups)))
    key = _("the DKIM key at {name}")
    asked += [
        _asked(key.format(name=place_of(each)), _key(each, lookups), mend=_to_publish(each)) for each in names.signers
    ]
    asked.append(_asked(_("the DMARC record of {name}").format(name=names.domain), _dmarc(names, lookups)))
    if names.server:
        asked.append(_asked(_("the name of {name}").format(name=names.server), _server_name(names.server, lookups)))
    return tuple(chain.from_iterable(await asyncio.gather(*asked)))


def place_of(signer: dkim.Signer) -> str:
    """Return the name at which others look for the key of a signature."""
    return f"{signer.selector}._domainkey.{signer.domain}"


def _to_publish(signer: dkim.Signer) -> str:
    words = _("Publish as a TXT record at {name}: {record}")
    return words.format(name=place_of(signer), record=dkim.record(signer))


async def _asked(what: str, answer: Awaitable[list[Remark]], *, mend: str = "") -> list[Remark]:
    try:
        return await answer
    except NotLookedUp as reason:
        return [_warning(_("Not looked up: {what} ({reason}).").format(what=what, reason=reason), mend)]


async def _mail_servers(domain: str, lookups: Lookups) -> list[Remark]:
    """Say whether answers and bounces to a domain arrive: servers refuse mails of one that takes none."""
    answer = await lookups.mail_servers(domain)
    if not answer.exists:
        return [_fault(_("The domain {name} does not exist: mail servers refuse its mails.").format(name=domain))]
    if NOBODY in answer.records:
        words = _("{name} says that it takes no mail (a null MX record): many servers refuse mails of such a domain.")
        return [_fault(words.format(name=domain), _("Let its MX record name a mail server, or send from another one."))]
    if not answer.records and not await lookups.addresses(domain):
        words = _("Nobody takes mail for {name}: answers and bounces are lost, and some servers refuse its mails.")
        return [_fault(words.format(name=domain), _("Give it an MX record."))]
    servers = ", ".join(answer.records[:3]) or domain
    return [_ok(_("Mail for {name} goes to {servers}.").format(name=domain, servers=servers))]


async def _spf(names: Names, lookups: Lookups) -> list[Remark]:
    """Say whether the record of the domain bounces go to, the one that counts, can be read, and whom it allows."""
    domain = names.bounces
    try:
        whole = await spf.read(domain, lookups=lookups)
        found = [_("The SPF record of {name} can be read.").format(name=domain)]
        if whole.result == "pass":
            words = _("The SPF record of {name} lets anybody send: it proves nothing.")
            return [_warning(words.format(name=domain), _("Let it end in ~all or -all."))]
        allowed = await _allowed(names, lookups)
    except spf.Broken as error:
        if error.fault is Fault.NONE:
            mend = _('Publish at {name}, with what your mail server or provider tells you: "v=spf1 include:... ~all"')
            words = _("{name} has no SPF record.").format(name=domain)
            return [_warning(words, mend.format(name=domain))]
        return [_fault(_(_BROKEN[error.fault]).format(domain=domain, where=error.where))]
    if allowed is None or whole.has_macros:
        return [_ok(found[0])]
    if allowed:
        return [_ok(_("The SPF record of {name} allows {server}.").format(name=domain, server=names.server))]
    words = _("The SPF record of {name} does not allow the address of {server}.").format(
        name=domain, server=names.server
    )
    return [_warning(words, _("If that server passes mails on from others, ask who runs it what the record must say."))]


async def _allowed(names: Names, lookups: Lookups) -> bool | None:
    """Return whether the server we hand mails to may send them; None when it has no public address."""
    addresses = await lookups.addresses(names.server) if names.server else ()
    if not addresses or names.server == "localhost":
        return None
    results = [(await spf.read(names.bounces, lookups=lookups, address=each)).result for each in addresses]
    return "pass" in results


async def _key(signer: dkim.Signer, lookups: Lookups) -> list[Remark]:
    name, ours = place_of(signer), dkim.record(signer)
    records = (await lookups.txt(name)).records
    mend = _to_publish(signer)
    if not records:
        words = _("There is no DKIM key at {name}: nobody can verify the signature of our mails.").format(name=name)
        return [_fault(words, mend)]
    if len(records) > 1:
        return [
            _fault(_("There are several records at {name}: which is the key is not defined.").format(name=name), mend)
        ]
    told, wanted = dkim.tags(records[0]), dkim.tags(ours)
    if not told.get("p"):
        words = (
            _("The DKIM key at {name} was withdrawn.") if "p" in told else _("What stands at {name} is no DKIM key.")
        )
        return [_fault(words.format(name=name), mend)]
    if told["p"] != wanted["p"] or told.get("k", "rsa") != wanted["k"]:
        words = _("The DKIM key at {name} is another one: our signatures count as forged.")
        return [_fault(words.format(name=name), mend)]
    if "sha256" not in told.get("h", "sha256").split(":") or not {"*", "email"} & set(told.get("s", "*").split(":")):
        return [_fault(_("The DKIM key at {name} may not be used for such signatures.").format(name=name), mend)]
    found = [_ok(_("The DKIM key at {name} is ours.").format(name=name))]
    if "y" in told.get("t", "").split(":"):
        words = _("The DKIM key at {name} is marked as a test (t=y): some servers ignore it.")
        found.append(_warning(words.format(name=name), mend))
    if isinstance(signer.key, RSAPrivateKey) and signer.key.key_size < RSA_BITS_ADVISED:
        words = _("The DKIM key at {name} has {bits} bits; {advised} are advised.")
        found.append(_warning(words.format(name=name, bits=signer.key.key_size, advised=RSA_BITS_ADVISED)))
    return found


async def _dmarc(names: Names, lookups: Lookups) -> list[Remark]:
    """Say what others are told to do with mails that prove nothing, and whether ours will prove anything."""
    domain, records = await _policy(names.domain, lookups)
    if not records:
        words = _("{name} has no DMARC record: Gmail, Yahoo and Outlook.com want one of who sends many mails.")
        mend = _("Publish at _dmarc.{name}: `v=DMARC1; p=none; rua=mailto:dmarc@{name}`").format(name=names.domain)
        return [_warning(words.format(name=names.domain), mend)]
    if len(records) > 1:
        return [_warning(_("{name} has several DMARC records: mail servers ignore them all.").format(name=domain))]
    told = dkim.tags(records[0])
    policy = told.get("p", "").lower()
    if domain != names.domain:
        policy = told.get("sp", policy).lower()
    if policy not in {"none", "quarantine", "reject"}:
        return [_warning(_("The DMARC record of {name} names no policy: mail servers ignore it.").format(name=domain))]
    found = [_ok(_("The DMARC record of {name} says {policy}.").format(name=domain, policy=policy))]
    if names.bounces and not _agrees(names, told, over=domain):
        words = _("Neither the domain that signs nor the one bounces go to agrees with {name}: our mails fail DMARC.")
        mend = _("Sign with a key of {name} (dkim_domain, dkim_selector), or let return_path be an address there.")
        made = _warning if policy == "none" else _fault
        found.append(made(words.format(name=names.domain), mend.format(name=names.domain)))
    return found


async def _policy(domain: str, lookups: Lookups) -> tuple[str, list[str]]:
    """Return the domain whose policy counts, the name itself or the nearest above it, and its records."""
    labels = domain.split(".")
    for n in range(max(1, len(labels) - 1)):
        name = ".".join(labels[n:])
        records = [text for text in (await lookups.txt(f"_dmarc.{name}")).records if _DMARC.match(text)]
        if records:
            return name, records
    return domain, []


def _agrees(names: Names, told: Mapping[str, str], *, over: str) -> bool:
    """Return whether one of our proofs is of the domain people see (RFC 7489, 3.1), as strictly as the record asks."""

    def is_same(other: str, *, strict: bool) -> bool:
        return other == names.domain or (not strict and (other == over or other.endswith(f".{over}")))

    if is_same(names.bounces, strict=told.get("aspf", "r") == "s"):
        return True
    return any(is_same(each.domain, strict=told.get("adkim", "r") == "s") for each in names.signers)


async def _server_name(server: str, lookups: Lookups) -> list[Remark]:
    """Say whether the address of the server leads to a name and back, without which others refuse its mails."""
    for address in await lookups.addresses(server):
        if _is_private(address):
            continue
        names = await lookups.names(address)
        back = [name for name in names if address in await lookups.addresses(name)]
        if not back:
            words = _("The address of {server} leads to no name that leads back: many servers refuse its mails.")
            mend = _("Ask who runs it whether it sends with this address, and for a PTR record.")
            return [_warning(words.format(server=server), mend)]
    return []


def _is_private(address: str) -> bool:
    return not ipaddress.ip_address(address).is_global


def _ok(text: str) -> Remark:
    return Remark(Standing.OK, text)


def _warning(text: str, mend: str = "") -> Remark:
    return Remark(Standing.WARNING, text, mend)


def _fault(text: str, mend: str = "") -> Remark:
    return Remark(Standing.FAULT, text, mend)
