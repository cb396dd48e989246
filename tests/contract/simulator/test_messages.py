"""Sending over a real socket: what Meta takes, what it refuses and in which words, and what becomes of a message."""

import pytest

from tocsin_simulator.ledger import Entry

WINDOW = 24 * 3600


async def opened(account, person: str = "+33600000001") -> None:
    await account.admin("say", **{"from": person, "text": "Hello?"})


def test_a_text_outside_the_window_is_refused_and_inside_it_goes(with_account):
    async def act(account):
        status, said = await account.send()
        assert (status, said["error"]["code"]) == (400, 131047)
        assert said["error"]["error_data"]["messaging_product"] == "whatsapp"
        await opened(account)
        status, said = await account.send(biz_opaque_callback_data="row-1")
        assert status == 200
        assert said["contacts"][0]["input"] == "+33600000001"
        assert said["contacts"][0]["wa_id"] == "33600000001"
        assert said["contacts"][0]["user_id"].startswith("FR.")
        assert said["messages"][0]["id"].startswith("wamid.")
        await account.advance(WINDOW)
        assert (await account.send())[1]["error"]["code"] == 131047
        assert (await account.template())[0] == 200

    with_account(act)


def test_the_window_belongs_to_one_number_and_our_messages_never_extend_it(with_account):
    async def act(account):
        await opened(account)
        await account.advance(WINDOW - 60)
        assert (await account.send())[0] == 200
        body = {"messaging_product": "whatsapp", "to": "+33600000001", "type": "text", "text": {"body": "Hi"}}
        assert (await account.ask("POST", "/12/messages", body))[1]["error"]["code"] == 131047
        await account.advance(60)
        assert (await account.send())[1]["error"]["code"] == 131047

    with_account(act)


def test_outside_the_window_a_text_may_also_be_accepted_and_fail_later(with_account):
    async def act(account):
        status, _ = await account.send(biz_opaque_callback_data="row-1")
        assert status == 200
        await account.receiver.until(lambda: account.receiver.statuses)
        (failed,) = account.receiver.statuses
        assert failed["status"] == "failed"
        assert failed["errors"][0]["code"] == 131047
        assert failed["biz_opaque_callback_data"] == "row-1"
        assert account.receiver.values[0][1].get("contacts") is None

    with_account(act, window="async")


GOOD = {
    "text": {"body": "x" * 4096},
    "image": {"link": "https://example.org/a.png", "caption": "c" * 1024},
    "video": {"link": "https://example.org/a.mp4"},
    "audio": {"link": "https://example.org/a.ogg"},
    "document": {"link": "https://example.org/a.pdf", "filename": "a.pdf"},
    "sticker": {"link": "https://example.org/a.webp"},
    "location": {"latitude": 48.1, "longitude": "2.3", "name": "Here"},
    "contacts": [{"name": {"formatted_name": "Ada L", "first_name": "Ada"}}],
    "reaction": {"message_id": "wamid.x", "emoji": "👍"},
}
INTERACTIVE = {
    "button": {"buttons": [{"type": "reply", "reply": {"id": str(n), "title": f"Choice {n}"}} for n in range(3)]},
    "list": {
        "button": "Open",
        "sections": [{"title": "All", "rows": [{"id": str(n), "title": f"Row {n}"} for n in range(10)]}],
    },
    "cta_url": {"name": "cta_url", "parameters": {"display_text": "Open", "url": "https://example.org"}},
    "flow": {"name": "flow", "parameters": {"flow_id": "1", "flow_cta": "Begin", "flow_message_version": "3"}},
    "product": {"catalog_id": "1", "product_retailer_id": "2"},
    "product_list": {"catalog_id": "1", "sections": [{"title": "A", "product_items": [{"product_retailer_id": "2"}]}]},
    "catalog_message": {"name": "catalog_message"},
    "location_request_message": {"name": "send_location"},
    "address_message": {"name": "address_message", "parameters": {"country": "IN"}},
    "call_permission_request": {"name": "call_permission_request"},
    "voice_call": {"name": "voice_call", "parameters": {"display_text": "Call"}},
    "request_contact_info": {"name": "request_contact_info"},
    "carousel": {"cards": [{"card_index": 0}, {"card_index": 1}]},
    "order_details": {"name": "review_and_pay", "parameters": {}},
    "order_status": {"name": "review_order", "parameters": {}},
}


