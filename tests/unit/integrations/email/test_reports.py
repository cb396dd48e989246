"""Bounces and complaints: found by our id, believed in nothing else, and never able to break us."""

from datetime import UTC, datetime
from uuid import UUID

import pytest

from tocsin.integrations.email import reports
from tocsin.integrations.email.receiving import RECEIVING
from tocsin.messaging.values import Aside, Reason, StatusKind, StatusUpdate, Verdict

OURS = UUID("0199d0c4-5a7c-7f3e-8d7e-6f3f0a1b2c3d")
OTHER = UUID("0199d0c4-5a7c-7f3e-8d7e-000000000000")


def bounce(
    *, status: str = "5.1.1", action: str = "failed", said: str = "smtp; 550 5.1.1 no bob@example.org here",
    returned: str = f"Message-ID: <{OURS}@larkwave.example>\nSubject: secret\n", kind: str = "text/rfc822-headers",
    server: str = "Reporting-MTA: dns; mx.example.org", extra: str = "",
) -> bytes:  # fmt: skip
    """Return a notification as RFC 3464 lays it out (its appendix A)."""
    return f"""\
From: Mail Delivery System <MAILER-DAEMON@mx.example.org>
To: alarm@larkwave.example
Subject: Undelivered Mail Returned to Sender
Date: Tue, 1 Sep 2026 10:00:00 +0200
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="b"
{extra}
--b
Content-Type: text/plain

This is the mail system. bob@example.org could not be reached.

--b
Content-Type: message/delivery-status

{server}

Final-Recipient: rfc822; bob@example.org
Action: {action}
Status: {status}
Diagnostic-Code: {said}
Last-Attempt-Date: Tue, 1 Sep 2026 10:00:01 +0200

--b
Content-Type: {kind}

{returned}
--b--
""".encode()


def complaint(*, kind: str = "abuse", returned: str = f"Message-ID: <{OURS}@larkwave.example>\n") -> bytes:
    """Return a report as RFC 5965 lays it out (its appendix B)."""
    return f"""\
From: <abusedesk@example.com>
Date: Tue, 1 Sep 2026 17:40:36 +0200
Subject: FW: Earn money
To: <abuse@example.net>
MIME-Version: 1.0
Content-Type: multipart/report; report-type=feedback-report; boundary="b"

--b
Content-Type: text/plain; charset="US-ASCII"

This is an email abuse report.
--b
Content-Type: message/feedback-report

Feedback-Type: {kind}
User-Agent: SomeGenerator/1.0
Version: 1
Original-Rcpt-To: <victim@example.org>

--b
Content-Type: message/rfc822

From: <alarm@larkwave.example>
{returned}Subject: Earn money

Spam
--b--
""".encode()


def test_a_bounce_names_our_message_and_why():
    (update,) = reports.updates(bounce())
    assert isinstance(update, StatusUpdate)
    assert (update.status, update.message_id) == (StatusKind.BOUNCED, OURS)
    assert update.provider_id == f"{OURS}@larkwave.example"
    assert (update.verdict, update.reason, update.code) == (Verdict.DEAD, Reason.NOT_REACHABLE, 550)
    assert update.at == datetime(2026, 9, 1, 8, 0, 1, tzinfo=UTC)
    assert "bob" not in update.detail and update.detail.startswith("5.1.1")  # the code 550 is said beside it


@pytest.mark.parametrize(
    "changes",
    [
        {"kind": "message/rfc822", "returned": f"Message-ID: <{OURS}@larkwave.example>\n\nthe text\n"},
        {"kind": "text/rfc822-headers", "returned": f"message-id:\n <{OURS}@larkwave.example>\n"},
        {"kind": "message/global-headers"},
        {"returned": "", "server": f"Reporting-MTA: dns; x\nOriginal-Envelope-Id: {OURS}"},
        {"returned": "", "extra": f"In-Reply-To: <{OURS}@larkwave.example>\n"},
        {"returned": f"Message-ID: <{str(OURS).upper()}@larkwave.example>\n"},
    ],
)
def test_our_id_is_found_wherever_servers_leave_it(changes: dict[str, str]):
    (update,) = reports.updates(bounce(**changes))
    assert isinstance(update, StatusUpdate) and update.message_id == OURS


def test_what_was_delivered_is_said_and_what_is_under_way_is_not():
    (delivered,) = reports.updates(bounce(action="delivered", status="2.0.0"))
    assert isinstance(delivered, StatusUpdate) and delivered.status is StatusKind.DELIVERED
    assert reports.updates(bounce(action="delayed", status="4.4.1")) == ()
    assert reports.updates(bounce(action="relayed", status="2.1.9")) == ()


