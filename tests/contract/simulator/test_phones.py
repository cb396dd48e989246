"""The page of phones: what it is made of, what each phone shows, and what it hears while it is open."""

import asyncio
import re
from typing import Any

import aiohttp
import orjson
import pytest

from tocsin_simulator.bubbles import bubble_of, filled
from tocsin_simulator.ledger import Entry
from tocsin_simulator.values import Settings, Template
from tocsin_simulator.world import World

PERSON = "33600000001"


def drawn(world: World, content: dict[str, Any], *, inbound: bool = False) -> dict[str, Any]:
    entry = Entry(
        ordinal=1, id="wamid.1", phone="11", person=PERSON, type=content["type"], callback="", body=orjson.dumps(content), at=1.0
    )  # fmt: skip
    entry.inbound = inbound
    return bubble_of(world, entry)


@pytest.fixture
def world():
    async def make():
        return World(Settings(phone_ids=("11",)))

    return asyncio.run(make())


NOTICE = Template(
    id="1",
    name="notice",
    language="en_US",
    category="UTILITY",
    status="APPROVED",
    components=[
        {"type": "HEADER", "format": "TEXT", "text": "For {{1}}"},
        {"type": "BODY", "text": "Dear {{1}}, on {{2}} it happened."},
        {"type": "FOOTER", "text": "Lark"},
        {"type": "BUTTONS", "buttons": [{"type": "QUICK_REPLY", "text": "Why?"}, {"type": "URL", "text": "Read", "url": "https://x"}]},
    ],
)  # fmt: skip


def test_a_template_is_drawn_filled_in_with_header_footer_and_buttons(world):
    world.templates["1"] = NOTICE
    texts = [{"type": "text", "text": "Ada"}, {"type": "text", "text": "3 March"}]
    content = {
        "name": "notice",
        "language": {"code": "en_US"},
        "components": [{"type": "HEADER", "parameters": texts[:1]}, {"type": "body", "parameters": texts}],
    }
    bubble = drawn(world, {"type": "template", "template": content})
    assert bubble["header"] == {"kind": "text", "text": "For Ada"}
    assert bubble["body"] == "Dear Ada, on 3 March it happened."
    assert (bubble["footer"], bubble["template"]) == ("Lark", "notice · en_US")
    assert [(each["kind"], each["text"]) for each in bubble["buttons"]] == [("reply", "Why?"), ("url", "Read")]


def test_a_carousel_is_drawn_card_by_card(world):
    card = {
        "type": "cta_url",
        "header": {"type": "image", "image": {"link": "https://example.com/a.png"}},
        "body": {"text": "One"},
        "action": {"name": "cta_url", "parameters": {"display_text": "Open", "url": "https://example.com"}},
    }
    content = {"type": "carousel", "body": {"text": "Look"}, "action": {"cards": [card, card]}}
    bubble = drawn(world, {"type": "interactive", "interactive": content})
    assert (bubble["body"], len(bubble["cards"])) == ("Look", 2)
    assert (bubble["cards"][0]["body"], bubble["cards"][0]["buttons"][0]["text"]) == ("One", "Open")


def test_variables_nobody_gave_stay_visible(world):
    assert filled("Dear {{1}} and {{2}}", [{"type": "text", "text": "Ada"}], NOTICE) == "Dear Ada and {{2}}"


@pytest.mark.parametrize(
    ("content", "wanted"),
    [
        ({"type": "text", "text": {"body": "Hi"}}, {"body": "Hi"}),
        ({"type": "location", "location": {"latitude": 1, "longitude": 2, "name": "Here"}}, {"body": "Here"}),
        ({"type": "reaction", "reaction": {"emoji": "👍", "message_id": "x"}}, {"reaction": "👍", "answers": "x"}),
        ({"type": "document", "document": {"link": "https://x/a.pdf", "filename": "a.pdf"}}, {"header": {"kind": "document", "text": "a.pdf"}}),
        ({"type": "contacts", "contacts": [{"name": {"formatted_name": "Ada L"}}]}, {"header": {"kind": "contact", "text": "Ada L"}}),
        ({"type": "interactive", "interactive": {"type": "button_reply", "button_reply": {"id": "1", "title": "Yes"}}}, {"body": "Yes"}),
        ({"type": "button", "button": {"text": "Why?", "payload": "w"}}, {"body": "Why?"}),
        ({"type": "mystery", "mystery": 7}, {"type": "mystery"}),
    ],
)  # fmt: skip
def test_every_type_is_drawn_and_an_unknown_one_named(world, content, wanted):
    bubble = drawn(world, content)
    assert {key: bubble[key] for key in wanted} == wanted


