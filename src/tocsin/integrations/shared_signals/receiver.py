"""Receiving: one token that was pushed (RFC 8935), and what is the same for polled ones."""

import hashlib
import hmac
import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus

from tocsin.containment import commands, queries
from tocsin.containment.errors import NoSuchStream
from tocsin.containment.values import SignalNews, Stream
from tocsin.integrations.shared_signals import exchange
from tocsin.integrations.shared_signals.issuer_keys import IssuerKeys
from tocsin.integrations.shared_signals.meaning import news_of
from tocsin.integrations.shared_signals.tokens import (
    Expected,
    RefusalCode,
    Refused,
    allowed_algorithms,
    read_token,
)
from tocsin.kernel import clock

CONTENT_TYPE = "application/secevent+jwt"
JSON_TYPE = "application/json"


@dataclass(frozen=True, slots=True)
class Reply:
    """What a transmitter is answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes = b""


class Receiver:
    """Receives for every stream; keeps their issuers' keys between tokens. Used by several threads."""

    def __init__(self) -> None:
        self._keys: dict[str, IssuerKeys] = {}
        self._lock = threading.Lock()

    def accept(self, name: str, headers: Mapping[str, str], body: bytes) -> Reply:
        """Take one pushed token: 202 once it is on disk (or was), 400 with the code of RFC 8935 when it is not believed.

        ``headers`` are by lower-case name. A stream there is not is answered like a wrong bearer token.
        """
        try:
            stream = self._pushed_to(name, authorization=headers.get("authorization", ""))
            if headers.get("content-type", "").partition(";")[0].strip().lower() != CONTENT_TYPE:
                raise Refused(RefusalCode.INVALID_REQUEST, f"The content type must be {CONTENT_TYPE}.")
            commands.keep_news(stream, news=[self.read(stream, text=body)])
        except Refused as refused:
            return refusal(refused)
        return Reply(HTTPStatus.ACCEPTED, {})

    def read(self, stream: Stream, *, text: bytes) -> SignalNews:
        """Return what a token of a stream tells, if it is believed; raises Refused."""
        expected = Expected(
            issuer=stream.issuer,
            audience=stream.audience,
            algorithms=allowed_algorithms(stream.settings.get("algorithms", ())),
            key_of=self._keys_of(stream),
        )
        token = read_token(text, expected=expected, now=clock.now())
        return news_of(token, settings=stream.settings, issuer=stream.issuer)

    def _pushed_to(self, name: str, *, authorization: str) -> Stream:
        """Return the stream, if the bearer token is the one agreed on; compared in constant time."""
        stream: Stream | None
        secrets: Mapping[str, str]
        try:
            stream, secrets = queries.opened_stream(name)
        except NoSuchStream:
            stream, secrets = None, {}
        wanted = secrets.get("push_token", "")
        scheme, _space, given = authorization.partition(" ")
        same = hmac.compare_digest(*(hashlib.sha256(each.encode()).digest() for each in (given.strip(), wanted)))
        if stream is None or not wanted or not same or scheme.lower() != "bearer":
            raise Refused(RefusalCode.AUTHENTICATION_FAILED, "The bearer token of this stream is needed.")
        if stream.settings.get("delivery") != "push":
            raise Refused(RefusalCode.ACCESS_DENIED, "This stream is polled.")
        return stream

    def _keys_of(self, stream: Stream) -> IssuerKeys:
        """Return the keys of a stream as its settings are now."""
        about = json.dumps([stream.settings.get(each) for each in ("jwks", "jwks_url", "ca_file")], sort_keys=True)
        with self._lock:
            known = f"{stream.id}:{hashlib.sha256(about.encode()).hexdigest()}"
            if known not in self._keys:
                self._keys[known] = IssuerKeys(
                    stream.settings, fetch=partial(exchange.fetched, settings=stream.settings)
                )  # fmt: skip
            return self._keys[known]


def refusal(refused: Refused) -> Reply:
    """Return the error answer of RFC 8935, section 2.3."""
    said = {"err": refused.code.value, "description": refused.description}
    headers = {"content-type": JSON_TYPE, "content-language": "en"}
    return Reply(HTTPStatus.BAD_REQUEST, headers, json.dumps(said).encode())
