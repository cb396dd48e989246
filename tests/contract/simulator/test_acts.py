"""What people do, and the webhook of each act."""

import base64
import hashlib

DAY = 24 * 3600

BUTTONS = {
    "type": "button",
    "body": {"text": "Was it you?"},
    "action": {
        "buttons": [
            {"type": "reply", "reply": {"id": "y", "title": "Yes"}},
            {"type": "reply", "reply": {"id": "n", "title": "No"}},
        ]
    },
}
LIST = {
    "type": "list",
    "body": {"text": "Which?"},
    "action": {
        "button": "Open",
        "sections": [{"rows": [{"id": "a", "title": "A", "description": "first"}, {"id": "b", "title": "B"}]}],
    },
}


async def opened(account) -> None:
    await account.admin("say", **{"from": "+33600000001", "text": "Hello?"})
    await account.receiver.until(lambda: account.receiver.messages)


def test_people_answer_in_words_by_button_and_from_a_list(with_account):
    async def act(account):
        await opened(account)
        for callback, interactive in (("b", BUTTONS), ("l", LIST)):
            await account.send(type="interactive", interactive=interactive, biz_opaque_callback_data=callback)
        await account.admin("answer", callback="b", text="I do not know")
        await account.admin("answer", callback="b", button=1)
        await account.admin("answer", callback="l", row=0)
        await account.receiver.until(lambda: len(account.receiver.messages) == 4)
        _, words, button, row = sorted(account.receiver.messages, key=lambda message: message["id"])
        by_type = {str(message.get("interactive", message.get("text"))) for message in (words, button, row)}
        assert by_type == {
            "{'body': 'I do not know'}",
            "{'type': 'button_reply', 'button_reply': {'id': 'n', 'title': 'No'}}",
            "{'type': 'list_reply', 'list_reply': {'id': 'a', 'title': 'A', 'description': 'first'}}",
        }
        answered = [message for message in account.receiver.messages if "context" in message]
        assert all(message["context"]["from"] == "15550100001" for message in answered)
        status, _ = await account.ask("POST", "/_simulator/answer", {"callback": "b", "button": 7})
        assert status == 400

    with_account(act)


def test_what_somebody_blocked_stays_sent(with_account):
    async def act(account):
        await account.admin("block", **{"from": "+33600000001"})
        await account.template(callback="row-1")
        await account.receiver.until(lambda: account.receiver.statuses)
        await account.advance(3600)
        await account.admin("unblock", **{"from": "+33600000001"})
        await account.template(callback="row-2")
        await account.receiver.until(lambda: len(account.receiver.statuses) >= 3)
        told = [(status["biz_opaque_callback_data"], status["status"]) for status in account.receiver.statuses]
        assert told[:3] == [("row-1", "sent"), ("row-2", "sent"), ("row-2", "delivered")]

    with_account(act)


def test_who_stopped_marketing_gets_none_and_says_so(with_account):
    async def act(account):
        await account.admin(
            "template",
            name="offer",
            language="en",
            category="MARKETING",
            components=[{"type": "BODY", "text": "Sale."}],
        )
        await account.admin("prefer", **{"from": "+33600000001", "value": "stop"})
        await account.template(name="offer", components=[])
        await account.template(to="+15551234567", name="offer", components=[])
        await account.receiver.until(lambda: len(account.receiver.statuses) == 2)
        assert [status["errors"][0]["code"] for status in account.receiver.statuses] == [131050, 131049]
        field, value = account.receiver.values[0]
        assert (field, value["user_preferences"][0]["value"]) == ("user_preferences", "stop")

    with_account(act)


def test_a_changed_number_and_a_changed_user_id_are_told_as_system_messages(with_account):
    async def act(account):
        old = account.world.people.user_id_of("33600000001")
        await account.admin("move", **{"from": "+33600000001", "to": "+33600000002"})
        await account.admin("move", **{"from": "+33600000002"})
        await account.receiver.until(lambda: len(account.receiver.messages) == 2)
        moved, renamed = (message["system"] for message in account.receiver.messages)
        assert (moved["type"], moved["wa_id"], moved["previous_user_id"]) == ("user_changed_number", "33600000002", old)
        assert (renamed["type"], renamed["previous_user_id"]) == ("user_changed_user_id", moved["user_id"])
        assert account.world.people.phone_of(renamed["user_id"]) == "33600000002"

    with_account(act)


