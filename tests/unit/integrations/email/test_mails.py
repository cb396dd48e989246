"""Mails as they are written: read back by the standard library, their signatures verified by another one."""

from datetime import UTC, datetime
from email import message_from_bytes
from email.policy import SMTP
from uuid import UUID

import dkim as peer
import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tocsin.customers.values import AddressKind
from tocsin.integrations.email import channel, dkim, mime, unsubscribing
from tocsin.messaging.errors import ChannelNotUnderstood
from tocsin.messaging.ports import TransportError
from tocsin.messaging.values import Outgoing, Purpose

OURS = UUID("0199d0c4-5a7c-7f3e-8d7e-6f3f0a1b2c3d")


def pem(key: rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


RSA, ED25519 = pem(rsa.generate_private_key(65537, 2048)), pem(ed25519.Ed25519PrivateKey.generate())


def connected(*, secrets: dict[str, str] | None = None, **settings: object) -> channel.Email:
    given = {"host": "127.0.0.1", "security": "none", "from": "alarm@larkwave.example", **settings}
    return channel.connect("mail", settings=given, secrets=secrets or {})


def written(email: channel.Email, *, purpose: Purpose = Purpose.SERVICE, **changes: object) -> bytes:
    content = {"subject": "Please read", "text": "hello", **changes}
    outgoing = Outgoing(OURS, "bob@example.org", AddressKind.EMAIL, content, 1, purpose, reply_to="abc@example.org")
    return email.envelope(outgoing).content


def signing() -> channel.Email:
    return connected(
        dkim_selector="s1", dkim_ed25519_selector="s2", secrets={"dkim_key": RSA, "dkim_ed25519_key": ED25519},
        unsubscribe_url="https://larkwave.example/u/{message}", from_name="Lärkwave, Inc.",
    )  # fmt: skip


def records(email: channel.Email):
    known = {f"{each.selector}._domainkey.{each.domain}.": dkim.record(each) for each in email.signers}
    return lambda name, timeout=5: known[name.decode()].encode()


TEXTS = [
    "hello",
    "Grüße\n\n  indented \t\nand trailing blanks   \n\n\n",
    ".\n..\n.leading dots\nFrom here\n--=_0199d0c45a7c7f3e8d7e6f3f0a1b2c3d\n--",
    "a" * 5000,
    "日本語" * 400,
    "\r\nmixed\rends\n\r\n",
    "=3D is not =\n",
]


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("html", [None, "<p>Grüße</p>\n"])
def test_another_library_verifies_both_signatures_whatever_the_text(text: str, html: str | None):
    email = signing()
    raw = written(email, text=text + ".", html=html, purpose=Purpose.MARKETING)
    for n in (0, 1):
        assert peer.DKIM(raw).verify(idx=n, dnsfunc=records(email))
    changed = raw.replace(b"Subject: Please", b"Subject: Plaese")
    assert not peer.DKIM(changed).verify(idx=0, dnsfunc=records(email))
    twice = raw.replace(b"\r\nFrom: ", b"\r\nFrom: eve@example.org\r\nFrom: ", 1)
    assert not peer.DKIM(twice).verify(idx=0, dnsfunc=records(email))


@pytest.mark.parametrize("text", TEXTS)
def test_a_text_is_read_as_it_was_written(text: str):
    mail = message_from_bytes(written(connected(), text=text + ".", html=text + "!"), policy=SMTP)
    plain, html = mail.iter_parts()
    lines = (text + ".").replace("\r\n", "\n").replace("\r", "\n").split("\n")
    assert plain.get_content().replace("\r\n", "\n").rstrip("\n").split("\n") == lines
    assert (plain.get_content_type(), html.get_content_type()) == ("text/plain", "text/html")


def test_every_line_is_short_and_ends_with_crlf():
    raw = written(signing(), subject="Grüße " * 40, text="x" * 3000, html="y" * 3000, purpose=Purpose.MARKETING)
    assert raw.endswith(b"\r\n") and b"\n" not in raw.replace(b"\r\n", b"")
    assert max(len(line) for line in raw.split(b"\r\n")) <= 100
    assert raw.isascii()


def test_the_headers_are_those_that_belong_there():
    mail = message_from_bytes(written(signing(), subject="Grüße an alle", headers={"X-Case": "é"}), policy=SMTP)
    assert mail["From"] == '"Lärkwave, Inc." <alarm@larkwave.example>' and mail["To"] == "bob@example.org"
    assert mail["Subject"] == "Grüße an alle" and mail["X-Case"] == "é"
    assert mail["Message-ID"] == f"<{OURS}@larkwave.example>" and mail["In-Reply-To"] == "<abc@example.org>"
    assert abs((mail["Date"].datetime - datetime.now(UTC)).total_seconds()) < 60
    assert mail["List-Unsubscribe"] is None


def test_one_click_unsubscribing_is_for_what_sells_alone():
    email = signing()
    mail = message_from_bytes(written(email, purpose=Purpose.MARKETING), policy=SMTP)
    assert mail["List-Unsubscribe"] == f"<https://larkwave.example/u/{OURS}>"
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    own = message_from_bytes(
        written(email, purpose=Purpose.MARKETING, unsubscribe_url="https://a.example/x?y=1"), policy=SMTP
    )
    assert own["List-Unsubscribe"] == "<https://a.example/x?y=1>"
    for purpose in (Purpose.SECURITY, Purpose.SERVICE, Purpose.TEST):
        assert b"List-Unsubscribe" not in written(email, purpose=purpose)
    with pytest.raises(TransportError, match="unsubscribe_url"):
        written(connected(), purpose=Purpose.MARKETING)


def test_who_wants_no_more_may_click_or_write():
    place = "https://larkwave.example/webhooks/v1/x?u={message}&p={proof}"
    given = {"unsubscribe_url": place, "unsubscribe_to": "bounces@larkwave.example"}
    mail = message_from_bytes(
        written(connected(secrets={"unsubscribe_key": "hush"}, **given), purpose=Purpose.MARKETING), policy=SMTP
    )
    click, write = (each.strip("<> ") for each in mail["List-Unsubscribe"].split(","))
    assert unsubscribing.message_of(click, keys=["hush"]) == OURS and "hush" not in click
    assert unsubscribing.message_of(click, keys=["other"]) is None
    assert write == f"mailto:bounces@larkwave.example?subject=unsubscribe%20{OURS}"
    only = message_from_bytes(
        written(connected(unsubscribe_to="b@larkwave.example"), purpose=Purpose.MARKETING), policy=SMTP
    )
    assert "mailto:" in only["List-Unsubscribe"] and only["List-Unsubscribe-Post"] is None


def test_our_id_stands_in_the_address_bounces_go_to_where_it_has_a_place():
    given = {"return_path": "bounces+{message}@larkwave.example"}
    content = {"subject": "a", "text": "b"}
    outgoing = Outgoing(OURS, "bob@example.org", AddressKind.EMAIL, content, 1, Purpose.SERVICE)
    envelope = connected(**given).envelope(outgoing)
    assert envelope.sender == f"bounces+{OURS}@larkwave.example"
    assert message_from_bytes(envelope.content, policy=SMTP)["X-Tocsin-Id"] == str(OURS)


def test_a_text_gets_a_page_where_the_channel_wants_one():
    given = {
        "html": "yes", "from_name": "Larkwave", "foot": "Larkwave Ltd.", "unsubscribe_url": "https://larkwave.example/{message}",
    }  # fmt: skip
    text = "Bonjour\n\n- un & deux\n- https://larkwave.example/x."
    mail = message_from_bytes(written(connected(**given), text=text, language="fr"), policy=SMTP)
    plain, page = mail.iter_parts()
    assert plain.get_content().replace("\r\n", "\n").strip() == text and mail["Content-Language"] == "fr"
    shown = page.get_content()
    for words in ('lang="fr"', "un &amp; deux", '<a href="https://larkwave.example/x" ', "Larkwave Ltd."):
        assert words in shown
    assert str(OURS) not in shown  # it sells nothing
    sells = message_from_bytes(written(connected(**given), text=text, purpose=Purpose.MARKETING), policy=SMTP)
    assert f"https://larkwave.example/{OURS}" in list(sells.iter_parts())[1].get_content()
    own = message_from_bytes(written(connected(**given), html="<p>own</p>"), policy=SMTP)
    assert list(own.iter_parts())[1].get_content().strip() == "<p>own</p>"
    assert not message_from_bytes(written(connected()), policy=SMTP).is_multipart()


@pytest.mark.parametrize(
    ("changes", "secrets", "place"),
    [
        ({"host": "mx.example.org"}, {}, "security"),
        ({"host": "a b", "security": "tls"}, {}, "host"),
        ({"from": "nobody"}, {}, "from"),
        ({"from_name": "a\r\nBcc: eve@example.org"}, {}, "from_name"),
        ({"unsubscribe_url": "http://x.example/{message}"}, {}, "unsubscribe_url"),
        ({"unsubscribe_url": "https://x.example/?u={message}&p={proof}"}, {}, "unsubscribe_url"),
        ({"unsubscribe_url": "https://x.example/{message}"}, {"unsubscribe_key": "x"}, "unsubscribe_url"),
        ({"unsubscribe_to": "nobody"}, {}, "unsubscribe_to"),
        ({"return_path": "b+{person}@larkwave.example"}, {}, "return_path"),
        ({"return_path": "bounces-of-a-very-long-name-indeed-{message}@larkwave.example"}, {}, "return_path"),
        ({"html": "yes", "colour": "red"}, {}, "colour"),
        ({"dkim_selector": "s1"}, {}, "dkim_selector"),
        ({}, {"dkim_key": RSA}, "dkim_selector"),
        ({"dkim_selector": "s1"}, {"dkim_key": "no key"}, "dkim_key"),
        ({"user": "x"}, {}, "password"),
        ({"security": "perhaps"}, {}, "security"),
        ({"ca_file": "/no/such/file", "security": "tls"}, {}, "ca_file"),
        ({"shade": "red"}, {}, "shade"),
    ],
)
def test_a_wrong_setting_is_named(changes: dict[str, str], secrets: dict[str, str], place: str):
    with pytest.raises(ChannelNotUnderstood) as caught:
        connected(secrets=secrets, **changes)
    assert f"setting {place}" in str(caught.value.where)


def test_a_name_is_written_so_that_it_stays_one():
    assert mime.mailbox("", address="a@b.example", raw=False) == "a@b.example"
    assert mime.mailbox('A "B" \\ C', address="a@b.example", raw=False) == '"A \\"B\\" \\\\ C" <a@b.example>'
