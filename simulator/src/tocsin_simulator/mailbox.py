"""The mails a simulated mail server caught: counted for ever, the newest kept whole, read as a mail program would."""

import hashlib
import re
from collections import Counter, OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.errors import HeaderParseError
from email.message import EmailMessage
from functools import cached_property
from typing import Any

KEPT_BYTES_MAX = 256 * 1024 * 1024
_CID = re.compile(r"(?i)\bcid:([^\s\"'<>)]+)")


@dataclass
class CaughtMail:
    """One mail as it came: ``recipients`` of the envelope, ``raw`` the bytes after DATA, ``answered`` what we said."""

    number: int
    at: datetime
    sender: str
    recipients: tuple[str, ...]
    raw: bytes
    helo: str
    peer: str
    tls: bool
    login: str
    answered: str = "250"

    @property
    def id(self) -> str:
        """Return the mail's id in the pages and the JSON."""
        return f"m{self.number}"

    @cached_property
    def parsed(self) -> EmailMessage:
        """Return the mail as the standard library understands it; it never raises on a broken one."""
        return message_from_bytes(self.raw, policy=policy.default)

    @cached_property
    def message_id(self) -> str:
        """Return the Message-ID without its angle brackets, empty when there is none."""
        return self.header("Message-ID").strip().strip("<>")

    def header(self, name: str) -> str:
        """Return a header's text, decoded; a header nobody can decode comes as it stands."""
        try:
            return sound(str(self.parsed.get(name, "")))
        except (HeaderParseError, ValueError, IndexError, AttributeError):
            return next((value for key, value in self.raw_headers() if key.lower() == name.lower()), "")

    def raw_headers(self) -> list[tuple[str, str]]:
        """Return every header in its order, as it came, folds kept."""
        return [(sound(name), sound(str(value))) for name, value in self.parsed.raw_items()]

    @cached_property
    def text(self) -> str:
        """Return the plain text a mail program would show, empty when there is only HTML."""
        return _content(self.parsed.get_body(preferencelist=("plain",)))

    @cached_property
    def html(self) -> str:
        """Return the HTML a mail program would show, pictures of the mail itself (``cid:``) turned into data URLs."""
        return _CID.sub(self._picture, _content(self.parsed.get_body(preferencelist=("html",))))

    def _picture(self, found: re.Match[str]) -> str:
        wanted = found.group(1)
        for part in self.parsed.walk():
            if str(part.get("Content-ID", "")).strip("<> ") == wanted and part.get_content_maintype() == "image":
                encoded = str(part.get_payload()).replace("\n", "").replace("\r", "")
                return f"data:{part.get_content_type()};base64,{encoded}"
        return found.group(0)

    def attachments(self) -> list[EmailMessage]:
        """Return the parts a mail program would list as attached."""
        return list(self.parsed.iter_attachments())

    def short(self) -> dict[str, Any]:
        """Return what a list of mails needs of this one."""
        return {
            "id": self.id,
            "at": self.at.isoformat(),
            "from": self.sender,
            "to": list(self.recipients),
            "subject": self.header("Subject"),
            "header_from": self.header("From"),
            "header_to": self.header("To"),
            "message_id": self.message_id,
            "size_bytes": len(self.raw),
            "answered": self.answered,
        }

    def whole(self) -> dict[str, Any]:
        """Return all there is to say about this mail."""
        return self.short() | {
            "helo": self.helo,
            "peer": self.peer,
            "tls": self.tls,
            "login": self.login,
            "sha256": hashlib.sha256(self.raw).hexdigest(),
            "headers": [list(pair) for pair in self.raw_headers()],
            "text": self.text,
            "html": self.html,
            "attachments": [
                {
                    "name": sound(part.get_filename() or ""),
                    "type": part.get_content_type(),
                    "size_bytes": len(_bytes(part)),
                }
                for part in self.attachments()
            ],
        }


