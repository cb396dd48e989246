"""What the journal takes and hands on: who acted, entries, signed heads, proofs, and what a verification found."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID


class Assurance(StrEnum):
    """How sure it is who acted."""

    SIGNED = "signed"  # with the key enrolled to that person
    ASSERTED = "asserted"  # somebody said the name
    MACHINE = "machine"  # Tocsin itself


@dataclass(frozen=True, slots=True)
class Author:
    """Who acts. ``sign`` makes the Ed25519 signature of ``public_key`` over the bytes of an act (SIGNED only)."""

    name: str
    assurance: Assurance
    staff_id: UUID | None = None
    public_key: bytes = b""
    sign: Callable[[bytes], bytes] | None = field(default=None, compare=False, repr=False)


MACHINE = Author(name="tocsin", assurance=Assurance.MACHINE)


@dataclass(frozen=True, slots=True)
class Entry:
    """One journal entry; ``number`` counts from 0 and is None until the sequencer has numbered it.

    ``content`` is the exact text that was hashed. ``personal`` holds the values behind its commitments that were not
    erased since.
    """

    id: UUID
    number: int | None
    written_at: datetime
    verb: str
    subject: str
    by: dict[str, Any]
    facts: dict[str, Any]
    personal: dict[str, str]
    erased: tuple[str, ...]
    content: str


@dataclass(frozen=True, slots=True)
class Head:
    """A signed statement that the journal of ``size`` entries has this Merkle root.

    ``body`` is the exact JSON text that was signed: ``size``, ``root``, ``at``, ``previous`` (SHA-256 of the body of
    the head before, or null), ``key`` (the public key). All hashes and the signature are hexadecimal.
    """

    size: int
    root: str
    at: str
    previous: str | None
    key: str
    body: str
    signature: str


class Fault(StrEnum):
    """What a verification can find wrong."""

    ENTRY_MISSING = "entry_missing"
    ENTRY_CHANGED = "entry_changed"
    ENTRY_UNREADABLE = "entry_unreadable"
    ACT_SIGNATURE_WRONG = "act_signature_wrong"
    PERSONAL_CHANGED = "personal_changed"
    PERSONAL_MISSING = "personal_missing"
    HEAD_CHANGED = "head_changed"
    HEAD_SIGNATURE_WRONG = "head_signature_wrong"
    HEAD_KEY_WRONG = "head_key_wrong"
    HEAD_CHAIN_BROKEN = "head_chain_broken"
    ROOT_DIFFERS = "root_differs"
    HEADS_MISSING = "heads_missing"
    EARLIER_HEAD_DIFFERS = "earlier_head_differs"


@dataclass(frozen=True, slots=True)
class Found:
    """One fault, and where: ``entry 17``, ``head 40``."""

    fault: Fault
    where: str


@dataclass(frozen=True, slots=True)
class Verification:
    """What was looked at, and what was found wrong; sound when ``faults`` is empty."""

    entries: int
    heads: int
    unnumbered: int
    earlier_heads: int
    faults: tuple[Found, ...]
