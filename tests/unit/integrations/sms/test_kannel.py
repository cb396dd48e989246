"""Kannel: what its answers and its reports mean, and by which token they are recognised."""

from datetime import UTC, datetime, timedelta
from urllib.parse import quote_plus, urlencode
from uuid import UUID

import pytest

from tocsin.customers.values import AddressKind
from tocsin.integrations.http_calls.posting import Answer
from tocsin.integrations.sms.kannel import channel, replies, status_page
from tocsin.integrations.sms.kannel.receiving import RECEIVING
from tocsin.integrations.sms.kannel.spelling import line_of, report_token
from tocsin.kernel import clock
from tocsin.messaging.errors import ChannelNotUnderstood, ContentNotUnderstood
from tocsin.messaging.values import Aside, InboundUpdate, Objection, Reason, StatusKind, StatusUpdate, Verdict

OURS = UUID("0199d0c4-5a7c-7f3e-8d7e-6f3f0a1b2c3d")
OTHERS = UUID("0199d0c4-5a7c-7f3e-8d7e-6f3f0a1b2c3e")
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
RECEIPT = "id:1a2b sub:001 dlvrd:001 submit date:2611221200 done date:2611221201 stat:{} err:{} text:Dear Ana, your pa"
GIVEN = {"username": "tocsin", "from": "+33755500006"}


def verified(query: str, *secrets: str) -> bool:
    return RECEIVING.verified({}, query.encode(), secrets=secrets, address="https://x.example/webhooks/v1/a")


def report(*, message: object = OURS, token: str = "", **fields: str) -> str:
    return urlencode({"id": str(message), "token": token, "type": "1", "at": "1795348800", **fields})


def told(query: str):
    with clock.fixed(NOW):
        return RECEIVING.updates(query.encode(), headers={":received": NOW.isoformat()})


def test_a_report_is_recognised_by_the_token_of_its_message_alone():
    good = report_token("hush", str(OURS))
    assert verified(report(token=good), "other", "hush")
    assert not verified(report(token=good), "other")
    assert not verified(report(token=good, message=OTHERS), "hush")
    assert not verified(report(token="hush"), "hush")  # the secret itself is for answers
    assert not verified(report(token=""), "hush")
    assert not verified(report(token=good), "")


def test_an_answer_is_recognised_by_the_secret_and_never_by_the_token_of_a_report():
    answer = {"from": "+33612345678", "to": "+33755500006", "text": "STOP", "message": "k1"}
    assert verified(urlencode({**answer, "token": "hush"}), "hush")
    assert not verified(urlencode({**answer, "token": report_token("hush", str(OURS))}), "hush")
    assert not verified(urlencode({**answer, "token": report_token("hush", "")}), "hush")
    assert not verified(urlencode(answer), "hush")
    assert not verified("\xff", "hush") and not verified("", "hush") and not verified("", "")


@pytest.mark.parametrize(
    ("type_", "kind"),
    [("1", "delivered"), ("2", "failed"), ("8", "sent"), ("16", "failed"), ("34", "failed"), ("66", "failed")],
)
def test_a_report_says_what_became_of_our_message_at_the_gateways_time(type_: str, kind: str):
    (update,) = told(report(type=type_, said=RECEIPT.format("DELIVRD", "000"), smsc="main", theirs="1a2b"))
    assert isinstance(update, StatusUpdate) and update.status == StatusKind(kind)
    assert (update.message_id, update.provider_id, update.at) == (OURS, str(OURS), NOW)
    assert update.detail == "DELIVRD 000 main 1a2b"  # nothing of our text


