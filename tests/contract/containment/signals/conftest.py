"""A transmitter written from the texts of RFC 8417, 8935 and 8936 alone: it signs with PyJWT and knows none of ours."""

import json
import threading
import time
import uuid
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from tocsin.containment import commands
from tocsin.integrations.shared_signals.receiver import Receiver
from tocsin.journal.values import Assurance, Author

ISSUER = "https://sso.example.com"
AUDIENCE = "https://tocsin.example.com/signals"
CAEP = "https://schemas.openid.net/secevent/caep/event-type/"
SSF = "https://schemas.openid.net/secevent/ssf/event-type/"
RISC = "https://schemas.openid.net/secevent/risc/event-type/"


class Transmitter:
    """Holds keys and a queue; answers its keys, a token address and polls on loopback; counts what is asked of it."""

    def __init__(self) -> None:
        self.key = rsa.generate_private_key(65537, 2048)
        self.kid = "k1"
        self.queue: dict[str, str] = {}
        self.acknowledged: list[str] = []
        self.errors: dict[str, dict[str, str]] = {}
        self.polls: list[dict[str, Any]] = []
        self.asked: dict[str, int] = {}
        self.bearer = "poll-secret"
        self.at_once = 1000
        self.answer: Any = None  # instead of what RFC 8936 says
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), _asked_of(self))
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self.thread.start()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}"

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def jwks(self) -> dict[str, Any]:
        public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(self.key.public_key()))
        return {"keys": [public | {"kid": self.kid, "use": "sig", "alg": "RS256"}]}

    def turn_key(self) -> None:
        self.key, self.kid = rsa.generate_private_key(65537, 2048), f"k{int(self.kid[1:]) + 1}"

    def claims(self, event: str, subject: dict[str, Any] | str, payload: dict[str, Any] | None = None, **more: Any):
        about = {"format": "opaque", "id": subject} if isinstance(subject, str) else subject
        now = int(time.time())
        return {
            "iss": ISSUER, "aud": AUDIENCE, "iat": now, "jti": uuid.uuid4().hex, "sub_id": about, "txn": "42",
            "events": {event: {"event_timestamp": now, **(payload or {})}},
        } | more  # fmt: skip

    def token(
        self, event: str, subject: dict[str, Any] | str, payload: dict[str, Any] | None = None, **more: Any
    ) -> str:
        return self.sign(self.claims(event, subject, payload, **more))

    def sign(self, claims: dict[str, Any], *, key: Any = None, algorithm: str = "RS256", **headers: Any) -> str:
        return jwt.encode(
            {name: value for name, value in claims.items() if value is not None}, key or self.key, algorithm=algorithm,
            headers={"typ": "secevent+jwt", "kid": self.kid} | headers,
        )  # fmt: skip

    def put(self, token: str) -> str:
        jti = jwt.decode(token, options={"verify_signature": False}, audience=AUDIENCE)["jti"]
        self.queue[jti] = token
        return jti


def _asked_of(peer: Transmitter) -> type[BaseHTTPRequestHandler]:
    class Asked(BaseHTTPRequestHandler):
        def log_message(self, *_args: Any) -> None:
            pass

        def say(self, status: int, value: Any) -> None:
            body = json.dumps(value).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_GET(self) -> None:
            peer.asked[self.path] = peer.asked.get(self.path, 0) + 1
            if self.path == "/moved":
                self.send_response(302)
                self.send_header("Location", "/jwks")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            self.say(*((200, peer.jwks()) if self.path == "/jwks" else (404, {})))

        def do_POST(self) -> None:
            peer.asked[self.path] = peer.asked.get(self.path, 0) + 1
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.path == "/token":
                assert b"grant_type=client_credentials" in body and self.headers["Authorization"].startswith("Basic ")
                self.say(200, {"access_token": peer.bearer, "token_type": "Bearer"})
            elif self.headers["Authorization"] != f"Bearer {peer.bearer}":
                self.say(401, {})
            elif peer.answer is not None:
                self.say(200, peer.answer)
            else:
                self.poll(json.loads(body))

        def poll(self, wanted: dict[str, Any]) -> None:
            """RFC 8936, section 2: first take what is acknowledged or refused, then hand out what waits."""
            assert self.headers["Content-Type"] == "application/json"
            assert set(wanted) <= {"maxEvents", "returnImmediately", "ack", "setErrs"}
            peer.polls.append(wanted)
            for jti in wanted.get("ack", []):
                peer.acknowledged.append(jti)
                peer.queue.pop(jti, None)
            for jti, error in wanted.get("setErrs", {}).items():
                peer.errors[jti] = error
                peer.queue.pop(jti, None)
            most = min(wanted["maxEvents"], peer.at_once)
            handed = dict(list(peer.queue.items())[:most])
            self.say(200, {"sets": handed, "moreAvailable": bool(most) and len(peer.queue) > len(handed)})

    return Asked


@pytest.fixture
def transmitter() -> Iterator[Transmitter]:
    peer = Transmitter()
    yield peer
    peer.close()


@pytest.fixture
def received(rows: None, transmitter: Transmitter) -> Any:
    """Return a function that adds the stream ``sso`` of the transmitter and gives a receiver for it."""

    def add(*, delivery: str = "push", replace: bool = False, **settings: Any) -> Receiver:
        commands.add_stream(
            "sso", issuer=ISSUER, audience=AUDIENCE, replace=replace, by=Author(name="ada", assurance=Assurance.ASSERTED),
            settings={
                "delivery": delivery, "jwks_url": f"{transmitter.address}/jwks", "poll_url": f"{transmitter.address}/poll",
                "subjects": {"opaque": "account"}, **settings,
            },
            secrets={"push_token": "push-secret", "poll_token": "poll-secret", "client_secret": "s"},
        )  # fmt: skip
        return Receiver()

    return add
