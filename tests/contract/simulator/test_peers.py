"""Two clients of the WhatsApp Cloud API that others wrote, unmodified but for the address, work against the simulator."""

import asyncio
import datetime as dt
import hashlib
from typing import Any

import httpx
import orjson
import pytest
from kapso_whatsapp import WhatsAppClient
from pywa import WhatsApp, types
from pywa.errors import WhatsAppError
from pywa.types import templates as t

PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010806000000"
    "1f15c4890000000d49444154789c6360f8cf500f0003860180345b0e080000000049454e44ae426082"
)
PERSON = "33600000001"


class Loopback(httpx.HTTPTransport):
    """Brings what is meant for Meta's hosts to the simulator."""

    def __init__(self, address: str) -> None:
        super().__init__()
        self._url = httpx.URL(address)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        request.url = request.url.copy_with(scheme="http", host=self._url.host, port=self._url.port)
        request.headers["host"] = self._url.netloc.decode()
        return super().handle_request(request)


@pytest.fixture
def with_pywa(with_account):
    """Run ``act(wa, account)`` in a thread of its own: pywa is synchronous."""

    def run(act, **given):
        async def whole(account):
            def inside():
                with httpx.Client(transport=Loopback(account.server.address)) as session:
                    wa = WhatsApp(
                        phone_id="11", token="T", waba_id="21", app_id=31, app_secret="S", verify_token="V",
                        business_portfolio_id="41", session=session, filter_updates=False,
                    )  # fmt: skip
                    act(wa, account)

            await asyncio.to_thread(inside)

        with_account(whole, **given)

    return run


def says(account: Any, **body: Any) -> dict[str, Any]:
    """A person writes first, so that the service window is open."""
    return httpx.post(
        f"{account.server.address}/_simulator/say", json={"from": PERSON, "to": "11", "text": "Hi"} | body
    ).json()


def ledger(account: Any) -> list[dict[str, Any]]:
    return httpx.get(f"{account.server.address}/_simulator/messages").json()["messages"]


def advance(account: Any, seconds: float) -> None:
    httpx.post(f"{account.server.address}/_simulator/advance", json={"seconds": seconds}).raise_for_status()


def test_pywa_sends_every_type_of_message(with_pywa):
    def act(wa, account):
        says(account)
        image = wa.upload_media(PNG, mime_type="image/png", filename="a.png")
        first = wa.send_text(PERSON, "Hello *you*", tracker="row-1", preview_url=True)
        wa.send_message(
            PERSON, "Pick", header="H", footer="F", buttons=[types.Button("Yes", "y"), types.Button("No", "n")]
        )
        rows = [types.SectionRow(title="One", callback_data="1", description="first")]
        wa.send_message(PERSON, "Choose", buttons=types.SectionList("Open", [types.Section("All", rows)]))
        wa.send_message(PERSON, "Read on", buttons=types.URLButton("Open", "https://example.com"))
        wa.send_message(PERSON, "Number?", buttons=types.ContactInfoRequestButton())
        wa.send_image(PERSON, image.id, caption="A picture")
        wa.send_image(PERSON, image.id, caption="With buttons", buttons=[types.Button("Yes", "y")])
        wa.send_video(PERSON, "https://example.com/v.mp4", caption="v")
        wa.send_audio(PERSON, "https://example.com/a.mp3")
        wa.send_document(PERSON, "https://example.com/d.pdf", filename="d.pdf", caption="d")
        wa.send_sticker(PERSON, "https://example.com/s.webp")
        wa.send_location(PERSON, 48.85, 2.35, name="Paris", address="Here")
        wa.request_location(PERSON, "Where are you?")
        contact = types.Contact(name=types.Contact.Name(formatted_name="Ada L", first_name="Ada"))
        wa.send_contact(PERSON, contact)
        wa.send_reaction(PERSON, "👍", message_id=first.id)
        wa.send_catalog(PERSON, "Our shop", thumbnail_product_sku="sku")
        wa.send_product(PERSON, "77", "sku", body="This")
        wa.send_products(
            PERSON, "77", [types.ProductsSection("All", ["sku1", "sku2"])], title="Shop", body="Look", footer="F"
        )
        cards = [
            types.ImageCarouselCard(
                image="https://example.com/a.png",
                body=f"Card {place}",
                buttons=types.URLButton("Open", "https://example.com"),
            )
            for place in range(2)
        ]
        wa.send_carousel(PERSON, body="Look", cards=cards)
        wa.send_voice(PERSON, "https://example.com/v.ogg")
        wa.send_message(PERSON, "Fill in", buttons=types.FlowButton("Open", flow_id="7", flow_action_screen="ONE"))
        wa.send_message(PERSON, "May we call?", buttons=types.CallPermissionRequestButton())
        sent = [each for each in ledger(account) if not each["inbound"]]
        assert len(sent) == 22
        assert sent[0]["callback"] == "row-1"
        assert {each["type"] for each in sent} == {
            "text", "interactive", "image", "video", "audio", "document", "sticker", "location", "contacts", "reaction",
        }  # fmt: skip
        assert first.chat.id == PERSON

    with_pywa(act)


