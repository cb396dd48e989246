"""One SMS sender: a number, a short code or a messaging service of a provider that speaks Twilio's form (2010-04-01)."""

import base64
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import orjson
from yarl import URL

from tocsin.customers import queries as customers
from tocsin.customers.values import AddressKind
from tocsin.integrations.channel_settings import ChannelLimits, ChannelSettings
from tocsin.integrations.http_calls.posting import Answer, NotSent, Posting, Unanswered
from tocsin.integrations.http_calls.settings import HTTP_SETTINGS
from tocsin.integrations.sms import replies, writing
from tocsin.integrations.sms.segments import PlainLetters
from tocsin.kernel.language import gettext as _, gettext_noop
from tocsin.kernel.remarks import Remark, Standing
from tocsin.messaging.ports import OutcomeUnknown, TransportError
from tocsin.messaging.values import Accepted, Content, Outgoing, Prepared

SETTINGS: Mapping[str, str] = {
    "account_sid": gettext_noop("the provider's id of the account, AC..."),
    "user": gettext_noop("SID of an API key, SK...; the account itself if left out"),
    "from": gettext_noop("number or sender's name the SMS come from"),
    "messaging_service": gettext_noop("SID of a messaging service, MG..., instead of one number"),
    "callback_url": gettext_noop("where reports come in: https://your.host/webhooks/v1/ID"),
    "plain_letters": writing.PLAIN_LETTERS,
    "country": gettext_noop("country of numbers written without one, two letters"),
    "base_url": gettext_noop("address of the provider; https://api.twilio.com if left out"),
    **{name: HTTP_SETTINGS[name] for name in ("ca_file", "plain_http", "proxy", "timeout_seconds", "per_second")},
}
SECRETS: Mapping[str, str] = {"token": gettext_noop("auth token of the account, or secret of the API key")}
LATE_SECONDS = 5.0  # what a cancelled connection may take beyond its time-out
_SENDER = re.compile(r"\+[1-9]\d{4,14}|\d{3,8}|[A-Za-z0-9 +&_-]{1,11}")
_SID = re.compile(r"[A-Z]{2}[0-9a-fA-F]{32}|[A-Za-z0-9-]{4,64}")
_FAILED = frozenset({"failed", "undelivered", "canceled"})


@dataclass(frozen=True, slots=True)
class _From:
    """Who an SMS is from, under the name the provider has for it."""

    name: str
    value: str


def connect(name: str, *, settings: Mapping[str, Any], secrets: Mapping[str, str]) -> "Sms":
    """Return the channel; ChannelNotUnderstood says which setting is wrong. Nothing is opened yet."""
    given = ChannelSettings(name, settings=settings, secrets=secrets, known=SETTINGS, known_secrets=SECRETS)
    account = given.text("account_sid")
    if not _SID.fullmatch(account):
        raise given.wrong("account_sid", _("it is no id of an account."))
    base = given.address("base_url", default="https://api.twilio.com")
    callback = given.address("callback_url") if given.text("callback_url", default="") else ""
    country = given.text("country", default="").upper()
    if country and not customers.known_country(country):
        raise given.wrong("country", _("it is no country."), mend=_("Write two letters, such as FR."))
    timeout_seconds = given.number("timeout_seconds", default=30.0, least=0.1) or 30.0
    credentials = f"{given.text('user', default=account)}:{given.secret('token')}".encode()
    return Sms(
        Posting(timeout_seconds=timeout_seconds, ca_file=given.ca_file(), proxy=given.proxy()),
        address=URL(f"{base}/2010-04-01/Accounts/{account}/Messages.json", encoded=True),
        account=account,
        sender=_sender(given),
        callback=callback,
        country=country,
        letters=writing.plain_letters(given),
        credentials="Basic " + base64.b64encode(credentials).decode(),
        seconds_max=timeout_seconds + LATE_SECONDS,
        limits=ChannelLimits(per_second=given.number("per_second", default=None, least=0.01)),
    )


