"""The mail catcher: what it takes, what it counts, how it fails, what it sends back, and how it shows mails."""

import asyncio
import json
import re
import shutil
import smtplib
import ssl
import subprocess
import sys
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

import aiohttp
import pytest

import tocsin_simulator
from tocsin_simulator.bounces import abuse_report, status_notification
from tocsin_simulator.mail_faults import FaultPlanUnclear, read_mail_faults
from tocsin_simulator.smtp import SmtpCatcher, SmtpSettings
from tocsin_simulator.wording import FRENCH

PAGES = Path(tocsin_simulator.__file__).parent / "pages"


def plan(*rules, seed=1):
    return read_mail_faults(json.dumps({"rules": rules}).encode(), where="plan.json", seed=seed)


def mail(to, subject="Hello", html="", **headers):
    made = EmailMessage()
    made["From"], made["To"], made["Subject"] = "Lark <us@lark.example>", to, subject
    made["Message-ID"] = f"<{to}>"
    for name, value in headers.items():
        made[name.replace("_", "-")] = value
    made.set_content("Good day é")
    if html:
        made.add_alternative(html, subtype="html")
    return made


@pytest.fixture
def catching():
    """Run ``act(catcher, send)``; ``send(mail, ...)`` gives None, or the code it was refused with."""

    def run(act, *rules, seed=1, **given):
        async def whole():
            catcher = SmtpCatcher(SmtpSettings(seed=seed, **given), plan(*rules, seed=seed))
            await catcher.start()

            def post(made, starttls=False, login=None):
                try:
                    with smtplib.SMTP("127.0.0.1", catcher.port, timeout=60) as line:
                        if starttls:
                            line.starttls(context=ssl._create_unverified_context())
                        if login:
                            line.login(*login)
                        line.send_message(made, from_addr="us@lark.example")
                except smtplib.SMTPRecipientsRefused as refused:
                    return next(iter(refused.recipients.values()))[0]
                except smtplib.SMTPResponseException as refused:
                    return refused.smtp_code
                except smtplib.SMTPServerDisconnected:
                    return "dropped"
                return None

            async def send(made, **how):
                return await asyncio.to_thread(post, made, **how)

            async with asyncio.timeout(120):
                try:
                    await act(catcher, send)
                finally:
                    await catcher.stop()

        asyncio.run(whole())

    return run


async def fetched(catcher, path, **given):
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"http://127.0.0.1:{catcher.http_port}{path}", **given) as answer,
    ):
        return answer.status, dict(answer.headers), await answer.read()


def test_a_mail_is_kept_and_shown_with_its_parts(catching):
    async def act(catcher, send):
        assert (
            await send(mail("ada@example.org", "Grüße", html="<p>Hi</p>", List_Unsubscribe="<https://x.example>"))
            is None
        )
        _, _, body = await fetched(catcher, "/_simulator/mails?to=ada&whole=1")
        (found,) = json.loads(body)["mails"]
        assert (found["subject"], found["to"], found["from"]) == ("Grüße", ["ada@example.org"], "us@lark.example")
        assert (found["text"].strip(), found["html"].strip()) == ("Good day é", "<p>Hi</p>")
        assert ["List-Unsubscribe", "<https://x.example>"] in found["headers"]
        _, headers, source = await fetched(catcher, f"/_simulator/mails/{found['id']}/source")
        assert b"Message-ID: <ada@example.org>" in source
        assert headers["Content-Type"].startswith("text/plain")

    catching(act)


def test_html_of_a_mail_is_shown_where_it_can_do_nothing(catching):
    async def act(catcher, send):
        await send(mail("ada@example.org", html="<script>alert(1)</script><img src='https://tracker.example/a.gif'>"))
        _, headers, _ = await fetched(catcher, "/_simulator/mails/m1/html")
        said = headers["Content-Security-Policy"]
        assert "default-src 'none'" in said
        assert said.endswith("sandbox")
        assert "img-src data:" in said
        assert headers["X-Content-Type-Options"] == "nosniff"

    catching(act)


def test_recipients_are_refused_as_the_plan_says_once_each_or_for_ever(catching):
    async def act(catcher, send):
        assert await send(mail("grey@example.org")) == 450
        assert await send(mail("grey@example.org")) is None
        assert [await send(mail("no@example.org")) for _ in range(2)] == [550, 550]
        assert catcher.mailbox.counts()["refused"] == {"450": 1, "550": 2}
        assert catcher.mailbox.counts()["received"] == 1

    catching(
        act,
        {"on": "recipient", "kind": "refuse", "code": 450, "to": "grey@*", "times_each": 1},
        {"on": "recipient", "kind": "refuse", "code": 550, "to": "no@*"},
    )


