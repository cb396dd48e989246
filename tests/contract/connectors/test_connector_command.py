"""`tocsin connector`: a system is connected, asked, listed and removed; its secrets are never seen again."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from conftest import peer_module

from tocsin.project import main


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[object]:
    with peer_module("sql").running(tmp_path_factory.mktemp("sql")) as running:
        yield running


@pytest.fixture
def config(shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Write the settings, and keep Tocsin's own rows in another database of the same server."""
    name = f"own_{tmp_path.name.replace('-', '_')}"[:60]
    with shop.session("postgres") as session:
        session.autocommit = True
        session.execute(f'CREATE DATABASE "{name}"')
    monkeypatch.setenv("TOCSIN_DATABASE_URL", f"postgresql://tocsin@/{name}?host={shop.place.socket_folder}")
    path = tmp_path / "shop.yml"
    path.write_text(yaml.safe_dump(shop.settings()), encoding="utf-8")
    return path


def tocsin(capsys: pytest.CaptureFixture, *arguments: object) -> tuple[int, str, str]:
    code = main.run([str(argument) for argument in arguments])
    shown = capsys.readouterr()
    return code, shown.out, shown.err


def test_a_system_is_connected_asked_listed_changed_and_removed(shop, config, tmp_path, capsys, monkeypatch):
    (tmp_path / "secret").write_text("hush-hush-1234\n", encoding="utf-8")
    monkeypatch.setenv("SHOP_PASSWORD", "hush-hush-5678")
    add = ("connector", "add", "shop", "--kind", "sql", "--config", config, "--secret")
    assert tocsin(capsys, *add, f"password=@{tmp_path / 'secret'}")[0] == 0
    code, _out, err = tocsin(capsys, *add, f"password=@{tmp_path / 'secret'}")
    assert code == 2 and "--replace" in err
    assert tocsin(capsys, *add, "password=env:SHOP_PASSWORD", "--replace")[0] == 0

    code, out, _err = tocsin(capsys, "connector", "check", "shop")
    assert code == 0 and "Every table and column is there" in out and "revoke_sessions" in out
    code, out, _err = tocsin(capsys, "connector", "list")
    assert "shop" in out and "sql" in out

    assert tocsin(capsys, "connector", "remove", "shop", "--reason", "closed")[0] == 0
    code, _out, err = tocsin(capsys, "connector", "check", "shop")
    assert code == 2 and "connector list" in err
    with shop.session(os.environ["TOCSIN_DATABASE_URL"].split("@/")[1].split("?")[0]) as session:
        kept = session.execute("SELECT sealed FROM tocsin_connectedsystem").fetchall()
        told = json.dumps([row[0] for row in session.execute("SELECT content FROM tocsin_journalentry").fetchall()])
    assert [bytes(sealed) for (sealed,) in kept] == [b""]
    assert "hush" not in told and "containment.system_connected" in told


def test_wrong_settings_are_refused_before_anything_is_kept(config, tmp_path, capsys):
    config.write_text("host: x\nwrong_setting: 1\n", encoding="utf-8")
    code, _out, err = tocsin(capsys, "connector", "add", "shop", "--kind", "sql", "--config", config)
    assert code == 2 and "wrong_setting" in err and "connector kinds sql" in err
    config.write_text("- a list", encoding="utf-8")
    assert tocsin(capsys, "connector", "add", "shop", "--kind", "sql", "--config", config)[0] == 2
    config.write_text("host: x", encoding="utf-8")
    code, _out, err = tocsin(capsys, "connector", "add", "shop", "--kind", "mainframe", "--config", config)
    assert code == 2 and "ldap" in err
    code, out, _err = tocsin(capsys, "connector", "list")
    assert "shop" not in out


@pytest.mark.parametrize(
    "given", ["password=hush-1", "password", "=@x", "password=@/no/such/file", "password=env:NOT_SET"]
)
def test_a_secret_on_the_command_line_is_refused_and_not_repeated(config, capsys, given):
    code, _out, err = tocsin(capsys, "connector", "add", "shop", "--kind", "sql", "--config", config, "--secret", given)
    assert code == 2 and "hush" not in err


def test_every_kind_is_explained_with_its_settings_and_secrets(capsys):
    code, out, _err = tocsin(capsys, "connector", "kinds", "ldap")
    assert code == 0 and "bind_dn" in out and "--secret password" in out
    assert tocsin(capsys, "connector", "kinds", "mainframe")[0] == 2


def test_a_worker_with_nothing_to_do_says_so(config, capsys):
    code, out, _err = tocsin(capsys, "contain", "work", "--once")
    assert code == 0 and "nothing was due" in out
    assert tocsin(capsys, "contain", "work", "--once", "--system", "nobody")[0] == 2
