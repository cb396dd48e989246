"""What Meta's webhooks mean, trap by trap."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from tocsin.customers.values import AddressKind
from tocsin.integrations.whatsapp import webhooks
from tocsin.integrations.whatsapp.markets import MARKETS, market_of
from tocsin.kernel import clock
from tocsin.messaging.values import (
    AddressChanged,
    Aside,
    InboundUpdate,
    LineUpdate,
    Objection,
    Purpose,
    Reason,
    StatusKind,
    StatusUpdate,
    TemplateUpdate,
    Verdict,
)

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
STAMP = int(NOW.timestamp())
PHONE, WHATSAPP = AddressKind.PHONE, AddressKind.WHATSAPP


def updates(field: str, value: Mapping[str, Any], **entry: Any) -> list[Any]:
    change = {"field": field, "value": value} if field else {"value": value}
    payload = {
        "object": "whatsapp_business_account",
        "entry": [{"id": "9", "time": STAMP, "changes": [change], **entry}],
    }
    with clock.fixed(NOW):
        return webhooks.read(json.dumps(payload).encode())


def messages(*messages: Mapping[str, Any], **value: Any) -> list[Any]:
    return updates("messages", {"metadata": {"phone_number_id": "1"}, "messages": list(messages), **value})


def message(**given: Any) -> dict[str, Any]:
    return {
        "from": "34600000001",
        "id": "wamid.1",
        "timestamp": str(STAMP),
        "type": "text",
        "text": {"body": "x"},
    } | given


def status(status: str = "sent", *, contacts: Any = (), **given: Any) -> Any:
    told = {"id": "wamid.1", "status": status, "timestamp": str(STAMP), "recipient_id": "34600000001"} | given
    told = {name: value for name, value in told.items() if value is not None}
    value = {"metadata": {"phone_number_id": "1"}, "statuses": [told], "contacts": list(contacts)}
    (update,) = updates("messages", value)
    return update


# -- who


def test_a_message_without_a_telephone_number_is_of_its_scoped_id() -> None:
    (update,) = messages({**message(), "from": None, "from_user_id": "US.134"})
    assert update.addresses == {WHATSAPP: "US.134"}


def test_a_scoped_id_in_the_place_of_a_number_is_no_number() -> None:
    (update,) = messages(message(**{"from": "US.13491208655302741918"}))
    assert update.addresses == {WHATSAPP: "US.13491208655302741918"}


def test_a_scoped_id_is_kept_as_it_came() -> None:
    (update,) = messages(message(from_user_id="BR.0055119aB"))
    assert update.addresses[WHATSAPP] == "BR.0055119aB"


def test_a_contact_names_what_the_message_leaves_out() -> None:
    contacts = [{"wa_id": "34600000001", "user_id": "ES.1", "profile": {"name": "Ana"}}]
    (update,) = messages(message(), contacts=contacts)
    assert (update.addresses, update.name) == ({PHONE: "+34600000001", WHATSAPP: "ES.1"}, "Ana")


def test_of_two_contacts_each_message_gets_its_own() -> None:
    contacts = [
        {"wa_id": "34600000001", "user_id": "ES.1", "profile": {"name": "Ana"}},
        {"user_id": "ES.2", "profile": {"name": "Bob"}},
    ]
    first, second = messages(
        message(), {**message(id="wamid.2"), "from": "", "from_user_id": "ES.2"}, contacts=contacts
    )
    assert (first.name, second.name) == ("Ana", "Bob")
    assert second.addresses == {WHATSAPP: "ES.2"}


@pytest.mark.parametrize(
    ("wa_id", "phone"),
    [
        ("551187654321", "+5511987654321"),  # Brazil, as it was before 2012
        ("5511987654321", "+5511987654321"),
        ("551132345678", "+551132345678"),  # a landline has no 9
        ("5215512345678", "+525512345678"),  # Mexico, as it was before 2019
        ("525512345678", "+525512345678"),
        ("5491112345678", "+5491112345678"),  # Argentina writes the 9
        ("+34600000001", "+34600000001"),
    ],
)
def test_a_number_is_the_one_that_address_books_know(wa_id: str, phone: str) -> None:
    (update,) = messages(message(**{"from": wa_id}))
    assert update.addresses == {PHONE: phone}
    assert status(recipient_id=wa_id).addresses == {PHONE: phone}


def test_a_message_of_nobody_is_kept_aside() -> None:
    (update,) = messages({"id": "wamid.1", "type": "text", "text": {"body": "x"}})
    assert update == Aside("message_without_sender", {"id": "wamid.1", "type": "text", "text": {"body": "x"}})


# -- when


@pytest.mark.parametrize("stamp", ["", None, "soon", "-5", "99999999999999999999", 1e300, True, "1e9"])
def test_an_absurd_time_is_the_entrys(stamp: Any) -> None:
    (update,) = messages(message(timestamp=stamp))
    assert update.at == NOW


@pytest.mark.parametrize("stamp", [STAMP, str(STAMP), STAMP * 1000, f"{STAMP}000"])
def test_a_time_is_read_in_seconds_and_milliseconds(stamp: Any) -> None:
    (update,) = messages(message(timestamp=stamp))
    assert update.at == NOW


# -- what


def test_a_reaction_without_an_emoji_was_taken_back_and_opens_no_window() -> None:
    for reaction in ({"message_id": "wamid.0"}, {"message_id": "wamid.0", "emoji": ""}):
        (update,) = messages(message(type="reaction", reaction=reaction))
        assert (update.text, update.reply_to, update.opens_window) == ("", "wamid.0", False)


def test_a_message_in_a_group_opens_no_window() -> None:
    (update,) = messages(message(group_id="g"))
    assert not update.opens_window


def test_a_type_nobody_knows_is_still_a_message() -> None:
    (update,) = messages(message(type="hologram", hologram={"caption": "look"}))
    assert (update.kind, update.text, update.opens_window) == ("hologram", "look", True)


def test_media_comes_with_its_id_type_and_sum() -> None:
    image = {"id": 65463453, "mime_type": "image/jpeg", "sha256": "4654+8g=", "caption": "door"}
    (update,) = messages(message(type="image", image=image))
    assert (update.media_id, update.media_type, update.media_sha256, update.text) == (
        "65463453", "image/jpeg", "4654+8g=", "door",
    )  # fmt: skip


def test_half_an_emoji_and_a_nul_do_not_break_a_message() -> None:
    value = {"metadata": {"phone_number_id": "1"}, "messages": [message(text={"body": "half \ud83d and \0"})]}
    body = json.dumps({"entry": [{"id": "9", "changes": [{"field": "messages", "value": value}]}]}).encode()
    (update,) = webhooks.read(body)
    assert isinstance(update, InboundUpdate)
    assert update.text == "half ? and \ufffd"


# -- statuses


def test_a_status_is_of_our_message_when_it_hands_our_id_back() -> None:
    ours = UUID("018f0000-0000-7000-8000-000000000001")
    update = status("read", biz_opaque_callback_data=str(ours))
    assert (update.message_id, update.status, update.line, update.at) == (ours, StatusKind.READ, "1", NOW)


@pytest.mark.parametrize("foreign", ["order 17", "", "x" * 512, {"a": 1}, None])
def test_a_status_with_what_another_tool_handed_over_is_found_by_its_provider_id(foreign: Any) -> None:
    if isinstance(foreign, dict):
        foreign = str(foreign)
    update = status(biz_opaque_callback_data=foreign)
    assert (update.message_id, update.provider_id) == (None, "wamid.1")


def test_played_means_read() -> None:
    assert status("played").status is StatusKind.READ


def test_a_status_without_recipient_is_of_the_contact() -> None:
    update = status(recipient_id=None, contacts=[{"wa_id": "5511987654321", "user_id": "BR.5"}])
    assert update.addresses == {PHONE: "+5511987654321", WHATSAPP: "BR.5"}
    assert update.market == "Brazil"


def test_a_failed_status_has_what_its_code_means_and_no_address_in_its_words() -> None:
    errors = [{"code": 131047, "title": "Re-engagement message", "error_data": {"details": "to +34600000001"}}]
    update = status("failed", errors=errors)
    assert (update.verdict, update.reason, update.code) == (Verdict.WINDOW_SHUT, Reason.WINDOW_SHUT, 131047)
    assert "34600000001" not in update.detail


@pytest.mark.parametrize("errors", [None, [], [{}], "broken", [{"code": "131026"}], [{"code": None}]])
def test_a_failed_status_with_odd_errors_is_still_failed(errors: Any) -> None:
    update = status("failed", errors=errors)
    assert update.status is StatusKind.FAILED
    assert update.verdict is Verdict.DEAD  # of this message; it holds neither number nor account


def test_a_status_nobody_knows_is_kept_aside() -> None:
    assert status("beamed").what == "status:beamed"


def test_a_status_of_a_group_says_nothing_of_one_person() -> None:
    assert status("read", recipient_type="group").what == "status_of_group"


def test_errors_stand_in_three_places() -> None:
    at_message = messages(message(type="unsupported", errors=[{"code": 131051}]))
    assert [type(each) for each in at_message] == [InboundUpdate]
    at_value = messages(message(), errors=[{"code": 131000}])
    assert [type(each) for each in at_value] == [InboundUpdate, Aside]
    assert status("failed", errors=[{"code": 130472}]).code == 130472


# -- changes of address


def test_a_changed_number_is_followed() -> None:
    system = {"type": "user_changed_number", "wa_id": "34600000002", "body": "x"}
    (update,) = messages(message(type="system", system=system))
    assert update == AddressChanged(PHONE, "+34600000001", "+34600000002", NOW, line="1")


def test_a_changed_scoped_id_is_followed() -> None:
    system = {"type": "user_changed_user_id", "previous_user_id": "ES.1", "user_id": "ES.2"}
    (update,) = messages({**message(type="system", system=system), "from": None})
    assert update == AddressChanged(WHATSAPP, "ES.1", "ES.2", NOW, line="1")


@pytest.mark.parametrize("system", [{"type": "customer_identity_changed"}, {"type": "new"}, {}, None])
def test_other_system_messages_are_kept_aside(system: Any) -> None:
    (update,) = messages(message(type="system", system=system))
    assert isinstance(update, Aside)


# -- objections


@pytest.mark.parametrize(("value", "stopped"), [("stop", True), ("resume", False), ("signup", False)])
def test_marketing_is_stopped_and_resumed(value: str, stopped: bool) -> None:
    said = {"wa_id": "16505551234", "category": "marketing_messages", "value": value, "timestamp": STAMP}
    (update,) = updates("user_preferences", {"metadata": {"phone_number_id": "1"}, "user_preferences": [said]})
    assert update == Objection({PHONE: "+16505551234"}, Purpose.MARKETING, stopped=stopped, at=NOW, line="1")


def test_a_stop_is_of_both_names_of_a_person() -> None:
    contacts = [{"wa_id": "16505551234", "user_id": "US.1"}]
    said = {"wa_id": "16505551234", "category": "marketing_messages", "value": "stop"}
    (update,) = updates("user_preferences", {"contacts": contacts, "user_preferences": [said]})
    assert update.addresses == {PHONE: "+16505551234", WHATSAPP: "US.1"}


def test_a_stop_of_a_category_nobody_knows_is_a_stop_of_all() -> None:
    said = {"user_id": "US.1", "category": "everything", "value": "stop"}
    (update,) = updates("user_preferences", {"user_preferences": [said]})
    assert (update.purpose, update.stopped, update.addresses) == (None, True, {WHATSAPP: "US.1"})


# -- templates


def template(**given: Any) -> dict[str, Any]:
    return {
        "message_template_id": 806312974732579,
        "message_template_name": "t",
        "message_template_language": "en-US",
    } | given


def test_a_template_id_is_a_number_here_and_its_language_has_another_sign() -> None:
    (update,) = updates("message_template_status_update", template(event="PAUSED", reason="NONE"))
    assert update == TemplateUpdate("9", "t", "en_US", "806312974732579", NOW, status="PAUSED")


def test_a_quality_update_under_the_name_of_a_status_update_is_one_of_quality() -> None:
    value = template(previous_quality_score="GREEN", new_quality_score="YELLOW")
    for field in ("message_template_status_update", "message_template_quality_update", ""):
        (update,) = updates(field, value)
        assert (update.quality, update.status) == ("YELLOW", "")


def test_with_a_correct_category_the_new_one_is_todays() -> None:
    (noticed,) = updates("template_category_update", template(new_category="UTILITY", correct_category="MARKETING"))
    assert (noticed.category, noticed.coming_category) == ("UTILITY", "MARKETING")
    (done,) = updates("template_category_update", template(previous_category="UTILITY", new_category="MARKETING"))
    assert (done.category, done.coming_category) == ("MARKETING", "")


def test_a_status_of_a_template_nobody_knows_is_told_all_the_same() -> None:
    (update,) = updates("message_template_status_update", template(event="HIBERNATING"))
    assert update.status == "HIBERNATING"


# -- accounts and numbers


def test_a_restriction_of_sending_holds_until_it_ends() -> None:
    info = [
        {"restriction_type": "RESTRICTED_BIZ_INITIATED_MESSAGING", "expiration": STAMP + 3600},
        {"restriction_type": "RESTRICTED_ADD_PHONE_NUMBER_ACTION", "expiration": STAMP + 7200},
    ]
    (update,) = updates("account_update", {"event": "ACCOUNT_RESTRICTION", "restriction_info": info})
    assert (update.hold, update.hold_until) == (True, datetime.fromtimestamp(STAMP + 3600, UTC))


def test_a_restriction_of_something_else_holds_nothing() -> None:
    info = [{"restriction_type": "RESTRICTED_ADD_PHONE_NUMBER_ACTION", "expiration": STAMP}]
    (update,) = updates("account_update", {"event": "ACCOUNT_RESTRICTION", "restriction_info": info})
    assert update.hold is None


@pytest.mark.parametrize(
    ("state", "hold"), [("DISABLE", True), ("REINSTATE", False), ("SCHEDULE_FOR_DISABLE", None), ("ODD", None)]
)
def test_a_ban_holds_and_its_end_releases(state: str, hold: bool | None) -> None:
    (update,) = updates("account_update", {"event": "DISABLED_UPDATE", "ban_info": {"waba_ban_state": state}})
    assert update.hold is hold


def test_an_account_update_with_its_field_in_the_wrong_place_is_read() -> None:
    value = {"event": "ACCOUNT_DELETED"}
    inside = {"entry": [{"id": "9", "time": STAMP, "changes": [{"value": {**value, "field": "account_update"}}]}]}
    alone = {"entry": [{"id": "9", "time": STAMP, "changes": {"value": value}, "object": "whatsapp_business_account"}]}
    flat = {"entry": {"id": "9", "time": STAMP, "value": value, "field": "account_update"}}
    for payload in (inside, alone, flat):
        (update,) = webhooks.read(json.dumps(payload).encode())
        assert isinstance(update, LineUpdate)
        assert update.hold is True


def test_a_flagged_number_is_shown_and_not_held() -> None:
    value = {"display_phone_number": "15550783881", "event": "FLAGGED", "current_limit": "TIER_10K"}
    (update,) = updates("phone_number_quality_update", value)
    assert (update.number, update.hold, update.facts["flagged"]) == ("15550783881", None, True)
    assert update.reason


@pytest.mark.parametrize(
    ("limit", "people"), [(250, 250), (-1, -1), ("TIER_2K", 2000), ("TIER_UNLIMITED", -1), ("1000", 1000)]
)
def test_a_daily_limit_is_a_number_or_a_name(limit: Any, people: int) -> None:
    (update,) = updates("business_capability_update", {"max_daily_conversations_per_business": limit})
    assert update.facts == {"people_per_day": people}


def test_an_account_named_in_the_value_is_the_one_that_is_meant() -> None:
    (update,) = updates("account_update", {"event": "PARTNER_ADDED", "waba_info": {"waba_id": "77"}})
    assert update.account == "77"


# -- nothing is lost, nothing breaks


@pytest.mark.parametrize("field", webhooks.KEPT_ASIDE)
def test_a_field_that_concerns_nothing_yet_is_kept_aside_by_name(field: str) -> None:
    (update,) = updates(field, {"something": 1})
    assert update.what == field


def test_an_echo_of_the_telephone_app_is_nobodys_message() -> None:
    (update,) = updates("smb_message_echoes", {"message_echoes": [message()]})
    assert update.what == "smb_message_echoes"


def test_what_a_history_brings_opens_no_window() -> None:
    (update,) = updates("history", {"history": [{"threads": [{"messages": [message()]}]}]})
    assert update.what == "history"


def test_a_call_of_a_person_opens_the_window_and_ours_does_not() -> None:
    call = {"id": "wacid.1", "from": "34600000001", "event": "connect", "timestamp": str(STAMP)}
    value = {"metadata": {"phone_number_id": "1"}, "calls": [{**call, "direction": "USER_INITIATED"}]}
    (theirs,) = updates("calls", value)
    assert (theirs.kind, theirs.opens_window) == ("call", True)
    (ours,) = updates("calls", {**value, "calls": [{**call, "direction": "BUSINESS_INITIATED"}]})
    assert isinstance(ours, Aside)


@pytest.mark.parametrize("field", [*webhooks.READERS, *webhooks.KEPT_ASIDE, "brand_new", ""])
@pytest.mark.parametrize(
    "value",
    [
        {}, None, [], "x", 7, {"messages": None, "statuses": 3}, {"messages": [None, 1, "x", [], {}]},
        {"statuses": [None, {}]}, {"contacts": "x", "messages": [{"type": 3, "from": {}, "id": []}]},
        {"event": None}, {"event": {"a": 1}}, {"user_preferences": [None, {"value": []}]}, {"calls": [None]},
        {"message_template_id": [], "event": "PAUSED"}, {"restriction_info": 5, "event": "ACCOUNT_RESTRICTION"},
        {"new_category": {}}, {"metadata": [], "messages": [{"from": "1", "id": "2", "type": "contacts", "contacts": 1}]},
        {"metadata": {"phone_number_id": 1}, "messages": [{"from": "34600000001", "id": "2", "type": "contacts"}]},
    ],
)  # fmt: skip
def test_whatever_comes_something_is_said_of_it(field: str, value: Any) -> None:
    assert updates(field, value)


@pytest.mark.parametrize(
    "body", [b"", b"x", b"[]", b"null", b"{}", b'{"entry":[]}', b'{"entry":[null]}', b'{"entry":[{"changes":[null]}]}',
             b"\xff\xfe", b"[" * 100_000, b'{"entry":[{"id":{},"time":[],"changes":[{"field":{},"value":{}}]}]}']
)  # fmt: skip
def test_a_body_of_any_form_is_kept_aside(body: bytes) -> None:
    assert all(isinstance(each, Aside) for each in webhooks.read(body))
    assert webhooks.read(body)


# -- markets


@pytest.mark.parametrize(
    ("phone", "market"),
    [
        ("+18095550100", "Rest of Latin America"), ("+18295550100", "Rest of Latin America"),
        ("+18495550100", "Rest of Latin America"), ("+18765550100", "Rest of Latin America"),
        ("+16585550100", "Rest of Latin America"), ("+17875550100", "Rest of Latin America"),
        ("+19395550100", "Rest of Latin America"), ("+12025550100", "North America"), ("+34600000001", "Spain"),
        ("+447911123456", "United Kingdom"), ("+35312345678", "Rest of Western Europe"), ("+77012345678", "Russia"),
        ("+2348012345678", "Nigeria"), ("+254712345678", "Rest of Africa"), ("+88216000000", "Other"), ("+99", "Other"),
    ],
)  # fmt: skip
def test_the_longest_calling_code_decides_the_market(phone: str, market: str) -> None:
    assert market_of({PHONE: phone}) == market
    assert market in MARKETS


@pytest.mark.parametrize(
    ("scoped", "market"),
    [("DO.1", "Rest of Latin America"), ("PR.1", "Rest of Latin America"), ("US.1", "North America"), ("FR.1", "France"),
     ("US.ENT.1", "North America"), ("ZZ.1", "Other")],
)  # fmt: skip
def test_without_a_number_the_country_of_the_scoped_id_decides(scoped: str, market: str) -> None:
    assert market_of({WHATSAPP: scoped}) == market


def test_an_update_says_nothing_of_a_market_it_cannot_know() -> None:
    assert market_of({}) == ""
    assert isinstance(status(), StatusUpdate)


@pytest.mark.parametrize(
    ("pricing", "wanted"),
    [
        ({"billable": True, "type": "regular", "category": "utility"}, ("regular", "utility")),
        ({"type": "free_entry_point", "category": "utility"}, ("free_entry_point", "utility")),  # without billable
        ({"billable": False, "pricing_model": "CBP", "category": "service"}, ("free", "service")),  # without a type
        ({"billable": True, "pricing_model": "CBP", "category": "marketing"}, ("", "marketing")),
        (None, ("", "")),
    ],
)
def test_what_is_free_is_read_from_the_type_and_from_billable_only_without_one(pricing, wanted):
    update = status(pricing=pricing)
    assert (update.price_type, update.category) == wanted
