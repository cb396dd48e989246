"""The signed webhook, with the receiver of the documentation at its other end, and with one that misbehaves."""

import asyncio
import base64
import hashlib
import hmac
import json
import os
import re
import sys
import time
import urllib.request
from datetime import UTC, datetime, timedelta

import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver
from fakes.asking import RESET, REVOKE, SUSPEND, order
from fakes.serving import Fake
from peer_webhook import PAGE, program, running

from tocsin.containment.errors import CallbackNotUnderstood, SystemNotUnderstood, SystemUnreachable
from tocsin.containment.ports import Answer, Holding
from tocsin.containment.values import DoneBy, MeasureKind
from tocsin.integrations.http_calls.calls import NotReached
from tocsin.integrations.webhook import addresses, signature
from tocsin.integrations.webhook.connector import connect
from tocsin.integrations.webhook.inbound import NotVerified, Refusal, verified

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"  # of the standard's own tests
OTHER = "whsec_" + base64.b64encode(b"another-secret-0123456789-abcdef").decode()
NOW = datetime(2014, 5, 27, 9, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    with running(tmp_path_factory.mktemp("shop")) as peer:
        yield peer


class Product(Fake):
    """A product whose answers a test writes."""

    def __init__(self):
        super().__init__()
        self.messages, self.headers_seen = [], []
        self.reply = lambda message: web.json_response({"results": []})

    def routes(self):
        return [web.post("/tocsin", self.take)]

    async def take(self, request):
        body = await request.read()
        self.headers_seen.append((dict(request.headers), body))
        self.messages.append(json.loads(body))
        return self.reply(self.messages[-1])


@pytest.fixture
def product():
    with Product() as fake:
        yield fake


def connected(product, *, secrets=None, **settings):
    given = {
        "url": f"{product.url}/tocsin",
        "takes": "reset_password,suspend,update_client",
        "allow_private": "yes",
        **settings,
    }
    return connect("shop", settings=given, secrets=secrets or {"secret": SECRET})


def every(word, **more):
    """Return what answers each order with the same word."""
    return lambda message: web.json_response(
        {"results": [{"key": order["key"], "answer": word, **more} for order in message["data"]["orders"]]}
    )


def answers(outcomes):
    return [outcome.answer for outcome in outcomes]


def test_the_signature_is_that_of_the_standards_own_tests():
    body, keys = b'{"test": 2432232314}', [signature.key_of(SECRET)]
    told = signature.signature("msg_p5jXN8AQM9LWM0D4loKWxJek", timestamp=1614265330, body=body, keys=keys)
    assert told == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_the_receiver_of_the_guide_is_sixty_lines_of_the_standard_library():
    lines = [line for line in program().splitlines() if line.strip()]
    assert len(lines) <= 60
    modules = {line.split()[1] for line in lines if line.startswith("from ")}
    assert modules | {"base64", "hmac", "json", "os", "sqlite3", "time"} <= sys.stdlib_module_names | {"http.server"}


def test_orders_arrive_whole_and_signed_with_both_secrets_during_a_change(product):
    product.reply = every("taken")
    both = {"secret": SECRET, "old_secret": OTHER}
    wanted = order("u1", MeasureKind.UPDATE_CLIENT, platform="android", version_min="8.11.0")
    assert answers(connected(product, secrets=both).apply([wanted])) == [Answer.TAKEN]
    ((headers, body),) = product.headers_seen
    for secret in (SECRET, OTHER):  # computed here from the standard, not by our own code
        key = base64.b64decode(secret.removeprefix("whsec_"))
        signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
        mine = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
        assert f"v1,{mine}" in headers["webhook-signature"].split()
    (told,) = product.messages[0]["data"]["orders"]
    assert told == {
        "key": wanted.key, "account": "u1", "measure": "update_client", "platform": "android", "version_min": "8.11.0",
        "since": wanted.since_at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
    }  # fmt: skip


def test_the_receiver_believes_the_old_secret_while_it_is_changed_and_no_other(shop):
    (account,) = shop.accounts(1)
    during = shop.connector(secrets={"secret": OTHER, "old_secret": shop.secret})
    assert answers(during.apply([order(account)])) == [Answer.TAKEN]
    with pytest.raises(SystemUnreachable, match="credentials"):
        list(shop.connector(secrets={"secret": OTHER}).apply([order(account)]))


def test_a_repeated_deed_has_the_same_id_and_every_question_a_new_one(product):
    product.reply = every("taken", holding="in_force")
    shop = connected(product)
    for _try in range(2):
        list(shop.apply([order("u1"), order("u2")]))
        list(shop.verify([order("u1")]))
    ids = [headers["webhook-id"] for headers, _body in product.headers_seen]
    assert ids[0] == ids[2]
    assert len({ids[0], ids[1], ids[3]}) == 3


def test_work_done_later_counts_as_taken_and_is_asked_for(product):
    product.reply = lambda message: web.Response(status=202)
    shop = connected(product)
    assert answers(shop.apply([order("u1"), order("u2")])) == [Answer.TAKEN] * 2
    product.reply = every("", holding="not_in_force")
    assert {each.holding for each in shop.verify([order("u1")])} == {Holding.NOT_IN_FORCE}


def test_what_is_left_out_or_said_unclearly_is_unknown(product):
    told = [
        {"key": order("u1").key, "answer": "taken"},
        {"key": order("u2").key, "answer": "certainly"},
        {"key": "strange", "answer": "taken"},
        7,
    ]
    product.reply = lambda message: web.json_response({"results": told})
    shop = connected(product)
    assert answers(shop.apply([order("u1"), order("u2"), order("u3")])) == [
        Answer.TAKEN,
        Answer.UNKNOWN,
        Answer.UNKNOWN,
    ]
    for nonsense in ([], "x", {"results": 3}):
        product.reply = lambda message, nonsense=nonsense: web.json_response(nonsense)
        assert answers(shop.apply([order("u1")])) == [Answer.UNKNOWN]
        assert [each.holding for each in shop.verify([order("u1")])] == [Holding.UNKNOWN]


def test_an_answer_of_two_hundred_is_not_believed_when_nothing_was_done(product):
    product.reply = every("taken", holding="not_in_force")
    shop = connected(product)
    assert answers(shop.apply([order("u1")])) == [Answer.TAKEN]
    assert [each.holding for each in shop.verify([order("u1")])] == [Holding.NOT_IN_FORCE]


def test_reasons_lose_the_account_and_what_looks_like_a_secret(product):
    product.reply = every("refused", reason="u77 has token=abc123secret and \x1b[31m colours")
    (outcome,) = connected(product).apply([order("u77")])
    assert outcome.answer is Answer.REFUSED
    assert not [text for text in ("u77", "abc123secret", "\x1b") if text in outcome.reason]


@pytest.mark.parametrize("after_doing_it", [True, False])
def test_a_lost_answer_is_unknown_for_all_of_the_message_and_never_sent_again_unasked(product, after_doing_it):
    product.reply = every("taken")
    product.lose(after_doing_it=after_doing_it, match="/tocsin")
    shop = connected(product)
    assert answers(shop.apply([order("u1"), order("u2")])) == [Answer.UNKNOWN] * 2
    assert product.count("POST") == 1
    product.answer(500, match="/tocsin")
    assert answers(shop.apply([order("u1")])) == [Answer.UNKNOWN]


def test_a_storm_of_refusals_ends_with_every_order_done_once(shop, product):
    product.reply = every("taken")
    product.throttle(times=5)
    connector = connected(product, at_once="7")
    left, done = [order(f"u{n}") for n in range(50)], []
    while left:
        outcomes = list(connector.apply(left))
        assert {outcome.answer for outcome in outcomes} <= {Answer.TAKEN, Answer.LATER}
        done += [outcome.order.account for outcome in outcomes if outcome.answer is Answer.TAKEN]
        left = [outcome.order for outcome in outcomes if outcome.answer is Answer.LATER]
    assert sorted(done) == sorted(f"u{n}" for n in range(50))
    sent = [told["account"] for message in product.messages for told in message["data"]["orders"]]
    assert sorted(sent) == sorted(done)  # what was refused had done nothing
    assert max(len(message["data"]["orders"]) for message in product.messages) == 7


def test_a_measure_the_product_does_not_take_is_not_sent(product):
    assert answers(connected(product).apply([order("u1", REVOKE)])) == [Answer.REFUSED]
    assert answers(connected(product).undo([order("u1", SUSPEND)])) == [Answer.REFUSED]
    assert product.messages == []


def test_a_wrong_fact_is_not_half_believed(product):
    row = {"account": "u1", "kind": "password_changed", "at": "2014-05-27T09:00:00Z", "id": "7"}
    wrong = [
        {**row, "kind": "promised"},
        {**row, "account": ""},
        {**row, "account": "u\x00"},
        {**row, "id": "\ud800"},
        {**row, "at": "soon"},
        {**row, "at": "2134-05-27T09:00:00Z"},
        7,
    ]
    for each in wrong:
        product.reply = lambda message, each=each: web.json_response({"done": [row, each], "cursor": "7"})
        with pytest.raises(SystemUnreachable, match=r"done\[1\]"):
            connected(product).done_since("")
    seen = {**row, "kind": "client_seen", "platform": "Android", "client_version": "8.11.0", "client": "com.shop"}
    product.reply = lambda message: web.json_response({"done": [row, seen], "cursor": "7"})
    facts, cursor = connected(product).done_since("6")
    assert [(fact.account, fact.by, fact.platform, fact.reference) for fact in facts] == [
        ("u1", DoneBy.CONNECTOR, "", "7"),
        ("u1", DoneBy.CONNECTOR, "android", "com.shop"),
    ]
    assert (cursor, product.messages[-1]["data"]) == ("7", {"cursor": "6"})


# Where it may lead.


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.1.2.3", "192.168.0.1", "172.16.5.5", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1", "255.255.255.255",
     "::1", "::", "fe80::1", "fe80::1%eth0", "fd00::1", "::ffff:10.0.0.1", "64:ff9b::a00:1", "2002:a00:1::", "ff02::1", "no address"],
)  # fmt: skip
def test_an_address_that_is_not_on_the_internet_is_told(address):
    assert not addresses.is_public(address)


