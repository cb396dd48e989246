"""A real Kannel, behind a door that counts at the socket and drops lines; its refusals are Kannel's own words."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar
from urllib.parse import parse_qs, urlsplit

import aiohttp
import kannel_boxes
from aiohttp import web
from channel_peers import Loop, Mood, looping
from http_stand_in import Answer, HttpStandIn
from kannel_boxes import NOBODY, PASSWORD, USER, Boxes
from message_centre import serving

from tocsin.customers.values import AddressKind
from tocsin.integrations.sms.kannel import channel

SECRET = "hush-callback-secret"
# What the door changes of a request, so that Kannel itself refuses it.
SPOILED = {
    Mood.REFUSES: {"X-Kannel-Coding": "9"},
    Mood.REFUSES_PERSON: {"X-Kannel-To": f"{NOBODY}123"},
    Mood.WRONG_CREDENTIALS: {"X-Kannel-Password": "another"},
}


class KannelPeer:
    kind = "kannel"
    moods = frozenset(Mood) - {Mood.DROPS_BEFORE}
    addresses: ClassVar = [
        ("+33 6 12 34 56 78", AddressKind.PHONE, "+33612345678"),
        ("06 12 34 56 78", AddressKind.PHONE, "+33612345678"),
        ("+44 20 7946 0958", AddressKind.PHONE, "+442079460958"),
    ]
    wrong_addresses: ClassVar = [
        ("12ab", AddressKind.PHONE),
        ("bob@example.org", AddressKind.EMAIL),
        ("", AddressKind.PHONE),
    ]
    wrong_contents: ClassVar = [
        ({}, "text"),
        ({"text": ""}, "text"),
        ({"text": 3}, "text"),
        ({"text": "ê" * 671}, "text"),  # eleven parts
        ({"text": "a\0b"}, "text"),
        ({"text": "\ud800"}, "text"),
        ({"text": "hello", "media": "x"}, "media"),
    ]

    def __init__(self, loop: Loop, boxes: Boxes) -> None:
        self.boxes, self._received = boxes, []
        self._server = HttpStandIn(
            loop,
            take=self._take,
            refusals={
                Mood.NOT_NOW: (503, "Temporal failure, try again later.", {}),
                Mood.TOO_FAST: (429, "A proxy before it says: too fast", {"Retry-After": "7"}),
            },
        )
        self.be(Mood.TAKES)

    def channel(self, **settings):
        given = {
            "url": f"http://127.0.0.1:{self._server.port}", "username": USER, "from": "+33755500006", "country": "fr",
            "callback_url": "https://tocsin.example/webhooks/v1/app1", **settings,
        }  # fmt: skip
        return channel.connect("kannel", settings=given, secrets={"password": PASSWORD, "callback_secret": SECRET})

    def content(self, text: str):
        return {"text": text}

    def be(self, mood: Mood) -> None:
        self._server.be(mood)

    def received(self):
        return list(self._received)

    def tries(self) -> int:
        return self._server.tries

    def connections(self) -> int:
        return self._server.connections

    def secrets(self) -> list[str]:
        return [PASSWORD, SECRET]

    async def _take(self, request: web.Request, body: bytes) -> Answer:
        assert "@" not in str(request.url) and not request.query_string
        passed = {name: value for name, value in request.headers.items() if name.startswith("X-Kannel-")}
        headers = {**passed, "Content-Type": request.headers["Content-Type"], **SPOILED.get(self._server.mood, {})}
        real = f"http://127.0.0.1:{self.boxes.sendsms_port}{request.path}"
        async with aiohttp.ClientSession() as session, session.post(real, data=body, headers=headers) as answer:
            said = await answer.text()
        if answer.status == 202:
            ours = parse_qs(urlsplit(passed["X-Kannel-DLR-URL"]).query)["id"][0]
            self._received.append((ours, passed["X-Kannel-To"]))
        return answer.status, said, {}


@contextmanager
def running(folder: Path) -> Iterator[KannelPeer]:
    with looping() as loop, serving(loop) as centre, kannel_boxes.running(folder, centre=centre) as boxes:
        peer = KannelPeer(loop, boxes)
        yield peer
        peer.be(Mood.DOWN)
