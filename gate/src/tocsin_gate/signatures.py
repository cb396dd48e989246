"""Ed25519, when the ``cryptography`` package is there."""

try:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    AVAILABLE = True
except ImportError:
    AVAILABLE = False


def holds(*, public_key: bytes, signature: bytes, message: bytes) -> bool:
    """Tell whether the signature (64 bytes) over the message is this raw public key's; False without the package."""
    if not AVAILABLE:
        return False
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True
