"""What customers hands to others."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from uuid import UUID


class AddressKind(StrEnum):
    """What an address is; each channel says which kinds it can reach."""

    PHONE = "phone"  # E.164 with the plus sign
    EMAIL = "email"  # the domain in lower case, as IDNA; the local part as given
    WHATSAPP = "whatsapp"  # a business-scoped user id, kept as it came
    APP = "app"  # the customer's id in the operator's own product: in-app messages and webhooks


class Refusal(StrEnum):
    """Why a line of an import was kept aside."""

    NO_ACCOUNT = "no_account"
    NO_ADDRESS = "no_address"
    BAD_PHONE = "bad_phone"
    BAD_EMAIL = "bad_email"
    BAD_LANGUAGE = "bad_language"
    BAD_LINE = "bad_line"
    ACCOUNT_OF_ANOTHER = "account_of_another"  # two people of one file claim the same account


@dataclass(frozen=True, slots=True)
class Address:
    """One way to reach a person."""

    kind: AddressKind
    value: str
    preferred: bool = False


@dataclass(frozen=True, slots=True)
class Person:
    """A person we may have to tell, with the accounts that are theirs. ``language`` is a BCP 47 tag, or empty."""

    id: UUID
    name: str
    language: str
    accounts: tuple[str, ...]
    addresses: tuple[Address, ...]


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import did: lines read, persons made and changed, lines kept aside by reason, the file of those.

    ``columns`` says which heading was taken for what, ``ignored`` which headings were not understood.
    """

    lines: int
    made: int
    changed: int
    unchanged: int
    refused: Mapping[Refusal, int]
    refused_file: str
    encoding: str = ""
    columns: Mapping[str, str] = field(default_factory=dict)
    ignored: tuple[str, ...] = ()
