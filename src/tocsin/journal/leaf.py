"""The exact bytes of a leaf: canonical JSON, commitments in place of personal values, the author's signature."""

import hashlib
import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from tocsin.journal import tree
from tocsin.journal.values import Assurance, Author

ACT_CONTEXT = b"tocsin act v1\n"  # before the bytes of an act, so that its signature means nothing elsewhere
SALT_BYTES = 32


@dataclass(frozen=True, slots=True)
class Committed:
    """A personal value, and the salted hash that stands for it in the leaf."""

    name: str
    value: str
    person: str
    salt: bytes
    commitment: bytes


def canonical(value: Mapping[str, Any]) -> str:
    """Return JSON with sorted keys, no spaces and ASCII only: the same value always gives the same bytes."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def stamp(moment: datetime) -> str:
    """Return ``2026-01-31T12:00:00.000000Z``: microseconds, as PostgreSQL keeps them."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def commitment(salt: bytes, *, value: str, person: str) -> bytes:
    """Return SHA-256 over the salt and what is committed to; without the salt neither can be guessed."""
    return hashlib.sha256(salt + canonical({"person": person, "value": value}).encode()).digest()


def commit(name: str, *, value: str, person: str) -> Committed:
    """Commit to a value with a fresh salt."""
    salt = secrets.token_bytes(SALT_BYTES)
    hashed = commitment(salt, value=value, person=person)
    return Committed(name=name, value=value, person=person, salt=salt, commitment=hashed)


def rows_root(commitments: Sequence[bytes]) -> bytes:
    """Return the Merkle root over the rows of a batch, each leaf being the commitment to one row."""
    return tree.root_of(tree.leaf_hash(row) for row in commitments)


def content_of(
    *,
    id: UUID,
    written_at: datetime,
    verb: str,
    subject: str,
    author: Author,
    facts: Mapping[str, Any],
    personal: Sequence[Committed],
    rows: Sequence[Committed],
) -> str:
    """Return the text of a leaf; a signing author signs everything in it but the signature."""
    by: dict[str, Any] = {"assurance": author.assurance.value}
    if author.staff_id:
        by["staff"] = str(author.staff_id)
    if author.sign:
        by["public_key"] = author.public_key.hex()
    body: dict[str, Any] = {
        "id": str(id),
        "at": stamp(written_at),
        "verb": verb,
        "subject": subject,
        "by": by,
        "facts": dict(facts),
        "personal": {each.name: each.commitment.hex() for each in personal},
    }
    if rows:
        body["rows"] = {"n": len(rows), "root": rows_root([row.commitment for row in rows]).hex()}
    if author.sign:
        by["signature"] = author.sign(ACT_CONTEXT + canonical(body).encode()).hex()
    return canonical(body)


def act_signature_holds(content: Mapping[str, Any]) -> bool:
    """Whether a signed act was signed with the key it names; an act that claims no signature always holds."""
    by = dict(content["by"])
    signature = by.pop("signature", None)
    if signature is None:
        return bool(by["assurance"] != Assurance.SIGNED)
    try:
        key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(by["public_key"]))
        key.verify(bytes.fromhex(signature), ACT_CONTEXT + canonical({**content, "by": by}).encode())
    except (InvalidSignature, ValueError, KeyError):
        return False
    return True
