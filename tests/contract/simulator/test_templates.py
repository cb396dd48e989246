"""The life of a template: what is refused at once, what the review says, quality, pauses, archive, and every webhook of it."""

import aiohttp
import pytest

HOUR, DAY = 3600, 86_400
TEXT = "Your order has left our house."


def body(text=TEXT, **more):
    return {"type": "BODY", "text": text} | more


def template(name="news", category="UTILITY", components=None, language="en_US", **more):
    return {"name": name, "language": language, "category": category, "components": components or [body()]} | more


async def made(account, **given):
    status, said = await account.ask("POST", "/21/message_templates", template(**given))
    assert status == 200, said
    return said["id"]


async def status_of(account, template_id):
    return (await account.ask("GET", f"/{template_id}"))[1].get("status")


def events(account):
    return [
        (value["event"], (value.get("other_info") or {}).get("title"))
        for field, value in account.receiver.values
        if field == "message_template_status_update"
    ]


EXAMPLE = {"example": {"body_text": [["a", "b"]]}}
ONE = {"example": {"body_text": [["a"]]}}


@pytest.mark.parametrize(
    ("given", "subcode"),
    [
        ({"components": [body("x" * 1025)]}, 2388040),
        ({"components": [body("{{1}} is here for you today.", **ONE)]}, 2388299),
        ({"components": [body("We say hello to {{1}}", **ONE)]}, 2388299),
        ({"components": [body("Go {{1}} or {{2}} now", **EXAMPLE)]}, 2388293),
        ({"components": [body("Dear {{1}}, all of it is well.")]}, 2388072),
        ({"components": [body("Dear {{2}}, all of it is well.", **ONE)]}, 2388072),
        ({"components": [body("Dear {{1, all of it is well.")]}, 2388072),
        ({"components": [{"type": "HEADER", "format": "TEXT", "text": "x" * 61}, body()]}, 2388040),
        ({"components": [{"type": "HEADER", "format": "IMAGE"}, body()]}, 2388047),
        ({"components": [body(), {"type": "FOOTER", "text": "For {{1}}"}]}, 2388073),
        ({"components": [{"type": "FOOTER", "text": "Only a footer"}]}, 2388072),
        ({"components": [body(), body()]}, None),
        (
            {"components": [body(), {"type": "BUTTONS", "buttons": [{"type": "QUICK_REPLY", "text": "x" * 26}]}]},
            2388040,
        ),
        ({"name": "News!"}, None),
        ({"language": "xx"}, None),
        ({"category": "NEWS"}, None),
        ({"components": []}, None),
        ({"message_send_ttl_seconds": 5}, None),
    ],
)
def test_what_cannot_be_a_template_is_refused_with_metas_subcode(with_account, given, subcode):
    async def act(account):
        status, said = await account.ask("POST", "/21/message_templates", template() | given)
        assert (status, said["error"]["code"]) == (400, 100)
        assert said["error"].get("error_subcode") == subcode
        assert said["error"]["error_user_msg"]

    with_account(act)


def test_quick_replies_stand_together_and_buttons_are_counted(with_account):
    reply, link = {"type": "QUICK_REPLY", "text": "Yes"}, {"type": "URL", "text": "Open", "url": "https://example.com"}

    async def act(account):
        for buttons, wanted in (
            ([reply, reply, link], 200),
            ([link, reply, reply], 200),
            ([reply, link, reply], 400),
            ([link, link, link], 400),
            ([reply] * 11, 400),
        ):
            name = f"n{wanted}_{len(buttons)}_{buttons[0]['type'].lower()}"
            parts = [body(), {"type": "BUTTONS", "buttons": buttons}]
            status, said = await account.ask("POST", "/21/message_templates", template(name=name, components=parts))
            assert status == wanted, said

    with_account(act)


