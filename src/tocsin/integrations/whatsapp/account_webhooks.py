"""The fields about accounts and numbers: limits, quality, restrictions, bans."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from tocsin.integrations.whatsapp.webhook_parts import Change, listed, mapping, moment, text
from tocsin.messaging.values import Aside, LineUpdate, Update

# Nothing may be sent while one of these is in force; the others (adding numbers, one kind of template, calls) stop
# only what they name, which Meta refuses by itself.
STOPPING = frozenset({"RESTRICTED_BIZ_INITIATED_MESSAGING", "RESTRICTED_CUSTOMER_INITIATED_MESSAGING"})
# Events that end sending until another one, or a person, says otherwise.
ENDING = frozenset({"ACCOUNT_DELETED", "ACCOUNT_OFFBOARDED"})
BEGINNING = frozenset({"ACCOUNT_RECONNECTED"})
PEOPLE_PER_DAY = {
    "TIER_50": 50, "TIER_250": 250, "TIER_1K": 1_000, "TIER_2K": 2_000, "TIER_10K": 10_000, "TIER_100K": 100_000,
    "TIER_UNLIMITED": -1,
}  # fmt: skip
# Facts of an account that are only noted: the event's name, and what of it is kept.
_NOTED = {
    "ACCOUNT_VIOLATION": "violation_info",
    "AD_ACCOUNT_LINKED": "waba_info",
    "AUTH_INTL_PRICE_ELIGIBILITY_UPDATE": "auth_international_rate_eligibility",
    "BUSINESS_PRIMARY_LOCATION_COUNTRY_UPDATE": "country",
    "MM_LITE_TERMS_SIGNED": "waba_info",
    "PARTNER_ADDED": "waba_info",
    "PARTNER_APP_INSTALLED": "waba_info",
    "PARTNER_APP_UNINSTALLED": "waba_info",
    "PARTNER_CLIENT_CERTIFICATION_STATUS_UPDATE": "partner_client_certification_info",
    "PARTNER_REMOVED": "waba_info",
}
_LOUD = frozenset({"ACCOUNT_VIOLATION", "PARTNER_REMOVED", "PARTNER_APP_UNINSTALLED"})


def account(change: Change) -> Iterator[Update]:
    """Read an event of an account."""
    value = change.value
    event = text(value.get("event")).upper()
    if event == "ACCOUNT_RESTRICTION":
        yield _restriction(change)
    elif event == "DISABLED_UPDATE":
        yield _ban(change)
    elif event == "VOLUME_BASED_PRICING_TIER_UPDATE":
        yield _volume_tier(change)
    elif event in ENDING or event in BEGINNING:
        yield _update(change, {"account": event}, hold=event in ENDING, reason=event.lower())
    elif event in _NOTED:
        # Of such events the last of each kind is what counts.
        facts = {event.lower(): value.get(_NOTED[event]) or True}
        yield _update(change, facts, reason=event.lower() if event in _LOUD else "")
    else:
        yield Aside(f"account_update:{event[:60] or 'none'}", value)


def _restriction(change: Change) -> LineUpdate:
    found = [mapping(each) for each in listed(change.value.get("restriction_info"))]
    kinds = sorted(text(each.get("restriction_type")) for each in found)
    stopping = [each for each in found if text(each.get("restriction_type")) in STOPPING]
    ends = [moment(each.get("expiration")) for each in stopping]
    until = None if None in ends else max((each for each in ends if each), default=None)
    facts = {"restrictions": [_restricted(each) for each in found]}
    return _update(
        change, facts, hold=True if stopping else None, until=until, reason="account_restriction " + " ".join(kinds)
    )


def _restricted(each: Mapping[str, Any]) -> dict[str, Any]:
    until = moment(each.get("expiration"))
    return {"kind": text(each.get("restriction_type")), "until": until.isoformat() if until else None}


def _ban(change: Change) -> LineUpdate:
    """Read a ban, begun, announced or lifted; a state we do not know is only shown."""
    info = mapping(change.value.get("ban_info"))
    state = text(info.get("waba_ban_state") or info.get("ban_state")).upper()
    hold = {"DISABLE": True, "REINSTATE": False}.get(state)
    return _update(change, {"ban": state, "ban_on": text(info.get("waba_ban_date"))}, hold=hold, reason=f"ban {state}")


def _volume_tier(change: Change) -> LineUpdate:
    """Read the tier of prices a month has reached; of two words on one tier the earlier time counts (Meta, pricing)."""
    info = mapping(change.value.get("volume_tier_info"))
    name = ":".join(text(info.get(part)) for part in ("effective_month", "region", "pricing_category", "tier"))
    at = moment(info.get("tier_update_time")) or change.at
    return _update(change, {f"since:volume_tier:{name}": at.isoformat()})


def number_quality(change: Change) -> Iterator[Update]:
    """Read the quality and limit of a number, named by its telephone number only.

    A flagged number may send; holding it would silence a warning to people for the sake of a quality score. It is shown
    and logged.
    """
    value = change.value
    event = text(value.get("event")).upper()
    facts: dict[str, Any] = {"quality_event": event}
    if event in ("FLAGGED", "UNFLAGGED"):
        facts["flagged"] = event == "FLAGGED"
    limit = text(value.get("current_limit")).upper()
    if event == "THROUGHPUT_UPGRADE":
        facts["level"] = "HIGH"
    elif limit:
        facts["tier"] = limit
        if limit in PEOPLE_PER_DAY:
            facts["people_per_day"] = PEOPLE_PER_DAY[limit]
    per_business = value.get("max_daily_conversations_per_business")
    if isinstance(per_business, int | str) and text(per_business):
        facts["people_per_day"] = _people(per_business)
    loud = event in ("FLAGGED", "DOWNGRADE")
    yield _update(
        change, facts, reason=f"number {event.lower()}" if loud else "", number=text(value.get("display_phone_number"))
    )


def number_name(change: Change) -> Iterator[Update]:
    """Read whether the name people see was approved."""
    value = change.value
    facts = {
        "name_decision": text(value.get("decision")),
        "name_rejected_for": "" if value.get("rejection_reason") in (None, "NONE") else text(value["rejection_reason"]),
    }
    rejected = facts["name_decision"].upper() in ("REJECTED", "DECLINED")
    yield _update(
        change, facts, reason="display name rejected" if rejected else "",
        number=text(value.get("display_phone_number")),
    )  # fmt: skip


def review(change: Change) -> Iterator[Update]:
    """Read the decision of a review of the account."""
    decision = text(change.value.get("decision")).upper()
    yield _update(change, {"review": decision}, reason="account review rejected" if decision == "REJECTED" else "")


def alerts(change: Change) -> Iterator[Update]:
    """Read what Meta wants looked at: shown with its own words of severity and status."""
    value = change.value
    info = mapping(value.get("alert_info")) or value
    facts = {
        f"notice:{text(info.get('alert_type')) or 'unknown'}": {
            "severity": text(info.get("alert_severity")), "status": text(info.get("alert_status")),
            "about": text(value.get("entity_type")),
        }
    }  # fmt: skip
    yield _update(change, facts, reason=f"notice of the provider: {text(info.get('alert_type'))}")


def capability(change: Change) -> Iterator[Update]:
    """Read how many people the portfolio may begin to write to in a day (-1: without limit), how many numbers."""
    value = change.value
    facts: dict[str, Any] = {}
    for key in ("max_daily_conversations_per_business", "max_daily_conversation_per_phone"):
        if key in value:
            facts["people_per_day"] = _people(value[key])
            break
    for key in ("max_phone_numbers_per_business", "max_phone_numbers_per_waba"):
        if isinstance(value.get(key), int):
            facts[key] = value[key]
    yield _update(change, facts) if facts else Aside("business_capability_update", value)


def security(change: Change) -> Iterator[Update]:
    """Read that the PIN of a number was asked for, changed or taken away, and by whom it was asked."""
    value = change.value
    event = text(value.get("event")).upper()
    yield _update(
        change, {"security": event}, reason=f"security {event.lower()}", number=text(value.get("display_phone_number"))
    )


def _people(value: Any) -> int | None:
    """Return a daily limit as a number: some versions send ``TIER_1K``, others 1000 or -1."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    said = text(value).upper()
    if said in PEOPLE_PER_DAY:
        return PEOPLE_PER_DAY[said]
    return int(said) if said.lstrip("-").isdecimal() else None


def _update(
    change: Change,
    facts: Mapping[str, Any],
    *,
    hold: bool | None = None,
    until: datetime | None = None,
    reason: str = "",
    number: str = "",
) -> LineUpdate:
    account = text(mapping(change.value.get("waba_info")).get("waba_id")) or change.account
    return LineUpdate(
        account=account, line="", at=change.at, facts=facts, hold=hold, hold_until=until, reason=reason, number=number
    )
