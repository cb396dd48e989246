"""A mail server's reply means one thing for the message and another for the rest of the queue."""

import pytest

from tocsin.integrations.email.replies import Stage, refusal
from tocsin.messaging.values import Reason, Verdict

V, R, S = Verdict, Reason, Stage


@pytest.mark.parametrize(
    ("code", "text", "stage", "verdict", "reason"),
    [
        (550, "5.1.1 user unknown", S.RECIPIENT, V.DEAD, R.NOT_REACHABLE),
        (550, "no such user", S.RECIPIENT, V.DEAD, R.NOT_REACHABLE),
        (556, "5.1.10 null MX", S.RECIPIENT, V.DEAD, R.NOT_REACHABLE),
        (550, "5.7.1 blocked by policy", S.RECIPIENT, V.DEAD, R.REFUSED_BY_POLICY),
        (554, "5.7.1 looks like spam", S.CONTENT, V.OUR_MISTAKE, R.REFUSED_BY_POLICY),
        (552, "5.3.4 too big", S.CONTENT, V.OUR_MISTAKE, R.OUR_MISTAKE),
        (550, "5.7.26 unauthenticated mail is prohibited by DMARC", S.CONTENT, V.HOLD_LINE, R.REFUSED_BY_POLICY),
        (550, "5.7.1 sender rejected", S.SENDER, V.HOLD_LINE, R.REFUSED_BY_POLICY),
        (553, "5.1.8 bad sender", S.RECIPIENT, V.HOLD_LINE, R.REFUSED_BY_POLICY),
        (535, "5.7.8 authentication failed", S.OPENING, V.HOLD_LINE, R.REFUSED_BY_POLICY),
        (530, "must issue STARTTLS first", S.SENDER, V.HOLD_LINE, R.OUR_MISTAKE),
        (554, "no SMTP service here", S.OPENING, V.HOLD_LINE, R.OUR_MISTAKE),
        (421, "4.7.0 too many connections", S.OPENING, V.SLOW_LINE, R.RATE_LIMITED),
        (450, "4.7.1 slow down", S.SENDER, V.SLOW_LINE, R.RATE_LIMITED),
        (450, "Too many requests. Try again later. #MS-ST-G", S.RECIPIENT, V.SLOW_LINE, R.RATE_LIMITED),
        (450, "Too many recipient attempts", S.RECIPIENT, V.SLOW_LINE, R.RATE_LIMITED),
        (454, "Throttling failure: Maximum sending rate exceeded.", S.CONTENT, V.SLOW_LINE, R.RATE_LIMITED),
        (450, "4.2.1 The user is receiving mail at a rate that is too fast", S.RECIPIENT, V.LATER, R.TRY_LATER),
        (
            550,
            "Mailbox unavailable. 550 5.7.1 messages from [192.0.2.1] were not sent: part of their network is on our "
            "block list (S3150)",
            S.RECIPIENT,
            V.DEAD,
            R.REFUSED_BY_POLICY,
        ),
        (554, "5.7.1 Relay access denied", S.RECIPIENT, V.HOLD_LINE, R.OUR_MISTAKE),
        (552, "5.2.2 over quota", S.RECIPIENT, V.OUR_MISTAKE, R.TRY_LATER),
        (451, "4.7.1 Greylisting in action", S.RECIPIENT, V.LATER, R.TRY_LATER),
        (450, "try again", S.RECIPIENT, V.LATER, R.TRY_LATER),
        (452, "4.2.2 mailbox full", S.RECIPIENT, V.LATER, R.TRY_LATER),
        (451, "4.3.0 local error", S.CONTENT, V.RETRY, R.TRY_LATER),
        (454, "4.7.0 temporary authentication failure", S.OPENING, V.HOLD_LINE, R.TRY_LATER),
        (599, "never heard of", S.CONTENT, V.OUR_MISTAKE, R.REFUSED_BY_POLICY),
    ],
)
def test_a_reply_means(code: int, text: str, stage: Stage, verdict: Verdict, reason: Reason):
    error = refusal(code, text, stage=stage)
    assert (error.verdict, error.reason) == (verdict, reason)
    assert error.permanent == (verdict in {V.DEAD, V.OUR_MISTAKE})
    assert error.code == code and (error.wait_seconds is not None or verdict not in {V.LATER, V.SLOW_LINE})


def test_what_holds_a_line_until_somebody_mends_it_names_no_time():
    assert refusal(535, "5.7.8 no", stage=S.OPENING).wait_seconds is None
    assert refusal(454, "4.7.0 not now", stage=S.OPENING).wait_seconds is not None


def test_the_servers_words_are_kept_without_addresses_and_quotations():
    said = "5.1.1 <Bob.K@Example.org>: no Bob.K in 'the text you sent', see postmaster@mx.example.org\x1b[31m"
    error = refusal(550, said, stage=S.RECIPIENT, without="bob.k@example.org")
    assert error.detail.startswith("5.1.1 ") and "see" in error.detail
    for private in ("bob", "Bob", "example", "Example", "text you sent", "\x1b"):
        assert private not in error.detail