def test_a_review_takes_time_and_says_why_it_rejects(with_account):
    async def act(account):
        good = await made(account)
        scam = await made(account, name="scam", components=[body("Please tell us your password today.")])
        promo = await made(account, name="promo", components=[body("Big sale: 20% off all of it, today only.")])
        assert await status_of(account, good) == "PENDING"
        await account.advance(HOUR)
        await account.receiver.until(lambda: len(account.receiver.values) == 3)
        assert await status_of(account, good) == "APPROVED"
        _, said = await account.ask("GET", f"/{scam}?fields=status,rejected_reason")
        assert said == {"status": "REJECTED", "rejected_reason": "SCAM", "id": scam}
        _, said = await account.ask("GET", f"/{promo}?fields=category,previous_category")
        assert (said["category"], said["previous_category"]) == ("MARKETING", "UTILITY")
        told = {value["message_template_id"]: value for _, value in account.receiver.values}
        assert told[int(scam)]["reason"] == "SCAM"
        assert told[int(promo)]["message_template_category"] == "MARKETING"

    with_account(act, delay=1.0)


def test_red_quality_pauses_three_hours_then_six_then_disables_for_ever(with_account):
    async def act(account):
        news = await made(account)
        for hours, title in ((3, "FIRST_PAUSE"), (6, "SECOND_PAUSE")):
            await account.admin("templates", id=news, quality="RED")
            assert await status_of(account, news) == "PAUSED"
            await account.advance(hours * HOUR - 60)
            assert await status_of(account, news) == "PAUSED"
            await account.advance(61)
            await account.receiver.until(lambda title=title: ("PAUSED", title) in events(account))
            assert await status_of(account, news) == "APPROVED"
        await account.admin("templates", id=news, quality="RED")
        assert await status_of(account, news) == "DISABLED"
        status, said = await account.ask("DELETE", "/21/message_templates?name=news")
        assert (status, said["error"]["code"]) == (400, 100)
        await account.receiver.until(lambda: ("DISABLED", None) in events(account))
        assert events(account) == [
            ("APPROVED", None), ("PAUSED", "FIRST_PAUSE"), ("APPROVED", "UNPAUSE"), ("PAUSED", "SECOND_PAUSE"),
            ("APPROVED", "UNPAUSE"), ("DISABLED", None),
        ]  # fmt: skip

    with_account(act, review=False)


def test_people_who_block_make_a_templates_quality_fall(with_account):
    async def act(account):
        await made(account)
        sent = {"name": "news", "language": {"code": "en_US"}}
        for number in range(40):
            status, said = await account.send(to=f"+336000001{number:02d}", type="template", template=sent)
            if status != 200:
                assert said["error"]["code"] == 132015
                break
        await account.receiver.until(lambda: ("PAUSED", "FIRST_PAUSE") in events(account))
        status, said = await account.send(to="+33600000199", type="template", template=sent)
        assert said["error"]["code"] == 132015

    blocking = [{"phone": f"+336000001{number:02d}", "blocks": 1.0} for number in range(40)]
    with_account(act, review=False, people=blocking)


def test_a_pause_by_pacing_ends_only_by_a_person_after_five_minutes(with_account):
    async def act(account):
        news = await made(account)
        await account.admin("templates", id=news, status="PAUSED", paced=True)
        assert (await account.ask("POST", f"/{news}/unpause"))[1]["success"] is False
        await account.advance(DAY)
        assert await status_of(account, news) == "PAUSED"
        assert (await account.ask("POST", f"/{news}/unpause"))[1] == {"success": True}
        assert await status_of(account, news) == "APPROVED"
        assert (await account.ask("POST", f"/{news}/unpause"))[1]["success"] is False

    with_account(act, review=False)


def test_an_unused_template_is_archived_and_gone_28_days_later_unless_taken_out(with_account):
    async def act(account):
        kept, lost = await made(account), await made(account, name="lost")
        await account.advance(181 * DAY)
        await account.receiver.until(lambda: events(account).count(("ARCHIVED", None)) == 2)
        for path in ("/21/message_templates/unarchive", "/v24.0/21/message_templates/unarchive"):
            address = account.server.address + path
            async with account.session.post(
                address, json={"hsm_ids": [kept]}, headers={"Authorization": "Bearer T"}
            ) as answer:
                said = await answer.json()
        assert said == {"unarchived_templates": [], "failed_templates": {kept: "Template is APPROVED"}}
        await account.advance(29 * DAY)
        await account.receiver.until(lambda: ("DELETED", None) in events(account))
        assert await status_of(account, kept) == "APPROVED"
        assert (await account.ask("GET", f"/{lost}"))[1]["error"]["error_subcode"] == 33

    with_account(act, review=False)