async def page(account, path, **given):
    async with account.session.get(account.server.address + path, **given) as answer:
        return answer.status, dict(answer.headers), await answer.read()


def test_the_page_loads_nothing_from_outside_and_speaks_french(with_account):
    async def act(account):
        for path in ("/", "/phones", "/_simulator/", "/_simulator/phones"):
            status, headers, body = await page(account, path, headers={"Accept-Language": "fr-FR,fr;q=0.9"})
            assert status == 200
            assert "Téléphones de personnes simulées".encode() in body
            said = headers["Content-Security-Policy"]
            assert "default-src 'none'" in said
            assert "unsafe" not in said
        for found in re.findall(rb'(?:src|href)="([^"]+)"', body):
            assert found.startswith((b"/_simulator/assets/", b"?lang="))
            if found.startswith(b"/"):
                assert (await page(account, found.decode()))[0] == 200
        assert (await page(account, "/?lang=en", headers={"Accept-Language": "fr"}))[2].count(
            b"Phones of simulated people"
        )
        assert (await page(account, "/_simulator/assets/..%2Fserver.py"))[0] == 400

    with_account(act)


def test_phones_that_rang_last_come_first_and_are_found_by_number_or_name(with_account):
    async def act(account):
        for number in range(3):
            await account.template(to=f"+3360000000{number}")
        await account.admin("say", **{"from": "+33600000000", "text": "Hi", "name": "Ada Zed"})
        await account.advance(1)
        _, _, body = await page(account, "/_simulator/threads")
        told = orjson.loads(body)
        assert [each["phone"] for each in told["phones"]] == ["33600000000", "33600000002", "33600000001"]
        assert [each["inbound"] for each in told["phones"][0]["messages"]] == [False, True]
        assert told["count"]["received"] == 3
        for query in ("q=zed", "q=%2B33600000000"):
            _, _, body = await page(account, f"/_simulator/threads?{query}")
            assert [each["phone"] for each in orjson.loads(body)["phones"]] == ["33600000000"]
        _, _, body = await page(account, "/_simulator/threads?limit=2")
        assert len(orjson.loads(body)["phones"]) == 2

    with_account(act)


def test_only_pictures_are_shown_and_never_as_a_page(with_account):
    async def act(account):
        for mime_type, wanted in (("image/png", 200), ("text/plain", 404)):
            form = aiohttp.FormData({"messaging_product": "whatsapp", "type": mime_type})
            form.add_field("file", b"<script>", filename="a", content_type=mime_type)
            address = f"{account.server.address}/v24.0/11/media"
            async with account.session.post(address, data=form, headers={"Authorization": "Bearer T"}) as answer:
                media = (await answer.json())["id"]
            status, headers, _ = await page(account, f"/_simulator/media/{media}")
            assert status == wanted
            if wanted == 200:
                assert headers["X-Content-Type-Options"] == "nosniff"
                assert "sandbox" in headers["Content-Security-Policy"]

    with_account(act)


def test_an_open_page_hears_of_messages_statuses_and_a_fresh_start(with_account):
    async def act(account):
        heard: list[dict[str, Any]] = []
        async with account.session.get(f"{account.server.address}/_simulator/events") as answer:

            async def until(kind: str) -> dict[str, Any]:
                async for line in answer.content:
                    if line.startswith(b"data: "):
                        heard.append(orjson.loads(line[6:]))
                        if heard[-1]["kind"] == kind:
                            return heard[-1]
                raise AssertionError(kind)

            assert (await until("count"))["count"]["received"] == 0
            await account.template()
            told = await until("message")
            assert told["message"]["body"] == "Hello Ada, all is well."
            assert told["phone"]["phone"] == PERSON
            await account.admin("say", **{"from": PERSON, "text": "<b>Hi</b>"})
            assert (await until("message"))["message"]["body"] == "<b>Hi</b>"
            await account.admin("reset")
            await until("reset")
            assert {"status", "count"} <= {each["kind"] for each in heard}

    with_account(act)


def test_a_flood_becomes_one_event_to_fetch_everything_anew(with_account):
    async def act(account):
        async with account.session.get(f"{account.server.address}/_simulator/events") as answer:
            await answer.content.readuntil(b"}}\n\n")
            for number in range(100):  # at once, however slow the machine is
                account.world.tell({"kind": "status", "id": str(number), "status": "sent", "at": 1.0})
            async for line in answer.content:
                if line.startswith(b"data: ") and orjson.loads(line[6:])["kind"] == "reload":
                    return

    with_account(act)
