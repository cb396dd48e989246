"""Mails a mail server sends back: delivery status notifications (RFC 3464) and abuse reports (RFC 5965).

They are put together from bytes, not by the standard library, which refuses to write many a mail it could read: what is
returned has to be what came.
"""

import hashlib
import re
import smtplib
from email.header import Header
from email.utils import format_datetime

from tocsin_simulator.mailbox import CaughtMail

_SECONDS_MAX = 10.0
_LINE_END = re.compile(rb"\r?\n")


def status_notification(mail: CaughtMail, *, recipient: str, server: str, status: str, text: str) -> bytes:
    """Return the notification that this mail reached nobody; ``status`` is an enhanced code such as 5.1.1."""
    reply = 550 if status.startswith("5") else 450
    about_server = [("Reporting-MTA", f"dns; {server}"), ("Arrival-Date", format_datetime(mail.at))]
    if envelope_id := mail.header("X-Envelope-ID"):
        about_server.append(("Original-Envelope-Id", envelope_id))
    about_recipient = [
        ("Original-Recipient", f"rfc822; {recipient}"),
        ("Final-Recipient", f"rfc822; {recipient}"),
        ("Action", "failed" if status.startswith("5") else "delayed"),
        ("Status", status),
        ("Diagnostic-Code", f"smtp; {reply} {text}"),
    ]
    told = f"Your message could not be delivered to {recipient}:\n\n    {text}\n"
    blocks = _fields(about_server) + b"\n" + _fields(about_recipient)
    parts = [
        ("text/plain; charset=utf-8", told.encode()),
        ("message/delivery-status", blocks),
        ("text/rfc822-headers", _LINE_END.sub(b"\n", mail.raw).split(b"\n\n", 1)[0] + b"\n"),
    ]
    return _report(mail, "delivery-status", parts, server=server, subject="Undelivered Mail Returned to Sender")


def abuse_report(mail: CaughtMail, *, recipient: str, server: str) -> bytes:
    """Return the report that this recipient pressed the button for unwanted mail."""
    about = [
        ("Feedback-Type", "abuse"),
        ("User-Agent", "tocsin-simulator/1"),
        ("Version", "1"),
        ("Original-Mail-From", f"<{mail.sender}>"),
        ("Original-Rcpt-To", f"<{recipient}>"),
        ("Arrival-Date", format_datetime(mail.at)),
        ("Reporting-MTA", f"dns; {server}"),
    ]
    told = f"This is an abuse report for a message received on {format_datetime(mail.at)}.\n"
    parts = [
        ("text/plain; charset=utf-8", told.encode()),
        ("message/feedback-report", _fields(about)),
        ("message/rfc822", mail.raw),
    ]
    return _report(mail, "feedback-report", parts, server=server, subject=f"FW: {mail.header('Subject')}")


def send_back(raw: bytes, *, to: str, host: str, port: int, server: str) -> None:
    """Hand a mail to the server that takes what is sent back; the envelope sender is empty, as RFC 5321 4.5.5 asks."""
    with smtplib.SMTP(host, port, local_hostname=server, timeout=_SECONDS_MAX) as line:
        line.sendmail("", [to], raw)


def _report(mail: CaughtMail, kind: str, parts: list[tuple[str, bytes]], *, server: str, subject: str) -> bytes:
    """Return a `multipart/report` (RFC 6522) of these parts, its lines ended as SMTP wants them."""
    boundary = hashlib.sha256(mail.raw).hexdigest()[:32]
    head = [
        ("From", f"Mail Delivery System <MAILER-DAEMON@{server}>"),
        ("To", mail.sender),
        ("Subject", Header(" ".join(subject.split()), "utf-8", maxlinelen=70).encode()),
        ("Date", format_datetime(mail.at)),
        ("Message-ID", f"<back-{mail.id}@{server}>"),
        ("Auto-Submitted", "auto-replied"),
        ("MIME-Version", "1.0"),
        ("Content-Type", f'multipart/report; report-type={kind}; boundary="{boundary}"'),
    ]
    if mail.message_id and mail.message_id.isascii():
        head.append(("In-Reply-To", f"<{mail.message_id}>"))
    whole = _fields(head)
    for content_type, content in parts:
        encoding = "7bit" if content.isascii() else "8bit"
        whole += f"\n--{boundary}\nContent-Type: {content_type}\nContent-Transfer-Encoding: {encoding}\n\n".encode()
        whole += content
    return _LINE_END.sub(b"\r\n", whole + f"\n--{boundary}--\n".encode())


def _fields(fields: list[tuple[str, str]]) -> bytes:
    """Return header fields; a line end that somebody wrote into one ends nothing, save that of a folded subject."""
    lines = []
    for name, value in fields:
        kept = value if name == "Subject" else " ".join(value.split())
        lines.append(f"{name}: {kept}\n".encode("utf-8", "replace"))
    return b"".join(lines)