@pytest.mark.parametrize(
    ("said", "verdict", "reason", "code"),
    [
        (RECEIPT.format("UNDELIV", "027"), Verdict.DEAD, Reason.NOT_REACHABLE, 27),
        (RECEIPT.format("EXPIRED", "0A1"), Verdict.DEAD, Reason.NOT_REACHABLE, 0),
        (RECEIPT.format("REJECTD", "001"), Verdict.OUR_MISTAKE, Reason.REFUSED, 1),
        ("NACK/0x0000000b/Invalid Destination Address", Verdict.DEAD, Reason.NOT_REACHABLE, 11),
        ("NACK/0x0000000a/Invalid Source Address", Verdict.HOLD_LINE, Reason.OUR_MISTAKE, 10),
        ("NACK/0x00000058/Throttling error", Verdict.SLOW_LINE, Reason.RATE_LIMITED, 88),
        ("NACK/0x00000499/Vendor-specific error", Verdict.OUR_MISTAKE, Reason.REFUSED, 0x499),
        ("NACK/no SMSC", Verdict.DEAD, Reason.NOT_REACHABLE, 0),
        ("NACK/Retries Exceeded", Verdict.OUR_MISTAKE, Reason.REFUSED, 0),
        ("", Verdict.OUR_MISTAKE, Reason.REFUSED, 0),
        ("stat:" + "A" * 900, Verdict.OUR_MISTAKE, Reason.REFUSED, 0),
    ],
)
def test_a_failure_says_why_in_the_carriers_words_without_ours(said, verdict, reason, code):
    (update,) = told(report(type="2", said=said))
    assert (update.verdict, update.reason, update.code) == (verdict, reason, code)
    assert "Ana" not in update.detail and len(update.detail) < 60


def test_what_is_under_way_says_nothing_and_what_is_new_is_kept_aside_without_what_it_holds():
    assert told(report(type="4")) == ()
    for query in (report(type="128"), report(type="x"), report(message="x"), "text=secret", "\x00=%ff&a"):
        (aside,) = told(query)
        assert isinstance(aside, Aside) and "secret" not in str(aside)


def test_a_report_told_again_is_the_same_word_and_one_from_the_future_is_of_now():
    assert told(report()) == told(report())
    assert told(report(at="99999999999"))[0].at == told(report(at="-1"))[0].at == NOW


def test_an_answer_comes_in_with_its_letters_whatever_the_carrier_wrote_them_in():
    given = "token=hush&from=%2B33612345678&to=0033755500006&message=k1&at=1795348800&coding={}&charset={}&text={}"
    for coding, charset, text in (
        ("0", "UTF-8", "Привет ê".encode()),
        ("2", "UTF-16BE", "Привет ê".encode("utf-16-be")),
    ):
        (update,) = told(given.format(coding, charset, quote_plus(text)))
        assert isinstance(update, InboundUpdate)
        assert (update.text, update.kind, update.line, update.provider_id) == ("Привет ê", "text", "33755500006", "k1")
        assert update.addresses == {AddressKind.PHONE: "+33612345678"} and "token" not in update.part
    (binary,) = told(given.format("1", "8-BIT", "%00%ff"))
    assert (binary.kind, binary.text) == ("binary", "")


@pytest.mark.parametrize(
    ("sender", "country", "number"),
    [
        ("+33612345678", "", "+33612345678"),
        ("0033612345678", "", "+33612345678"),
        ("33612345678", "", "+33612345678"),
        ("0612345678", "FR", "+33612345678"),
        ("33612345678", "fr", "+33612345678"),
        ("0612345678", "", None),
        ("Larkwave", "FR", None),
    ],
)
def test_who_wrote_is_known_however_the_carrier_spells_a_number(sender: str, country: str, number: str | None):
    query = urlencode({"from": sender, "to": "36000", "message": "k1", "text": "hello", "country": country})
    (update,) = told(query)
    if number is None:
        assert isinstance(update, Aside) and sender not in str(update)
    else:
        assert update.addresses == {AddressKind.PHONE: number}


def test_an_answer_within_the_second_is_not_older_than_what_it_answers():
    query = urlencode({"from": "+33612345678", "to": "36000", "message": "k1", "text": "hello", "at": "1795348800"})
    for seconds, expected in ((0.9, 0.9), (1.0, 0), (600, 0)):
        received = NOW + timedelta(seconds=seconds)
        (update,) = RECEIVING.updates(query.encode(), headers={":received": received.isoformat()})
        assert update.at == NOW + timedelta(seconds=expected)


def test_stop_alone_is_an_objection_and_the_answer_is_kept_too():
    query = urlencode({"from": "+33612345678", "to": "+33755500006", "message": "k1", "text": "Arrêt !"})
    message, objection = told(query)
    assert isinstance(message, InboundUpdate) and isinstance(objection, Objection)
    assert objection.stopped and objection.purpose is None and objection.line == message.line
    for word, expected in (("Start", [False]), ("Yes", []), ("stop it", [])):
        found = told(urlencode({"from": "+33612345678", "to": "+33755500006", "message": "k1", "text": word}))
        assert [each.stopped for each in found if isinstance(each, Objection)] == expected


