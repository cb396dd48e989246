"""Identifiers that sort by time of birth."""

from uuid import UUID

import uuid_utils.compat as uuid_utils


def new_id() -> UUID:
    """Return a fresh UUIDv7 (RFC 9562, section 5.7): 48 bits of Unix milliseconds, then random bits."""
    return uuid_utils.uuid7()
