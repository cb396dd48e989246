"""Lines that drop, answers that never come, storms: counted at the socket before anything goes wrong."""

import asyncio

import aiohttp
import pytest


def plan(kind: str, **given) -> dict:
    return {"rules": [{"kind": kind, **given}]}


@pytest.mark.parametrize(("headers", "accepted"), [(False, 1), (True, 1)])
def test_a_line_that_drops_after_acceptance_hides_a_message_that_exists(with_account, headers, accepted):
    async def act(account):
        with pytest.raises(aiohttp.ClientError):
            await account.template(callback="row-1")
        count = await account.count()
        assert (count["received"], count["accepted"], count["dropped"]) == (1, 1, {"drop_after_accept": 1})
        await account.receiver.until(lambda: len(account.receiver.statuses) >= 2)
        assert account.receiver.statuses[0]["biz_opaque_callback_data"] == "row-1"
        _, kept = await account.ask("GET", "/_simulator/messages?callback=row-1")
        assert [message["answered"] for message in kept["messages"]] == ["dropped"]

    with_account(act, plan=plan("drop_after_accept", headers=headers))


def test_a_line_that_drops_before_hides_nothing(with_account):
    async def act(account):
        with pytest.raises(aiohttp.ClientError):
            await account.template(callback="row-1")
        count = await account.count()
        assert (count["received"], count["accepted"], count["distinct_callbacks"]) == (1, 0, 0)
        assert (await account.template(callback="row-1"))[0] == 200

    with_account(act, plan=plan("drop_before_read", times=1))


def test_an_answer_that_never_comes_is_an_accepted_message(with_account):
    async def act(account):
        sending = asyncio.create_task(account.template(callback="row-1"))
        while not (count := await account.count())["dropped"]:
            await asyncio.sleep(0.01)
        assert (count["accepted"], count["dropped"]) == (1, {"hang_after_accept": 1})
        done, _ = await asyncio.wait([sending], timeout=0.1)
        assert not done
        sending.cancel()

    with_account(act, plan=plan("hang_after_accept"))


def test_accepted_and_silent_means_no_status_ever(with_account):
    async def act(account):
        assert (await account.template(callback="row-1"))[0] == 200
        assert (await account.template(callback="row-2"))[0] == 200
        await account.advance(30 * 24 * 3600)
        await account.receiver.until(lambda: len(account.receiver.statuses) >= 2)
        assert {status["biz_opaque_callback_data"] for status in account.receiver.statuses} == {"row-2"}

    with_account(act, plan=plan("accept_and_silence", times=1))


def test_a_storm_refuses_a_number_until_it_is_over(with_account):
    async def act(account):
        for _ in range(3):
            assert (await account.template())[0] == 429
        other = {"messaging_product": "whatsapp", "status": "read", "message_id": "x"}
        assert (await account.ask("POST", "/12/messages", other))[1]["error"]["code"] == 131009
        await account.advance(60)
        assert (await account.template())[0] == 200
        assert (await account.count())["refused"]["130429"] == 3

    with_account(act, plan=plan("storm", seconds=60, times=1))


def test_the_same_message_sent_twice_is_counted_as_doubled(with_account):
    async def act(account):
        for callback in ("row-1", "row-2", "row-1", "row-1"):
            assert (await account.template(callback=callback))[0] == 200
        count = await account.count()
        assert (count["distinct_callbacks"], count["doubled"]) == (2, ["row-1"])
        _, kept = await account.ask("GET", "/_simulator/messages")
        assert kept["by_callback"] == {"row-1": 3, "row-2": 1}

    with_account(act)


@pytest.mark.parametrize(
    ("rule", "statuses"),
    [
        (plan("fail", code=131026), ["failed"]),
        (plan("hold", seconds=600, then="drop"), ["failed"]),
        (plan("hold", seconds=600), ["sent", "delivered", "read"]),
        (plan("lose_statuses", statuses=["sent", "read"]), ["delivered"]),
        (plan("duplicate_statuses", copies=3), ["sent"] * 3 + ["delivered"] * 3 + ["read"] * 3),
    ],
)
def test_statuses_are_bent_as_told(with_account, rule, statuses):
    async def act(account):
        _, said = await account.template()
        held = rule["rules"][0]["kind"] == "hold"
        assert said["messages"][0]["message_status"] == ("held_for_quality_assessment" if held else "accepted")
        await account.advance(700)
        await account.receiver.until(lambda: len(account.receiver.statuses) == len(statuses))
        assert [status["status"] for status in account.receiver.statuses] == statuses

    with_account(act, plan=rule, people=[{"phone": "+33600000001", "reads": 1.0}])


def test_errors_that_belong_to_no_message_are_told_too(with_account):
    async def act(account):
        await account.template()
        await account.receiver.until(lambda: any("errors" in value for _, value in account.receiver.values))

    with_account(act, plan=plan("webhook_error", code=130429))


def test_management_calls_are_refused_as_told_and_counted(with_account):
    async def act(account):
        status, said = await account.ask("GET", "/21/message_templates")
        assert (status, said["error"]["code"]) == (503, 131016)
        assert account.world.calls == 1

    rule = {"rules": [{"on": "management", "kind": "refuse", "code": 131016}]}
    with_account(act, plan=rule)


def test_another_plan_comes_into_force_at_once_and_a_wrong_one_does_not(with_account):
    async def act(account):
        status, said = await account.ask("POST", "/_simulator/faults", plan("explode"))
        assert (status, said["error"]["message"][:21]) == (400, "(#100) rules[0].kind:")
        assert (await account.template())[0] == 200
        await account.admin("faults", **plan("refuse", code=131000, http=500))
        assert (await account.template())[0] == 500

    with_account(act)


def test_counts_outlive_a_process_that_is_killed(with_account, tmp_path):
    async def first(account):
        await account.template(callback="row-1")
        await account.template(callback="row-2")

    async def second(account):
        await account.template(callback="row-2")
        count = await account.count()
        assert (count["accepted"], count["distinct_callbacks"], count["doubled"]) == (3, 2, ["row-2"])

    with_account(first, ledger=tmp_path / "ledger")
    with_account(second, ledger=tmp_path / "ledger")


def test_a_reset_begins_anew(with_account):
    async def act(account):
        await account.template(callback="row-1")
        await account.admin("change", batch=9)
        await account.admin("reset")
        assert account.world.settings.batch == 1
        count = await account.count()
        assert (count["accepted"], count["distinct_callbacks"]) == (0, 0)
        assert (await account.template())[1]["error"]["code"] == 132001

    with_account(act)
