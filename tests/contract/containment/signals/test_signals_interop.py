"""Tokens made by other people's code: npm's jose in Node, joserfc; each in the algorithms a stream may allow."""

import json
import shutil
import subprocess
import time
from typing import Any

import pytest
from joserfc import jwt as joserfc_jwt
from joserfc.jwk import ECKey, KeySet, OKPKey, RSAKey

from tocsin.containment import queries

REVOKED = "https://schemas.openid.net/secevent/caep/event-type/session-revoked"
HEADERS = {"content-type": "application/secevent+jwt", "authorization": "Bearer push-secret"}
IN_NODE = """
const jose = require('jose');
(async () => {
  const { claims, alg } = JSON.parse(require('fs').readFileSync(0, 'utf8'));
  const { publicKey, privateKey } = await jose.generateKeyPair(alg, { modulusLength: 2048, extractable: true });
  const jwk = { ...await jose.exportJWK(publicKey), kid: 'node-1', alg, use: 'sig' };
  const token = await new jose.SignJWT(claims)
    .setProtectedHeader({ alg, typ: 'secevent+jwt', kid: 'node-1' }).sign(privateKey);
  console.log(JSON.stringify({ jwks: { keys: [jwk] }, token }));
})();
"""


def claims(account: str) -> dict[str, Any]:
    return {
        "iss": "https://sso.example.com", "aud": ["https://tocsin.example.com/signals", "https://also.example"],
        "iat": int(time.time()), "jti": f"{account}-1", "sub_id": {"format": "opaque", "id": account},
        "events": {REVOKED: {"initiating_entity": "policy", "reason_admin": {"en": "stolen"}}},
    }  # fmt: skip


def by_node(alg: str) -> tuple[str, dict[str, Any]]:
    """Return a token and its keys from Node, or skip where there is no Node or no package jose (NODE_PATH)."""
    node = shutil.which("node")
    if node is None or subprocess.run([node, "-e", "require('jose')"], capture_output=True, check=False).returncode:
        pytest.skip("needs node with the npm package jose (named in NODE_PATH)")
    asked = json.dumps({"claims": claims("u-node"), "alg": alg})
    made = json.loads(
        subprocess.run([node, "-e", IN_NODE], input=asked, capture_output=True, text=True, check=True).stdout
    )
    return made["token"], made["jwks"]


def by_joserfc(alg: str) -> tuple[str, dict[str, Any]]:
    key = {
        "RS256": lambda: RSAKey.generate_key(2048), "PS256": lambda: RSAKey.generate_key(2048),
        "ES256": lambda: ECKey.generate_key("P-256"), "Ed25519": lambda: OKPKey.generate_key("Ed25519"),
    }[alg]()  # fmt: skip
    key.ensure_kid()
    header = {"alg": alg, "typ": "secevent+jwt", "kid": key.kid}
    return joserfc_jwt.encode(header, claims("u-joserfc"), key, algorithms=[alg]), KeySet([key]).as_dict(private=False)


@pytest.mark.parametrize("alg", ["RS256", "PS256", "ES256", "Ed25519"])
@pytest.mark.parametrize("made_by", [by_node, by_joserfc])
def test_a_token_made_elsewhere_is_believed_under_the_algorithm_agreed_on(received: Any, made_by: Any, alg: str):
    token, jwks = made_by(alg)
    receiver = received(jwks_url="", jwks=jwks, algorithms=[alg])
    reply = receiver.accept("sso", HEADERS, token.encode())
    assert (reply.status, reply.body) == (202, b"")
    assert {outcome.value: n for outcome, n in queries.streams()[0].counts.items()} == {"waiting": 1}
    other = received(replace=True, jwks_url="", jwks=jwks, algorithms=["RS384"])
    assert json.loads(other.accept("sso", HEADERS, token.encode()).body)["err"] == "invalid_request"
