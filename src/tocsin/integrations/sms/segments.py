"""How many SMS a text becomes (3GPP TS 23.038 for the letters, TS 23.040 for the lengths)."""

import unicodedata
from dataclasses import dataclass
from enum import StrEnum

# The basic letters of TS 23.038, 6.2.1, and those of the extension table, which count twice.
_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§"
    "¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENDED = frozenset("\f^{}\\[~]|€")
GSM7_ALONE, GSM7_JOINED = 160, 153
UCS2_ALONE, UCS2_JOINED = 70, 67
# Signs of printed text, and what everybody reads as the same.
_SIGNS = str.maketrans(
    {
        "\u2018": "'", "\u2019": "'", "\u201a": "'", "\u201c": '"', "\u201d": '"', "\u201e": '"', "\u00ab": '"',
        "\u00bb": '"', "\u2010": "-", "\u2011": "-", "\u2013": "-", "\u2014": "-", "\u2212": "-", "\u2022": "-",
        "\u2026": "...", "\u00a0": " ", "\u2009": " ", "\u202f": " ", "\t": " ", "\u00ad": "", "\u200b": "",
        "\u00d7": "x", "\u00b4": "'", "`": "'",
    }
)  # fmt: skip
_LETTERS = str.maketrans({"œ": "oe", "Œ": "OE", "ł": "l", "Ł": "L", "đ": "d", "Đ": "D", "ı": "i"})


class PlainLetters(StrEnum):
    """What may be written otherwise so that a text stays in the basic alphabet."""

    NO = "no"
    SIGNS = "signs"  # quotation marks, dashes, ellipses and blanks
    ACCENTS = "accents"  # these, and letters without accents the basic alphabet lacks


@dataclass(frozen=True, slots=True)
class Segments:
    """How a text is carried: ``gsm7`` or ``ucs2``, in how many parts."""

    encoding: str
    count: int


def segments(text: str) -> Segments:
    """Return how a text is carried. A letter that takes two places never lies across two parts."""
    letters = set(text)
    if letters <= _BASIC | _EXTENDED:
        sizes = [2 if letter in _EXTENDED else 1 for letter in text] if letters & _EXTENDED else [1] * len(text)
        return Segments("gsm7", _parts(sizes, alone=GSM7_ALONE, joined=GSM7_JOINED))
    sizes = [2 if ord(letter) > 0xFFFF else 1 for letter in text]  # a surrogate pair
    return Segments("ucs2", _parts(sizes, alone=UCS2_ALONE, joined=UCS2_JOINED))


def plain(text: str, *, letters: PlainLetters) -> str:
    """Return a text in the basic alphabet by the changes allowed; as it was where they do not suffice."""
    if letters is PlainLetters.NO or set(text) <= _BASIC | _EXTENDED:
        return text
    # What is written in two characters (e and an accent) is one letter of the basic alphabet.
    changed = unicodedata.normalize("NFC", text).translate(_SIGNS)
    if letters is PlainLetters.ACCENTS:
        changed = "".join(each if each in _BASIC | _EXTENDED else _bare(each) for each in changed.translate(_LETTERS))
    return changed if set(changed) <= _BASIC | _EXTENDED else text


def outside(text: str) -> list[str]:
    """Return the letters that are not in the basic alphabet, each once, as they come."""
    return [letter for letter in dict.fromkeys(text) if letter not in _BASIC | _EXTENDED]


def _bare(letter: str) -> str:
    return "".join(each for each in unicodedata.normalize("NFD", letter) if not unicodedata.combining(each))


def _parts(sizes: list[int], *, alone: int, joined: int) -> int:
    if sum(sizes) <= alone:
        return 1
    count, left = 1, joined
    for size in sizes:
        if size > left:
            count, left = count + 1, joined
        left -= size
    return count
