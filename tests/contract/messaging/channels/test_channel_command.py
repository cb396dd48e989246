"""`tocsin channel`: a channel is connected, asked, listed and removed; bounces come in from a pipe."""

import io
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any
from uuid import uuid4

import pytest
import yaml

from tocsin.kernel.loading import lazily
from tocsin.project import main

models = lazily("tocsin.messaging.models")


@pytest.fixture(scope="module")
def mail(peer_module: Callable[[str], ModuleType], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with peer_module("email").running(tmp_path_factory.mktemp("mail")) as peer:
        yield peer


@pytest.fixture
def config(mail: Any, tmp_path: Path) -> Path:
    path = tmp_path / "mail.yml"
    settings = {
        "host": "127.0.0.1", "port": mail.port, "user": "tocsin", "ca_file": str(mail.ca_file),
        "from": "alarm@larkwave.example",
    }  # fmt: skip
    path.write_text(yaml.safe_dump(settings), encoding="utf-8")
    return path


def tocsin(capsys: pytest.CaptureFixture, *arguments: object) -> tuple[int, str, str]:
    code = main.run([str(argument) for argument in arguments])
    shown = capsys.readouterr()
    return code, shown.out, shown.err


def test_a_channel_is_connected_asked_listed_and_removed(mail, config, url, tmp_path, capsys, monkeypatch):
    (tmp_path / "secret").write_text(f"{mail.secrets()[0]}\n", encoding="utf-8")
    monkeypatch.setenv("WRONG", "hush-wrong")
    add = ("channel", "add", "mail", "--kind", "email", "--config", config, "--secret")
    assert tocsin(capsys, *add, "password=env:WRONG")[0] == 0
    code, out, err = tocsin(capsys, "channel", "check", "mail")
    assert code == 3 and "cannot be used" in out and "hush" not in out + err
    assert tocsin(capsys, *add, f"password=@{tmp_path / 'secret'}", "--replace")[0] == 0
    code, out, _err = tocsin(capsys, "channel", "check", "mail")
    assert code == 0 and "The server answers" in out and "DKIM" in out and "email" in out
    code, out, _err = tocsin(capsys, "channel", "list")
    assert "alarm@larkwave.example via" in " ".join(out.split()) and "hush" not in out
    assert tocsin(capsys, "channel", "remove", "mail", "--reason", "closed")[0] == 0
    assert tocsin(capsys, "channel", "check", "mail")[0] == 2


def test_wrong_settings_are_refused_before_anything_is_kept(config, url, capsys):
    config.write_text("host: mx.example.org\nfrom: a@b.example\ncolour: red\n", encoding="utf-8")
    code, _out, err = tocsin(capsys, "channel", "add", "mail", "--kind", "email", "--config", config)
    assert code == 2 and "colour" in err
    assert tocsin(capsys, "channel", "add", "mail", "--kind", "pigeon", "--config", config)[0] == 2
    assert "mail" not in tocsin(capsys, "channel", "list")[1].splitlines()[-1]


def test_every_kind_is_explained(capsys):
    code, out, _err = tocsin(capsys, "channel", "kinds")
    assert code == 0
    for words in (
        "email",
        "dkim_selector",
        "sms",
        "account_sid",
        "kannel",
        "callback_secret",
        "webhook",
        "allow_private",
        "email_provider",
        "provider",
    ):
        assert words in out
    assert tocsin(capsys, "channel", "kinds", "pigeon")[0] == 2


def test_how_many_sms_a_text_becomes_is_said_before_it_is_sent(url, tmp_path, capsys):
    config, token = tmp_path / "sms.yml", tmp_path / "token.txt"
    config.write_text('account_sid: AC1234\nfrom: "+15005550006"\n', encoding="utf-8")
    token.write_text("hush", encoding="utf-8")
    assert (
        tocsin(capsys, "channel", "add", "sms", "--kind", "sms", "--config", config, "--secret", f"token=@{token}")[0]
        == 0
    )
    text = "C’est " + "a" * 80
    code, out, _err = tocsin(
        capsys, "message", "send", "--channel", "sms", "--to", "+33612345678", "--text", text, "--dry-run"
    )
    assert code == 0 and "SMS: 2" in out and "’ make it 2 SMS instead of 1" in out


def test_a_bounce_from_a_pipe_is_kept_and_without_a_place_the_mail_server_tries_again(
    url, tmp_path, capsys, monkeypatch
):
    raw = tmp_path / "bounce.eml"
    raw.write_bytes(f"In-Reply-To: <{uuid4()}@x.example>\n\nno report".encode())
    code, out, err = tocsin(capsys, "channel", "bounce", raw)
    assert code == 75 and "no place" in err and not out
    (tmp_path / "secret").write_text("hush", encoding="utf-8")
    webhook = ("channel", "webhook", "add", "bounces", "--kind", "email", "--secret", f"@{tmp_path / 'secret'}")
    assert tocsin(capsys, *webhook)[0] == 0
    assert tocsin(capsys, "channel", "bounce", raw) == (0, "", "")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(raw.read_bytes())))
    assert tocsin(capsys, "channel", "bounce", "-")[0] == 0
    assert tocsin(capsys, "channel", "bounce", raw, "--app", "other")[0] == 75
    assert models.WebhookIntake.objects.count() == 2
