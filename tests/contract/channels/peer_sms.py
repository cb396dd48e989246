"""A stand-in for an SMS provider, from Twilio's "Message resource" and "Error and Warning Dictionary"."""

import base64
import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar
from urllib.parse import parse_qs, urlsplit

from aiohttp import web
from channel_peers import Loop, Mood, looping
from http_stand_in import Answer, HttpStandIn

from tocsin.customers.values import AddressKind
from tocsin.integrations.sms import channel

ACCOUNT, TOKEN = "AC" + "0" * 32, "hush-token-123"


def refused(status: int, code: int, words: str) -> Answer:
    told = {"code": code, "message": words, "more_info": f"https://www.twilio.com/docs/errors/{code}", "status": status}
    return status, told, {}


class SmsPeer:
    kind = "sms"
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
        ({"text": "a" * 1601}, "text"),
        ({"text": "a\0b"}, "text"),
        ({"text": "\ud800"}, "text"),
        ({"text": "hello", "media": "x"}, "media"),
    ]

    def __init__(self, loop: Loop) -> None:
        self._numbers, self._received = itertools.count(), []
        self._address = "+33612345678"
        words = f"The 'To' number {self._address} is not a valid phone number: 33612345678 got 'a secret text'."
        self._server = HttpStandIn(
            loop,
            take=self._take,
            refusals={
                Mood.REFUSES: refused(400, 21617, f"The text 'a secret text' to {self._address} is too long"),
                Mood.REFUSES_PERSON: refused(400, 21211, words),
                Mood.NOT_NOW: refused(503, 20503, "Service unavailable"),
                Mood.TOO_FAST: (429, {"code": 20429, "message": "Too Many Requests"}, {"Retry-After": "7"}),
                Mood.WRONG_CREDENTIALS: refused(401, 20003, "Authenticate"),
            },
        )
        self.be(Mood.TAKES)

    def channel(self, **settings):
        given = {
            "account_sid": ACCOUNT, "from": "+15005550006", "country": "fr",
            "callback_url": "https://tocsin.example/webhooks/v1/app1",
            "base_url": f"http://127.0.0.1:{self._server.port}", **settings,
        }  # fmt: skip
        return channel.connect("sms-main", settings=given, secrets={"token": TOKEN})

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
        return [TOKEN]

    async def _take(self, request: web.Request, body: bytes) -> Answer:
        expected = "Basic " + base64.b64encode(f"{ACCOUNT}:{TOKEN}".encode()).decode()
        assert request.headers["Authorization"] == expected
        assert request.path == f"/2010-04-01/Accounts/{ACCOUNT}/Messages.json"
        if b"Body=" not in body:
            return refused(400, 21604, "A 'To' phone number is required.")
        form = {name: values[0] for name, values in parse_qs(body.decode(), strict_parsing=True).items()}
        assert form["From"] == "+15005550006" and form["Body"]
        ours = parse_qs(urlsplit(form["StatusCallback"]).query)["id"][0]
        self._received.append((ours, form["To"]))
        return 201, {"sid": f"SM{next(self._numbers):032x}", "status": "queued", "error_code": None}, {}


@contextmanager
def running(folder: Path) -> Iterator[SmsPeer]:
    with looping() as loop:
        peer = SmsPeer(loop)
        yield peer
        peer.be(Mood.DOWN)
