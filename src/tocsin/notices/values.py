"""What notices hands to others."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from tocsin.customers.values import AddressKind, Person
from tocsin.messaging.values import Priority, Purpose


class Untold(StrEnum):
    """Why an affected account leads to no message."""

    UNKNOWN_ACCOUNT = "unknown_account"  # the address book does not have it
    NO_ADDRESS = "no_address"  # its person is known, and cannot be reached in any way
    NO_ADDRESS_HERE = "no_address_here"  # not on this channel
    OWNS_ATTACKER_ACCOUNT = "owns_attacker_account"  # its person also owns an account of the intruder
    NOT_RENDERED = "not_rendered"  # the channel does not carry the text that was made for this person


@dataclass(frozen=True, slots=True)
class Affected:
    """One affected account of a person."""

    account: str
    role: str
    certainty: str


@dataclass(frozen=True, slots=True)
class ToTell:
    """A person with those of their accounts that are affected.

    ``revision`` is the newest one that added such an account: a later one that adds none asks for no new message.
    """

    person: Person
    accounts: tuple[Affected, ...]
    revision: int = 0


@dataclass(frozen=True, slots=True)
class Reached:
    """Who can be told of an incident: people and their accounts, by kind of address; accounts that lead to nobody.

    ``attackers`` counts accounts of the intruder: never told. ``revision`` is 0 for a folder of findings.
    """

    incident: int
    revision: int
    accounts: int
    people: int
    by_kind: Mapping[AddressKind, int]
    by_language: Mapping[str, int]
    nobody: Mapping[Untold, int]
    attackers: int


@dataclass(frozen=True, slots=True)
class Order:
    """How people are to be told. Of several messages with the same ``once`` label a person gets only the first."""

    channel: str
    purpose: Purpose
    priority: Priority
    once: str = ""
    broadcast: str = ""
    not_before_at: datetime | None = None
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Told:
    """What telling did: people, messages queued, people who had theirs already, and who was left out why."""

    people: int
    queued: int
    known: int
    untold: Mapping[Untold, int]
    by_language: Mapping[str, int]  # of the wording that was chosen
    examples: Sequence[str] = field(default_factory=tuple)  # why a text was not carried, without its person
    ids: Sequence[UUID] = field(default_factory=tuple)  # of the first messages queued
    shown: str = ""  # how the first of them reads
    parts: int = 0  # what the provider charges them as (SMS), 0 where it does not count so
    remarks: Sequence[str] = field(default_factory=tuple)  # what to know before sending, each once
    objected: int = 0  # of the messages: withheld, for their people do not want it
    shut: int = 0  # of the messages: withheld, unless the person writes first, for their 24 hours are over