def test_a_line_that_drops_after_the_mail_was_taken_counts_the_mail_and_its_double(catching):
    async def act(catcher, send):
        assert await send(mail("ada@example.org")) == "dropped"
        assert await send(mail("ada@example.org")) is None
        counts = catcher.mailbox.counts()
        assert (counts["received"], counts["accepted"], counts["dropped"]) == (2, 2, {"drop_after_accept": 1})
        assert counts["doubled"] == [{"message_id": "ada@example.org", "to": "ada@example.org", "times": 2}]

    catching(act, {"kind": "drop_after_accept", "times": 1})


def test_a_line_that_drops_before_the_answer_takes_nothing(catching):
    async def act(catcher, send):
        assert await send(mail("ada@example.org")) == "dropped"
        assert await send(mail("ada@example.org")) is None
        counts = catcher.mailbox.counts()
        assert (counts["received"], counts["accepted"], counts["doubled"]) == (2, 1, [])

    catching(act, {"kind": "drop_before_answer", "times": 1})


def test_the_same_seed_refuses_the_same_mails(catching):
    said = []

    async def act(catcher, send):
        said.append([await send(mail(f"p{number}@example.org")) for number in range(12)])

    for _ in range(2):
        catching(act, {"kind": "refuse", "code": 451, "share": 0.5}, seed=7)
    assert said[0] == said[1]
    assert {None, 451} == set(said[0])


def test_bounces_and_complaints_go_back_to_the_sender(catching):
    async def act(back, _):
        async def inside(catcher, send):
            assert await send(mail("gone@example.org")) is None
            assert await send(mail("angry@example.org")) is None
            while back.mailbox.accepted < 2:
                await asyncio.sleep(0.01)

        catcher = SmtpCatcher(
            SmtpSettings(bounces_to=("127.0.0.1", back.port)),
            plan(
                {"kind": "bounce", "to": "gone@*", "status": "5.1.1", "text": "5.1.1 No such user"},
                {"kind": "complain", "to": "angry@*"},
            ),
        )
        await catcher.start()

        def post(to):
            with smtplib.SMTP("127.0.0.1", catcher.port) as line:
                line.send_message(mail(to), from_addr="us@lark.example")

        async def send(made):
            return await asyncio.to_thread(post, made["To"])

        try:
            await inside(catcher, send)
        finally:
            await catcher.stop()
        by_type = {}
        for caught in back.mailbox.newest_first():
            assert (caught.sender, caught.recipients) == ("", ("us@lark.example",))
            report = message_from_bytes(caught.raw, policy=policy.default)
            by_type[report.get_param("report-type")] = report
        status = by_type["delivery-status"].get_payload(1).get_payload()
        assert status[1]["Final-Recipient"] == "rfc822; gone@example.org"
        assert (status[1]["Action"], status[1]["Status"]) == ("failed", "5.1.1")
        assert "Message-ID: <gone@example.org>" in by_type["delivery-status"].get_payload(2).get_content()
        assert "Feedback-Type: abuse" in by_type["feedback-report"].get_payload(1).as_string()
        assert by_type["feedback-report"].get_payload(2).get_payload(0)["To"] == "angry@example.org"

    catching(act)


@pytest.mark.parametrize(
    "raw",
    [
        b"Subject: \xff\xfe\r\nContent-Type: text/html; charset=x-unknown\r\n\r\n<b>\xff",
        b"Subject: =?utf-8?q?=ED=A0=80?=\r\n\r\nhalf a character",
        b"Content-Type: multipart/mixed; boundary=B\r\n\r\n--B\r\nContent-Type: multipart/mixed\r\n\r\n",
        b"Content-Type: text/plain; charset=\xff\r\nContent-Transfer-Encoding: base64\r\n\r\n!!!\x00",
        b": \r\n =?x?q?y?=\r\n",
        b"",
    ],
)
def test_a_broken_mail_is_shown_and_sent_back_as_it_came(catching, raw):
    async def act(catcher, _):
        def post():
            with smtplib.SMTP("127.0.0.1", catcher.port) as line:
                line.sendmail("us@lark.example", ["ada@example.org"], raw)

        await asyncio.to_thread(post)
        for path in ("/_simulator/mails?whole=1", "/_simulator/mails/m1", "/_simulator/mails/m1/html"):
            assert (await fetched(catcher, path))[0] == 200
        (kept,) = catcher.mailbox.newest_first()
        about = {"recipient": "ada@example.org", "server": "mx.example"}
        assert b"Status: 5.1.1\r\n" in status_notification(kept, **about, status="5.1.1", text="no\r\nX: y")
        assert _lines(kept.raw) in _lines(abuse_report(kept, **about))

    def _lines(text):
        return text.replace(b"\r\n", b"\n")

    catching(act)


