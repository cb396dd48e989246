"""Comparing the versions clients say they have.

Dotted numbers of any length, missing places being zero (``8.11`` is ``8.11.0``). What follows a hyphen, or begins with
a letter, is a pre-release and comes before its release; its parts compare as in Semantic Versioning 2.0.0, section 11,
with two differences that people expect: letters and digits part without a dot (``rc2`` before ``rc10``), and the short
names of PEP 440 mean the long ones (``a`` is ``alpha``, ``c`` is ``rc``, ``dev`` comes first). ``+build`` and a leading
``v`` are ignored. Anything else is no version: it compares with nothing.
"""

import re
from functools import lru_cache

Key = tuple[tuple[int, ...], int, tuple[tuple[int, int, str], ...]]

_LENGTH_MAX = 100
_FORM = re.compile(
    r"[vV]?(?P<release>[0-9]+(?:\.[0-9]+)*)"
    r"(?:-(?P<hyphened>[0-9A-Za-z]+(?:[-._][0-9A-Za-z]+)*)"
    r"|[._]?(?P<lettered>[A-Za-z][0-9A-Za-z]*(?:[-._][0-9A-Za-z]+)*))?"
    r"(?:\+[0-9A-Za-z.\-_]*)?"
)
_PARTS = re.compile(r"[0-9]+|[A-Za-z]+")
_SAME = {"a": "alpha", "b": "beta", "c": "rc", "pre": "rc", "preview": "rc"}
# Later than the release they name (PEP 440): no pre-releases, and as nobody promised an order, garbage.
_POST = {"post", "rev", "r"}


def _part(text: str) -> tuple[int, int, str]:
    """Return a key: ``dev`` first, then numbers, then words."""
    if text.isdigit():
        return (1, int(text), "")
    word = _SAME.get(text.lower(), text.lower())
    return (0, 0, "") if word == "dev" else (2, 0, word)


@lru_cache(maxsize=4096)
def version_key(text: str | None) -> Key | None:
    """Return a key that orders versions, or None for what is no version."""
    if not text or len(text) > _LENGTH_MAX:
        return None
    found = _FORM.fullmatch(text.strip())
    if found is None:
        return None
    release = tuple(int(number) for number in found["release"].split("."))
    while release and release[-1] == 0:
        release = release[:-1]
    suffix = found["hyphened"] or found["lettered"]
    if not suffix:
        return (release, 1, ())
    parts = _PARTS.findall(suffix)
    if found["lettered"] and parts[0].lower() in _POST:
        return None
    return (release, 0, tuple(_part(part) for part in parts))
