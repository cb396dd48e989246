"""Bounces and complaints in the forms mail servers and large mailboxes write them, each written anew after theirs."""

from collections.abc import Sequence
from time import process_time
from uuid import UUID

import pytest

from tocsin.integrations.email import reports
from tocsin.integrations.email.wordings import Wording, wording
from tocsin.messaging.values import Aside, Reason, StatusKind, StatusUpdate, Update, Verdict

OURS = UUID("0199d0c4-5a7c-7f3e-8d7e-6f3f0a1b2c3d")
HEAD = (
    f"Message-ID: <{OURS}@larkwave.example>\nFrom: alarm@larkwave.example\nTo: bob@example.org\nSubject: secret words\n"
)
REPLACED = (
    f"Message-ID: <0100019abc-000000@email.provider.example>\nX-Tocsin-Id: {OURS}\nFrom: alarm@larkwave.example\n"
)
GONE, FULL, POLICY = Reason.NOT_REACHABLE, Reason.TRY_LATER, Reason.REFUSED_BY_POLICY


def standard(
    blocks: str, *, sender: str = "MAILER-DAEMON@mx.example.org", head: str = HEAD, kind: str = "text/rfc822-headers",
    to: str = "bounces@larkwave.example", words: str = "It could not be delivered.", first: str = "text/plain",
) -> bytes:  # fmt: skip
    """Return a report in the standard form (RFC 3464) with these groups of fields."""
    returned = f"Content-Type: {kind}\n\n{head}\n" if head else ""
    return (
        f"From: {sender}\nTo: {to}\nSubject: Undelivered\nDate: Tue, 1 Sep 2026 10:00:00 +0200\nMIME-Version: 1.0\n"
        'Content-Type: multipart/report; report-type=delivery-status; boundary="b"\n\n'
        f"--b\nContent-Type: {first}\n\n{words}\n--b\nContent-Type: message/delivery-status\n\n{blocks}\n"
        f"--b\n{returned}--b--\n"
    ).encode()


def plain(
    text: str, *, sender: str = "MAILER-DAEMON@mx.example.org", subject: str = "failure notice", extra: str = ""
) -> bytes:
    """Return a mail for people."""
    return f"From: {sender}\nTo: alarm@larkwave.example\nSubject: {subject}\n{extra}\n{text}".encode()