def test_pywa_reads_back_the_error_of_a_shut_window(with_pywa):
    def act(wa, account):
        with pytest.raises(WhatsAppError) as refused:
            wa.send_text(PERSON, "Nobody wrote to us")
        assert refused.value.code == 131047
        assert refused.value.fbtrace_id

    with_pywa(act)


def test_pywa_makes_lists_edits_and_deletes_templates(with_pywa):
    def act(wa, account):
        made = wa.create_template(
            t.Template(
                name="order_news",
                category=t.TemplateCategory.UTILITY,
                language=t.TemplateLanguage.ENGLISH_US,
                parameter_format=t.ParamFormat.NAMED,
                components=[
                    t.HeaderText("Order {{number}}", number="77"),
                    t.BodyText("Dear {{name}}, your order has left our house today.", name="Ada"),
                    t.FooterText(text="Lark"),
                    t.Buttons(
                        buttons=[
                            t.URLButton(text="Track", url="https://example.com/{{1}}", example="7"),
                            t.QuickReplyButton(text="Stop"),
                        ]
                    ),
                ],
            )
        )
        assert made.status == "PENDING"
        advance(account, 3600)
        found = wa.get_templates(name="order_news")
        assert (found.total_count, found.message_template_limit, found.are_translations_complete) == (1, 250, True)
        assert found[0].status == t.TemplateStatus.APPROVED
        assert wa.get_template(made.id).components[1].text.startswith("Dear")
        params = [
            t.HeaderText.params(number="5"),
            t.BodyText.params(name="Ada"),
            t.URLButton.params(url_variable="5", index=0),
            t.QuickReplyButton.params(callback_data="stop", index=1),
        ]
        sent = wa.send_template(PERSON, "order_news", t.TemplateLanguage.ENGLISH_US, params)
        assert ledger(account)[-1]["id"] == sent.id
        edited = wa.update_template(made.id, new_components=[t.BodyText("Your order has left our house.")])
        assert edited.success
        assert wa.archive_templates([made.id]).archived == (made.id,)
        assert wa.unarchive_templates([made.id, "404"]).failed == {"404": "Template not found"}
        assert wa.unpause_template(made.id).success is False
        assert wa.delete_template("order_news").success
        assert wa.get_templates(name="order_news").total_count == 0

    with_pywa(act)


def test_pywa_pages_through_templates_to_the_end(with_pywa):
    def act(wa, account):
        for number in range(7):
            wa.create_template(
                t.Template(
                    name=f"many_{number}",
                    category=t.TemplateCategory.UTILITY,
                    language=t.TemplateLanguage.ENGLISH_US,
                    components=[t.BodyText("Your order has left our house.")],
                )
            )
        page = wa.get_templates(name="many", pagination=types.Pagination(limit=3))
        names = [each.name for each in page]
        while page.has_next:
            # page.next() of pywa 4.5 breaks on its own list of templates; its cursors are good.
            page = wa.get_templates(name="many", pagination=types.Pagination(limit=3, after=page.after))
            names += [each.name for each in page]
        assert sorted(names) == [f"many_{number}" for number in range(7)]
        assert len(names) == 7
        assert page.has_previous

    with_pywa(act, review=False)


