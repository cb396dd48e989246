"""``tocsin doctor`` looks, changes nothing, and says how to mend what is missing."""

import os
from collections import namedtuple

import pytest

from tocsin.cli import doctor
from tocsin.cli.wired import RowsPlace, RowsState
from tocsin.kernel.home import home_path
from tocsin.project import main
from tocsin.staff import secrets

PRIVATE = RowsState(RowsPlace.PRIVATE, "/somewhere", made=True, running=False)


class Wired:
    formats = ()

    def __init__(self, state=PRIVATE):
        self.state = state

    def rows_state(self):
        return self.state


def lines(looks):
    return [(line.state, line.text, line.mend) for line in looks]


def test_a_whole_installation_is_well(capsys):
    assert main.run(["doctor"]) == 0
    assert "All is well." in capsys.readouterr().out


def test_doctor_makes_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("TOCSIN_HOME", str(tmp_path / "not" / "yet"))
    assert main.run(["doctor"]) == 0
    assert list(tmp_path.iterdir()) == []


def test_a_server_that_does_not_answer_is_a_thing_to_mend_and_its_password_is_not_shown(capsys, monkeypatch):
    monkeypatch.setenv("TOCSIN_DATABASE_URL", "postgresql://ann:hunter2@127.0.0.1:1/x")
    assert main.run(["doctor"]) == 1
    shown = capsys.readouterr().out
    assert "1 thing to mend." in shown
    assert "hunter2" not in shown


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        (PRIVATE, "not running"),
        (RowsState(RowsPlace.PRIVATE, "/somewhere", made=True, running=True), "running"),
        (RowsState(RowsPlace.PRIVATE, "/somewhere", made=False, running=False), "made by the first command"),
        (RowsState(RowsPlace.SERVER, "PostgreSQL 16, db, tocsin", made=True, running=True), "PostgreSQL 16"),
    ],
)
def test_the_database_is_described(state, expected):
    assert expected in lines(doctor._rows(Wired(state)))[0][1]


def test_a_home_others_can_look_into_is_a_thing_to_mend():
    home_path().chmod(0o755)
    state, _, mend = lines(doctor._home())[0]
    assert state is doctor.State.MISSING
    assert mend.startswith("chmod 700")
    home_path().chmod(0o700)
    assert lines(doctor._home())[0][0] is doctor.State.GOOD


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_home_that_cannot_be_written_is_a_thing_to_mend(tmp_path, monkeypatch):
    tmp_path.chmod(0o500)
    monkeypatch.setenv("TOCSIN_HOME", str(tmp_path / "home"))
    assert lines(doctor._home())[0][0] is doctor.State.MISSING


def test_a_full_disk_is_a_thing_to_mend(tmp_path, monkeypatch):
    usage = namedtuple("usage", "free")
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda folder: usage(1024**2))
    assert lines(doctor._disk(tmp_path))[0][0] is doctor.State.MISSING


def test_a_missing_package_is_a_thing_to_mend(monkeypatch):
    monkeypatch.setattr(doctor, "PACKAGES", ("click", "no-such-package"))
    assert any(
        state is doctor.State.MISSING and "no-such-package" in text
        for state, text, _ in lines(doctor._versions(Wired()))
    )


def test_tables_that_were_brought_in_are_named():
    assert lines(doctor._tables())[0][0] is doctor.State.NOTE
    folder = home_path() / doctor.TABLES
    folder.mkdir()
    (folder / "countries.parquet").touch()
    (folder / ".half").touch()
    assert lines(doctor._tables())[0][1] == "countries.parquet"


def test_keys_that_are_lost_damaged_or_readable_by_others_are_things_to_mend():
    assert lines(doctor._keys()) == [("note", "none yet; made when something is sealed", "")]
    secrets.seal(b"x", about="x")
    key = home_path() / "keys" / "secrets"
    ((good, _text, _mend),) = lines(doctor._keys())
    assert good == "good"
    key.chmod(0o644)
    assert lines(doctor._keys())[0][2] == f"chmod 600 {key}"
    key.write_bytes(b"short")
    assert "holds no key" in lines(doctor._keys())[0][1]
    key.unlink()
    assert lines(doctor._keys())[0][:2] == ("missing", "the key that seals is not there")
