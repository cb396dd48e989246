"""Bounces in words for people: qmail's (its own QSBMF), those of older Exim and Sendmail, and of many a gateway.

They have no parts to be read by name. So a mail counts as one only when a mail server wrote it, and what it says is
taken from the text before the copy of ours.
"""

import re
from collections.abc import Sequence
from email.message import Message

from tocsin.integrations.email.wordings import Wording, wording

SAID_CHARACTERS_MAX = 20_000
TEXT_CHARACTERS_MAX = 200_000
LINE_CHARACTERS_MAX = 400
_SERVERS = re.compile(r"\b(mailer-?daemon|mail-daemon|postmaster|mdaemon)@", re.IGNORECASE)
_QUOTES = " \t>|"
_RULES = ("--", "**")  # a line drawn above the copy, with a word for it
_COPIES = ("copy", "original", "returned", "below", "unsent", "header")
_HEADERS = ("received:", "return-path:", "message-id:")
_ANNOUNCED = (
    "original message follows",
    "original message headers",
    "the following ",
    "the text ",
    "the original message",
)
_STILL_TRYING = re.compile(
    r"(has|have) not (yet )?been (delivered|able)|will (continue|keep) (trying|to try)|no action is required|"
    r"warning message only|you do not need to resend|delivery attempts will continue|still being retried",
    re.IGNORECASE,
)
_DELAYED = re.compile(r"\b(delayed|warning: (could not send|message))", re.IGNORECASE)
_ENHANCED = re.compile(r"(?<![\d.])([45]\.\d{1,3}\.\d{1,3})(?![\d.])")
_CODE = re.compile(r"(?<![\d.])([45]\d\d)(?=[ \-#:]|$)")
_PROOF = re.compile(
    r"verify (that )?you('re| are)? (a )?(human|person)|prove (that )?you|confirm (that you sent )?(your|this) (e-?mail|message)|"
    r"(boxbe|spamarrest|earthlink.{0,40}spamblocker)|to (have|get) your (e-?mail|message) delivered|approved senders? list",
    re.IGNORECASE,
)


def is_of_a_server(mail: Message) -> bool:
    """Say whether a mail server wrote a mail: no person's answer is taken for a bounce because it quotes us."""
    if mail.get("X-Failed-Recipients"):
        return True
    empty = str(mail.get("Return-Path", "x")).strip() in {"<>", ""}
    return bool(_SERVERS.search(str(mail.get("From", "")))) or (
        empty and "failure" in str(mail.get("Subject", "")).lower()
    )


def is_automatic(mail: Message) -> bool:
    """Say whether a program answered for a person: on holiday, a new address, a proof that is asked for (RFC 3834)."""
    word = str(mail.get("Auto-Submitted", "no")).split(";")[0].strip().lower()
    marked = any(mail.get(name) for name in ("X-Autoreply", "X-Autorespond", "X-Auto-Response-Suppress"))
    return word not in {"", "no"} or marked or str(mail.get("Precedence", "")).strip().lower() in {"auto_reply", "junk"}


def asks_for_proof(mail: Message, parts: Sequence[Message]) -> bool:
    """Say whether the person's mailbox keeps our mail until somebody proves to be one."""
    return bool(
        _PROOF.search(f"{mail.get('From', '')}\n{mail.get('Subject', '')}\n{text(parts)[:SAID_CHARACTERS_MAX]}")
    )


def text(parts: Sequence[Message]) -> str:
    """Return the first text of a mail."""
    for part in parts:
        if part.get_content_maintype() == "text":
            raw = part.get_payload(decode=True)
            read = raw.decode("utf-8", "replace") if isinstance(raw, bytes) else str(raw)
            return read[:TEXT_CHARACTERS_MAX].replace("\r\n", "\n")
    return ""


def returned(told: str) -> str:
    """Return what of a text is the copy of ours."""
    lines = told.split("\n")
    start = next((n for n, line in enumerate(lines) if _begins_copy(line[:LINE_CHARACTERS_MAX])), len(lines))
    return "\n".join(lines[start:])


def _begins_copy(line: str) -> bool:
    plain = line.strip(_QUOTES).lower()
    if plain.startswith(_RULES):
        return any(word in plain for word in _COPIES)
    if plain.startswith(_HEADERS):
        return True
    return plain.startswith(_ANNOUNCED) and plain.endswith((":", "follows", "headers")) and (
        "message" in plain or "header" in plain
    )  # fmt: skip


def is_still_trying(said: str, *, subject: str) -> bool:
    """Say whether the server only tells that it takes longer."""
    return bool(_STILL_TRYING.search(said[:SAID_CHARACTERS_MAX]) or _DELAYED.search(subject))


def reason(said: str) -> tuple[str, int, str]:
    """Return the enhanced code, or nothing, the code, and the words beside them: the last that say something."""
    paragraphs = [" ".join(each.split()) for each in re.split(r"\n[ \t]*\n", said[:SAID_CHARACTERS_MAX])]
    telling = [each for each in paragraphs if _ENHANCED.search(each) or _CODE.search(each)]
    telling = telling or [each for each in paragraphs if wording(each) is not Wording.NOTHING]
    words = telling[-1] if telling else ""
    enhanced, code = _ENHANCED.search(words), _CODE.search(words)
    number = int(code[1]) if code else int(enhanced[1][0]) * 100 + 50 if enhanced else 550
    return enhanced[1] if enhanced else "", number, words