EXCHANGE = standard(
    "Reporting-MTA: dns;AM0PR01MB0001.eurprd01.prod.exchangelabs.example\n"
    "Received-From-MTA: dns;mx.larkwave.example\nArrival-Date: Tue, 1 Sep 2026 08:00:00 +0000\n\n"
    "Final-Recipient: rfc822;bob@example.org\nAction: failed\nStatus: 5.1.10\n"
    "Diagnostic-Code: smtp;550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient bob@example.org not found by SMTP address\n"
    " lookup\nX-Display-Name: Bob",
    sender="MicrosoftExchange329e71ec88ae4615bbc36ab6ce41109e@example.org", kind="message/rfc822", first="text/html",
)  # fmt: skip
EXCHANGE_BLOCKED = standard(
    "Reporting-MTA: dns;AM0PR01MB0001.example\n\nFinal-recipient: RFC822; bob@example.org\nAction: failed\nStatus: 5.7.606\n"
    "Diagnostic-code: smtp;550 5.7.606 Access denied, banned sending IP [192.0.2.1]. To request removal visit"
)
POSTFIX = standard(
    "Reporting-MTA: dns; mx.larkwave.example\nX-Postfix-Queue-ID: 4Xyz1234\nX-Postfix-Sender: rfc822; alarm@larkwave.example\n"
    f"Original-Envelope-Id: {OURS}\nArrival-Date: Tue,  1 Sep 2026 10:00:00 +0200 (CEST)\n\n"
    "Final-Recipient: rfc822; bob@example.org\nOriginal-Recipient: rfc822;bob@example.org\nAction: failed\nStatus: 5.4.4\n"
    "Diagnostic-Code: X-Postfix; Host or domain name not found. Name service error for\n    name=example.org type=AAAA: Host not found",
    head="", sender="MAILER-DAEMON@mx.larkwave.example (Mail Delivery System)",
)  # fmt: skip
POSTFIX_SAID = standard(
    "Reporting-MTA: dns; mx.larkwave.example\n\nFinal-Recipient: rfc822; bob@example.org\nAction: failed\nStatus: 5.0.0\n"
    "Remote-MTA: dns; mx.example.org\nDiagnostic-Code: smtp; 550 Requested action not taken: mailbox unavailable"
)
POSTFIX_POLICY = standard(
    "Reporting-MTA: dns; mx.larkwave.example\n\nFinal-Recipient: rfc822; bob@example.org\nAction: failed\nStatus: 5.0.0\n"
    "Diagnostic-Code: smtp; 554-Transaction failed 554-Reject due to policy restrictions.\n 554 For explanation visit us"
)
GMAIL = standard(
    "Reporting-MTA: dns; googlemail.example\nReceived-From-MTA: dns; alarm@larkwave.example\n\n"
    "Final-Recipient: rfc822; bob@example.org\nAction: failed\nStatus: 5.2.1\nRemote-MTA: dns; mx.example.org. (192.0.2.9)\n"
    "Diagnostic-Code: smtp; 550-5.2.1 The user you are trying to contact is receiving mail at a rate that\n"
    " 550-5.2.1 prevents additional messages from being delivered. 550 5.2.1 d1-2 - gsmtp",
    sender="Mail Delivery Subsystem <mailer-daemon@googlemail.example>", kind="message/rfc822",
)  # fmt: skip
GMAIL_DISABLED = GMAIL.replace(
    b"The user you are trying to contact is receiving mail at a rate that\n 550-5.2.1 prevents additional messages from being",
    b"The email account that you tried to reach is disabled. Learn\n 550-5.2.1 more at",
)
GMAIL_FULL = standard(
    "Reporting-MTA: dns; googlemail.example\n\nFinal-Recipient: rfc822; bob@example.org\nAction: failed\nStatus: 5.2.2\n"
    "Diagnostic-Code: smtp; 552-5.2.2 The recipient's inbox is out of storage space."
)
SES = standard(
    "Reporting-MTA: dns; a8-50.smtp-out.provider.example\n\nAction: failed\nFinal-Recipient: rfc822; bob@example.org\n"
    "Diagnostic-Code: smtp; 550 5.1.1 user unknown\nStatus: 5.1.1",
    sender="MAILER-DAEMON@eu-west-1.provider.example", head=REPLACED,
)  # fmt: skip
HOTMAIL = standard(
    "Reporting-MTA: dns; mx.larkwave.example\n\nFinal-Recipient: rfc822; bob@example.org\nAction: failed\nStatus: 5.5.0\n"
    "Diagnostic-Code: smtp; 550 5.5.0 Requested action not taken: mailbox unavailable (S2017062302)."
)
YAHOO = standard(
    "Reporting-MTA: dns; mx.larkwave.example\n\nFinal-Recipient: rfc822; bob@example.org\nAction: failed\nStatus: 5.0.0\n"
    "Diagnostic-Code: smtp; 554 delivery error: dd This user doesn't have a example.org account (bob@example.org) [0]"
)
EXIM = standard(
    "Reporting-MTA: dns; mx.larkwave.example\n\nAction: failed\nFinal-Recipient: rfc822;bob@example.org\nStatus: 5.0.0\n"
    "Remote-MTA: dns; mx.example.org\nDiagnostic-Code: smtp; 550 Unrouteable address",
    kind="message/rfc822",
)
EXPIRED = standard(
    "Reporting-MTA: dns; mx.larkwave.example\n\nFinal-Recipient: rfc822; bob@example.org\nAction: failed\nStatus: 4.4.7\n"
    "Diagnostic-Code: X-Postfix; delivery temporarily suspended: connect to mx.example.org[192.0.2.9]:25: timed out"
)
TAGGED = standard(
    "Reporting-MTA: dns; mx.example.org\n\nFinal-Recipient: rfc822; bob@example.org\nAction: failed\nStatus: 5.1.1",
    head="", to=f"bounces+{OURS}@larkwave.example",
)  # fmt: skip
QMAIL = plain(f"""\
Hi. This is the qmail-send program at mx.example.org.
I'm afraid I wasn't able to deliver your message to the following addresses.
This is a permanent error; I've given up. Sorry it didn't work out.

<bob@example.org>:
192.0.2.9 does not like recipient.
Remote host said: 550 5.1.1 <bob@example.org> user unknown
Giving up on 192.0.2.9.

--- Below this line is a copy of the message.

Return-Path: <alarm@larkwave.example>
{HEAD}
the text says 552 mailbox full
""")
QMAIL_LOCAL = QMAIL.replace(
    b"192.0.2.9 does not like recipient.\nRemote host said: 550 5.1.1 <bob@example.org> user unknown\nGiving up on 192.0.2.9.",
    b"Sorry, no mailbox here by that name. (#5.1.1)",
)
OLD_EXIM = plain(
    f"""\
This message was created automatically by mail delivery software.

A message that you sent could not be delivered to one or more of its
recipients. This is a permanent error. The following address(es) failed:

  bob@example.org
    SMTP error from remote mail server after RCPT TO:<bob@example.org>:
    host mx.example.org [192.0.2.9]: 552 5.2.2 Mailbox size limit exceeded

------ This is a copy of the message, including all the headers. ------

Return-path: <alarm@larkwave.example>
{HEAD}
hello
""",
    sender="Mail Delivery System <Mailer-Daemon@mx.larkwave.example>",
    extra="X-Failed-Recipients: bob@example.org\nAuto-Submitted: auto-replied\n",
)
SENDMAIL = plain(f"""\
The original message was received at Tue, 1 Sep 2026 10:00:00 +0200

   ----- The following addresses had permanent fatal errors -----
<bob@example.org>
    (reason: 550 5.7.1 Message rejected as spam)

   ----- Original message follows -----
{HEAD}
""")
GATEWAY = plain(f"Your mail to bob@example.org was not delivered: the recipient's mailbox is full.\n\nThe original message headers:\n> {HEAD}",
                sender="postmaster@gateway.example")  # fmt: skip


