"""Every real webhook of the data folder, and what it means."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tocsin.customers.values import AddressKind
from tocsin.integrations.whatsapp import webhooks
from tocsin.messaging.values import (
    AddressChanged,
    Aside,
    InboundUpdate,
    LineUpdate,
    Objection,
    Reason,
    StatusKind,
    StatusUpdate,
    TemplateUpdate,
)

ANA = {AddressKind.PHONE: "+972987654321", AddressKind.WHATSAPP: "US.13491208655302741918"}
# Fixture -> kind of the message and what of it is shown.
INBOUND = {
    "message/text": ("text", "Body Text"),
    "message/image": ("image", ""),
    "message/media_with_url": ("image", ""),
    "message/video": ("video", "caption"),
    "message/document": ("document", "caption"),
    "message/audio": ("audio", ""),
    "message/voice": ("audio", ""),
    "message/static_sticker": ("sticker", ""),
    "message/animated_sticker": ("sticker", ""),
    "message/reaction": ("reaction", "\U0001f62e"),
    "message/unreaction_empty": ("reaction", ""),
    "message/unreaction_no_emoji": ("reaction", ""),
    "message/current_location": ("location", "12.25089, 43.90539"),
    "message/chosen_location": ("location", "Facebook HQ, 1 Hacker Way, Menlo Park, CA 94025"),
    "message/contacts": ("contacts", "Chandler Bing, Monica, Rachel Green"),
    "message/order": ("order", ""),
    "message/unsupported": ("unsupported", ""),
    "message/unsupported_with_type": ("unsupported", ""),
    "message/reply": ("text", "replied text"),
    "message/forwarded": ("text", "forwarded text"),
    "message/forwarded_many_times": ("text", "text forwarded many times"),
    "message/referral": ("text", "BODY"),
    "callback_button/button": ("interactive", "title"),
    "callback_button/quick_reply": ("button", "title"),
    "callback_button/quick_reply_without_context": ("button", "title"),
    "callback_selection/callback": ("interactive", "title"),
    "callback_selection/description": ("interactive", "title"),
    "flow_completion/completion": ("interactive", "Sent"),
    "flow_completion/without_flow_token": ("interactive", "Sent"),
    "call_permission_update/accept": ("interactive", "accept"),
    "call_permission_update/reject": ("interactive", "reject"),
    "edited_message/image": ("edit", "Updated image caption"),
    "deleted_message/revoke": ("revoke", ""),
    "call_connect/user_initiated": ("call", ""),
}
ASIDE = {
    "call_connect/business_initiated": "call:connect",
    "call_status/call_status": "call_status",
    "call_terminate/call_terminate": "call:terminate",
    "outgoing_message/text": "smb_message_echoes",
    "outgoing_message/delete": "smb_message_echoes",
    "outgoing_message/edit": "smb_message_echoes",
    "system/identity_change": "system:customer_identity_changed",
    "message_status/group": "status_of_group",
}
STATUSES = {
    "message_status/sent": StatusKind.SENT,
    "message_status/with_tracker": StatusKind.SENT,
    "message_status/delivered": StatusKind.DELIVERED,
    "message_status/read": StatusKind.READ,
    "message_status/played": StatusKind.READ,
    "message_status/failed": StatusKind.FAILED,
}
TEMPLATES = {
    "template_status_update/approved": {"status": "APPROVED", "category": "UTILITY", "reason": ""},
    "template_status_update/rejected": {"status": "REJECTED", "category": "MARKETING"},
    "template_quality_update/yellow": {"quality": "YELLOW", "language": "en_US"},
    "template_category_update/marketing": {"category": "MARKETING", "coming_category": ""},
    "template_components_update/element": {
        "components": [{"type": "BODY", "text": "Hi {{1}}! Welcome to our service."}]
    },
}
HOLDS = {
    "account_deleted": True,
    "account_restriction": True,
    "account_offboarded": True,
    "account_disabled": False,  # the fixture says REINSTATE
    "account_reconnected": False,
}


@pytest.fixture(scope="module")
def fixtures(data_folder: Path) -> dict[str, dict[str, Any]]:
    folder = data_folder / "whatsapp-webhooks" / "pywa_fixtures" / "updates"
    if not folder.is_dir():
        pytest.skip("the data folder has no webhooks of WhatsApp")
    return dict(_payloads(folder))


def _payloads(folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    for file in sorted(folder.glob("*.json")):
        for name, payload in json.loads(file.read_text(encoding="utf-8")).items():
            yield f"{file.stem}/{name}", payload


def read(payload: dict[str, Any]) -> list[Any]:
    return webhooks.read(json.dumps(payload).encode())


def test_every_fixture_is_one_of_those_below(fixtures: dict[str, dict[str, Any]]) -> None:
    others = {"message/interactive_message_with_err", "system/phone_number_change"}
    others |= {f"user_marketing_preferences/{value}" for value in ("resume", "signup")}
    others |= {name for name in fixtures if name.startswith("account_update/")}
    assert set(fixtures) == {*INBOUND, *ASIDE, *STATUSES, *TEMPLATES, *others}
    assert len(fixtures) >= 74


def test_messages_are_of_whom_they_are_of_and_show_what_they_say(fixtures: dict[str, dict[str, Any]]) -> None:
    for name, (kind, shown) in INBOUND.items():
        (update,) = read(fixtures[name])
        assert isinstance(update, InboundUpdate), name
        assert (update.kind, update.text) == (kind, shown), name
        # The contact of that one is somebody else than who sent it.
        assert update.name == ("" if kind == "edit" else "Test Name"), name
        assert (update.addresses == {AddressKind.PHONE: "+16505551234"}) == (kind == "edit"), name
        assert update.opens_window == (kind not in ("reaction", "edit", "revoke")), name
        assert bool(update.media_id) == (kind in ("image", "video", "document", "audio", "sticker")), name


def test_answers_say_what_they_answer(fixtures: dict[str, dict[str, Any]]) -> None:
    answers = {
        "message/reply": "wamid.xyzxyz==",
        "message/reaction": "wamid.yzxyzx=",
        "callback_button/quick_reply": "wamid.xyzxyz==",
        "deleted_message/revoke": "<ORIGINAL_WHATSAPP_MESSAGE_ID>",
    }
    for name, reply_to in answers.items():
        (update,) = read(fixtures[name])
        assert update.reply_to == reply_to, name


def test_a_message_whose_content_failed_is_kept_beside_its_error(fixtures: dict[str, dict[str, Any]]) -> None:
    message, error = read(fixtures["message/interactive_message_with_err"])
    assert (message.kind, message.text) == ("interactive", "")
    assert error.what == "errors"
    assert error.part["errors"][0]["code"] == 131000


def test_statuses_say_what_became_of_a_message(fixtures: dict[str, dict[str, Any]]) -> None:
    for name, kind in STATUSES.items():
        (update,) = read(fixtures[name])
        assert isinstance(update, StatusUpdate), name
        assert (update.status, update.addresses, update.market) == (kind, ANA, "Israel"), name
    failed = read(fixtures["message_status/failed"])[0]
    assert (failed.code, failed.reason) == (130472, Reason.REFUSED_BY_POLICY)


def test_what_concerns_nothing_yet_is_kept_aside(fixtures: dict[str, dict[str, Any]]) -> None:
    for name, what in ASIDE.items():
        assert what in [each.what for each in read(fixtures[name]) if isinstance(each, Aside)], name


def test_templates_change(fixtures: dict[str, dict[str, Any]]) -> None:
    for name, facts in TEMPLATES.items():
        (update,) = read(fixtures[name])
        assert isinstance(update, TemplateUpdate), name
        assert {fact: getattr(update, fact) for fact in facts} == facts, name
        assert update.provider_id.isdecimal(), name
    assert "INVALID_FORMAT" in read(fixtures["template_status_update/rejected"])[0].reason


def test_account_updates_hold_release_or_only_inform(fixtures: dict[str, dict[str, Any]]) -> None:
    for name, payload in fixtures.items():
        file, _, event = name.partition("/")
        if file == "account_update":
            (update,) = read(payload)
            assert isinstance(update, LineUpdate), name
            assert update.hold is HOLDS.get(event), name
            assert update.facts, name


def test_a_changed_number_and_preferences_are_followed(fixtures: dict[str, dict[str, Any]]) -> None:
    (changed,) = read(fixtures["system/phone_number_change"])
    assert isinstance(changed, AddressChanged)
    assert (changed.before, changed.after) == ("+972987654321", "+972912345678")
    for name in ("resume", "signup"):
        (update,) = read(fixtures[f"user_marketing_preferences/{name}"])
        assert isinstance(update, Objection)
        assert (update.addresses, update.stopped) == ({AddressKind.PHONE: "+16505551234"}, False)
