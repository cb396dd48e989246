"""Recorded webhooks, said again by simulated people: the simulator tells them in the same shape, and the phones can show them."""

import asyncio
from typing import Any

import orjson
import pytest
from pywa import WhatsApp

OURS = {"from", "from_user_id", "id", "timestamp"}
FILES = ("message", "callback_button", "callback_selection", "deleted_message", "edited_message")


@pytest.fixture
def recorded(data_folder) -> dict[str, dict[str, Any]]:
    """Every recorded message, by its file and name."""
    folder = data_folder / "whatsapp-webhooks" / "pywa_fixtures" / "updates"
    found = {}
    for file in FILES:
        for name, update in orjson.loads((folder / f"{file}.json").read_bytes()).items():
            value = update["entry"][0]["changes"][0]["value"]
            if "messages" in value and "errors" not in value:
                found[f"{file}/{name}"] = value
    return found


def shape(value: Any) -> Any:
    """Return the keys and kinds of a value, without what it says."""
    if isinstance(value, dict):
        return {key: shape(each) for key, each in sorted(value.items())}
    return [shape(each) for each in value] if isinstance(value, list) else type(value).__name__


def test_what_people_were_recorded_to_send_is_told_in_the_same_shape_and_shown(with_account, recorded):
    assert len(recorded) >= 25

    async def act(account):
        wa = WhatsApp(phone_id="11", token="T", app_secret="S", verify_token="V", filter_updates=False)
        for value in recorded.values():
            said = {key: each for key, each in value["messages"][0].items() if key not in OURS}
            await account.admin("say", **{"from": "+33600000001", "message": said})
        await account.receiver.until(lambda: len(account.receiver.values) == len(recorded))
        for (name, value), (field, told), raw in zip(
            recorded.items(), account.receiver.values, account.receiver.posts, strict=True
        ):
            assert field == "messages"
            assert told.keys() == value.keys(), name
            ours, theirs = dict(told["messages"][0]), dict(value["messages"][0])
            assert ours.pop("from_user_id").startswith("FR.")
            theirs.pop("from_user_id", None)
            assert shape(ours) == shape(theirs), name
            assert told["contacts"][0].keys() >= {"profile", "wa_id", "user_id"}
            assert (await asyncio.to_thread(wa.webhook_update_handler, raw))[1] == 200
        _, shown = await account.ask("GET", "/_simulator/threads")
        assert len(shown["phones"][0]["messages"]) == min(len(recorded), 40)
        assert all(each["inbound"] for each in shown["phones"][0]["messages"])

    with_account(act)


def test_statuses_have_the_keys_of_recorded_ones(with_account, data_folder):
    file = data_folder / "whatsapp-webhooks" / "pywa_fixtures" / "updates" / "message_status.json"
    updates = orjson.loads(file.read_bytes())
    theirs = {name: update["entry"][0]["changes"][0]["value"]["statuses"][0] for name, update in updates.items()}
    # Since v24 a conversation comes only with free entry points; user ids came after the recording.
    allowed = set().union(*theirs.values()) | {"recipient_user_id"}

    async def act(account):
        await account.template(callback="row-1")
        await account.template(to="+33600000002")
        await account.receiver.until(lambda: len(account.receiver.statuses) >= 3)
        for status in account.receiver.statuses:
            assert status.keys() <= allowed
            if status["status"] == "failed":
                assert status.keys() >= {"id", "status", "timestamp", "recipient_id", "errors"}
                assert status["errors"][0].keys() >= theirs["failed"]["errors"][0].keys() - {"href"}
            else:
                assert isinstance(status["timestamp"], str)
        assert {each["status"] for each in account.receiver.statuses} == {"sent", "delivered", "failed"}

    people = [{"phone": "+33600000001", "reads": 0.0}, {"phone": "+33600000002", "on_whatsapp": False}]
    with_account(act, people=people)