@pytest.mark.parametrize(
    ("raw", "reason", "code"),
    [
        (EXCHANGE, GONE, 550), (EXCHANGE_BLOCKED, POLICY, 550), (POSTFIX, GONE, 550), (POSTFIX_SAID, GONE, 550),
        (POSTFIX_POLICY, POLICY, 554), (GMAIL, FULL, 550), (GMAIL_DISABLED, GONE, 550), (GMAIL_FULL, FULL, 552),
        (SES, GONE, 550), (HOTMAIL, GONE, 550), (YAHOO, GONE, 554), (EXIM, GONE, 550), (EXPIRED, FULL, 550),
        (TAGGED, GONE, 550), (QMAIL, GONE, 550), (QMAIL_LOCAL, GONE, 550), (OLD_EXIM, FULL, 552), (SENDMAIL, POLICY, 550),
        (GATEWAY, FULL, 550),
    ],
    ids=[
        "exchange", "exchange blocks", "postfix finds no host", "postfix", "a policy behind a general code", "gmail: too often",
        "gmail: disabled", "gmail: full", "another Message-ID", "outlook.com", "yahoo", "exim", "the time ran out",
        "only our address", "qmail", "qmail, local", "older exim", "sendmail", "a gateway",
    ],
)  # fmt: skip
def test_a_bounce_is_of_our_message_and_says_why(raw: bytes, reason: Reason, code: int):
    (update,) = reports.updates(raw)
    assert isinstance(update, StatusUpdate), update
    assert (update.message_id, update.status) == (OURS, StatusKind.BOUNCED)
    assert (update.reason, update.code) == (reason, code)
    assert update.verdict is (Verdict.DEAD if reason is GONE or reason is POLICY else Verdict.OUR_MISTAKE)
    for private in ("bob", "example.org", "secret words"):
        assert private not in update.detail
    if b"\nDate: " in raw:  # what has no time of its own is of now
        assert reports.updates(raw.replace(b"\n", b"\r\n")) == (update,)