def test_every_type_and_every_interactive_kind_is_taken(with_account):
    async def act(account):
        await opened(account)
        for kind, content in GOOD.items():
            status, said = await account.send(**{"type": kind, kind: content})
            assert status == 200, (kind, said)
        for kind, action in INTERACTIVE.items():
            interactive = {"type": kind, "body": {"text": "b"}, "action": action}
            status, said = await account.send(type="interactive", interactive=interactive)
            assert status == 200, (kind, said)

    with_account(act)


def interactive(kind: str, action: dict, **more) -> dict:
    return {"type": "interactive", "interactive": {"type": kind, "body": {"text": "b"}, "action": action} | more}


def buttons(*titles: str) -> dict:
    return {"buttons": [{"type": "reply", "reply": {"id": str(n), "title": title}} for n, title in enumerate(titles)]}


def rows(*counts: int) -> dict:
    made = [
        {"title": f"S{s}", "rows": [{"id": f"{s}.{n}", "title": f"Row {n}"} for n in range(count)]}
        for s, count in enumerate(counts)
    ]
    return {"button": "Open", "sections": made}


BAD = [
    ({"messaging_product": "sms"}, 100),
    ({"to": None}, 100),
    ({"to": "Ada"}, 131009),
    ({"to": "+15550100001"}, 131021),
    ({"recipient_type": "crowd"}, 100),
    ({"biz_opaque_callback_data": "x" * 513}, 100),
    ({"type": "carrier_pigeon"}, 131051),
    ({"type": "image"}, 100),
    ({"type": "text", "text": {}}, 131008),
    ({"type": "text", "text": {"body": "x" * 4097}}, 100),
    ({"type": "text", "text": "hello"}, 100),
    ({"type": "image", "image": {"id": "1", "link": "https://a"}}, 100),
    ({"type": "image", "image": {"id": "404"}}, 100),
    ({"type": "image", "image": {"link": "https://a/b.png", "caption": "x" * 1025}}, 100),
    ({"type": "audio", "audio": {"link": "https://a/b.ogg", "caption": "x"}}, 100),
    ({"type": "location", "location": {"latitude": 91, "longitude": 0}}, 131009),
    ({"type": "contacts", "contacts": [{"name": {"formatted_name": "A"}}]}, 131009),
    ({"type": "contacts", "contacts": [{"name": {"formatted_name": "A", "first_name": "A"}}] * 258}, 131009),
    ({"type": "reaction", "reaction": {"emoji": "x"}}, 131008),
    (interactive("button", buttons("a", "b", "c", "d")), 131009),
    (interactive("button", buttons("a" * 21)), 131009),
    (interactive("button", buttons("same", "same")), 131009),
    (interactive("list", rows(6, 5)), 131009),
    (interactive("list", rows(1), header={"type": "image", "image": {"link": "https://a"}}), 131009),
    (interactive("button", buttons("a"), footer={"text": "x" * 61}), 131009),
    (interactive("button", buttons("a"), body={"text": "x" * 1025}), 131009),
    (interactive("cta_url", {"name": "cta_url", "parameters": {"display_text": "x", "url": "nowhere"}}), 131009),
    (interactive("hologram", {}), 131009),
    ({"context": {}}, 131008),
    ({"to": None, "recipient": "FR.123"}, 131009),
]  # fmt: skip


def test_a_message_over_one_of_metas_limits_is_refused(with_account):
    async def act(account):
        await opened(account)
        for change, code in BAD:
            status, said = await account.send(**change)
            assert status == 400, (change, said)
            assert said["error"]["code"] == code, (change, said)
            assert said["error"]["type"] == "OAuthException"
            assert said["error"]["fbtrace_id"]
        assert (await account.count())["accepted"] == 0

    with_account(act)


