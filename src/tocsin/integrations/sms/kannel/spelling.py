"""What sending and receiving through Kannel must spell alike: the name of a line, and the tokens in addresses."""

import hmac
import re

_NUMBER = re.compile(r"(?:\+|00)?(\d+)")


def line_of(sender: str) -> str:
    """Return one name for a line: gateways write the same number as +33..., 0033... and 33...."""
    found = _NUMBER.fullmatch(sender.strip())
    return found[1] if found else sender.strip()


def report_token(secret: str, message_id: str) -> str:
    """Return what the address of one message's reports is recognised by.

    Who reads it in some log can tell lies of this message alone, and of no person's answers: it is HMAC-SHA256 over the
    message, keyed with the secret, in hexadecimal.
    """
    return hmac.digest(secret.encode(), f"kannel report {message_id}".encode(), "sha256").hex()
