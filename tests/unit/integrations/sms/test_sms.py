"""SMS: how a text is carried, what codes mean, and what the provider tells us, signed as its documents say."""

import base64
import hmac
from urllib.parse import urlencode
from uuid import UUID

import pytest

from tocsin.customers.values import AddressKind
from tocsin.integrations.http_calls.posting import Answer
from tocsin.integrations.sms import channel, replies, writing
from tocsin.integrations.sms.receiving import RECEIVING
from tocsin.integrations.sms.segments import PlainLetters, Segments, plain, segments
from tocsin.messaging.errors import ChannelNotUnderstood
from tocsin.messaging.ports import OutcomeUnknown
from tocsin.messaging.values import Aside, InboundUpdate, Objection, Reason, StatusKind, StatusUpdate, Verdict

OURS = UUID("0199d0c4-5a7c-7f3e-8d7e-6f3f0a1b2c3d")
ADDRESS = f"https://tocsin.example/webhooks/v1/app1?id={OURS}"
TOKEN = "12345"


@pytest.mark.parametrize(
    ("text", "carried"),
    [
        ("", Segments("gsm7", 1)),
        ("a" * 160, Segments("gsm7", 1)),
        ("a" * 161, Segments("gsm7", 2)),
        ("a" * 306, Segments("gsm7", 2)),
        ("a" * 307, Segments("gsm7", 3)),
        ("€" * 80, Segments("gsm7", 1)),
        ("€" * 81, Segments("gsm7", 2)),
        ("a" * 152 + "€" + "a" * 152, Segments("gsm7", 3)),  # the sign may not lie across two parts
        ("é" * 160, Segments("gsm7", 1)),
        ("ê" * 70, Segments("ucs2", 1)),
        ("ê" * 71, Segments("ucs2", 2)),
        ("😀" * 35, Segments("ucs2", 1)),
        ("😀" * 36, Segments("ucs2", 2)),
        ("a" * 66 + "😀" + "a" * 67, Segments("ucs2", 3)),
    ],
)
def test_a_text_is_carried_in_parts(text: str, carried: Segments):
    assert segments(text) == carried


@pytest.mark.parametrize(
    ("text", "letters", "plain_text"),
    [
        ("L’alarme – enfin…", PlainLetters.SIGNS, "L'alarme - enfin..."),
        ("L’alarme – enfin…", PlainLetters.NO, "L’alarme – enfin…"),
        (
            "Bient\N{LATIN SMALL LETTER O WITH CIRCUMFLEX}t\u202f!",
            PlainLetters.SIGNS,
            "Bientôt\u202f!",
        ),  # no use: ô stays
        ("Bientôt\u202f!", PlainLetters.ACCENTS, "Bientot !"),
        ("cœur, ça, été, ñ", PlainLetters.ACCENTS, "coeur, ca, été, ñ"),
        ("e\N{COMBINING ACUTE ACCENT}t\N{COMBINING DIAERESIS}", PlainLetters.ACCENTS, "ét"),
        ("Привет ê", PlainLetters.ACCENTS, "Привет ê"),
        ("Prüfung: Größe 3 €", PlainLetters.ACCENTS, "Prüfung: Größe 3 €"),
    ],
)
def test_letters_are_written_otherwise_only_where_that_keeps_a_text_in_the_basic_alphabet(text, letters, plain_text):
    assert plain(text, letters=letters) == plain_text


def test_who_sends_is_told_which_letters_make_a_text_dearer_and_how_many_sms_it_becomes():
    text = "Votre compte a été fermé par précaution. Changez votre mot de passe dès que possible, s’il vous plaît."
    told = writing.prepared({"text": text})
    assert (told.parts, told.category) == (2, "ucs2-2")
    assert told.remark.startswith("’ î make it 2 SMS instead of 1")
    plainer = writing.prepared({"text": text}, letters=PlainLetters.ACCENTS)
    assert (plainer.parts, plainer.remark) == (1, "") and plainer.shown == plainer.content["text"]
    assert plainer.shown.endswith("dès que possible, s'il vous plait.")
    assert not writing.prepared({"text": "Привет"}).remark and not writing.prepared({"text": "ê"}).remark
    many = writing.prepared({"text": "âêîôû ëï\u00a0" + "a" * 150}).remark
    assert many.startswith("â ê î ô û ë ...")


def test_a_signature_is_the_one_of_the_providers_own_example():
    # From the tests of twilio-python (RequestValidator).
    url = "https://mycompany.com/myapp.php?foo=1&bar=2"
    form = {
        "CallSid": "CA1234567890ABCDE", "Caller": "+14158675309", "Digits": "1234", "From": "+14158675309",
        "To": "+18005551212",
    }  # fmt: skip
    given = {"X-Twilio-Signature": "RSOYDt4T1cUTdK1PDd93/VVr8B8="}
    body = urlencode(form).encode()
    assert RECEIVING.verified(given, body, secrets=["other", TOKEN], address=url)
    assert not RECEIVING.verified(given, body, secrets=["other"], address=url)
    assert not RECEIVING.verified(given, body.replace(b"1234", b"1235"), secrets=[TOKEN], address=url)
    assert not RECEIVING.verified(given, body, secrets=[TOKEN], address=url + "3")
    assert not RECEIVING.verified({}, body, secrets=[TOKEN], address=url)
    assert not RECEIVING.verified(given, b"\xff", secrets=[TOKEN, ""], address=url)


