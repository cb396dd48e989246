"""`tocsin signals` as an operator types it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tocsin.project import main

REVOKED = "https://schemas.openid.net/secevent/caep/event-type/session-revoked"


@pytest.fixture
def tocsin(url: str, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    def run(*arguments: object, code: int = 0) -> str:
        ended = main.run([str(each) for each in arguments])
        told = capsys.readouterr()
        assert ended == code, told
        return told.out + told.err

    return run


def test_a_polled_stream_is_added_asked_listed_changed_and_removed(tocsin: Any, transmitter: Any, tmp_path: Path):
    (tmp_path / "token").write_text("poll-secret\n")
    (tmp_path / "jwks.json").write_text(json.dumps(transmitter.jwks()))
    (tmp_path / "accounts.csv").write_text("account,email\nu1,a@example.org\n")
    known = (
        "--issuer", "https://sso.example.com", "--audience", "https://tocsin.example.com/signals", "--delivery", "poll",
        "--poll-url", f"{transmitter.address}/poll", "--token-file", tmp_path / "token", "--as", "ada",
    )  # fmt: skip
    added = tocsin("signals", "add", "sso", "--jwks", tmp_path / "jwks.json", *known)
    assert "opaque=account" in added and "poll-secret" not in added
    transmitter.put(transmitter.token(REVOKED, "u1"))
    transmitter.put(transmitter.token(REVOKED, {"format": "email", "email": "a@example.org"}))
    assert "2 received, 2 new" in tocsin("signals", "poll")
    listed = tocsin("signals", "list")
    assert "not placed: email a@example.org" in listed and "recorded: 1" in listed
    assert "received already" in tocsin("signals", "add", "sso", "--jwks", tmp_path / "jwks.json", *known, code=2)
    tocsin(
        "signals", "add", "sso", "--jwks", f"{transmitter.address}/jwks", *known, "--replace",
        "--subject", "email=alias", "--aliases", tmp_path / "accounts.csv",
    )  # fmt: skip
    assert "1 tokens worked off" in tocsin("signals", "poll", "sso")
    assert "not placed" not in tocsin("signals", "list")
    tocsin("signals", "remove", "sso", "--reason", "moved", "--as", "ada")
    assert "No transmitter" in tocsin("signals", "list")
    assert "No stream" in tocsin("signals", "remove", "sso", "--reason", "again", "--as", "ada", code=2)
    assert "The journal holds" in tocsin("journal", "verify")


def test_what_is_wrong_with_a_stream_is_said_before_anything_is_kept(tocsin: Any, tmp_path: Path):
    (tmp_path / "token").write_text("t")
    (tmp_path / "empty.json").write_text('{"keys": []}')
    known = ("--issuer", "i", "--audience", "a", "--as", "ada")
    polled = ("--delivery", "poll", "--poll-url", "https://x/poll", "--jwks", "https://x/jwks")
    assert "--poll-url" in tocsin("signals", "add", "s", *known, "--delivery", "poll", "--jwks", "https://x", code=2)
    assert "--token-file" in tocsin("signals", "add", "s", *known, "--delivery", "push", "--jwks", "https://x", code=2)
    assert "TLS" in tocsin("signals", "add", "s", *known, *polled[:3], "http://x/poll", "--jwks", "https://x", code=2)
    assert "keys" in tocsin("signals", "add", "s", *known, *polled[:5], tmp_path / "empty.json", code=2)
    assert "alias" in tocsin("signals", "add", "s", *known, *polled, "--subject", "email=guess", code=2)
    assert "--aliases" in tocsin("signals", "add", "s", *known, *polled, "--subject", "email=alias", code=2)
    assert "name of a stream" in tocsin("signals", "add", "a/b", *known, *polled, code=2)
    assert "No transmitter" in tocsin("signals", "list")
