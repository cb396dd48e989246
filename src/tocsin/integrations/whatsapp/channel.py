"""One WhatsApp number as a channel: what it takes, what it refuses, and what became of each message it sent."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import orjson

from tocsin.customers import queries as customers
from tocsin.customers.values import AddressKind
from tocsin.integrations.http_calls.posting import Answer, NotSent, Unanswered, WatchedBody
from tocsin.integrations.whatsapp import contents
from tocsin.integrations.whatsapp.account import BusinessAccount
from tocsin.integrations.whatsapp.errors import refusal_of, transport_error
from tocsin.integrations.whatsapp.graph import Graph
from tocsin.integrations.whatsapp.media import Fetched, MediaFiles
from tocsin.integrations.whatsapp.sent_templates import Wording
from tocsin.integrations.whatsapp.settings import LEVELS, SECRETS, SETTINGS, NumberSettings, read
from tocsin.kernel import clock
from tocsin.kernel.language import gettext as _
from tocsin.kernel.remarks import Remark
from tocsin.messaging import queries
from tocsin.messaging.errors import AddressNotUnderstood
from tocsin.messaging.ports import OutcomeUnknown, TransportError
from tocsin.messaging.values import Accepted, Content, Outgoing, Prepared, Reason, Verdict

__all__ = ["SECRETS", "SETTINGS", "WhatsAppNumber", "connect"]

PAIR_SECONDS = 6.0  # one message in six seconds to the same person (Meta, about the platform)
PAIR_BURST = 45
LATE_SECONDS = 5.0  # what a cancelled connection may take beyond its time-out
WORDING_KEPT = timedelta(minutes=1)
PRIVATE_CHARACTERS_MIN = 5
PHONE_ONLY = 131062
NOT_MARKETING = frozenset({131055, 134100, 134102})
HELD = "held_for_quality_assessment"
# Answers that are not Meta's own, by HTTP status: a redirect, a wall or a wrong address takes no other message either.
# Those not named were not taken, so two more tries double nothing.
_FOREIGN: Mapping[int, tuple[Verdict, Reason]] = {
    429: (Verdict.SLOW_LINE, Reason.RATE_LIMITED),
    **dict.fromkeys((301, 302, 303, 307, 308, 401, 403, 404, 407), (Verdict.HOLD_LINE, Reason.TRY_LATER)),
}
_BUSINESS_SCOPED = re.compile(r"[A-Z]{2}\.(ENT\.)?[0-9A-Za-z]{1,128}")


@dataclass(frozen=True, slots=True)
class NumberLimits:
    """What Meta allows one number."""

    per_second: float | None
    people_per_day: int | None
    pair_seconds: float | None = PAIR_SECONDS
    pair_burst: int = PAIR_BURST


def connect(name: str, *, settings: Mapping[str, Any], secrets: Mapping[str, str]) -> "WhatsAppNumber":
    """Return the channel; ChannelNotUnderstood says which setting is wrong. Nothing is sent yet."""
    return WhatsAppNumber(read(name, settings=settings, secrets=secrets))


class WhatsAppNumber:
    """One business number on the Cloud API."""

    reaches = (AddressKind.PHONE, AddressKind.WHATSAPP)
    reports = True

    def __init__(self, number: NumberSettings) -> None:
        self.line, self.account, self.portfolio = number.line, number.account, number.portfolio
        self.seconds_max = number.reach.timeout_seconds + LATE_SECONDS
        self.limits = NumberLimits(per_second=LEVELS[number.level], people_per_day=number.people_per_day)
        self._graph = Graph(number.reach)
        self.media = MediaFiles(self._graph, number.line)
        self._address = self._graph.address(f"{number.line}/messages")
        self._marketing_address = self._graph.address(f"{number.line}/{contents.MARKETING}")
        self._is_direct, self._is_apart = number.is_direct, number.is_apart
        self._wordings: dict[tuple[str, str], tuple[datetime, Wording | None]] = {}

    def address(self, text: str, *, kind: AddressKind) -> str:
        """Return a telephone number in E.164 with its plus sign, or a business-scoped id exactly as it came."""
        if kind is AddressKind.WHATSAPP:
            if _BUSINESS_SCOPED.fullmatch(text):
                return text
            raise AddressNotUnderstood(_("This is not a business-scoped id of WhatsApp."))
        if kind is not AddressKind.PHONE:
            raise AddressNotUnderstood(_("WhatsApp reaches telephone numbers and business-scoped ids only."))
        number = customers.phone(text)
        if number is None:
            # Without the plus sign Meta would put the business number's own country before it.
            raise AddressNotUnderstood(
                _("This is not a telephone number with its country."), mend=_("Write it as +33612345678.")
            )
        return number

    def prepare(self, content: Content) -> Prepared:
        """Return what sending this needs; ContentNotUnderstood names the place that is wrong.

        Templates are held against their wording as Meta told it last, for which the database must be open; where
        nothing was told yet, they are taken as they come.
        """
        return contents.prepare(content, is_direct=self._is_direct, is_apart=self._is_apart, known=self._wording)

    def _wording(self, name: str, language: str) -> Wording | None:
        """Return a template's wording; asked for once a minute, because a broadcast prepares it for everybody."""
        kept = self._wordings.get((name, language))
        if kept is None or kept[0] < clock.now():
            found = queries.template(self.account, name, language)
            wording = (
                Wording(found.category, found.components, found.parameter_format or "POSITIONAL")
                if found is not None and found.components
                else None
            )
            kept = self._wordings[name, language] = clock.now() + WORDING_KEPT, wording
        return kept[1]

    async def send(self, message: Outgoing) -> Accepted:
        """Hand one message to Meta, in exactly one request.

        Nothing left: TransportError (retry). Refused by Meta: TransportError as the table of codes says. Anything else
        after the first byte, and any answer that is not understood: OutcomeUnknown.
        """
        body = WatchedBody(payload(message), content_type="application/json")
        try:
            answer = await self._graph.post(self._marketing_address if by_marketing(message) else self._address, body)
        except NotSent as error:
            raise TransportError(
                permanent=False, verdict=Verdict.RETRY, reason=Reason.TRY_LATER, detail=str(error)
            ) from error
        except Unanswered as error:
            raise OutcomeUnknown(str(error)) from error
        return outcome(answer, message)

    async def fetch_media(self, media_id: str, to: Path, *, sha256: str = "") -> Fetched:
        """Fetch a file a person sent, in pieces to ``to``; NotAnswered or FileNotUsable when it is not there whole."""
        return await self.media.fetch(media_id, to, sha256=sha256)

    async def check(self) -> Sequence[Remark]:
        """Look whether token, number, webhooks and templates are in order; nothing is sent to anybody."""
        account = BusinessAccount(self._graph, line=self.line, account=self.account)
        return (await account.looked_at()).remarks

    async def close(self) -> None:
        """Let go of connections."""
        await self._graph.close()


