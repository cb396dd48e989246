"""`tocsin keys`: what a person sees of the keys, and rotates them with."""

import io
import json
from typing import Any

import pytest
from tests.contract.staff.conftest import names

from tocsin.project import main
from tocsin.staff import commands, keyring

MONA = ("--as", "mona")


def tocsin(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> str:
    assert main.run(list(arguments)) == code
    shown = capsys.readouterr()
    return shown.out + shown.err


def test_a_person_rotates_the_keys_and_sees_what_each_is_needed_for(
    sealed: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    (before,) = names()
    assert before in tocsin(capsys, "keys", "list")
    assert "All that is sealed can be opened" in tocsin(capsys, "keys", "check")
    assert "opens from now on" in tocsin(capsys, "keys", "rotate", "--prepare", *MONA)
    kept = tocsin(capsys, "keys", "rotate", "--keep", *MONA)
    assert "Sealed anew, texts of messages: 5" in kept and "Older keys are kept" in kept
    told = json.loads(tocsin(capsys, "keys", "check", "--json"))
    assert [key["use"] for key in told["keys"]] == ["seals", "opens"]
    assert {key for each in told["sealed"] for key in each["values"]} == {names()[0]}
    ended = tocsin(capsys, "keys", "rotate", *MONA)
    assert "Going on with the rotation" in ended and f"The key {before} is removed" in ended


def test_a_lost_key_is_said_and_a_new_one_made_only_when_asked(sealed: Any, capsys: pytest.CaptureFixture[str]) -> None:
    (before,) = names()
    (keyring.folder() / "secrets").unlink()
    told = tocsin(capsys, "keys", "check", code=1)
    assert "No key seals" in told and f"11 values are sealed by the key {before}" in told
    assert "--lost" in tocsin(capsys, "keys", "rotate", *MONA, code=2)
    tocsin(capsys, "keys", "rotate", "--lost", *MONA)
    assert names() != [before]
    assert sealed.journal()[0][0] == "staff.key_begun"


def test_what_is_lost_with_a_key_is_asked_about_and_kept_in_the_journal(
    sealed: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (before,) = names()
    sealed.rotate()
    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
    remove = ("keys", "remove", before, "--reason", "it was read", *MONA)
    assert "11 values that only this key opens" in tocsin(capsys, *remove, code=130)
    assert before in names()
    assert "Lost, texts of messages: 5" in tocsin(capsys, *remove, "--yes")
    assert tocsin(capsys, "keys", "check", code=1).count(before) == 1
    assert "16 hexadecimal digits" in tocsin(capsys, "keys", "remove", "x", "--reason", "y", *MONA, code=2)


def test_once_somebody_is_enrolled_rotating_needs_a_signature(
    sealed: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commands.queries, "is_begun", lambda: True)
    for command in (["rotate"], ["rotate", "--prepare"], ["rotate", "--lost"], ["remove", "0" * 16, "--reason", "x"]):
        assert "signature" in tocsin(capsys, "keys", *command, *MONA, code=2)
    assert len(names()) == 1


def test_a_key_that_others_can_read_is_to_be_mended(sealed: Any, capsys: pytest.CaptureFixture[str]) -> None:
    (keyring.folder() / "secrets").chmod(0o644)
    assert "chmod 600" in tocsin(capsys, "keys", "check", code=1)


def test_no_key_is_ever_shown(
    sealed: Any, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    key = keyring.current()
    said = "".join(
        tocsin(capsys, *command) for command in (("keys", "list"), ("keys", "check"), ("keys", "rotate", *MONA))
    )
    for written in (key.hex(), str(key), str(keyring.current()), keyring.current().hex()):
        assert written not in said + caplog.text