def test_reading_and_reacting_by_hand(with_account):
    async def act(account):
        await opened(account)
        _, said = await account.send(biz_opaque_callback_data="row-1")
        wamid = said["messages"][0]["id"]
        await account.admin("read", id=wamid)
        await account.admin("react", id=wamid, emoji="👍")
        await account.admin("react", callback="row-1")
        await account.receiver.until(lambda: len(account.receiver.messages) == 3)
        reactions = [message["reaction"] for message in account.receiver.messages[1:]]
        assert reactions == [{"message_id": wamid, "emoji": "👍"}, {"message_id": wamid}]
        await account.receiver.until(lambda: "read" in {status["status"] for status in account.receiver.statuses})

    with_account(act, people=[{"phone": "+33600000001", "reads": 0.0}])


def test_people_of_a_file_answer_and_block_by_themselves(with_account):
    people = [
        {"phone": "+33600000001", "answers": 1.0, "answer": "Not me!"},
        {"phone": "+33600000002", "blocks": 1.0},
        {"phone": "+33600000003", "receives": 0.0, "answers": 1.0},
        {"phone": "+33600000004", "on_whatsapp": False},
    ]

    async def act(account):
        for place in range(1, 5):
            await account.template(to=f"+3360000000{place}", callback=str(place))
        callbacks = {"1", "2", "3", "4"}
        await account.receiver.until(
            lambda: (
                account.receiver.messages
                and {status["biz_opaque_callback_data"] for status in account.receiver.statuses} == callbacks
            )
        )
        assert account.world.people.known["33600000002"].blocked
        assert [message["text"]["body"] for message in account.receiver.messages] == ["Not me!"]
        told = {}
        for status in account.receiver.statuses:
            told.setdefault(status["biz_opaque_callback_data"], set()).add(status["status"])
        assert told["3"] == {"sent"}
        assert told["4"] == {"failed"}

    with_account(act, people=people)


def test_two_runs_with_one_seed_tell_the_same_story(with_account):
    stories = []

    async def act(account):
        for place in range(30):
            await account.template(to=f"+336100000{place:02d}", callback=f"row-{place}")
        await account.receiver.until(
            lambda: (
                account.world.clock.waiting == 0
                and len(account.receiver.statuses) == account.world.webhooks.counts["updates"]
            )
        )
        stories.append(sorted((s["biz_opaque_callback_data"], s["status"], s["id"]) for s in account.receiver.statuses))

    with_account(act, seed=5, duplicates=0.3)
    with_account(act, seed=5, duplicates=0.3)
    with_account(act, seed=6, duplicates=0.3)
    assert stories[0] == stories[1] != stories[2]


def test_any_update_can_be_told_and_what_makes_no_sense_is_refused(with_account):
    async def act(account):
        await account.admin("emit", field="account_update", value={"event": "ACCOUNT_RESTRICTION"})
        await account.receiver.until(lambda: account.receiver.values)
        assert account.receiver.values == [("account_update", {"event": "ACCOUNT_RESTRICTION"})]
        for name, body in (
            ("emit", {}), ("say", {"text": "x"}), ("say", {"from": "+336"}), ("say", {"from": "+336", "text": "x", "phone": "404"}),
            ("advance", {"seconds": -1}), ("read", {"id": "wamid.no"}), ("change", {"token": ""}), ("change", {"speed": 0}), ("change", {"moon": 1}), ("prefer", {"from": "+336"}),
        ):  # fmt: skip
            assert (await account.ask("POST", f"/_simulator/{name}", body))[0] == 400, name
        await account.admin("change", delay=0.5, batch=7, token="T2")
        assert (await account.template())[1]["error"]["code"] == 190
        assert (account.world.settings.batch, account.world.settings.delay) == (7, 0.5)

    with_account(act)


def test_people_write_first_by_themselves_and_again(with_account):
    async def act(account):
        for times in range(1, 4):
            await account.advance(600)
            await account.receiver.until(lambda times=times: len(account.receiver.messages) == times)
        assert {message["text"]["body"] for message in account.receiver.messages} == {"Help"}

    with_account(act, people=[{"phone": "+33600000001", "writes_every_seconds": 600, "writes": "Help"}])


