"""A product that shows messages itself: each one is posted to it, signed (Standard Webhooks 1.0.0).

``webhook-id`` is the message's id, the same at every try, so that the product shows a message once. What the product
answers is described in docs/howto/messages-to-your-product.md.
"""

import re
import ssl
from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from aiohttp import ThreadedResolver
from yarl import URL

from tocsin.customers.values import AddressKind
from tocsin.integrations.channel_settings import ChannelLimits, ChannelSettings
from tocsin.integrations.http_calls.moments import to_iso
from tocsin.integrations.http_calls.pacing import retry_after
from tocsin.integrations.http_calls.posting import Answer, NotSent, Posting, Unanswered
from tocsin.integrations.http_calls.settings import HTTP_SETTINGS
from tocsin.integrations.standard_webhooks import reaching
from tocsin.integrations.webhook import signature
from tocsin.integrations.webhook.addresses import PublicOnly, may_be_public
from tocsin.kernel import clock
from tocsin.kernel.language import gettext as _, gettext_noop
from tocsin.kernel.remarks import Remark, Standing
from tocsin.messaging.errors import AddressNotUnderstood, ContentNotUnderstood
from tocsin.messaging.ports import OutcomeUnknown, TransportError
from tocsin.messaging.values import Accepted, Content, Outgoing, Prepared, Reason, Verdict

SETTINGS: Mapping[str, str] = {
    "url": gettext_noop("address of the product's webhook"),
    "allow_private": gettext_noop("yes: the address may lie in your own network"),
    "line": gettext_noop("what the product calls this channel in its own messages; the address's host if left out"),
    "reports": gettext_noop("yes: the product reports what was delivered and read"),
    **{name: HTTP_SETTINGS[name] for name in ("ca_file", "plain_http", "timeout_seconds", "per_second")},
}
SECRETS: Mapping[str, str] = {
    "secret": gettext_noop("whsec_ and base64 of 24 to 64 random bytes, shared with the product"),
    "old_secret": gettext_noop("the secret before, while it is changed: messages are signed with both"),
}
CONTENT_BYTES_MAX = 256 * 1024
ACCOUNT_CHARACTERS_MAX = 255
SLOW_SECONDS = 15.0
UNREACHED_SECONDS = 30.0
ABSENT_SECONDS = 300.0  # where nothing answers at the address: the product may be being deployed
LATE_SECONDS = 5.0  # what a cancelled connection may take beyond its time-out
_TYPE = re.compile(r"[A-Za-z0-9_]+(?:\.[A-Za-z0-9_]+)*")
_Meaning = tuple[Verdict, Reason, float | None]
_MEANINGS: Mapping[int, _Meaning] = {
    400: (Verdict.OUR_MISTAKE, Reason.OUR_MISTAKE, None),
    401: (Verdict.HOLD_LINE, Reason.OUR_MISTAKE, None),
    403: (Verdict.HOLD_LINE, Reason.OUR_MISTAKE, None),
    404: (Verdict.HOLD_LINE, Reason.TRY_LATER, ABSENT_SECONDS),
    409: (Verdict.RETRY, Reason.TRY_LATER, None),
    410: (Verdict.HOLD_LINE, Reason.REFUSED, None),  # "Gone": send nothing more, until somebody connects it again
    413: (Verdict.OUR_MISTAKE, Reason.OUR_MISTAKE, None),
    422: (Verdict.DEAD, Reason.NOT_REACHABLE, None),  # the product knows nobody of this id
    429: (Verdict.SLOW_LINE, Reason.RATE_LIMITED, SLOW_SECONDS),
}


def connect(name: str, *, settings: Mapping[str, Any], secrets: Mapping[str, str]) -> "Webhook":
    """Return the channel; ChannelNotUnderstood says which setting is wrong. Nothing is opened yet."""
    given = ChannelSettings(name, settings=settings, secrets=secrets, known=SETTINGS, known_secrets=SECRETS)
    address = URL(given.address("url"), encoded=True)
    allows_private = given.flag("allow_private", default=False)
    if not allows_private and not may_be_public(address.host or ""):
        raise given.wrong(
            "url", _("it lies in your own network."), mend=_("Set allow_private to yes if that is meant.")
        )
    timeout_seconds = given.number("timeout_seconds", default=20.0, least=0.1) or 20.0
    return Webhook(
        Posting(
            timeout_seconds=timeout_seconds,
            ca_file=given.ca_file(),
            resolver=None if allows_private else PublicOnly,
        ),
        address=address,
        keys=_keys(given),
        line=given.text("line", default=address.host or ""),
        reports=given.flag("reports", default=False),
        seconds_max=timeout_seconds + LATE_SECONDS,
        reached=(allows_private, given.ca_file()),
        limits=ChannelLimits(per_second=given.number("per_second", default=None, least=0.01)),
    )


def _keys(given: ChannelSettings) -> list[bytes]:
    found = []
    for name in ["secret"] + (["old_secret"] if given.has_secret("old_secret") else []):
        try:
            found.append(signature.key_of(given.secret(name)))
        except ValueError as error:
            raise given.wrong(name, _("it must be whsec_ and base64 of 24 to 64 random bytes.")) from error
    return found


