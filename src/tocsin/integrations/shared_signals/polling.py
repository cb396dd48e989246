"""Asking a transmitter for its tokens: RFC 8936, with a bearer token that is fixed or fetched (RFC 6749, section 4.4)."""

import asyncio
import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote_plus

import aiohttp

from tocsin.containment import commands, queries
from tocsin.containment.errors import StreamNotUnderstood, SystemUnreachable
from tocsin.containment.values import SignalNews, Stream
from tocsin.integrations.shared_signals import exchange
from tocsin.integrations.shared_signals.issuer_keys import FetchFailed
from tocsin.integrations.shared_signals.receiver import Receiver
from tocsin.integrations.shared_signals.tokens import RefusalCode, Refused, jti_unverified
from tocsin.kernel.language import gettext as _

EVENTS_MAX = 1000
ROUNDS_MAX = 1000


@dataclass(slots=True)
class Polled:
    """What came of polling: tokens received, kept for the first time, and refused by their error code."""

    received: int = 0
    new: int = 0
    refused: dict[str, int] = field(default_factory=dict)
    more: bool = False  # the bound on rounds was reached first


class _Poll:
    """One run over one stream. What is kept is acknowledged with the next request, so nothing is lost in between."""

    def __init__(self, stream: Stream, *, receiver: Receiver, secrets: Mapping[str, str]) -> None:
        self.stream, self.receiver, self.secrets = stream, receiver, secrets
        self.bearer = secrets.get("poll_token", "")
        self.ack: list[str] = []
        self.errors: dict[str, dict[str, str]] = {}
        self.polled = Polled()

    def run(self, *, rounds: int) -> Polled:
        """Ask, keep, ask again; the last request only acknowledges."""
        more = True
        while more and rounds:
            rounds -= 1
            answer = asyncio.run(self._asked(EVENTS_MAX))
            sets = answer.get("sets")
            if not isinstance(sets, dict):
                raise self._unreachable(_("the answer holds no sets"))
            self._keep(sets)
            more = bool(sets) and answer.get("moreAvailable") is True
        if self.ack or self.errors:
            asyncio.run(self._asked(0))
        self.polled.more = more
        return self.polled

    def _keep(self, sets: Mapping[str, Any]) -> None:
        """Keep what is believed, then mark it for acknowledgement; what is not believed is told so."""
        news: list[SignalNews] = []
        for jti, text in sets.items():
            self.polled.received += 1
            try:
                news.append(self._read(jti, text=text))
            except Refused as refused:
                self.errors[jti] = {"err": refused.code.value, "description": refused.description}
                self.polled.refused[refused.code.value] = self.polled.refused.get(refused.code.value, 0) + 1
        if news:
            self.polled.new += commands.keep_news(self.stream, news=news)
            self.ack += [each.jti for each in news]

    def _read(self, jti: str, *, text: Any) -> SignalNews:
        encoded = text.encode() if isinstance(text, str) else b""
        if jti_unverified(encoded) != jti:
            raise Refused(RefusalCode.INVALID_REQUEST, "The token's jti is not the one it is listed under.")
        return self.receiver.read(self.stream, text=encoded)

    async def _asked(self, events_max: int) -> dict[str, Any]:
        """Send one poll request (section 2.2) with what is to be acknowledged, and return its answer."""
        wanted: dict[str, Any] = {"maxEvents": events_max, "returnImmediately": True}
        if self.ack:
            wanted["ack"] = list(self.ack)
        if self.errors:
            wanted["setErrs"] = dict(self.errors)
        async with exchange.opened(self.stream.settings) as session:
            status, answer = await self._sent(session, wanted)
            if status == 401 and self.stream.settings.get("token_url"):
                self.bearer = ""  # it has expired: one more try with a fresh one
                status, answer = await self._sent(session, wanted)
        if status != 200 or not isinstance(answer, dict):
            raise self._unreachable(_("status {status}").format(status=status))
        self.ack, self.errors = [], {}
        return answer

    async def _sent(self, session: aiohttp.ClientSession, wanted: Mapping[str, Any]) -> tuple[int, Any]:
        if not self.bearer and self.stream.settings.get("token_url"):
            self.bearer = await self._fresh_bearer(session)
        headers = {"authorization": f"Bearer {self.bearer}"} if self.bearer else {}
        headers |= {"content-type": "application/json", "accept": "application/json"}
        try:
            return await exchange.answered(
                session, "POST", self.stream.settings["poll_url"], headers=headers, data=json.dumps(wanted).encode()
            )
        except FetchFailed as error:
            raise self._unreachable(str(error)) from error

    async def _fresh_bearer(self, session: aiohttp.ClientSession) -> str:
        settings = self.stream.settings
        form = {"grant_type": "client_credentials", "scope": settings.get("scope") or "ssf.read"}
        # RFC 6749, section 2.3.1: both are form-encoded before they are put together.
        pair = f"{quote_plus(settings.get('client_id', ''))}:{quote_plus(self.secrets.get('client_secret', ''))}"
        headers = {"authorization": "Basic " + base64.b64encode(pair.encode()).decode()}
        try:
            status, answer = await exchange.answered(session, "POST", settings["token_url"], data=form, headers=headers)
        except FetchFailed as error:
            raise self._unreachable(str(error)) from error
        token = answer.get("access_token") if status == 200 and isinstance(answer, dict) else None
        if not isinstance(token, str):
            raise self._unreachable(_("no access token was given (status {status})").format(status=status))
        return token

    def _unreachable(self, reason: str) -> SystemUnreachable:
        return SystemUnreachable(
            _("The transmitter of {name} does not answer as it should: {reason}.").format(
                name=self.stream.name, reason=reason
            ),
            mend=_("Nothing is lost: what was not acknowledged comes again with the next poll."),
        )


def poll(name: str, *, receiver: Receiver, rounds: int = ROUNDS_MAX) -> Polled:
    """Ask the transmitter of a stream until it has no more, keeping everything before it is acknowledged."""
    stream, secrets = queries.opened_stream(name)
    if stream.settings.get("delivery") != "poll":
        raise StreamNotUnderstood(
            _("{name} is pushed to us.").format(name=name), mend=_("Only streams added with --delivery poll are asked.")
        )
    return _Poll(stream, receiver=receiver, secrets=secrets).run(rounds=rounds)
