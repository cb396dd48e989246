"""DKIM signatures (RFC 6376; Ed25519 by RFC 8463), relaxed/relaxed.

Signed with ``cryptography``: the RSA of the usual library is written in Python and thirty times slower. The tests let
that library verify ours.
"""

import base64
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

# From is named once more than it is there, so that nobody can add a second one (RFC 6376, 5.4.2). The two of one-click
# unsubscribing must be signed (RFC 8058, 4).
SIGNED = (
    "from", "from", "to", "subject", "date", "message-id", "mime-version", "content-type", "reply-to", "in-reply-to",
    "references", "list-unsubscribe", "list-unsubscribe-post", "auto-submitted",
)  # fmt: skip
RSA_BITS_MIN = 1024  # RFC 8301, 3.2
_BLANKS = re.compile(rb"[ \t]+")
_LINE_CHARACTERS = 70


@dataclass(frozen=True, slots=True)
class Signer:
    """One key with the names under which its public half is found: ``<selector>._domainkey.<domain>``."""

    domain: str
    selector: str
    key: RSAPrivateKey | Ed25519PrivateKey


def signer(pem: str, *, domain: str, selector: str) -> Signer:
    """Return what signs with a private key in PEM; TypeError or ValueError when it is none, or too short."""
    key = serialization.load_pem_private_key(pem.encode(), password=None)
    if not isinstance(key, RSAPrivateKey | Ed25519PrivateKey):
        raise TypeError("neither RSA nor Ed25519")
    if isinstance(key, RSAPrivateKey) and key.key_size < RSA_BITS_MIN:
        raise ValueError("too short")
    return Signer(domain, selector, key)


def record(signer: Signer) -> str:
    """Return the TXT record that lets others verify (RFC 6376, 3.6.1)."""
    public = signer.key.public_key()
    if isinstance(signer.key, RSAPrivateKey):
        form = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        return f"v=DKIM1; k=rsa; p={base64.b64encode(form).decode()}"
    raw = public.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    return f"v=DKIM1; k=ed25519; p={base64.b64encode(raw).decode()}"


def tags(record: str) -> dict[str, str]:
    """Return the tags of a key's record by name, without blanks (RFC 6376, 3.2); DMARC's have the same form."""
    pairs = (part.partition("=") for part in record.split(";"))
    return {name.strip().lower(): "".join(value.split()) for name, _equals, value in pairs if name.strip()}


def signed(mail: bytes, *, signers: Sequence[Signer], at: int) -> bytes:
    """Return the mail with a DKIM-Signature header for each signer in front; ``at`` is the time in seconds."""
    head, _, body = mail.partition(b"\r\n\r\n")
    fields = _fields(head + b"\r\n")
    digest = base64.b64encode(hashlib.sha256(_relaxed_body(body)).digest()).decode()
    return b"".join(_signature(fields, signer=each, digest=digest, at=at) for each in signers) + mail


def _signature(fields: dict[str, list[bytes]], *, signer: Signer, digest: str, at: int) -> bytes:
    named = [name for name in SIGNED if name in fields]
    algorithm = "rsa-sha256" if isinstance(signer.key, RSAPrivateKey) else "ed25519-sha256"
    value = (
        f"v=1; a={algorithm}; c=relaxed/relaxed; d={signer.domain}; s={signer.selector}; t={at};\r\n"
        f" h={':'.join(named[:7])}\r\n :{':'.join(named[7:])};\r\n bh={digest};\r\n b="
    ).replace("\r\n :;", ";")
    left = {name: list(values) for name, values in fields.items()}
    # The last of several fields of one name comes first (RFC 6376, 5.4.2); one that is missing adds nothing.
    relaxed = b"".join(_relaxed(name, left[name].pop()) for name in named if left.get(name))
    relaxed += _relaxed("dkim-signature", b" " + value.encode()).removesuffix(b"\r\n")
    if isinstance(signer.key, RSAPrivateKey):
        made = signer.key.sign(relaxed, padding.PKCS1v15(), hashes.SHA256())
    else:
        made = signer.key.sign(hashlib.sha256(relaxed).digest())
    text = base64.b64encode(made).decode()
    lines = [text[n : n + _LINE_CHARACTERS] for n in range(0, len(text), _LINE_CHARACTERS)]
    return ("DKIM-Signature: " + value + "\r\n  ".join(lines) + "\r\n").encode()


def _fields(head: bytes) -> dict[str, list[bytes]]:
    """Return the values of every header field by its name in lower case, folded as they are."""
    found: dict[str, list[bytes]] = {}
    for line in re.split(rb"\r\n(?![ \t])", head):
        name, colon, value = line.partition(b":")
        if colon:
            found.setdefault(name.strip().lower().decode("ascii", "replace"), []).append(value)
    return found


def _relaxed(name: str, value: bytes) -> bytes:
    """Return one field in the relaxed form (RFC 6376, 3.4.2)."""
    unfolded = _BLANKS.sub(b" ", value.replace(b"\r\n", b"")).strip(b" ")
    return name.encode() + b":" + unfolded + b"\r\n"


def _relaxed_body(body: bytes) -> bytes:
    """Return the body in the relaxed form (RFC 6376, 3.4.4): blanks reduced, empty lines at the end left out."""
    lines = [_BLANKS.sub(b" ", line).rstrip(b" ") for line in body.split(b"\r\n")]
    while lines and not lines[-1]:
        lines.pop()
    return b"".join(line + b"\r\n" for line in lines)
