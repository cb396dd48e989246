"""What else the two clients of others offer: receipts, verification, settings, and what this account cannot do."""

import inspect
from typing import Any

import httpx
import pytest
from kapso_whatsapp import WhatsAppAPIError, WhatsAppClient
from pywa import WhatsApp, types
from pywa.errors import WhatsAppError
from pywa.types import templates as t
from pywa.types.calls import SessionDescription

from .test_peers import PERSON, PNG, ledger, says, with_pywa

__all__ = ["with_pywa"]
KEY = "-----BEGIN PUBLIC KEY-----\nMIIB\n-----END PUBLIC KEY-----"


def test_pywa_reads_types_reacts_and_asks_for_a_number(with_pywa):
    def act(wa, account):
        wrote = says(account)["id"]
        assert wa.mark_message_as_read(wrote).success
        assert wa.indicate_typing(wrote).success
        kept = httpx.get(f"{account.server.address}/_simulator/messages?inbound=1").json()["messages"]
        assert [[each["status"] for each in one["statuses"]] for one in kept] == [["read"]]
        assert wa.remove_reaction(PERSON, wrote).id
        assert wa.request_contact_info(PERSON, "Your number?").id
        with pytest.raises(WhatsAppError) as refused:
            wa.pin_message(PERSON, wrote, expiration_days=7)  # groups only
        assert refused.value.code == 131051

    with_pywa(act)


def test_pywa_verifies_a_new_number_and_keeps_settings(with_pywa):
    def act(wa, account):
        made = wa.create_phone_number(country_calling_code=33, phone_number=612345678, verified_name="Lark")
        assert wa.request_verification_code(code_method="SMS", language_code="en_US", phone_id=made.id).success
        with pytest.raises(WhatsAppError):
            wa.verify_phone_number("999999", phone_id=made.id)
        assert wa.verify_phone_number("123456", phone_id=made.id).success
        change = types.UserIdentityChangeSettings(enable_identity_key_check=True)
        assert wa.update_business_phone_number_settings(user_identity_change=change).success
        assert wa.get_business_phone_number_settings().user_identity_change.enable_identity_key_check
        assert wa.set_business_public_key(KEY).success
        assert "simulatedcompany" in wa.get_reserved_usernames()
        wa.set_username("lark.music")
        assert wa.delete_username().success
        assert [each.id for each in wa.get_owned_business_accounts()] == ["21"]
        assert list(wa.get_shared_business_accounts()) == []

    with_pywa(act)


def test_pywa_sets_the_callback_of_the_application_with_the_applications_own_token(with_pywa):
    def act(wa, account):
        token = wa.get_app_access_token(31, "S")
        fields = ["messages", "account_update"]
        assert wa.set_app_callback_url(31, token, account.receiver.url, "V", fields).success
        with pytest.raises(WhatsAppError):
            wa.get_app_access_token(31, "wrong")
        answers = [
            httpx.get(f"{account.server.address}/v24.0/{path}", params={"access_token": given}).status_code
            for path, given in (("31/subscriptions", token), ("31/subscriptions", "31|guessed"), ("21", token))
        ]
        assert answers == [200, 401, 401]  # it is the application's token, and nobody else's

    with_pywa(act)


def test_pywa_sends_marketing_apart_once_the_account_says_so(with_pywa):
    def act(wa, account):
        category = t.TemplateCategory.MARKETING
        body = t.BodyText("Twenty percent off everything this week.")
        wa.create_template(
            t.Template(name="sale", category=category, language=t.TemplateLanguage.FRENCH, components=[body])
        )
        wa.send_template(PERSON, "sale", t.TemplateLanguage.FRENCH, [])
        wa.update_business_account_settings(disable_marketing_messages_on_cloud_api=True)
        with pytest.raises(WhatsAppError) as refused:
            wa.send_template(PERSON, "sale", t.TemplateLanguage.FRENCH, [])
        assert refused.value.code == 131063
        sent = wa.send_template(PERSON, "sale", t.TemplateLanguage.FRENCH, [], use_mm_lite_api=True)
        assert ledger(account)[-1]["id"] == sent.id

    if "use_mm_lite_api" not in inspect.signature(WhatsApp.send_template).parameters:
        pytest.skip("this pywa has no marketing messages")
    with_pywa(act, review=False)


def test_pywa_streams_a_file(with_pywa):
    def act(wa, account):
        url = wa.get_media_url(wa.upload_media(PNG, mime_type="image/png", filename="a.png").id).url
        assert b"".join(wa.stream_media(url)) == PNG

    with_pywa(act)


