"""Settings and secrets of a WhatsApp number."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tocsin.integrations.channel_settings import ChannelSettings
from tocsin.integrations.http_calls.settings import HTTP_SETTINGS
from tocsin.kernel.language import gettext as _, gettext_noop

API_VERSION = "v24.0"
BASE_URL = "https://graph.facebook.com"
ARCHIVE_URL = "https://api.facebook.com"
TIMEOUT_SECONDS = 30.0
ASK_HOURS = 6.0
# Messages a second a number may send (Meta, throughput): set by Meta, except that shared numbers stay at 20.
LEVELS: Mapping[str, float] = {"STANDARD": 80.0, "HIGH": 1000.0, "COEXISTENCE": 20.0}
# People a portfolio may begin to write to in any 24 h (Meta, messaging limits).
TIERS: Mapping[str, int | None] = {
    "TIER_250": 250,
    "TIER_1K": 1_000,
    "TIER_2K": 2_000,
    "TIER_10K": 10_000,
    "TIER_100K": 100_000,
    "TIER_UNLIMITED": None,
}

SETTINGS: Mapping[str, str] = {
    "phone_number_id": gettext_noop("Meta's id of the number, digits: not the telephone number itself"),
    "waba_id": gettext_noop("Meta's id of the WhatsApp Business account the number belongs to"),
    "portfolio": gettext_noop("what shares the daily limit of people; the business account if left out"),
    "number": gettext_noop("the telephone number as people see it, with + and country"),
    "api_version": gettext_noop("version of the Graph API; v24.0 if left out"),
    "level": gettext_noop("throughput: STANDARD (80 messages a second, if left out), HIGH (1,000), COEXISTENCE (20)"),
    "tier": gettext_noop(
        "messaging limit: TIER_250, TIER_1K, TIER_2K, TIER_10K, TIER_100K, TIER_UNLIMITED (if left out)"
    ),
    "people_per_day": gettext_noop(
        "people the portfolio may begin to write to in 24 h, instead of tier; -1: any number"
    ),
    "ask_hours": gettext_noop("hours between two looks at templates and limits, beside the webhooks; 6, 0: never"),
    "direct_send": gettext_noop("yes: the account may send utility texts without a template"),
    "marketing_messages": gettext_noop("yes: marketing templates go by Meta's marketing messages API, where it is on"),
    "base_url": gettext_noop("address of the Graph API; https://graph.facebook.com if left out"),
    "archive_url": gettext_noop("address that archives templates; Meta's own, or base_url where that is given"),
    **{name: HTTP_SETTINGS[name] for name in ("ca_file", "plain_http", "proxy", "timeout_seconds")},
}
SECRETS: Mapping[str, str] = {
    "token": gettext_noop("access token of a system user, with whatsapp_business_messaging and _management"),
    "app_secret": gettext_noop("secret of the Meta app: its webhooks are signed with it"),
}


@dataclass(frozen=True, slots=True)
class Reach:
    """How Meta is reached."""

    base_url: str
    archive_url: str
    api_version: str
    token: str
    ca_file: str | None = None
    proxy: str | None = None
    timeout_seconds: float = TIMEOUT_SECONDS


@dataclass(frozen=True, slots=True)
class NumberSettings:
    """One number as staff set it up, and as Meta changed it since. ``people_per_day`` None is no known limit."""

    reach: Reach
    line: str
    account: str
    portfolio: str
    number: str
    level: str
    people_per_day: int | None
    ask_hours: float
    is_direct: bool
    is_apart: bool  # marketing templates go by an endpoint of their own


def read(name: str, *, settings: Mapping[str, Any], secrets: Mapping[str, str]) -> NumberSettings:
    """Return the settings of a number; ChannelNotUnderstood says which one is wrong."""
    given = ChannelSettings(name, settings=settings, secrets=secrets, known=SETTINGS, known_secrets=SECRETS)
    number = given.text("number", default="")
    if number and not re.fullmatch(r"\+[1-9]\d{6,14}", number):
        raise given.wrong("number", _("it is no telephone number with + and country."))
    account = _digits(given, "waba_id")
    return NumberSettings(
        reach=_reach(given),
        line=_digits(given, "phone_number_id"),
        account=account,
        portfolio=given.text("portfolio", default=account) or account,
        number=number,
        level=given.choice("level", of=list(LEVELS), default="STANDARD"),
        people_per_day=_people(given),
        ask_hours=given.number("ask_hours", default=ASK_HOURS, least=0) or 0.0,
        is_direct=given.flag("direct_send", default=False),
        is_apart=given.flag("marketing_messages", default=False),
    )


def _reach(given: ChannelSettings) -> Reach:
    version = given.text("api_version", default=API_VERSION) or API_VERSION
    if not re.fullmatch(r"v\d{1,3}\.\d{1,2}", version):
        raise given.wrong("api_version", _("it must look like v24.0."))
    base_url = given.address("base_url", default=BASE_URL)
    # Meta archives at another of its hosts; whoever named a simulator or a proxy must not reach Meta with that token.
    archive_url = ARCHIVE_URL if base_url == BASE_URL else base_url
    return Reach(
        base_url=base_url,
        archive_url=given.address("archive_url", default=archive_url),
        api_version=version,
        token=given.secret("token"),
        ca_file=given.ca_file(),
        proxy=given.proxy(),
        timeout_seconds=given.number("timeout_seconds", default=TIMEOUT_SECONDS, least=0.1) or TIMEOUT_SECONDS,
    )


def _people(given: ChannelSettings) -> int | None:
    tier = given.choice("tier", of=["", *TIERS], default="")
    most = given.number("people_per_day", default=None, least=-1)
    if most is None:
        return TIERS[tier] if tier else None
    return None if most < 0 else int(most)


def _digits(given: ChannelSettings, key: str) -> str:
    text = given.text(key)
    if not re.fullmatch(r"[0-9]{1,32}", text):
        raise given.wrong(key, _("it must be digits, as Meta shows it under API setup."))
    return text