def of(update: Sequence[Update]) -> Update:
    (found,) = update
    return found


def test_a_server_that_still_tries_says_nothing_yet():
    warning = OLD_EXIM.replace(b"could not be delivered to one or more", b"has not yet been delivered to one or more")
    assert reports.updates(warning) == ()
    delayed = SENDMAIL.replace(b"Subject: failure notice", b"Subject: Warning: could not send message for past 4 hours")
    assert reports.updates(delayed) == ()


def test_no_answer_of_a_person_is_taken_for_a_bounce_because_it_quotes_us():
    answer = QMAIL.replace(b"From: MAILER-DAEMON@mx.example.org", b"From: Eve <eve@example.org>")
    assert isinstance(of(reports.updates(answer)), Aside)
    nobodys = QMAIL.replace(str(OURS).encode(), b"1234")
    assert of(reports.updates(nobodys)).what == "bounce_of_no_message"


@pytest.mark.parametrize(
    ("extra", "text", "asks"),
    [
        ("Auto-Submitted: auto-replied\n", "I am on holiday until Monday.", False),
        ("Auto-Submitted: auto-generated (vacation)\n", "Back soon", False),
        ("X-Autoreply: yes\n", "Please confirm that you sent this message by clicking below.", True),
        ("Precedence: junk\n", "To get your email delivered, prove you are no robot.", True),
    ],
)
def test_what_programs_answer_for_people_is_told_apart(extra: str, text: str, asks: bool):
    update = of(reports.updates(plain(text, sender="bob@example.org", subject="Re: hello", extra=extra)))
    assert isinstance(update, Aside) and update.what == "mail_is_automatic_answer"
    assert update.part == {"asks_for_proof": asks}


def feedback(fields: str, *, returned: str, kind: str = "message/rfc822", outer: str = "multipart/report") -> bytes:
    return (
        f"From: feedback@example.org\nSubject: FW: offer\nMIME-Version: 1.0\n"
        f"Content-Type: {outer}; report-type=feedback-report; boundary=b\n\n"
        f"--b\nContent-Type: text/plain\n\nAn abuse report.\n--b\nContent-Type: message/feedback-report\n\n{fields}\n"
        f"--b\nContent-Type: {kind}\n\n{returned}\nhello\n--b--\n"
    ).encode()


@pytest.mark.parametrize(
    "raw",
    [
        feedback(  # Yahoo
            "Feedback-Type: abuse\nUser-Agent: Yahoo!-Mail-Feedback/2.0\nVersion: 0.1\nOriginal-Mail-From: <alarm@larkwave.example>\n"
            "Original-Rcpt-To: bob@example.org\nReceived-Date: Tue, 1 Sep 2026 10:00:00 +0200\nReported-Domain: larkwave.example",
            returned=HEAD,
        ),
        feedback(  # Comcast and others that run the same program; recipients are taken out
            "Feedback-Type: abuse\nUser-Agent: ReturnPathFBL/2.0\nVersion: 1\nSource-IP: 192.0.2.1",
            returned=HEAD.replace("bob@example.org", "[redacted]"),
        ),
        feedback(  # headers alone, behind a carrier with Message-IDs of its own
            "Feedback-Type: abuse\nUser-Agent: JMRP/1\nVersion: 1", returned=REPLACED, kind="text/rfc822-headers"
        ),
        feedback("Feedback-Type: abuse\nVersion: 1", returned=HEAD, outer="multipart/mixed"),
    ],
    ids=["yahoo", "redacted", "headers alone", "the wrong outer type"],
)
def test_a_complaint_is_of_our_message(raw: bytes):
    update = of(reports.updates(raw))
    assert isinstance(update, StatusUpdate)
    assert (update.status, update.message_id, update.verdict) == (StatusKind.COMPLAINED, OURS, Verdict.STOPPED)