class Webhook:
    """One address of a product."""

    reaches: Sequence[AddressKind] = (AddressKind.APP,)

    def __init__(
        self,
        posting: Posting,
        *,
        address: URL,
        keys: Sequence[bytes],
        line: str,
        reports: bool,
        seconds_max: float,
        limits: ChannelLimits,
        reached: tuple[bool, str | None],
    ) -> None:
        self._allows_private, self._ca_file = reached
        self._posting, self._address, self._keys = posting, address, keys
        self.line, self.account, self.portfolio = line, "", ""
        self.reports, self.seconds_max, self.limits = reports, seconds_max, limits

    def address(self, text: str, *, kind: AddressKind) -> str:
        """Return the customer's id in the product, as it was given."""
        if kind is not AddressKind.APP:
            raise AddressNotUnderstood(_("A webhook reaches ids of the product only."))
        plain = text.strip()
        if not plain or len(plain) > ACCOUNT_CHARACTERS_MAX or not plain.isprintable():
            raise AddressNotUnderstood(_("This is no id of a customer in the product."))
        return plain

    def prepare(self, content: Content) -> Prepared:
        """Return what sending this needs: ``{"type", "data"}``, where ``data`` is a JSON object."""
        for key in content:
            if key not in {"type", "data"}:
                raise ContentNotUnderstood(_("there is no such part."), where=key)
        named, data = content.get("type"), content.get("data")
        if not isinstance(named, str) or not _TYPE.fullmatch(named):
            raise ContentNotUnderstood(_("it must be words joined by dots, such as security.notice."), where="type")
        if not isinstance(data, Mapping):
            raise ContentNotUnderstood(_("it must be a JSON object."), where="data")
        try:
            written = orjson.dumps(data)
        except TypeError as error:
            raise ContentNotUnderstood(_("it must be a JSON object."), where="data") from error
        if len(written) > CONTENT_BYTES_MAX:
            raise ContentNotUnderstood(_("it is too long."), where="data")
        text = data.get("text")
        return Prepared(content=dict(content), shown=text if isinstance(text, str) else written.decode())

    async def send(self, message: Outgoing) -> Accepted:
        """Post one message."""
        now = clock.now()
        told = {
            "type": message.content["type"], "timestamp": to_iso(now), "account": message.address,
            "purpose": str(message.purpose), "data": message.content["data"],
        }  # fmt: skip
        if message.reply_to:
            told["reply_to"] = message.reply_to
        body, named, timestamp = orjson.dumps(told), str(message.id), int(now.timestamp())
        headers = {
            signature.ID: named,
            signature.TIMESTAMP: str(timestamp),
            signature.SIGNATURE: signature.signature(named, timestamp=timestamp, body=body, keys=self._keys),
        }
        try:
            answer = await self._posting.post(self._address, body, content_type="application/json", headers=headers)
        except NotSent as error:
            raise TransportError(
                permanent=False, verdict=Verdict.HOLD_LINE, reason=Reason.TRY_LATER, detail=str(error),
                wait_seconds=UNREACHED_SECONDS,
            ) from None  # fmt: skip
        except Unanswered as error:
            raise OutcomeUnknown(str(error)) from None
        if not 200 <= answer.status < 300:
            raise error_of(answer)
        return Accepted(named)

    async def check(self) -> Sequence[Remark]:
        """Look whether the address can be reached. A product is asked nothing, so nothing is known of the secret."""
        resolver = ThreadedResolver() if self._allows_private else PublicOnly()
        try:
            tls = ssl.create_default_context(cafile=self._ca_file)
            found = await reaching.remarks(self._address, resolver=resolver, tls=tls)
        finally:
            await resolver.close()
        unknown = _("Whether the product knows the secret shows the first message.")
        mend = _("Send one with `tocsin message send --purpose test`.")
        return (*found, Remark(Standing.WARNING, unknown, mend))

    async def close(self) -> None:
        """Let go of connections."""
        await self._posting.close()


def error_of(answer: Answer) -> TransportError:
    """Return what an answer means. A fault of the product's is tried again: it knows the message by its id."""
    unknown: _Meaning = (
        (Verdict.RETRY, Reason.TRY_LATER, None) if answer.status >= 500 or answer.status == 408
        else (Verdict.HOLD_LINE, Reason.OUR_MISTAKE, None) if answer.status < 400
        else (Verdict.OUR_MISTAKE, Reason.REFUSED, None)
    )  # fmt: skip
    verdict, reason, wait = _MEANINGS.get(answer.status, unknown)
    if verdict in {Verdict.SLOW_LINE, Verdict.RETRY}:
        asked = retry_after(answer.headers)
        wait = asked if asked is not None else wait
    return TransportError(
        permanent=verdict in {Verdict.DEAD, Verdict.OUR_MISTAKE}, verdict=verdict, reason=reason, code=answer.status,
        detail=f"HTTP {answer.status}", wait_seconds=wait,
    )  # fmt: skip