def test_pywa_upserts_authentication_templates_and_uploads_a_sample(with_pywa):
    def act(wa, account):
        made = wa.upsert_authentication_template(
            name="code",
            languages=[t.TemplateLanguage.ENGLISH_US, t.TemplateLanguage.FRENCH],
            otp_button=t.CopyCodeOTPButton(text="Copy"),
            add_security_recommendation=True,
            code_expiration_minutes=10,
        )
        assert [each.status for each in made.templates] == ["APPROVED", "APPROVED"]
        wa.create_template(
            t.Template(
                name="picture",
                category=t.TemplateCategory.MARKETING,
                language=t.TemplateLanguage.FRENCH,
                components=[t.HeaderImage(PNG), t.BodyText("Regardez notre nouvelle image.")],
            )
        )
        header = wa.get_templates(name="picture")[0].components[0]
        assert header.format == "IMAGE"

    with_pywa(act, review=False)


def test_pywa_uploads_downloads_and_deletes_media(with_pywa, tmp_path):
    def act(wa, account):
        media = wa.upload_media(PNG, mime_type="image/png", filename="dot.png")
        found = wa.get_media_url(media.id)
        assert (found.mime_type, found.file_size, found.sha256) == (
            "image/png",
            len(PNG),
            hashlib.sha256(PNG).hexdigest(),
        )
        assert wa.get_media_bytes(found.url) == PNG
        assert wa.download_media(url=found.url, path=tmp_path, filename="b.png").read_bytes() == PNG
        advance(account, 301)
        with pytest.raises(httpx.HTTPStatusError):
            wa.get_media_bytes(found.url)
        assert wa.delete_media(media.id).success
        with pytest.raises(WhatsAppError):
            wa.get_media_url(media.id)

    with_pywa(act)


def test_pywa_manages_number_profile_codes_and_account(with_pywa):
    def act(wa, account):
        wa.update_business_profile(
            about="Music", email="help@example.com", industry=types.Industry.ENTERTAIN, websites=["https://example.com"],
            description=None,
        )  # fmt: skip
        profile = wa.get_business_profile()
        assert (profile.about, profile.industry) == ("Music", types.Industry.ENTERTAIN)
        number = wa.get_business_phone_number()
        assert (number.quality_rating, number.throughput["level"]) == ("GREEN", "STANDARD")
        assert [each.id for each in wa.get_business_phone_numbers()] == ["11", "12"]
        assert wa.get_business_account().id == "21"
        assert wa.update_commerce_settings(is_catalog_visible=True).success
        assert wa.get_commerce_settings().is_catalog_visible is True
        code = wa.create_qr_code("Tell me more", image_type="SVG")
        assert wa.get_qr_code(code.code).prefilled_message == "Tell me more"
        assert wa.update_qr_code(code.code, "Tell me all").prefilled_message == "Tell me all"
        assert [each.code for each in wa.get_qr_codes()] == [code.code]
        assert wa.delete_qr_code(code.code).success
        assert wa.update_conversational_automation(
            ice_breakers=["Help"], commands=[types.Command("help", "Get help")]
        ).success
        assert wa.update_display_name("New Name").success
        assert wa.set_username("lark.music")
        assert wa.get_current_username().username == "lark.music"
        assert wa.register_phone_number("123456").success
        with pytest.raises(WhatsAppError) as refused:
            wa.register_phone_number("654321")
        assert refused.value.code == 133005
        assert wa.deregister_phone_number().success

    with_pywa(act)


