"""`tocsin customer object`: what people do not want, as they said it by word or told somebody here."""

from collections.abc import Iterable

import click

from tocsin.cli import listing
from tocsin.cli.acting import Acting, acting
from tocsin.cli.wired import Wired
from tocsin.customers import queries as customers
from tocsin.customers.errors import NoSuchCustomer
from tocsin.customers.values import Address, Person
from tocsin.kernel.language import format_datetime, gettext as _, gettext_noop
from tocsin.messaging import commands, queries
from tocsin.messaging.values import Purpose, StandingObjection

_WANTED_NOT = {
    None: gettext_noop("everything but security notices"),
    Purpose.MARKETING: gettext_noop("marketing"),
    Purpose.SERVICE: gettext_noop("service messages"),
    Purpose.TEST: gettext_noop("tests"),
}


@click.command("object")
@click.argument("account")
@click.option("--everything", is_flag=True, help="They want nothing but security notices; otherwise no marketing.")
@click.option("--again", is_flag=True, help="They want it again.")
@click.option("--reason", default="", help="How they told you; kept in the journal.")
@acting
@click.pass_obj
def object_to(wired: Wired, account: str, everything: bool, again: bool, reason: str, acts: Acting) -> None:
    """Note that the person of ACCOUNT wants no marketing, as they told you by telephone or letter.

    It counts for every address of theirs and for what waits already. Security notices reach them all the same.
    """
    purpose = None if everything else Purpose.MARKETING
    with wired.rows():
        person = _person(account)
        known = [(each.kind, each.value) for each in person.addresses]
        commands.object_to(known, purpose=purpose, stopped=not again, reason=reason, by=acts.author())
        rows = wishes(person.addresses)
    listing.console().print(listing.pairs(rows or [(_("does not want"), _("nothing of the kind is known"))]))


def wishes(addresses: Iterable[Address]) -> list[tuple[str, object]]:
    """Return what a person does not want, as pairs."""
    known = [(each.kind, each.value) for each in addresses]
    shown: dict[str, StandingObjection] = {}
    for each in queries.standing_objections(known) if known else ():
        shown.setdefault(_(_WANTED_NOT[each.purpose]), each)
    return [
        (_("does not want"), _("{what}, since {time}").format(what=what, time=format_datetime(each.since_at)))
        for what, each in shown.items()
    ]


def _person(account: str) -> Person:
    person = customers.person_of_account(account)
    if person is None:
        raise NoSuchCustomer(
            _("Account {account} leads to nobody.").format(account=account),
            mend=_("Import the list that has it: tocsin customer import FILE.csv"),
        )
    return person