@pytest.mark.parametrize("address", ["93.184.216.34", "2606:2800:220:1:248:1893:25c8:1946", "64:ff9b::5db8:d822"])
def test_an_address_on_the_internet_is_told(address):
    assert addresses.is_public(address)


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1/t",
        "https://[::1]/t",
        "https://169.254.169.254/latest",
        "https://[::ffff:10.0.0.1]/",
        "https://2130706433/",
        "https://127.1/",
    ],
)
def test_a_private_address_is_refused_at_once(url):
    with pytest.raises(SystemNotUnderstood, match="setting url"):
        connect("shop", settings={"url": url, "takes": "suspend"}, secrets={"secret": SECRET})


@pytest.mark.parametrize("host", ["localhost", "0x7f.1", "0x7f000001"])
def test_a_name_that_leads_to_a_private_address_is_refused_before_anything_is_sent(product, host):
    url = f"http://{host}:{product.port}/tocsin"
    settings = {"url": url, "takes": "suspend", "plain_http": "yes"}
    with pytest.raises(SystemUnreachable, match="private address"):
        list(connect("shop", settings=settings, secrets={"secret": SECRET}).apply([order("u1", SUSPEND)]))
    assert product.calls == []


def test_one_private_address_among_public_ones_is_enough_and_the_checked_one_is_used():
    class Answering(AbstractResolver):
        def __init__(self, *hosts):
            self.hosts = hosts

        async def resolve(self, host, port=0, family=0):
            return [
                {"hostname": host, "host": each, "port": port, "family": family, "proto": 0, "flags": 0}
                for each in self.hosts
            ]

        async def close(self):
            pass

    with pytest.raises(NotReached):
        asyncio.run(addresses.PublicOnly(Answering("93.184.216.34", "10.0.0.1")).resolve("shop.example", 443))
    found = asyncio.run(addresses.PublicOnly(Answering("93.184.216.34")).resolve("shop.example", 443))
    assert [each["host"] for each in found] == ["93.184.216.34"]


