"""The simulated company's address book: who the people behind the accounts are, and how they can be reached.

Telephone numbers come from the ranges that regulators keep free for fiction (ARCEP 06 39 98, Ofcom 07700 900, the North
American 555-01xx), mail addresses from ``example`` (RFC 2606): nobody can ever be written to by mistake.
"""

import csv
import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tocsin.rehearsals.company import DOMAIN

HEADER = ("account", "name", "language", "phone", "email", "country")
_GIVEN = (
    "Alma Bastien Chiara Dario Edith Farid Greta Hanna Ivo Jeanne Kofi Lena Malik Nadia Oskar Paula Quentin Rosa Sven "
    "Thea Ugo Vera Wim Xenia Yann Zoe"
).split()
_FAMILY = "Abel Brandt Costa Duval Ekman Faure Grau Holm Ibsen Jansen Keller Lopes Marin Novak Olsen Petit Roux".split()
_FRENCH = {"FR", "BE", "CH", "LU"}
_NO_ADDRESS_EVERY = 97  # of the people, one in so many left an account behind and no way to be reached
_NO_PHONE_EVERY = 5


@dataclass(frozen=True, slots=True)
class Listener:
    """A customer of the simulated company; empty where they left nothing."""

    account: str
    name: str
    language: str
    phone: str
    email: str
    country: str


def listener(account: str, *, country: str) -> Listener:
    """Return the person behind an account; the same one every time."""
    drawn = int.from_bytes(hashlib.sha256(account.encode()).digest()[:8])
    name = f"{_GIVEN[drawn % len(_GIVEN)]} {_FAMILY[drawn // 31 % len(_FAMILY)]}"
    nobody = drawn % _NO_ADDRESS_EVERY == 0
    mail = f"{name.lower().replace(' ', '.')}.{account[-4:]}@post.{DOMAIN}"
    return Listener(
        account=account,
        name=name,
        language="fr" if country in _FRENCH else "en",
        phone="" if nobody or drawn % _NO_PHONE_EVERY == 0 else _phone(drawn, country=country),
        email="" if nobody else mail,
        country=country,
    )


def _phone(drawn: int, *, country: str) -> str:
    if country in _FRENCH:
        return f"+3363998{drawn % 10_000:04}"
    if country == "US":
        return f"+1202555{100 + drawn % 100:04}"
    return f"+447700900{drawn % 1000:03}"


def write(path: Path, *, accounts: Iterable[tuple[str, str]]) -> int:
    """Write the book of (account, country) as CSV, for `tocsin customer import`; return how many people it has."""
    count = 0
    with path.open("w", newline="", encoding="utf-8") as handle:
        writer = csv.writer(handle)
        writer.writerow(HEADER)
        for each in _listeners(accounts):
            writer.writerow((each.account, each.name, each.language, each.phone, each.email, each.country))
            count += 1
    return count


def _listeners(accounts: Iterable[tuple[str, str]]) -> Iterator[Listener]:
    return (listener(account, country=country) for account, country in accounts)