@pytest.mark.parametrize("asked", ["http://mycompany.com/x?a=1", "https://mycompany.com:443/x?a=1"])
def test_a_proxy_before_us_that_changes_scheme_or_port_is_seen_through(asked: str):
    signed = b"https://mycompany.com/x?a=1" + b"AB1"
    given = {"x-twilio-signature": base64.b64encode(hmac.digest(TOKEN.encode(), signed, "sha1")).decode()}
    assert RECEIVING.verified(given, b"AB=1", secrets=[TOKEN], address=asked)
    assert not RECEIVING.verified(given, b"AB=1", secrets=[TOKEN], address="https://evil.example/x?a=1")


def told(**fields: str):
    headers = {":path": f"/webhooks/v1/app1?id={OURS}", "content-type": "application/x-www-form-urlencoded"}
    return RECEIVING.updates(urlencode(fields).encode(), headers=headers)


@pytest.mark.parametrize(
    ("word", "kind"),
    [("sent", StatusKind.SENT), ("delivered", StatusKind.DELIVERED), ("read", StatusKind.READ)],
)
def test_a_status_is_of_our_message(word: str, kind: StatusKind):
    (update,) = told(MessageSid="SM1", MessageStatus=word, To="+33612345678", From="+15005550006", AccountSid="AC1")
    assert isinstance(update, StatusUpdate)
    assert (update.message_id, update.provider_id, update.status) == (OURS, "SM1", kind)
    assert update.line == "+15005550006" and update.verdict is None


def test_a_failure_says_why_and_an_unknown_code_is_final_for_this_message_alone():
    (update,) = told(MessageSid="SM1", MessageStatus="undelivered", ErrorCode="30003", From="+15005550006")
    assert isinstance(update, StatusUpdate) and update.status is StatusKind.FAILED
    assert (update.code, update.verdict, update.reason) == (30003, Verdict.DEAD, Reason.NOT_REACHABLE)
    (update,) = told(MessageSid="SM1", MessageStatus="failed", ErrorCode="39999")
    assert isinstance(update, StatusUpdate) and update.verdict is Verdict.OUR_MISTAKE


def test_what_is_under_way_says_nothing_and_what_is_new_is_kept_aside():
    assert told(MessageSid="SM1", MessageStatus="queued") == ()
    assert isinstance(told(MessageSid="SM1", MessageStatus="teleported")[0], Aside)
    assert isinstance(told(Something="else")[0], Aside)
    assert isinstance(RECEIVING.updates(b"\xff\xfe", headers={})[0], Aside)


def test_an_answer_comes_in_with_its_sender():
    (update,) = told(MessageSid="SM2", SmsStatus="received", From="+33612345678", To="+15005550006", Body="Merci !")
    assert isinstance(update, InboundUpdate)
    assert (update.line, update.provider_id, update.text) == ("+15005550006", "SM2", "Merci !")
    assert update.addresses == {AddressKind.PHONE: "+33612345678"}


@pytest.mark.parametrize(
    ("body", "extra", "stopped"),
    [
        ("STOP", {}, True),
        (" stop. ", {}, True),
        ("Arrêt", {}, True),
        ("Unsubscribe", {}, True),
        ("START", {}, False),
        ("Yes", {}, False),
        ("whatever", {"OptOutType": "STOP"}, True),
        ("please do not stop", {}, None),
        ("Stop it, who are you?", {}, None),
    ],
)
def test_the_word_stop_alone_is_an_objection_to_everything_but_security(body: str, extra: dict, stopped: bool | None):
    found = told(MessageSid="SM3", From="+33612345678", To="+15005550006", Body=body, **extra)
    objections = [each for each in found if isinstance(each, Objection)]
    assert [each.stopped for each in objections] == ([] if stopped is None else [stopped])
    assert all(each.purpose is None for each in objections)
    assert isinstance(found[0], InboundUpdate)  # the message itself is kept in any case


@pytest.mark.parametrize(
    ("status", "body", "verdict"),
    [
        (400, b'{"code": 21610, "message": "unsubscribed"}', Verdict.STOPPED),
        (400, b'{"code": 99999, "message": "new"}', Verdict.OUR_MISTAKE),
        (400, b"not JSON", Verdict.OUR_MISTAKE),
        (429, b"", Verdict.SLOW_LINE),
        (503, b"", Verdict.RETRY),
        (302, b"", Verdict.UNKNOWN),
        (500, b"", Verdict.UNKNOWN),
        (502, b"<html>", Verdict.UNKNOWN),
        (500, b'{"code": 20500, "message": "internal"}', Verdict.RETRY),
    ],
)
def test_an_answer_that_is_no_success_means(status: int, body: bytes, verdict: Verdict):
    error = replies.error_of(Answer(status, {}, body), without="+33612345678")
    assert error.verdict is verdict and isinstance(error, OutcomeUnknown) == (verdict is Verdict.UNKNOWN)


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"from": ""}, "from"),
        ({"messaging_service": "MG1234"}, "from"),
        ({"from": "a\r\nb"}, "from"),
        ({"account_sid": "../x"}, "account_sid"),
        ({"base_url": "http://sms.example"}, "base_url"),
        ({"country": "ZZ"}, "country"),
        ({"plain_letters": "perhaps"}, "plain_letters"),
    ],
)
def test_a_wrong_setting_is_named(changes: dict[str, str], place: str):
    given = {"account_sid": "AC1234", "from": "+15005550006", **changes}
    with pytest.raises(ChannelNotUnderstood) as caught:
        channel.connect("sms", settings=given, secrets={"token": TOKEN})
    assert f"setting {place}" in str(caught.value.where) and TOKEN not in str(caught.value)


def test_a_host_that_is_no_host_is_not_signed_and_breaks_nothing():
    headers = {"X-Twilio-Signature": "x"}
    assert not RECEIVING.verified(headers, b"a=1", secrets=["s"], address="https://[bad/webhooks/v1/x")
