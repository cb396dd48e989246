"""Mails as bytes (RFC 5322, MIME of RFC 2045-2047), with CRLF line ends.

Written here rather than with ``email.message``, which takes twenty times as long for the same bytes; the tests read
every form back with it.
"""

import base64
import binascii
import re
from collections.abc import Sequence
from email.utils import format_datetime

from tocsin.kernel import clock

_CONTROL = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029\ud800-\udfff]")
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_PHRASE = re.compile(r"[A-Za-z0-9!#$%&'*+\-/=?^_`{|}~ ]*")
_WORD_OCTETS = 42  # 56 characters of base64: with =?utf-8?b? and ?= below the 75 of RFC 2047, 2
_LINE_CHARACTERS = 76
LINE_END = re.compile(r"\r\n|\r|\n")

Header = tuple[str, str]


def is_clean(value: str) -> bool:
    """Say whether a text may stand in a header: no line end and no other control character, so nothing is injected."""
    return not _CONTROL.search(value)


def is_name(name: str) -> bool:
    """Say whether a text is the name of a header field."""
    return bool(_TOKEN.fullmatch(name))


def mailbox(name: str, *, address: str, raw: bool) -> str:
    """Return ``name <address>`` for From and its like."""
    if not name:
        return address
    if not name.isascii() and not raw:
        return f"{encoded(name)} <{address}>"
    if _PHRASE.fullmatch(name):
        return f"{name} <{address}>"
    quoted = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{quoted}" <{address}>'


def encoded(text: str) -> str:
    """Return a header's text as encoded words where it is not plain ASCII (RFC 2047), each at most 75 characters."""
    if text.isascii() and "=?" not in text:
        return text
    words, piece = [], b""
    for character in text:
        octets = character.encode()
        if len(piece) + len(octets) > _WORD_OCTETS:
            words.append(piece)
            piece = b""
        piece += octets
    words.append(piece)
    return " ".join(f"=?utf-8?b?{base64.b64encode(word).decode()}?=" for word in words)


def folded(name: str, value: str) -> str:
    """Return a header's lines with their end: broken at blanks so that lines stay short where they can."""
    lines, line = [], f"{name}:"
    for word in value.split(" "):
        if len(line) + 1 + len(word) > _LINE_CHARACTERS and line.strip() and line != f"{name}:":
            lines.append(line)
            line = ""
        line += f" {word}"
    lines.append(line)
    return "\r\n".join(lines) + "\r\n"


def mail(headers: Sequence[Header], *, text: str, html: str, boundary: str) -> bytes:
    """Return a whole mail; with ``html`` both forms as multipart/alternative, the plain one first."""
    head = "".join(folded(name, value) for name, value in headers) + "MIME-Version: 1.0\r\n"
    if not html:
        return head.encode() + _part("plain", text)
    mark = f"--{boundary}\r\n".encode()
    opening = f'Content-Type: multipart/alternative; boundary="{boundary}"\r\n\r\n'.encode()
    parts = mark + _part("plain", text) + mark + _part("html", html)
    return head.encode() + opening + parts + f"--{boundary}--\r\n".encode()


def date() -> str:
    """Return the value of the Date header for now."""
    return format_datetime(clock.now())


def _part(subtype: str, text: str) -> bytes:
    head = f"Content-Type: text/{subtype}; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
    lines = LINE_END.sub("\r\n", text).encode()
    if not lines.endswith(b"\r\n"):
        lines += b"\r\n"  # from the first line's end the encoder learns which kind it is to write
    return head.encode() + binascii.b2a_qp(lines, istext=True)
