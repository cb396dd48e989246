"""Turns a gettext ``.po`` file into the ``.mo`` bytes that Python and Django read, with the standard library alone.

The formats are those of the GNU gettext manual, sections "The Format of PO Files" and "The Format of GNU MO Files".
"""

import ast
import struct

_MO_MAGIC = 0x950412DE
_KEYWORDS = ("msgctxt", "msgid_plural", "msgid", "msgstr")


def compiled(po_text: str) -> bytes:
    """Return the ``.mo`` bytes of a ``.po`` text; fuzzy, obsolete and empty translations are left out.

    Raises ``ValueError`` naming the line that is not a comment, a keyword or a quoted string.
    """
    pairs = sorted(_messages(po_text).items())
    keys = [key.encode() for key, _ in pairs]
    texts = [text.encode() for _, text in pairs]
    first_table = 7 * 4
    offset = first_table + 16 * len(pairs)
    tables: list[int] = []
    for entry in keys + texts:
        tables += [len(entry), offset]
        offset += len(entry) + 1  # every string ends in a zero byte that its length does not count
    header = (_MO_MAGIC, 0, len(pairs), first_table, first_table + 8 * len(pairs), 0, 0)
    numbers = struct.pack(f"<{len(header) + len(tables)}I", *header, *tables)
    return numbers + b"".join(entry + b"\0" for entry in keys + texts)


def _messages(po_text: str) -> dict[str, str]:
    """Return ``{msgid (with context and plural as in .mo): translation(s) joined by a zero byte}``."""
    found: dict[str, str] = {}
    entry: dict[str, str] = {}
    keyword = ""
    fuzzy = False
    for number, raw in enumerate([*po_text.splitlines(), ""], start=1):
        line = raw.strip()
        if not line:
            _keep(found, entry, fuzzy=fuzzy)
            entry, keyword, fuzzy = {}, "", False
        elif line.startswith("#"):
            fuzzy = fuzzy or (line.startswith("#,") and "fuzzy" in line)
        else:
            if not line.startswith('"'):
                keyword, _, line = line.partition(" ")
                if keyword.partition("[")[0] not in _KEYWORDS:
                    raise ValueError(f"line {number}: {raw!r} is not gettext")
            entry[keyword] = entry.get(keyword, "") + _unquoted(line.strip(), number)
    return found


def _unquoted(quoted: str, number: int) -> str:
    if len(quoted) < 2 or quoted[0] != '"' or quoted[-1] != '"':
        raise ValueError(f"line {number}: a string must stand in double quotes")
    return str(ast.literal_eval(quoted))


def _keep(found: dict[str, str], entry: dict[str, str], *, fuzzy: bool) -> None:
    if "msgid" not in entry:
        return
    key = entry["msgid"]
    if "msgctxt" in entry:
        key = f"{entry['msgctxt']}\x04{key}"
    if "msgid_plural" in entry:
        key = f"{key}\0{entry['msgid_plural']}"
    texts = [text for keyword, text in entry.items() if keyword.startswith("msgstr")]
    # The entry with an empty msgid is the header (charset, plural forms); gettext reads it even when fuzzy.
    if all(texts) and (not fuzzy or not entry["msgid"]):
        found[key] = "\0".join(texts)
