"""Whatever stands in a mail, nothing is injected; whatever comes back, nothing breaks."""

from contextlib import suppress
from email import message_from_bytes
from email.policy import SMTP
from typing import Any
from uuid import UUID

from hypothesis import given, strategies as st

from tocsin.customers.values import AddressKind
from tocsin.integrations.email import channel, reports
from tocsin.messaging.errors import ContentNotUnderstood
from tocsin.messaging.values import Aside, Outgoing, Purpose, StatusUpdate

OURS = UUID("0199d0c4-5a7c-7f3e-8d7e-6f3f0a1b2c3d")
EMAIL = channel.connect(
    "mail", settings={"host": "127.0.0.1", "security": "none", "from": "alarm@larkwave.example"}, secrets={}
)
NAMES = ["From", "To", "Subject", "Date", "Message-ID", "X-Tocsin-Id", "X-Extra", "MIME-Version", "Content-Type"]
TEXT = st.text(alphabet=st.characters(codec="utf-8"), min_size=1, max_size=200) | st.text(
    alphabet="ab:\r\n\t =?_-<>@\u2028\x85é", min_size=1, max_size=60
)
PARTS = st.sampled_from(
    [
        b"Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n", b"--b\r\n", b"--b--\r\n",
        b"Content-Type: message/delivery-status\r\n\r\n", b"Content-Type: message/feedback-report\r\n\r\n",
        b"Content-Type: message/rfc822\r\n\r\n", b"Final-Recipient: rfc822; bob@example.org\r\n", b"Action: failed\r\n",
        b"Status: 5.1.1\r\n", b"Message-ID: <" + str(OURS).encode() + b"@x>\r\n", b"\r\n", b"Feedback-Type: abuse\r\n",
        b"Content-Type: text/rfc822-headers; charset=\xff\r\n", b"Content-Transfer-Encoding: base64\r\n",
        b"Subject: =?utf-16?b?////?=\r\n", b"Date: Mon, 99 Foo 99999999999\r\n", b"\x00\xff:\r\n \r\n",
    ]
)  # fmt: skip


@given(subject=TEXT, text=TEXT, extra=TEXT)
def test_a_mail_has_the_headers_that_were_meant_and_no_other(subject: str, text: str, extra: str):
    content = {"subject": subject, "text": text, "headers": {"X-Extra": extra}}
    with suppress(ContentNotUnderstood):
        EMAIL.prepare(content)
        is_written_as_meant(content, subject=subject)


def is_written_as_meant(content: dict[str, Any], *, subject: str) -> None:
    outgoing = Outgoing(OURS, "bob@example.org", AddressKind.EMAIL, content, 1, Purpose.SERVICE)
    raw = EMAIL.envelope(outgoing).content
    mail = message_from_bytes(raw, policy=SMTP)
    assert sorted({*mail.keys(), "Content-Transfer-Encoding"}) == sorted([*NAMES, "Content-Transfer-Encoding"])
    assert mail["To"] == "bob@example.org" and raw.isascii()
    assert "".join(str(mail["Subject"]).split()) == "".join(subject.split())


@given(pieces=st.lists(PARTS | st.binary(max_size=30), max_size=40))
def test_a_hostile_mail_breaks_nothing(pieces: list[bytes]):
    for update in reports.updates(b"".join(pieces)):
        assert isinstance(update, StatusUpdate | Aside)
        if isinstance(update, StatusUpdate):
            assert update.message_id == OURS
