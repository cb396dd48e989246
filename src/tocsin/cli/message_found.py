"""Which messages an operator asks about: by a message's id, an address, an account, or what the provider calls it."""

from collections.abc import Iterable
from uuid import UUID

from tocsin.cli import listing
from tocsin.customers import queries as customers
from tocsin.customers.values import Person
from tocsin.kernel.language import gettext as _
from tocsin.messaging import queries
from tocsin.messaging.errors import NoSuchMessage
from tocsin.messaging.values import Message


def of_anything(who: str, *, country: str = "") -> list[Message]:
    """Return the messages WHO may stand for, newest first; NoSuchMessage when it is an id and nothing has it.

    What could be read in two ways is looked up in both: in many products the account is the mail address.
    """
    if (named := _id(who)) is not None:
        try:
            return [queries.message(named)]
        except NoSuchMessage:
            if (found := of_account(who)) or customers.person_of_account(who):
                return found
            raise
    return _newest_first([*of_account(who), *of_address(who, country=country), *of_provider(who)])


def of_account(account: str) -> list[Message]:
    """Return what was sent to the person of an account, also before it was known that the address was theirs."""
    person = customers.person_of_account(account)
    if person is None:
        return []
    to_them = [message for each in person.addresses for message in queries.messages(address=each.value)]
    theirs = [message for message in to_them if message.person_id in {None, person.id}]
    return _newest_first([*queries.messages(person_id=person.id), *theirs])


def of_address(address: str, *, country: str = "") -> list[Message]:
    """Return what was sent to an address, in whatever form it is written."""
    forms = dict.fromkeys(
        filter(
            None,
            (address, customers.phone(address, country=country), customers.email(address), address.strip().lower()),
        )
    )
    return _newest_first(message for form in forms for message in queries.messages(address=form))


def of_provider(name: str) -> list[Message]:
    """Return the message a provider knows by this id: a wamid, or the Message-ID of a mail with or without < >."""
    return _newest_first(
        message
        for form in {name, f"<{name.strip('<>')}>", name.strip("<>")}
        for message in queries.messages(provider_id=form)
    )


def print_nothing(who: str, *, account: str) -> None:
    """Say that there is no message, and what is known of those it was asked about."""
    person = customers.person_of_account(account or who)
    if not (person or account or _address_like(who)):
        listing.lines(_("Not known: nobody here is called so."), style="bold yellow")
        listing.lines(
            _("WHO is an account, a mail address, or a number with + and its country; --country reads others.")
        )
        return
    listing.lines(_("No: no message was ever queued for them."), style="bold red")
    if person:
        _print_reach(person)
    elif account:
        listing.lines(_("Account {account} leads to nobody.").format(account=account))


def _print_reach(person: Person) -> None:
    if not person.addresses:
        listing.lines(_("There is no way to reach this person."))
        return
    masked = ", ".join(customers.masked(each.value) for each in person.addresses)
    listing.lines(_("They can be reached at {addresses}.").format(addresses=masked))


def _address_like(who: str) -> bool:
    return bool(customers.phone(who) or customers.email(who))


def _id(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _newest_first(found: Iterable[Message]) -> list[Message]:
    return sorted({message.id: message for message in found}.values(), key=lambda message: message.id, reverse=True)