@pytest.mark.parametrize(
    ("template", "code"),
    [
        ({"name": "nobody"}, 132001),
        ({"language": {"code": "fr"}}, 132001),
        ({"name": "rejected"}, 132001),
        ({"name": "paused"}, 132015),
        ({"name": "disabled"}, 132016),
        ({"components": []}, 132000),
        ({"components": [{"type": "body", "parameters": [{"type": "text", "text": "a"}] * 2}]}, 132000),
        ({"components": [{"type": "BODY", "parameters": [{"type": "text", "text": "a\nb"}]}]}, 132018),
        ({"components": [{"type": "body", "parameters": [{"type": "text", "text": "x" * 1030}]}]}, 132005),
        ({"components": [{"type": "body", "parameters": [{"type": "image"}]}]}, 132012),
        ({"components": [{"type": "soul", "parameters": []}]}, 100),
        ({"name": "named", "components": [{"type": "body", "parameters": [{"type": "text", "text": "a"}]}]}, 132012),
        ({"name": "linked", "components": []}, 131008),
    ],
)
def test_a_template_must_exist_be_approved_and_fit(with_account, template, code):
    body = [{"type": "BODY", "text": "Hello {{1}}."}]
    linked = [
        {"type": "BODY", "text": "Hello."},
        {"type": "BUTTONS", "buttons": [{"type": "URL", "text": "Go", "url": "https://a/{{1}}"}]},
    ]

    async def act(account):
        for status in ("rejected", "paused", "disabled"):
            await account.admin("template", name=status, language="en", components=body, status=status.upper())
        named = [{"type": "BODY", "text": "Hello {{first_name}}."}]
        await account.admin("template", name="named", language="en", components=named, parameter_format="NAMED")
        await account.admin("template", name="linked", language="en", components=linked)
        assert (await account.template(**template))[1]["error"]["code"] == code

    with_account(act)


def test_a_template_with_named_parameters_and_buttons_goes(with_account):
    components = [
        {"type": "HEADER", "format": "DOCUMENT"},
        {"type": "BODY", "text": "Hello {{first_name}}, code {{code}}."},
        {"type": "BUTTONS", "buttons": [{"type": "QUICK_REPLY", "text": "Yes"}, {"type": "URL", "text": "Go", "url": "https://a/{{1}}"}]},
    ]  # fmt: skip
    given = [
        {"type": "header", "parameters": [{"type": "document", "document": {"link": "https://a/b.pdf"}}]},
        {"type": "BODY", "parameters": [{"type": "text", "parameter_name": "code", "text": "7"}, {"type": "text", "parameter_name": "first_name", "text": "Ada"}]},
        {"type": "button", "sub_type": "url", "index": "1", "parameters": [{"type": "text", "text": "x"}]},
    ]  # fmt: skip

    async def act(account):
        await account.admin("template", name="rich", language="fr", components=components, parameter_format="NAMED")
        status, said = await account.template(name="rich", language={"code": "fr"}, components=given)
        assert (status, said["messages"][0]["message_status"]) == (200, "accepted")

    with_account(act)


def test_a_person_is_reached_by_business_scoped_user_id_and_to_wins_over_it(with_account):
    async def act(account):
        user_id = account.world.people.user_id_of("33600000007")
        _, said = await account.template(to=None)
        assert said["error"]["message"] == "(#100) The parameter to is required."
        body = {"recipient": user_id, "to": None, "type": "template", "template": {
            "name": "hello", "language": {"code": "en"},
            "components": [{"type": "body", "parameters": [{"type": "text", "text": "A"}]}]}}  # fmt: skip
        status, said = await account.send(**body)
        assert (status, said["contacts"]) == (200, [{"input": user_id, "user_id": user_id}])
        status, said = await account.send(**body | {"to": "+33600000008"})
        assert said["contacts"][0]["wa_id"] == "33600000008"

    with_account(act)