def test_a_bounce_whose_time_ran_out_says_nothing_final_of_the_address():
    (update,) = reports.updates(bounce(status="4.4.7", said="smtp; 450 4.4.7 expired"))
    assert isinstance(update, StatusUpdate) and update.status is StatusKind.BOUNCED
    assert (update.verdict, update.reason) == (Verdict.OUR_MISTAKE, Reason.TRY_LATER)


def test_a_bounce_can_never_hold_our_line():
    (update,) = reports.updates(bounce(status="5.7.26", said="smtp; 550 5.7.26 unauthenticated"))
    assert isinstance(update, StatusUpdate) and update.verdict is Verdict.OUR_MISTAKE


def test_a_complaint_stops_what_we_send_to_whom_we_sent_it_and_to_nobody_the_report_names():
    (update,) = reports.updates(complaint())
    assert isinstance(update, StatusUpdate)
    assert (update.status, update.verdict, update.message_id) == (StatusKind.COMPLAINED, Verdict.STOPPED, OURS)
    assert not update.addresses and "victim" not in repr(update)


@pytest.mark.parametrize(
    "raw",
    [
        complaint(kind="not-spam"),
        complaint(returned="Message-ID: <redacted@example.org>\n"),
        bounce(returned="Message-ID: <1234@example.org>\n"),
        b"From: bob@example.org\nSubject: I am on holiday\n\nBack on Monday.\n",
        b"",
        b"\x00\xff" * 100,
    ],
)
def test_any_other_mail_is_kept_aside_and_nothing_of_it_is_repeated(raw: bytes):
    (update,) = reports.updates(raw)
    assert isinstance(update, Aside)
    for private in ("bob", "victim", "redacted", "Monday", "example"):
        assert private not in repr(update)


def test_a_time_of_the_report_is_never_in_the_future():
    raw = bounce().replace(b"1 Sep 2026 10:00:01", b"1 Sep 2199 10:00:01")
    (update,) = reports.updates(raw)
    assert isinstance(update, StatusUpdate) and update.at <= datetime.now(UTC)


def test_a_thousand_parts_and_a_deep_nest_break_nothing():
    wide = b"Content-Type: multipart/mixed; boundary=b\n\n" + b"--b\nContent-Type: text/plain\n\nx\n" * 5000 + b"--b--"
    deep = b"".join(b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (n, n) for n in range(3000))
    deeper = b"Content-Type: message/rfc822\n\n" * 3000
    for raw in (wide, deep, deeper):
        assert all(isinstance(each, Aside) for each in reports.updates(raw))


def test_a_secret_must_come_with_it():
    given = {"Authorization": "Bearer hush"}
    asked = {"secrets": ["old", "hush"], "address": "https://x.example/webhooks/v1/a"}
    assert RECEIVING.verified(given, b"x", **asked)
    assert RECEIVING.verified({"authorization": "bearer old"}, b"x", **asked)
    for wrong in ({}, {"Authorization": "Bearer "}, {"Authorization": "hush"}, {"Authorization": "Bearer hush2"}):
        assert not RECEIVING.verified(wrong, b"x", **asked)
    assert not RECEIVING.verified({"Authorization": "Bearer "}, b"x", secrets=[""], address="")


def test_the_simulators_own_bounces_and_complaints_are_understood():
    bounces = pytest.importorskip("tocsin_simulator.bounces")
    mailbox = pytest.importorskip("tocsin_simulator.mailbox")
    raw = f"Message-ID: <{OURS}@larkwave.example>\r\nSubject: hello\r\nTo: bob@example.org\r\n\r\nhello\r\n".encode()
    mail = mailbox.CaughtMail(
        number=1, at=datetime.now(UTC), sender="alarm@larkwave.example", recipients=("bob@example.org",), raw=raw,
        helo="x", peer="127.0.0.1", tls=False, login="",
    )  # fmt: skip
    back = bounces.status_notification(mail, recipient="bob@example.org", server="mx.example", status="5.1.1", text="x")
    (update,) = reports.updates(back)
    assert isinstance(update, StatusUpdate) and update.message_id == OURS
    (update,) = reports.updates(bounces.abuse_report(mail, recipient="bob@example.org", server="mx.example"))
    assert isinstance(update, StatusUpdate) and update.status is StatusKind.COMPLAINED
