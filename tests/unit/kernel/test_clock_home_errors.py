"""The clock that tests can set, the folder of this installation, and errors that say how to mend."""

import stat
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest

from tocsin.kernel import clock, errors, home, ids


def test_the_clock_can_be_held_still_and_runs_again():
    moment = datetime(2014, 3, 14, tzinfo=UTC)
    with clock.fixed(moment):
        assert clock.now() == moment
    assert clock.now() > moment


def test_milliseconds_and_moments_turn_into_each_other():
    assert clock.to_ms(clock.from_ms(1_398_981_907_123)) == 1_398_981_907_123


def test_a_naive_moment_has_no_place_on_the_time_line():
    with pytest.raises(ValueError, match="time zone"):
        clock.to_ms(datetime(2014, 3, 14))  # noqa: DTZ001


def test_ids_sort_by_birth():
    born = [ids.new_id() for _ in range(1000)]
    assert born == sorted(born)
    assert {each.version for each in born} == {7}


def test_the_home_is_private_and_asking_where_it_is_does_not_make_it(tmp_path, monkeypatch):
    monkeypatch.setenv("TOCSIN_HOME", str(tmp_path / "here"))
    assert home.home_path() == tmp_path / "here"
    assert not home.home_path().exists()
    assert stat.S_IMODE(home.data_home().stat().st_mode) == 0o700


def test_a_home_that_cannot_be_made_says_which_and_how_to_name_another(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    for place in (tmp_path / "file", tmp_path / "file" / "below"):
        monkeypatch.setenv("TOCSIN_HOME", str(place))
        with pytest.raises(errors.TocsinError, match="cannot be made") as refused:
            home.data_home()
        assert refused.value.where == str(place)
        assert "TOCSIN_HOME" in refused.value.mend


def test_without_a_name_the_home_is_the_data_folder_of_the_desktop_standard(tmp_path, monkeypatch):
    monkeypatch.delenv("TOCSIN_HOME")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert home.home_path() == tmp_path / "tocsin"


def test_commands_that_start_together_get_one_key():
    home.data_home()
    with ThreadPoolExecutor(8) as pool:
        keys = set(pool.map(home.installation_key, ["sessions"] * 32))
    assert len(keys) == 1
    path = home.data_home() / "keys" / "sessions"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [each.name for each in path.parent.iterdir()] == ["sessions"]


def test_a_damaged_key_is_not_silently_replaced():
    home.installation_key("sessions")
    (home.data_home() / "keys" / "sessions").write_bytes(b"short")
    with pytest.raises(ValueError, match="backup"):
        home.installation_key("sessions")


def test_an_error_says_where_what_and_how_to_mend_it():
    error = errors.TocsinError("The rule has no title.", where="rules/x.yml:3", mend="Add one.")
    assert str(error) == "rules/x.yml:3: The rule has no title. Add one."
    assert str(errors.TocsinError("The rule has no title.")) == "The rule has no title."
