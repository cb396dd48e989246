"""Columns of many rows as array literals of PostgreSQL (section 8.15.2 of its manual), for ``unnest``.

Written here and not by the driver, whose adaptation of every single value costs more than the rest of a claim.
"""

from collections.abc import Iterable
from datetime import datetime
from functools import lru_cache
from uuid import UUID

TEXT_LENGTH_MAX = 500
_CODE_MAX = (1 << 31) - 1  # of an integer in PostgreSQL


def kept(text: str) -> str:
    """Return a provider's words as PostgreSQL can keep them: bounded, without NUL and half characters."""
    if text.isascii():
        return text[:TEXT_LENGTH_MAX].replace("\0", "") if "\0" in text else text[:TEXT_LENGTH_MAX]
    return text[:TEXT_LENGTH_MAX].replace("\0", "").encode(errors="replace").decode()


def code(given: int) -> int:
    """Return a provider's code as PostgreSQL can keep it."""
    return max(-_CODE_MAX, min(given, _CODE_MAX))


def uuids(values: Iterable[UUID]) -> str:
    """Return a ``uuid[]``."""
    return "{" + ",".join([value.hex for value in values]) + "}"


def texts(values: Iterable[str]) -> str:
    """Return a ``text[]``, of texts that can be kept."""
    return "{" + ",".join([_quoted(value) if value else '""' for value in values]) + "}"


def _quoted(value: str) -> str:
    if not value.isalnum():
        value = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{value}"'


def moments(values: Iterable[datetime | None]) -> str:
    """Return a ``timestamptz[]``."""
    return "{" + ",".join([_written(value) if value else "NULL" for value in values]) + "}"


@lru_cache(maxsize=4096)
def _written(moment: datetime) -> str:
    """Return a moment in ISO 8601; kept, because the same one is written into several columns."""
    return moment.isoformat()


def numbers(values: Iterable[int | None]) -> str:
    """Return an ``int[]`` or ``bigint[]``."""
    return "{" + ",".join(["NULL" if value is None else str(value) for value in values]) + "}"


def flags(values: Iterable[bool]) -> str:
    """Return a ``bool[]``."""
    return "{" + ",".join(["t" if value else "f" for value in values]) + "}"


def digests(values: Iterable[bytes]) -> str:
    """Return a ``bytea[]`` in the hex format, its backslash written out."""
    return "{" + ",".join([f'"\\\\x{value.hex()}"' for value in values]) + "}"
