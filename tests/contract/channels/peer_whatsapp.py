"""A stand-in for Meta's Cloud API, from its pages messages/send-messages and support/error-codes."""

import itertools
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

from aiohttp import web
from channel_peers import Loop, Mood, looping
from http_stand_in import Answer, HttpStandIn

from tocsin.customers.values import AddressKind
from tocsin.integrations.whatsapp import channel

LINE, ACCOUNT, TOKEN = "100200300", "900800700", "EAAhush-token-123"


def refused(status: int, code: int, title: str, details: str) -> Answer:
    error = {
        "message": f"(#{code}) {title}", "type": "OAuthException", "code": code, "fbtrace_id": "Az8",
        "error_data": {"messaging_product": "whatsapp", "details": details},
    }  # fmt: skip
    return status, {"error": error}, {}


class WhatsAppPeer:
    kind = "whatsapp"
    moods = frozenset(Mood) - {Mood.DROPS_BEFORE}
    addresses: ClassVar = [
        ("+33 6 12 34 56 78", AddressKind.PHONE, "+33612345678"),
        ("+44 (20) 7946-0958", AddressKind.PHONE, "+442079460958"),
        ("BR.13491208655302741918", AddressKind.WHATSAPP, "BR.13491208655302741918"),
        ("US.ENT.abcDEF123", AddressKind.WHATSAPP, "US.ENT.abcDEF123"),
    ]
    wrong_addresses: ClassVar = [
        ("12ab", AddressKind.PHONE),
        ("+0000000", AddressKind.PHONE),
        ("br.123", AddressKind.WHATSAPP),
        (" BR.123", AddressKind.WHATSAPP),
        ("bob@example.org", AddressKind.EMAIL),
    ]
    wrong_contents: ClassVar = [
        ({}, "type"),
        ({"type": "text"}, "text"),
        ({"type": "text", "text": {"body": ""}}, "text.body"),
        ({"type": "text", "text": {"body": "a" * 4097}}, "text.body"),
        ({"type": "text", "text": {"body": "hello", "preview": True}}, "text.preview"),
        ({"type": "image", "image": {"url": "https://example.org/a.png"}}, "image.url"),
    ]

    def __init__(self, loop: Loop) -> None:
        self._numbers, self._received = itertools.count(), []
        said = "'a secret text' to +33612345678 (33612345678)"
        self._server = HttpStandIn(
            loop,
            take=self._take,
            refusals={
                Mood.REFUSES: refused(400, 131009, "Parameter value is not valid", f"text.body {said}"),
                Mood.REFUSES_PERSON: refused(400, 131026, "Message undeliverable", said),
                Mood.NOT_NOW: refused(503, 131016, "Service unavailable", said),
                Mood.TOO_FAST: refused(429, 130429, "Rate limit hit", "Cloud API message throughput has been reached."),
                Mood.WRONG_CREDENTIALS: refused(401, 190, "Access token has expired", f"Token {TOKEN[:3]} expired"),
            },
        )
        self.be(Mood.TAKES)

    def channel(self, **settings):
        given = {
            "phone_number_id": LINE, "waba_id": ACCOUNT, "base_url": f"http://127.0.0.1:{self._server.port}", **settings,
        }  # fmt: skip
        return channel.connect("whatsapp-main", settings=given, secrets={"token": TOKEN})

    def content(self, text: str):
        return {"type": "text", "text": {"body": text}}

    def be(self, mood: Mood) -> None:
        self._server.be(mood)

    def received(self):
        return list(self._received)

    def tries(self) -> int:
        return self._server.tries

    def connections(self) -> int:
        return self._server.connections

    def secrets(self) -> list[str]:
        return [TOKEN]

    async def _take(self, request: web.Request, body: bytes) -> Answer:
        assert request.headers["Authorization"] == f"Bearer {TOKEN}"
        assert request.path == f"/v24.0/{LINE}/messages"
        asked = json.loads(body)
        assert (asked["messaging_product"], asked["recipient_type"]) == ("whatsapp", "individual")
        self._received.append((asked["biz_opaque_callback_data"], asked["to"]))
        contacts = [{"input": asked["to"], "wa_id": asked["to"].lstrip("+")}]
        messages = [{"id": f"wamid.{next(self._numbers)}"}]
        return 200, {"messaging_product": "whatsapp", "contacts": contacts, "messages": messages}, {}


@contextmanager
def running(folder: Path) -> Iterator[WhatsAppPeer]:
    with looping() as loop:
        peer = WhatsAppPeer(loop)
        yield peer
        peer.be(Mood.DOWN)
