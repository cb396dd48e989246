"""Attackers write the logs: what makes a value harmless before a person, a terminal or a spreadsheet gets it."""

import re

SECRET = "[secret]"

_TOKEN = re.compile(r"eyJ[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]{5,}\.?[A-Za-z0-9_-]*")
_BEARER = re.compile(r"\b(bearer|basic) +[A-Za-z0-9._~+/=-]{6,}", re.IGNORECASE)
_NAMED = re.compile(
    r"((?:^|[?&;,\s\"'{])[\w.-]*"
    r"(?:pass(?:word|wd|phrase|code)?|pwd|secret|token|auth|authorization|api[_-]?key|signature|sig"
    r"|session(?:_?id)?|sid|jwt|otp|credential|cookie)"
    r"[\"']?\s*[=:]\s*[\"']?)[^&;,\s\"']+",
    re.IGNORECASE,
)
# C0, DEL, C1 and the marks that reorder or hide text (Unicode technical report 36, section 2.10).
_UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def masked(text: str) -> str:
    """Return ``text`` with what looks like a password, token or key replaced by ``[secret]``."""
    text = _BEARER.sub(rf"\1 {SECRET}", _TOKEN.sub(SECRET, text))
    return _NAMED.sub(rf"\1{SECRET}", text)


def printable(text: str) -> str:
    r"""Return ``text`` with control characters and direction marks written out: it cannot steer a terminal."""
    return _UNPRINTABLE.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def csv_cell(text: str) -> str:
    """Return ``text`` so that a spreadsheet shows it and never computes it: ``'`` first (OWASP, "CSV Injection")."""
    return f"'{text}" if text.startswith(_FORMULA) else text
