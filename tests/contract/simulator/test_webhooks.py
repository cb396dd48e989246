"""Webhooks over a real socket: signed, batched, tried again for seven days, and never in the way of what comes after."""

import orjson
import pytest

from tocsin_simulator.errors import GraphError
from tocsin_simulator.webhooks import LONGEST_PAUSE_SECONDS, signature

DAY = 24 * 3600


def test_each_webhook_is_signed_over_its_raw_bytes(with_account):
    async def act(account):
        await account.admin("say", **{"from": "+33600000001", "text": "Ça va ? 👍"})
        await account.receiver.until(lambda: account.receiver.posts)
        assert account.receiver.signatures == [signature("S", account.receiver.posts[0])]

    with_account(act)


def test_what_a_person_writes_has_the_shape_of_metas_webhook(with_account):
    async def act(account):
        wamid = (await account.admin("say", **{"from": "+33600000001", "text": "Hello?", "name": "Ada"}))["id"]
        await account.receiver.until(lambda: account.receiver.posts)
        body = orjson.loads(account.receiver.posts[0])
        assert body["object"] == "whatsapp_business_account"
        assert body["entry"][0]["id"] == "21"
        value = body["entry"][0]["changes"][0]["value"]
        message = value["messages"][0]
        assert value["contacts"] == [
            {"profile": {"name": "Ada"}, "wa_id": "33600000001", "user_id": message["from_user_id"]}
        ]
        assert (message["from"], message["id"], message["text"]) == ("33600000001", wamid, {"body": "Hello?"})
        assert abs(int(message["timestamp"]) - account.world.clock.now()) < 120

    with_account(act)


def test_somebody_who_withholds_the_number_is_named_by_user_id_alone(with_account):
    async def act(account):
        user_id = account.world.people.user_id_of("33600000001")
        await account.admin("say", **{"from": user_id, "text": "Hello?"})
        await account.send()
        await account.receiver.until(lambda: account.receiver.statuses and account.receiver.messages)
        assert "from" not in account.receiver.messages[0]
        assert account.receiver.messages[0]["from_user_id"] == user_id
        assert "recipient_id" not in account.receiver.statuses[0]
        assert all("33600000001" not in post.decode() for post in account.receiver.posts)

    with_account(act, withhold=1.0)


def test_a_refused_webhook_comes_again_byte_for_byte_after_growing_pauses(with_account):
    async def act(account):
        account.receiver.answers = [500, 503, 301]
        await account.admin("say", **{"from": "+33600000001", "text": "Hello?"})
        counts = account.world.webhooks.counts
        for times, pause in enumerate((5, 10, 20), 1):
            await account.receiver.until(lambda times=times: counts["retried"] == len(account.receiver.posts) == times)
            await account.advance(pause)
        await account.receiver.until(lambda: counts["accepted"] == 1)
        await account.advance(DAY)
        assert len(set(account.receiver.posts)) == 1
        count = (await account.count())["webhooks"]
        assert (count["refused"], count["retried"], count["accepted"]) == (3, 3, 1)

    with_account(act)


def test_a_receiver_that_is_away_for_days_gets_everything_and_after_seven_nothing(with_account):
    async def act(account):
        url, account.world.settings.webhook = account.receiver.url, "http://127.0.0.1:9/"
        await account.admin("say", **{"from": "+33600000001", "text": "lost"})
        counts, tries = account.world.webhooks.counts, 0
        while not counts["given_up"]:
            tries += 1
            await account.receiver.until(lambda tries=tries: counts["retried"] == tries or counts["given_up"])
            await account.advance(LONGEST_PAUSE_SECONDS)
        assert (counts["given_up"], tries) == (1, counts["retried"] + 1)
        account.world.settings.webhook = url
        account.receiver.answers = [500] * 12
        await account.admin("say", **{"from": "+33600000001", "text": "kept"})
        for times in range(1, 14):
            await account.receiver.until(lambda times=times: counts["posts"] == tries + times == _answered(counts))
            await account.advance(LONGEST_PAUSE_SECONDS)
        assert [message["text"]["body"] for message in account.receiver.messages] == ["kept"] * 13

    with_account(act)


