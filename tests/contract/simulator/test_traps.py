"""Traps of the real platform that trip clients: each is there to be met before Meta sets it."""

import pytest


@pytest.mark.parametrize(
    ("written", "told"),
    [("+55 31 98765-4321", "553187654321"), ("+5511987654321", "5511987654321"), ("+525512345678", "5215512345678")],
)
def test_numbers_of_two_countries_come_back_in_another_form_and_are_the_same_person(with_account, written, told):
    async def act(account):
        wrote = (await account.admin("say", **{"from": written, "text": "Hi"}))["id"]
        for to in (written, f"+{told}"):
            _, said = await account.send(to=to, biz_opaque_callback_data=to)
            assert said["contacts"][0]["input"] == to
            assert said["contacts"][0]["wa_id"] == told
        await account.receiver.until(lambda: len(account.receiver.statuses) >= 4)
        assert {each["recipient_id"] for each in account.receiver.statuses} == {told}
        assert account.receiver.messages[0]["from"] == told
        assert account.receiver.messages[0]["id"] == wrote
        phones = (await account.ask("GET", "/_simulator/threads"))[1]["phones"]
        assert len(phones) == 1

    with_account(act)


def test_templates_in_webhooks_have_ids_of_digits_and_languages_with_a_hyphen(with_account):
    async def act(account):
        body = {"name": "news", "language": "en_US", "category": "UTILITY",
                "components": [{"type": "BODY", "text": "Your order has left our house."}]}  # fmt: skip
        await account.admin("change", hyphens=True)
        _, made = await account.ask("POST", "/21/message_templates", body)
        assert isinstance(made["id"], str)
        await account.advance(3600)
        await account.receiver.until(lambda: account.receiver.values)
        field, value = account.receiver.values[0]
        assert (field, value["message_template_language"]) == ("message_template_status_update", "en-US")
        assert value["message_template_id"] == int(made["id"])

    with_account(act)


def test_the_window_is_said_to_be_shut_although_it_is_open(with_account):
    async def act(account):
        await account.admin("say", **{"from": "+33600000001", "text": "Hi"})
        status, _ = await account.send()
        assert status == 200
        await account.receiver.until(lambda: account.receiver.statuses)
        assert account.receiver.statuses[0]["errors"][0]["code"] == 131047

    with_account(act, plan={"rules": [{"on": "messages", "kind": "fail", "code": 131047}]})


def test_a_withheld_number_is_left_out_and_never_empty(with_account):
    async def act(account):
        await account.admin("person", phone="+33600000001", withheld=True)
        await account.admin("say", **{"from": "+33600000001", "text": "Hi"})
        await account.send()
        await account.receiver.until(lambda: len(account.receiver.statuses) >= 2)
        for _, value in account.receiver.values:
            for part in (*value.get("messages", ()), *value.get("statuses", ()), *value["contacts"]):
                assert not {"from", "wa_id", "recipient_id"} & part.keys()
                assert any(key.endswith("user_id") and part[key] for key in part)

    with_account(act)


def test_a_group_is_unknown_and_a_category_without_a_template_is_not_for_everybody(with_account):
    async def act(account):
        assert (await account.send(recipient_type="group", to="Y2FwaV9ncm91cDo"))[1]["error"]["code"] == 131041
        refused = (await account.send(category="utility"))[1]["error"]
        assert (refused["code"], "Direct Send" in refused["error_data"]["details"]) == (100, True)

    with_account(act)


def test_a_price_is_told_when_sent_and_once_more_when_it_arrived(with_account):
    async def act(account):
        await account.admin("person", phone="+33600000001", reads=1)
        await account.template()
        await account.receiver.until(lambda: len(account.receiver.statuses) == 3)
        priced = [each["status"] for each in account.receiver.statuses if "pricing" in each]
        assert priced == ["sent", "delivered"]

    with_account(act)
