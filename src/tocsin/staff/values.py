"""The operator's people as others see them."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
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