def _content(part: Any) -> str:
    """Return a text part decoded; a charset nobody knows is read as Latin-1, so that something shows."""
    if part is None:
        return ""
    try:
        return sound(str(part.get_content()))
    except (LookupError, ValueError, KeyError):
        return _bytes(part).decode("latin-1")


def sound(text: str) -> str:
    """Return a text that can be written as UTF-8: bytes nobody could decode become question marks."""
    return text.encode("utf-8", "replace").decode()


def _bytes(part: Any) -> bytes:
    payload = part.get_payload(decode=True)
    return payload if isinstance(payload, bytes) else b""


class Mailbox:
    """All mails of one run. Counts are exact for ever; the newest ``keep`` are kept whole, up to so many bytes."""

    def __init__(self, *, keep: int, bytes_max: int = KEPT_BYTES_MAX) -> None:
        self.keep = keep
        self.bytes_max = bytes_max
        self.clear()

    def clear(self) -> None:
        """Forget everything, counts too."""
        self.received = 0
        self.accepted = 0
        self.recipients = 0
        self.connections = 0
        self.refused: Counter[str] = Counter()
        self.dropped: Counter[str] = Counter()
        self.sent_back: Counter[str] = Counter()
        self._pairs: set[bytes] = set()  # 16-byte digests of (Message-ID, recipient) that were taken
        self._message_ids: set[bytes] = set()
        self._doubled: dict[tuple[str, str], int] = {}
        self._kept_bytes = 0
        self._mails: OrderedDict[str, CaughtMail] = OrderedDict()

    def arrived(self, mail: CaughtMail) -> None:
        """Count a mail whose last byte has come, before anything is decided about it."""
        self._mails[mail.id] = mail
        self._kept_bytes += len(mail.raw)
        while len(self._mails) > self.keep or (self._kept_bytes > self.bytes_max and len(self._mails) > 1):
            _, old = self._mails.popitem(last=False)
            self._kept_bytes -= len(old.raw)

    def next_number(self) -> int:
        """Return the number of a mail that has just come to its end at the socket."""
        self.received += 1
        return self.received

    def taken(self, mail: CaughtMail) -> None:
        """Count a mail we are answerable for: its sender was told 250, or would have been had the line held."""
        self.accepted += 1
        self.recipients += len(mail.recipients)
        if not mail.message_id:
            return
        self._message_ids.add(_digest(mail.message_id))
        for recipient in map(str.lower, mail.recipients):
            pair = _digest(f"{mail.message_id}\0{recipient}")
            if pair in self._pairs:
                self._doubled[mail.message_id, recipient] = self._doubled.get((mail.message_id, recipient), 1) + 1
            self._pairs.add(pair)

    def find(self, mail_id: str) -> CaughtMail | None:
        """Return a mail that is still kept."""
        return self._mails.get(mail_id)

    def newest_first(self, *, to: str = "", sender: str = "", subject: str = "") -> Iterator[CaughtMail]:
        """Return the kept mails that hold these words in recipient, sender and subject."""
        for mail in reversed(self._mails.values()):
            if to and not any(to.lower() in each.lower() for each in mail.recipients):
                continue
            if sender and sender.lower() not in mail.sender.lower():
                continue
            if subject and subject.lower() not in mail.header("Subject").lower():
                continue
            yield mail

    def counts(self) -> dict[str, Any]:
        """Return the counts: ``received`` at the socket, ``doubled`` what one recipient was handed more than once."""
        doubled = [
            {"message_id": message_id, "to": recipient, "times": times}
            for (message_id, recipient), times in self._doubled.items()
        ]
        return {
            "connections": self.connections,
            "received": self.received,
            "accepted": self.accepted,
            "recipients": self.recipients,
            "distinct_message_ids": len(self._message_ids),
            "doubled": doubled,
            "refused": dict(self.refused),
            "dropped": dict(self.dropped),
            "sent_back": dict(self.sent_back),
            "kept": len(self._mails),
        }


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=16).digest()


def now() -> datetime:
    """Return the moment a mail comes."""
    return datetime.now(UTC)
