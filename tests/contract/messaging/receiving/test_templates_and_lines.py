"""What a provider says of templates, numbers and accounts: kept in any order, and what must stop stops."""

from datetime import timedelta
from itertools import permutations
from typing import Any

import click
import pytest
from tests.contract.messaging.receiving.conftest import NOW, Hooks, models

from tocsin.cli.message_content import Said, wording_of
from tocsin.kernel import clock
from tocsin.messaging import commands, queries
from tocsin.messaging.values import TemplateUpdate

STAMP = int(NOW.timestamp())


def status(hooks: Hooks, event: str, *, seconds: int = 0, **more: Any) -> dict[str, Any]:
    value = {
        "event": event, "message_template_id": 806312974732579, "message_template_name": "breach",
        "message_template_language": "en-US", **more,
    }  # fmt: skip
    return hooks.change("message_template_status_update", value, time=STAMP + seconds)


def account(hooks: Hooks, event: str, *, seconds: int = 0, **more: Any) -> dict[str, Any]:
    return hooks.change("account_update", {"event": event, **more}, time=STAMP + seconds)


def template() -> Any:
    return queries.template("9", "breach", "en_US")


def channel() -> Any:
    return queries.channel("main")


@pytest.mark.parametrize("event", ["PAUSED", "DISABLED", "ARCHIVED", "REJECTED", "PENDING_DELETION"])
def test_a_template_that_cannot_be_sent_with_is_held_loudly_and_released_when_it_can(
    hooks: Hooks, event: str, caplog: pytest.LogCaptureFixture
) -> None:  # fmt: skip
    hooks.take(status(hooks, event))
    assert (template().status, template().held_reason) == (event, f"template_{event.lower()}")
    assert f"breach/en_US is {event}" in caplog.text
    hooks.take(status(hooks, "APPROVED", seconds=5))
    assert (template().status, template().held_reason) == ("APPROVED", "")


@pytest.mark.parametrize("event", ["UNARCHIVED", "REINSTATED"])
def test_a_template_taken_out_of_the_archive_is_chosen_again(hooks: Hooks, event: str) -> None:
    said = Said(text="", subject="", content=None, template="breach", language="", params=())
    hooks.take(status(hooks, "ARCHIVED"))
    with pytest.raises(click.UsageError):
        wording_of(said, channel=channel())
    hooks.take(status(hooks, event, seconds=5))
    assert template().is_approved
    assert [each["template"]["name"] for each in wording_of(said, channel=channel()).contents.values()] == ["breach"]


def test_statuses_in_any_order_end_with_the_newest(hooks: Hooks) -> None:
    told = [status(hooks, "APPROVED"), status(hooks, "PAUSED", seconds=5), status(hooks, "APPROVED", seconds=9)]
    for number, order in enumerate(permutations(told)):
        for each in order:
            each["entry"][0]["changes"][0]["value"]["message_template_name"] = f"t{number}"
            hooks.take(each)
        found = queries.template("9", f"t{number}", "en_US")
        assert found is not None
        assert (found.status, found.held_reason) == ("APPROVED", "")


def test_a_hold_made_by_a_refusal_ends_with_the_next_approval_only(hooks: Hooks) -> None:
    with clock.fixed(NOW):
        commands.hold_template("9", "breach/en_US", until=None, reason="template_not_usable 132015")
    hooks.take(hooks.change(
        "message_template_quality_update",
        {"message_template_id": 1, "message_template_name": "breach", "message_template_language": "en_US",
         "new_quality_score": "RED"},
    ))  # fmt: skip
    assert (template().quality, template().held_reason) == ("RED", "template_not_usable 132015")
    hooks.take(status(hooks, "A_WORD_OF_TOMORROW", seconds=1))
    assert template().held_reason == "template_not_usable 132015"
    hooks.take(status(hooks, "APPROVED", seconds=5))
    assert template().held_reason == ""