def test_a_deleted_name_is_blocked_for_thirty_days(with_account):
    async def act(account):
        await made(account)
        assert (await account.ask("DELETE", "/21/message_templates?name=news"))[0] == 200
        _, said = await account.ask("POST", "/21/message_templates", template())
        assert said["error"]["error_subcode"] == 2388023
        await account.advance(30 * DAY + 1)
        await made(account)
        _, said = await account.ask("POST", "/21/message_templates", template())
        assert said["error"]["error_subcode"] == 2388024

    with_account(act, review=False)


def test_an_approved_template_is_edited_once_a_day_and_keeps_its_category(with_account):
    async def act(account):
        news = await made(account)
        assert (await account.ask("POST", f"/{news}", {"components": [body("Your order is on its way.")]}))[0] == 200
        _, said = await account.ask("POST", f"/{news}", {"components": [body()]})
        assert said["error"]["error_subcode"] == 2388039
        await account.advance(DAY + 1)
        assert (await account.ask("POST", f"/{news}", {"category": "MARKETING"}))[0] == 400
        assert (await account.ask("POST", f"/{news}", {"components": [body()]}))[0] == 200

    with_account(act, review=False)


def test_a_category_changes_after_a_day_of_notice(with_account):
    async def act(account):
        news = await made(account)
        await account.admin("templates", id=news, category="MARKETING")
        await account.advance(DAY + 1)
        told = lambda: [value for field, value in account.receiver.values if field == "template_category_update"]  # noqa: E731
        await account.receiver.until(lambda: len(told()) == 2)
        notice, change = told()
        assert (notice["new_category"], notice["correct_category"]) == ("UTILITY", "MARKETING")
        assert (change["previous_category"], change["new_category"]) == ("UTILITY", "MARKETING")
        assert (await account.ask("GET", f"/{news}"))[1]["category"] == "MARKETING"

    with_account(act, review=False)


def test_no_more_than_a_hundred_templates_an_hour_and_250_in_all(with_account):
    async def act(account):
        for number in range(100):
            await made(account, name=f"t{number}")
        _, said = await account.ask("POST", "/21/message_templates", template(name="more"))
        assert said["error"]["code"] == 80007
        for hour in range(2):
            await account.advance(HOUR + 1)
            for number in range(75 if hour else 74):
                await made(account, name=f"h{hour}_{number}")
        await account.advance(HOUR + 1)
        _, said = await account.ask("POST", "/21/message_templates", template(name="more"))
        assert said["error"]["error_subcode"] == 2388019

    with_account(act, review=False, webhook="")


def test_the_list_is_filtered_and_only_known_fields_are_answered(with_account):
    async def act(account):
        await made(account, name="one")
        await made(account, name="two", category="MARKETING")
        for query, names in (
            ("status=approved&name=one", ["one"]),
            ("category=MARKETING", ["two"]),
            ("status=REJECTED", []),
            ("content=left our", ["two", "one"]),
            ("language=fr", []),
        ):
            _, said = await account.ask("GET", f"/21/message_templates?fields=name&{query}")
            assert [each["name"] for each in said["data"]] == names, query
        _, said = await account.ask("GET", "/21/message_templates?fields=nome")
        assert said["error"]["message"].endswith("Tried accessing nonexisting field (nome)")
        _, said = await account.ask("GET", "/21/message_templates?after=nonsense")
        assert said["error"]["code"] == 100

    with_account(act, review=False)