def test_without_a_plus_sign_the_senders_own_calling_code_is_put_before_the_number(with_account):
    async def act(account):
        _, said = await account.template(to="33600000009")
        assert (said["contacts"][0]["input"], said["contacts"][0]["wa_id"]) == ("33600000009", "133600000009")
        await account.receiver.until(lambda: account.receiver.statuses)
        assert account.receiver.statuses[0]["errors"][0]["code"] == 131026
        await opened(account, "+33600000009")
        assert (await account.template(to="33600000009"))[1]["contacts"][0]["wa_id"] == "33600000009"

    with_account(act)


def test_read_receipts_and_typing_indicators_are_taken_for_messages_that_came(with_account):
    async def act(account):
        wamid = (await account.admin("say", **{"from": "+33600000001", "text": "Hello?"}))["id"]
        read = {"status": "read", "message_id": wamid, "to": None}
        assert await account.send(**read) == (200, {"success": True})
        assert await account.send(**read, typing_indicator={"type": "text"}) == (200, {"success": True})
        assert (await account.send(**read, typing_indicator={"type": "dance"}))[1]["error"]["code"] == 100
        assert (await account.send(**read | {"message_id": "wamid.no"}))[1]["error"]["code"] == 131009
        assert (await account.send(**read | {"messaging_product": "sms"}))[1]["error"]["code"] == 100
        assert (await account.count())["receipts"] == 2
        assert (await account.count())["accepted"] == 0

    with_account(act)


def test_a_receipt_reads_what_came_before_and_nothing_after(with_account):
    async def act(account):
        said = [(await account.admin("say", **{"from": "+33600000001", "text": text}))["id"] for text in "abc"]
        other = (await account.admin("say", **{"from": "+33600000002", "text": "d"}))["id"]
        await account.send(status="read", message_id=said[1], typing_indicator={"type": "text"})
        [phone] = [each for each in (await account.ask("GET", "/_simulator/threads"))[1]["phones"]
                   if each["phone"] == "33600000001"]  # fmt: skip
        assert [each["state"] for each in phone["messages"]] == ["read", "read", "delivered"]
        assert 0 < phone["typing"] <= 25
        assert account.world.ledger.get(other).statuses == ()
        await account.send()
        [phone] = [each for each in (await account.ask("GET", "/_simulator/threads"))[1]["phones"]
                   if each["phone"] == "33600000001"]  # fmt: skip
        assert phone["typing"] == 0
        await account.send(status="read", message_id=said[2])
        kept = (await account.ask("GET", "/_simulator/messages?inbound=1&from=33600000001"))[1]["messages"]
        assert [[status["status"] for status in each["statuses"]] for each in kept] == [["read"]] * 3

    with_account(act)


def test_all_it_received_is_told_unless_fewer_are_asked_for(with_account):
    async def act(account):
        for number in range(1_001):
            entry = Entry(
                ordinal=account.world.ledger.next_ordinal(), id=f"wamid.{number}", phone="1001", person="33600000001",
                type="text", callback=f"row-{number}", body=b"{}", at=0.0,
            )  # fmt: skip
            account.world.ledger.add(entry)
        told = (await account.ask("GET", "/_simulator/messages"))[1]
        assert len(told["messages"]) == len(told["by_callback"]) == told["kept"] == 1_001
        told = (await account.ask("GET", "/_simulator/messages?limit=2&offset=1000"))[1]
        assert [each["id"] for each in told["messages"]] == ["wamid.1000"]

    with_account(act)


def test_a_wrong_token_a_wrong_version_and_an_unknown_number_are_refused_as_meta_does(with_account):
    async def act(account):
        status, said = await account.ask("POST", "/11/messages", {}, headers={"Authorization": "Bearer X"})
        assert (status, said["error"]["code"]) == (401, 190)
        status, said = await account.ask("POST", "/404/messages", {})
        assert (status, said["error"]["code"], said["error"]["error_subcode"]) == (400, 100, 33)
        async with account.session.post(f"{account.server.address}/messages/11/messages") as answer:
            assert answer.status == 400
        async with account.session.post(
            f"{account.server.address}/v24.0/11/messages", data=b"{no", headers={"Authorization": "Bearer T"}
        ) as answer:
            assert (await answer.json())["error"]["code"] == 100

    with_account(act)


