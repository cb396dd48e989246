"""A stand-in for a mail provider, from Postmark's "Email API" and "API error codes"."""

import gc
import importlib.util
import itertools
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from aiohttp import web
from channel_peers import Loop, Mood, looping
from http_stand_in import Answer, HttpStandIn
from mail_server import EmailPeer

from tocsin.integrations.email_provider import channel
from tocsin.project import settings

TOKEN = "hush-server-token"


def refused(code: int, words: str) -> Answer:
    return 422, {"ErrorCode": code, "Message": words}, {}


class ProviderPeer:
    kind = "email_provider"
    moods = frozenset(Mood) - {Mood.DROPS_BEFORE}
    addresses = EmailPeer.addresses
    wrong_addresses = EmailPeer.wrong_addresses
    wrong_contents = EmailPeer.wrong_contents

    def __init__(self, loop: Loop) -> None:
        self._numbers, self._received = itertools.count(), []
        self.mails: list[dict] = []
        self._server = HttpStandIn(
            loop,
            take=self._take,
            refusals={
                Mood.REFUSES: refused(300, "Invalid email request: 'a secret text' to bob.k@example.org"),
                Mood.REFUSES_PERSON: refused(
                    406,
                    "You tried to send to a recipient that has been marked as inactive. Found inactive addresses: "
                    "bob.k@example.org. Inactive recipients are ones that have generated a hard bounce.",
                ),
                Mood.NOT_NOW: (503, {"ErrorCode": 100, "Message": "Maintenance"}, {}),
                Mood.TOO_FAST: (429, {"ErrorCode": 429, "Message": "Rate limit exceeded"}, {"Retry-After": "7"}),
                Mood.WRONG_CREDENTIALS: (401, {"ErrorCode": 10, "Message": "Bad or missing Server API token."}, {}),
            },
        )
        self.be(Mood.TAKES)

    def channel(self, **changes):
        given = {
            "provider": "postmark", "from": "alarm@larkwave.example", "from_name": "Larkwave",
            "base_url": f"http://127.0.0.1:{self._server.port}", **changes,
        }  # fmt: skip
        return channel.connect("mail-api", settings=given, secrets={"key": TOKEN})

    def content(self, text: str):
        return {"subject": "Please read", "text": text, "html": f"<p>{text}</p>"}

    def be(self, mood: Mood) -> None:
        self._server.be(mood)

    def received(self):
        return list(self._received)

    def tries(self) -> int:
        return self._server.tries

    def connections(self) -> int:
        gc.collect()  # urllib3 closes the connections of a pool when the pool is swept up
        return self._server.connections

    def secrets(self) -> list[str]:
        return [TOKEN]

    async def _take(self, request: web.Request, body: bytes) -> Answer:
        assert request.headers["X-Postmark-Server-Token"] == TOKEN and request.path == "/email"
        mail = json.loads(body)
        self.mails.append(mail)
        self._received.append((mail["Metadata"]["tocsin_id"], mail["To"]))
        told = {"To": mail["To"], "MessageID": f"pm-{next(self._numbers)}", "ErrorCode": 0, "Message": "OK"}
        return 200, told, {}


@contextmanager
def running(folder: Path) -> Iterator[ProviderPeer]:
    if importlib.util.find_spec("anymail") is None:
        pytest.skip("django-anymail is not installed (extra email-providers)")
    settings.use_database(settings.parameters_of_socket(str(folder), role="nobody", database="none"))
    with looping() as loop:
        peer = ProviderPeer(loop)
        yield peer
        peer.be(Mood.DOWN)
