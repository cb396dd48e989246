"""The business number: what it says of itself, how Meta changes it, registration, subscriptions, and the management API's manners."""

import pytest


async def change(account, **given):
    return await account.admin("numbers", **given)


def told(account, field):
    return [value for each, value in account.receiver.values if each == field]


def test_numbers_account_and_phones_have_the_name_of_the_company(with_account):
    async def act(account):
        assert (await account.ask("GET", "/11?fields=verified_name"))[1]["verified_name"] == "Larkwave"
        assert (await account.ask("GET", "/21"))[1]["name"] == "Larkwave"
        await account.admin("say", **{"from": "33600000001", "text": "Hi"})
        told = (await account.ask("GET", "/_simulator/threads"))[1]
        assert {each["name"] for each in told["numbers"]} == {"Larkwave"}

    with_account(act, name="Larkwave")


def test_a_number_says_its_level_limit_quality_and_health(with_account):
    async def act(account):
        wanted = "throughput{level},quality_rating,whatsapp_business_manager_messaging_limit,health_status,status,name_status"
        _, said = await account.ask("GET", f"/11?fields={wanted}")
        health = said.pop("health_status")
        assert said == {
            "id": "11",
            "throughput": {"level": "HIGH"},
            "quality_rating": "GREEN",
            "whatsapp_business_manager_messaging_limit": "TIER_2K",
            "status": "CONNECTED",
            "name_status": "APPROVED",
        }
        assert health["can_send_message"] == "AVAILABLE"
        assert {each["entity_type"] for each in health["entities"]} == {"PHONE_NUMBER", "WABA", "BUSINESS", "APP"}
        await change(account, phone="11", status="BANNED")
        _, said = await account.ask("GET", "/11?fields=health_status")
        assert said["health_status"]["can_send_message"] == "BLOCKED"
        assert said["health_status"]["entities"][0]["errors"][0]["error_code"] == 141000

    with_account(act, level="HIGH", tier="TIER_2K")


def test_what_meta_changes_is_told_by_webhook_and_holds(with_account):
    async def act(account):
        await change(account, quality="RED")
        await change(account, tier="TIER_10K", level="HIGH")
        await change(account, tier="TIER_UNLIMITED")
        await account.receiver.until(lambda: len(account.receiver.values) == 6)
        assert [(each["event"], each["current_limit"]) for each in told(account, "phone_number_quality_update")] == [
            ("FLAGGED", "TIER_250"),
            ("THROUGHPUT_UPGRADE", "TIER_250"),
            ("UPGRADE", "TIER_10K"),
            ("UPGRADE", "TIER_UNLIMITED"),
        ]
        limits = [each["max_daily_conversations_per_business"] for each in told(account, "business_capability_update")]
        assert limits == [10_000, -1]
        assert (account.world.portfolio.tier, account.world.numbers["11"].level) == ("TIER_UNLIMITED", "HIGH")

    with_account(act, tier="TIER_250")


@pytest.mark.parametrize("given", [{"quality": "BLUE"}, {"tier": "TIER_7"}, {"level": "FAST"}, {"phone": "99"}])
def test_a_change_nobody_knows_is_refused(with_account, given):
    async def act(account):
        status, said = await account.ask("POST", "/_simulator/numbers", given)
        assert status in {400, 404}
        assert said["error"]["error_data"]["details"]

    with_account(act)


def test_a_deregistered_number_sends_nothing_until_it_is_back(with_account):
    async def act(account):
        await account.admin("say", **{"from": "+33600000001", "text": "Hi"})
        assert (await account.ask("POST", "/11/register", {"messaging_product": "whatsapp", "pin": "111111"}))[0] == 200
        assert (await account.ask("POST", "/11/deregister"))[0] == 200
        assert (await account.send())[1]["error"]["code"] == 133010
        _, said = await account.ask("POST", "/11/register", {"messaging_product": "whatsapp", "pin": "222222"})
        assert said["error"]["code"] == 133005
        assert (await account.ask("POST", "/11/register", {"messaging_product": "whatsapp", "pin": "111111"}))[0] == 200
        assert (await account.send())[0] == 200

    with_account(act)