def test_limits_refuse_and_are_counted(with_account):
    async def act(account):
        account.server.world.clock.set_speed(0.01)  # however slow this machine is, it is too fast
        said = [(await account.template())[1] for _ in range(46)]
        assert said[44].get("messages")
        assert said[45]["error"]["code"] == 131056
        assert said[45]["error"]["is_transient"]
        others = [(await account.template(to=f"+3361{place:07d}")) for place in range(260)]
        codes = {answer[1]["error"]["code"] for answer in others if answer[0] != 200}
        assert codes == {130429}
        assert {answer[0] for answer in others} == {200, 429}
        count = await account.count()
        assert count["pair_limit_refused"] == 1
        assert count["throughput_refused"] == sum(answer[0] == 429 for answer in others)
        assert count["received"] == 306

    with_account(act)


def test_a_portfolio_of_250_people_is_refused_the_next_until_the_day_is_over(with_account):
    async def act(account):
        for place in range(250):
            assert (await account.template(to=f"+3361{place:07d}"))[0] == 200
        status, said = await account.template(to="+33619999999")
        assert (status, said["error"]["code"]) == (400, 131048)
        await opened(account, "+33619999999")
        assert (await account.template(to="+33619999999"))[0] == 200, "they wrote: the window is open"
        await account.advance(WINDOW)
        assert (await account.template(to="+33618888888"))[0] == 200
        assert (await account.count())["portfolio_refused"] == 1

    with_account(act, tier="TIER_250", level="HIGH")


def test_statuses_carry_callback_recipient_and_one_price(with_account):
    async def act(account):
        _, said = await account.template(callback="row-1")
        await account.receiver.until(lambda: len(account.receiver.statuses) == 3)
        wamid = said["messages"][0]["id"]
        statuses = account.receiver.statuses
        assert [status["status"] for status in statuses] == ["sent", "delivered", "read"]
        assert {status["id"] for status in statuses} == {wamid}
        assert {status["biz_opaque_callback_data"] for status in statuses} == {"row-1"}
        assert {status["recipient_id"] for status in statuses} == {"33600000001"}
        assert [status.get("pricing", {}).get("category") for status in statuses] == ["utility", "utility", None]
        assert statuses[0]["pricing"] == {
            "billable": True, "pricing_model": "PMP", "type": "regular", "category": "utility",
        }  # fmt: skip
        value = account.receiver.values[0][1]
        assert value["metadata"] == {"display_phone_number": "15550100001", "phone_number_id": "11"}
        assert value["contacts"][0]["user_id"] == statuses[0]["recipient_user_id"]

    with_account(act, people=[{"phone": "+33600000001", "reads": 1.0}])


def test_a_utility_template_inside_the_window_and_free_text_cost_nothing(with_account):
    async def act(account):
        await opened(account)
        await account.send()
        await account.template()
        await account.receiver.until(lambda: len(account.receiver.statuses) >= 4)
        prices = {
            (status["pricing"]["type"], status["pricing"]["category"], status["pricing"]["billable"])
            for status in account.receiver.statuses
            if "pricing" in status
        }
        assert prices == {
            ("free_customer_service", "service", False),
            ("free_customer_service", "utility", False),
        }

    with_account(act)


def test_a_voice_message_is_played_too(with_account):
    async def act(account):
        await opened(account)
        await account.send(type="audio", audio={"link": "https://example.org/a.ogg"})
        await account.receiver.until(lambda: len(account.receiver.statuses) == 4)
        assert [status["status"] for status in account.receiver.statuses] == ["sent", "delivered", "read", "played"]

    with_account(act, people=[{"phone": "+33600000001", "reads": 1.0}])