def test_pywa_blocks_only_those_who_wrote_lately(with_pywa):
    def act(wa, account):
        says(account)
        assert [each.wa_id for each in wa.block_users([PERSON]).added_users] == [PERSON]
        assert [each.wa_id for each in wa.get_blocked_users()] == [PERSON]
        with pytest.raises(WhatsAppError) as refused:
            wa.block_users([PERSON, "33600000009"])
        assert refused.value.code == 139100
        assert [each.wa_id for each in wa.unblock_users([PERSON]).removed_users] == [PERSON]

    with_pywa(act)


def test_pywa_overrides_the_webhook_after_the_challenge(with_pywa):
    def act(wa, account):
        assert wa.override_waba_callback_url(account.receiver.url + "2", "V")
        assert wa.delete_waba_callback_url()
        with pytest.raises(WhatsAppError):
            wa.override_waba_callback_url(account.receiver.url, "wrong")
        assert wa.override_phone_callback_url(account.receiver.url, "V")
        assert wa.delete_phone_callback_url()

    with_pywa(act)


def test_pywa_receives_our_webhooks_whatever_they_tell(with_account):
    """Every webhook is validated and understood by pywa's own receiver: handlers of each kind fire."""
    heard: list[Any] = []

    async def act(account):
        wa = WhatsApp(phone_id="11", token="T", waba_id="21", app_secret="S", verify_token="V", filter_updates=False)
        for each in ("message", "message_status", "template_status_update", "template_quality_update",
                     "template_category_update", "template_components_update", "callback_button"):  # fmt: skip
            getattr(wa, f"on_{each}")(lambda _, update: heard.append(update))
        await account.admin("say", **{"from": PERSON, "to": "11", "text": "Hi"})
        await account.send(to=f"+{PERSON}", type="text", text={"body": "Hello"}, biz_opaque_callback_data="row-9")
        body = {"name": "news", "language": "en_US", "category": "UTILITY",
                "components": [{"type": "BODY", "text": "Your order has left our house."}]}  # fmt: skip
        _, made = await account.ask("POST", "/21/message_templates", body)
        await account.advance(3600)
        await account.admin("templates", id=made["id"], quality="RED")
        await account.admin("templates", id=made["id"], category="MARKETING")
        await account.ask("POST", f"/{made['id']}", {"components": body["components"]})

        def kinds() -> set[str]:
            return {type(each).__name__ for each in heard}

        await account.receiver.until(lambda: len(account.receiver.values) >= 9)
        for raw, signature in zip(account.receiver.posts, account.receiver.signatures, strict=True):
            assert wa.webhook_update_validator(raw, signature) is None
            assert wa.webhook_update_validator(raw + b" ", signature) == ("Forbidden", 403)
            assert (await asyncio.to_thread(wa.webhook_update_handler, raw))[1] == 200
        assert kinds() >= {
            "Message", "MessageStatus", "TemplateStatusUpdate", "TemplateQualityUpdate", "TemplateCategoryUpdate",
            "TemplateComponentsUpdate",
        }  # fmt: skip
        statuses = [each for each in heard if type(each).__name__ == "MessageStatus"]
        assert {each.tracker for each in statuses} == {"row-9"}
        rejected = [each for each in heard if type(each).__name__ == "TemplateStatusUpdate"]
        assert [each.new_status for each in rejected][:2] == ["APPROVED", "PAUSED"]

    with_account(act)