def test_pywa_understands_the_refusal_of_calls_groups_and_flows(with_pywa):
    def act(wa, account):
        with pytest.raises(TypeError):  # pywa 4.5 leaves out an argument of its own
            wa.get_call_permissions(PERSON)
        sdp = SessionDescription(sdp_type="offer", sdp="v=0")
        assert list(wa.get_flows()) == []
        refused: dict[str, int] = {}
        for name, asked in {
            "call": lambda: wa.initiate_call(PERSON, sdp),
            "groups": lambda: list(wa.get_groups()),
            "group": lambda: wa.create_group(subject="All"),
            "flow": lambda: wa.create_flow("F", [types.FlowCategory.OTHER]),
            "link": lambda: wa.get_group_invite_link("G"),
            "template": lambda: wa.migrate_templates("404"),
        }.items():
            with pytest.raises(WhatsAppError) as error:
                asked()
            refused[name] = error.value.code
        assert {name: refused[name] for name in ("call", "groups", "group", "flow")} == {
            "call": 138000, "groups": 131215, "group": 131215, "flow": 139000,
        }  # fmt: skip

    with_pywa(act)


def test_kapso_sends_the_other_types_and_verifies_a_number(with_account):
    async def act(account):
        await account.admin("say", **{"from": PERSON, "to": "11", "text": "Hi"})
        async with WhatsAppClient(access_token="T", base_url=account.server.address, max_retries=0) as client:
            to: dict[str, Any] = {"phone_number_id": "11", "to": f"+{PERSON}"}
            messages, numbers = client.messages, client.phone_numbers
            await messages.send_contacts(**to, contacts=[{"name": {"formatted_name": "Ada L", "first_name": "Ada"}}])
            await messages.send_interactive_list(
                **to,
                body_text="Pick",
                button_text="Open",
                sections=[{"title": "A", "rows": [{"id": "1", "title": "One"}]}],
            )
            await messages.send_interactive_catalog(**to, body_text="Shop", thumbnail_product_retailer_id="sku")
            await messages.send_interactive_product(**to, catalog_id="7", product_retailer_id="sku", body_text="This")
            sections = [{"title": "All", "product_items": [{"product_retailer_id": "sku"}]}]
            await messages.send_interactive_product_list(
                **to, catalog_id="7", sections=sections, header_text="H", body_text="B"
            )
            await messages.send_interactive_location_request(**to, body_text="Where?")
            flow = {"flow_message_version": "3", "flow_id": "7", "flow_cta": "Open", "flow_token": "t"}
            await messages.send_interactive_flow(**to, body_text="Fill in", parameters=flow)
            for kind, content in (("video", {"link": "https://x/v.mp4"}), ("audio", {"link": "https://x/a.mp3"}),
                                  ("document", {"link": "https://x/d.pdf"}), ("sticker", {"link": "https://x/s.webp"})):  # fmt: skip
                await getattr(messages, f"send_{kind}")(**to, **{kind: content})
            status, made = await account.ask(
                "POST", "/21/phone_numbers", {"cc": "33", "phone_number": "612345678", "verified_name": "Lark"}
            )
            assert status == 200
            assert (await numbers.request_code(phone_number_id=made["id"], code_method="SMS"))["success"]
            assert (await numbers.verify_code(phone_number_id=made["id"], code="123456"))["success"]
            # kapso 0.3 asks for the profile here.
            assert (await numbers.get_settings(phone_number_id="11"))["data"][0]["messaging_product"] == "whatsapp"
            assert (await numbers.update_settings(phone_number_id="11", calling={"status": "ENABLED"}))["success"]
            with pytest.raises(WhatsAppAPIError):
                await client.flows.create(waba_id="21", name="F", categories=["OTHER"])
            with pytest.raises(WhatsAppAPIError):
                await client.flows.publish(flow_id="404")
        assert (await account.count())["accepted"] == 11

    with_account(act)


def test_every_method_of_pywa_is_tried_or_left_out_with_a_reason():
    """What pywa offers beyond is named here, so that its next version shows what is new."""
    tried = "".join(inspect.getsource(module) for module in (inspect.getmodule(says), inspect.getmodule(act_of)))
    left = {
        "not a call": {"add_flow_request_handler", "add_handlers", "get_flow_request_handler", "listen", "load_handlers_modules",
                       "remove_callbacks", "remove_handlers", "run", "stop_listening", "webhook_challenge_handler",
                       "get_business_access_token", "webhook_update_handler", "webhook_update_validator"},
        "calls": {"accept_call", "pre_accept_call", "reject_call", "terminate_call"},
        "groups": {"approve_group_join_requests", "delete_group", "get_group", "get_group_join_requests",
                   "reject_group_join_requests", "remove_group_participants", "reset_group_invite_link", "unpin_message",
                   "update_group_settings"},
        "flows": {"delete_flow", "deprecate_flow", "get_flow", "get_flow_assets", "get_flow_metrics", "migrate_flows",
                  "publish_flow", "update_flow_json", "update_flow_metadata"},
        "forms of Meta's own for signing up": {"create_signup", "get_signup", "get_signups", "update_signup"},
    }  # fmt: skip
    offered = {name for name, _ in inspect.getmembers(WhatsApp, callable) if not name.startswith(("_", "on_"))}
    missing = {name for name in offered if f".{name}(" not in tried} - set().union(*left.values())
    assert missing == set()


def act_of(_: Any) -> None:
    """Stand for this file."""
