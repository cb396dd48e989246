"""People who want no more: with one click (RFC 8058), on a page, or by the mail their program writes (RFC 2369).

Whoever knows our id of a message has it. What is stopped is what we send to whom *we* sent that message, whoever asks.
Nothing is stopped because an address was looked at: programs look at every address in a mail.
"""

import base64
import hashlib
import hmac
import html
import re
from collections.abc import Sequence
from datetime import datetime
from email.message import Message
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

from tocsin.integrations.email import own_ids
from tocsin.kernel import language
from tocsin.kernel.language import gettext as _
from tocsin.messaging.values import Reason, StatusKind, StatusUpdate, Verdict

WORD = "unsubscribe"
ONE_CLICK = "List-Unsubscribe=One-Click"
PLACE_OF_MESSAGE, PLACE_OF_PROOF = "{message}", "{proof}"
BODY_OCTETS_MAX = 4096
LANGUAGES = ("en", "fr")
_SUBJECT = re.compile(rf"\s*{WORD}\s+(\S+)\s*", re.IGNORECASE)
_CLICKED = re.compile(rb"List-Unsubscribe(=|[^=]{1,80}\r?\n\r?\n)One-Click")  # as a form of either kind
_PAGE = """<!doctype html>
<html lang="{language}"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex"><meta name="referrer" content="no-referrer"><title>{title}</title><style>
:root {{ color-scheme: light dark; }}
body {{ font: 1.1rem/1.5 system-ui, sans-serif; max-width: 30rem; margin: 15vh auto; padding: 0 1.5rem; }}
button {{ font: inherit; padding: .7rem 1.4rem; border: 0; border-radius: .4rem; background: #14532d; color: #fff; cursor: pointer; }}
button:focus-visible {{ outline: 3px solid #f59e0b; outline-offset: 2px; }}
</style></head><body><main><h1>{title}</h1><p>{text}</p>{button}</main></body></html>
"""
_BUTTON = (
    '<form method="post"><input type="hidden" name="List-Unsubscribe" value="One-Click">'
    '<button type="submit">{word}</button></form>'
)


def address(url: str, *, message_id: UUID, key: str) -> str:
    """Return the address of one message from the one in the settings."""
    return url.replace(PLACE_OF_MESSAGE, str(message_id)).replace(PLACE_OF_PROOF, proof(message_id, key=key))


def proof(message_id: UUID, *, key: str) -> str:
    """Return what nobody can make who has neither the key nor the message: 128 bits of HMAC-SHA256."""
    made = hmac.new(key.encode(), f"{WORD} {message_id}".encode(), hashlib.sha256).digest()[:16]
    return base64.urlsafe_b64encode(made).decode().rstrip("=")


def message_of(asked: str, *, keys: Sequence[str]) -> UUID | None:
    """Return of which message an address is, when it was made with one of the keys; each is compared in constant time."""
    message_id = named_in(asked)
    if message_id is None:
        return None
    given = _query(asked).get("p", [""])[0].encode()
    matches = [hmac.compare_digest(given, proof(message_id, key=key).encode()) for key in keys if key]
    return message_id if any(matches) else None


def named_in(asked: str) -> UUID | None:
    """Return the message an address names, which proves nothing."""
    return own_ids.alone(_query(asked).get("u", [""])[0])


def is_clicked(body: bytes) -> bool:
    """Say whether a body is the one of one-click unsubscribing (RFC 8058, 3.1), whichever kind of form it is."""
    return len(body) <= BODY_OCTETS_MAX and bool(_CLICKED.search(body))


def page(languages: str, *, done: bool) -> bytes:
    """Return the page for a person, in the first of their ``languages`` (Accept-Language) that there is."""
    wanted = (part.strip()[:2].lower() for part in languages.split(","))
    with language.use(next((each for each in wanted if each in LANGUAGES), LANGUAGES[0])):
        title = _("You will get no more of these mails.") if done else _("No more of these mails?")
        text = (
            _("Messages about the security of your account still reach you.") if done
            else _("Press the button, and we stop. Messages about the security of your account still reach you.")
        )  # fmt: skip
        button = "" if done else _BUTTON.format(word=html.escape(_("Unsubscribe")))
        told = {
            "language": language.current(),
            "title": html.escape(title),
            "text": html.escape(text),
            "button": button,
        }
        return _PAGE.format(**told).encode()


def wanted(mail: Message) -> UUID | None:
    """Return of which message a mail says that its person wants no more of the kind."""
    found = _SUBJECT.fullmatch(str(mail.get("Subject", "")))
    return own_ids.alone(found[1]) if found else None


def stopped(ours: UUID, *, at: datetime) -> StatusUpdate:
    """Return that the person of a message, who therefore has it, wants no more of the kind it was."""
    return StatusUpdate(
        "", StatusKind.DELIVERED, at, message_id=ours, verdict=Verdict.STOPPED, reason=Reason.REFUSED_BY_PERSON,
        detail=WORD,
    )  # fmt: skip


def _query(asked: str) -> dict[str, list[str]]:
    try:
        return parse_qs(urlsplit(asked).query, max_num_fields=20)
    except ValueError:
        return {}