def test_kapso_sends_every_type_and_manages_the_rest(with_account):
    async def act(account):
        await account.admin("say", **{"from": PERSON, "to": "11", "text": "Hi"})
        async with WhatsAppClient(access_token="T", base_url=account.server.address, max_retries=0) as client:
            to: dict[str, Any] = {"phone_number_id": "11", "to": f"+{PERSON}"}
            messages = client.messages
            text = await messages.send_text(**to, body="Hello")
            media = await client.media.upload(phone_number_id="11", file=PNG, type="image/png", filename="a.png")
            await messages.send_image(**to, image={"id": media.id, "caption": "A picture"})
            await messages.send_location(**to, location={"latitude": 48.85, "longitude": 2.35, "name": "Paris"})
            await messages.send_reaction(**to, reaction={"message_id": text.messages[0].id, "emoji": "👍"})
            await messages.send_interactive_buttons(**to, body_text="Pick", buttons=[{"id": "y", "title": "Yes"}])
            await messages.send_interactive_cta_url(
                **to, body_text="Go", parameters={"display_text": "Open", "url": "https://example.com"}
            )
            assert await client.media.download(media_id=media.id, phone_number_id="11") == PNG
            assert (await client.media.get(media_id=media.id)).file_size == len(PNG)
            assert (await client.media.delete(media_id=media.id))["success"]
            await client.templates.create(
                business_account_id="21", name="kapso_one", language="en_US", category="UTILITY",
                components=[{"type": "BODY", "text": "Your order has left our house."}],
            )  # fmt: skip
            await account.advance(3600)
            found = await client.templates.list(business_account_id="21", status="APPROVED", name="kapso_one")
            assert [each["name"] for each in found["data"]] == ["kapso_one"]
            assert (await client.templates.get(template_id=found["data"][0]["id"]))["status"] == "APPROVED"
            await messages.send_template(**to, template={"name": "kapso_one", "language": {"code": "en_US"}})
            assert (await client.templates.delete(business_account_id="21", name="kapso_one"))["success"]
            numbers = client.phone_numbers
            await numbers.update_business_profile(phone_number_id="11", about="Music", websites=["https://example.com"])
            profile = await numbers.get_business_profile(phone_number_id="11")
            assert profile["data"][0]["about"] == "Music"
            await numbers.register(phone_number_id="11", pin="123456")
            await messages.mark_read(phone_number_id="11", message_id=account.receiver.messages[0]["id"])
            await numbers.deregister(phone_number_id="11")
        assert (await account.count())["accepted"] == 7

    with_account(act)


def test_a_webhook_of_ours_reads_as_metas_examples_do(with_account, data_folder):
    """The keys of a status update of a template are those of the recorded examples, and the id is a number."""
    examples = orjson.loads(
        (data_folder / "whatsapp-webhooks" / "pywa_fixtures" / "updates" / "template_status_update.json").read_bytes()
    )

    async def act(account):
        for name, text in (
            ("good", "Your order has left our house."),
            ("bad", "Dear {{1}}{{2}}, all of it is well now."),
        ):
            example = {"example": {"body_text": [["a", "b"]]}} if "{{" in text else {}
            component = {"type": "BODY", "text": text} | example
            body = {"name": name, "language": "en_US", "category": "UTILITY", "components": [component]}
            assert (await account.ask("POST", "/21/message_templates", body))[0] == 200
        await account.advance(3600)
        await account.receiver.until(lambda: len(account.receiver.values) == 2)
        ours = {value["event"]: (field, value) for field, value in account.receiver.values}
        for kind in ("approved", "rejected"):
            change = examples[kind]["entry"][0]["changes"][0]
            field, value = ours[kind.upper()]
            assert field == change["field"]
            assert value.keys() == change["value"].keys()
            assert {key: type(each) for key, each in value.items()} == {
                key: type(each) for key, each in change["value"].items()
            }
        assert (
            ours["REJECTED"][1]["rejection_info"]
            == examples["rejected"]["entry"][0]["changes"][0]["value"]["rejection_info"]
        )

    with_account(act)


def test_templates_are_compared_only_when_sent_a_thousand_times(with_pywa):
    def act(wa, account):
        ids = [
            wa.create_template(
                t.Template(name=name, category=t.TemplateCategory.UTILITY, language=t.TemplateLanguage.FRENCH,
                           components=[t.BodyText("Votre commande est partie.")])
            ).id
            for name in ("one", "two")
        ]  # fmt: skip
        end = dt.datetime.now(dt.UTC)
        start = end - dt.timedelta(days=7)
        with pytest.raises(WhatsAppError):
            wa.compare_templates(ids[0], ids[1], start=start, end=end)
        for each in ids:
            account.world.templates[each].extra["sent"] = 1000
        assert wa.compare_templates(ids[0], ids[1], start=start, end=end).times_sent == dict.fromkeys(ids, 1000)

    with_pywa(act, review=False)