def test_an_address_of_media_lives_five_minutes_and_an_id_thirty_days(with_account):
    async def act(account):
        async with account.session.post(
            f"{account.server.address}/v24.0/11/media", headers={"Authorization": "Bearer T"}, data=form()
        ) as answer:
            media = (await answer.json())["id"]
        _, said = await account.ask("GET", f"/{media}?phone_number_id=11")
        assert (await account.ask("GET", f"/{media}?phone_number_id=12"))[1]["error"]["error_subcode"] == 33
        for headers, wanted in (({"Authorization": "Bearer T"}, 200), ({}, 401)):
            async with account.session.get(said["url"], headers=headers) as answer:
                assert answer.status == wanted
        await account.advance(301)
        async with account.session.get(said["url"], headers={"Authorization": "Bearer T"}) as answer:
            assert answer.status == 404
        await account.advance(30 * DAY)
        assert (await account.ask("GET", f"/{media}"))[1]["error"]["error_subcode"] == 33

    def form():
        made = aiohttp.FormData({"messaging_product": "whatsapp", "type": "image/png"})
        made.add_field("file", b"\x89PNG\r\n--boundary\r\n", filename="a.png", content_type="image/png")
        return made

    with_account(act)


def test_a_header_wants_the_handle_of_an_upload_and_gives_back_an_address(with_account):
    def header(handle):
        return [{"type": "HEADER", "format": "IMAGE", "example": {"header_handle": [handle]}}, body()]

    async def act(account):
        for wrong in ("8920000000000001", "https://example.com/a.png"):
            status, said = await account.ask("POST", "/21/message_templates", template(components=header(wrong)))
            assert (status, said["error"]["code"], said["error"]["error_subcode"]) == (400, 131009, 2494102)
        query = "file_name=a.png&file_length=6&file_type=image/png"
        session = (await account.ask("POST", f"/31/uploads?{query}"))[1]["id"]
        address, headers = f"{account.server.address}/v24.0/{session}", {"Authorization": "OAuth T"}
        async with account.session.post(address, data=b"abc", headers=headers | {"file_offset": "0"}) as answer:
            assert "h" not in await answer.json()
        assert (await account.ask("GET", f"/{session}"))[1]["file_offset"] == 3
        async with account.session.post(address, data=b"abc", headers=headers | {"file_offset": "0"}) as answer:
            assert answer.status == 400
        async with account.session.post(address, data=b"def", headers=headers | {"file_offset": "3"}) as answer:
            handle = (await answer.json())["h"]
        news = await made(account, components=header(handle))
        _, said = await account.ask("GET", f"/{news}")
        (shown,) = said["components"][0]["example"]["header_handle"]
        assert shown.startswith("https://scontent.whatsapp.net/")
        assert (await account.ask("POST", f"/{news}", {"components": header(shown)}))[0] == 200

    with_account(act, review=False)


def test_analytics_count_what_was_sent_delivered_and_read(with_account):
    async def act(account):
        news = await made(account)
        start = int(account.world.clock.now()) - 10
        await account.send(to="+33600000001", type="template", template={"name": "news", "language": {"code": "en_US"}})
        await account.send(to="+33600000002", type="template", template={"name": "news", "language": {"code": "en_US"}})
        await account.advance(60)
        span = f".start({start}).end({start + 3600}).granularity(DAY)"
        _, said = await account.ask("GET", f"/21?fields=analytics{span}")
        assert said["analytics"]["data_points"] == [{"start": start, "end": start + 3600, "sent": 2, "delivered": 2}]
        _, said = await account.ask(
            "GET", f'/21?fields=pricing_analytics{span}.dimensions(["PRICING_CATEGORY","COUNTRY"])'
        )
        (point,) = said["pricing_analytics"]["data"][0]["data_points"]
        assert (point["pricing_category"], point["country"], point["volume"]) == ("UTILITY", "FR", 2)
        query = f"start={start}&end={start + 3600}&granularity=DAILY&template_ids=[{news}]"
        _, said = await account.ask("GET", f"/21/template_analytics?{query}")
        assert said["data"][0]["data_points"][0]["sent"] == 2
        assert (await account.ask("GET", "/21?fields=analytics.start(5)"))[1]["error"]["code"] == 100

    with_account(act, review=False)