def test_a_new_name_is_reviewed_told_and_shown_after_registering_again(with_account):
    async def act(account):
        await account.ask("POST", "/11", {"new_display_name": "Lark", "messaging_product": "whatsapp"})
        _, said = await account.ask("GET", "/11?fields=new_name_status,verified_name")
        assert (said["new_name_status"], said["verified_name"]) == ("PENDING_REVIEW", "Simulated Company")
        await account.advance(3600)
        await account.receiver.until(lambda: bool(told(account, "phone_number_name_update")))
        assert told(account, "phone_number_name_update")[0]["decision"] == "APPROVED"
        await account.ask("POST", "/11/register", {"messaging_product": "whatsapp", "pin": "111111"})
        assert (await account.ask("GET", "/11?fields=verified_name"))[1]["verified_name"] == "Lark"

    with_account(act, delay=1.0)


def test_a_webhook_of_a_number_goes_before_the_accounts_and_the_apps(with_account):
    async def act(account):
        url = account.receiver.url
        configuration = {"override_callback_uri": f"{url}/number", "verify_token": "V"}
        assert (await account.ask("POST", "/11", {"webhook_configuration": configuration}))[0] == 200
        body = {"override_callback_uri": f"{url}/account", "verify_token": "V"}
        assert (await account.ask("POST", "/21/subscribed_apps", body))[0] == 200
        _, said = await account.ask("GET", "/11?fields=webhook_configuration")
        assert said["webhook_configuration"] == {
            "application": url,
            "whatsapp_business_account": f"{url}/account",
            "phone_number": f"{url}/number",
        }
        _, said = await account.ask("GET", "/21/subscribed_apps")
        assert said["data"][0]["override_callback_uri"] == f"{url}/account"
        assert (await account.ask("POST", "/11", {"webhook_configuration": {"override_callback_uri": ""}}))[0] == 200
        assert account.world.webhook_of("11") == f"{url}/account"

    with_account(act)


def test_a_token_is_explained_and_a_wrong_one_is_not_believed(with_account):
    async def act(account):
        _, said = await account.ask("GET", "/debug_token?input_token=T")
        assert said["data"]["is_valid"] is True
        assert {"whatsapp_business_messaging", "whatsapp_business_management"} <= set(said["data"]["scopes"])
        _, said = await account.ask("GET", "/debug_token?input_token=other")
        assert (said["data"]["is_valid"], said["data"]["error"]["code"]) == (False, 190)
        status, said = await account.ask("GET", "/11", headers={"Authorization": "Bearer other"})
        assert (status, said["error"]["code"]) == (401, 190)

    with_account(act)


def test_parameters_come_in_the_query_as_a_form_or_as_json(with_account):
    async def act(account):
        for how in ({"params": {"user": "7"}}, {"data": {"user": "8"}}, {"json": {"user": "9"}}):
            async with account.session.post(
                f"{account.server.address}/v24.0/21/assigned_users", headers={"Authorization": "Bearer T"}, **how
            ) as answer:
                assert answer.status == 200
        _, said = await account.ask("GET", "/21/assigned_users?limit=2")
        assert [each["id"] for each in said["data"]][1:] == ["7"]
        _, said = await account.ask("GET", f"/21/assigned_users?after={said['paging']['cursors']['after']}")
        assert [each["id"] for each in said["data"]] == ["8", "9"]
        assert "next" not in said["paging"]

    with_account(act)


@pytest.mark.parametrize("fields", ["a b{", "throughput{level", "analytics.start(1", "{}", "name,,x.y"])
def test_fields_that_cannot_be_read_are_refused(with_account, fields):
    async def act(account):
        status, said = await account.ask("GET", "/11", params={"fields": fields})
        assert status == 400
        assert said["error"]["code"] in {100, 2500}

    with_account(act)
