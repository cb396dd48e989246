"""People who want no more: by the mail their program writes for them, or with one click (RFC 8058, RFC 2369).

Whoever knows our id of a message has it. What is stopped is what we send to whom *we* sent that message, whoever asks.
"""

import re
from datetime import datetime
from email.message import Message
from uuid import UUID

from tocsin.integrations.email import own_ids
from tocsin.messaging.values import Reason, StatusKind, StatusUpdate, Verdict

WORD = "unsubscribe"
_SUBJECT = re.compile(rf"\s*{WORD}\s+(\S+)\s*", re.IGNORECASE)


def wanted(mail: Message) -> UUID | None:
    """Return of which message a mail says that its person wants no more of the kind."""
    found = _SUBJECT.fullmatch(str(mail.get("Subject", "")))
    return own_ids.alone(found[1]) if found else None


def stopped(ours: UUID, *, at: datetime) -> StatusUpdate:
    """Return that the person of a message wants no more of the kind it was."""
    return StatusUpdate(
        "", StatusKind.DELIVERED, at, message_id=ours, verdict=Verdict.STOPPED, reason=Reason.REFUSED_BY_PERSON,
        detail=WORD,
    )  # fmt: skip