def test_a_redirect_into_the_own_network_is_not_followed(product):
    product.answer(307, match="/tocsin", Location="http://127.0.0.1:1/")
    with pytest.raises(SystemUnreachable, match="redirect"):
        list(connected(product).apply([order("u1")]))


# What comes in.


def sent(payload, *, secret=SECRET, id="msg_1", at=NOW, body=None):
    """Return a message made from the standard, not by our own code."""
    body = json.dumps(payload).encode() if body is None else body
    stamp = str(int(at.timestamp()))
    key = base64.b64decode(secret.removeprefix("whsec_"))
    mac = base64.b64encode(hmac.new(key, f"{id}.{stamp}.".encode() + body, hashlib.sha256).digest()).decode()
    return {"Webhook-Id": id, "WEBHOOK-TIMESTAMP": stamp, "webhook-signature": f"v1a,AAAA v1,{mac}"}, body


DONE = {"done": [{"account": "u1", "kind": "password_changed", "at": "2014-05-27T09:11:58.113Z"}]}
BOTH = {"secret": SECRET, "old_secret": OTHER}


def test_a_message_that_is_theirs_is_read_with_either_secret_during_a_change():
    assert verified(*sent(DONE), secrets={"secret": SECRET}, now=NOW) == {**DONE, "id": "msg_1"}
    assert verified(*sent(DONE, secret=OTHER, id="msg_2"), secrets=BOTH, now=NOW)["id"] == "msg_2"


