"""Signed heads: what the journal's key says the tree was, each pointing at the one before."""

import hashlib
import json
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tocsin.journal import leaf
from tocsin.journal.errors import HeadUnreadable
from tocsin.journal.values import Head
from tocsin.kernel import clock
from tocsin.kernel.home import installation_key
from tocsin.kernel.language import gettext as _

_KINDS = {"size": int, "root": str, "at": str, "key": str}
HEAD_CONTEXT = b"tocsin head v1\n"


def public_key() -> str:
    """Return the public key of this installation's journal, hexadecimal."""
    return _private_key().public_key().public_bytes(Encoding.Raw, PublicFormat.Raw).hex()


def sign(*, size: int, root: bytes, previous: str | None) -> Head:
    """Sign the state of the tree; ``previous`` is the body of the head before."""
    body = leaf.canonical(
        {
            "size": size,
            "root": root.hex(),
            "at": leaf.stamp(clock.now()),
            "previous": None if previous is None else hashlib.sha256(previous.encode()).hexdigest(),
            "key": public_key(),
        }
    )
    return parse(body, signature=_private_key().sign(HEAD_CONTEXT + body.encode()).hex())


def parse(body: str, *, signature: str) -> Head:
    """Return the head a body says; HeadUnreadable when it is not one. The signature is not looked at."""
    try:
        said: dict[str, Any] = json.loads(body)
        head = Head(**said, body=body, signature=signature)
    except (ValueError, TypeError) as error:
        raise HeadUnreadable(_("This is not a signed head.")) from error
    if not all(isinstance(said[name], kind) for name, kind in _KINDS.items()):
        raise HeadUnreadable(_("This is not a signed head."))
    return head


def signature_holds(head: Head) -> bool:
    """Whether the head was signed with the key it names."""
    try:
        key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(head.key))
        key.verify(bytes.fromhex(head.signature), HEAD_CONTEXT + head.body.encode())
    except (InvalidSignature, ValueError):
        return False
    return True


def line(head: Head) -> str:
    """Return a head as the one line of JSON that files and witnesses keep."""
    return json.dumps({"body": head.body, "signature": head.signature})


def read(path: Path) -> list[Head]:
    """Return the heads of a file: one to a line, as ``tocsin journal head`` prints and witnesses keep them."""
    try:
        lines = [text for text in path.read_text(encoding="utf-8").splitlines() if text.strip()]
        kept = [json.loads(text) for text in lines]
        found = [parse(each["body"], signature=each["signature"]) for each in kept]
    except (OSError, ValueError, KeyError, TypeError, HeadUnreadable) as error:
        raise HeadUnreadable(
            _("This file does not hold signed heads: {error}").format(error=error),
            where=path,
            mend=_("Give a file written by `tocsin journal head` or by a witness."),
        ) from error
    if not found:
        raise HeadUnreadable(_("This file holds no head."), where=path)
    return found


def _private_key() -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(installation_key("journal"))