def _sender(given: ChannelSettings) -> _From:
    service, number = given.text("messaging_service", default=""), given.text("from", default="")
    if bool(service) == bool(number):
        raise given.wrong("from", _("either from or messaging_service is needed."))
    if service:
        return _From("MessagingServiceSid", service)
    if not _SENDER.fullmatch(number):
        raise given.wrong("from", _("it is no number, short code or name of a sender."))
    return _From("From", number)


class Sms:
    """One SMS sender."""

    reaches: Sequence[AddressKind] = (AddressKind.PHONE,)

    def __init__(
        self,
        posting: Posting,
        *,
        address: URL,
        account: str,
        sender: _From,
        callback: str,
        country: str,
        letters: PlainLetters,
        credentials: str,
        seconds_max: float,
        limits: ChannelLimits,
    ) -> None:
        self._posting, self._address, self._sender, self._callback = posting, address, sender, callback
        self._country, self._letters, self._headers = country, letters, {"Authorization": credentials}
        self.line, self.account, self.portfolio = sender.value, account, ""
        self.reports, self.seconds_max, self.limits = bool(callback), seconds_max, limits

    def address(self, text: str, *, kind: AddressKind) -> str:
        """Return a telephone number in E.164."""
        return writing.number_of(text, kind=kind, country=self._country)

    def prepare(self, content: Content) -> Prepared:
        """Return what sending this needs: ``{"text"}``. ``category`` says how it is carried: ``gsm7-2``, ``ucs2-1``."""
        return writing.prepared(content, letters=self._letters)

    async def send(self, message: Outgoing) -> Accepted:
        """Hand one SMS to the provider."""
        form = {"To": message.address, self._sender.name: self._sender.value, "Body": str(message.content["text"])}
        if self._callback:
            form["StatusCallback"] = str(URL(self._callback).with_query({"id": str(message.id)}))
        answer = await self._post(form)
        if not 200 <= answer.status < 300:
            raise replies.error_of(answer, without=message.address)
        return _accepted(answer.body)

    async def check(self) -> Sequence[Remark]:
        """Ask the provider to send to nobody, which it refuses only after it has looked at account and token."""
        try:
            answer = await self._post({self._sender.name: self._sender.value})
        except TransportError as error:
            wrong = _("The provider cannot be reached: {why}.").format(why=error.detail)
            return [Remark(Standing.FAULT, wrong, mend=_("Look at base_url, and whether a proxy is needed."))]
        if answer.status == 400:
            return [Remark(Standing.OK, _("The provider knows account and token.")), *self._remarks()]
        if answer.status in {401, 403}:
            wrong = _("The provider does not accept account and token.")
            mend = _("Compare account_sid, user and token with the provider's console.")
        else:
            wrong = _("The provider answers in a way that is not understood: HTTP {status}.").format(
                status=answer.status
            )
            mend = _("Look at base_url and account_sid.")
        return [Remark(Standing.FAULT, wrong, mend=mend)]

    def _remarks(self) -> Sequence[Remark]:
        if self._callback:
            return ()
        lacking = _("No reports come back: nobody will know what became of an SMS.")
        return [Remark(Standing.WARNING, lacking, mend=_("Set callback_url."))]

    async def _post(self, form: Mapping[str, str]) -> Answer:
        try:
            return await self._posting.post(
                self._address, urlencode(form).encode(), content_type="application/x-www-form-urlencoded",
                headers=self._headers,
            )  # fmt: skip
        except NotSent as error:
            raise replies.not_reached(str(error)) from None
        except Unanswered as error:
            raise OutcomeUnknown(str(error)) from None

    async def close(self) -> None:
        """Let go of connections."""
        await self._posting.close()


def _accepted(body: bytes) -> Accepted:
    try:
        told = orjson.loads(body)
        sid, state = told["sid"], told.get("status")
    except (ValueError, TypeError, KeyError, AttributeError):
        raise OutcomeUnknown("the provider says yes in a form that is not understood") from None
    if not isinstance(sid, str) or not sid:
        raise OutcomeUnknown("the provider says yes without an id")
    if state in _FAILED:
        raise replies.refused_at_once(told.get("error_code"))
    return Accepted(sid)