def test_outlook_sends_the_mail_back_and_says_for_whom():
    raw = (
        "From: staff@hotmail.example\nSubject: complaint about message from 192.0.2.1\nMIME-Version: 1.0\n"
        "X-HmXmrOriginalRecipient: bob@example.org\nContent-Type: multipart/mixed; boundary=b\n\n"
        f"--b\nContent-Type: message/rfc822\n\nX-HmXmrOriginalRecipient: bob@example.org\n{HEAD}\nhello\n--b--\n"
    ).encode()
    update = of(reports.updates(raw))
    assert isinstance(update, StatusUpdate)
    assert (update.status, update.message_id, update.verdict) == (StatusKind.COMPLAINED, OURS, Verdict.STOPPED)


@pytest.mark.parametrize(
    "subject", [f"unsubscribe {OURS}", f"Unsubscribe {str(OURS).upper()}", f"unsubscribe\n {OURS}"]
)
def test_a_mail_that_asks_for_no_more_stops_what_the_message_was(subject: str):
    update = of(reports.updates(plain("", sender="eve@example.org", subject=subject)))
    assert isinstance(update, StatusUpdate)
    assert (update.message_id, update.verdict, update.reason) == (OURS, Verdict.STOPPED, Reason.REFUSED_BY_PERSON)
    assert update.status is StatusKind.DELIVERED  # who unsubscribes from it has it


@pytest.mark.parametrize(
    "subject", ["unsubscribe", f"Re: unsubscribe {OURS}", f"unsubscribe {OURS} please", "unsubscribe 1234"]
)
def test_any_other_wish_is_for_a_person_to_read(subject: str):
    assert isinstance(of(reports.updates(plain("stop", sender="eve@example.org", subject=subject))), Aside)


@pytest.mark.parametrize(
    ("said", "means"),
    [
        ("550 No such user here", Wording.NOBODY),
        ("550-Verification failed for <x> 550 Sender verify failed", Wording.NOTHING),
        ("550 5.1.1 Adresse d au moins un destinataire invalide. OFR_416", Wording.NOBODY),
        ("552 Message rejected: boite du destinataire pleine", Wording.FULL),
        ("550 Mailbox is full / Blocks limit exceeded", Wording.FULL),
        ("554 5.7.1 Service unavailable; Client host blocked using zen.spamhaus.example", Wording.POLICY),
        ("554 5.7.1 Relay access denied", Wording.NO_RELAY),
        ("550 user not found", Wording.NOBODY),
        ("550 message contains a virus", Wording.POLICY),
        ("451 hello", Wording.NOTHING),
    ],
)
def test_well_known_words_mean(said: str, means: Wording):
    assert wording(said) is means


@pytest.mark.parametrize(
    "piece",
    [
        "mailbox ", "reject ", "user x ", "quota ", "a", "-", "- ", "--a", "*", ">", " ", "\n \t", "\n\n550 ", "5.1.", "@", "a@",
        "message-id:", "message-id:\n", "the following ", "earthlink", "https://", "<", "'", "550 spam ",
    ],
)  # fmt: skip
def test_long_hostile_words_cost_no_time(piece: str):
    text = piece * (100_000 // len(piece))
    started = process_time()
    reports.updates(plain(f"{text}\n\nMessage-ID: <{OURS}@x>"))
    reports.updates(
        plain(text, subject=text.replace("\n", " ")[:5000], extra=f"X-Failed-Recipients: {text[:900].strip()}\n")
    )
    blocks = f"Reporting-MTA: dns; x\n\nAction: failed\nStatus: 5.0.0\nDiagnostic-Code: smtp; {text}"
    reports.updates(standard(" ".join(blocks.split(" ")).replace("\n\n550", " 550")))
    assert process_time() - started < 2.0
