"""One SMS sender behind a Kannel of one's own: its HTTP interface ``sendsms`` (user guide 1.4.5, "Using HTTP to send SMS").

The message goes as a POST with X-Kannel-* headers, so that neither password nor text nor number stands in an address
that somebody logs.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from yarl import URL

from tocsin.customers import queries as customers
from tocsin.customers.values import AddressKind
from tocsin.integrations.channel_settings import ChannelLimits, ChannelSettings
from tocsin.integrations.http_calls.posting import Answer, NotSent, Posting, Unanswered
from tocsin.integrations.http_calls.settings import HTTP_SETTINGS
from tocsin.integrations.sms import writing
from tocsin.integrations.sms.kannel import replies, status_page
from tocsin.integrations.sms.kannel.spelling import line_of, report_token
from tocsin.integrations.sms.replies import not_reached
from tocsin.integrations.sms.segments import PlainLetters, segments
from tocsin.kernel.language import gettext as _, gettext_noop
from tocsin.kernel.remarks import Remark, Standing
from tocsin.messaging.ports import OutcomeUnknown, TransportError
from tocsin.messaging.values import Accepted, Content, Outgoing, Prepared, Verdict

SETTINGS: Mapping[str, str] = {
    "url": gettext_noop("address of Kannel's sendsms; http://127.0.0.1:13013/cgi-bin/sendsms if left out"),
    "username": gettext_noop("name of a group sendsms-user of kannel.conf"),
    "from": gettext_noop("number or sender's name the SMS come from"),
    "callback_url": gettext_noop("where reports come in: https://your.host/webhooks/v1/ID"),
    "status_url": gettext_noop("address of its status page, http://127.0.0.1:13000/status.xml, for checks"),
    "smsc": gettext_noop("id of the message centre they go through; Kannel decides if left out"),
    "parts_max": gettext_noop("SMS one text may become; 10 if left out, no more than max-messages of the sendsms-user"),
    "validity_minutes": gettext_noop("minutes the message centre keeps trying; as long as it likes if left out"),
    "plain_letters": writing.PLAIN_LETTERS,
    "country": gettext_noop("country of numbers written without one, two letters"),
    **{name: HTTP_SETTINGS[name] for name in ("ca_file", "plain_http", "proxy", "timeout_seconds", "per_second")},
}
SECRETS: Mapping[str, str] = {
    "password": gettext_noop("password of the sendsms-user"),
    "callback_secret": gettext_noop("secret of the place where reports come in, when there is a callback_url"),
    "status_password": gettext_noop("status-password of kannel.conf, when it has one"),
}
LATE_SECONDS = 5.0  # what a cancelled connection may take beyond its time-out
PARTS_MAX = 10
# To be told: brought to the phone, not brought, taken by the message centre, refused by it.
REPORTS_ASKED = 1 | 2 | 8 | 16
_SENDER = re.compile(r"\+?\d{3,15}|[A-Za-z0-9 +&._-]{1,11}")
_WORD = re.compile(r"[!-~]{1,64}")
_CODINGS = {"gsm7": "0", "ucs2": "2"}
# Kannel fills these in when it reports (user guide, "Parameters (Escape Codes)"); they may not be percent-encoded.
_FILLED_IN = "&type=%d&at=%T&smsc=%i&theirs=%F&said=%A"


def connect(name: str, *, settings: Mapping[str, Any], secrets: Mapping[str, str]) -> "Kannel":
    """Return the channel; ChannelNotUnderstood says which setting is wrong. Nothing is opened yet."""
    given = ChannelSettings(name, settings=settings, secrets=secrets, known=SETTINGS, known_secrets=SECRETS)
    address = URL(given.address("url", default="http://127.0.0.1:13013/cgi-bin/sendsms"))
    country = given.text("country", default="").upper()
    if country and not customers.known_country(country):
        raise given.wrong("country", _("it is no country."), mend=_("Write two letters, such as FR."))
    username, sender = _printable(given, "username"), given.text("from")
    if not _SENDER.fullmatch(sender):
        raise given.wrong(
            "from", _("it is no number, short code or name of a sender."),
            mend=_("A sender's name has 11 letters or digits at most."),
        )  # fmt: skip
    headers = {"X-Kannel-Username": username, "X-Kannel-Password": _password(given), "X-Kannel-From": sender}
    if given.text("smsc", default=""):
        headers["X-Kannel-SMSC"] = _printable(given, "smsc")
    if validity := given.number("validity_minutes", default=None, least=1):
        headers["X-Kannel-Validity"] = str(int(validity))
    timeout_seconds = given.number("timeout_seconds", default=30.0, least=0.1) or 30.0
    return Kannel(
        Posting(timeout_seconds=timeout_seconds, ca_file=given.ca_file(), proxy=given.proxy()),
        address=address if len(address.path) > 1 else address.with_path("/cgi-bin/sendsms"),
        headers=headers,
        callback=_callback(given),
        callback_secret=given.secret("callback_secret") if given.text("callback_url", default="") else "",
        country=country,
        letters=writing.plain_letters(given),
        parts_max=int(given.number("parts_max", default=PARTS_MAX, least=1) or PARTS_MAX),
        seconds_max=timeout_seconds + LATE_SECONDS,
        limits=ChannelLimits(per_second=given.number("per_second", default=None, least=0.01)),
        status=_status(given),
    )


def _printable(given: ChannelSettings, key: str) -> str:
    """Return a setting that can stand in a header."""
    text = given.text(key)
    if not _WORD.fullmatch(text):
        raise given.wrong(
            key, _("it must be letters, digits and signs without blanks."), mend=_("Write it as in kannel.conf.")
        )
    return text


def _password(given: ChannelSettings) -> str:
    password = given.secret("password")
    if not _WORD.fullmatch(password):
        raise given.wrong(
            "password", _("it must be letters, digits and signs without blanks."),
            mend=_("Choose another one in kannel.conf."),
        )  # fmt: skip
    return password


def _status(given: ChannelSettings) -> URL | None:
    if not given.text("status_url", default=""):
        return None
    address = URL(given.address("status_url"))
    return (
        address.with_query(password=given.secret("status_password")) if given.has_secret("status_password") else address
    )


def _callback(given: ChannelSettings) -> str:
    callback = given.address("callback_url") if given.text("callback_url", default="") else ""
    if "%" in callback:
        raise given.wrong(
            "callback_url", _("Kannel would fill in what follows a per cent sign."), mend=_("Write it without one.")
        )
    return callback


class Kannel:
    """One SMS sender behind Kannel."""

    reaches: Sequence[AddressKind] = (AddressKind.PHONE,)
    portfolio = ""

    def __init__(
        self,
        posting: Posting,
        *,
        address: URL,
        headers: Mapping[str, str],
        callback: str,
        callback_secret: str,
        country: str,
        letters: PlainLetters,
        parts_max: int,
        seconds_max: float,
        limits: ChannelLimits,
        status: URL | None,
    ) -> None:
        self._posting, self._address, self._headers = posting, address, headers
        self._callback, self._callback_secret, self._status = callback, callback_secret, status
        self._country, self._letters, self._parts_max = country, letters, parts_max
        self.line = line_of(headers["X-Kannel-From"])
        self.account = f"{headers['X-Kannel-Username']}@{address.host}:{address.port}"
        self.reports, self.seconds_max, self.limits = bool(callback), seconds_max, limits

    def address(self, text: str, *, kind: AddressKind) -> str:
        """Return a telephone number in E.164."""
        return writing.number_of(text, kind=kind, country=self._country)

    def prepare(self, content: Content) -> Prepared:
        """Return what sending this needs: ``{"text"}``. ``category`` says how it is carried: ``gsm7-2``, ``ucs2-1``."""
        return writing.prepared(content, letters=self._letters, parts_max=self._parts_max)

    async def send(self, message: Outgoing) -> Accepted:
        """Hand one SMS to Kannel: it returns once bearerbox, which keeps it, has taken it."""
        text = str(message.content["text"])
        headers = {
            **self._headers, "X-Kannel-To": message.address, "X-Kannel-Coding": _CODINGS[segments(text).encoding],
        }  # fmt: skip
        if self._callback:
            headers["X-Kannel-DLR-Mask"] = str(REPORTS_ASKED)
            headers["X-Kannel-DLR-URL"] = self._report_to(message.id)
        answer = await self._post(text, headers=headers)
        if answer.status != 202:
            raise OutcomeUnknown("success of another kind") if answer.status < 300 else replies.error_of(answer)
        # It tells no id of its own, and its reports come back with ours. "3:" is said while no message centre is up.
        return Accepted(str(message.id), held=answer.body.startswith(b"3:"))

    async def check(self) -> Sequence[Remark]:
        """Ask Kannel to send to no number, which it refuses only after it has looked at name and password."""
        try:
            answer = await self._post("", headers={**self._headers, "X-Kannel-To": ""})
        except TransportError as error:
            return [_unreached(error)]
        if answer.status == 400:
            known = Remark(Standing.OK, _("Kannel knows name and password."))
            return [known, *self._remarks(), *await self._centres()]
        refusal = replies.error_of(answer)
        if refusal.verdict is Verdict.HOLD_ACCOUNT:
            wrong = _("Kannel does not accept name and password, or not from this machine.")
            mend = _("Compare username, password and user-allow-ip of the group sendsms-user in kannel.conf.")
        else:
            wrong = _("Something else than Kannel's sendsms answers: HTTP {status}.").format(status=answer.status)
            mend = _("Compare url with sendsms-port and sendsms-url of kannel.conf.")
        return [Remark(Standing.FAULT, wrong, mend=mend)]

    async def _centres(self) -> Sequence[Remark]:
        """Ask bearerbox for its status, where its page was named."""
        if self._status is None:
            return ()
        try:
            answer = await self._posting.post(self._status, b"", content_type="text/plain", headers={})
        except (NotSent, Unanswered) as error:
            wrong = _("Kannel's status page cannot be reached: {why}.").format(why=error)
            mend = _("Compare status_url with admin-port of kannel.conf.")
            return [Remark(Standing.FAULT, wrong, mend=mend)]
        smsc = self._headers.get("X-Kannel-SMSC", "")
        return status_page.remarks(answer.body.decode("utf-8", "replace"), smsc=smsc)

    def _remarks(self) -> Sequence[Remark]:
        if self._callback:
            return ()
        lacking = _("No reports come back: nobody will know what became of an SMS.")
        return [Remark(Standing.WARNING, lacking, mend=_("Set callback_url and callback_secret."))]

    def _report_to(self, message_id: UUID) -> str:
        ours = {"id": str(message_id), "token": report_token(self._callback_secret, str(message_id))}
        return f"{self._callback}?{urlencode(ours)}{_FILLED_IN}"

    async def _post(self, text: str, *, headers: Mapping[str, str]) -> Answer:
        try:
            return await self._posting.post(
                self._address, text.encode(), content_type="text/plain; charset=UTF-8", headers=headers
            )
        except NotSent as error:
            raise not_reached(str(error)) from None
        except Unanswered as error:
            raise OutcomeUnknown(str(error)) from None

    async def close(self) -> None:
        """Let go of connections."""
        await self._posting.close()


def _unreached(error: TransportError) -> Remark:
    if isinstance(error, OutcomeUnknown):
        mend = _("Look whether bearerbox runs: without it smsbox takes messages and answers nothing.")
        return Remark(Standing.FAULT, _("Kannel does not answer in time."), mend=mend)
    mend = _("Look whether smsbox runs, and compare url with sendsms-port of kannel.conf.")
    return Remark(Standing.FAULT, _("Kannel cannot be reached: {why}.").format(why=error.detail), mend=mend)