def test_the_report_of_the_guide_is_believed():
    class Ours(Fake):
        def routes(self):
            return [web.post("/connectors/v1/shop/done", self.take)]

        async def take(self, request):
            secrets = {"secret": SECRET}
            self.payload = verified(request.headers, await request.read(), secrets=secrets, now=datetime.now(UTC))
            return web.json_response({"new": 1})

    text = PAGE.read_text(encoding="utf-8")
    names = {"KEYS": [base64.b64decode(SECRET.removeprefix("whsec_"))], "now": lambda: "2014-05-27T09:11:58.113Z"}
    names |= {module.__name__: module for module in (base64, hmac, json, os, time, urllib)}
    exec(re.findall(r"```python\n(.*?)```", text, re.DOTALL)[1], names)  # word for word as it stands there
    with Ours() as ours:
        assert names["report_done"](f"{ours.url}/connectors/v1/shop/done", "u1") == {"new": 1}
    assert ours.payload["done"] == [{"account": "u1", "kind": "password_changed", "at": "2014-05-27T09:11:58.113Z"}]


def refusal(headers, body, *, secrets=None, now=NOW):
    with pytest.raises(NotVerified) as raised:
        verified(headers, body, secrets={"secret": SECRET} if secrets is None else secrets, now=now)
    return raised.value.refusal


@pytest.mark.parametrize("missing", ["Webhook-Id", "WEBHOOK-TIMESTAMP", "webhook-signature"])
def test_a_message_without_one_of_its_headers_is_unsigned(missing):
    headers, body = sent(DONE)
    assert refusal({name: text for name, text in headers.items() if name != missing}, body) is Refusal.UNSIGNED


@pytest.mark.parametrize("stamp", ["", "soon", "-1", "1e9", "١٤٠١", "9" * 40])
def test_a_time_that_cannot_be_read_is_unsigned(stamp):
    headers, body = sent(DONE)
    assert refusal({**headers, "WEBHOOK-TIMESTAMP": stamp}, body) is Refusal.UNSIGNED


@pytest.mark.parametrize("minutes", [-6, 6])
def test_a_message_from_another_time_is_stale(minutes):
    assert refusal(*sent(DONE, at=NOW + timedelta(minutes=minutes))) is Refusal.STALE


def test_a_forged_or_changed_message_is_not_theirs_and_is_not_read():
    headers, body = sent(DONE)
    assert refusal(headers, body + b" ") is Refusal.NOT_THEIRS
    assert refusal({**headers, "Webhook-Id": "msg_2"}, body) is Refusal.NOT_THEIRS
    assert refusal(headers, body, secrets={"secret": OTHER}) is Refusal.NOT_THEIRS
    assert refusal(headers, body, secrets={}) is Refusal.NOT_THEIRS
    assert refusal({**headers, "webhook-signature": "v1,"}, body) is Refusal.NOT_THEIRS
    assert refusal({**headers, "webhook-signature": "v1,é v2,x"}, b"{not json") is Refusal.NOT_THEIRS


@pytest.mark.parametrize("body", [b"", b"nonsense", b"[]", b"7", b"\xff\xfe", b"[" * 100_000])
def test_a_signed_message_that_is_no_object_is_not_understood(body):
    with pytest.raises(CallbackNotUnderstood):
        verified(*sent(None, body=body), secrets={"secret": SECRET}, now=NOW)


@pytest.mark.parametrize("secret", ["whsec_", "whsec_short", "whsec_" + "A" * 400, "not base64!"])
def test_a_weak_or_broken_secret_is_refused_with_its_place_and_not_repeated(secret):
    with pytest.raises(SystemNotUnderstood, match="setting secret") as raised:
        connect("shop", settings={"url": "https://shop.example/t", "takes": "suspend"}, secrets={"secret": secret})
    assert secret.removeprefix("whsec_") not in str(raised.value) or len(secret) < 8


def test_a_measure_there_is_not_is_refused_with_its_place():
    with pytest.raises(SystemNotUnderstood, match="setting takes"):
        connect(
            "shop", settings={"url": "https://shop.example/t", "takes": "suspend,explode"}, secrets={"secret": SECRET}
        )


def test_the_signature_of_a_huge_header_costs_little():
    headers, body = sent(DONE)
    assert refusal({**headers, "webhook-signature": " ".join(["v1,AAAA"] * 100_000)}, body) is Refusal.NOT_THEIRS


def test_measures_may_be_given_as_a_list_or_as_a_text_with_commas():
    for takes in (["suspend", "reset_password"], "suspend, reset_password"):
        shop = connect("shop", settings={"url": "https://shop.example/t", "takes": takes}, secrets={"secret": SECRET})
        assert shop.abilities().takes == {SUSPEND, RESET}
    with pytest.raises(SystemNotUnderstood, match="setting url"):
        connect("shop", settings={"url": ["https://shop.example/t"], "takes": "suspend"}, secrets={"secret": SECRET})