def test_a_template_known_by_number_is_the_one_of_the_api(hooks: Hooks) -> None:
    listed = TemplateUpdate("9", "breach", "en_US", "806312974732579", NOW, status="APPROVED", category="UTILITY")
    other = TemplateUpdate("9", "old", "en_US", "2", NOW, status="APPROVED")
    commands.save_templates("9", [listed, other], complete=True)
    hooks.take(status(hooks, "ARCHIVED", seconds=5))
    assert [(each.name, each.status) for each in queries.templates("9")] == [
        ("breach", "ARCHIVED"),
        ("old", "APPROVED"),
    ]
    later = TemplateUpdate(
        "9", "breach", "en_US", "806312974732579", NOW + timedelta(seconds=9), status="APPROVED", category="UTILITY"
    )
    commands.save_templates("9", [later], complete=True)
    assert [(each.name, each.status) for each in queries.templates("9")] == [("breach", "APPROVED"), ("old", "DELETED")]


def test_a_coming_category_is_noted_and_gone_once_it_came(hooks: Hooks) -> None:
    value = {
        "message_template_id": 1, "message_template_name": "breach", "message_template_language": "en_US",
        "new_category": "UTILITY", "correct_category": "MARKETING",
    }  # fmt: skip
    hooks.take(hooks.change("template_category_update", value))
    assert (template().category, template().coming_category) == ("UTILITY", "MARKETING")
    del value["correct_category"]
    value |= {"previous_category": "UTILITY", "new_category": "MARKETING"}
    hooks.take(hooks.change("template_category_update", value, time=STAMP + 86_400), at=NOW + timedelta(days=1))
    assert (template().category, template().coming_category) == ("MARKETING", "")


def test_a_restricted_account_is_held_until_the_restriction_ends(hooks: Hooks) -> None:
    info = [{"restriction_type": "RESTRICTED_BIZ_INITIATED_MESSAGING", "expiration": STAMP + 3600}]
    hooks.take(account(hooks, "ACCOUNT_RESTRICTION", restriction_info=info))
    assert channel().held_until == NOW + timedelta(hours=1)
    assert "RESTRICTED_BIZ_INITIATED_MESSAGING" in channel().held_reason


def test_a_ban_and_its_end_in_any_order(hooks: Hooks) -> None:
    ban = account(hooks, "DISABLED_UPDATE", ban_info={"waba_ban_state": "DISABLE"})
    end = account(hooks, "DISABLED_UPDATE", seconds=60, ban_info={"waba_ban_state": "REINSTATE"})
    hooks.take(ban)
    assert channel().held_reason == "provider: ban DISABLE"
    for each in (end, ban, end):
        hooks.take(each)
        assert channel().held_reason == ""


def test_what_a_person_or_a_refusal_held_no_webhook_releases(hooks: Hooks) -> None:
    commands.hold_channel("main", until=None, reason="refused 131042")
    hooks.take(account(hooks, "ACCOUNT_RECONNECTED"))
    assert channel().held_reason == "refused 131042"


def test_a_flagged_number_goes_on_sending_and_is_shown(hooks: Hooks, caplog: pytest.LogCaptureFixture) -> None:
    value = {"display_phone_number": "15550783881", "event": "FLAGGED", "current_limit": "TIER_10K"}
    hooks.take(hooks.change("phone_number_quality_update", value))
    health = models.MessagingChannel.objects.get(name="main").health
    assert (health["flagged"], health["tier"]) == (True, "TIER_10K")
    assert (channel().held_reason, "channel main: number flagged" in caplog.text) == ("", True)


def test_a_fact_of_another_number_is_not_ours(hooks: Hooks) -> None:
    value = {"display_phone_number": "15550000000", "event": "FLAGGED"}
    hooks.take(hooks.change("phone_number_quality_update", value))
    assert models.MessagingChannel.objects.get(name="main").health == {}


def test_of_two_words_on_a_volume_tier_the_earlier_counts(hooks: Hooks) -> None:
    def tier(at: int) -> dict[str, Any]:
        info = {"tier_update_time": at, "pricing_category": "UTILITY", "tier": "25000001:50000000",
                "effective_month": "2026-11", "region": "India"}  # fmt: skip
        return account(hooks, "VOLUME_BASED_PRICING_TIER_UPDATE", volume_tier_info=info)

    for at in (STAMP + 50, STAMP, STAMP + 99):
        hooks.take(tier(at))
    health = models.MessagingChannel.objects.get(name="main").health
    assert health["since:volume_tier:2026-11:India:UTILITY:25000001:50000000"] == NOW.isoformat()