def test_logins_and_starttls_are_asked_for(catching):
    if not shutil.which("openssl"):
        pytest.skip("no program openssl to make a certificate with")

    async def act(catcher, send):
        assert await send(mail("ada@example.org")) in {530, 538}
        assert await send(mail("ada@example.org"), starttls=True, login=("u", "wrong")) == 535
        assert await send(mail("ada@example.org"), starttls=True, login=("u", "p")) is None
        (kept,) = catcher.mailbox.newest_first()
        assert (kept.tls, kept.login) == (True, "u")

    catching(act, starttls=True, logins={"u": "p"}, login_required=True)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"[", "no JSON"),
        (b'{"rulez": []}', "'rulez' is not known"),
        (b'{"rules": [{"kind": "explode"}]}', "rule 1: kind 'explode'"),
        (b'{"rules": [{"kind": "slow"}, {"kind": "refuse", "cod": 1}]}', "rule 2: 'cod' is not known"),
        (b'{"rules": [{"kind": "refuse", "code": 250}]}', "between 400 and 599"),
        (b'{"rules": [{"kind": "bounce", "on": "recipient"}]}', "on data only"),
        (b'{"rules": [{"kind": "slow", "seconds": "x"}]}', "is no number"),
    ],
)
def test_a_plan_that_cannot_be_understood_says_where(text, said):
    with pytest.raises(FaultPlanUnclear, match=re.escape(said)):
        read_mail_faults(text, where="plan.json", seed=1)


def test_faults_are_replaced_while_it_runs(catching):
    async def act(catcher, send):
        assert await send(mail("ada@example.org")) is None
        async with aiohttp.ClientSession(f"http://127.0.0.1:{catcher.http_port}") as session:
            async with session.post("/_simulator/faults", json={"rules": [{"kind": "refuse", "code": 452}]}) as answer:
                assert answer.status == 200
            assert await send(mail("ada@example.org")) == 452
            async with session.post("/_simulator/faults", json={"rules": [{"kind": "no"}]}) as answer:
                assert (answer.status, "rule 1" in (await answer.json())["error"]) == (400, True)
            async with session.post("/_simulator/reset") as answer:
                assert answer.status == 200
        assert catcher.mailbox.counts()["received"] == 0

    catching(act)


def test_old_mails_go_and_counts_stay(catching):
    async def act(catcher, send):
        for number in range(4):
            await send(mail(f"p{number}@example.org"))
        assert catcher.mailbox.counts()["accepted"] == 4
        assert [each.id for each in catcher.mailbox.newest_first()] == ["m4", "m3"]
        assert (await fetched(catcher, "/_simulator/mails/m1"))[0] == 404

    catching(act, keep=2)


def test_the_command_says_where_it_listens_and_ends_when_told(tmp_path):
    command = [sys.executable, "-m", "tocsin_simulator", "smtp", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        said = running.stdout.readline()
        running.terminate()
        assert running.wait(60) == 0
    assert re.fullmatch(r"Listening on smtp://127\.0\.0\.1:\d+ and http://127\.0\.0\.1:\d+\n", said)


def test_the_pages_have_a_french_word_for_every_english_one():
    used = set()
    for each in sorted(PAGES.glob("*.html")):
        used |= set(re.findall(r"\[\[(.+?)\]\]", each.read_text(encoding="utf-8")))
    for each in sorted(PAGES.glob("*.js")):
        used |= set(re.findall(r'say\("([^"]+)"\)', each.read_text(encoding="utf-8")))
    assert used - FRENCH.keys() == set()


def test_the_pages_ask_for_nothing_outside(catching):
    async def act(catcher, send):
        _, headers, body = await fetched(catcher, "/", headers={"Accept-Language": "fr"})
        assert "Courriers interceptés".encode() in body
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        for path in re.findall(rb'(?:src|href)="([^"]+)"', body):
            assert path.startswith((b"/assets/", b"?lang="))
            if path.startswith(b"/"):
                assert (await fetched(catcher, path.decode()))[0] == 200
        assert (await fetched(catcher, "/assets/../smtp.py"))[0] == 404

    catching(act)