def test_a_file_somebody_sends_can_be_fetched_and_has_the_digest_of_the_webhook(with_account):
    async def act(account):
        content = base64.b64encode(b"\x89PNG not really").decode()
        media = {"type": "image", "mime_type": "image/png", "base64": content, "caption": "Look"}
        await account.admin("say", **{"from": "+33600000001", "media": media})
        await account.receiver.until(lambda: account.receiver.messages)
        image = account.receiver.messages[0]["image"]
        assert (image["mime_type"], image["caption"]) == ("image/png", "Look")
        digest = hashlib.sha256(b"\x89PNG not really")
        assert base64.b64decode(image["sha256"]) == digest.digest()
        _, told = await account.ask("GET", f"/{image['id']}")
        assert told["sha256"] == digest.hexdigest()
        async with account.session.get(image["url"], headers={"Authorization": "Bearer T"}) as answer:
            assert await answer.read() == b"\x89PNG not really"
        for wrong in ({}, {"type": "image", "base64": "no!"}):
            assert (await account.ask("POST", "/_simulator/say", {"from": "+336", "media": wrong}))[0] == 400

    with_account(act)


def test_a_phone_that_is_off_gets_its_messages_later_or_never(with_account):
    async def act(account):
        await account.admin("away", **{"from": "+33600000001", "seconds": 3 * DAY})
        await account.template(callback="kept")
        await account.admin("away", **{"from": "+33600000002", "seconds": 40 * DAY})
        await account.template(to="+33600000002", callback="expired")
        await account.receiver.until(lambda: len(account.receiver.statuses) == 2)
        await account.advance(DAY * 3)
        await account.receiver.until(lambda: len(account.receiver.statuses) > 2)
        await account.advance(DAY * 60)
        await account.template(to="+33600000003", callback="last")
        await account.receiver.until(lambda: account.receiver.statuses[-1]["biz_opaque_callback_data"] == "last")
        told = {(status["biz_opaque_callback_data"], status["status"]) for status in account.receiver.statuses}
        assert ("kept", "delivered") in told
        assert {status for callback, status in told if callback == "expired"} == {"sent"}

    with_account(act)


def test_two_machines_that_answer_each_other_come_to_an_end(with_account):
    async def act(account):
        for times in range(1, 4):
            await account.template(callback=str(times))
            await account.receiver.until(lambda times=times: len(account.receiver.messages) >= min(times, 2))
        await account.receiver.until(lambda: "3" in {s["biz_opaque_callback_data"] for s in account.receiver.statuses})
        assert len(account.receiver.messages) == 2

    with_account(act, people=[{"phone": "+33600000001", "answers": 1.0, "patience": 2}])


def test_which_messages_never_came_and_how_fast_the_others_did(with_account):
    async def act(account):
        await account.template(callback="row-1")
        said = await account.admin("missing", callbacks=["row-1", "row-2"])
        assert said == {"missing": ["row-2"]}
        assert (await account.admin("missing", callbacks=["row-1"], phone="12")) == {"missing": ["row-1"]}
        _, pace = await account.ask("GET", "/_simulator/pace?phone=11")
        assert list(pace["by_phone"]["11"].values()) == [1]

    with_account(act)


def test_somebody_reads_and_answers_after_the_seconds_one_says(with_account):
    async def act(account):
        described = {"phone": "+33600000001", "reads": 1.0, "reads_after_seconds": 60, "answers": 1.0,
                     "answers_after_seconds": 30, "answer": "Not me"}  # fmt: skip
        await account.admin("person", **described)
        await account.template()
        await account.receiver.until(lambda: len(account.receiver.statuses) == 2)
        await account.advance(61)
        await account.receiver.until(lambda: len(account.receiver.statuses) == 3)
        assert not account.receiver.messages
        await account.advance(30)
        await account.receiver.until(lambda: account.receiver.messages)
        assert account.receiver.messages[0]["text"] == {"body": "Not me"}
        for wrong in ({}, {"phone": "+33"} | {"colour": 1}, {"phone": "+33600000001", "reads": "often"}):
            assert (await account.ask("POST", "/_simulator/person", wrong))[0] == 400

    with_account(act)


def test_a_template_many_people_block_is_paused(with_account):
    async def act(account):
        for place in range(120):
            status, said = await account.template(to=f"+3361{place:07d}")
            if status != 200:
                break
        assert said["error"]["code"] == 132015
        await account.receiver.until(
            lambda: (
                {"message_template_quality_update", "message_template_status_update"}
                <= {field for field, _ in account.receiver.values}
            )
        )

    with_account(act, level="HIGH", people=[{"phone": f"+3361{n:07d}", "blocks": 1.0} for n in range(120)])