def payload(message: Outgoing) -> bytes:
    """Return the body of ``POST /{number}/messages``."""
    to = _recipient(message)
    made: dict[str, Any] = {"messaging_product": "whatsapp", "recipient_type": "individual", **to, **message.content}
    made.pop("when_shut", None)
    made.pop(contents.BY, None)
    if message.reply_to and "context" not in made:
        made["context"] = {"message_id": message.reply_to}
    made["biz_opaque_callback_data"] = str(message.id)
    return orjson.dumps(made)


def by_marketing(message: Outgoing) -> bool:
    """Say whether a message goes by the marketing endpoint; once it was refused there, it goes by the usual one."""
    return message.content.get(contents.BY) == contents.MARKETING and message.number == 1


def _recipient(message: Outgoing) -> dict[str, str]:
    if message.address_kind is AddressKind.PHONE:
        return {"to": message.address}
    phone = message.other_addresses.get(AddressKind.PHONE)
    # A template that reaches numbers only was refused before: the number, where it is known, is the same person.
    if phone and message.number > 1:
        return {"to": phone}
    return {"recipient": message.address}


def outcome(answer: Answer, message: Outgoing) -> Accepted:
    """Return what an answer says became of a message, or raise what it means."""
    if answer.status == 200:
        return _accepted(answer.body)
    refusal = refusal_of(answer.status, answer.headers, answer.body)
    if refusal is None:
        raise _not_understood(answer)
    error = transport_error(refusal, to=message.address, private=texts_of(message.content))
    if refusal.code == PHONE_ONLY and message.number == 1 and AddressKind.PHONE in message.other_addresses:
        error.permanent, error.verdict, error.reason = False, Verdict.RETRY_FEW, Reason.TRY_LATER
    if refusal.code in NOT_MARKETING and by_marketing(message):
        # Meta gave the template another category since; by the usual endpoint it goes.
        error.permanent, error.verdict, error.reason = False, Verdict.RETRY_FEW, Reason.TRY_LATER
    raise error


def texts_of(part: Any) -> list[str]:
    """Return every text of a content that is not one word of a few letters."""
    if isinstance(part, Mapping):
        return [text for each in part.values() for text in texts_of(each)]
    if isinstance(part, list | tuple):
        return [text for each in part for text in texts_of(each)]
    return [part] if isinstance(part, str) and len(part) >= PRIVATE_CHARACTERS_MIN else []


def _accepted(body: bytes) -> Accepted:
    try:
        told = orjson.loads(body)
        message = told["messages"][0]
        provider_id = message["id"]
        contacts = told.get("contacts") or [{}]
        if not isinstance(provider_id, str) or not provider_id:
            raise ValueError("no id")
        return Accepted(
            provider_id=provider_id,
            held=message.get("message_status") == HELD,
            address=str(contacts[0].get("wa_id") or contacts[0].get("user_id") or ""),
        )
    except (ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
        raise OutcomeUnknown(_("Meta says yes in a form that is not understood")) from error


def _not_understood(answer: Answer) -> TransportError:
    """Return what an answer without an error object of Meta means: something before Meta may have spoken."""
    words = _("the answer is not Meta's, HTTP {status}").format(status=answer.status)
    verdict, reason = _FOREIGN.get(answer.status, (Verdict.RETRY_FEW, Reason.REFUSED))
    if 300 <= answer.status < 500 and answer.status != 408:
        return TransportError(permanent=False, verdict=verdict, reason=reason, code=answer.status, detail=words)
    return OutcomeUnknown(words)