def _answered(counts):
    """Return how many posts came to an end, and what becomes of their webhooks is settled."""
    return counts["retried"] + counts["given_up"] + counts["accepted"]


def test_updates_go_together_up_to_the_batch_and_none_is_lost(with_account, monkeypatch):
    monkeypatch.setattr("tocsin_simulator.webhooks.LINGER_SECONDS", 0.5)

    async def act(account):
        for place in range(40):
            await account.template(to=f"+336100000{place:02d}", callback=f"row-{place}")
        await account.receiver.until(lambda: len(account.receiver.statuses) >= 100)
        await account.receiver.until(lambda: len(account.receiver.statuses) == 120)
        assert len(account.receiver.posts) < 30
        told = {(status["biz_opaque_callback_data"], status["status"]) for status in account.receiver.statuses}
        assert len(told) == 120

    with_account(act, batch=50, people=[{"phone": f"+336100000{n:02d}", "reads": 1.0} for n in range(40)])


def test_statuses_come_twice_and_in_the_wrong_order(with_account):
    async def act(account):
        for place in range(20):
            await account.template(to=f"+336100000{place:02d}", callback=f"row-{place}")
        await account.receiver.until(
            lambda: account.world.webhooks.counts["updates"] == 120 and account.world.clock.waiting == 0
        )
        await account.receiver.until(lambda: len(account.receiver.statuses) == 120)
        orders = {
            tuple(
                dict.fromkeys(
                    s["status"] for s in account.receiver.statuses if s["biz_opaque_callback_data"] == f"row-{n}"
                )
            )
            for n in range(20)
        }
        assert ("read", "delivered", "sent") in orders

    everyone = [{"phone": f"+336100000{n:02d}", "reads": 1.0} for n in range(20)]
    with_account(act, disorder=1.0, duplicates=1.0, people=everyone, batch=10)


def test_the_address_is_verified_as_meta_does(with_account):
    async def act(account):
        webhooks = account.world.webhooks
        await webhooks.verify(account.receiver.url, "V")
        for url, token in ((account.receiver.url, "wrong"), ("http://127.0.0.1:9/", "V")):
            with pytest.raises(GraphError) as refused:
                await webhooks.verify(url, token)
            assert refused.value.code == 2200

    with_account(act)


def test_webhooks_are_lost_doubled_and_wrongly_signed_when_the_plan_says_so(with_account):
    plan = {"rules": [
        {"on": "webhooks", "kind": "lose_webhooks", "from": 1, "until": 1},
        {"on": "webhooks", "kind": "repeat_webhooks", "from": 2, "until": 2},
        {"on": "webhooks", "kind": "bad_signature", "from": 3, "until": 3},
    ]}  # fmt: skip

    async def act(account):
        for place in range(3):
            await account.admin("say", **{"from": "+33600000001", "text": f"{place}"})
            await account.receiver.until(lambda place=place: account.world.webhooks._ordinal == place + 1)
        await account.receiver.until(lambda: len(account.receiver.posts) == 3)
        first, second, _ = account.receiver.posts
        assert first == second
        right = [
            signature("S", post) == given
            for post, given in zip(account.receiver.posts, account.receiver.signatures, strict=True)
        ]
        assert right == [True, True, False]

    with_account(act, plan=plan, connections=1)


def test_nothing_is_told_without_a_subscription_or_of_a_field_nobody_asked_for(with_account):
    async def act(account):
        await account.ask("DELETE", "/21/subscribed_apps")
        await account.admin("say", **{"from": "+33600000001", "text": "lost"})
        await account.ask("POST", "/21/subscribed_apps")
        account.world.records.subscribed_fields = ["messages"]
        await account.admin("emit", field="account_update", value={})
        await account.admin("say", **{"from": "+33600000001", "text": "told"})
        await account.receiver.until(lambda: account.receiver.posts)
        assert [field for field, _ in account.receiver.values] == ["messages"]
        assert [message["text"]["body"] for message in account.receiver.messages] == ["told"]

    with_account(act)
