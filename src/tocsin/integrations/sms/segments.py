"""How many SMS a text becomes (3GPP TS 23.038 for the letters, TS 23.040 for the lengths)."""

from dataclasses import dataclass

# The basic letters of TS 23.038, 6.2.1, and those of the extension table, which count twice.
_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§"
    "¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENDED = frozenset("\f^{}\\[~]|€")
GSM7_ALONE, GSM7_JOINED = 160, 153
UCS2_ALONE, UCS2_JOINED = 70, 67


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


def _parts(sizes: list[int], *, alone: int, joined: int) -> int:
    if sum(sizes) <= alone:
        return 1
    count, left = 1, joined
    for size in sizes:
        if size > left:
            count, left = count + 1, joined
        left -= size
    return count
