"""The operator's people as others see them."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any
from uuid import UUID


class KeyKeeping(StrEnum):
    """Where a person's private key is; Tocsin only ever stores the public half."""

    FILE = "file"  # a file sealed by a passphrase
    SSH_AGENT = "ssh_agent"


@dataclass(frozen=True, slots=True)
class StaffMember:
    """One enrolled person."""

    id: UUID
    name: str
    public_key: str  # hexadecimal, Ed25519
    kept_in: KeyKeeping
    enrolled_at: datetime
    revoked_at: datetime | None


class KeyUse(StrEnum):
    """What a key of this installation is for."""

    SEALS = "seals"  # and opens
    NEXT = "next"  # opens; seals from the next rotation on
    OPENS = "opens"  # only what was sealed before


@dataclass(frozen=True, slots=True)
class SealKey:
    """One key that seals or sealed; the name says which, and does not tell it."""

    name: str  # 16 hexadecimal digits
    use: KeyUse
    path: Path
    made_at: datetime
    is_private: bool  # nobody but its owner may read the file


@dataclass(frozen=True, slots=True)
class Moved:
    """A few values whose data keys the key that seals has sealed anew."""

    count: int
    broken: int  # those that do not open, and are left as they are
    last: Any  # the last one looked at; None when there was none


@dataclass(frozen=True, slots=True)
class PlaceResealed:
    """What came of sealing the values of one place anew; ``left`` are still sealed by an older key."""

    what: str
    moved: int
    left: int
    broken: int


@dataclass(frozen=True, slots=True)
class Resealed:
    """What came of sealing everything anew; ``free`` names the keys that provably nothing needs any more."""

    places: tuple[PlaceResealed, ...]
    free: tuple[str, ...]
    removed: tuple[str, ...] = ()
