"""Our own unguessable id of a message, wherever mail servers leave it: whoever knows it has the mail, or carried it.

Some carriers write a Message-ID of their own (Amazon SES, some gateways), others return no part of the mail at all. So
it stands in a header of ours too, in the address bounces go to where ``return_path`` has a place for it, and in the
addresses for unsubscribing.
"""

import re
from email.message import Message
from email.parser import Parser
from email.policy import compat32
from uuid import UUID

HEADER = "X-Tocsin-Id"
_UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_MESSAGE_ID = re.compile(rf"<(({_UUID})@[^<>\s@]{{1,255}})>", re.IGNORECASE)
_ALONE = re.compile(rf"\s*({_UUID})\s*", re.IGNORECASE)
_TAGGED = re.compile(rf"[+=._-]({_UUID})@", re.IGNORECASE)
_QUOTES = " \t>|"
_HEADS = ("message-id:", f"{HEADER.lower()}:")
_LINE_CHARACTERS_MAX = 400
_RECIPIENTS = ("To", "Delivered-To", "X-Original-To", "Envelope-To", "X-Envelope-To")


def in_headers(head: Message) -> tuple[str, UUID] | None:
    """Return the Message-ID, or nothing, and our id of a mail."""
    if found := _MESSAGE_ID.search(str(head.get("Message-ID", ""))):
        return found[1], UUID(found[2])
    ours = alone(str(head.get(HEADER, "")))
    return ("", ours) if ours else None


def in_returned(text: str) -> tuple[str, UUID] | None:
    """Return the same from a mail that stands as text in another."""
    heads: dict[str, str] = {}
    lines = [line.lstrip(_QUOTES)[:_LINE_CHARACTERS_MAX] for line in text.split("\n")]
    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        name, colon, value = line.partition(":")
        if f"{name.lower()}{colon}" in _HEADS:
            heads.setdefault(name, value.strip() or following)  # a long value stands on a line of its own
    return in_headers(Parser(policy=compat32).parsestr("\n".join(f"{name}: {value}" for name, value in heads.items())))


def answered(mail: Message) -> tuple[str, UUID] | None:
    """Return the Message-ID and our id of the mail this one answers."""
    for name in ("In-Reply-To", "References"):
        if found := _MESSAGE_ID.search(str(mail.get(name, ""))):
            return found[1], UUID(found[2])
    return None


def in_recipients(mail: Message) -> UUID | None:
    """Return our id from the address a mail was sent to (VERP)."""
    for name in _RECIPIENTS:
        for value in mail.get_all(name, []):
            if found := _TAGGED.search(str(value)):
                return UUID(found[1])
    return None


def alone(text: str) -> UUID | None:
    """Return the id that a text is, and nothing else."""
    found = _ALONE.fullmatch(text)
    return UUID(found[1]) if found else None
