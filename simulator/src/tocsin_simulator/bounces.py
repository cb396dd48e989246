"""Mails a mail server sends back: delivery status notifications (RFC 3464) and abuse reports (RFC 5965)."""

import re
import smtplib
from email.message import EmailMessage, Message
from email.mime.message import MIMEMessage
from email.mime.multipart import MIMEMultipart
from email.mime.nonmultipart import MIMENonMultipart
from email.mime.text import MIMEText
from email.utils import format_datetime

from tocsin_simulator.mailbox import CaughtMail

_SECONDS_MAX = 10.0
_LINE_END = re.compile(rb"\r?\n")


def status_notification(mail: CaughtMail, *, recipient: str, server: str, status: str, text: str) -> bytes:
    """Return the notification that this mail reached nobody; ``status`` is an enhanced code such as 5.1.1."""
    report = MIMEMultipart("report", report_type="delivery-status")
    _address(report, mail, server=server, subject="Undelivered Mail Returned to Sender", recipient=mail.sender)
    report["Auto-Submitted"] = "auto-replied"
    report.attach(MIMEText(f"Your message could not be delivered to {recipient}:\n\n    {text}\n"))
    about_server, about_recipient = Message(), Message()
    about_server["Reporting-MTA"] = f"dns; {server}"
    about_server["Arrival-Date"] = format_datetime(mail.at)
    if envelope_id := mail.header("X-Envelope-ID"):
        about_server["Original-Envelope-Id"] = envelope_id
    about_recipient["Final-Recipient"] = f"rfc822; {recipient}"
    about_recipient["Original-Recipient"] = f"rfc822; {recipient}"
    about_recipient["Action"] = "failed" if status.startswith("5") else "delayed"
    about_recipient["Status"] = status
    about_recipient["Diagnostic-Code"] = f"smtp; {_reply_code(status)} {text}"
    report.attach(_blocks("delivery-status", [about_server, about_recipient]))
    report.attach(_headers_only(mail))
    return report.as_bytes()


def abuse_report(mail: CaughtMail, *, recipient: str, server: str) -> bytes:
    """Return the report that this recipient pressed the button for unwanted mail."""
    report = MIMEMultipart("report", report_type="feedback-report")
    subject = f"FW: {mail.header('Subject')}"
    _address(report, mail, server=server, subject=subject, recipient=mail.sender)
    report.attach(MIMEText(f"This is an abuse report for a message received on {format_datetime(mail.at)}.\n"))
    about = EmailMessage()
    about["Feedback-Type"] = "abuse"
    about["User-Agent"] = "tocsin-simulator/1"
    about["Version"] = "1"
    about["Original-Mail-From"] = f"<{mail.sender}>"
    about["Original-Rcpt-To"] = f"<{recipient}>"
    about["Arrival-Date"] = format_datetime(mail.at)
    about["Reporting-MTA"] = f"dns; {server}"
    report.attach(_blocks("feedback-report", [about]))
    report.attach(MIMEMessage(mail.parsed, "rfc822"))
    return report.as_bytes()


def send_back(raw: bytes, *, to: str, host: str, port: int, server: str) -> None:
    """Hand a mail to the server that takes what is sent back; the envelope sender is empty, as RFC 5321 4.5.5 asks."""
    with smtplib.SMTP(host, port, local_hostname=server, timeout=_SECONDS_MAX) as line:
        line.sendmail("", [to], _LINE_END.sub(b"\r\n", raw))


def _address(report: MIMEMultipart, mail: CaughtMail, *, server: str, subject: str, recipient: str) -> None:
    report["From"] = f"Mail Delivery System <MAILER-DAEMON@{server}>"
    report["To"] = recipient
    report["Subject"] = subject.replace("\r", " ").replace("\n", " ")
    report["Date"] = format_datetime(mail.at)
    report["Message-ID"] = f"<back-{mail.id}@{server}>"
    if mail.message_id:
        report["In-Reply-To"] = f"<{mail.message_id}>"


def _blocks(subtype: str, blocks: list[Message | str]) -> MIMENonMultipart:
    part = MIMENonMultipart("message", subtype)
    if subtype == "delivery-status":
        part.set_payload(blocks)
    else:  # the standard library writes the blocks of a delivery status itself, and of nothing else
        part.set_payload("".join(str(each) for each in blocks))
    return part


def _headers_only(mail: CaughtMail) -> MIMENonMultipart:
    part = MIMENonMultipart("text", "rfc822-headers")
    part.set_payload(mail.raw.replace(b"\r\n", b"\n").split(b"\n\n", 1)[0].decode("utf-8", "replace") + "\n")
    return part


def _reply_code(status: str) -> int:
    return 550 if status.startswith("5") else 450