@pytest.mark.parametrize(
    ("status", "said", "verdict"),
    [
        (403, "Authorization failed for sendsms", Verdict.HOLD_ACCOUNT),
        (403, "Not routable. Do not try again.", Verdict.DEAD),
        (403, "<html>a proxy's page", Verdict.HOLD_ACCOUNT),
        (400, "Number(s) has/have been denied by white- and/or black-lists.", Verdict.DEAD),
        (400, "Sender missing and no global set, rejected", Verdict.HOLD_LINE),
        (400, "Charset or body misformed, rejected", Verdict.OUR_MISTAKE),
        (404, "Unknown request.", Verdict.HOLD_LINE),
        (429, "", Verdict.SLOW_LINE),
        (500, "Sending failed.", Verdict.UNKNOWN),
        (502, "<html>", Verdict.UNKNOWN),
        (503, "Temporal failure, try again later.", Verdict.RETRY),
        (302, "", Verdict.UNKNOWN),
    ],
)
def test_an_answer_that_is_no_success_means(status: int, said: str, verdict: Verdict):
    assert replies.error_of(Answer(status, {}, said.encode())).verdict is verdict


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"from": "a\r\nb"}, "from"),
        ({"from": "A sender's far too long name"}, "from"),
        ({"username": "a b"}, "username"),
        ({"username": "a\r\nX-Kannel-To: +1"}, "username"),
        ({"smsc": "a b"}, "smsc"),
        ({"url": "http://sms.example"}, "url"),
        ({"callback_url": "https://x.example/webhooks/v1/a"}, "callback_secret"),
        ({"callback_url": "https://x.example/%C3%A9"}, "callback_url"),
        ({"country": "ZZ"}, "country"),
        ({"parts_max": 0}, "parts_max"),
    ],
)
def test_a_wrong_setting_is_named(changes: dict[str, object], place: str):
    with pytest.raises(ChannelNotUnderstood) as caught:
        channel.connect("sms", settings={**GIVEN, **changes}, secrets={"password": "hush"})
    assert f"setting {place}" in str(caught.value.where) and "hush" not in str(caught.value)


def test_a_password_that_no_header_can_hold_is_refused():
    with pytest.raises(ChannelNotUnderstood):
        channel.connect("sms", settings=GIVEN, secrets={"password": "a\nb"})


def test_a_text_that_kannel_would_cut_off_is_refused_before():
    sms = channel.connect("sms", settings={**GIVEN, "parts_max": 2}, secrets={"password": "hush"})
    assert sms.prepare({"text": "a" * 306}).category == "gsm7-2"
    with pytest.raises(ContentNotUnderstood) as caught:
        sms.prepare({"text": "a" * 307})
    assert "3" in str(caught.value.what)


@pytest.mark.parametrize("sender", ["+33755500006", "0033755500006", "33755500006"])
def test_a_line_has_one_name_however_its_number_is_spelled(sender: str):
    assert line_of(sender) == "33755500006" and line_of("Larkwave") == "Larkwave"


PAGE = """<?xml version="1.0"?><gateway><version>Kannel bearerbox</version><status>{state}, uptime 0d 0h 0m 3s</status>
<dlr><queued>0</queued><storage>{storage}</storage></dlr><smscs><count>2</count>
<smsc><name>SMPP:a</name><admin-id>main</admin-id><id>main</id><status>online 9s</status><failed>0</failed></smsc>
<smsc><name>SMPP:b</name><admin-id>spare</admin-id><id>spare</id><status>re-connecting</status></smsc></smscs></gateway>"""


def test_a_status_page_says_which_message_centres_are_connected():
    def told(smsc: str = "", *, state: str = "running", storage: str = "redis") -> list[str]:
        page = PAGE.format(state=state, storage=storage)
        return [f"{each.standing}: {each.text}" for each in status_page.remarks(page, smsc=smsc)]

    main, spare = (
        "ok: Message centre main is connected.",
        "fault: Message centre spare is not connected: re-connecting.",
    )
    assert told() == [main, spare]
    assert told("main") == [main]
    assert told("main", state="suspended") == ["fault: Kannel is suspended and sends nothing.", main]
    assert told("other") == ["fault: Kannel has no such message centre."]
    assert told("main", storage="internal")[1].startswith("warning: A restart of Kannel forgets")
    assert status_page.remarks("Denied", smsc="")[0].standing == "fault"
