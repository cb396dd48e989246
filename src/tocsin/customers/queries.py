"""What can be asked about the people we may have to tell."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from typing import Any
from uuid import UUID

from django.db import connection

from tocsin.customers.addresses import email, known_country, language, masked, phone
from tocsin.customers.errors import NoSuchCustomer
from tocsin.customers.values import Address, AddressKind, Person
from tocsin.kernel.language import gettext as _

__all__ = [
    "email",
    "known_country",
    "language",
    "masked",
    "people",
    "people_at",
    "people_of_accounts",
    "people_of_addresses",
    "person",
    "person_ids_of_addresses",
    "person_of_account",
    "person_of_address",
    "phone",
]

Pair = tuple[AddressKind, str]
_PEOPLE = """
SELECT p.id, p.name, p.language,
    ARRAY(SELECT account FROM tocsin_customeraccount c WHERE c.person_id = p.id ORDER BY account),
    ARRAY(SELECT ARRAY[kind, value, preferred::text] FROM tocsin_customeraddress d WHERE d.person_id = p.id
        ORDER BY preferred DESC, id)
FROM tocsin_customerperson p WHERE p.id = ANY(%s)
"""
_OF_ADDRESSES = """
SELECT d.kind, d.value, min(d.person_id::text)::uuid, count(*)
FROM tocsin_customeraddress d JOIN unnest(%s::text[], %s::text[]) AS asked(kind, value)
    ON d.kind = asked.kind AND d.value = asked.value
GROUP BY d.kind, d.value
"""


def people(ids: Collection[UUID]) -> dict[UUID, Person]:
    """Return those of these people who are known, the preferred address of each first."""
    return {row[0]: _person(row) for row in _rows(_PEOPLE, [list(ids)])} if ids else {}


def person(id: UUID) -> Person:
    """Return one person; NoSuchCustomer when there is none."""
    found = people([id]).get(id)
    if found is None:
        raise NoSuchCustomer(_("There is no such person."), where=str(id))
    return found


def person_of_account(account: str) -> Person | None:
    """Return whose an account is, or None when it leads to nobody."""
    return people_of_accounts([account]).get(account)


def people_of_accounts(accounts: Collection[str]) -> Mapping[str, Person]:
    """Return account -> person, of those accounts that lead to somebody."""
    owners = dict(
        _rows("SELECT account, person_id FROM tocsin_customeraccount WHERE account = ANY(%s)", [list(accounts)])
    )
    known = people(set(owners.values()))
    return {account: known[person_id] for account, person_id in owners.items()}


def person_of_address(kind: AddressKind, value: str) -> Person | None:
    """Return whose an address is; None when it is nobody's, or several people share it."""
    return people_of_addresses([(kind, value)]).get((kind, value))


def people_at(written: str, *, country: str = "") -> list[Person]:
    """Return everybody who has an address, in whatever form it is written: a family may share a telephone."""
    forms = {written.strip(), phone(written, country=country), email(written.strip()), email(written.strip().lower())}
    sql = "SELECT DISTINCT person_id FROM tocsin_customeraddress WHERE kind = ANY(%s) AND value = ANY(%s)"
    found = _rows(sql, [[kind.value for kind in AddressKind], [form for form in forms if form]])
    return sorted(people([row[0] for row in found]).values(), key=lambda person: person.id)


def people_of_addresses(pairs: Iterable[Pair]) -> Mapping[Pair, Person]:
    """Return (kind, address) -> person, of those addresses that are exactly one person's."""
    owners = person_ids_of_addresses(pairs)
    known = people(set(owners.values()))
    return {pair: known[owner] for pair, owner in owners.items()}


def person_ids_of_addresses(pairs: Iterable[Pair]) -> dict[Pair, UUID]:
    """Return (kind, address) -> id of the person, of those addresses that are exactly one person's: one statement."""
    asked: dict[str, list[str]] = defaultdict(list)
    for kind, value in set(pairs):
        asked["kind"].append(kind.value)
        asked["value"].append(value)
    if not asked:
        return {}
    found = _rows(_OF_ADDRESSES, [asked["kind"], asked["value"]])
    return {(AddressKind(kind), value): owner for kind, value, owner, sharing in found if sharing == 1}


def _person(row: tuple[Any, ...]) -> Person:
    known_as, name, spoken, accounts, found = row
    addresses = tuple(Address(AddressKind(kind), value, preferred == "true") for kind, value, preferred in found)
    return Person(id=known_as, name=name, language=spoken, accounts=tuple(accounts), addresses=addresses)


def _rows(sql: str, parameters: list[Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        found: list[tuple[Any, ...]] = cursor.fetchall()
    return found
