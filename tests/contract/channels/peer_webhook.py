"""A product that receives Standard Webhooks, checked as the standard's text says."""

import base64
import hmac
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

from aiohttp import web
from channel_peers import Loop, Mood, looping
from http_stand_in import Answer, HttpStandIn

from tocsin.customers.values import AddressKind
from tocsin.integrations.standard_webhooks import channel

KEY, OLD_KEY = b"k" * 32, b"o" * 32
SECRET, OLD_SECRET = (f"whsec_{base64.b64encode(key).decode()}" for key in (KEY, OLD_KEY))


class WebhookPeer:
    kind = "webhook"
    moods = frozenset(Mood) - {Mood.DROPS_BEFORE}
    addresses: ClassVar = [("customer-17", AddressKind.APP, "customer-17"), (" é 1 ", AddressKind.APP, "é 1")]
    wrong_addresses: ClassVar = [("", AddressKind.APP), ("a\nb", AddressKind.APP), ("+33612345678", AddressKind.PHONE)]
    wrong_contents: ClassVar = [
        ({}, "type"),
        ({"type": "Not a type", "data": {}}, "type"),
        ({"type": "security.notice"}, "data"),
        ({"type": "security.notice", "data": []}, "data"),
        ({"type": "security.notice", "data": {"x": {1, 2}}}, "data"),
        ({"type": "security.notice", "data": {"x": "a" * 300_000}}, "data"),
        ({"type": "security.notice", "data": {}, "more": 1}, "more"),
    ]

    def __init__(self, loop: Loop) -> None:
        self._received: list[tuple[str, str]] = []
        said = {"error": "customer-17 does not want 'a secret text'"}
        self._server = HttpStandIn(
            loop,
            take=self._take,
            refusals={
                Mood.REFUSES: (400, said, {}),
                Mood.REFUSES_PERSON: (422, said, {}),
                Mood.NOT_NOW: (500, said, {}),
                Mood.TOO_FAST: (429, said, {"Retry-After": "7"}),
                Mood.WRONG_CREDENTIALS: (401, said, {}),
            },
        )
        self.be(Mood.TAKES)

    def channel(self, **settings):
        given = {"url": f"http://127.0.0.1:{self._server.port}/in", "allow_private": True, **settings}
        return channel.connect("app", settings=given, secrets={"secret": SECRET, "old_secret": OLD_SECRET})

    def content(self, text: str):
        return {"type": "security.notice", "data": {"text": text}}

    def be(self, mood: Mood) -> None:
        self._server.be(mood)

    def received(self):
        return list(self._received)

    def tries(self) -> int:
        return self._server.tries

    def connections(self) -> int:
        return self._server.connections

    def secrets(self) -> list[str]:
        return [SECRET, OLD_SECRET]

    async def _take(self, request: web.Request, body: bytes) -> Answer:
        named, stamp = request.headers["webhook-id"], request.headers["webhook-timestamp"]
        signed = f"{named}.{stamp}.".encode() + body
        expected = {"v1," + base64.b64encode(hmac.digest(key, signed, "sha256")).decode() for key in (KEY, OLD_KEY)}
        assert set(request.headers["webhook-signature"].split()) == expected
        told = json.loads(body)
        assert told["type"] == "security.notice" and told["timestamp"]
        self._received.append((named, told["account"]))
        return 204, {}, {}


@contextmanager
def running(folder: Path) -> Iterator[WebhookPeer]:
    with looping() as loop:
        peer = WebhookPeer(loop)
        yield peer
        peer.be(Mood.DOWN)
